"""Messages about the ports: when one is lost, when it is back, and hints about wiring and settings."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vtctap.capturing.parts import Passive
from vtctap.pcap.events import event_name
from vtctap.pcap.record import SECOND_NS

if TYPE_CHECKING:
    from vtctap.capturing.hints import Hints
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record


class OutageMessages(Passive):
    """Says when a port is lost, and when it is back."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._names: list[str] = []
        self._lost: set[int] = set()

    def open(self, taps: "Sequence[Interface]") -> None:
        """See :meth:`~vtctap.capturing.parts.Part.open`."""
        self._names = [tap.name for tap in taps]

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        for record in records:
            name = event_name(record.event)
            if name == "lost":
                self._lost.add(record.tap)
                self._say(f"{self._names[record.tap]} is lost since {_clock(record.time)}; vtctap tries to reopen it")
            elif name == "opened" and record.tap in self._lost:
                self._lost.remove(record.tap)
                self._say(f"{self._names[record.tap]} is back since {_clock(record.time)}")
        return records


class Advice(Passive):
    """Shows hints about wiring and settings: see :mod:`vtctap.capturing.hints`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._hints: Hints | None = None
        self._began: float | None = None

    def open(self, taps: "Sequence[Interface]") -> None:
        """See :meth:`~vtctap.capturing.parts.Part.open`."""
        from vtctap.capturing.hints import Hints

        self._hints = Hints([tap.name for tap in taps])

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        assert self._hints
        if self._began is None:
            self._began = now
        for record in records:
            self._hints.feed(record, now - self._began)
        if not records:
            for hint in self._hints.advise(now - self._began):
                self._say(f"hint: {hint}")
        return records


def _clock(time_ns: int) -> str:
    """Returns the local date and time of a record."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_ns // SECOND_NS))
