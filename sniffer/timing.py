"""When each octet began, from when it was read.

An octet is read after its stop bit ended, later by what the adapter and the system take. Octets that were read together
followed each other on the wire no faster than the line's speed allows. So the last octet of a chunk ended when the
chunk was read at the latest, and each one before it a character earlier. Within a run of octets without a pause the
earliest such bound holds for all of them: the lower envelope, which takes most of an adapter's delay out again.
"""

from typing import Final

from vtctap.dissector.framer import Octet

SCHEDULING: Final = 2_000_000
"""ns; how late a waiting program is woken, but for rare cases."""


class Clock:
    """Estimates the start of each octet of one tap.

    ``character_time`` (ns) may be set when the speed changes; ``latency`` (ns) is the adapter's timer, 0 for a port
    without one. A start is never later than the arrival less the characters that had come by then, this one included,
    but for that never before the end of the octet before it, and never before its start in any case.
    """

    def __init__(self, character_time: int, latency: int) -> None:
        self.character_time = character_time
        self._uncertainty = latency + SCHEDULING
        self._start = 0
        self._end = 0

    def stamp(self, octets: list[tuple[int, int]], arrival: int) -> list[Octet]:
        """The octets of one chunk, read at ``arrival`` (ns since 1970 UTC), with their times."""
        step = self.character_time
        start = arrival - len(octets) * step
        if 0 <= start - self._end <= self._uncertainty:
            start = self._end  # The run goes on: this chunk was delayed more than those before, and says nothing new.
        stamped = []
        for value, flags in octets:
            self._start = max(start, self._start)
            stamped.append(Octet(value, self._start, self._uncertainty, flags))
            start += step
        self._end = self._start + step
        return stamped
