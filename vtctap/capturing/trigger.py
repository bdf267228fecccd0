"""``--trigger``: writing starts with the first record that matches, and includes the records shortly before it."""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from vtctap.capturing.parts import Passive
from vtctap.pcap.record import SECOND_NS

if TYPE_CHECKING:
    from vtctap.dissector.dissect import Dissector
    from vtctap.pcap.record import Record

BEFORE_SECONDS: Final = 30
BEFORE_RECORDS: Final = 10_000
"""Limits of the records kept in memory before the trigger: their age in seconds, and their number."""


class Trigger(Passive):
    """Holds records back until one matches. Then it passes on the held records, the one that matched, and every record
    after it. Without an expression it passes on every record."""

    def __init__(self, expression: str | None, dissector: "Dissector") -> None:
        """Compiles the display filter. Raises FilterError."""
        self.waiting = expression is not None
        """Whether the trigger still waits for a record that matches."""
        self.since = math.inf
        """When the first record matched (without an expression: when :meth:`feed` was first called); seconds of the
        clock of :meth:`feed`. Infinite before that."""
        self.before = 0
        """Number of records, without events, that were passed on before the one that matched."""
        self._held: deque[Record] = deque(maxlen=BEFORE_RECORDS)
        self._dissector = dissector
        if expression is not None:
            from vtctap.dissector.filter import compile_filter

            self._matches = compile_filter(expression)

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        if not self.waiting:
            self.since = min(self.since, now)
            return records
        for at, record in enumerate(records):
            self._hold(record)
            if self._matches(self._dissector.dissect(record).as_json()):
                self.waiting, self.since = False, now
                self.before = traffic(self._held) - traffic([record])
                released = [*self._held, *records[at + 1 :]]
                self._held.clear()
                return released
        return ()

    def _hold(self, record: "Record") -> None:
        self._held.append(record)
        while self._held[0].time < record.time - BEFORE_SECONDS * SECOND_NS:
            self._held.popleft()


def traffic(records: "Iterable[Record]") -> int:
    """Returns how many of the records hold octets from the line: frames and noise, not events."""
    from vtctap.pcap.record import Kind

    return sum(record.kind is not Kind.EVENT for record in records)
