"""A capture: reads the ports of one or more links and returns their records.

:class:`Capture` opens the ports, waits for octets, and feeds them to their link (:mod:`~vtctap.sniffer.link`). It
closes a port that is lost and reopens it when it is back. :meth:`Capture.poll` returns the records. The capture writes
nothing, neither to a port nor to a file.
"""

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Literal, Self

from vtctap.dissector.framing.assembler import Tap
from vtctap.pcap.record import SECOND_NS, Line, Record
from vtctap.sniffer.clock import Clock
from vtctap.sniffer.link import Link, OpenLink, OpenTap, Wire, word
from vtctap.sniffer.opening import Opened, Opening, waiting_octets
from vtctap.sniffer.port import Settings
from vtctap.sniffer.reader import MANY, REST_NS, PortRead, Reader
from vtctap.sniffer.reopening import Reopening
from vtctap.sniffer.speed import SpeedFollower

__all__ = ["Capture", "Following", "Link", "Opening", "Wire", "first_settings"]

Following = Literal["fixed", "follow", "auto"]
"""``fixed`` keeps the speed, ``follow`` follows its changes, ``auto`` also searches for the first speed."""


def first_settings(speed: int | Following, line: Line, *, usual: int) -> tuple[Settings, Following]:
    """Returns the settings to begin with, and how their speed is followed. A ``speed`` of bit/s is fixed; a word says
    how to follow the ``usual`` one (bit/s), that of the profile."""
    return (Settings(speed, line), "fixed") if isinstance(speed, int) else (Settings(usual, line), speed)


_SWEEP_NS: Final = 20_000_000
"""How often complete records are released while octets come without a pause."""
_WATCH_NS: Final = SECOND_NS
"""How often the wall clock and the drivers' error counters are checked."""
_RETURN: Final = 0.1
"""The longest wait while a port is being reopened, so that its return is noticed soon."""
_REMAINDER: Final = 1 << 20
"""Most octets read from a port on closing, more than any system or server holds back. So a line that sends faster than
it is read cannot keep a capture from closing."""
_AS_IT_IS: Final = Opening()


