"""What a real receiver makes of the line when it is set to another speed or line than the sender.

:class:`Waveform` is the line as it is in life: a level that goes up and down. :class:`Receiver` is a UART on it, set
as a tap sets its port: it waits for a falling edge, looks at the line in the middle of each bit of its own speed, and
looks for the next falling edge once it has seen the stop bit. Set as the sender is, it delivers what was sent; set
otherwise, the garbage that a real one would. Sans-IO: time is what the caller says it is.

Limits: one look a bit, where a real receiver takes several and lets them vote; edges are sharp and both clocks exact.
"""

from bisect import bisect_right
from typing import Final, NamedTuple

from vtctap.pcap.record import Flag, Line
from vtctap.sniffer.simulated.wire import WireOctet

_SECOND: Final = 1_000_000_000
_EIGHT_BITS: Final = Line(8, "N", 1)
_FORGET: Final = 4096
"""Edges that are kept at the least; more would cost memory, fewer time."""


class Received(NamedTuple):
    """An octet as the receiver delivers it: :class:`~vtctap.pcap.record.Flag` bits, and when it was complete, ns."""

    value: int
    flags: int
    end: int


class Waveform:
    """The levels of one line, high when idle, that carries characters of ``line``. Octets are added in order of
    time."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._times = [-1]
        self._levels = [1]

    def feed(self, octet: WireOctet) -> None:
        """The line goes through the bits of an octet; its length says how fast."""
        if octet.is_break:
            self._go(octet.start, 0)
        else:
            levels, length = self._bits(octet.octet), octet.end - octet.start
            for at, level in enumerate(levels):
                self._go(octet.start + at * length // self._line.character_bits, level)
        self._go(octet.end, 1)

    def level(self, time: int) -> int:
        """The level at ``time``; at an edge the one after it."""
        return self._levels[bisect_right(self._times, time) - 1]

    def falls(self, time: int) -> int | None:
        """The first falling edge after ``time`` (ns); None where none is known yet."""
        at = bisect_right(self._times, time)
        at += at < len(self._times) and self._levels[at] == 1
        return self._times[at] if at < len(self._times) else None

    def forget(self, time: int) -> None:
        """What was before ``time`` is not asked for any more."""
        if len(self._times) > 2 * _FORGET and (at := bisect_right(self._times, time) - 1) > _FORGET:
            del self._times[:at], self._levels[:at]

    def _go(self, time: int, level: int) -> None:
        if self._levels[-1] != level:
            self._times.append(time)
            self._levels.append(level)

    def _bits(self, octet: int) -> list[int]:
        """Start bit, data bits from the lowest on, parity bit (that of 7E1 is in the octet), stop bit."""
        sent = uart(self._line)
        bits = [octet >> at & 1 for at in range(sent.data_bits)]
        if sent.parity != "N":
            bits.append(_parity(octet, sent.parity))
        return [0, *bits, 1]


def uart(line: Line) -> Line:
    """How a tap sets the receiver for ``line``: seven bits and parity are eight bits without."""
    return _EIGHT_BITS if line.has_parity else line


class Receiver:
    """A UART at ``speed`` bit/s and ``line`` on a waveform. Both may be set at any time, as on a real one: an octet
    that is being received goes on at the new speed."""

    def __init__(self, waveform: Waveform, speed: int, line: Line) -> None:
        self.speed = speed
        self.line = line
        self._waveform = waveform
        self._after = -1
        self._next: int | None = None
        self._bits: list[int] = []

    @property
    def busy(self) -> bool:
        """Whether an octet is being received, or will be as far as the line is known."""
        return self._next is not None or self._waveform.falls(self._after) is not None

    def run(self, until: int) -> list[Received]:
        """The octets that are complete by ``until`` (ns), which never goes back."""
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
        """The line in the middle of a bit."""
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
