"""The counters of a running capture, and their two forms: the summary line and ``--stats-json``."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from vtctap.base.nouns import count
from vtctap.capturing.parts import Passive
from vtctap.pcap.events import event_name

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record

CHECKS: Final = ("good", "bad", "missing")


class Counts(Passive):
    """Counts all received records, whether they are written or not."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        """Number of records by kind."""
        self.messages: Counter[str] = Counter()
        """Number of frames by message."""
        self.checks: Counter[str] = Counter()
        """Number of frames by status of the check character (BCC)."""
        self.crcs: Counter[str] = Counter()
        """Number of telegrams by status of the CRC."""
        self.octets = self.parity = self.framing = self.breaks = self.overruns = self.cut = 0
        """Numbers of octets: all, with a parity error, with a framing error. Numbers of records: with a break, with an
        overrun, and cut frames."""
        self.lost: dict[int, str] = {}
        """The names of the ports that are lost at present, by tap number."""
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

        self.kinds[record.kind.word] += 1
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
        elif event_name(record.event) == "lost":
            self.lost[record.tap] = self._names[record.tap]
        elif event_name(record.event) == "opened":
            self.lost.pop(record.tap, None)

    def errors(self) -> dict[str, int]:
        """Returns the number of errors by kind, in words for people. Kinds without an error are left out."""
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
        """Returns the line that ends a capture."""
        crcs = f", {self.crcs['bad']} with a bad CRC" if self.crcs["bad"] else ""
        return (
            f"{count(self.kinds['frame'], 'frame')}, {self.checks['bad']} with a bad check character{crcs}; "
            f"{count(self.kinds['noise'], 'piece')} of noise; {count(self.octets, 'octet')} received"
        )

    def as_json(self) -> dict[str, Any]:
        """Returns the counters for ``--stats-json`` (docs/capturing.md)."""
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
