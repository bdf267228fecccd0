"""A capture: the taps of one or more links, from their ports to the records of one trace.

:class:`Capture` opens the ports, waits, stamps and frames; it hands records to whoever calls :meth:`Capture.poll`. It
writes nothing, neither to a port nor to a file.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from vtctap.dissector.assembler import Assembler, Tap
from vtctap.pcap.record import Kind, Record, Sender
from vtctap.sniffer.adapter import latency_timer
from vtctap.sniffer.port import Port, Settings, open_port
from vtctap.sniffer.reader import Chunk, Reader
from vtctap.sniffer.timing import SCHEDULING, Clock

_LATE: Final = 50_000_000
"""ns; octets that began earlier than this, and the adapter's latency, have been read by now."""


@dataclass(frozen=True, slots=True)
class Wire:
    """One tap: the name of its port, and whose octets it carries (UNKNOWN: both sides')."""

    port: str
    sender: Sender = Sender.UNKNOWN


@dataclass(frozen=True, slots=True)
class Link:
    """One link: its name (empty: the only one) and its one or two wires."""

    wires: tuple[Wire, ...]
    name: str = ""


@dataclass(slots=True)
class _OpenTap:
    """A tap while it is open."""

    wire: Wire
    link: int
    tap: Tap
    port: Port
    clock: Clock
    latency: int
    octets: int = field(default=0)


class Capture:
    """Captures from ``links`` with ``settings`` on every port; ``gap_limit`` (ns) is the longest pause in a message.

    ``profile`` is the name that the trace's events state. A context manager: the ports are open inside. Raises
    PortError where one cannot be opened; then none is.
    """

    def __init__(self, links: Sequence[Link], settings: Settings, *, gap_limit: int, profile: str) -> None:
        self._links = links
        self._settings = settings
        self._gap_limit = gap_limit
        self._profile = profile
        self._taps: list[_OpenTap] = []
        self._assemblers: list[Assembler] = []
        self._exit = ExitStack()
        self._started: list[Record] = []
        self.lost: list[str] = []
        """Why ports were lost, one message each."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for number, link in enumerate(self._links):
                for wire in link.wires:
                    port = open_port(wire.port, self._settings)
                    stack.callback(port.close)
                    self._taps.append(self._open(number, wire, port))
            self._exit = stack.pop_all()
        self._reader = Reader([tap.port for tap in self._taps])
        self._wall = time.time_ns() - time.monotonic_ns()
        self._assemblers = [
            Assembler(number, [tap.tap for tap in self._taps if tap.link == number], gap_limit=self._gap_limit)
            for number in range(len(self._links))
        ]
        for tap in self._taps:
            adapter = f" latency_timer={tap.latency // 1_000_000}ms" if tap.latency else ""
            text = f"profile={self._profile} speed={self._settings.speed} line={self._settings.line}{adapter}"
            self._event(tap, f"opened {text} port={_word(tap.wire.port)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def _open(self, link: int, wire: Wire, port: Port) -> _OpenTap:
        tap = Tap(len(self._taps), wire.sender, self._settings.line, self._settings.speed)
        latency = latency_timer(wire.port) or 0
        clock = Clock(self._settings.line.character_time(self._settings.speed), latency)
        return _OpenTap(wire, link, tap, port, clock, latency)

    @property
    def live(self) -> bool:
        """Whether any port is still there."""
        return self._reader.live > 0

    @property
    def octets(self) -> int:
        """How many octets all taps received."""
        return sum(tap.octets for tap in self._taps)

    def poll(self, timeout: float) -> list[Record]:
        """Waits at most ``timeout`` seconds; the records that are complete, each link's in the order of their start."""
        chunks = self._reader.wait(timeout)
        records, self._started = self._started, []
        for chunk in chunks:
            records += self._take(chunk)
        late = _LATE + SCHEDULING + max(tap.latency for tap in self._taps)
        for assembler in self._assemblers:
            records += assembler.advance(self._now() - late)
        return records

    def close(self) -> list[Record]:
        """The rest of the records, and an event for each tap that says so. The ports stay open until the context
        ends."""
        for tap in self._taps:
            self._event(tap, f"closed octets={tap.octets}")
        records, self._started = self._started, []
        for assembler in self._assemblers:
            records += assembler.close()
        return records

    def _now(self) -> int:
        return time.monotonic_ns() + self._wall

    def _take(self, chunk: Chunk) -> list[Record]:
        tap = self._taps[chunk.port]
        assembler = self._assemblers[tap.link]
        if chunk.lost:
            self.lost.append(chunk.lost)
            self._event(tap, f"lost octets={tap.octets}")
            records, self._started = self._started, []
            return records
        tap.octets += len(chunk.octets)
        return assembler.feed(tap.tap.number, tap.clock.stamp(chunk.octets, chunk.arrival + self._wall))

    def _event(self, tap: _OpenTap, text: str) -> None:
        record = Record(
            self._now(),
            kind=Kind.EVENT,
            sender=tap.wire.sender,
            link=tap.link,
            tap=tap.tap.number,
            line=self._settings.line,
            speed=self._settings.speed,
            event=text,
        )
        self._started += self._assemblers[tap.link].event(record)


def _word(text: str) -> str:
    """Text as one word of an event."""
    return "".join("_" if character.isspace() else character for character in text)
