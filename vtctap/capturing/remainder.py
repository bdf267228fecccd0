"""Leaves out the records that come after a stop condition, except the ``closed`` events.

A capture ends when a condition of ``-a`` holds. Octets that have been received by then, but belong to later records, do
not go into the trace. The ``closed`` event of their tap states how many there are (``unwritten``), so that a reader can
tell them from octets that were lost.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vtctap.capturing.parts import Passive
from vtctap.pcap.events import event_name

if TYPE_CHECKING:
    from vtctap.pcap.record import Record


class Remainder(Passive):
    """Leaves out records once ``full`` returns True. It is the first part of the chain: what it leaves out is neither
    counted nor written. Feed it one record at a time, so that ``full`` has seen the record before."""

    def __init__(self, full: Callable[[], bool]) -> None:
        self._full = full
        self._unwritten: Counter[int] = Counter()

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        if not self._full():
            return records
        for record in records:
            self._unwritten[record.tap] += len(record.octets)
        return [self._stated(record) for record in records if event_name(record.event) == "closed"]

    def _stated(self, closed: "Record") -> "Record":
        unwritten = self._unwritten[closed.tap]
        return replace(closed, event=f"{closed.event} unwritten={unwritten}") if unwritten else closed
