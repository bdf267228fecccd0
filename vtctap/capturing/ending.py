"""The stop conditions of ``-a``, checked while a capture runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vtctap.capturing.conditions import Limits
from vtctap.capturing.parts import Passive
from vtctap.capturing.trigger import traffic

if TYPE_CHECKING:
    from vtctap.capturing.printing import Printing
    from vtctap.capturing.recording import Recording
    from vtctap.capturing.trigger import Trigger
    from vtctap.dissector.dissect import Dissector
    from vtctap.pcap.record import Record


class Ending(Passive):
    """Checks the stop conditions. It comes after the recording, so the records that it gets have been written.

    ``recording`` is None without a trace, ``printing`` None without printed lines.
    """

    def __init__(
        self,
        limits: Limits,
        trigger: "Trigger",
        recording: "Recording | None",
        printing: "Printing | None",
        dissector: "Dissector",
    ) -> None:
        self._limits = limits
        self._trigger = trigger
        self._recording = recording
        self._printing = printing
        self._dissector = dissector
        self._matched = False
        self._traffic = 0
        self.written = 0
        """Number of records that were written or printed."""
        self.over = False
        """Whether the duration has passed or the reader of standard output is gone. The capture ends, but the records
        received so far are still written."""

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        limits = self._limits
        self.written += len(records)
        self._traffic += traffic(records)
        if limits.matches:
            dissections = [self._dissector.dissect(record) for record in records]
            # Records from before the trigger do not end the capture.
            fields = [dissection.as_json() for dissection in dissections[-1:]]
            self._matched = self._matched or any(matches(one) for one in fields for matches in limits.matches)
        self.over = self.over or (self._printing is not None and self._printing.unread)
        if limits.duration is not None and not self._trigger.waiting:
            self.over = self.over or now - self._trigger.since >= limits.duration
        return records

    @property
    def full(self) -> bool:
        """Whether the limit of packets, octets or files is reached, or a record matched. Only the ``closed`` events are
        written then. Events do not count as packets: ``packets:N`` promises N records of traffic."""
        limits, recording = self._limits, self._recording
        return (
            self._matched
            or (limits.packets is not None and self._traffic - self._trigger.before >= limits.packets)
            or (recording is not None and limits.size is not None and recording.size >= limits.size)
            or (recording is not None and recording.full)
        )
