"""Spacing: when each octet of an import was on the line, from when each burst was.

A recording of another tool stamps a burst, not its octets, and often knows no speed. So octets are spaced at the speed
that is given, from the burst's time on. Where that takes longer than the recording lets it, they are pressed together:
to end before the same side goes on, and so that the last message begins before the other side's next burst. Otherwise
the sides may overlap: an echo does, and so does who interrupts.

Limits: where the time of a burst goes back, it is moved to that of the burst above it.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from vtctap.dissector.framing.framer import Framer
from vtctap.dissector.framing.pieces import Octet
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import Line, Sender

MAX_WAITING: Final = 1000
"""So many bursts are looked at to find those that follow one."""


class Spaced(NamedTuple):
    """A burst, its start, and the time from one of its octets to the next, ns."""

    burst: Burst
    start: int
    step: int


def spaced(bursts: Iterable[Burst], lines: Mapping[Sender, Line], speed: int, *, gap_limit_ns: int) -> Iterator[Spaced]:
    """The bursts in their order, spaced. A burst waits until it is known which of each sender follow it before it ends:
    memory is bounded by how many overlap."""
    waiting: deque[Spaced] = deque()
    for new in _placed(bursts, lines, speed):
        while waiting and (_end(waiting[0]) <= new.start or _followed(waiting, lines) or len(waiting) >= MAX_WAITING):
            yield _pressed(waiting.popleft(), waiting, gap_limit_ns)
        waiting.append(new)
    while waiting:
        yield _pressed(waiting.popleft(), waiting, gap_limit_ns)


def _placed(bursts: Iterable[Burst], lines: Mapping[Sender, Line], speed: int) -> Iterator[Spaced]:
    """The bursts, each at its time, but never before the burst above it; without one, when that has ended."""
    before: Spaced | None = None
    for burst in bursts:
        start = 0 if before is None else _end(before)
        if burst.time is not None:
            start = max(burst.time, before.start) if before else burst.time
        before = Spaced(burst, start, lines[burst.sender].character_time_ns(burst.speed or speed))
        yield before


def _end(spaced: Spaced) -> int:
    return spaced.start + len(spaced.burst.octets) * spaced.step


def _followed(waiting: Sequence[Spaced], lines: Mapping[Sender, Line]) -> bool:
    """Whether a burst of each sender follows the first."""
    return len({after.burst.sender for after in islice(waiting, 1, None)}) == len(lines)


def _pressed(first: Spaced, following: Iterable[Spaced], gap_limit_ns: int) -> Spaced:
    """A burst that ends before its side goes on, and whose last message begins before the other side's next burst."""
    burst, start, step = first
    seen = set()
    for after in following:
        sender = after.burst.sender
        if sender in seen:
            continue
        seen.add(sender)
        room = after.start - start
        if room >= len(burst.octets) * step or (sender is not burst.sender and _echo(burst, after.burst)):
            continue
        octets = len(burst.octets) if sender is burst.sender else _last_begins(burst, step, gap_limit_ns) + 1
        step = min(step, room // octets)
    return Spaced(burst, start, step)


def _echo(one: Burst, other: Burst) -> bool:
    """Whether one begins as the other, and so may be its echo."""
    return one.octets.startswith(other.octets) or other.octets.startswith(one.octets)


def _last_begins(burst: Burst, step: int, gap_limit_ns: int) -> int:
    """The position of the octet with which a burst's last message, or noise, begins."""
    framer = Framer(sender=burst.sender, character_time_ns=step, gap_limit_ns=gap_limit_ns)
    pieces = framer.feed(Octet(value, at * step, None, 0) for at, value in enumerate(burst.octets)) + framer.close()
    return len(burst.octets) - len(pieces[-1].octets) if pieces else 0
