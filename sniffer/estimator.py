"""When each octet began, from when it was read.

The likely
==========

A read brings octets that had ended by then; and as octets follow each other no faster than the line's speed allows,
that bounds all octets before them too, less the characters between. An adapter hands octets on when its timer ticks, at
most ``latency`` after they came: so the first octet of a read ended after the tick before, and after what the read
before could have brought. These are bounds from below. They hold for that octet. For those before it they hold if there
was no pause between.

So octets are held until enough has come after them. Then they are cut into runs without a pause, as few as the bounds
allow, and each run gets the line that fits it best (:mod:`~vtctap.sniffer.envelope`): when it began, and how long its
characters are, for a sender's clock may be off by a per cent. Where a bound from below stands against the others there
was a pause, or the program was woken late and took an earlier tick for a later one. What comes after tells which.

The certain
===========

The uncertainty leans on no run. Between which two moments each octet began, whatever the line did, is reckoned by
:mod:`~vtctap.sniffer.bounds`, which has the theory. The stamp is the estimate where that lies between them, and the
nearer of them where it does not; the uncertainty is how far the farther of them is from the stamp.

Limits
======

A pause shorter than the timer may go unseen, or be found some octets late. Where a timer is started by an octet, not by
the packet before it, each octet of a run is late by the same time, which no arrival reveals: estimates are then late by
up to half the timer, inside the uncertainty. A UART's FIFO keeps octets until there are enough, or for some characters
after the last: its ``latency`` is both together. What the uncertainty rests on stands in
:mod:`~vtctap.sniffer.bounds`.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from vtctap.dissector.framing.framer import Octet
from vtctap.sniffer.bounds import PACKET, SCHEDULING_NS, Bounds, Chunk
from vtctap.sniffer.envelope import Envelope, Pace

PROMPT_NS: Final = 120_000
"""ns; how late it is woken usually, the adapter's transfer included."""
HOLD_NS: Final = 300_000_000
"""ns; in a stream without a pause octets are held no longer than this, ..."""
HOLD_CHARACTERS: Final = 32
"""... or so many characters where that is longer."""
_COLLECTED: Final = 8
"""Full packets that a host collects at most."""
_FORESIGHT: Final = 40
"""Chunks that are searched for proof that the program was woken late."""
_MOST_STATED_NS: Final = (1 << 32) - 2
"""ns; a record states no larger uncertainty. Beyond it is unknown."""


class _Run(NamedTuple):
    """A run up to chunk ``number``: its lines (times relative to the first chunk's arrival) and its octets' number."""

    envelope: Envelope
    number: int
    octets: int

    def copy(self) -> "_Run":
        return _Run(self.envelope.copy(), self.number, self.octets)


