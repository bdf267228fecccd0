"""Evidence: observations, the readings that explain them, and the verdicts that follow.

Theory
======

A question has *readings*: the answers that are possible, such as ``xor`` and ``sum`` for the rule of the check
character. An observation does not vote for a reading. It names the readings that *explain* it, and so counts for these
and against all others. A reading that fails to explain an observation is refuted, unless damage explains that
observation better. So the verdict follows by elimination:

- ``shown``: one reading is left, and each of its rivals failed at least :data:`ENOUGH` times;
- ``open``: several readings are left, or the rivals of the only one failed too seldom. The answer names the capture
  that would decide it;
- ``mixed``: no reading explains everything. The device changes its behaviour, or there are several devices, or the true
  reading is not among those that were tried;
- ``not seen``: nothing was observed.

A single reading is ``contradicted`` if it has failed. An answer is ``contradicted`` if the capture shows another
reading than the profile states.

Damage that no check character reveals is rare: a single failure among many successes (:data:`MANY`), or a small share
(:data:`DAMAGE`), is set aside. The answer keeps the count and the record numbers, so that the reader sees it.

The state of a question is a :class:`Notes`: one count for each subject and each set of readings that explained
something. Two such states merge by adding counts, so traces and devices can be learned from apart: any order and
grouping gives the same. Each count keeps the first few record numbers. Memory is bounded by :data:`MAX_KEYS`.
"""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

ENOUGH: Final = 2
"""How often a reading must fail before it is excluded. A single failure may be damage that no check character
revealed."""
DAMAGE: Final = 500
"""A reading that explains this many times more observations than it fails to explain is not refuted."""
MANY: Final = 50
"""A reading that explains this many observations is not refuted by a single failure."""
MAX_KEYS: Final = 2000
"""Most counts kept for one question; later ones are only counted together."""
MAX_PLACES: Final = 5
"""Most record numbers kept for one count."""
MAX_TEXT: Final = 48
"""Most characters of a subject or of a reading."""

SHOWN, OPEN, MIXED, NOT_SEEN, CONTRADICTED = "shown", "open", "mixed", "not seen", "contradicted"

UNTRIED: Final = "none that was tried"
"""Stands for observations that no reading explains."""


class RecordPlace(NamedTuple):
    """A record: the number of its trace, from 1, and its number in that trace."""

    trace: int
    record: int


@dataclass(slots=True)
class Tally:
    """How often something was seen, its first places, and the range of the measurements, if any.

    ``low`` and ``high`` are integers in the unit of the question (ns for times); ``doubt`` is the largest uncertainty
    of a measurement, in the same unit.
    """

    count: int = 0
    places: tuple[RecordPlace, ...] = ()
    low: int | None = None
    high: int | None = None
    doubt: int = 0

    def feed(self, place: RecordPlace, measure: int | None = None, doubt: int = 0) -> None:
        """Counts one observation."""
        self.count += 1
        places = self.places
        if len(places) < MAX_PLACES and (not places or places[-1] != place):
            self.places += (place,)
        if measure is not None:
            self.low = measure if self.low is None else min(self.low, measure)
            self.high = measure if self.high is None else max(self.high, measure)
            self.doubt = max(self.doubt, doubt)

    def __add__(self, other: "Tally") -> "Tally":
        """Returns the sum of two tallies."""
        return Tally(
            self.count + other.count,
            tuple(sorted({*self.places, *other.places})[:MAX_PLACES]),
            min((low for low in (self.low, other.low) if low is not None), default=None),
            max((high for high in (self.high, other.high) if high is not None), default=None),
            max(self.doubt, other.doubt),
        )

    def __str__(self) -> str:
        """Formats a tally as ``seen 3 times, records 4, 9, 12``; records of later traces are ``2:17``."""
        times = "once" if self.count == 1 else f"{self.count} times"
        if not self.places:
            return f"seen {times}"
        records = ", ".join(str(at.record) if at.trace == 1 else f"{at.trace}:{at.record}" for at in self.places)
        more = ", ..." if self.count > len(self.places) else ""
        return f"seen {times}, record{'s' if self.count > 1 else ''} {records}{more}"


def total(tallies: Iterable[Tally]) -> Tally:
    """Returns the sum of all tallies."""
    return sum(tallies, Tally())


Explaining = tuple[str, ...]
"""The readings that explain an observation, each once; () if none does."""


