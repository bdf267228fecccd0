"""Speed and line of an unknown line, from what is heard on it with settings that may be wrong. Sans-IO.

Theory
======

All lines looked for (:data:`LINES`) have characters of ten bits, so that a receiver set to eight bits and no parity
frames each of them right at the right speed; the parity shows in bit 7. What it delivers at a wrong one:

*Too fast*, by a ratio k. Each octet begins at a falling edge of the line, so its bits are whole bits of the line, each
k times: at k = 2 the lowest data bit is a zero (the start bit's second half), then come three pairs of equal bits; at k =
6 there is nothing but E0h (a start bit alone) and 00h with a framing error; from k = 10 on only the latter, a break to
the receiver. So one setting tells several speeds apart, and says at least that the line is slower.

*Too slow*. Each octet is made of several characters: any value, often with a framing error. That says little.

*Right*. Text: printable characters, line ends, now and then a control character, all with the same parity (or bit 7
zero: no parity). Until the receiver has found the start bits, any octet.

So the detector listens with the fastest speed that is still plausible, from the fastest of all down. Each octet weighs
for or against every pair of a speed and a shape of its octets by how probable it is there (the tables below, in natural
logarithms), and the best pair is settled on when it is listened with and outweighs all others by :data:`MARGIN`. Every
table leaves some room for any octet (noise, octets from before the last change of settings), and no pair falls behind
the best by more than :data:`DEPTH`: what was weighed wrongly is weighed again.

Limits: lines with other than ten bits a character are not found, nor is seven bits without parity or with mark or space
parity told from those that are. Without text (HDLC) only the line 8N1 is found. A run of equal characters tells little:
the detector listens on. Speeds are those of :data:`SPEEDS`, and must be right to two in a hundred.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import floor, log
from typing import Final

from vtctap.dissector.characters import ACK, CR, EOT, ETX, LF, NAK, NUL, SOH, STX, wrong_parity
from vtctap.pcap.record import Flag, Line
from vtctap.sniffer.port import Settings

SPEEDS: Final = (115200, 57600, 38400, 19200, 9600, 4800, 2400, 1200, 600, 300)
"""Speeds looked for, bit/s: those of IEC 62056-21, P1's, and the usual ones between."""
EIGHT_BITS: Final = Line(8, "N", 1)
LINES: Final = (Line(7, "E", 1), EIGHT_BITS, Line(7, "O", 1))

MARGIN: Final = 14.0
"""By how much the best pair must outweigh all others: about a million to one."""
DEPTH: Final = 25.0
PLAUSIBLE: Final = 5.0
"""A pair that is behind the best by less is worth listening for."""
PATIENCE: Final = 12
"""After so many octets at one speed that are no text all is weighed afresh; then after twice as many, and so on."""
PAUSE: Final = 20_000_000
"""ns; after a pause of so much and two characters an octet begins with a start bit."""
SETTLED_OCTETS: Final = 8
"""So many octets at the least must have come at the speed that is settled on."""

_SYMBOLS: Final = 512
"""An octet's value, and whether its stop bit was wrong."""
_WRONG_STOP: Final = 256
_ANY: Final = 1 / _SYMBOLS
_STRAY: Final = 0.01
"""The share of octets that are not as they should be."""
_FINDS: Final = 0.25
_LOSES: Final = 0.01
"""With each octet: how probably a receiver that is astray finds the start bits, and loses them again."""
_HDLC_FLAG: Final = 0x7E
_SHORTEST_FRAME: Final = 7
_LONGEST_FRAME: Final = 160
"""Octets of an HDLC frame: format, two addresses, control and check sequence at the least; longer ones are not looked at."""
_GOOD_FCS: Final = 0xF0B8

_CONTROLS: Final = frozenset((NUL, SOH, STX, ETX, EOT, ACK, NAK))
_TEXT: Final = frozenset((*range(0x20, 0x7F), CR, LF))


def fcs16(octets: Iterable[int]) -> int:
    """The frame check sequence of HDLC (ISO/IEC 13239: CRC-16 with polynomial 1021h reflected, from FFFFh, not yet
    inverted): F0B8h over a frame with its own check sequence."""
    value = 0xFFFF
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0x8408 if value & 1 else 0)
    return value


@dataclass(frozen=True, slots=True)
class Finding:
    """What the detector asks for: settings to listen with, or, where ``settled``, those of the line."""

    settings: Settings
    settled: bool


def _shares(symbols: Sequence[float], stray: float) -> list[float]:
    """The symbols' probabilities, of which ``stray`` goes to any symbol."""
    total = sum(symbols)
    return [(1 - stray) * share / total + stray * _ANY for share in symbols]


def _text(line: Line) -> list[float]:
    """At the right speed: text of ``line``."""
    symbols = [0.0] * _SYMBOLS
    for value in range(256):
        bits = value & 0x7F
        fits = not wrong_parity(bytes([value]), line) if line.has_parity else value < 0x80
        if fits:
            symbols[value] = (
                0.95 / len(_TEXT) if bits in _TEXT else 0.04 / len(_CONTROLS) if bits in _CONTROLS else 3e-4
            )
    return _shares(symbols, _STRAY)


def _too_fast(ratio: float) -> list[float]:
    """At a speed that is too fast by ``ratio``: a start bit, and then bits of which either value is as likely."""
    symbols = [0.0] * _SYMBOLS
    at = [floor((bit + 0.5) / ratio) for bit in range(1, 10)]
    for bits in product((0, 1), repeat=at[-1]):
        seen = [(0, *bits)[position] for position in at]
        symbols[sum(bit << n for n, bit in enumerate(seen[:8])) | (0 if seen[8] else _WRONG_STOP)] += 1
    return _shares(symbols, _STRAY)


