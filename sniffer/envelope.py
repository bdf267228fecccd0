"""The line through a run: when it began, and how long its characters are.

In a run - octets that follow each other without a pause - the n-th octet ends at ``start + n * character``. Each read
bounds that from above (what was read had ended) and from below (what a read or a timer's tick did not bring had not
ended). Seen as points over n, the line passes below the upper ones and above the lower ones, and all such lines form a
polygon in the plane of start and character time. A pair of an upper and a lower point bounds the character time from
one side, so a run holds together as long as those bounds leave some character time (Helly's theorem in the plane).
Points inside the convex hull bind nothing and are dropped, which keeps a run of any length small.

Times are floats, ns, relative to a moment nearby: to a microsecond exact for months.
"""

from typing import Final

Point = tuple[int, float]
"""How many octets had ended, and when."""

TOLERANCE: Final = 0.015
"""How far a sender's clock may be off. Receivers of asynchronous characters allow about 2 %, both sides together."""

_SAMPLES: Final = 8
_INFORMATIVE: Final = 0.01
"""A run that leaves the character time no more room than this, relative, tells something of the sender's clock."""
_TRUSTED: Final = 12
"""So many such runs in a row must agree before a clock is believed."""
_CRYSTAL: Final = 1e-4
"""What a clock is known to at best: two crystals are apart by so much."""
_FORGET: Final = 1.02


class Envelope:
    """The lines that the points so far allow. ``fastest`` and ``slowest`` bound the character time."""

    def __init__(self, character_time_ns: float) -> None:
        self.fastest = self._fastest = character_time_ns * (1 - TOLERANCE)
        self.slowest = self._slowest = character_time_ns * (1 + TOLERANCE)
        self._upper: list[Point] = []
        self._lower: list[Point] = []

    def copy(self) -> "Envelope":
        """The same lines, to go on from separately."""
        other = Envelope.__new__(Envelope)
        other._fastest, other._slowest = self._fastest, self._slowest
        other.fastest, other.slowest = self.fastest, self.slowest
        other._upper, other._lower = self._upper.copy(), self._lower.copy()
        return other

    def fastest_above(self, count: int, time: float) -> float:
        """The shortest character time of a line that passes above this lower point, which is to the right of all upper
        ones."""
        fastest = self.fastest
        for at, upper in self._upper:
            bound = (time - upper) / (count - at)
            if bound > fastest:
                fastest = bound
        return fastest

    def add_lower(self, count: int, time: float, fastest: float) -> None:
        """The line passes above: octet number ``count`` ended after ``time``. ``fastest`` comes from
        :meth:`fastest_above` and is not above :attr:`slowest`."""
        self.fastest = fastest
        lower = self._lower
        while len(lower) > 1 and _turn(lower[-2], lower[-1], count, time) >= 0:
            lower.pop()
        lower.append((count, time))

    def add_upper(self, count: int, time: float) -> bool:
        """The line passes below: octet number ``count`` ended before ``time``. False, and nothing is added, where a
        lower point that made the line slower stands against that. Lower points that stand against it whatever the
        character time are given up: upper ones are always true."""
        slowest = self.slowest
        for at, lower in self._lower:
            if at < count:
                bound = (time - lower) / (count - at)
                if bound < slowest:
                    slowest = bound
        if slowest < self.fastest:
            if self.fastest > self._fastest:
                return False
            self._lower = [
                (at, lower)
                for at, lower in self._lower
                if at >= count or (time - lower) / (count - at) >= self._fastest
            ]
            slowest = self._fastest
        self.slowest = slowest
        upper = self._upper
        while len(upper) > 1 and _turn(upper[-2], upper[-1], count, time) <= 0:
            upper.pop()
        upper.append((count, time))
        return True

    def starts(self, character: float) -> tuple[float, float]:
        """The earliest and the latest start of a line with this character time."""
        latest = min([time - count * character for count, time in self._upper])
        earliest = max([time - count * character for count, time in self._lower], default=latest)
        return earliest, latest

    def centre(self) -> tuple[float, float]:
        """Start and character time of the polygon's centre of gravity."""
        total = starts = characters = 0.0
        step = (self.slowest - self.fastest) / _SAMPLES
        for number in range(_SAMPLES):
            character = self.fastest + (number + 0.5) * step
            earliest, latest = self.starts(character)
            weight = max(latest - earliest, 1.0)
            total += weight
            starts += weight * (earliest + latest)
            characters += weight * character
        return starts / total / 2, characters / total


def _turn(first: Point, second: Point, count: int, time: float) -> float:
    """Positive where the way from the first point over the second to the third turns left."""
    return (second[0] - first[0]) * (time - first[1]) - (second[1] - first[1]) * (count - first[0])


class Pace:
    """What is known of the sender's clock: taken as exact until a run tells otherwise, and learnt from runs that agree.

    Where two senders with different clocks share a wire, their runs do not agree, and each is taken by itself.
    """

    def __init__(self, character_time_ns: float) -> None:
        self._nominal = character_time_ns
        self._fastest = character_time_ns * (1 - _CRYSTAL)
        self._slowest = character_time_ns * (1 + _CRYSTAL)
        self._agreeing = _TRUSTED

    def fit(self, run: Envelope) -> tuple[float, float]:
        """The most likely start and character time of a run."""
        fastest, slowest = max(self._fastest, run.fastest), min(self._slowest, run.slowest)
        if self._agreeing < _TRUSTED or fastest > slowest:
            return run.centre()
        character = (fastest + slowest) / 2
        return sum(run.starts(character)) / 2, character

    def learn(self, run: Envelope) -> None:
        """Takes in what a run that has ended tells."""
        fastest, slowest = max(self._fastest, run.fastest), min(self._slowest, run.slowest)
        informative = run.slowest - run.fastest < _INFORMATIVE * self._nominal
        if fastest > slowest:
            self._agreeing = 0
            if informative:
                self._fastest, self._slowest = run.fastest, run.slowest
        elif informative:
            self._agreeing = min(self._agreeing + 1, _TRUSTED)
            middle, half = (fastest + slowest) / 2, (slowest - fastest) / 2
            half = max(half * _FORGET, _CRYSTAL * self._nominal)
            self._fastest, self._slowest = middle - half, middle + half
