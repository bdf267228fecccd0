"""``-a``: knows when a capture has enough."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vtctap.capturing.conditions import Limits
from vtctap.capturing.parts import Passive

if TYPE_CHECKING:
    from vtctap.capturing.printing import Printing
    from vtctap.capturing.recording import Recording
    from vtctap.capturing.trigger import Trigger
    from vtctap.dissector.dissect import Dissector
    from vtctap.pcap.record import Record


class Ending(Passive):
    """The end of the chain: what it is fed with has been written. ``recording`` and ``printing`` are None where there
    is none."""

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
        self.written = 0
        """How many records were written or printed."""
        self.over = False
        """Whether the time is over, or nobody reads what is printed; what has come by then is still to be written."""

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        limits = self._limits
        self.written += len(records)
        if limits.matches:
            dissections = [self._dissector.dissect(record) for record in records]
            # Not with those from before the trigger.
            fields = [dissection.as_json() for dissection in dissections[-1:]]
            self._matched = self._matched or any(matches(one) for one in fields for matches in limits.matches)
        self.over = self.over or (self._printing is not None and self._printing.unread)
        if limits.duration is not None and not self._trigger.waiting:
            self.over = self.over or now - self._trigger.since >= limits.duration
        return records

    @property
    def full(self) -> bool:
        """Whether there are as many packets, octets or files as were asked for, or a record matched: no more must be
        written."""
        limits, recording = self._limits, self._recording
        return (
            self._matched
            or (limits.packets is not None and self.written - self._trigger.before >= limits.packets)
            or (recording is not None and limits.size is not None and recording.size >= limits.size)
            or (recording is not None and limits.files is not None and recording.done >= limits.files)
        )
