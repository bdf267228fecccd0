"""The places of a batch's regular frames: number, times, session, and the request of each answer."""

import numpy

from vtctap.dissector.columns.links import Links, Stretch
from vtctap.dissector.columns.octets import Booleans, Integers

__all__ = ["Places"]


class Places:
    """The places of the rows of a batch; ``first`` is the number of the first one, ``first_ns`` the time of the trace's
    first record (None: it is in this batch). ``regular`` are the rows that have a place here."""

    def __init__(self, first: int, first_ns: int | None, time: Integers, end: Integers, links: Links) -> None:
        self.number = first + numpy.arange(len(time))
        self.time = time
        self.since_first_ns = time - (time[0] if first_ns is None else first_ns)
        self.gap_ns = time - links.before_end
        self.session = numpy.zeros(len(time), numpy.int64)
        self.regular: Booleans = numpy.zeros(len(time), numpy.bool_)
        self.answers: Booleans = numpy.zeros(len(time), numpy.bool_)
        self._before = links.before
        self._end = end

    def pass_over(self, stretch: Stretch, session: int) -> None:
        """Gives the frames of a stretch their places."""
        self.regular[stretch.rows] = True
        self.session[stretch.rows] = session
        if stretch.asks:
            self.answers[stretch.rows[1::2]] = True

    @property
    def request_in(self) -> Integers:
        """The number of the request of each answer; other rows have no meaning here."""
        numbers: Integers = self.number[self._before]
        return numbers

    @property
    def response_time_ns(self) -> Integers:
        """From the end of the request to the start of its answer; negative where it is unknown."""
        times_ns: Integers = self.time - self._end[self._before]
        return times_ns
