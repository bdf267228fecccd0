"""When each octet began, from when it was read.

What is known
=============

A read brings octets that had ended by then: a bound from above, always true; and as octets follow each other no faster
than the line's speed allows, it holds for all octets before them too, less the characters between. An adapter hands
octets on when its timer ticks, at most ``latency`` after they came: so the first octet of a read ended after the tick
before, and after the read before, which did not bring it. These are bounds from below. They hold for that octet. For
those before it they hold if there was no pause between.

So octets are held until enough has come after them. Then they are cut into runs without a pause, as few as the bounds
allow, and each run gets the line that fits it best (:mod:`~vtctap.sniffer.envelope`): when it began, and how long its
characters are, for a sender's clock may be off by a per cent. Where a bound from below stands against the others there
was a pause, or the program was woken late and took an earlier tick for a later one. What comes after tells which.

The uncertainty leans on no run. It takes the bounds from above of all reads, but from below only those of the octet
itself and of those before it, and allows for a program that was woken :data:`SCHEDULING` late.

Limits
======

A pause shorter than the timer may go unseen, or be found some octets late. Where a timer is started by an octet, not by
the packet before it, each octet of a run is late by the same time, which no arrival reveals: estimates are then late by
up to half the timer, inside the uncertainty. A UART's FIFO keeps octets until there are enough, or for some characters
after the last: its ``latency`` is both together. A program that is stopped for longer than :data:`SCHEDULING` just when
octets come, and cannot know it, stamps them with less certainty than it states. Where nobody states an adapter's
latency it is assumed (:mod:`~vtctap.sniffer.adapter`).
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from vtctap.dissector.framing.framer import Octet
from vtctap.sniffer.envelope import TOLERANCE, Envelope, Pace

SCHEDULING: Final = 2_000_000
"""ns; how late a waiting program is woken, but for rare cases."""
PROMPT: Final = 120_000
"""ns; how late it is woken usually, the adapter's transfer included."""
HOLD: Final = 300_000_000
"""ns; in a stream without a pause octets are held no longer than this, ..."""
HOLD_CHARACTERS: Final = 32
"""... or so many characters where that is longer."""
PACKET: Final = 62
"""Octets in a full packet of an FTDI adapter, which is sent without waiting for the timer and starts it again. The host
may collect full packets until one comes that is not."""
_COLLECTED: Final = 8
"""Full packets that a host collects at most."""
_FORESIGHT: Final = 40
"""Chunks that are searched for proof that the program was woken late."""


class _Chunk(NamedTuple):
    """What was read together at ``arrival``; ``before``: at that time it had not come. ``late`` (ns): how much later
    than :data:`SCHEDULING` it may have been read."""

    octets: list[tuple[int, int]]
    arrival: int
    before: int
    late: int


class _Run(NamedTuple):
    """A run up to chunk ``number``: its lines (times relative to the first chunk's arrival) and its octets' number."""

    envelope: Envelope
    number: int
    octets: int

    def copy(self) -> "_Run":
        return _Run(self.envelope.copy(), self.number, self.octets)


