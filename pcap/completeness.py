"""Compares what the events of a trace's taps state with the octets that its records hold.

When a tap is opened, lost or closed, an event states how many octets it has received since the capture began
(docs/link-type.md). Every octet is in the trace once, so if the trace holds fewer after the ``opened`` event, octets
are missing, or were taken out. (It holds more where traces with equal interfaces were joined.) Only a tap whose
``opened`` event is in the trace is compared: a slice and a later ring file hold a part, which may begin with the
``opened`` event of a port that came back.

Earlier versions stated no number in ``opened`` events. Such an event may be that of a port that came back, so the
comparison begins with the next event that states a number.
"""

from dataclasses import dataclass
from typing import NamedTuple

from vtctap.base.nouns import count
from vtctap.pcap.events import event_number, event_words
from vtctap.pcap.record import Kind, Record


class _Point(NamedTuple):
    """How many octets of a tap the trace held when an event stated how many the tap had received."""

    held: int
    received: int


@dataclass(slots=True)
class TapTally:
    """A tap's octets so far; while it is ``open``, where the comparison begins, None if no number has been stated
    yet."""

    octets: int = 0
    open: bool = False
    begin: _Point | None = None


class OctetTally:
    """Counts the octets of each tap. Memory: a few numbers per tap."""

    def __init__(self) -> None:
        self._taps: dict[tuple[int, int], TapTally] = {}

    def tap(self, interface: int, number: int) -> TapTally:
        """Returns what is kept of an interface's tap; :mod:`~vtctap.pcap.common_blocks` counts its records there
        itself."""
        return self._taps.setdefault((interface, number), TapTally())

    def feed(self, record: Record, interface: int) -> str | None:
        """Counts the next record of this interface; returns a message if the numbers do not agree."""
        tap = self.tap(interface, record.tap)
        if record.kind is not Kind.EVENT:
            tap.octets += len(record.octets)
            return None
        name, words = event_words(record.event)
        tap.open = tap.open or name == "opened"
        held = tap.octets
        if name == "overrun" and tap.open:
            tap.octets += event_number(words, "unread") or 0
        if name not in _TOTALS or not tap.open:
            return None
        begin, received = tap.begin, event_number(words, "octets")
        if name == "closed":
            tap.open, tap.begin = False, None
            held += event_number(words, "unwritten") or 0
        if received is None:
            return None
        end = _Point(held, received)
        begin = begin or end
        if name != "closed":
            tap.begin = begin
        return None if name == "opened" else _missing(record.tap, name, begin, end)


_TOTALS = ("opened", "lost", "closed")
"""The events whose ``octets`` are all that the tap has received."""


def _missing(tap: int, name: str, begin: _Point, end: _Point) -> str | None:
    """Returns a message if the trace holds fewer octets than the tap received between two points."""
    received, held = end.received - begin.received, end.held - begin.held
    if held >= received:
        return None
    after = f" after its first {begin.received}" if begin.received else ""
    return f"tap {tap} received {count(received, 'octet')}{after} until it was {name}, and {held} are here"
