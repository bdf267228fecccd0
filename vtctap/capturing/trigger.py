"""``--trigger``: nothing is written before a record matches; then what came shortly before it is written too."""

import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from vtctap.capturing.parts import Passive

if TYPE_CHECKING:
    from vtctap.dissector.dissect import Dissector
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record

BEFORE_SECONDS: Final = 30
BEFORE_RECORDS: Final = 10_000
"""What is kept in memory of the time before the trigger: the last so many seconds, and at most so many records."""


class Trigger(Passive):
    """Holds records back until one matches: then that one goes on, behind those of the time before it, and so does
    everything after it. Without an expression everything goes on."""

    def __init__(self, expression: str | None, dissector: "Dissector") -> None:
        """Raises FilterError."""
        self.waiting = expression is not None
        """Whether no record has matched so far."""
        self.since = 0.0
        """When a record matched, or else when the capture began; seconds of the clock of :meth:`feed`."""
        self.before = 0
        """How many records went on before the one that matched."""
        self._held: deque[Record] = deque(maxlen=BEFORE_RECORDS)
        self._dissector = dissector
        if expression is not None:
            from vtctap.dissector.filter import compile_filter

            self._matches = compile_filter(expression)

    def open(self, taps: "Sequence[Interface]") -> None:
        """See :meth:`~vtctap.capturing.parts.Part.open`."""
        self.since = time.monotonic()

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        if not self.waiting:
            return records
        for at, record in enumerate(records):
            self._hold(record)
            if self._matches(self._dissector.dissect(record).as_json()):
                self.waiting, self.since, self.before = False, now, len(self._held) - 1
                released = [*self._held, *records[at + 1 :]]
                self._held.clear()
                return released
        return ()

    def _hold(self, record: "Record") -> None:
        self._held.append(record)
        while self._held[0].time < record.time - BEFORE_SECONDS * 1_000_000_000:
            self._held.popleft()
