"""Estimates when each octet began from the time at which it was read.

The estimate
============

A read brings octets that had ended by then. Octets follow each other no faster than the line's speed allows, so a read
also bounds the octets before them, less the characters between. An adapter hands octets on when its timer ticks, at
most its latency after they came. So the first octet of a read ended after the previous tick, and after the octets that
the previous read could have brought. These are lower bounds for that octet; they hold for the octets before it if there
was no pause between. A UART's FIFO that hands on fewer octets than its threshold has waited for its timeout, so the
last of them ended four characters before it handed them on.

The estimator holds octets until enough have come after them. It then cuts them into runs without a pause, as few as the
bounds allow, and fits the best line to each run (:mod:`~vtctap.sniffer.envelope`): when it began, and how long its
characters are, because a sender's clock may be off by 1 %. Where a lower bound contradicts the others, there was a
pause, or the program was woken late and took an earlier tick for a later one. The octets that follow tell which.

The uncertainty
===============

The uncertainty does not depend on runs. :mod:`~vtctap.sniffer.bounds` computes the earliest and the latest start of
each octet, whatever the line did. The timestamp is the estimate where it lies between these two, else the nearer of
them. The uncertainty is the distance from the timestamp to the farther one.

Limits
======

A pause shorter than the timer may stay undetected, or be detected some octets late. If an octet starts the timer, and
not the packet before it, each octet of a run is late by the same time, and no arrival reveals it. Estimates are then
late by up to half the timer, within the uncertainty. A change of a modem line makes a UART hand on what it holds, too:
estimates are then up to four characters early, within the uncertainty. :mod:`~vtctap.sniffer.bounds` lists what the
uncertainty rests on.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from vtctap.dissector.framing.pieces import Octet
from vtctap.sniffer.bounds import PACKET, SCHEDULING_NS, TIMEOUT, Bounds, Chunk, lateness
from vtctap.sniffer.envelope import Envelope, Pace

PROMPT_NS: Final = 120_000
"""How late a waiting program usually is woken, including the adapter's transfer."""
_HOLD_CHARACTERS: Final = 32
"""How long octets of a stream without pauses are held, at least: so that an estimate sees a dozen reads of a slow
line."""
_HOLD_NS: Final = 20_000_000
"""The same for fast lines. A program that is killed loses what it holds, so it holds no more than estimates need."""
_HOLD_TIMERS: Final = 80
"""How often an adapter's timer should tick meanwhile, because it hides where the octets between two ticks began."""
_LONGEST_HOLD_NS: Final = 300_000_000
"""The most that is held because of an adapter's timer."""
_COLLECTED: Final = 8
"""Most full packets that a host collects."""
_FORESIGHT: Final = 40
"""Chunks that are searched for evidence that the program was woken late."""
_MAX_STATED_NS: Final = (1 << 32) - 2
"""The largest uncertainty that a record can state; a larger one becomes unknown."""


def _longest_hold_ns(character_time_ns: int, latency_ns: int) -> int:
    """Returns how long the octets of a stream without pauses are held, at most, ns."""
    timers_ns = min(_HOLD_NS + _HOLD_TIMERS * latency_ns, _LONGEST_HOLD_NS)
    return max(timers_ns, _HOLD_CHARACTERS * character_time_ns)


class _Run(NamedTuple):
    """A run that ends before chunk ``number``: its possible lines, in ns after the first chunk's arrival, and how many
    octets it has."""

    envelope: Envelope
    number: int
    octets: int

    def copy(self) -> "_Run":
        return _Run(self.envelope.copy(), self.number, self.octets)


