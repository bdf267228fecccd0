"""Detects speed and character format of an unknown line from octets received with settings that may be wrong. Sans-IO.

Theory
======

All candidate formats (:data:`LINES`) have characters of ten bits. At the right speed, a receiver set to eight bits and
no parity therefore frames each of them correctly, with the parity in bit 7. The receiver may be set:

*Too fast*, by a ratio k. Each octet begins at a falling edge of the line, and k bits of the octet sample one bit of the
line. At k = 2 the lowest data bit is zero (the second half of the start bit), and three pairs of equal bits follow. At
k = 6 the only octets are E0h (a start bit alone) and 00h with a framing error, and from k = 10 on only the latter. So
the octets at one setting distinguish several slower speeds, or at least show that the line is slower.

*Too slow*. Several characters make one octet: any value, and every other octet has a framing error. This says little.

*Right*. The octets are text: printable characters, line ends and a few control characters, all with the same parity
(or with bit 7 zero on a line without parity). But a receiver that was set in the middle of a run of characters takes a
data bit for the start bit. It stays astray until it meets a start bit by chance or after a pause.

So the detector listens at the fastest plausible speed, beginning with the fastest of all. Each pair of a speed and a
shape (text of one of the formats, or any octets) has a weight. Each octet adds the natural logarithm of its probability
under that pair. The detector settles on the best pair when it listens at its speed and the weight exceeds all others by
:data:`MARGIN`. Every octet has some probability under every pair (noise, octets from before the last change of
settings), and no weight falls behind the best by more than :data:`DEPTH`, so later octets can correct an error. Equal
octets in a row weigh less each: a wake-up of NULs, or a meter number full of zeros, repeats the same pulses, which say
less than independent ones.

Octets of any value prove nothing by themselves; a complete HDLC frame with a good check sequence does.

Many adapters do not mark framing errors, and their drivers do not say so. Until a port has marked one, an octet without
a mark says nothing about its stop bit. If the speed that was found implies many framing errors at the earlier settings,
and a port marked none of them, that port marks no framing errors.

Limits: only characters of ten bits are found, and no mark or space parity. Only the speeds in :data:`SPEEDS` are found,
within 2 %. In a long block without pauses, a receiver may stay astray for a hundred octets; the detector then listens
on.
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
from vtctap.pcap.record import EIGHT_BITS, SEVEN_EVEN, Flag, Line
from vtctap.sniffer.port import Settings

SPEEDS: Final = (115200, 57600, 38400, 19200, 9600, 4800, 2400, 1200, 600, 300)
"""Candidate speeds, bit/s: those of IEC 62056-21, that of P1 ports, and two more."""
LINES: Final = (SEVEN_EVEN, EIGHT_BITS, Line(7, "O", 1))

MARGIN: Final = 14.0
"""The lead that the best pair needs over all others, as a natural logarithm: a million to one."""
DEPTH: Final = 25.0
"""The most that a pair can fall behind the best."""
PLAUSIBLE: Final = 7.0
"""A pair that is less than this behind the best is worth listening for."""
SETTLED_OCTETS: Final = 8
"""Fewest octets heard at a speed before the detector settles on it."""
PAUSE_NS: Final = 20_000_000
"""After a pause of this plus two characters, a receiver that was astray begins at a start bit."""

_RARE: Final = {57600: -3.0, 38400: -3.0}
"""The initial weights of speeds in no metering standard."""
_UNPROVED: Final = -8.0
"""The initial weight of octets that are no text."""
_UNEXPECTED: Final = -12.0
"""The initial weight of all other speeds where some are expected."""
_STRAY: Final = 0.01
"""The share of octets that fit no model."""
_FINDS, _LOSES = 0.25, 0.01
"""The probabilities, per octet, that a receiver astray finds the start bits, and that it loses them again."""

_SYMBOLS: Final = 512
"""A symbol is an octet's value, plus :data:`_WRONG_STOP` for a wrong stop bit."""
_WRONG_STOP: Final = 256
_ANY_STOP: Final = 512
"""Added to a value whose stop bit is unknown."""
_MARKS_MISSING: Final = 8.0
"""A port that marked none of this many expected framing errors marks none at all."""
_CONTROLS: Final = frozenset((NUL, SOH, STX, ETX, EOT, ACK, NAK))
_TEXT: Final = frozenset((*range(0x20, 0x7F), CR, LF))

_FLAG: Final = 0x7E
_SHORTEST_FRAME, _LONGEST_FRAME = 7, 160
"""Octets of an HDLC frame without its flags: format, two addresses, control, check sequence. Longer frames are
ignored."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Settings that the detector proposes: those to listen with next, or, if ``settled``, those of the line."""

    settings: Settings
    settled: bool


