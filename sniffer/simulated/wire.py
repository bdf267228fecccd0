"""The virtual wire: connects devices by a line, and plays the events on it in order of time.

The wire has no clock of its own. :meth:`VirtualWire.run` jumps from event to event (the fast mode);
:meth:`VirtualWire.advance` follows a caller's real clock. Both give the same octets with the same timestamps. Each
octet comes out when it has ended, in the form in which a tap receives it: eight bits, with the parity bit in bit 7 on a
line of seven bits and parity.

Limits: only the devices keep the line half duplex, as on a real one; the wire carries whatever they send. A device
understands octets at any speed, unless :meth:`VirtualWire.feed` states that the sender's is another than its own.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal

from vtctap.pcap.record import EIGHT_BITS, SECOND_NS, Line
from vtctap.sniffer.simulated.machine import Action, ChangeSpeed, Done, Machine, Send
from vtctap.sniffer.simulated.octets import NUL

Side = Literal["client", "server"]
"""The sender; with two taps, also the tap that hears it."""
OTHER: Final[dict[Side, Side]] = {"client": "server", "server": "client"}

BREAK_CHARACTERS: Final = 2
"""The length of a break in character times; it must exceed one (ITU-T V.4)."""


@dataclass(frozen=True, slots=True)
class WireOctet:
    """An octet on the wire: eight bits as received, from the start of its start bit to the end of its last stop bit
    (ns). ``is_break``: the line was low for longer than a character, which a receiver reports as a NUL with a framing
    error."""

    side: Side
    octet: int
    start: int
    end: int
    is_break: bool = False


@dataclass(frozen=True, slots=True)
class Character:
    """A character to send: its data bits, and the silence before it."""

    octet: int
    gap_ns: int = 0
    bad_parity: bool = False
    is_break: bool = False
    garbled: bool = False
    """Whether the listener is set to another speed, and so receives a damaged character."""


Disturbance = Callable[[Side, bytes, int], list[Character]]
"""Turns a message into the characters on the wire; gets the sender, the octets and the start of transmission (ns)."""


def undisturbed(side: Side, octets: bytes, start: int) -> list[Character]:
    """Returns the :data:`Disturbance` of a line without faults."""
    return [Character(octet) for octet in octets]


def received(octet: int, line: Line, *, bad_parity: bool = False) -> int:
    """Returns the octet that a tap set to eight bits and no parity receives for a character's data bits on ``line``."""
    if not line.has_parity:
        return octet
    ones = octet.bit_count() & 1
    parity = {"E": ones, "O": 1 - ones, "M": 1, "S": 0}[line.parity] ^ bad_parity
    return octet | parity << 7


def _spaced(characters: list[Character], gap_ns: int) -> list[Character]:
    """Adds a pause before each character but the first."""
    if not gap_ns:
        return characters
    others = (replace(character, gap_ns=character.gap_ns + gap_ns) for character in characters[1:])
    return [*characters[:1], *others]