class Estimator:
    """Estimates the start of each octet of one wire.

    ``character_time`` (ns, 0 = unknown) is that of the line; ``latency`` (ns) is the longest that the adapter keeps an
    octet, 0 for a port that hands on each at once. Times are ns since 1970 UTC; arrivals never go back.

    What is returned is settled: same octets, same order. No octet ends after it was read. None begins before the one
    before it, nor before that one's end (at the shortest character that :data:`~vtctap.sniffer.envelope.TOLERANCE`
    allows) unless its arrival leaves no other way. In how many calls octets of the same arrival come does not matter,
    nor when :meth:`advance` is called.
    """

    def __init__(self, character_time: int, latency: int) -> None:
        self._chunks: list[_Chunk] = []
        self._settled = 0  # So many of the chunks are, and are kept for what they tell of those that follow.
        self._arrival = 0
        self._start = self._end = 0  # Of the last settled octet; ...
        self._earliest = 0  # ... and before this it did not end.
        self._promised = 0
        self._ready: list[Octet] = []
        self._set(character_time, latency)

    def _set(self, character_time: int, latency: int) -> None:
        self._character_time = character_time
        self._latency = latency
        self._shortest = character_time * (1 - TOLERANCE)
        self._longest = character_time * (1 + TOLERANCE)
        self._pace = Pace(character_time)
        self._fills = 0 < (PACKET - 1) * self._shortest < self._latency  # Packets may be full before the timer ends.
        self._silence = self._latency + 3 * character_time + SCHEDULING
        self._hold = max(HOLD, HOLD_CHARACTERS * character_time)

    @property
    def character_time(self) -> int:
        """The length of one character, ns. Set it when the speed changes: what is held is settled with the old one."""
        return self._character_time

    @character_time.setter
    def character_time(self, character_time: int) -> None:
        self.use(character_time, self._latency)

    def use(self, character_time: int, latency: int) -> None:
        """Sets both, in ns, from now on: what is held is settled with the old ones."""
        if (character_time, latency) != (self._character_time, self._latency):
            self._settle(len(self._chunks))
            self._set(character_time, latency)

    def begin(self, start: int) -> None:
        """No octet is stamped before ``start`` (ns since 1970 UTC), the stamp of octets before it that were not
        estimated."""
        self._promised = max(self._promised, start)

    def receive(self, octets: list[tuple[int, int]], arrival: int, late: int = 0) -> list[Octet]:
        """Takes octets (value, flags) that were read together at ``arrival``, and were there for ``late`` (ns) before
        because nobody looked; returns those that are settled."""
        if not octets:
            return self.advance(arrival)
        arrival = max(arrival, self._arrival)
        late = max(late - SCHEDULING, 0)
        if self._chunks:
            if arrival == self._arrival:
                last = self._chunks[-1]
                self._chunks[-1] = last._replace(octets=last.octets + octets, late=max(last.late, late))
                return self._take()
            if arrival - self._arrival > self._silence:
                self._settle(len(self._chunks))
            elif self._arrival - self._chunks[self._settled].arrival > self._hold:
                recent = self._arrival - self._hold // 2
                self._settle(next(number for number, chunk in enumerate(self._chunks) if chunk.arrival >= recent))
        self._chunks.append(_Chunk(octets.copy(), arrival, self._arrival, late))
        self._arrival = arrival
        return self._take()

    def advance(self, now: int) -> list[Octet]:
        """What is settled because all that was read before ``now`` (ns since 1970 UTC) has been received."""
        if self._chunks and now - self._arrival > self._silence:
            self._settle(len(self._chunks))
        return self._take()

    def close(self) -> list[Octet]:
        """The rest."""
        self._settle(len(self._chunks))
        return self._take()

    def horizon(self, now: int) -> int:
        """No octet that has not been returned begins before this (ns since 1970 UTC), if all that was read before
        ``now`` has been received. Never goes back. Octets of before that come nevertheless, because the program was
        stopped, are stamped as late as was promised."""
        if self._ready:
            horizon = self._ready[0].start
        else:
            if self._chunks:
                ended = self._ended(self._chunks[self._settled])
            else:
                ended = max(now - self._latency * (_COLLECTED if self._fills else 1), self._arrival)
            horizon = max(self._end, ended - SCHEDULING) - int(self._longest) - 1
        self._promised = max(self._promised, horizon)
        return self._promised

    def _take(self) -> list[Octet]:
        ready, self._ready = self._ready, []
        return ready

    def _reach(self, count: int) -> int:
        """How long before its arrival the first of ``count`` octets that were read together may have ended."""
        timers = count // PACKET + 1 if self._fills else 1
        return max(timers * self._latency, (count - 1) * self._character_time)

    def _most(self, count: int) -> int:
        """The most that is not known of ``count`` octets that were read together by a program woken at once: packets
        that were full took at least their characters' time, and at most the timer's."""
        packets = count // PACKET if self._fills else 0
        return max(self._latency, packets * (self._latency - PACKET * self._character_time))

    def _ended(self, chunk: _Chunk) -> int:
        """The first octet of a chunk ended later than this, if the program was no later than it knows."""
        return max(chunk.arrival - chunk.late - self._reach(len(chunk.octets)), chunk.before)

    def _settle(self, until: int) -> None:
        """Settles the chunks before number ``until``; they are kept for those that follow, those before are not."""
        if until > self._settled:
            self._release(self._runs(whole=until == len(self._chunks)), until)
            self._chunks, self._settled = self._chunks[self._settled :], until - self._settled
        if self._settled == len(self._chunks):
            self._chunks, self._settled = [], 0

    def _runs(self, *, whole: bool) -> Iterator[tuple[int, float, float]]:
        """The runs of all chunks: octets, start, character time. ``whole``: the last one does not go on."""
        number = 0
        while number < len(self._chunks):
            envelope, number, count = self._run(number)
            start, character = self._pace.fit(envelope)
            if whole or number < len(self._chunks):
                self._pace.learn(envelope)
            yield count, start, character

    def _run(self, first: int) -> _Run:
        """The run that begins with chunk number ``first``."""
        chunks = self._chunks
        base = chunks[0].arrival
        run = _Run(Envelope(self._character_time), first, 0)
        slowed: list[_Run] = []  # the run before each bound that made its characters longer
        doubt: _Run | None = None
        refused: set[int] = set()
        while run.number < len(chunks):
            envelope, number, count = run
            chunk = chunks[number]
            bounds = self._from_below(chunk, count, base)
            if number in refused or envelope.fastest_above(*bounds[0]) > envelope.slowest:
                # A pause, or the program was woken late: a pause if it is never woken so late, or the second time.
                at, time = bounds[0]
                sure = envelope.fastest_above(at, time + PROMPT - SCHEDULING) > envelope.slowest
                if not self._woken_late(number, count, time, self._shortest if sure else envelope.fastest):
                    if doubt and doubt.number < number:
                        return doubt
                    if sure or (doubt and doubt.number > number):
                        return run
                    doubt = run.copy()
            else:
                for at, time in bounds:
                    fastest = envelope.fastest_above(at, time)
                    if envelope.fastest < fastest <= envelope.slowest:
                        slowed.append(run.copy())
                    if fastest <= envelope.slowest:
                        envelope.add_lower(at, time, fastest)
                if len(bounds) > 1 and len(chunk.octets) % PACKET:
                    envelope.add_upper(bounds[1][0], bounds[1][1] + PROMPT)
            count += len(chunk.octets)
            if envelope.add_upper(count, float(chunk.arrival - base)) or not slowed:
                run = _Run(envelope, number + 1, count)
            else:
                run = slowed.pop()
                refused.add(run.number)
        return run

    def _from_below(self, chunk: _Chunk, count: int, base: int) -> list[tuple[int, float]]:
        """Bounds from below after ``count`` octets: of the chunk's first octet, and of the last that filled a packet,
        for that started the timer."""
        bounds = [(count + 1, float(self._ended(chunk) - PROMPT - base))]
        full = len(chunk.octets) // PACKET * PACKET
        if full and self._fills and not chunk.late:
            timer = self._latency if len(chunk.octets) % (_COLLECTED * PACKET) else 0
            bounds.append((count + full, float(chunk.arrival - timer - PROMPT - base)))
        return bounds

    def _woken_late(self, number: int, count: int, ended: float, fastest: float) -> bool:
        """Whether later chunks show that the octet after the first ``count`` had ended before ``ended``."""
        base = self._chunks[0].arrival
        after = -1
        for octets, arrival, *_ in self._chunks[number : number + _FORESIGHT]:
            after += len(octets)
            if arrival - base - after * fastest < ended:
                return True
        return False

    def _release(self, runs: Iterator[tuple[int, float, float]], until: int) -> None:
        """Makes the octets of the chunks that are not settled, up to number ``until``."""
        base = self._chunks[0].arrival
        estimates = _ends(runs)
        for octets, *_ in self._chunks[: self._settled]:
            for _ in octets:
                next(estimates)
        latest = self._latest(base)
        start, end, promised = (float(time - base) for time in (self._start, self._end, self._promised))
        earliest = float(self._earliest - base)
        shortest, longest = self._shortest, self._longest
        drift = last = 0.0
        # Comparisons, not max and min: this is where a capture of many taps spends its time.
        for chunk in self._chunks[self._settled : until]:
            least = float(self._ended(chunk) - SCHEDULING - base)
            most = self._most(len(chunk.octets)) + SCHEDULING + chunk.late
            earliest = max(earliest, least - shortest)
            for value, flags in chunk.octets:
                earliest += shortest
                bound = latest.pop()
                estimate, character = next(estimates)
                if character != last:
                    last, drift = character, max(longest - character, character - shortest)
                after = end + shortest
                estimate = earliest if estimate < earliest else estimate
                estimate = after if estimate < after else estimate
                estimate = bound if estimate > bound else estimate
                estimate = end if estimate < end else estimate
                estimate = least if estimate < least else estimate
                below, above = abs(estimate - earliest), abs(bound - estimate)
                uncertainty = (below if below > above else above) + drift
                after = start + shortest if start + shortest < bound - shortest else bound - shortest
                start = after if start < after else start
                begins = estimate - character
                start = begins if start < begins else start
                start = promised if start < promised else start
                uncertainty = most if uncertainty > most else uncertainty
                if start - begins > drift:  # Later than it is believed, because of what was stamped before it.
                    uncertainty += start - begins
                self._ready.append(Octet(value, base + round(start), round(uncertainty), flags))
                end = estimate
        self._start = base + round(start)
        self._end = base + round(end)
        self._earliest = base + int(earliest)

    def _latest(self, base: int) -> list[float]:
        """When each octet that is not settled had ended for sure; from the last to the first."""
        latest = []
        bound = float(self._arrival - base) + self._shortest
        for octets, arrival, *_ in reversed(self._chunks[self._settled :]):
            bound = min(bound, float(arrival - base) + self._shortest)
            for _ in octets:
                bound -= self._shortest
                latest.append(bound)
        return latest


def _ends(runs: Iterator[tuple[int, float, float]]) -> Iterator[tuple[float, float]]:
    """When each octet of the runs ended, and how long the run's characters are."""
    for count, start, character in runs:
        for number in range(1, count + 1):
            yield start + number * character, character
