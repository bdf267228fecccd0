"""Cases: what the rules for exchanges judge, and what they ask of its frames."""

from collections.abc import Iterator
from dataclasses import dataclass

from vtctap.dissector.analysis.exchanges import Exchange
from vtctap.dissector.analysis.findings import Finding
from vtctap.dissector.dissect import Frame
from vtctap.dissector.profiles.files import Timing
from vtctap.pcap.record import Sender


@dataclass(frozen=True, slots=True)
class Case:
    """An exchange to be judged.

    ``after`` is the next exchange of its link, None at the end of the trace. ``blind`` says that one of the link's taps
    was away, or that the trace ended too soon: what is missing may have been sent. ``timing`` are the profile's limits.
    """

    exchange: Exchange
    after: Exchange | None
    blind: bool
    timing: Timing

    @property
    def request(self) -> Frame | None:
        """The request, None where the server spoke unasked."""
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


class Rule:
    """A rule that remembers. ``oldest`` is the first record of an earlier case that may still lead to a finding."""

    @property
    def oldest(self) -> int | None:
        """The record's number, None where there is none."""
        return None

    def feed(self, case: Case) -> Iterator[Finding]:
        """The findings of the next case."""
        raise NotImplementedError

    def close(self) -> Iterator[Finding]:
        """The findings that are left at the end of the trace."""
        yield from ()


def numbers(*frames: Frame) -> tuple[int, ...]:
    """The frames' record numbers."""
    return tuple(frame.number for frame in frames)


def damaged(*frames: Frame) -> bool:
    """Whether octets of any of the frames are wrong or missing."""
    return any(frame.damaged for frame in frames)


def comes_again(frame: Frame, after: Exchange | None) -> bool:
    """Whether the next exchange's request repeats ``frame``."""
    return after is not None and after.repeat_of == (frame.place.repeat_of or frame.number)


def speaks(sender: Sender, case: Case) -> bool:
    """Whether the exchange has a frame of that sender."""
    return any(frame.record.sender is sender for frame in case.exchange.frames)