def _shares(symbols: Sequence[float]) -> list[float]:
    """Normalises weights to probabilities, with a small share spread over all symbols."""
    total = sum(symbols)
    return [(1 - _STRAY) * share / total + _STRAY / _SYMBOLS for share in symbols]


def _text(line: Line) -> list[float]:
    """Returns the probabilities of symbols at the right speed, for text on ``line``."""
    symbols = [0.0] * _SYMBOLS
    for value in range(256):
        bits = value & 0x7F
        if value >= 0x80 if line == EIGHT_BITS else wrong_parity(bytes((value,)), line):
            continue
        symbols[value] = 0.95 / len(_TEXT) if bits in _TEXT else 0.04 / len(_CONTROLS) if bits in _CONTROLS else 3e-4
    return _shares(symbols)


def _too_fast(ratio: float) -> list[float]:
    """Returns the probabilities of symbols at a speed that is too fast by ``ratio``: a start bit, then random bits."""
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
    """Returns the probabilities of symbols when listening at ``listening`` bit/s to a line of another ``speed``."""
    return _too_fast(listening / speed) if listening > speed else _TOO_SLOW


def _prior(speed: int, shape: int, expected: Sequence[int]) -> float:
    """Returns the initial weight of a pair."""
    surprise = _UNEXPECTED if expected and speed not in expected else 0.0
    return surprise + _RARE.get(speed, 0.0) + (_UNPROVED if shape == _ANY_OCTETS else 0)


def _from_best(weights: Sequence[float]) -> list[float]:
    """Weights relative to the best, limited to -:data:`DEPTH`."""
    best = max(weights)
    return [max(weight - best, -DEPTH) for weight in weights]


class Detector:
    """Listens with different settings in turn until it knows those of the line.

    The caller sets its receivers to :attr:`settings`, feeds all octets, and applies each proposal. Octets that arrive
    less than ``latency_ns`` after a change of settings were received before it, and count for nothing. ``marks`` states
    which taps (by number) mark framing errors and which do not; the detector adds what it learns. ``expected`` are the
    speeds (bit/s) to try first.
    """

    def __init__(
        self, *, latency_ns: int = 0, marks: dict[int, bool] | None = None, expected: Sequence[int] = ()
    ) -> None:
        self._latency_ns = latency_ns
        self._marks = {} if marks is None else marks
        self._unmarked: Counter[tuple[int, int]] = Counter()
        """Octets without a mark, by tap and by the speed at which they were heard."""
        self._weights = _from_best([_prior(speed, shape, expected) for speed, shape in _PAIRS])
        self._arrival = self._deaf_until = 0
        self._last = -1
        self._recent = bytearray()
        self._listen(self._fastest_plausible())

    @property
    def settings(self) -> Settings:
        """The settings to listen with."""
        return Settings(self._speed, EIGHT_BITS)

    def feed(self, octets: Iterable[tuple[int, int]], arrival: int, tap: int = 0) -> Proposal | None:
        """Feeds a tap's octets with their flags, received with :attr:`settings` and read at ``arrival`` (ns). Returns a
        proposal where the settings are to change or the line is known."""
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
        """States that the receivers were set to :attr:`settings` at ``now`` (ns), which may be later than asked for."""
        self._deaf_until = max(self._deaf_until, now + self._latency_ns)

    def _fastest_plausible(self) -> int:
        return next(speed for (speed, _), weight in zip(_PAIRS, self._weights, strict=True) if weight > -PLAUSIBLE)

    def _listen(self, speed: int) -> None:
        self._speed = speed
        self._heard = self._repeats = 0
        self._astray = [0.5] * len(_SHAPES)
        self._recent.clear()

    def _stop(self, tap: int, flags: int) -> int:
        """Returns the part of the symbol that states an octet's stop bit."""
        if flags & (Flag.FRAMING | Flag.BREAK):
            self._marks[tap] = True
            return _WRONG_STOP
        self._unmarked[tap, self._speed] += 1
        return 0 if self._marks.get(tap) else _ANY_STOP

    def _learn(self) -> None:
        """Finds taps that mark no framing errors, once the line's speed shows which octets must have had one."""
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
        """Adds one octet's weight to each pair."""
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
        """Returns the line, if the detector listens at the best pair's speed and that pair leads all with other
        settings."""
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
        """Returns eight bits if ``value`` ends a complete HDLC frame: flag, format with its length, ..., check
        sequence, flag."""
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