class Estimator:
    """Estimates the start of each octet of one wire.

    ``character_time_ns`` is that of the line, 0 where it is unknown. ``latency_ns`` is the longest that the adapter
    keeps an octet, 0 for a port that hands on each at once. Timestamps are ns since 1970 UTC; arrivals never go back.

    What is returned is settled: same octets, same order. No octet ends after it was read. None begins before the one
    before it, nor before that one's end (at the shortest character that :data:`~vtctap.sniffer.envelope.TOLERANCE`
    allows) unless its arrival leaves no other way. In how many calls octets of the same arrival come does not matter,
    nor when :meth:`advance` is called.
    """

    def __init__(self, character_time_ns: int, latency_ns: int) -> None:
        self._chunks: list[Chunk] = []
        self._settled = 0  # So many of the chunks are, and are kept for what they tell of those that follow.
        self._arrival = self._late_ns = 0  # Of the last read.
        self._start = 0  # Of the last settled octet, as stamped; ...
        self._ended = 0  # ... and it ended after this.
        self._promised = 0
        self._ready: list[Octet] = []
        self._set(character_time_ns, latency_ns)

    def _set(self, character_time_ns: int, latency_ns: int) -> None:
        self._character_time_ns = character_time_ns
        self._latency_ns = latency_ns
        self._bounds = Bounds(character_time_ns, latency_ns)
        self._pace = Pace(character_time_ns)
        self._silence_ns = self._latency_ns + 3 * character_time_ns + SCHEDULING_NS
        self._hold_ns = max(HOLD_NS, HOLD_CHARACTERS * character_time_ns)

    @property
    def character_time_ns(self) -> int:
        """The length of one character, ns. Set it when the speed changes: what is held is settled with the old one."""
        return self._character_time_ns

    @character_time_ns.setter
    def character_time_ns(self, character_time_ns: int) -> None:
        self.use(character_time_ns, self._latency_ns)

    def use(self, character_time_ns: int, latency_ns: int) -> None:
        """Sets both, in ns, from now on: what is held is settled with the old ones."""
        if (character_time_ns, latency_ns) != (self._character_time_ns, self._latency_ns):
            self._settle(len(self._chunks))
            self._set(character_time_ns, latency_ns)

    def begin(self, start: int) -> None:
        """No octet is stamped before ``start`` (ns since 1970 UTC), the stamp of octets before it that were not
        estimated."""
        self._promised = max(self._promised, start)

    def emptied(self, now: int) -> None:
        """The port had nothing (more) at ``now`` (ns since 1970 UTC): the system gets what follows later."""
        self._arrival, self._late_ns = max(self._arrival, now), now  # Nobody had ever looked.

    def feed(self, octets: list[tuple[int, int]], arrival: int, late_ns: int = 0) -> list[Octet]:
        """Feeds octets (value, flags) that one read brought at ``arrival``; they may have waited for ``late_ns`` before
        it, because nobody looked. Returns the octets that are settled now."""
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
        """What is settled because all that was read before ``now`` (ns since 1970 UTC) has been received."""
        if self._chunks and now - self._arrival > self._silence_ns:
            self._settle(len(self._chunks))
        return self._take_ready()

    def close(self) -> list[Octet]:
        """The rest."""
        self._settle(len(self._chunks))
        return self._take_ready()

    def horizon(self, now: int) -> int:
        """No octet that has not been returned begins before this (ns since 1970 UTC), if all that was read before
        ``now`` has been received. Never goes back. Octets of before that come nevertheless, because the program was
        stopped, are stamped as late as was promised."""
        if self._ready:
            horizon = self._ready[0].start
        else:
            bounds = self._bounds
            if self._chunks:
                chunk = self._chunks[self._settled]
                ended = bounds.first_ended(chunk, bounds.kept(len(chunk.octets)), bounds.waking_ns)
            else:
                ended = max(now - bounds.kept(_COLLECTED * PACKET), self._arrival) - bounds.waking_ns
            ended = max(ended, self._ended + int(bounds.shortest_ns))
            horizon = max(self._start, ended - int(bounds.longest_ns) - 1)
        self._promised = max(self._promised, horizon)
        return self._promised

    def _take_ready(self) -> list[Octet]:
        ready, self._ready = self._ready, []
        return ready

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
        run = _Run(Envelope(self._character_time_ns), first, 0)
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
                sure = envelope.fastest_above(at, time + PROMPT_NS - SCHEDULING_NS) > envelope.slowest
                if not self._woken_late(number, count, time, self._bounds.shortest_ns if sure else envelope.fastest):
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
                    envelope.add_upper(bounds[1][0], bounds[1][1] + PROMPT_NS)
            count += len(chunk.octets)
            if envelope.add_upper(count, float(chunk.arrival - base)) or not slowed:
                run = _Run(envelope, number + 1, count)
            else:
                run = slowed.pop()
                refused.add(run.number)
        return run

    def _from_below(self, chunk: Chunk, count: int, base: int) -> list[tuple[int, float]]:
        """Bounds from below after ``count`` octets: of the chunk's first octet, and of the last that filled a packet,
        for that started the timer."""
        kept = max(self._bounds.kept(len(chunk.octets)), (len(chunk.octets) - 1) * self._character_time_ns)
        bounds = [(count + 1, float(self._bounds.first_ended(chunk, kept, PROMPT_NS) - base))]
        full = len(chunk.octets) // PACKET * PACKET
        if full and self._bounds.fills and not chunk.late_ns:
            timer = self._latency_ns if len(chunk.octets) % (_COLLECTED * PACKET) else 0
            bounds.append((count + full, float(chunk.arrival - timer - PROMPT_NS - base)))
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
        estimates = _starts(runs)
        for octets, *_ in self._chunks[: self._settled]:
            for _ in octets:
                next(estimates)
        chunks = self._chunks[self._settled :]
        earliest, latest, ended = self._bounds.starts(chunks, until - self._settled, float(self._ended - base), base)
        before, promised = float(self._start - base), float(self._promised - base)
        shortest = self._bounds.shortest_ns
        octets = [octet for chunk in chunks[: until - self._settled] for octet in chunk.octets]
        # Comparisons, not max and min: this is where a capture of many taps spends its time. What may be true comes
        # before what was estimated, and what was promised of the order before both.
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
                Octet(value, base + round(start), uncertainty if uncertainty <= _MOST_STATED_NS else None, flags)
            )
            before = start
        self._start = base + round(before)
        self._ended = base + int(ended)


def _starts(runs: Iterator[tuple[int, float, float]]) -> Iterator[float]:
    """When each octet of the runs began."""
    for count, start, character in runs:
        for number in range(count):
            yield start + number * character
