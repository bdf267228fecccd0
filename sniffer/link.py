"""One link during a capture: its taps, the follower of its speed, and the assembler of its records.

Octets that a tap reads go two ways. The link's follower gets them at once, and may ask for other settings. The tap's
estimator holds them until more have come, and estimates when each began. Then they wait until no tap of the link can
deliver an earlier one, and go to the assembler in the order of their starts: what one side begins to send ends what the
other one sent, so the octets of a tap that was read late must not come after. Where the speed is followed, both sides
frame the octets: the follower cannot wait for timestamps, and records that were framed without
timestamps would depend on how the octets happened to be read. Each message is decoded once, in the follower, whose
cache the assembler uses.

:mod:`~vtctap.sniffer.capture` opens, reads and closes the ports.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter
from typing import Final

from vtctap.dissector.framing.assembler import Assembler, Tap
from vtctap.dissector.framing.framed import decode
from vtctap.dissector.framing.framer import MIN_REACTION_NS
from vtctap.dissector.framing.pieces import Octet
from vtctap.pcap.record import MAX_UNCERTAINTY_NS, Flag, Kind, Record, Sender
from vtctap.sniffer.adapter import Adapter
from vtctap.sniffer.clock import Clock
from vtctap.sniffer.counters import Losses
from vtctap.sniffer.estimator import Estimator
from vtctap.sniffer.port import Port, PortError, Settings
from vtctap.sniffer.speed import Change, SpeedFollower

_WAKING_NS: Final = 2_000_000
"""What is added to an adapter's latency for the largest uncertainty that a timestamp usually has: the time until a
program is woken. It has no effect on timestamps."""
_LOSSES: Final = ("overrun", "buf_overrun")
_START: Final = attrgetter("start")


@dataclass(frozen=True, slots=True)
class Wire:
    """A wire to tap: the name of its port, and the sender whose octets it carries (UNKNOWN: both senders)."""

    port: str
    sender: Sender = Sender.UNKNOWN


@dataclass(frozen=True, slots=True)
class Link:
    """A link to tap: its one or two wires, and its name (empty where it is the only one)."""

    wires: tuple[Wire, ...]
    name: str = ""


@dataclass(slots=True)
class OpenTap:
    """A tap of a link. While its port is lost, ``port`` is None and ``lost`` says why."""

    wire: Wire
    tap: Tap
    adapter: Adapter
    estimator: Estimator = field(init=False)
    port: Port | None = None
    lost: str = ""
    octets: int = 0
    settled: list[Octet] = field(default_factory=list)
    """Octets whose starts are final, and for which the assembler waits."""
    overrun: bool = False
    """Whether octets were lost before the next one."""
    losses: Losses = field(default_factory=Losses)

    def __post_init__(self) -> None:
        character_time_ns = self.tap.character_time_ns()
        latency_ns = self.adapter.latency_ns(character_time_ns)
        self.estimator = Estimator(character_time_ns, latency_ns, fifo=self.adapter.fifo)


class OpenLink:
    """Link ``number`` with its taps. ``follower`` is None where the speed is fixed. ``adapter`` finds the adapter of a
    port. The methods append complete records to ``ready``, in the order of their start."""

    def __init__(
        self,
        number: int,
        taps: Sequence[OpenTap],
        settings: Settings,
        follower: SpeedFollower | None,
        clock: Clock,
        adapter: Callable[[str], Adapter],
        *,
        gap_limit_ns: int,
    ) -> None:
        self.number = number
        self.taps = taps
        self.settings = settings
        self.ready: list[Record] = []
        self._follower = follower
        self._clock = clock
        self._adapter = adapter
        self._assembler = Assembler(
            number, [tap.tap for tap in taps], gap_limit_ns=gap_limit_ns, decode=follower.decode if follower else decode
        )
        if follower and follower.searching:
            self._use(follower.settings)

    def open(
        self, tap: OpenTap, port: Port, settings: Settings, adapter: Adapter, *, profile: str, more: str = ""
    ) -> None:
        """Connects a tap to its port, which was opened with ``settings``. The event states ``profile``, ``more``, and
        how many octets the tap has received before: a later ring file may begin with this event."""
        tap.port, tap.lost, tap.adapter = port, "", adapter
        tap.losses.open(port.counters(), tap.octets)
        if settings != self.settings:
            self._set_port(tap, self.settings)
        self._tune(tap)
        known = " ".join(filter(None, (tap.adapter.words(), more)))
        text = f"profile={profile} speed={self.settings.speed} line={self.settings.line} octets={tap.octets} {known}"
        self.event(tap, f"opened {text.strip()} port={word(tap.wire.port)}")

    def feed(self, tap: OpenTap, octets: list[tuple[int, int]], arrival: int, late_ns: int = 0) -> None:
        """Feeds octets that a tap has just read, at ``arrival`` (ns since 1970 UTC); they may have waited for
        ``late_ns`` before that."""
        tap.octets += len(octets)
        change = self._follower.feed(tap.tap.number, octets, arrival) if self._follower else None
        if change:
            self._set_ports(change.settings)  # At once: the other side may answer within 20 ms.
        if tap.overrun:
            (value, flags), *rest = octets
            octets, tap.overrun = [(value, flags | Flag.OVERRUN), *rest], False
        tap.settled += tap.estimator.feed(octets, arrival, late_ns)
        if tap.settled and len(self.taps) == 1:
            self._assemble_settled()
        if change:
            self._change(change)

    def feed_waiting(self, tap: OpenTap, octets: list[tuple[int, int]]) -> None:
        """Feeds octets that were waiting in the port when it was opened. When they came, and with what settings they
        were received, is unknown. They get the current time, which is too late, and an unknown uncertainty."""
        tap.octets += len(octets)
        now = self._clock.now() + 1  # After the event of the opening.
        tap.estimator.emptied(now)
        if octets:
            tap.estimator.begin(now)
            self._assemble(tap, [Octet(value, now, None, flags) for value, flags in octets])

    def sweep(self, now: int) -> None:
        """States that all octets that had arrived by ``now`` (ns since 1970 UTC) have been fed, and completes the
        records of that time."""
        change = self._follower.silence(now) if self._follower else None
        if change:
            self._set_ports(change.settings)
            self._change(change)
        for tap in self.taps:
            tap.settled += tap.estimator.advance(now)
        horizon = min(tap.estimator.horizon(now) for tap in self.taps)
        self._assemble_settled(horizon)
        self.ready += self._assembler.advance(horizon)

    def set(self, settings: Settings) -> None:
        """Sets speed and line, for the operator; a follower continues from there. Raises PortError where a port cannot
        be set; all ports then keep their settings."""
        try:
            for tap in self.taps:
                self._try_to_set(tap, settings)
        except PortError:
            for tap in self.taps:
                self._set_port(tap, self.settings)
            raise
        self._change(self._follower.use(settings) if self._follower else Change(settings, "operator"))

    def lose(self, tap: OpenTap, reason: str) -> None:
        """States that a tap's port is gone and has been closed."""
        tap.port, tap.lost = None, reason
        self._settle()
        self.event(tap, f"lost octets={tap.octets}")
        self.ready += self._assembler.end(tap.tap.number)

    def look(self, tap: OpenTap) -> None:
        """Checks the totals of a tap's driver for octets that were lost, or read by another program."""
        added, missed = tap.losses.feed(tap.port.counters() if tap.port else None, tap.octets)
        if added.lost:
            tap.overrun = True
            self.event(tap, f"overrun {added.words(*_LOSSES)}")
        if missed:
            self.event(tap, f"missed octets={missed}")

    def close(self) -> None:
        """Ends the link: completes the remaining records and adds a ``closed`` event for each tap."""
        self._settle()
        for tap in self.taps:
            self.look(tap)
            errors = f" {tap.losses.errors.words()}" if tap.losses.errors else ""
            self.event(tap, f"closed octets={tap.octets}{errors}")
        self.ready += self._assembler.close()

    def event(self, tap: OpenTap, text: str) -> None:
        """Adds an event that happens now."""
        record = Record(
            self._clock.now(),
            kind=Kind.EVENT,
            sender=tap.wire.sender,
            link=self.number,
            tap=tap.tap.number,
            line=self.settings.line,
            speed=self.settings.speed,
            event=text,
        )
        self.ready += self._assembler.event(record)

    def _assemble_settled(self, before: int | None = None) -> None:
        """Passes the settled octets that begin before that time (ns since 1970 UTC), or all, to the assembler, in the
        order of their starts."""
        due = [(tap, _take(tap.settled, before)) for tap in self.taps if tap.settled]
        for tap, octets in _in_order(due) if len(due) > 1 else due:
            self._assemble(tap, octets)

    def _assemble(self, tap: OpenTap, octets: list[Octet]) -> None:
        """Feeds settled octets to the assembler. Where the timestamps of one tap have no bounds, the order of all taps'
        octets is uncertain."""
        if not tap.adapter.bounded:
            octets = [octet._replace(uncertainty=None) for octet in octets]
        if len(self.taps) > 1:
            unordered = not all(other.adapter.bounded for other in self.taps)
            octets = [
                octet._replace(flags=octet.flags | Flag.ORDER_UNCERTAIN)
                if unordered or octet.uncertainty is None
                else octet
                for octet in octets
            ]
        self.ready += self._assembler.feed(tap.tap.number, octets)

    def _settle(self) -> None:
        """Passes all held octets to the assembler, before the settings change with which they were received."""
        for tap in self.taps:
            tap.settled += tap.estimator.close()
        self._assemble_settled()

    def _set_ports(self, settings: Settings) -> None:
        if settings == self.settings:
            return
        for tap in self.taps:
            self._set_port(tap, settings)
        if self._follower:
            self._follower.changed(self._clock.now())

    def _set_port(self, tap: OpenTap, settings: Settings) -> None:
        try:
            self._try_to_set(tap, settings)
        except PortError as error:
            self.event(tap, f"speed failed={word(str(error))}")

    def _try_to_set(self, tap: OpenTap, settings: Settings) -> None:
        """Sets a tap's port. Raises PortError."""
        if tap.port:
            tap.port.set(settings)
            if tap.adapter.fifo:  # The driver may choose another threshold with another speed.
                tap.adapter = self._adapter(tap.wire.port)

    def _change(self, change: Change) -> None:
        """Notes that the ports have new settings, which apply to all octets from now on, and adds an event."""
        self._settle()
        text = change.event(self.settings)
        self._use(change.settings)
        concerned = [tap for tap in self.taps if tap.wire.sender is change.sender]
        self.event((concerned or self.taps)[0], text)

    def _use(self, settings: Settings) -> None:
        self.settings = settings
        for tap in self.taps:
            tap.tap.line, tap.tap.speed = settings.line, settings.speed
            self._tune(tap)
            if self._follower:
                tap.tap.without_parity = self._follower.without_parity
        if self._follower:
            self._assembler.use(garbage=self._follower.searching)

    def _tune(self, tap: OpenTap) -> None:
        """Adapts a tap's timestamps to the speed and to its adapter."""
        character_time_ns = tap.tap.character_time_ns()
        latency_ns = tap.adapter.latency_ns(character_time_ns)
        tap.estimator.use(character_time_ns, latency_ns, fifo=tap.adapter.fifo)
        doubt_ns = latency_ns + _WAKING_NS if tap.adapter.bounded else MAX_UNCERTAINTY_NS
        tap.tap.doubt_ns = min(doubt_ns, MAX_UNCERTAINTY_NS)


def word(text: str) -> str:
    """Makes a text one word of an event."""
    return "".join("_" if character.isspace() else character for character in text)


def _take(octets: list[Octet], before: int | None) -> list[Octet]:
    """Removes from octets, which are in order, those that begin before that time (None: all), and returns them."""
    count = len(octets) if before is None else bisect_left(octets, before, key=_START)
    taken = octets[:count]
    del octets[:count]
    return taken


def _in_order(taps: list[tuple[OpenTap, list[Octet]]]) -> list[tuple[OpenTap, list[Octet]]]:
    """Returns octets of several taps in the order of their starts. What a tap hears without a pause in which the other
    side could begin stays together."""
    runs = [(tap, run) for tap, octets in taps for run in _runs(octets, tap.tap.character_time_ns())]
    return sorted(runs, key=lambda one: one[1][0].start)


def _runs(octets: list[Octet], character_time_ns: int) -> Iterator[list[Octet]]:
    """Yields the octets in runs without such a pause, which begins at the end of a character."""
    first = 0
    for number, (before, octet) in enumerate(pairwise(octets), 1):
        if octet.start - before.start - character_time_ns >= MIN_REACTION_NS:
            yield octets[first:number]
            first = number
    if octets:
        yield octets[first:]
