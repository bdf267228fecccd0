"""What a running capture counts, and how it says so: in a line at the end, and in ``--stats-json``."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from vtctap.capturing.parts import Passive
from vtctap.nouns import count

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record

CHECKS: Final = ("good", "bad", "missing")


class Counts(Passive):
    """Counts records: all that were received, whether they are written or not."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        """Records, by kind."""
        self.messages: Counter[str] = Counter()
        """Frames, by message."""
        self.checks: Counter[str] = Counter()
        """Frames, by status of the check character."""
        self.crcs: Counter[str] = Counter()
        """Telegrams, by status of the CRC."""
        self.octets = self.parity = self.framing = self.breaks = self.overruns = self.cut = 0
        """Octets: all, those of wrong parity, those with a framing error. Records: with a break, with octets lost, and
        frames that are cut."""
        self.lost: dict[int, str] = {}
        """The ports that are lost and not back, by tap."""
        self._names: list[str] = []

    def open(self, taps: "Sequence[Interface]") -> None:
        """See :meth:`~vtctap.capturing.parts.Part.open`."""
        self._names = [tap.name for tap in taps]

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        for record in records:
            self._count(record)
        return records

    def _count(self, record: "Record") -> None:
        from vtctap.dissector.framing.framed import message_of
        from vtctap.pcap.record import Flag, Kind

        self.kinds[record.kind.name.lower()] += 1
        self.octets += len(record.octets)
        self.parity += len(record.parity_errors)
        self.framing += len(record.framing_errors)
        self.breaks += record.flags & Flag.BREAK > 0
        self.overruns += record.flags & Flag.OVERRUN > 0
        if record.kind is Kind.FRAME:
            message = message_of(record)
            self.checks[message.bcc_status or ""] += 1
            self.messages[message.message or "continued"] += 1
            self.crcs[message.crc_status or message.fcs_status or ""] += 1
            self.cut += record.flags & Flag.CUT > 0
        elif record.event.startswith("lost"):
            self.lost[record.tap] = self._names[record.tap]
        elif record.event.startswith("opened"):
            self.lost.pop(record.tap, None)

    def errors(self) -> dict[str, int]:
        """What went wrong, by kind, in a person's words; what did not happen is not there."""
        found = {
            "check": self.checks["bad"],
            "CRC": self.crcs["bad"],
            "parity": self.parity,
            "framing": self.framing,
            "break": self.breaks,
            "overrun": self.overruns,
            "cut": self.cut,
            "noise": self.kinds["noise"],
        }
        return {kind: number for kind, number in found.items() if number}

    def summary(self) -> str:
        """The line at the end."""
        crcs = f", {self.crcs['bad']} with a bad CRC" if self.crcs["bad"] else ""
        return (
            f"{count(self.kinds['frame'], 'frame')}, {self.checks['bad']} with a bad check character{crcs}; "
            f"{count(self.kinds['noise'], 'piece')} of noise; {count(self.octets, 'octet')} received"
        )

    def as_json(self) -> dict[str, Any]:
        """What ``--stats-json`` states (docs/capturing.md)."""
        return {
            "records": self.kinds.total(),
            **{kind: self.kinds[kind] for kind in ("frame", "noise", "event")},
            "octets": self.octets,
            "parity_errors": self.parity,
            "framing_errors": self.framing,
            "breaks": self.breaks,
            "overruns": self.overruns,
            "cut": self.cut,
            "check_characters": {status: self.checks[status] for status in CHECKS},
            "crcs": {status: self.crcs[status] for status in CHECKS},
            "messages": dict(sorted(self.messages.items())),
        }
