"""The line through a run: when it began, and how long its characters are.

A run is octets that follow each other without a pause; its n-th octet ends at ``start + n * character``. Each read
bounds this time from above (an octet that was read had ended) and from below (an octet that a read or a timer's tick
did not bring had not ended). Drawn as points over n, the run's line passes below the upper points and above the lower
ones. All possible lines form a polygon in the plane of start and character time. Each pair of an upper and a lower
point bounds the character time from one side, and a line exists as long as these bounds leave some character time
(Helly's theorem in the plane). Points inside the convex hull bound nothing and are dropped, so a run of any length
needs little memory.

All times are floats, ns, relative to a moment nearby, which is exact to a microsecond for months.
"""

from typing import Final

Point = tuple[int, float]
"""How many octets had ended, and when."""

TOLERANCE: Final = 0.015
"""The largest relative error of a sender's clock. Asynchronous receivers allow about 2 % for both sides together."""

_SAMPLES: Final = 8
_INFORMATIVE: Final = 0.01
"""A run that leaves the character time no more than this relative range tells something about the sender's clock."""
_TRUSTED: Final = 12
"""Runs in a row that must agree before their clock is trusted."""
_CRYSTAL: Final = 1e-4
"""The relative difference between two crystals, and so the best accuracy to which a clock is known."""
_FORGET: Final = 1.02


class Envelope:
    """The lines that the points so far allow; ``fastest`` and ``slowest`` bound their character time (ns)."""

    def __init__(self, character_time_ns: float) -> None:
        self.fastest = self._fastest = character_time_ns * (1 - TOLERANCE)
        self.slowest = self._slowest = character_time_ns * (1 + TOLERANCE)
        self._upper: list[Point] = []
        self._lower: list[Point] = []

    def copy(self) -> "Envelope":
        """Returns an independent copy."""
        other = Envelope.__new__(Envelope)
        other._fastest, other._slowest = self._fastest, self._slowest
        other.fastest, other.slowest = self.fastest, self.slowest
        other._upper, other._lower = self._upper.copy(), self._lower.copy()
        return other

    def fastest_above(self, count: int, time: float) -> float:
        """Returns the shortest character time of a line that passes above this lower point. The point must be to the
        right of all upper points."""
        fastest = self.fastest
        for at, upper in self._upper:
            bound = (time - upper) / (count - at)
            if bound > fastest:
                fastest = bound
        return fastest

    def add_lower(self, count: int, time: float, fastest: float) -> None:
        """Adds a lower point: octet number ``count`` ended after ``time``. ``fastest`` is the result of
        :meth:`fastest_above` and does not exceed :attr:`slowest`."""
        self.fastest = fastest
        lower = self._lower
        while len(lower) > 1 and _turn(lower[-2], lower[-1], count, time) >= 0:
            lower.pop()
        lower.append((count, time))

    def add_upper(self, count: int, time: float) -> bool:
        """Adds an upper point: octet number ``count`` ended before ``time``.

        Returns False, and adds nothing, where the point contradicts a lower point that has made the line slower. Upper
        points are always true, so lower points that contradict this one at any character time are dropped.
        """
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
        """Returns the earliest and the latest start of a line with this character time."""
        latest = min([time - count * character for count, time in self._upper])
        earliest = max([time - count * character for count, time in self._lower], default=latest)
        return earliest, latest

    def centre(self) -> tuple[float, float]:
        """Returns the start and the character time of the polygon's centre of gravity."""
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
    """Returns a positive number where the path from the first point over the second to the third turns left."""
    return (second[0] - first[0]) * (time - first[1]) - (second[1] - first[1]) * (count - first[0])


class Pace:
    """The sender's clock: assumed exact until a run contradicts it, then learnt from runs that agree.

    The runs of two senders with different clocks on one wire do not agree; each run is then fitted by itself.
    """

    def __init__(self, character_time_ns: float) -> None:
        self._nominal = character_time_ns
        self._fastest = character_time_ns * (1 - _CRYSTAL)
        self._slowest = character_time_ns * (1 + _CRYSTAL)
        self._agreeing = _TRUSTED

    def fit(self, run: Envelope) -> tuple[float, float]:
        """Returns the most likely start and character time of a run."""
        fastest, slowest = max(self._fastest, run.fastest), min(self._slowest, run.slowest)
        if self._agreeing < _TRUSTED or fastest > slowest:
            return run.centre()
        character = (fastest + slowest) / 2
        return sum(run.starts(character)) / 2, character

    def learn(self, run: Envelope) -> None:
        """Learns from a run that has ended."""
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
