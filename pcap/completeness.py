"""Compares what a trace's ``closed`` events state with the octets that its records hold.

When a tap is closed or lost, an event states how many octets it received (docs/link-type.md). Every octet is in the
trace once, so if the trace holds fewer, octets are missing, or were taken out. (It holds more where traces with equal
interfaces were joined.) Only a tap whose ``opened`` event is in the trace is compared: a slice and a later ring file
hold a part.
"""

from vtctap.base.nouns import count
from vtctap.pcap.record import Kind, Record


class OctetTally:
    """Counts the octets of each tap. Memory: a few numbers per tap."""

    def __init__(self) -> None:
        self.octets: dict[tuple[int, int], int] = {}
        """Octets so far of each interface and tap; :mod:`~vtctap.pcap.common_blocks` counts its records here itself."""
        self._opened: dict[tuple[int, int], int] = {}
        """The octets of each tap that is open, when it was opened."""

    def feed(self, record: Record, interface: int) -> str | None:
        """Counts the next record of this interface; returns a message if the numbers do not agree."""
        tap = interface, record.tap
        if record.kind is not Kind.EVENT:
            self.octets[tap] = self.octets.get(tap, 0) + len(record.octets)
            return None
        name, *words = record.event.split()[:_MAX_WORDS] or [""]
        stated = dict(word.split("=", 1) for word in words if "=" in word)
        if name == "opened":
            self._opened.setdefault(tap, self.octets.setdefault(tap, 0))
        elif name == "overrun" and tap in self._opened:
            self.octets[tap] += _number(stated.get("unread")) or 0
        elif name in ("lost", "closed") and tap in self._opened:
            held = self.octets[tap] - (self._opened.pop(tap) if name == "closed" else self._opened[tap])
            octets = _number(stated.get("octets"))
            held += (_number(stated.get("unwritten")) or 0) if name == "closed" else 0
            if octets is not None and octets > held:
                return f"tap {record.tap} received {count(octets, 'octet')} until it was {name}, and {held} are here"
        return None


_MAX_WORDS = 20


def _number(text: str | None) -> int | None:
    return int(text) if text and len(text) < 20 and text.isascii() and text.isdecimal() else None
