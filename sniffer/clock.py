"""The clock of a capture: wall time that never goes back.

Octets are stamped on the monotonic clock, and a stamp is that plus what the wall clock was ahead of it when the capture
began. Whoever steps the wall clock later (by hand, or a time service that found it wrong) moves no stamp: order and
intervals hold through the whole trace. :meth:`Clock.step` says that it happened.

Limits: a clock that is slewed is not corrected either; on Linux the monotonic clock is slewed with it. A machine that
was suspended has a monotonic clock that stood still: this, too, shows as a step.
"""

import time
from collections.abc import Callable
from typing import Final

STEP_NS: Final = 50_000_000
"""ns; a wall clock that is off by more than this was stepped. Time services slew what is less (ntpd up to 128 ms), and
the best of some looks is never so far off because the program was interrupted."""
_LOOKS: Final = 3
"""The best of so many looks counts."""


class Clock:
    """Maps ``monotonic`` to ``wall`` time (both in ns), as they are to each other when it is made."""

    def __init__(
        self, monotonic: Callable[[], int] = time.monotonic_ns, wall: Callable[[], int] = time.time_ns
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._offset = self._noted = self._ahead()

    def at(self, monotonic: int) -> int:
        """The stamp (ns since 1970 UTC) of a monotonic time."""
        return monotonic + self._offset

    def now(self) -> int:
        """The stamp of now."""
        return self._monotonic() + self._offset

    def step(self) -> tuple[int, int] | None:
        """Whether the wall clock was stepped since this was asked last: by how much, and how far it is ahead of the
        stamps now (ns)."""
        ahead = self._ahead()
        step = ahead - self._noted
        if abs(step) <= STEP_NS:
            return None
        self._noted = ahead
        return step, ahead - self._offset

    def _ahead(self) -> int:
        """How far the wall clock is ahead of the monotonic one, by the look that took the least time."""
        looks = []
        for _ in range(_LOOKS):
            before = self._monotonic()
            wall = self._wall()
            took = self._monotonic() - before
            looks.append((took, wall - before - took // 2))
        return min(looks)[1]