class VirtualWire:
    """The wire and its devices, at ``speed`` (bit/s), beginning at ``now`` (ns).

    A side without a machine is the caller's, which feeds its octets with :meth:`feed`; that side follows the other
    side's speed. ``plan`` is called with each octet as soon as its times are known, before it begins; ``retune`` with
    each change of speed, and whether HDLC follows.
    """

    def __init__(
        self,
        machines: Mapping[Side, Machine],
        *,
        speed: int,
        line: Line,
        now: int,
        disturbance: Disturbance = undisturbed,
        plan: Callable[[WireOctet], None] = lambda octet: None,
        retune: Callable[[int, bool], None] = lambda speed, binary: None,
    ) -> None:
        self._machines = machines
        self._line = line
        self._lines: dict[Side, Line] = {"client": line, "server": line}
        self._disturbance = disturbance
        self._plan = plan
        self._retune = retune
        self._now = now
        self._speeds: dict[Side, int] = {"client": speed, "server": speed}
        self._free: dict[Side, int] = {"client": now, "server": now}
        self._events: list[tuple[int, int, Callable[[], WireOctet | None]]] = []
        self._count = 0
        self._done = False

    def feed(self, side: Side, octets: bytes, now: int, speed: int | None = None) -> None:
        """Feeds octets of seven bits that the caller's side sends from ``now`` (ns) on. ``speed`` (bit/s) is that of
        the sender, if known; a listener at another speed receives damaged octets."""
        if speed is not None:
            self._speeds[side] = speed
        garbled = self._speeds[side] != self._speeds[OTHER[side]]
        self._transmit(side, [Character(octet, garbled=garbled) for octet in octets], max(now, self._free[side]))

    def next_due(self) -> int | None:
        """Returns the time of the next event, ns; None while only the caller can cause one."""
        times = [wake for machine in self._machines.values() if (wake := machine.wake_at()) is not None]
        if self._events:
            times.append(self._events[0][0])
        return max(min(times), self._now) if times else None

    def advance(self, until: int) -> Iterator[WireOctet]:
        """Plays all events up to and including ``until`` (ns); yields the octets that end by then."""
        while (due := self.next_due()) is not None and due <= until:
            self._now = due
            if self._events and self._events[0][0] <= due:
                if octet := heapq.heappop(self._events)[2]():
                    yield octet
                continue
            for side, machine in self._machines.items():
                wake = machine.wake_at()
                if wake is not None and wake <= due:
                    self._act(side, machine.timeout(due))
        self._now = max(self._now, until)

    def run(self) -> Iterator[WireOctet]:
        """Plays until a device has finished its script and the wire is silent; yields all octets."""
        while not self.finished and (due := self.next_due()) is not None:
            yield from self.advance(due)

    @property
    def finished(self) -> bool:
        """Whether a device has finished its script and the wire is silent."""
        return self._done and not self._events

    def _at(self, time: int, event: Callable[[], WireOctet | None]) -> None:
        heapq.heappush(self._events, (time, self._count, event))
        self._count += 1

    def _act(self, side: Side, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(octets, delay, gap_ns):
                    start = max(self._now + delay, self._free[side])
                    self._transmit(side, _spaced(self._disturbance(side, octets, start), gap_ns), start)
                    self._at(self._free[side], partial(self._sent, side))
                case ChangeSpeed(speed, binary):
                    self._retune(speed, binary)
                    both: tuple[Side, ...] = (side,) if OTHER[side] in self._machines else (side, OTHER[side])
                    for changed in both:
                        self._speeds[changed] = speed  # Octets sent before have their times already.
                        self._lines[changed] = EIGHT_BITS if binary else self._line
                case Done():
                    self._done = True

    def _transmit(self, side: Side, characters: list[Character], start: int) -> None:
        """Schedules characters, each at the end of the one before; times are rounded once, so they do not drift."""
        line, speed, anchor, count = self._lines[side], self._speeds[side], start, 0
        bits = line.character_bits
        end = start
        for character in characters:
            if character.gap_ns:
                anchor, count = end + character.gap_ns, 0
            begin = anchor + count * bits * SECOND_NS // speed
            count += BREAK_CHARACTERS if character.is_break else 1
            end = anchor + count * bits * SECOND_NS // speed
            value = received(character.octet, line, bad_parity=character.bad_parity)
            octet = WireOctet(side, NUL if character.is_break else value, begin, end, character.is_break)
            self._plan(octet)
            self._at(end, partial(self._deliver, octet, character))
        self._free[side] = end

    def _deliver(self, octet: WireOctet, character: Character) -> WireOctet:
        listener = OTHER[octet.side]
        if listener in self._machines:
            damaged = character.bad_parity or character.is_break or character.garbled
            self._act(listener, self._machines[listener].feed(NUL if damaged else character.octet, self._now))
        return octet

    def _sent(self, side: Side) -> None:
        self._act(side, self._machines[side].sent(self._now))
