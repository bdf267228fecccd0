"""A capture: the taps of one or more links, from their ports to the records of one trace.

:class:`Capture` opens the ports, waits, and sends what arrives two ways: at once to the link's follower, which may set
its ports to another speed; and through each tap's estimator, which knows when octets began once more have come, to the
link's assembler. It hands records to whoever calls :meth:`Capture.poll`, and writes nothing, neither to a port nor to a
file.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from vtctap.dissector.assembler import Assembler, Tap
from vtctap.pcap.record import Kind, Record, Sender
from vtctap.sniffer.adapter import latency_timer
from vtctap.sniffer.estimator import Estimator
from vtctap.sniffer.port import Port, PortError, Settings, open_port
from vtctap.sniffer.reader import Chunk, Reader
from vtctap.sniffer.speed import Change, Follower

Following = Literal["fixed", "follow", "auto"]
"""Whether the speed stays; is followed from the one given; or is looked for from the start."""


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
    tap: Tap
    port: Port
    estimator: Estimator
    latency: int
    octets: int = 0


@dataclass(slots=True)
class _OpenLink:
    """A link while its taps are open. ``follower`` is None where the speed stays."""

    number: int
    taps: list[_OpenTap]
    assembler: Assembler
    settings: Settings
    follower: Follower | None


class Capture:
    """Captures from ``links`` with ``settings`` on every port; ``gap_limit`` (ns) is the longest pause in a message.

    ``profile`` is the name that the trace's events state. A context manager: the ports are open inside. Raises
    PortError where one cannot be opened; then none is.
    """

    def __init__(
        self,
        links: Sequence[Link],
        settings: Settings,
        *,
        gap_limit: int,
        profile: str,
        following: Following = "fixed",
    ) -> None:
        self._wanted = links
        self._settings = settings
        self._gap_limit = gap_limit
        self._profile = profile
        self._following = following
        self._links: list[_OpenLink] = []
        self._of_port: list[tuple[_OpenLink, _OpenTap]] = []
        self._exit = ExitStack()
        self._ready: list[Record] = []
        self.lost: list[str] = []
        """Why ports were lost, one message each."""

    def __enter__(self) -> Self:
        self._wall = time.time_ns() - time.monotonic_ns()
        with ExitStack() as stack:
            for number, wanted in enumerate(self._wanted):
                self._links.append(self._open(number, wanted, stack))
            self._exit = stack.pop_all()
        self._reader = Reader([tap.port for _, tap in self._of_port])
        for link, tap in self._of_port:
            adapter = f" latency_timer={tap.latency // 1_000_000}ms" if tap.latency else ""
            settings = f"speed={link.settings.speed} line={link.settings.line}"
            self._event(link, tap, f"opened profile={self._profile} {settings}{adapter} port={_word(tap.wire.port)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def _open(self, number: int, link: Link, stack: ExitStack) -> _OpenLink:
        taps: list[_OpenTap] = []
        for wire in link.wires:
            port = open_port(wire.port, self._settings)
            stack.callback(port.close)
            tap = Tap(len(self._of_port) + len(taps), wire.sender, self._settings.line, self._settings.speed)
            latency = latency_timer(wire.port) or 0
            estimator = Estimator(self._settings.line.character_time(self._settings.speed), latency)
            taps.append(_OpenTap(wire, tap, port, estimator, latency))
        follower = None
        if self._following != "fixed":
            follower = Follower(
                self._settings if self._following == "follow" else None,
                gap_limit=self._gap_limit,
                taps={tap.tap.number: tap.wire.sender for tap in taps},
                latency=max(tap.latency for tap in taps),
                marks=all(tap.port.marks_errors for tap in taps),
            )
        assembler = Assembler(number, [tap.tap for tap in taps], gap_limit=self._gap_limit)
        opened = _OpenLink(number, taps, assembler, self._settings, follower)
        if follower and follower.searching:
            self._set_ports(opened, follower.settings)
            self._use(opened, follower.settings)
        self._of_port += [(opened, tap) for tap in taps]
        return opened

    @property
    def live(self) -> bool:
        """Whether any port is still there."""
        return self._reader.live > 0

    @property
    def octets(self) -> int:
        """How many octets all taps received."""
        return sum(tap.octets for _, tap in self._of_port)

    def poll(self, timeout: float) -> list[Record]:
        """Waits at most ``timeout`` seconds; the records that are complete, each link's in the order of their start."""
        asked = self._now()  # What had arrived by then is read now.
        for chunk in self._reader.wait(timeout):
            self._take(chunk)
        for link in self._links:
            change = link.follower.silence(asked) if link.follower else None
            if change:
                self._set_ports(link, change.settings)
                self._follow(link, change)
            for tap in link.taps:
                self._ready += link.assembler.feed(tap.tap.number, tap.estimator.advance(asked))
            self._ready += link.assembler.advance(min(tap.estimator.horizon(asked) for tap in link.taps))
        return self._take_ready()

    def close(self) -> list[Record]:
        """The rest of the records, and an event for each tap that says so. The ports stay open until the context
        ends."""
        for link, tap in self._of_port:
            self._settle(link)
            self._event(link, tap, f"closed octets={tap.octets}")
        for link in self._links:
            self._ready += link.assembler.close()
        return self._take_ready()

    def _take_ready(self) -> list[Record]:
        records, self._ready = self._ready, []
        return records

    def _now(self) -> int:
        return time.monotonic_ns() + self._wall

    def _take(self, chunk: Chunk) -> None:
        link, tap = self._of_port[chunk.port]
        if chunk.lost:
            self.lost.append(chunk.lost)
            self._settle(link)
            self._event(link, tap, f"lost octets={tap.octets}")
            return
        arrival = chunk.arrival + self._wall
        tap.octets += len(chunk.octets)
        change = link.follower.hear(tap.tap.number, chunk.octets, arrival) if link.follower else None
        if change:
            self._set_ports(link, change.settings)  # First: the other side may answer in 20 ms.
        self._ready += link.assembler.feed(tap.tap.number, tap.estimator.receive(chunk.octets, arrival))
        if change:
            self._follow(link, change)

    def _settle(self, link: _OpenLink) -> None:
        """All that a link's taps have received goes to the assembler as it was received: before its settings change."""
        for tap in link.taps:
            self._ready += link.assembler.feed(tap.tap.number, tap.estimator.close())

    def _set_ports(self, link: _OpenLink, settings: Settings) -> None:
        for tap in link.taps:
            try:
                tap.port.set(settings)
            except PortError as error:
                self._event(link, tap, f"speed failed={_word(str(error))}")

    def _follow(self, link: _OpenLink, change: Change) -> None:
        """The ports have been set anew: what comes from now on is read with other settings, and an event says so."""
        self._settle(link)
        text = change.event(link.settings)
        self._use(link, change.settings)
        self._event(link, link.taps[0], text)

    def _use(self, link: _OpenLink, settings: Settings) -> None:
        link.settings = settings
        for tap in link.taps:
            tap.tap.line, tap.tap.speed = settings.line, settings.speed
            tap.estimator.character_time = settings.line.character_time(settings.speed)
        if link.follower:
            link.assembler.garbage(link.follower.searching)

    def _event(self, link: _OpenLink, tap: _OpenTap, text: str) -> None:
        record = Record(
            self._now(),
            kind=Kind.EVENT,
            sender=tap.wire.sender,
            link=link.number,
            tap=tap.tap.number,
            line=link.settings.line,
            speed=link.settings.speed,
            event=text,
        )
        self._ready += link.assembler.event(record)


def _word(text: str) -> str:
    """Text as one word of an event."""
    return "".join("_" if character.isspace() else character for character in text)
