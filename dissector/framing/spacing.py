"""Spacing: when each octet of an import was on the line, from when each burst was.

A recording of another tool stamps a burst, not its octets, and often knows no speed. So octets are spaced at the speed
that is given, from the burst's time on. Where that takes longer than the recording lets it, they are pressed together:
to end before the same side goes on, and so that the last message begins before the other side's next burst. Otherwise
the sides may overlap: an echo does, and so does who interrupts.

Limits: where the time of a burst goes back, it is moved to that of the burst above it.
"""

from collections.abc import Mapping, Sequence

from vtctap.dissector.framing.framer import Framer, Octet
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import Sender


def spaced(
    bursts: Sequence[Burst], character_times: Mapping[Sender, int], *, gap_limit_ns: int
) -> list[tuple[int, int]]:
    """Each burst's start, and the time from one of its octets to the next, ns. The order of the bursts is kept."""
    starts = _starts(bursts, character_times)
    steps = [character_times[burst.sender] for burst in bursts]
    following: dict[Sender, int] = {}
    for at in reversed(range(len(bursts))):
        burst = bursts[at]
        for sender, next_ in following.items():
            room = starts[next_] - starts[at]
            if room >= len(burst.octets) * steps[at] or (sender is not burst.sender and _echo(burst, bursts[next_])):
                continue
            octets = len(burst.octets) if sender is burst.sender else _last_begins(burst, steps[at], gap_limit_ns) + 1
            steps[at] = min(steps[at], room // octets)
        following[burst.sender] = at
    return list(zip(starts, steps, strict=True))


def _starts(bursts: Sequence[Burst], character_times: Mapping[Sender, int]) -> list[int]:
    """When each burst begins: at its time, but never before the burst above it; without one, when that has ended."""
    starts: list[int] = []
    end = 0
    for burst in bursts:
        start = end if burst.time is None else max(burst.time, starts[-1] if starts else burst.time)
        starts.append(start)
        end = start + len(burst.octets) * character_times[burst.sender]
    return starts


def _echo(one: Burst, other: Burst) -> bool:
    """Whether one begins as the other, and so may be its echo."""
    return one.octets.startswith(other.octets) or other.octets.startswith(one.octets)


def _last_begins(burst: Burst, step: int, gap_limit_ns: int) -> int:
    """The position of the octet with which a burst's last message, or noise, begins."""
    framer = Framer(sender=burst.sender, character_time=step, gap_limit_ns=gap_limit_ns)
    pieces = framer.feed(Octet(value, at * step, None, 0) for at, value in enumerate(burst.octets)) + framer.close()
    return len(burst.octets) - len(pieces[-1].octets) if pieces else 0
