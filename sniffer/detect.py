"""Speed and line of an unknown line, from what is heard on it with settings that may be wrong. Sans-IO.

Theory
======

All lines looked for (:data:`LINES`) have characters of ten bits, so that a receiver set to eight bits and no parity
frames each of them right at the right speed; the parity shows in bit 7. What it delivers otherwise:

*Too fast*, by a ratio k. Each octet begins at a falling edge of the line, and each bit of the line is k of its bits: at
k = 2 the lowest data bit is zero (the start bit's second half), then come three pairs of equal bits; at k = 6 there is
nothing but E0h (a start bit alone) and 00h with a framing error; from k = 10 on only the latter. So one setting tells
several speeds apart, and says at the least that the line is slower.

*Too slow*. Each octet is made of several characters: any value, every other with a framing error. That says little.

*Right*. Text: printable characters, line ends, now and then a control character, all with the same parity (or bit 7
zero: no parity). But a receiver that was set in the middle of a run of characters takes some data bit for the start
bit, and is astray, until it comes upon a start bit by chance or after a pause.

So the detector listens with the fastest speed that is still plausible, from the fastest of all down. Each octet weighs
for or against every pair of a speed and a shape (text of one of the lines, or any octets) by how probable it is there,
in natural logarithms. The best pair is settled on when it is what is listened with and outweighs all others by
:data:`MARGIN`. Every octet has some probability everywhere (noise, octets from before the last change of settings), and
no pair falls behind by more than :data:`DEPTH`: what was weighed wrongly is weighed again. Equal octets in a row weigh
less each: a wake-up of NULs, or a meter number full of zeros, has the same pulses over and over, which say less than so
many independent ones.

Octets of any value prove nothing by themselves. HDLC is known by a whole frame with a good check sequence.

Many adapters mark no framing errors, and their drivers do not say so. So an octet without a mark says nothing of its
stop bit until its port has marked one. A port that marked none among octets of which many must have had none, seen from
the speed that was found, marks none.

Limits: lines with other than ten bits a character are not found, nor is parity that is always mark or space. Speeds are
those of :data:`SPEEDS`, two in a hundred more or less. A receiver that is astray in a long block without pauses may
stay so for a hundred octets; the detector listens on.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import floor, log
from typing import Final

from vtctap.dissector.protocol.characters import ACK, CR, EOT, ETX, LF, NAK, NUL, SOH, STX, wrong_parity
from vtctap.dissector.protocol.checksums import fcs16
from vtctap.pcap.record import Flag, Line
from vtctap.sniffer.port import Settings

SPEEDS: Final = (115200, 57600, 38400, 19200, 9600, 4800, 2400, 1200, 600, 300)
"""Speeds looked for, bit/s: those of IEC 62056-21, P1's, and two more."""
EIGHT_BITS: Final = Line(8, "N", 1)
LINES: Final = (Line(7, "E", 1), EIGHT_BITS, Line(7, "O", 1))

MARGIN: Final = 14.0
"""By how much the best pair must outweigh all others: a million to one."""
DEPTH: Final = 25.0
PLAUSIBLE: Final = 7.0
"""A pair that is behind the best by less is worth listening for."""
SETTLED_OCTETS: Final = 8
"""So many octets at the least must have come at the speed that is settled on."""
PAUSE_NS: Final = 20_000_000
"""ns; after a pause of so much and two characters an octet begins with a start bit."""

_RARE: Final = {57600: -3.0, 38400: -3.0}
_UNPROVED: Final = -8.0
"""What speaks from the beginning against speeds that no standard of meters has, and against octets that are no text."""
_UNEXPECTED: Final = -12.0
"""What speaks against all other speeds where some are expected."""
_STRAY: Final = 0.01
"""The share of octets that are not as they should be."""
_FINDS, _LOSES = 0.25, 0.01
"""With each octet: how probably a receiver that is astray finds the start bits, and loses them again."""

_SYMBOLS: Final = 512
"""An octet's value, and whether its stop bit was wrong."""
_WRONG_STOP: Final = 256
_ANY_STOP: Final = 512
"""Of the stop bit nothing is known: one symbol or the other."""
_MARKS_MISSING: Final = 8.0
"""A port that marked none, where so many octets with wrong stop bits were to be expected, marks none."""
_CONTROLS: Final = frozenset((NUL, SOH, STX, ETX, EOT, ACK, NAK))
_TEXT: Final = frozenset((*range(0x20, 0x7F), CR, LF))

