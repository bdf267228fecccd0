"""Cases: what the rules for exchanges judge, with questions about the frames of an exchange."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from vtctap.dissector.analysis.exchanges import Exchange
from vtctap.dissector.analysis.findings import Finding
from vtctap.dissector.dissect import Frame
from vtctap.dissector.profiles.model import Timing
from vtctap.pcap.record import MAX_UNCERTAINTY_NS, Flag, Record, Sender


@dataclass(frozen=True, slots=True)
class Case:
    """An exchange to be judged, with its surroundings.

    ``after`` is the next exchange of its link, None at the end of the trace; ``before`` holds at most two last frames
    of the previous exchange. ``blind`` says that a tap of the link had an outage, or that the trace ended too soon, so
    missing frames may have been sent. ``timing`` holds the profile's limits.
    """

    exchange: Exchange
    after: Exchange | None
    blind: bool
    timing: Timing
    before: tuple[Frame, ...] = ()

    @property
    def request(self) -> Frame | None:
        """The request, None where the server sent without one."""
        return self.exchange.request

    @property
    def response(self) -> Frame | None:
        """The answer, None where there is none."""
        return self.exchange.response

    @property
    def pair(self) -> tuple[Frame, Frame] | None:
        """The request and its answer, None where either is missing."""
        request, response = self.request, self.response
        return (request, response) if request and response else None

    @property
    def asked(self) -> str:
        """The request's message, empty without a request."""
        return self.request.name if self.request else ""

    @property
    def answered(self) -> str:
        """The answer's message, empty without an answer."""
        return self.response.name if self.response else ""

    @property
    def unordered(self) -> bool:
        """Whether the order of its frames, or of the frames next to it, is uncertain."""
        return unordered((*self.before[-1:], *self.exchange.frames, *(self.after.frames[:2] if self.after else ())))


class CheckRule:
    """A rule that keeps state.

    ``by_order`` says that its findings depend on the order in which the two sides sent; they are withheld where that
    order is uncertain.
    """

    by_order: ClassVar[bool] = True

    @property
    def oldest(self) -> int | None:
        """The first record of an earlier case that may still lead to a finding, None where there is none."""
        return None

    def feed(self, case: Case) -> Iterator[Finding]:
        """Judges the next case and returns its findings."""
        raise NotImplementedError

    def close(self) -> Iterator[Finding]:
        """Returns the remaining findings at the end of the trace."""
        yield from ()


def unordered(frames: Sequence[Frame]) -> bool:
    """Whether any two of the frames, given in trace order, may have been sent in the other order."""
    flagged = any(frame.record.flags & Flag.ORDER_UNCERTAIN for frame in frames)
    return flagged and any(_may_swap(one.record, other.record) for one, other in pairwise(frames))


def _may_swap(one: Record, other: Record) -> bool:
    """Whether ``other``, the next record in the trace, may have been sent before ``one``: they come from different
    taps, one is marked as uncertain in its order, and their timestamps differ by no more than their uncertainties."""
    if one.tap == other.tap or not (one.flags | other.flags) & Flag.ORDER_UNCERTAIN:
        return False
    return other.time - one.time <= _uncertainty_ns(one) + _uncertainty_ns(other)


def _uncertainty_ns(record: Record) -> int:
    return MAX_UNCERTAINTY_NS if record.uncertainty is None else min(record.uncertainty, MAX_UNCERTAINTY_NS)


def numbers(*frames: Frame) -> tuple[int, ...]:
    """Returns the frames' record numbers."""
    return tuple(frame.number for frame in frames)


def damaged(*frames: Frame) -> bool:
    """Whether octets of any of the frames are known to be wrong or missing."""
    return any(frame.damaged for frame in frames)


def comes_again(frame: Frame, after: Exchange | None) -> bool:
    """Whether the next exchange's request repeats ``frame``."""
    return after is not None and after.repeat_of == (frame.place.repeat_of or frame.number)


def speaks(sender: Sender, case: Case) -> bool:
    """Whether the exchange has a frame of that sender."""
    return any(frame.record.sender is sender for frame in case.exchange.frames)
