"""What a real receiver receives if it is set to another speed or format than the sender.

:class:`Waveform` is the level of the line over time. :class:`Receiver` is a UART on it, with the settings that a tap
gives its port. It waits for a falling edge, samples the line in the middle of each bit at its own speed, and waits for
the next falling edge after the stop bit. With the sender's settings it receives what was sent; with others, the garbage
that a real receiver would.

It has no I/O; the caller states the time.

Limits: it samples once for each bit, whereas a real receiver takes several samples and lets them vote; edges are sharp,
and both clocks are exact.
"""

from bisect import bisect_right
from typing import Final, NamedTuple

from vtctap.pcap.record import Flag, Line
from vtctap.sniffer.simulated.wire import WireOctet

_SECOND: Final = 1_000_000_000
_EIGHT_BITS: Final = Line(8, "N", 1)
_FORGET: Final = 4096
"""Fewest edges that are kept. More would cost memory, fewer would cost time."""


class Received(NamedTuple):
    """A received octet: its :class:`~vtctap.pcap.record.Flag` bits, and the time at which it was complete, ns."""

    value: int
    flags: int
    end: int


class Waveform:
    """The levels of a line that carries characters of ``line`` and is high when idle. Octets are fed in order of
    time."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._times = [-1]
        self._levels = [1]

    def feed(self, octet: WireOctet) -> None:
        """Adds the bits of an octet. Its duration gives the speed."""
        if octet.is_break:
            self._go(octet.start, 0)
        else:
            levels, length = self._bits(octet.octet), octet.end - octet.start
            for at, level in enumerate(levels):
                self._go(octet.start + at * length // self._line.character_bits, level)
        self._go(octet.end, 1)

    def level(self, time: int) -> int:
        """Returns the level at ``time``; at an edge, the level after it."""
        return self._levels[bisect_right(self._times, time) - 1]

    def falls(self, time: int) -> int | None:
        """Returns the first falling edge after ``time`` (ns), None if none is known yet."""
        at = bisect_right(self._times, time)
        at += at < len(self._times) and self._levels[at] == 1
        return self._times[at] if at < len(self._times) else None

    def forget(self, time: int) -> None:
        """Drops the edges before ``time``, which no caller asks for any more."""
        if len(self._times) > 2 * _FORGET and (at := bisect_right(self._times, time) - 1) > _FORGET:
            del self._times[:at], self._levels[:at]

    def _go(self, time: int, level: int) -> None:
        if self._levels[-1] != level:
            self._times.append(time)
            self._levels.append(level)

    def _bits(self, octet: int) -> list[int]:
        """Returns start bit, data bits (lowest first), parity bit and stop bit. An octet of 7E1 includes its parity
        bit."""
        sent = uart(self._line)
        bits = [octet >> at & 1 for at in range(sent.data_bits)]
        if sent.parity != "N":
            bits.append(_parity(octet, sent.parity))
        return [0, *bits, 1]


def uart(line: Line) -> Line:
    """Returns the settings that a tap makes for ``line``: seven bits with parity become eight bits without."""
    return _EIGHT_BITS if line.has_parity else line


class Receiver:
    """A UART at ``speed`` bit/s and ``line`` on a waveform. Both may change at any time, as on a real UART: the octet
    that is being received continues at the new speed."""

    def __init__(self, waveform: Waveform, speed: int, line: Line) -> None:
        self.speed = speed
        self.line = line
        self._waveform = waveform
        self._after = -1
        self._next: int | None = None
        self._bits: list[int] = []

    @property
    def busy(self) -> bool:
        """Whether an octet is being received, or will be received from the edges known so far."""
        return self._next is not None or self._waveform.falls(self._after) is not None

    def begun(self, by: int) -> bool:
        """Whether an octet has begun by ``by`` (ns) that :meth:`run` has not returned."""
        edge = self._waveform.falls(self._after)
        return self._next is not None or (edge is not None and edge <= by)

    def run(self, until: int) -> list[Received]:
        """Returns the octets that are complete by ``until`` (ns), which never decreases."""
        octets = []
        while True:
            if self._next is None:
                edge = self._waveform.falls(self._after)
                if edge is None or edge > until:
                    break
                self._bits.clear()
                self._next = edge + _SECOND // (2 * self.speed)
            if self._next > until:
                break
            if octet := self._look(self._next):
                octets.append(octet)
        self._waveform.forget(self._after)
        return octets

    def _look(self, time: int) -> Received | None:
        """Samples the line in the middle of a bit."""
        level = self._waveform.level(time)
        bits = self._bits
        line = uart(self.line)
        bits.append(level)
        if bits == [1]:  # Too short for a start bit.
            self._next, self._after = None, time
            return None
        if len(bits) < 1 + line.data_bits + (line.parity != "N") + 1:
            self._next = time + _SECOND // self.speed
            return None
        self._next, self._after = None, time
        value = sum(bit << at for at, bit in enumerate(bits[1 : 1 + line.data_bits]))
        flags = 0
        if not level:
            flags = Flag.FRAMING | (Flag.BREAK if not any(bits) else 0)
        elif line.parity != "N" and bits[-2] != _parity(value, line.parity):
            flags = Flag.FRAMING  # As the driver marks it.
        return Received(value, flags, time)


def _parity(value: int, parity: str) -> int:
    ones = value.bit_count() & 1
    return {"E": ones, "O": 1 - ones, "M": 1, "S": 0}[parity]
