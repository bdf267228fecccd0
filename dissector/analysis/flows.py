"""Token flows: follows each token from its write to its verdict.

The client writes a token, the meter acknowledges it, and the client reads the token status until it is no longer
pending; that status is the verdict. The profile says what each status means. The flow is derived: IEC 62055-52
publishes only the names of the messages and of tokenStatus. Memory holds one flow per link.

Where the profile names no token register, a written value with a token's form counts as a token if a token status
follows it; ``recognised`` is then False.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from vtctap.dissector.analysis.exchanges import Exchange, gathered
from vtctap.dissector.catalogue import TOKEN_OUTCOMES
from vtctap.dissector.dissect import Frame, Item
from vtctap.dissector.meaning import Meaning
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.tokens import Token
from vtctap.dissector.tokens.number import digits
from vtctap.dissector.tokens.recognise import ANYWHERE, recognise
from vtctap.dissector.verdicts import refuses, writes
from vtctap.pcap.record import Flag

OUTCOMES: Final = (*TOKEN_OUTCOMES, "refused", "unanswered", "unknown")
"""The outcomes of a token.

The token status gives the first ones. "refused" and "unanswered": the meter did not acknowledge the write (or gave a
DLMS result other than 0), or did not answer it. "unknown": the status was never read, or the profile does not say what
it means, or a tap had an outage. A token stays ``pending`` where the trace ends, another token is written, or a tap has
an outage, before its verdict.
"""


@dataclass(frozen=True, slots=True)
class TokenFlow:
    """One token: the exchange that wrote it (the last, where it was repeated), the later exchanges that read the token
    status, and the ``outcome``, one of :data:`OUTCOMES`.

    ``status``, ``status_name`` and ``status_meaning`` are those of the verdict. ``duration`` (s) runs from the end of
    the write to the start of the answer with the verdict, None where unknown.
    """

    session: int
    link: int
    write: Exchange
    polls: tuple[Exchange, ...]
    outcome: str
    status: int | None
    status_name: str | None
    status_meaning: str | None
    duration: float | None
    token: str
    """The token's 20 digits."""
    recognised: bool
    """Whether the written record itself says that it is a token."""

    @property
    def request(self) -> Frame:
        """The frame that wrote it."""
        assert self.write.request  # Every flow begins with one.
        return self.write.request


@dataclass(slots=True)
class _Open:
    """A token that waits for its verdict."""

    write: Exchange
    token: Token
    recognised: bool
    polls: list[Exchange] = field(default_factory=list)
    last: Frame | None = None
    blind: bool = False
    """Whether another token may have been written since, during an outage."""

    def done(self) -> TokenFlow:
        request, verdict = self.write.request, self.last
        meaning = verdict.meaning if verdict else None
        status = meaning.status_token if meaning else None
        duration = None
        outcome = _outcome(self.write, meaning)
        if verdict and request and outcome != "pending":
            synthetic = (request.record.flags | verdict.record.flags) & Flag.SYNTHETIC
            duration = None if synthetic else (verdict.record.time - request.record.end) / 1e9
        return TokenFlow(
            self.write.session,
            self.write.link,
            self.write,
            tuple(self.polls),
            outcome,
            status,
            meaning.status_token_name if meaning else None,
            meaning.status_token_meaning if meaning else None,
            duration,
            digits(self.token.number),
            self.recognised,
        )

    @property
    def is_one(self) -> bool:
        """Whether it surely is a token, by its own digits or by the answers to it."""
        return self.recognised or self.last is not None


def _outcome(write: Exchange, verdict: Meaning | None) -> str:
    response = write.response
    if response is None:
        return "unknown" if write.blind else "unanswered"
    if refuses(response.message, response.meaning, response.place):
        return "refused"
    return (verdict.status_token_outcome if verdict else None) or "unknown"


def token_flows(records: Iterable[Item], profile: Profile | None = None) -> Iterator[TokenFlow]:
    """Returns the tokens that were written, each as soon as its outcome is known; the arguments are those of
    :func:`~vtctap.dissector.analysis.exchanges.exchanges`."""
    follower = Follower()
    for exchange in gathered(records, profile):
        yield from follower.feed(exchange)
    yield from follower.close()


class Follower:
    """Follows tokens through exchanges that are fed in order."""

    def __init__(self) -> None:
        self._links: dict[int, _Open] = {}

    def feed(self, exchange: Exchange) -> Iterator[TokenFlow]:
        """Takes the next exchange and returns the flows that it ends."""
        request, link = exchange.request, exchange.link
        open_flow = self._links.get(link)
        if open_flow and (open_flow.blind or open_flow.write.session != exchange.session):
            yield from self._end(link)
            open_flow = None
        if open_flow:
            open_flow.blind = exchange.blind
        if request and writes(request.message, request.meaning):
            token, recognised = _written(request)
            if token:
                if exchange.repeat_of is None:
                    yield from self._end(link)
                self._links[link] = _Open(exchange, token, recognised, blind=exchange.blind)
            return
        response = exchange.response
        status = response.meaning.status_token if response and not response.damaged else None
        if open_flow and response and status is not None:
            open_flow.polls.append(exchange)
            open_flow.last = response
            if response.meaning.status_token_outcome != "pending":
                yield from self._end(link)

    def close(self) -> list[TokenFlow]:
        """Returns the flows still open at the end of the trace."""
        return [flow for link in list(self._links) for flow in self._end(link)]

    def _end(self, link: int) -> Iterator[TokenFlow]:
        open_flow = self._links.pop(link, None)
        if open_flow and open_flow.is_one:
            yield open_flow.done()


def _written(request: Frame) -> tuple[Token | None, bool]:
    """Returns the token that a write holds or may hold, and whether it surely is one."""
    if request.meaning.token:
        return request.meaning.token, True
    return next((token for value in request.message.value if (token := recognise(value, ANYWHERE))), None), False
