"""The rows of tokens of a trace: gathers exchanges, and follows the tokens in them."""

from collections.abc import Callable, Iterable

from vtctap.dissector.analysis.exchanges import Exchange, Gatherer
from vtctap.dissector.analysis.flows import Follower, TokenFlow
from vtctap.dissector.dissect import Dissection
from vtctap.dissector.tables.model import Cells
from vtctap.dissector.tables.tokens import token_cells

__all__ = ["TokenRows"]


class TokenRows:
    """Follows the tokens of dissections that are fed in order; calls ``write`` with the row of each."""

    def __init__(self, write: Callable[[Cells], object]) -> None:
        self._write = write
        self._gatherer = Gatherer()
        self._follower = Follower()

    def feed(self, dissection: Dissection) -> None:
        """Takes the next dissection."""
        self._follow(self._gatherer.feed(dissection))

    def leave_out(self, link: int, *, asks: bool) -> bool:
        """See :meth:`vtctap.dissector.columns.batches.Exchanges.leave_out`."""
        if not asks and self._gatherer.asked(link):
            return False  # The server's next frame belongs to the exchange of this request.
        self._follow(self._gatherer.complete(link))
        return True

    def close(self) -> None:
        """Ends the exchanges and tokens that are still open."""
        for exchange in self._gatherer.close():
            self._follow(exchange)
        self._write_all(self._follower.close())

    def _follow(self, exchange: Exchange | None) -> None:
        if exchange:
            self._write_all(self._follower.feed(exchange))

    def _write_all(self, flows: Iterable[TokenFlow]) -> None:
        for flow in flows:
            self._write(token_cells(flow))
