"""The places of a batch's rows among the others: number, times, session, and the request of each answer."""

from collections.abc import Mapping

import numpy

from vtctap.dissector.columns.links import LinkOrder, Stretch
from vtctap.dissector.columns.octets import Booleans
from vtctap.dissector.dissect import Frame
from vtctap.pcap.batch import Batch

__all__ = ["Places"]


class Places:
    """The places of the rows of a batch; ``first`` is the number of the first one, ``first_ns`` the time of the trace's
    first record (None: it is in this batch).

    0 in ``session``, ``request_in``, ``repeat_of`` and ``status_token_in``, and a negative time in ``gap_ns`` and
    ``response_time_ns`` say that there is none. ``regular`` are the rows that were passed over. ``asked`` are numbers
    of what ``all_asked`` lists: the registers that the request named, of data sets that name none.
    """

    def __init__(self, first: int, first_ns: int | None, batch: Batch, links: LinkOrder) -> None:
        count = len(batch)
        self.number = first + numpy.arange(count)
        self.since_first_ns = batch.time - (batch.time[0] if first_ns is None else first_ns)
        self.gap_ns, self.response_time_ns = numpy.full((2, count), -1)
        self.session, self.request_in, self.repeat_of, self.status_token_in = numpy.zeros((4, count), numpy.int64)
        self.regular: Booleans = numpy.zeros(count, numpy.bool_)
        self.asked = numpy.zeros(count, numpy.int64)
        self.all_asked: dict[tuple[str, ...], int] = {(): 0}
        self._batch = batch
        self._links = links

    def pass_over(self, stretch: Stretch, session: int) -> None:
        """Gives the frames of a stretch their places."""
        rows, time = stretch.rows, self._batch.time
        self.regular[rows] = True
        self.session[rows] = session
        self.gap_ns[rows] = time[rows] - self._links.before_end[rows]
        if stretch.asks:
            answers = rows[1::2]
            self.request_in[answers] = self.number[rows[0::2]]
            self.response_time_ns[answers] = self.gap_ns[answers]

    def put(self, frames: Mapping[int, Frame]) -> None:
        """Gives rows the places of their frames."""
        rows, places = list(frames), [frame.place for frame in frames.values()]
        self.session[rows] = [place.session for place in places]
        self.request_in[rows] = [place.request_in or 0 for place in places]
        self.repeat_of[rows] = [place.repeat_of or 0 for place in places]
        self.status_token_in[rows] = [place.status_token_in or 0 for place in places]
        self.asked[rows] = [self.number_of(place.register_asked) for place in places]
        times_ns = (place.response_time_ns for place in places)
        self.response_time_ns[rows] = [-1 if time_ns is None else time_ns for time_ns in times_ns]
        times_ns = (frame.gap_ns for frame in frames.values())
        self.gap_ns[rows] = [-1 if time_ns is None else time_ns for time_ns in times_ns]

    def number_of(self, asked: tuple[str, ...]) -> int:
        """Returns the number of the registers that a request named."""
        return self.all_asked.setdefault(asked, len(self.all_asked))