_FLAG: Final = 0x7E
_SHORTEST_FRAME, _LONGEST_FRAME = 7, 160
"""Octets of an HDLC frame without its flags: format, two addresses, control, check sequence; longer ones are not looked
at."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the detector asks for: settings to listen with, or, where ``settled``, those of the line."""

    settings: Settings
    settled: bool


def _shares(symbols: Sequence[float]) -> list[float]:
    """The symbols' probabilities, some of which goes to all symbols alike."""
    total = sum(symbols)
    return [(1 - _STRAY) * share / total + _STRAY / _SYMBOLS for share in symbols]


def _text(line: Line) -> list[float]:
    """Symbols at the right speed: text of ``line``."""
    symbols = [0.0] * _SYMBOLS
    for value in range(256):
        bits = value & 0x7F
        if value >= 0x80 if line == EIGHT_BITS else wrong_parity(bytes((value,)), line):
            continue
        symbols[value] = 0.95 / len(_TEXT) if bits in _TEXT else 0.04 / len(_CONTROLS) if bits in _CONTROLS else 3e-4
    return _shares(symbols)


def _too_fast(ratio: float) -> list[float]:
    """Symbols at a speed that is too fast: a start bit, and bits that are as likely one as the other."""
    symbols = [0.0] * _SYMBOLS
    looks = [floor((bit + 0.5) / ratio) for bit in range(1, 10)]
    for following in product((0, 1), repeat=looks[-1]):
        bits = (0, *following)
        *data, stop = (bits[look] for look in looks)
        symbols[sum(bit << at for at, bit in enumerate(data)) | (0 if stop else _WRONG_STOP)] += 1
    return _shares(symbols)


_SHAPES: Final = (*(_text(line) for line in LINES), _shares([1.0] * 256 + [0.0] * 256))
_ANY_OCTETS: Final = len(LINES)
"""The shape of octets that are no text; its line is eight bits."""
_SHAPE_LINES: Final = (*LINES, EIGHT_BITS)
_ASTRAY: Final = [0.75 / 256] * 256 + [0.25 / 256] * 256
_TOO_SLOW: Final = [1 / _SYMBOLS] * _SYMBOLS
_PAIRS: Final = [(speed, shape) for speed in SPEEDS for shape in range(len(_SHAPES))]


@cache
def _elsewhere(listening: int, speed: int) -> list[float]:
    """Symbols at ``listening`` bit/s on a line of another ``speed``."""
    return _too_fast(listening / speed) if listening > speed else _TOO_SLOW


def _prior(speed: int, shape: int, expected: Sequence[int]) -> float:
    """What speaks for a pair before anything is heard."""
    surprise = _UNEXPECTED if expected and speed not in expected else 0.0
    return surprise + _RARE.get(speed, 0.0) + (_UNPROVED if shape == _ANY_OCTETS else 0)


def _from_best(weights: Sequence[float]) -> list[float]:
    """By how much each falls behind the best."""
    best = max(weights)
    return [max(weight - best, -DEPTH) for weight in weights]


