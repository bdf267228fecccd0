"""Dissects batches into columns: regular frames by arrays, all others one by one, with the same result.

A :class:`BatchDissector` shares its :class:`~vtctap.dissector.dissect.Dissector` with whoever dissects the records
between the batches. The rows that are not regular go through that dissector, in order. It knows nothing of the regular
ones between them, but for the number of its next record, and when the last frame on the link ended: nothing else that
they change would matter to it (:mod:`~vtctap.dissector.columns.links`).
"""

from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import islice
from typing import Any, Final, Protocol

import numpy

from vtctap.dissector.columns.assembly import Assembly
from vtctap.dissector.columns.content import Content
from vtctap.dissector.columns.links import LinkOrder, Stretch
from vtctap.dissector.columns.places import Places
from vtctap.dissector.dissect import Dissection, Dissector, Frame
from vtctap.dissector.tables.model import Cells, Column
from vtctap.pcap.batch import Batch
from vtctap.pcap.record import Kind

__all__ = ["BatchDissector", "Exchanges"]


_AT_ONCE: Final = 1000
"""Dissections that are held before their places are kept alone."""


class Exchanges(Protocol):
    """Follows exchanges, and need not see regular frames."""

    def feed(self, dissection: Dissection) -> None:
        """Takes the next dissection that is not left out."""

    def leave_out(self, link: int, *, asks: bool) -> bool:
        """Whether the next frames of a link may be left out: requests and their answers (``asks``), or frames without a
        request. Completes what they complete."""


class BatchDissector:
    """Dissects batches of one trace into tables with these columns; ``complete`` adds the cells to a row that all rows
    of the trace share."""

    def __init__(
        self,
        dissector: Dissector,
        exchanges: Exchanges,
        columns: Sequence[Column],
        complete: Callable[[Cells], object],
    ) -> None:
        self._dissector = dissector
        self._exchanges = exchanges
        self._assembly = Assembly(columns, complete, dissector)

    def dissect(self, batch: Batch) -> Any:
        """Returns the rows of a batch as an Arrow table."""
        walk = _Walk(batch, self._dissector, self._exchanges)
        exact = walk.exact()
        return self._assembly.table(batch, walk.content, walk.places, exact)


class _Walk:
    """The way through a batch, by the stretches of regular frames and the rows between them."""

    def __init__(self, batch: Batch, dissector: Dissector, exchanges: Exchanges) -> None:
        self._batch = batch
        self._dissector = dissector
        self._exchanges = exchanges
        self._first = dissector.number + 1
        self.content = Content(batch, dissector.meanings)
        self._link = batch.link
        end = batch.time + batch.duration
        self._links = LinkOrder(self._link, self.content.frames, batch.time, end, dissector.ended)
        self.places = Places(self._first, dissector.first_ns, batch, self._links)

    def exact(self) -> dict[int, Dissection]:
        """Gives all rows their places; returns those whose fields depend on more than their place and octets."""
        exact: dict[int, Dissection] = {}
        each = self._dissections()
        while some := dict(islice(each, _AT_ONCE)):
            frames = {row: dissection for row, dissection in some.items() if isinstance(dissection, Frame)}
            self.places.put(frames)
            exact.update((row, frame) for row, frame in frames.items() if frame.meaning.apdu)
        return exact

    def _dissections(self) -> Iterator[tuple[int, Dissection]]:
        """Yields the rows that are not regular, dissected; the others are passed over."""
        stretches = self._stretches()
        left = numpy.ones(len(self._batch), numpy.bool_)
        for stretch in stretches.values():
            left[stretch.rows] = False
        waiting = [*numpy.flatnonzero(left).tolist(), *stretches]
        heapify(waiting)
        while waiting:
            row = heappop(waiting)
            if row in stretches:
                stretch = stretches.pop(row)
                if self._leaves_out(stretch):
                    continue
                for other in stretch.rows[1 : stretch.unit].tolist():
                    heappush(waiting, other)
                rest = stretch.without_first()
                if len(rest.rows):
                    stretches[int(rest.rows[0])] = rest
                    heappush(waiting, int(rest.rows[0]))
            yield row, self._exactly(row)
        self._dissector.number = self._first + len(self._batch) - 1

    def _stretches(self) -> dict[int, Stretch]:
        """Returns the stretches of frames that may be regular, by their first row."""
        content, links, timeout_ns = self.content, self._links, self._dissector.session_timeout_ns
        requests, answers = content.requests(), content.answers()
        content.ask(links.regular(requests, answers, timeout_ns)[0], links.before)
        usual = ~(content.unusual | links.after_events(content.events, self._link))
        paired, unasked = links.regular(requests & usual, answers & usual, timeout_ns)
        return {int(each.rows[0]): each for each in links.stretches(paired, unasked, content.data(), self._link)}

    def _leaves_out(self, stretch: Stretch) -> bool:
        """Whether a stretch is regular after what was before it on its link."""
        link = int(self._link[stretch.rows[0]])
        session = self._dissector.settled(link)
        if not session or not self._exchanges.leave_out(link, asks=stretch.asks):
            return False
        self.places.pass_over(stretch, session)
        return True

    def _exactly(self, row: int) -> Dissection:
        record, before = self._batch.record(row), self._links.before[row]
        if record.kind is Kind.FRAME and before >= 0 and self.places.regular[before]:
            self._dissector.leave_out(record.link, int(self._links.before_end[row]))
        self._dissector.number = self._first + row - 1
        dissection = self._dissector.dissect(record)
        self._exchanges.feed(dissection)
        return dissection
