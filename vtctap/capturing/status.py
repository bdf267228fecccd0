"""The status line of a running capture: the part that keeps its values, and its text."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vtctap.base.nouns import count
from vtctap.capturing.parts import Passive
from vtctap.pcap.record import Kind, Record

if TYPE_CHECKING:
    from vtctap.capturing.counts import Counts
    from vtctap.capturing.screen import Screen
    from vtctap.dissector.profiles.model import Profile


class StatusLine(Passive):
    """Shows the counters of the capture.

    ``size`` returns the octets written (None without a trace), ``note`` an additional remark.
    """

    def __init__(
        self,
        screen: "Screen",
        counts: "Counts",
        profile: "Profile",
        size: Callable[[], int | None],
        note: Callable[[], str],
    ) -> None:
        self._screen = screen
        self._counts = counts
        self._profile = profile
        self._size = size
        self._note = note
        self._speed = ""
        self._last: Record | None = None

    def feed(self, records: Sequence[Record], now: float) -> Sequence[Record]:
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        for record in records:
            if record.speed:
                self._speed = f"{record.speed} {record.line or ''}"
            if record.kind is not Kind.EVENT:
                self._last = record
        if not records and self._screen.due(now):
            self._screen.show(self._text(self._screen.width), now)
        return records

    def _text(self, width: int) -> str:
        last = self._summary(self._last) if self._last else ""
        size, note = self._size(), self._note()
        return status(self._counts, speed=self._speed, last=last, size=size, note=note, width=width)

    def _summary(self, record: Record) -> str:
        from vtctap.dissector.dissect import Dissector
        from vtctap.dissector.text import ARROWS, summary

        # A dissector of its own: it sees only the last record, and must not disturb the one that sees all.
        return f"{ARROWS[record.sender]} {summary(Dissector(self._profile).dissect(record))}"

    def close(self) -> None:
        """See :meth:`~vtctap.capturing.parts.Part.close`."""
        self._screen.clear()


def status(counts: "Counts", *, speed: str, last: str, size: int | None, note: str = "", width: int) -> str:
    """Returns the status line, at most ``width`` columns wide.

    It shows frames and octets, errors, the speed, ``size`` (octets of the file, None: no file), lost ports, ``note``
    and the last message, which is the first to be cut.
    """
    errors = " ".join(f"{kind} {number}" for kind, number in counts.errors().items())
    parts = (
        count(counts.kinds["frame"], "frame"),
        count(counts.octets, "octet"),
        errors and f"errors: {errors}",
        speed,
        "" if size is None else f"{size / 1000:.1f} kB",
        counts.lost and "lost: " + ", ".join(counts.lost.values()),
        note,
        last,
    )
    line = " | ".join(part for part in parts if part)
    return line if len(line) <= width else line[: max(width - 3, 0)] + "..."[:width]
