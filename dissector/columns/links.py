"""The frames of a batch by link: which are regular, so that their neighbours on the link alone decide their place.

Regular are a request with its good answer behind it, and frames that the server sends without a request. Of these,
:mod:`~vtctap.dissector.pairing` says only that the answer belongs to the request, as long as the link is settled
before. Where a session begins by silence, and where a link repeats, is damaged, or does anything else, the exact way
decides.

The last request of a *stretch* of regular frames and its answer go the exact way, too, from the last answer on that a
later frame may repeat. Then the pairing knows all that it needs for what follows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy

from vtctap.dissector.columns.octets import Booleans, Integers

__all__ = ["LinkOrder", "Stretch"]


_LATEST_NS: Final = 1 << 62
"""A frame that ended even later counts as one that ended then: all times in batches are earlier."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Regular frames of one link, which follow each other there: their rows. ``asks``: requests with their answers, and
    not frames without a request."""

    rows: Integers
    asks: bool

    @property
    def unit(self) -> int:
        """The number of frames that stand or fall together."""
        return 2 if self.asks else 1

    def without_first(self) -> "Stretch":
        """Returns the stretch without its first frame, or its first request and answer."""
        return Stretch(self.rows[self.unit :], self.asks)


class LinkOrder:
    """The order of the frames of a batch on their links.

    ``before`` is the row of the link's previous frame, -1 where it is not in the batch. ``before_end`` is the time when
    that frame ended (ns); ``ended`` gives it for a link of which the batch has no earlier frame, None where there was
    none at all.
    """

    def __init__(
        self, link: Integers, frames: Integers, time: Integers, end: Integers, ended: Callable[[int], int | None]
    ) -> None:
        self._time, self._end = time, end
        ordered = frames[numpy.argsort(link[frames], kind="stable")]
        self._ordered = ordered
        same = link[ordered[1:]] == link[ordered[:-1]]
        self.before = numpy.full(len(time), -1)
        self.before[ordered[1:][same]] = ordered[:-1][same]
        self.before_end = numpy.where(self.before >= 0, end[self.before], 0)
        for row in ordered[:1].tolist() + ordered[1:][~same].tolist():
            self.before_end[row] = min(ended(int(link[row])) or 0, _LATEST_NS)

    def regular(self, requests: Booleans, answers: Booleans, timeout_ns: int) -> tuple[Booleans, Booleans]:
        """Returns which rows are requests with their answers behind them, or these answers, and which are frames of the
        server without a request. ``requests`` and ``answers`` are the rows that may be; a session ends after a silence
        of more than ``timeout_ns``."""
        lasting = self._time - self.before_end <= timeout_ns
        requests, answers = requests & lasting, answers & lasting
        before = self.before
        answering = answers & (before >= 0) & requests[before]
        paired = answering.copy()
        paired[before[answering]] = True
        unasked = answers & ~answering & ~((before >= 0) & paired[before])
        return paired, unasked

    def after_events(self, events: Integers, link: Integers) -> Booleans:
        """Returns which rows are the next frame of their link after an event, which may be an outage."""
        after: Booleans = numpy.zeros(len(link), numpy.bool_)
        for number in numpy.unique(link[events]).tolist():
            frames = self._ordered[link[self._ordered] == number]
            following = numpy.searchsorted(frames, events[link[events] == number])
            after[frames[following[following < len(frames)]]] = True
        return after

    def stretches(self, paired: Booleans, unasked: Booleans, repeatable: Booleans, link: Integers) -> Iterator[Stretch]:
        """Yields the stretches of regular frames, each without its last request and answer, or its last frame; and
        without its last frame of the server that is ``repeatable``, and what follows that one."""
        rows = self._ordered
        kind = paired[rows] + 2 * unasked[rows]
        ends = numpy.flatnonzero((kind[1:] != kind[:-1]) | (link[rows[1:]] != link[rows[:-1]])) + 1
        for start, stop in zip([0, *ends.tolist()], [*ends.tolist(), len(rows)], strict=True):
            if start < stop and kind[start]:
                stretch = Stretch(rows[start:stop], bool(kind[start] == 1))
                of_server = stretch.rows[stretch.unit - 1 :: stretch.unit]
                kept = numpy.flatnonzero(repeatable[of_server])
                last = int(kept[-1]) if len(kept) else len(of_server) - 1
                if last:
                    yield Stretch(stretch.rows[: last * stretch.unit], stretch.asks)
