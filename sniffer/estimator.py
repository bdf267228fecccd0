"""When each octet began, from when it was read.

What is known
=============

A read at ``arrival`` brings octets that had ended by then: bounds from above, always true, and since octets follow each
other no faster than the line's speed allows, each such bound holds for all octets before it too, less the characters
between. An adapter hands octets on when its timer ticks, at the latest ``latency`` after they came: so the first octet
of a read ended after the tick before it. And it had not yet come at the read before. These are bounds from below. They
hold for that octet; for the ones before it they hold only if there was no pause in between.

So octets are held until enough has come after them. Then they are cut into runs without a pause, as few as the bounds
allow, and each run gets the line that fits them (:mod:`~vtctap.sniffer.envelope`): start and character time, for a
sender's clock may be off by a per cent. Where a later octet shows a bound from below to be wrong the program was only
woken late.

The uncertainty leans on no assumption of runs: it takes the bounds from above of all reads, but from below only those
of the octet itself and those before it.

Limits
======

A program is woken within :data:`SCHEDULING`, or the uncertainty may be too small. FTDI's timer counts from the last packet sent. Where a timer is started by an octet instead, the delay is the
same for each run, and nothing in the arrivals tells it: estimates are late by up to half the timer, inside the
uncertainty. A pause shorter than the timer may go unseen, or be found some octets late. Adapters that count the time
since the last octet (a UART's FIFO) need a ``latency`` that includes the characters in the FIFO.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from vtctap.dissector.framer import Octet
from vtctap.sniffer.envelope import TOLERANCE, Envelope, Pace

SCHEDULING: Final = 2_000_000
"""ns; how late a waiting program is woken, but for rare cases."""
PROMPT: Final = 120_000
"""ns; how late it is woken usually, the adapter's transfer included."""
HOLD: Final = 300_000_000
"""ns; octets are held no longer than this, ..."""
HOLD_CHARACTERS: Final = 32
"""... or so many characters where that is longer, but for the chunk that ends it."""
PACKET: Final = 62
"""Octets in a full USB packet of an FTDI adapter: it is sent without waiting for the timer."""
_PACKETS: Final = 8
"""Full packets that the host collects before it hands them on (512 octets, their status included)."""
_FORESIGHT: Final = 40
"""Chunks that are searched for proof that a program was woken late."""


class _Chunk(NamedTuple):
    octets: list[tuple[int, int]]
    arrival: int


class _Run(NamedTuple):
    """``count`` octets without a pause, from ``start``; times relative to the first chunk's arrival."""

    count: int
    start: float
    character: float


class _State(NamedTuple):
    """A run before chunk ``number``: its lines, and how many octets it has."""

    envelope: Envelope
    number: int
    count: int