class Estimator:
    """Estimates the start of each octet of one wire.

    ``character_time_ns`` is that of the line, 0 where it is unknown. ``latency_ns`` is the longest that the adapter
    keeps an octet, 0 for a port that hands on each at once; ``fifo`` states that it is a UART's FIFO. Timestamps are ns
    since 1970 UTC; arrivals never go back.

    Returned octets are settled: they are the octets fed, in the same order, and their timestamps are final. No octet
    ends after it was read. None begins before the previous octet, nor before that one's end (at the shortest character
    that :data:`~vtctap.sniffer.envelope.TOLERANCE` allows), unless the arrivals leave no other solution. The result
    does not depend on how octets of the same arrival are split into calls, nor on when :meth:`advance` is called.
    """

    def __init__(self, character_time_ns: int, latency_ns: int, *, fifo: bool = False) -> None:
        self._chunks: list[Chunk] = []
        self._settled = 0  # How many of the chunks are settled; they are kept to fit those that follow.
        self._arrival = self._late_ns = 0  # Of the last read.
        self._start = 0  # The timestamp of the last settled octet.
        self._ended = 0  # The time after which the last settled octet ended.
        self._promised = 0
        self._ready: list[Octet] = []
        self._set(character_time_ns, latency_ns, fifo=fifo)

    def _set(self, character_time_ns: int, latency_ns: int, *, fifo: bool) -> None:
        self._character_time_ns = character_time_ns
        self._latency_ns = latency_ns
        self._fifo = fifo
        self._bounds = Bounds(character_time_ns, latency_ns, fifo=fifo)
        self._pace = Pace(character_time_ns)
        self._silence_ns = self._latency_ns + 3 * character_time_ns + SCHEDULING_NS
        self._hold_ns = _longest_hold_ns(character_time_ns, latency_ns)

    def use(self, character_time_ns: int, latency_ns: int, *, fifo: bool = False) -> None:
        """Sets line and adapter from now on, and settles the held octets with the old values."""
        if (character_time_ns, latency_ns, fifo) != (self._character_time_ns, self._latency_ns, self._fifo):
            self._settle(len(self._chunks))
            self._set(character_time_ns, latency_ns, fifo=fifo)

    def begin(self, start: int) -> None:
        """Gives no octet a timestamp before ``start`` (ns since 1970 UTC), that of earlier octets that were not
        estimated."""
        self._promised = max(self._promised, start)

    def emptied(self, now: int) -> None:
        """States that the port was empty at ``now`` (ns since 1970 UTC), so that the system received what follows
        later."""
        self._arrival, self._late_ns = max(self._arrival, now), now  # Nobody had looked before.

    def feed(self, octets: list[tuple[int, int]], arrival: int, late_ns: int = 0) -> list[Octet]:
        """Feeds octets (value, flags) that one read brought at ``arrival``; they may have waited for ``late_ns`` before
        it, while no read was made. Returns the octets that are settled now."""
        if not octets:
            return self.advance(arrival)
        arrival = max(arrival, self._arrival)
        if self._chunks:
            if arrival == self._arrival:
                last = self._chunks[-1]
                self._late_ns = max(self._late_ns, late_ns)
                self._chunks[-1] = last._replace(octets=last.octets + octets, late_ns=self._late_ns)
                return self._take_ready()
            if arrival - self._arrival > self._silence_ns:
                self._settle(len(self._chunks))
            elif self._arrival - self._chunks[self._settled].arrival > self._hold_ns:
                recent = self._arrival - self._hold_ns // 2
                self._settle(next(number for number, chunk in enumerate(self._chunks) if chunk.arrival >= recent))
        self._chunks.append(Chunk(octets.copy(), arrival, late_ns, self._arrival, self._late_ns))
        self._arrival, self._late_ns = arrival, late_ns
        return self._take_ready()

    def advance(self, now: int) -> list[Octet]:
        """Returns the octets that are settled once all reads before ``now`` (ns since 1970 UTC) have been fed."""
        if self._chunks and now - self._arrival > self._silence_ns:
            self._settle(len(self._chunks))
        return self._take_ready()

    def close(self) -> list[Octet]:
        """Settles and returns the rest."""
        self._settle(len(self._chunks))
        return self._take_ready()

    def horizon(self, now: int) -> int:
        """Returns the time (ns since 1970 UTC) before which no octet begins that has not been returned, once all reads
        before ``now`` have been fed.

        It never goes back. If the program was stopped and earlier octets come nevertheless, they get a timestamp at the
        horizon.
        """
        if self._ready:
            horizon = self._ready[0].start
        else:
            bounds = self._bounds
            if self._chunks:
                chunk = self._chunks[self._settled]
                ended = bounds.first_ended(chunk, bounds.waking_ns)
            else:
                ended = max(now - bounds.kept(_COLLECTED * PACKET, 0), self._arrival) - bounds.waking_ns
            ended = max(ended, self._ended + int(bounds.shortest_ns))
            horizon = max(self._start, ended - int(bounds.longest_ns) - 1)
        self._promised = max(self._promised, horizon)
        return self._promised

    def _take_ready(self) -> list[Octet]:
        ready, self._ready = self._ready, []
        return ready

    def _settle(self, until: int) -> None:
        """Settles the chunks before number ``until``, keeps them for those that follow, and drops those settled
        earlier."""
        if until > self._settled:
            self._release(self._runs(whole=until == len(self._chunks)), until)
            self._chunks, self._settled = self._chunks[self._settled :], until - self._settled
        if self._settled == len(self._chunks):
            self._chunks, self._settled = [], 0

    def _runs(self, *, whole: bool) -> Iterator[tuple[int, float, float]]:
        """Yields the runs of all chunks: octets, start and character time. ``whole`` states that the last run has
        ended."""
        number = 0
        while number < len(self._chunks):
            envelope, number, count = self._run(number)
            start, character = self._pace.fit(envelope)
            if whole or number < len(self._chunks):
                self._pace.learn(envelope)
            yield count, start, character

    def _run(self, first: int) -> _Run:
        """Finds the run that begins with chunk number ``first``."""
        chunks = self._chunks
        base = chunks[0].arrival
        run = _Run(Envelope(self._character_time_ns), first, 0)
        slowed: list[_Run] = []  # The run before each bound that made its characters longer.
        doubt: _Run | None = None
        refused: set[int] = set()
        while run.number < len(chunks):
            envelope, number, count = run
            chunk = chunks[number]
            bounds = self._bounds_of(chunk, count, base)
            if number in refused or envelope.fastest_above(*bounds[0][:2]) > envelope.slowest:
                # A pause, or the program was woken late. It is a pause if no program is woken so late, or if the doubt
                # comes up a second time.
                at, time, _ = bounds[0]
                sure = envelope.fastest_above(at, time + PROMPT_NS - SCHEDULING_NS) > envelope.slowest
                if not self._woken_late(number, count, time, self._bounds.shortest_ns if sure else envelope.fastest):
                    if doubt and doubt.number < number:
                        return doubt
                    if sure or (doubt and doubt.number > number):
                        return run
                    doubt = run.copy()
            else:
                for at, time, latest in bounds:
                    fastest = envelope.fastest_above(at, time)
                    if envelope.fastest < fastest <= envelope.slowest:
                        slowed.append(run.copy())
                    if fastest <= envelope.slowest:
                        envelope.add_lower(at, time, fastest)
                    if latest is not None:
                        envelope.add_upper(at, latest)
            count += len(chunk.octets)
            if envelope.add_upper(count, float(chunk.arrival - base)) or not slowed:
                run = _Run(envelope, number + 1, count)
            else:
                run = slowed.pop()
                refused.add(run.number)
        return run

    def _bounds_of(self, chunk: Chunk, count: int, base: int) -> list[tuple[int, float, float | None]]:
        """Returns octets of a chunk that follows ``count`` octets, each with the time after which it ended and, where
        it is known, the time before which it ended: the chunk's first octet, and the one that started the timer."""
        lasted = (len(chunk.octets) - 1) * self._character_time_ns
        first = (count + 1, float(self._bounds.first_ended(chunk, PROMPT_NS, lasted) - base), None)
        if self._bounds.fifo:
            return [first, self._last_in_fifo(chunk, count, base)]
        full = len(chunk.octets) // PACKET * PACKET
        if not full or not self._bounds.fills or chunk.late_ns:
            return [first]
        timer = self._latency_ns if len(chunk.octets) % (_COLLECTED * PACKET) else 0
        started = float(chunk.arrival - timer - base)
        return [first, (count + full, started - PROMPT_NS, started if len(chunk.octets) % PACKET else None)]

    def _last_in_fifo(self, chunk: Chunk, count: int, base: int) -> tuple[int, float, float | None]:
        """Returns the bounds of the last octet that a FIFO held: it reached the threshold, or the timeout followed it,
        or an octet with an error, for which a UART asks to be read at once."""
        octets, arrival, late_ns, *_ = chunk
        waited = 0 if len(octets) == self._bounds.threshold else TIMEOUT * self._character_time_ns
        timed_out = len(octets) < self._bounds.threshold and not any(flags for _, flags in octets)
        earliest = float(arrival - lateness(late_ns, PROMPT_NS) - waited - base)
        return count + len(octets), earliest, float(arrival - waited - base) if timed_out else None

    def _woken_late(self, number: int, count: int, ended: float, fastest: float) -> bool:
        """Whether later chunks prove that the octet after the first ``count`` had ended before ``ended``."""
        base = self._chunks[0].arrival
        after = -1
        for octets, arrival, *_ in self._chunks[number : number + _FORESIGHT]:
            after += len(octets)
            if arrival - base - after * fastest < ended:
                return True
        return False

    def _release(self, runs: Iterator[tuple[int, float, float]], until: int) -> None:
        """Timestamps the octets of the chunks that are not settled, up to number ``until``."""
        base = self._chunks[0].arrival
        estimates = _starts(runs)
        for octets, *_ in self._chunks[: self._settled]:
            for _ in octets:
                next(estimates)
        chunks = self._chunks[self._settled :]
        earliest, latest, ended = self._bounds.starts(chunks, until - self._settled, float(self._ended - base), base)
        before, promised = float(self._start - base), float(self._promised - base)
        shortest = self._bounds.shortest_ns
        octets = [octet for chunk in chunks[: until - self._settled] for octet in chunk.octets]
        # Comparisons instead of max and min, because a capture of many taps spends its time here. The bounds overrule
        # the estimate, and the promised order overrules both.
        for (value, flags), least, most, start in zip(octets, earliest, latest, estimates, strict=False):
            after = before + shortest
            start = after if start < after else start
            start = least if start < least else start
            start = most if start > most else start
            start = before if start < before else start
            start = promised if start < promised else start
            below, above = start - least, abs(most - start)
            uncertainty = int(below if below > above else above) + 2
            self._ready.append(
                Octet(value, base + round(start), uncertainty if uncertainty <= _MAX_STATED_NS else None, flags)
            )
            before = start
        self._start = base + round(before)
        self._ended = base + int(ended)


def _starts(runs: Iterator[tuple[int, float, float]]) -> Iterator[float]:
    """Yields the estimated start of each octet of the runs."""
    for count, start, character in runs:
        for number in range(count):
            yield start + number * character