class Notes:
    """The state of one question: a tally for each subject and each set of readings that explained an observation.

    A subject is what the answer is about, such as a register or a side; it is empty if there is only one.
    """

    __slots__ = ("_tallies", "left_out")

    def __init__(self) -> None:
        self._tallies: dict[tuple[str, Explaining], Tally] = {}
        self.left_out = 0

    def feed(
        self,
        place: RecordPlace,
        explaining: Explaining,
        subject: str = "",
        *,
        measure: int | None = None,
        doubt: int = 0,
    ) -> None:
        """Notes an observation of ``subject`` that the readings ``explaining`` explain."""
        key = subject, explaining
        tally = self._tallies.get(key)
        if tally is None:
            if len(self._tallies) >= MAX_KEYS or _is_long(subject, *explaining):
                self.left_out += 1
                return
            tally = self._tallies[key] = Tally()
        tally.feed(place, measure, doubt)

    def __add__(self, other: "Notes") -> "Notes":
        """Returns both together. Of too many counts, those with the lowest hashes stay: the same ones in any order."""
        merged = dict(self._tallies)
        for key, tally in other._tallies.items():
            merged[key] = merged[key] + tally if key in merged else tally
        both = Notes()
        both.left_out = self.left_out + other.left_out
        for key in sorted(merged, key=_hash)[MAX_KEYS:] if len(merged) > MAX_KEYS else ():
            both.left_out += merged.pop(key).count
        both._tallies = merged
        return both

    def __iter__(self) -> Iterator[tuple[str, Explaining, Tally]]:
        """Iterates over subjects, readings and tallies."""
        return ((subject, explaining, tally) for (subject, explaining), tally in self._tallies.items())

    def subjects(self) -> dict[str, dict[Explaining, Tally]]:
        """Returns the tallies by subject, sorted by it, and then by where each was seen first."""
        found: dict[str, dict[Explaining, Tally]] = {}
        for subject, explaining, tally in sorted(self, key=_rank):
            found.setdefault(subject, {})[explaining] = tally
        return found


def _hash(key: tuple[str, Explaining]) -> tuple[int, tuple[str, Explaining]]:
    return zlib.crc32(repr(key).encode()), key


def _rank(noted: tuple[str, Explaining, Tally]) -> tuple[str, RecordPlace, Explaining]:
    subject, explaining, tally = noted
    return subject, min(tally.places, default=RecordPlace(0, 0)), explaining


def _is_long(*texts: str) -> bool:
    return any(len(text) > MAX_TEXT for text in texts)


@dataclass(frozen=True, slots=True)
class WeighedReading:
    """One reading with what it explains (``seen``) and what it fails to explain (``against``)."""

    name: str
    seen: Tally
    against: Tally

    @property
    def verdict(self) -> str:
        """The verdict on this reading alone."""
        if not self.seen.count:
            return CONTRADICTED if self.against.count else NOT_SEEN
        return SHOWN if self.stands() else MIXED

    def stands(self, damage: int = DAMAGE) -> bool:
        """Whether the reading explains ``damage`` times more than it fails to explain, or fails once among many."""
        failures, seen = self.against.count, self.seen.count
        return failures * damage <= seen or (failures == 1 and seen >= MANY)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one question about one subject.

    ``reading`` is the reading that is shown, or empty. ``confidence`` is that of a profile entry with this answer,
    empty if nothing is shown. ``needs`` names the capture that would decide an open question.
    """

    question: str
    subject: str
    verdict: str
    readings: tuple[WeighedReading, ...]
    reading: str = ""
    confidence: str = ""
    needs: str = ""

    @property
    def seen(self) -> Tally:
        """The evidence for the shown reading, or for the one that explains most."""
        shown = (reading.seen for reading in self.readings if reading.name == self.reading)
        return next(shown, self.readings[0].seen if self.readings else Tally())


def weigh(tallies: Mapping[Explaining, Tally], candidates: Iterable[str] = ()) -> tuple[WeighedReading, ...]:
    """Returns the ``candidates`` and all readings that explained anything, those with the most evidence first."""
    names = list(dict.fromkeys((*candidates, *(name for explaining in tallies for name in explaining))))
    if not names and tallies:
        names = [UNTRIED]
    readings = (
        WeighedReading(
            name,
            total(tally for explaining, tally in tallies.items() if name in explaining),
            total(tally for explaining, tally in tallies.items() if name not in explaining),
        )
        for name in names
    )
    return tuple(sorted(readings, key=lambda reading: (-reading.seen.count, reading.against.count)))


def judge(readings: tuple[WeighedReading, ...], *, enough: int = ENOUGH, damage: int = DAMAGE) -> tuple[str, str]:
    """Returns the verdict on readings that exclude each other, and the name of the shown reading, or ""."""
    if not any(reading.seen.count or reading.against.count for reading in readings):
        return NOT_SEEN, ""
    standing = [reading for reading in readings if reading.seen.count and reading.stands(damage)]
    if not standing:
        return MIXED, ""
    if len(standing) > 1:
        return OPEN, ""
    left = standing[0]
    rivals = [reading.against.count for reading in readings if reading is not left]
    if left.seen.count < enough or any(failures < enough for failures in rivals):
        return OPEN, ""
    return SHOWN, left.name
