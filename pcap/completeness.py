"""Compares what the events of a trace's taps state with the octets that its records hold.

When a tap is opened, lost or closed, an event states how many octets it has received since the capture began
(docs/link-type.md). Every octet is in the trace once, so if the trace holds fewer after the ``opened`` event, octets
are missing, or were taken out. (It holds more where traces with equal interfaces were joined.) Only a tap whose
``opened`` event is in the trace is compared: a slice and a later ring file hold a part, which may begin with the
``opened`` event of a port that came back.

Earlier versions stated no number in ``opened`` events. Such an event may be that of a port that came back, so the
comparison begins with the next event that states a number.
"""

from typing import NamedTuple

from vtctap.base.nouns import count
from vtctap.pcap.events import event_number, event_words
from vtctap.pcap.record import Kind, Record


class _Point(NamedTuple):
    """How many octets of a tap the trace held when an event stated how many the tap had received."""

    held: int
    received: int


class OctetTally:
    """Counts the octets of each tap. Memory: a few numbers per tap."""

    def __init__(self) -> None:
        self.octets: dict[tuple[int, int], int] = {}
        """Octets so far of each interface and tap; :mod:`~vtctap.pcap.common_blocks` counts its records here itself."""
        self._begins: dict[tuple[int, int], _Point | None] = {}
        """Where the comparison of each open tap begins; None if no number has been stated yet."""

    def feed(self, record: Record, interface: int) -> str | None:
        """Counts the next record of this interface; returns a message if the numbers do not agree."""
        tap = interface, record.tap
        held = self.octets.setdefault(tap, 0)
        if record.kind is not Kind.EVENT:
            self.octets[tap] += len(record.octets)
            return None
        name, words = event_words(record.event)
        if name == "opened":
            self._begins.setdefault(tap, None)
        if tap not in self._begins:
            return None
        if name == "overrun":
            self.octets[tap] += event_number(words, "unread") or 0
        if name not in _TOTALS:
            return None
        begin, received = self._begins[tap], event_number(words, "octets")
        if name == "closed":
            del self._begins[tap]
            held += event_number(words, "unwritten") or 0
        if received is None:
            return None
        end = _Point(held, received)
        begin = begin or end
        if name != "closed":
            self._begins[tap] = begin
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