class Capture:
    """Captures ``links``, with ``settings`` on every port. The ports are open inside its context.

    ``gap_limit_ns`` is the longest pause inside a message. ``profile`` is the name that the trace's events state.
    ``opening`` is how the ports are opened, now and after a loss. Entering the context raises PortError where a port
    cannot be opened; all ports are closed then. Only ``poll`` and ``close`` return records; those of the other methods
    come with the next call.
    """

    def __init__(
        self,
        links: Sequence[Link],
        settings: Settings,
        *,
        gap_limit_ns: int,
        profile: str,
        following: Following = "fixed",
        opening: Opening = _AS_IT_IS,
        clock: Clock | None = None,
    ) -> None:
        self._wanted = links
        self._settings = settings
        self._gap_limit_ns = gap_limit_ns
        self._profile = profile
        self._following = following
        self._opening = opening
        self._clock = clock or Clock()
        self._links: list[OpenLink] = []
        self._of_port: list[tuple[OpenLink, OpenTap]] = []
        self._opened: dict[int, Opened] = {}
        self._reopening: dict[int, Reopening] = {}
        self._swept = self._watched = 0

    def __enter__(self) -> Self:
        opened: list[Opened] = []
        try:
            for wire in (wire for link in self._wanted for wire in link.wires):
                opened.append(self._opening.open(wire.port, self._settings))
            self._make_links(opened)
        except BaseException:
            for port in opened:
                port.close()
            raise
        self._reader = Reader([])
        try:
            for index, port in enumerate(opened):
                self._adopt(index, port)
            for (link, tap), port in zip(self._of_port, opened, strict=True):
                link.feed_waiting(tap, port.waiting + waiting_octets(port.port))
        except BaseException:
            self._close_ports()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_ports()

    @property
    def live(self) -> bool:
        """Whether any port is open now."""
        return self._reader.live > 0

    @property
    def lost(self) -> list[str]:
        """One message for each port that is lost and not back: why it was lost."""
        return [tap.lost for _, tap in self._of_port if tap.lost]

    @property
    def octets(self) -> int:
        """Octets received so far, by all taps."""
        return sum(tap.octets for _, tap in self._of_port)

    @property
    def drops(self) -> dict[int, int]:
        """Maps tap numbers to the octets known to be lost, at least; only taps whose driver counts them."""
        return {tap.tap.number: lost for _, tap in self._of_port if (lost := tap.losses.lost) is not None}

    def poll(self, timeout: float) -> list[Record]:
        """Waits for octets, at most ``timeout`` seconds; returns the complete records, ordered by start within a
        link."""
        for index in list(self._reopening):
            self._reopen(index)
        asked = self._clock.now()  # All octets that had arrived by then are read below.
        chunks = self._reader.wait(min(timeout, _RETURN) if self._reopening else timeout)
        for chunk in chunks:
            self._feed(chunk)
        if not chunks or asked - self._swept >= _SWEEP_NS:
            self._swept = asked
            for link in self._links:
                link.sweep(asked)
        if asked - self._watched >= _WATCH_NS:
            self._watched = asked
            self._watch()
        return self._take_ready()

    def mark(self, note: str) -> None:
        """Adds a mark with the operator's note to every link."""
        for link in self._links:
            link.event(link.taps[0], f"mark note={word(note)}")

    def set(self, settings: Settings) -> None:
        """Sets speed and line of every link, for the operator; a followed speed is followed from there. Raises
        PortError where a port of a link cannot be set; that link keeps its settings."""
        for link in self._links:
            link.set(settings)

    def close(self) -> list[Record]:
        """Ends the capture: returns the remaining records and a ``closed`` event for each tap. The ports stay open
        until the context ends."""
        for index in list(self._reopening):  # Opening a port again has read what was waiting in it.
            self._reopen(index)
        for chunk in self._reader.drain(_REMAINDER):  # Octets that came since the last poll.
            self._feed(chunk)
        for link in self._links:
            link.close()
        return self._take_ready()

    def _make_links(self, opened: Sequence[Opened]) -> None:
        rest = REST_NS if len(opened) > MANY else 0
        for number, wanted in enumerate(self._wanted):
            first = len(self._of_port)
            ports = opened[first : first + len(wanted.wires)]
            settings = self._settings
            taps = [
                OpenTap(
                    wire,
                    Tap(first + at, wire.sender, settings.line, settings.speed, bounded=port.adapter.bounded),
                    port.adapter,
                )
                for at, (wire, port) in enumerate(zip(wanted.wires, ports, strict=True))
            ]
            follower = None
            if self._following != "fixed":
                follower = SpeedFollower(
                    self._settings if self._following == "follow" else None,
                    gap_limit_ns=self._gap_limit_ns,
                    taps={tap.tap.number: tap.wire.sender for tap in taps},
                    latency_ns=max(tap.adapter.time_ns for tap in taps) + rest,
                    marks=all(port.port.marks_errors for port in ports),
                )
            link = OpenLink(
                number,
                taps,
                self._settings,
                follower,
                self._clock,
                self._opening.adapter,
                gap_limit_ns=self._gap_limit_ns,
            )
            self._links.append(link)
            self._of_port += [(link, tap) for tap in taps]

    def _adopt(self, index: int, opened: Opened) -> None:
        """Starts to read a port that has been opened, for the first time or again."""
        link, tap = self._of_port[index]
        self._opened[index] = opened
        reached = opened.low_latency is not None and opened.low_latency.reached
        asked = f"low_latency={'yes' if reached else 'no'}" if self._opening.low_latency else ""
        link.open(tap, opened.port, opened.settings, opened.adapter, profile=self._profile, more=asked)
        self._reader.add(index, opened.port)

    def _reopen(self, index: int) -> None:
        """Adopts a lost port if it is back."""
        opened = self._reopening[index].take()
        if opened:
            del self._reopening[index]
            self._adopt(index, opened)
            link, tap = self._of_port[index]
            link.feed_waiting(tap, opened.waiting + waiting_octets(opened.port))

    def _feed(self, chunk: PortRead) -> None:
        link, tap = self._of_port[chunk.port]
        if not chunk.lost:
            link.feed(tap, chunk.octets, self._clock.at(chunk.arrival), chunk.late_ns)
            return
        opened = self._opened.pop(chunk.port)
        opened.close()  # At once, so that an adapter that is plugged in again gets its old name.
        link.lose(tap, chunk.lost)
        self._reopening[chunk.port] = Reopening(lambda: self._opening.open_again(tap.wire.port, link.settings, opened))

    def _watch(self) -> None:
        stepped = self._clock.step()
        for link in self._links:
            if stepped:
                step, ahead = (f"{time / 1e9:+.3f}s" for time in stepped)
                link.event(link.taps[0], f"clock step={step} ahead={ahead}")
            for tap in link.taps:
                link.look(tap)

    def _take_ready(self) -> list[Record]:
        records: list[Record] = []
        for link in self._links:
            records += link.ready
            link.ready = []
        return records

    def _close_ports(self) -> None:
        self._reader.close()
        for reopening in self._reopening.values():
            reopening.stop()
        self._reopening.clear()
        for opened in self._opened.values():
            opened.close()
        self._opened.clear()
