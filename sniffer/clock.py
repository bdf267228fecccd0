"""The clock of a capture: wall time that never goes back.

A timestamp is the monotonic time plus the offset of the wall clock when the capture began. A later step of the wall
clock (by hand or by a time service) changes no timestamp, so order and intervals hold through the whole trace.
:meth:`Clock.step` reports the step.

Limits: slewing is not corrected; on Linux the monotonic clock is slewed with the wall clock. The monotonic clock stops
while the machine is suspended, which looks like a step.
"""

import time
from collections.abc import Callable
from typing import Final

STEP_NS: Final = 50_000_000
"""A wall clock that has moved by more than this was stepped. Time services slew smaller differences (ntpd up to 128
ms), and interrupts do not distort the best of several readings by so much."""
_LOOKS: Final = 3
"""Readings of both clocks, of which the quickest counts."""


class Clock:
    """Converts ``monotonic`` to ``wall`` time (both ns), with the offset at the time of its creation."""

    def __init__(
        self, monotonic: Callable[[], int] = time.monotonic_ns, wall: Callable[[], int] = time.time_ns
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._offset = self._noted = self._ahead()

    def at(self, monotonic: int) -> int:
        """Converts a monotonic time to a timestamp (ns since 1970 UTC)."""
        return monotonic + self._offset

    def now(self) -> int:
        """Returns the timestamp of now, ns since 1970 UTC."""
        return self._monotonic() + self._offset

    def step(self) -> tuple[int, int] | None:
        """Checks for a step of the wall clock since the last call. Returns the step and how far the wall clock is now
        ahead of the timestamps (both ns), or None."""
        ahead = self._ahead()
        step = ahead - self._noted
        if abs(step) <= STEP_NS:
            return None
        self._noted = ahead
        return step, ahead - self._offset

    def _ahead(self) -> int:
        """Returns how far the wall clock is ahead of the monotonic one, by the quickest of several readings, ns."""
        looks = []
        for _ in range(_LOOKS):
            before = self._monotonic()
            wall = self._wall()
            took = self._monotonic() - before
            looks.append((took, wall - before - took // 2))
        return min(looks)[1]
