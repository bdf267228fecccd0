"""The contract of a question: one row in a family's table.

A family of questions is one file with a table of rows, :class:`Question`. A row says what is asked, how one observation
is noted, and what capture would decide it where it stays open. Most rows are judged by elimination
(:func:`by_elimination`) or are measurements (:func:`measured`); a row that compares devices brings its own judgement.

``observe`` is called once for each turn (or token flow) and writes into the device's :class:`.Notes`; it keeps no other
state. ``judge`` gets the notes of each device and returns answers.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from vtctap.dissector.catalogue import CONFIDENCES
from vtctap.dissector.learning.evidence import (
    DAMAGE,
    ENOUGH,
    NOT_SEEN,
    OPEN,
    SHOWN,
    Answer,
    Explaining,
    Notes,
    Tally,
    WeighedReading,
    judge,
    total,
    weigh,
)

CONFIRMED, DERIVED, ASSUMED = CONFIDENCES
OFTEN = 5
"""From this many observations on, an answer that can be read on the wire is confirmed."""

OFTEN_REFUSED = 3
"""From this many NAKs on, to the same request, which never succeeded, a NAK is a refusal, not a transmission error."""

SUBJECT, READING = "subject", "reading"
"""The parts of an answer that may contain text of a device; see :attr:`Question.texts`."""

Observed = TypeVar("Observed")
Judge = Callable[["Question[Observed]", Sequence[Notes]], Iterator[Answer]]


@dataclass(frozen=True, slots=True)
class Question(Generic[Observed]):
    """One question.

    - ``name`` is short and unique; ``title`` is a question in words.
    - ``candidates`` are readings that count even if nothing supports them.
    - ``needs`` names the capture that would decide it.
    - ``read``: the answer can be read on the wire, and so be confirmed; otherwise it is concluded.
    - ``texts``: whether ``subject`` or ``reading`` holds text of a device. A page for sharing shows its shape only.
    - ``aside``: at each end of the range, one measurement in this many (at least one) is set aside.
    - ``enough`` and ``damage``: see :func:`~vtctap.dissector.learning.evidence.judge`.
    """

    name: str
    title: str
    observe: Callable[[Observed, Notes], None]
    needs: str
    judge: "Judge[Observed] | None" = None
    candidates: tuple[str, ...] = ()
    read: bool = True
    texts: tuple[str, ...] = ()
    enough: int = ENOUGH
    damage: int = DAMAGE
    aside: int = 50

    @property
    def compares(self) -> bool:
        """Whether answers of several devices can differ. Measured ranges always do."""
        return self.judge is not measured

    @property
    def by_device(self) -> bool:
        """Whether the judgement needs to know which device showed what."""
        return self.judge not in (None, measured)

    def answers(self, devices: Sequence[Notes]) -> Iterator[Answer]:
        """Returns the answers from all devices' notes, one for each subject."""
        return (self.judge or by_elimination)(self, devices)

    def confidence(self, seen: Tally) -> str:
        """Returns the confidence of a shown reading with this evidence."""
        if not self.read:
            return DERIVED if seen.count >= ENOUGH else ASSUMED
        return CONFIRMED if seen.count >= OFTEN else DERIVED

    def answer(self, subject: str, readings: tuple[WeighedReading, ...]) -> Answer:
        """Returns the answer by elimination."""
        verdict, shown = judge(readings, enough=self.enough, damage=self.damage)
        seen = next((reading.seen for reading in readings if reading.name == shown), Tally())
        confidence = self.confidence(seen) if verdict == SHOWN else ""
        return Answer(self.name, subject, verdict, readings, shown, confidence, self._needs(verdict))

    def shown(self, subject: str, name: str, seen: Tally, aside: Tally | None = None) -> Answer:
        """Returns the answer with one shown reading. ``aside`` is what the reading does not explain."""
        readings = (WeighedReading(name, seen, aside or Tally()),)
        return Answer(self.name, subject, SHOWN, readings, name, self.confidence(seen))

    def open(self, subject: str, *readings: WeighedReading) -> Answer:
        """Returns an open answer: several readings are left."""
        return Answer(self.name, subject, OPEN, readings, needs=self.needs)

    def not_seen(self) -> Answer:
        """Returns the answer for a question without observations."""
        return Answer(self.name, "", NOT_SEEN, (), needs=self.needs)

    def _needs(self, verdict: str) -> str:
        return "" if verdict == SHOWN else self.needs


def together(devices: Sequence[Notes]) -> Notes:
    """Returns the sum of all devices' notes."""
    return sum(devices, Notes())


def by_elimination(question: Question[Observed], devices: Sequence[Notes]) -> Iterator[Answer]:
    """Judges each subject by elimination."""
    subjects = together(devices).subjects()
    if not subjects:
        yield question.not_seen()
    for subject, tallies in subjects.items():
        yield question.answer(subject, weigh(tallies, question.candidates))


def about(time_ns: int) -> Explaining:
    """Returns the reading under which a measurement is noted: the time in ns, rounded to three digits."""
    return (f"{time_ns:.2e}",)


def measured(question: Question[Observed], devices: Sequence[Notes]) -> Iterator[Answer]:
    """Gives each subject the range that was measured, as text: ``low to high``, with the uncertainty.

    The extreme measurements are set aside: a frame may have lost octets, and a check character does not reveal that two
    equal ones are missing.
    """
    subjects = together(devices).subjects()
    if not subjects:
        yield question.not_seen()
    for subject, tallies in subjects.items():
        ordered = sorted(tallies.values(), key=lambda tally: tally.low or 0)
        most = max(sum(tally.count for tally in ordered) // question.aside, 1)
        kept = _trimmed(_trimmed(ordered, most)[::-1], most)
        usual, every = total(kept), total(ordered)
        if usual.count >= question.enough:
            aside = Tally(every.count - usual.count)
            yield question.shown(subject, interval(usual), usual, aside)
        else:
            yield question.open(subject, WeighedReading(interval(every), every, Tally()))


def _trimmed(tallies: Sequence[Tally], most: int) -> Sequence[Tally]:
    """Returns the tallies without the first ones, as long as these count at most ``most`` together."""
    counted = 0
    for at, tally in enumerate(tallies):
        counted += tally.count
        if counted > most:
            return tallies[at:]
    return ()


def interval(seen: Tally) -> str:
    """Formats a range of ns as seconds with its uncertainty, such as ``0.020 to 0.298 s +-0.001``."""
    low, high = (f"{(value or 0) / 1e9:.4f}" for value in (seen.low, seen.high))
    return f"{low} to {high} s +-{seen.doubt / 1e9:.4f}"


def only(tallies: Mapping[Explaining, Tally], name: str) -> Tally:
    """Returns the tally of the observations that only ``name`` explains."""
    return tallies.get((name,), Tally())