class Estimator:
    """Estimates the start of each octet of one wire.

    ``character_time`` (ns, 0 = unknown) is that of the line; ``latency`` (ns) is the longest that the adapter keeps an
    octet, 0 for a port that hands on each at once. Times are ns since 1970 UTC, and arrivals never go back.

    What is returned is settled: it keeps the order and the number of octets; no octet ends after it was read, none
    begins before the one before it, nor before that one's end at the shortest character that the tolerance allows,
    unless its arrival leaves no other way.
    """

    def __init__(self, character_time: int, latency: int) -> None:
        self._latency = latency
        self._chunks: list[_Chunk] = []
        self._known = 0  # so many of them are settled already, and kept for what they tell of the others
        self._before: int | None = None  # the arrival before the first of them
        self._end = 0
        self._ready: list[Octet] = []
        self._set(character_time)

    def _set(self, character_time: int) -> None:
        self._character_time = character_time
        self._pace = Pace(character_time)
        self._silence = self._latency + 3 * character_time + SCHEDULING
        self._fills = PACKET * character_time < self._latency
        self._hold = max(HOLD, HOLD_CHARACTERS * character_time)

    @property
    def character_time(self) -> int:
        """The length of one character, ns. Set when the speed changes; what is held is settled with the old one."""
        return self._character_time

    @character_time.setter
    def character_time(self, character_time: int) -> None:
        if character_time != self._character_time:
            self._settle(len(self._chunks))
            self._set(character_time)

    def receive(self, octets: list[tuple[int, int]], arrival: int) -> list[Octet]:
        """Takes octets (value, flags) that were read together at ``arrival``; those that are settled now."""
        if not octets:
            return self.advance(arrival)
        if self._chunks and arrival - self._chunks[-1].arrival > self._silence:
            self._settle(len(self._chunks))
        if self._chunks and arrival == self._chunks[-1].arrival and len(self._chunks) > self._known:
            self._chunks[-1].octets.extend(octets)
        else:
            self._chunks.append(_Chunk(octets.copy(), arrival))
        if arrival - self._chunks[self._known].arrival > self._hold:
            late = arrival - self._hold // 2
            self._settle(next(number for number, chunk in enumerate(self._chunks) if chunk.arrival >= late))
        return self._take()

    def advance(self, now: int) -> list[Octet]:
        """What is settled because nothing has been read until ``now`` (ns since 1970 UTC)."""
        if self._chunks and now - self._chunks[-1].arrival > self._silence:
            self._settle(len(self._chunks))
        return self._take()

    def close(self) -> list[Octet]:
        """The rest."""
        self._settle(len(self._chunks))
        return self._take()

    def horizon(self, now: int) -> int:
        """No octet that was not returned yet began before this (ns since 1970 UTC), all having been received that was
        read before ``now``."""
        held = self._ready or len(self._chunks) > self._known
        if self._ready:
            return self._ready[0].start
        before = self._chunks[self._known - 1].arrival if self._known else self._before
        packets = 1
        if held:
            first = self._chunks[self._known]
            now, packets = first.arrival, len(first.octets) // PACKET + 1
        elif PACKET * self._character_time < self._latency:
            packets = _PACKETS
        earliest = now - packets * self._latency
        if before is not None:
            earliest = max(earliest, before)
        return max(self._end, int(earliest - SCHEDULING - self._character_time * (1 + TOLERANCE)))

    def _take(self) -> list[Octet]:
        ready, self._ready = self._ready, []
        return ready

    def _settle(self, until: int) -> None:
        """Settles the chunks before number ``until``."""
        chunks = self._chunks
        if until > self._known:
            last = until == len(chunks)
            runs = self._runs(learn=last)
            self._release(runs, until)
        if until == len(chunks):
            if chunks:
                self._before = chunks[-1].arrival
            self._chunks, self._known = [], 0
        elif until > self._known:
            if self._known:
                self._before = chunks[self._known - 1].arrival
            self._chunks, self._known = chunks[self._known :], until - self._known

    def _runs(self, *, learn: bool) -> list[_Run]:
        """The chunks cut into runs."""
        runs = []
        at = 0
        while at < len(self._chunks):
            envelope, after, count = self._run(at)
            start, character = self._pace.fit(envelope)
            if learn or after < len(self._chunks):
                self._pace.learn(envelope)
            runs.append(_Run(count, start, character))
            at = after
        return runs

    def _run(self, first: int) -> _State:
        """The run that begins with chunk number ``first``."""
        chunks = self._chunks
        base = chunks[0].arrival
        state = _State(Envelope(self._character_time), first, 0)
        slowed: list[_State] = []
        doubt: _State | None = None
        doubted = -1
        while state.number < len(chunks):
            envelope, number, count = state
            octets, arrival = chunks[number]
            before = chunks[number - 1].arrival if number else self._before
            ended = arrival - self._reach(len(octets))
            if before is not None and before > ended:
                ended = before
            lower = float(ended - PROMPT - base)
            fastest = envelope.fastest_above(count + 1, lower)
            if fastest > envelope.slowest or number == doubted:
                # A pause, or the program was woken late: sure if no wake-up is that late, or if it happens twice.
                if not self._late(number, count, lower, envelope.fastest):
                    if doubt and doubt.number != number:
                        return doubt
                    if envelope.fastest_above(count + 1, lower + PROMPT - SCHEDULING) > envelope.slowest:
                        return state
                    doubt = _State(envelope.copy(), number, count)
            else:
                if fastest > envelope.fastest:
                    slowed.append(_State(envelope.copy(), number, count))
                envelope.add_lower(count + 1, lower, fastest)
                full = len(octets) // PACKET * PACKET
                if full and self._fills:
                    tick = float(arrival - self._latency - base)
                    fastest = envelope.fastest_above(count + full, tick - PROMPT)
                    if envelope.fastest < fastest <= envelope.slowest:
                        slowed.append(_State(envelope.copy(), number, count))
                    if fastest <= envelope.slowest:
                        envelope.add_lower(count + full, tick - PROMPT, fastest)
                    if full < len(octets):
                        envelope.add_upper(count + full, tick)
            count += len(octets)
            if envelope.add_upper(count, float(arrival - base)):
                state = _State(envelope, number + 1, count)
            else:
                state = slowed.pop()
                doubted = state.number
        return state

    def _late(self, number: int, count: int, lower: float, fastest: float) -> bool:
        """Whether what came later shows that the octet after the first ``count`` had ended before ``lower``."""
        base = self._chunks[0].arrival
        ahead = -1
        for octets, arrival in self._chunks[number : number + _FORESIGHT]:
            ahead += len(octets)
            if arrival - base - ahead * fastest < lower:
                return True
        return False

    def _reach(self, count: int) -> int:
        """How long before its arrival the first of ``count`` octets that were read together may have ended."""
        return max((count // PACKET + 1) * self._latency, (count - 1) * self._character_time)

    def _release(self, runs: list[_Run], until: int) -> None:
        """Makes the octets of the chunks from the first that is not settled to number ``until``."""
        chunks, known = self._chunks, self._known
        base = chunks[0].arrival
        shortest = self._character_time * (1 - TOLERANCE)
        longest = self._character_time * (1 + TOLERANCE)
        latest = []  # from the last to the first: when each octet had ended
        bound = float(chunks[-1].arrival - base) + shortest
        for octets, arrival in reversed(chunks[known:]):
            bound = min(bound - shortest, float(arrival - base))
            latest.append(bound)
            for _ in range(len(octets) - 1):
                bound -= shortest
                latest.append(bound)
        estimates = self._estimates(runs, sum(len(octets) for octets, _ in chunks[:known]))
        before = chunks[known - 1].arrival if known else self._before
        earliest = -1e18
        end = float(self._end - base)
        for octets, arrival in chunks[known:until]:
            ended = arrival - self._reach(len(octets))
            if before is not None and before > ended:
                ended = before
            earliest = max(earliest, float(ended - SCHEDULING - base) - shortest)
            before = arrival
            limit = self._reach(len(octets)) + SCHEDULING
            for value, flags in octets:
                earliest += shortest
                bound = latest.pop()
                estimate, character = next(estimates)
                estimate = max(min(max(estimate, earliest, end + shortest), bound), end)
                uncertainty = max(abs(estimate - earliest), abs(bound - estimate))
                uncertainty += max(longest - character, character - shortest)
                start = base + round(estimate - character)
                self._ready.append(Octet(value, start, round(min(uncertainty, limit)), flags))
                end = estimate
        self._end = base + round(end)

    @staticmethod
    def _estimates(runs: list[_Run], known: int) -> Iterator[tuple[float, float]]:
        """Of each octet but the first ``known``: when it ended, and the length of its run's characters."""
        for count, start, character in runs:
            for number in range(known + 1, count + 1):
                yield start + number * character, character
            known = max(known - count, 0)
