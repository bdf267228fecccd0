"""A UART in software: decodes the edges of one wire to characters with their exact times.

It needs no settings. It finds the speed, the level at rest and the number of bits of a character (eight or nine), and
finds them again when the line changes its speed during a session.

Theory
======

The wire rests at *mark*. A character is a start bit (space), eight bits with the lowest first, an optional ninth bit,
and a stop bit (mark)::

    mark  ----.    .--.-----.  .--.    .-----------
    space     '----'  |     '--'  '----'
              start  b0 ...             stop

Runs. A run is all edges until the wire rests for longer than a character; it has one speed. If the speed of the run
before fits, the run has that speed. Otherwise the run continues until the wire rests for longer than the slowest
character, and all speeds are tried, the slowest first. At a speed that is too low, pulses are shorter than a bit; at
one that is too high, there is space where stop bits must be. Therefore the first speed that fits is the only one. If
none fits, the speed may have changed within the run. The run is then split where the speed that reads its longest
beginning stops fitting. A run that cannot be split is read at the speed with the fewest faults.

A bit has the level that the wire had for most of the middle half of the bit's time. A pulse shorter than a quarter of a
bit (a glitch) therefore changes nothing, and an edge is no start bit if the wire is not at space for most of that time.

Limits: a ninth bit is taken for a parity bit. From only a few characters, a speed cannot be distinguished from its
multiples. The module has no clock and no I/O.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from vtctap.pcap.record import SECOND_NS, Flag, Line

SPEEDS: Final = (
    300,
    600,
    1200,
    2400,
    4800,
    9600,
    14400,
    19200,
    28800,
    38400,
    57600,
    76800,
    115200,
    230400,
    460800,
    921600,
)
"""The speeds of IEC 62056-21 and of adapters, bit/s. Other speeds are measured."""
MAX_EDGES: Final = 4096
"""Longest run, in edges; a longer one is read in parts."""
LEARNING: Final = 400
"""Number of edges from which the level at rest is found."""
_EIGHT_EVEN: Final = Line(8, "E", 1)
_EIGHT_ODD: Final = Line(8, "O", 1)
_REST: Final = 12
"""Rest that ends a run, in bits."""
_LONGEST_REST: Final = _REST * SECOND_NS // min(SPEEDS)
_BEGINNING: Final = 16
"""Fewest edges before a place where a run is split."""
_TOLERATED: Final = 8
"""In a run that fits, at most one in this many characters, or edges, is wrong."""


class Edge(NamedTuple):
    """A change of the wire: its time (ns), and the level after it."""

    time: int
    level: int


class DecodedCharacter(NamedTuple):
    """A character: the start of its start bit (ns), its eight bits, :class:`~vtctap.pcap.record.Flag` bits, the speed
    (bit/s), and the format where a ninth bit shows it."""

    time: int
    value: int
    flags: int
    speed: int
    line: Line | None = None


@dataclass(frozen=True, slots=True)
class CharacterFormat:
    """A character format: the speed (bit/s), and 8 bits or 9."""

    speed: int
    bits: int = 8

    @property
    def bit(self) -> float:
        """The duration of a bit, ns."""
        return SECOND_NS / self.speed


@dataclass(slots=True)
class _Reading:
    """A run, read in one format.

    ``end`` is the number of edges that belong to its characters; ``aside`` is how many of those lie away from the
    boundaries of bits.
    """

    format: CharacterFormat
    characters: list[tuple[int, int, bool]]
    end: int = 0
    edges: int = 0
    aside: int = 0
    glitches: int = 0
    trouble: int | None = None
    """The edge from which the format does not fit the run; None if there is none."""
    _doubts: int = 0
    _doubted: int | None = None

    @property
    def bad(self) -> int:
        """Number of characters without a stop bit."""
        return sum(not stopped for _, _, stopped in self.characters)

    @property
    def odd(self) -> int:
        """Number of characters of nine bits with an odd number of ones."""
        return sum(value.bit_count() & 1 for _, value, _ in self.characters)

    @property
    def fits(self) -> bool:
        """Whether the format fits the run."""
        count = len(self.characters)
        if not count or self.trouble is not None:
            return False
        if self.format.bits == 9 and min(self.odd, count - self.odd) * _TOLERATED > count:
            return False
        return self.bad * _TOLERATED <= count and self.aside * _TOLERATED <= self.edges

    def doubt(self, at: int, faults: int) -> None:
        """Counts the faults of what begins at an edge. After three faults in a row the format does not fit."""
        if not faults:
            self._doubts, self._doubted = 0, None
            return
        self._doubts += faults
        self._doubted = at if self._doubted is None else self._doubted
        if self.trouble is None and self._doubts > 2:
            self.trouble = self._doubted

    @property
    def cost(self) -> tuple[bool, int]:
        """The cost of this reading: a format that fits is cheaper, and then one that gives fewer characters."""
        return not self.fits, len(self.characters) if self.fits else 0

    @property
    def faults(self) -> float:
        """The share of faults, which compares readings of which none fits."""
        return (self.bad + 1) / (len(self.characters) + 1) + self.aside / (self.edges + 1)


class Uart:
    """Decodes one wire. It is fed edges, and returns characters when their run has ended."""

    def __init__(self) -> None:
        self.format: CharacterFormat | None = None
        """The format of the last run."""
        self.inverted: bool | None = None
        """Whether the wire rests low; None before that is known."""
        self.glitches = 0
        """Number of pulses too short for a bit."""
        self.speeds: list[int] = []
        """The speeds, in order of appearance."""
        self._edges: list[Edge] = []
        self._doubtful = False

    @property
    def open_since(self) -> int | None:
        """The time of the earliest edge that is in no character yet; None where there is none."""
        return self._edges[0].time if self._edges else None

    def feed(self, edge: Edge) -> list[DecodedCharacter]:
        """Feeds an edge; returns the characters that end before it."""
        if self._edges and self._edges[-1].level == edge.level:
            return []
        characters: list[DecodedCharacter] = []
        if self.inverted is None:
            if len(self._edges) >= LEARNING:
                characters = self._learn(edge.time)
        elif self._ended(edge):
            characters = self._read(edge.time)
        self._edges.append(edge)
        return characters

    def close(self, end: int) -> list[DecodedCharacter]:
        """Returns the remaining characters; the wire did not change until ``end`` (ns)."""
        if not self._edges:
            return []
        characters = self._learn(end) if self.inverted is None else []
        return characters + self._read(end, last=True)

    def _ended(self, edge: Edge) -> bool:
        """Whether the edges before this one form a run. A rest that ends a run at the speed of the run before may be a
        bit at a slower speed."""
        if len(self._edges) >= MAX_EDGES:
            return True
        if not self._edges or self.format is None or self._edges[-1].level == bool(self.inverted):
            return False
        rest = edge.time - self._edges[-1].time
        if rest > _LONGEST_REST:
            return True
        if rest <= _REST * self.format.bit or self._doubtful:
            return False
        self._doubtful = not _reading(self._levels(), edge.time, self.format).fits
        return not self._doubtful

    def _learn(self, end: int) -> list[DecodedCharacter]:
        """Finds the level at rest: the level of the longest time without an edge. If that does not decide, it is the
        level before the first edge, unless the other one reads the run better."""
        times = [*(edge.time for edge in self._edges[1:]), end]
        longest = [0, 0]
        for edge, after in zip(self._edges, times, strict=True):
            longest[edge.level] = max(longest[edge.level], after - edge.time)
        readings = {}
        for inverted in (False, True):
            self.inverted = inverted
            readings[inverted] = _best(self._levels(), end, last=False)
        self.inverted = longest[0] > longest[1]
        slower = max(reading.format.bit for reading in readings.values())
        if not min(longest) < _REST * slower < max(longest):  # There was no rest yet, or a break as long as one.
            begun = bool(self._edges[0].level)
            self.inverted = begun if readings[begun].cost <= readings[not begun].cost else not begun
        self.format = readings[self.inverted].format
        return []

    def _levels(self) -> list[Edge]:
        """Returns the open edges, with mark as 1."""
        return [Edge(time, level ^ bool(self.inverted)) for time, level in self._edges]

    def _read(self, end: int, *, last: bool = False) -> list[DecodedCharacter]:
        """Returns the characters of the open edges until ``end`` (ns). The edges of an incomplete character stay
        open."""
        characters: list[DecodedCharacter] = []
        used = 0
        for reading in _readings(self._levels(), end, self.format, last=last):
            self.format = reading.format
            self.glitches += reading.glitches
            used += reading.end
            if not self.speeds or self.speeds[-1] != reading.format.speed:
                self.speeds.append(reading.format.speed)
            characters += _characters(reading)
        del self._edges[: len(self._edges) if last else used]
        self._doubtful = False
        return characters


def _characters(reading: _Reading) -> Iterator[DecodedCharacter]:
    """Yields the characters of a reading with their flags. The parity is the one that most characters of nine bits
    have."""
    parity = reading.odd * 2 > len(reading.characters)
    line = (_EIGHT_ODD if parity else _EIGHT_EVEN) if reading.format.bits == 9 else None
    for time, value, stopped in reading.characters:
        flags = 0 if stopped else Flag.BREAK if not value else Flag.FRAMING
        if reading.format.bits == 9 and (value.bit_count() & 1) != parity:
            flags |= Flag.PARITY
        yield DecodedCharacter(time, value & 0xFF, flags, reading.format.speed, line)


def _readings(edges: Sequence[Edge], end: int, before: CharacterFormat | None, *, last: bool) -> Iterator[_Reading]:
    """Reads a run in the format of the run before, or else in one that fits. If none fits, yields the longest beginning
    that one format reads well, and reads the rest as a run of its own."""
    if before:
        reading = _reading(edges, end, before, last=last)
        if reading.fits or len(edges) < 3:
            yield reading
            return
    best = _best(edges, end, last=last)
    if not best.fits:
        formats = ([before] if before else []) + [CharacterFormat(speed, bits) for speed in SPEEDS for bits in (8, 9)]
        beginnings = [_reading(edges, end, format, last=last) for format in formats]
        best = max(beginnings, key=lambda reading: reading.trouble if reading.trouble is not None else len(edges))
        at = best.trouble
        if at and at >= _BEGINNING:
            yield _reading(edges[:at], edges[at].time, best.format)
            yield from _readings(edges[at:], end, best.format, last=last)
            return
    yield _reading(edges, end, best.format, last=last)


def _best(edges: Sequence[Edge], end: int, *, last: bool) -> _Reading:
    """Reads a run in the slowest format that fits, or else in the one with the fewest faults."""
    widths = sorted(after.time - edge.time for edge, after in pairwise(edges))
    readings = []
    for speed in (*SPEEDS, *_measured(widths)):
        for bits in (8, 9):
            reading = _reading(edges, end, CharacterFormat(speed, bits), last=last)
            if reading.fits:
                return reading
            readings.append(reading)
    return min(readings, key=lambda reading: reading.faults)


def _measured(widths: Sequence[int]) -> list[int]:
    """Returns the speeds at which the shortest pulses are one or two bits long; none for pulses of seconds."""
    if not widths:
        return []
    short = widths[len(widths) // 10]
    alike = [width for width in widths if short * 3 <= width * 4 and width * 4 <= short * 5]
    bit = sum(alike) / len(alike)
    return [speed for speed in (round(SECOND_NS / bit), round(2 * SECOND_NS / bit)) if speed] if bit else []


def _reading(edges: Sequence[Edge], end: int, format: CharacterFormat, *, last: bool = True) -> _Reading:
    """Reads a run in one format. The first edge to space begins the first character. Unless it is the ``last``, an
    incomplete character at ``end`` is left."""
    whole = (format.bits + 1.5) * format.bit
    reading = _Reading(format, [])
    at, count = 0, len(edges)
    while at < count:
        if edges[at].level:
            at += 1
            continue
        start = edges[at].time
        if start + whole > end and not last:
            reading.end = at
            return reading
        values, next_ = _bits(edges, at, end, format)
        if values & 1:  # No start bit.
            reading.glitches += 1
            reading.doubt(at, 1)
            at += 2
            continue
        aside = _measure(reading, edges[at + 1 : next_], start)
        stopped = bool(values >> (format.bits + 1))
        reading.doubt(at, aside + (0 if stopped else 2 if values else 1))
        reading.characters.append((start, values >> 1 & (1 << format.bits) - 1, stopped))
        at = next_
        if not stopped:  # The next start bit comes after the wire has been at mark.
            while at < count and not edges[at].level:
                at += 1
    reading.end = count
    return reading


def _measure(reading: _Reading, edges: Sequence[Edge], start: int) -> int:
    """Counts the edges of a character and those away from the boundaries of bits, of a glitch's two only one. Returns
    the latter number."""
    bit = reading.format.bit
    at, before = 0, reading.aside
    while at < len(edges):
        if at + 1 < len(edges) and edges[at + 1].time - edges[at].time < bit / 4:
            reading.glitches += 1
            at += 2
            reading.aside += 1
            reading.edges += 2
            continue
        place = (edges[at].time - start) / bit
        reading.edges += 1
        reading.aside += abs(place - round(place)) > 0.25
        at += 1
    return reading.aside - before


def _bits(edges: Sequence[Edge], at: int, end: int, format: CharacterFormat) -> tuple[int, int]:
    """Returns the bits of the character that an edge begins, with the start bit lowest, and the first edge after it."""
    start, bit = edges[at].time, format.bit
    count = len(edges)
    values = 0
    for number in range(format.bits + 2):
        begin, until = start + (number + 0.25) * bit, start + (number + 0.75) * bit
        while at + 1 < count and edges[at + 1].time <= begin:
            at += 1
        mark, from_, look = 0.0, begin, at
        while True:
            to = edges[look + 1].time if look + 1 < count else until
            if edges[look].level:
                mark += min(to, until) - from_
            if to >= until:
                break
            from_, look = to, look + 1
        values |= (mark * 2 > until - begin) << number
    last = start + (format.bits + 1.5) * bit
    while at + 1 < count and edges[at + 1].time <= last:
        at += 1
    return values, at + 1
