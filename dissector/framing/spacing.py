"""Spacing: estimates the start of each octet of an import from the starts of its bursts.

Other tools timestamp a burst, not its octets, and often do not know the speed. Octets are therefore spaced at the given
speed from the burst's start. Where that takes longer than the recording allows, they are compressed: a burst ends
before the same side's next one begins, and its last message begins before the other side's next burst. Otherwise the
sides may overlap, as with echoes and interruptions.

Limits: a burst whose timestamp goes back is moved to the start of the burst before it.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from vtctap.dissector.framing.framer import Framer
from vtctap.dissector.framing.pieces import Run
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import Line, Sender

MAX_WAITING: Final = 1000
"""Most bursts searched for those that follow one."""


class Spaced(NamedTuple):
    """A burst, its start, and the time from one octet to the next, ns."""

    burst: Burst
    start_ns: int
    step_ns: int


def spaced(bursts: Iterable[Burst], lines: Mapping[Sender, Line], speed: int, *, gap_limit_ns: int) -> Iterator[Spaced]:
    """Spaces the bursts, keeping their order. A burst waits until each sender's next burst before its end is known;
    memory is bounded by the number of overlapping bursts."""
    waiting: deque[Spaced] = deque()
    for new in _placed(bursts, lines, speed):
        while waiting and (
            _end(waiting[0]) <= new.start_ns or _followed(waiting, lines) or len(waiting) >= MAX_WAITING
        ):
            yield _pressed(waiting.popleft(), waiting, gap_limit_ns)
        waiting.append(new)
    while waiting:
        yield _pressed(waiting.popleft(), waiting, gap_limit_ns)


def _placed(bursts: Iterable[Burst], lines: Mapping[Sender, Line], speed: int) -> Iterator[Spaced]:
    """Gives each burst its start, which is never before the previous burst's; without a timestamp it is the previous
    one's end."""
    before: Spaced | None = None
    for burst in bursts:
        start_ns = 0 if before is None else _end(before)
        if burst.time is not None:
            start_ns = max(burst.time, before.start_ns) if before else burst.time
        before = Spaced(burst, start_ns, lines[burst.sender].character_time_ns(burst.speed or speed))
        yield before


def _end(spaced: Spaced) -> int:
    return spaced.start_ns + len(spaced.burst.octets) * spaced.step_ns


def _followed(waiting: Sequence[Spaced], lines: Mapping[Sender, Line]) -> bool:
    """Whether a burst of each sender follows the first."""
    return len({after.burst.sender for after in islice(waiting, 1, None)}) == len(lines)


def _pressed(first: Spaced, following: Iterable[Spaced], gap_limit_ns: int) -> Spaced:
    """Compresses a burst so that it ends before its side continues, and its last message begins before the other side's
    next burst."""
    burst, start_ns, step_ns = first
    seen = set()
    for after in following:
        sender = after.burst.sender
        if sender in seen:
            continue
        seen.add(sender)
        room = after.start_ns - start_ns
        if room >= len(burst.octets) * step_ns or (sender is not burst.sender and _echo(burst, after.burst)):
            continue
        octets = len(burst.octets) if sender is burst.sender else _last_begins(burst, step_ns, gap_limit_ns) + 1
        step_ns = min(step_ns, room // octets)
    return Spaced(burst, start_ns, step_ns)


def _echo(one: Burst, other: Burst) -> bool:
    """Whether one begins like the other, and so may be its echo."""
    return one.octets.startswith(other.octets) or other.octets.startswith(one.octets)


def _last_begins(burst: Burst, step_ns: int, gap_limit_ns: int) -> int:
    """Returns the position of the first octet of a burst's last message or noise."""
    framer = Framer(sender=burst.sender, character_time_ns=step_ns, gap_limit_ns=gap_limit_ns)
    pieces = framer.feed(Run(burst.octets, 0, step_ns)) + framer.close()
    return len(burst.octets) - len(pieces[-1].octets) if pieces else 0
