"""Keeps the links of several traces apart after another tool has joined the traces, as the reader of traces does.

Scapy gives a session the name of a packet's interface, but not its number. Each trace has one interface per tap, so a
second name for the same tap means another trace. The taps of a capture are opened one after the other: a new name
belongs to the latest trace that has no such tap yet. Interfaces without a name tell nothing.
"""

from vtctap.pcap.record import MAX_TAPS, Record


class NamedLinks:
    """Numbers the links of packets. Those of the first trace keep their numbers; those of others get free ones."""

    def __init__(self) -> None:
        self._traces: list[dict[int, str]] = [{}]
        self._numbers: dict[tuple[int, int], int] = {}

    def number(self, record: Record, name: str | None) -> int:
        """Returns the number of a record's link, from the record and the ``name`` of its interface."""
        key = self._trace(record.tap, name) if name else 0, record.link
        if key not in self._numbers:
            taken = set(self._numbers.values())
            free = (number for number in (record.link, *range(MAX_TAPS)) if number not in taken)
            self._numbers[key] = next(free, record.link)
        return self._numbers[key]

    def _trace(self, tap: int, name: str) -> int:
        known = [at for at, names in enumerate(self._traces) if names.get(tap) == name]
        lacking = [at for at, names in enumerate(self._traces) if tap not in names]
        if not known and not lacking:
            self._traces.append({})
        at = (known or lacking[-1:] or [len(self._traces) - 1])[0]
        self._traces[at][tap] = name
        return at