_ASTRAY: Final = [0.75 / 256] * 256 + [0.25 / 256] * 256
"""At the right speed, but with a data bit taken for the start bit."""
_BINARY: Final = _shares([1.0] * 256 + [0.0] * 256, _STRAY)
_SHAPES: Final = (*((line, _text(line)) for line in LINES), (EIGHT_BITS, _BINARY))
_BINARY_SHAPE: Final = len(LINES)
_PRIORS: Final = (0.0, 0.0, 0.0, -8.0)
RARE = 0.0


def _prior(speed, shape):
    return _PRIORS[shape] - (RARE if speed in (57600, 38400) else 0)


_PAIRS: Final = [(speed, shape) for speed in SPEEDS for shape in range(len(_SHAPES))]
_TOO_SLOW: Final = [_ANY] * _SYMBOLS


@cache
def _elsewhere(listening: int, speed: int) -> list[float]:
    """The symbols' probabilities at ``listening`` bit/s on a line of another speed."""
    return _too_fast(listening / speed) if listening > speed else _TOO_SLOW


class Detector:
    """Listens, by turns with different settings, until it knows those of the line.

    ``latency`` (ns): octets that arrive sooner than this after a change of settings were received before it and weigh
    nothing. The caller sets its receivers to :attr:`settings` first, tells all that is heard, and does as it is told.
    """

    def __init__(self, *, latency: int = 0) -> None:
        self._latency = latency
        self._weights = [_prior(*pair) for pair in _PAIRS]
        self._speed = SPEEDS[0]
        self._astray = [0.5] * len(_SHAPES)
        self._deaf_until = 0
        self._heard = 0
        self._recent = bytearray()
        self._arrival = 0
        self._last = -1
        self._patience = PATIENCE
        self._repeats = 0

    @property
    def settings(self) -> Settings:
        """What to listen with."""
        return Settings(self._speed, EIGHT_BITS)

    def hear(self, octets: Iterable[tuple[int, int]], arrival: int) -> Finding | None:
        """Octets with their flags, as received with :attr:`settings` and read at ``arrival`` (ns): what to do now."""
        if arrival < self._deaf_until:
            return None
        if arrival - self._arrival > PAUSE + 2 * EIGHT_BITS.character_time(self._speed):
            self._astray = [_LOSES] * len(_SHAPES)
        self._arrival = arrival
        for value, flags in octets:
            self._weigh(value | (_WRONG_STOP if flags & (Flag.FRAMING | Flag.BREAK) else 0))
            if self._heard >= self._patience and min(self._astray[:_BINARY_SHAPE]) > 0.5:
                self._reconsider()
            speed = next(speed for (speed, _), weight in zip(_PAIRS, self._weights, strict=True) if weight > -PLAUSIBLE)
            if speed != self._speed:
                self._listen(speed)
                self._deaf_until = arrival + self._latency
                return Finding(self.settings, settled=False)
            if line := self._frame(value) or self._settle():
                return Finding(Settings(speed, line), settled=True)
        return None

    def _reconsider(self) -> None:
        """Nothing but garbage: this may be too slow, and what spoke against the faster speeds wrong."""
        for at, (speed, shape) in enumerate(_PAIRS):
            if speed > self._speed:
                self._weights[at] = _prior(speed, shape)
        self._patience *= 2

    def _listen(self, speed: int) -> None:
        self._speed, self._heard, self._repeats = speed, 0, 0
        self._astray = [0.5] * len(_SHAPES)
        self._recent.clear()

    def _weigh(self, symbol: int) -> None:
        """One octet's weight for or against each pair."""
        self._heard += 1
        self._repeats = self._repeats + 1 if symbol == self._last else 1
        self._last = symbol
        here = []
        for shape, (_, table) in enumerate(_SHAPES):
            astray = self._astray[shape] * _ASTRAY[symbol]
            found = (1 - self._astray[shape]) * table[symbol]
            here.append(log(astray + found))
            self._astray[shape] = (astray * (1 - _FINDS) + found * _LOSES) / (astray + found)
        elsewhere = {speed: log(_elsewhere(self._speed, speed)[symbol]) for speed in SPEEDS if speed != self._speed}
        for at, (speed, shape) in enumerate(_PAIRS):
            self._weights[at] += (here[shape] if speed == self._speed else elsewhere[speed]) / self._repeats
        best = max(self._weights)
        self._weights = [max(weight - best, -DEPTH) for weight in self._weights]

    def _frame(self, value: int) -> Line | None:
        """Eight bits, where this octet ends a whole HDLC frame: flag, format and length, ..., check sequence, flag."""
        recent = self._recent
        recent.append(value)
        del recent[:-_LONGEST_FRAME]
        if value != _HDLC_FLAG:
            return None
        begin = recent.rfind(_HDLC_FLAG, 0, -1)
        while begin >= 0:
            frame = recent[begin + 1 : -1]
            if (
                len(frame) >= _SHORTEST_FRAME
                and (frame[0] & 7) << 8 | frame[1] == len(frame)
                and fcs16(frame) == _GOOD_FCS
            ):
                return EIGHT_BITS
            begin = recent.rfind(_HDLC_FLAG, 0, begin)
        return None

    def _settle(self) -> Line | None:
        """The line, where the best pair is listened with and outweighs all that would be set otherwise."""
        speed, shape = _PAIRS[self._weights.index(0.0)]
        line = _SHAPES[shape][0]
        if shape == _BINARY_SHAPE or speed != self._speed or self._heard < SETTLED_OCTETS or self._astray[shape] > 0.5:
            return None
        others = [
            weight
            for (other, otherwise), weight in zip(_PAIRS, self._weights, strict=True)
            if (other, _SHAPES[otherwise][0]) != (speed, line)
        ]
        return line if max(others) <= -MARGIN else None