class Detector:
    """Listens, by turns with different settings, until it knows those of the line.

    ``latency`` (ns): octets that arrive sooner than this after a change of settings were received before it and weigh
    nothing. ``marks``: which of the taps (by number) are known to mark framing errors, and which are known not to; what
    is learnt is put there. ``expected`` are speeds (bit/s) that are tried first. The caller sets its receivers to
    :attr:`settings` first, tells all that is heard, and does what it is told to.
    """

    def __init__(
        self, *, latency_ns: int = 0, marks: dict[int, bool] | None = None, expected: Sequence[int] = ()
    ) -> None:
        self._latency_ns = latency_ns
        self._marks = {} if marks is None else marks
        self._unmarked: Counter[tuple[int, int]] = Counter()
        """Octets without a mark, by tap and by what was listened with."""
        self._weights = _from_best([_prior(speed, shape, expected) for speed, shape in _PAIRS])
        self._arrival = self._deaf_until = 0
        self._last = -1
        self._recent = bytearray()
        self._listen(self._fastest_plausible())

    @property
    def settings(self) -> Settings:
        """What to listen with."""
        return Settings(self._speed, EIGHT_BITS)

    def feed(self, octets: Iterable[tuple[int, int]], arrival: int, tap: int = 0) -> Proposal | None:
        """A tap's octets with their flags, as received with :attr:`settings` and read at ``arrival`` (ns): what to do
        now."""
        if arrival < self._deaf_until:
            return None
        if arrival - self._arrival > PAUSE_NS + 2 * EIGHT_BITS.character_time_ns(self._speed):
            self._astray = [_LOSES] * len(_SHAPES)
        self._arrival = arrival
        line = None
        for value, flags in octets:
            self._weigh(value | self._stop(tap, flags))
            line = self._binary(value) or self._settle() or line
        if line:
            self._learn()
            return Proposal(Settings(self._speed, line), settled=True)
        speed = self._fastest_plausible()
        if speed == self._speed:
            return None
        self._listen(speed)
        self._deaf_until = arrival + self._latency_ns
        return Proposal(self.settings, settled=False)

    def changed(self, now: int) -> None:
        """The receivers were set to :attr:`settings` at ``now`` (ns), which may take its time."""
        self._deaf_until = max(self._deaf_until, now + self._latency_ns)

    def _fastest_plausible(self) -> int:
        return next(speed for (speed, _), weight in zip(_PAIRS, self._weights, strict=True) if weight > -PLAUSIBLE)

    def _listen(self, speed: int) -> None:
        self._speed = speed
        self._heard = self._repeats = 0
        self._astray = [0.5] * len(_SHAPES)
        self._recent.clear()

    def _stop(self, tap: int, flags: int) -> int:
        """What is known of an octet's stop bit."""
        if flags & (Flag.FRAMING | Flag.BREAK):
            self._marks[tap] = True
            return _WRONG_STOP
        self._unmarked[tap, self._speed] += 1
        return 0 if self._marks.get(tap) else _ANY_STOP

    def _learn(self) -> None:
        """The line's speed is known: taps that should have marked octets heard at other speeds, and did not."""
        for tap in {tap for tap, _ in self._unmarked} - self._marks.keys():
            wrong = sum(
                count * sum(_elsewhere(speed, self._speed)[_WRONG_STOP:])
                for (heard, speed), count in self._unmarked.items()
                if heard == tap and speed != self._speed
            )
            if wrong >= _MARKS_MISSING:
                self._marks[tap] = False

    def _probability(self, symbols: Sequence[float], symbol: int) -> float:
        if symbol & _ANY_STOP:
            value = symbol & 0xFF
            return symbols[value] + symbols[value | _WRONG_STOP]
        return symbols[symbol]

    def _weigh(self, symbol: int) -> None:
        """One octet's weight for or against each pair."""
        self._heard += 1
        self._repeats = self._repeats + 1 if symbol == self._last else 1
        self._last = symbol
        here = []
        for shape, symbols in enumerate(_SHAPES):
            astray = self._astray[shape] * self._probability(_ASTRAY, symbol)
            found = (1 - self._astray[shape]) * self._probability(symbols, symbol)
            self._astray[shape] = (astray * (1 - _FINDS) + found * _LOSES) / (astray + found)
            here.append(log(astray + found))
        elsewhere = {
            speed: log(self._probability(_elsewhere(self._speed, speed), symbol))
            for speed in SPEEDS
            if speed != self._speed
        }
        for at, (speed, shape) in enumerate(_PAIRS):
            self._weights[at] += (here[shape] if speed == self._speed else elsewhere[speed]) / self._repeats
        self._weights = _from_best(self._weights)

    def _settle(self) -> Line | None:
        """The line, where the best pair is listened with and outweighs all that would be set otherwise."""
        speed, shape = _PAIRS[self._weights.index(0.0)]
        line = _SHAPE_LINES[shape]
        text = shape != _ANY_OCTETS and self._astray[shape] < 0.5
        if not text or speed != self._speed or self._heard < SETTLED_OCTETS:
            return None
        others = (
            weight
            for (other, otherwise), weight in zip(_PAIRS, self._weights, strict=True)
            if (other, _SHAPE_LINES[otherwise]) != (speed, line)
        )
        return line if max(others) <= -MARGIN else None

    def _binary(self, value: int) -> Line | None:
        """Eight bits, where ``value`` ends a whole HDLC frame: flag, format with its length, ..., check, flag."""
        recent = self._recent
        recent.append(value)
        del recent[: -_LONGEST_FRAME - 2]
        begin = len(recent) - 1
        while value == _FLAG and (begin := recent.rfind(_FLAG, 0, begin)) >= 0:
            frame = recent[begin + 1 : -1]
            whole = len(frame) >= _SHORTEST_FRAME and (frame[0] & 7) << 8 | frame[1] == len(frame)
            if whole and fcs16(bytes(frame[:-2])) == int.from_bytes(frame[-2:], "little"):
                return EIGHT_BITS
        return None
