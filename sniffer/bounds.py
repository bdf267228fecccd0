"""Between which two moments each octet began: what holds whatever the line did.

The problem
===========

Octet ``i`` begins at ``s[i]`` and ends at ``e[i]``. Nobody sees either: we see reads. Read ``k`` is done at ``r[k]``
and brings octets that had ended by then. What is known are differences, each at least some constant:

====  =========================================  =====================================================================
(1)   ``T- <= e[i] - s[i] <= T+``                 a character lasts what the speed says, to :data:`TOLERANCE`
(2)   ``s[i+1] >= e[i]``                          octets do not overlap; a pause between them may be of any length
(3)   ``e[i] <= r[k]``                            octet i is in read k
(4)   ``e[first of k] > r[k] - w[k] - L[k]``      it was handed on after r[k] - w[k], and kept for L[k] at most
(5)   ``e[first of k] > r[k-1] - min(w[k-1],      read k-1 did not bring it
      L[k] + W)``
====  =========================================  =====================================================================

``L[k]`` is how long the adapter keeps an octet. A packet of :data:`PACKET` octets that fills before the timer ends may
be collected by the host and starts the timer again; so where packets can fill, n octets in one read may have waited for
``n // PACKET + 1`` timers.

``w[k]`` is how late read k may be: after the adapter handed its octets on. A program that waits is woken within ``W``.
One that was away, and says that nobody had looked for ``late_ns``, may be as late as that, and
:data:`TRANSFER_NS` for the way from the adapter to the system.

(5) is the subtle one. "Read k-1 did not bring it, so it had not ended by then" is false: it may have been in the
adapter. An adapter that hands on hands on all it has. If the program waited for read k-1, the adapter handed on at most
``w[k-1]`` before, and what it did not hand on then ended later than that. If the program was away, the read may lie
anywhere between two ticks of the timer; but what was not there at r[k-1] had been in the adapter for less than L[k]
(and on its way for less than W), or it would have been there.

The solution
============

A system of differences has a least and a greatest solution, which are its shortest paths. Here the bounds from below
only run forward and those from above only backward, because nothing limits a pause. So the shortest paths are one pass
each way, O(1) an octet::

    E-[i] = max(E-[i-1] + T-, (4), (5))       S-[i] = max(E-[i] - T+, E-[i-1])
    E+[i] = min(E+[i+1] - T-, (3))            S+[i] = E+[i] - T-

All E-, S- together satisfy every constraint, and so do all E+, S+: each bound is attained by a line that is possible.
Nothing narrower can be said without knowing more. ``S+ - S-`` is ``L + W + T+ - T-`` at most for a program that waits,
where no packet fills: the adapter's latency and 2 ms, and 0.5 ms more at 300 bit/s.

Where the bounds leave nothing, ``E- > E+``, the program was stopped and does not know it, or L is misstated. Then
``e > r[k-1] - L[k] - W`` is all that is believed of the first octet of read k.

What it rests on
================

- A waiting program is woken within W (:data:`SCHEDULING_NS`, see there), or knows for how long it was not
  (:mod:`~vtctap.sniffer.reader`).
- The adapter keeps octets no longer than L (:mod:`~vtctap.sniffer.adapter` says where that is known). A FIFO's time-out
  starts anew with each octet: pauses shorter than it keep the octets before them longer than L.
- The line has the speed that is set, and its sender's clock is off by no more than :data:`TOLERANCE`.

Each is stated to the user in docs/accuracy.md. ``bench/bound.py`` tries the rest: random lines, adapters and readers.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from vtctap.sniffer.envelope import TOLERANCE

SCHEDULING_NS: Final = 2_000_000
"""ns; how late a waiting program is woken, but for rare cases, together with half of T+ - T-: at 300 bit/s W is 1.5 ms.
So the published uncertainties are hardly larger there than elsewhere, ..."""
_WAKING_LEAST_NS: Final = 1_000_000
"""... but W is never less than this, ns."""
TRANSFER_NS: Final = 250_000
"""ns; from the adapter to the system: two USB frames of 125 us."""
PACKET: Final = 62
"""Octets in a full packet of an FTDI adapter, which is sent without waiting for the timer and starts it again. The host
may collect full packets until one comes that is not."""


class Chunk(NamedTuple):
    """What one read brought at ``arrival`` (ns), when nobody had looked for ``late_ns`` (0 where the program waited);
    ``before`` and ``before_late_ns`` say the same of the read before."""

    octets: list[tuple[int, int]]
    arrival: int
    late_ns: int
    before: int
    before_late_ns: int


class Bounds:
    """The bounds on a line with this ``character_time_ns`` (ns, 0 = unknown) behind an adapter that keeps an octet for
    ``latency`` ns at most."""

    def __init__(self, character_time_ns: int, latency_ns: int) -> None:
        self.shortest_ns = character_time_ns * (1 - TOLERANCE)
        self.longest_ns = character_time_ns * (1 + TOLERANCE)
        self.waking_ns = max(SCHEDULING_NS - int(TOLERANCE * character_time_ns), _WAKING_LEAST_NS)
        self.fills = 0 < (PACKET - 1) * self.shortest_ns < latency_ns
        """Whether a packet may be full before the timer ends."""
        self._latency_ns = latency_ns

    def kept(self, count: int) -> int:
        """How long the adapter keeps the first of ``count`` octets that are read together, at most, ns: L."""
        return self._latency_ns * (count // PACKET + 1 if self.fills else 1)

    def first_ended(self, chunk: Chunk, kept: int, waking: int) -> int:
        """The first octet of a chunk ended after this (ns since 1970 UTC): (4) and (5), for a program that is woken
        within ``waking`` ns and an adapter that keeps octets for ``kept`` ns."""
        missed = min(_lateness(chunk.before_late_ns, waking), kept + waking)
        return max(chunk.arrival - _lateness(chunk.late_ns, waking) - kept, chunk.before - missed)

    def starts(
        self, chunks: Sequence[Chunk], count: int, ended: float, base: int
    ) -> tuple[list[float], list[float], float]:
        """The earliest and the latest start, S- and S+, of each octet of the first ``count`` chunks, and when the last
        of these octets ended at the earliest, E-.

        The chunks follow an octet that ended after ``ended``. All times are ns after ``base``.
        """
        latest = self._latest(chunks, base)
        earliest: list[float] = []
        shortest = self.shortest_ns
        for chunk in chunks[:count]:
            kept = self.kept(len(chunk.octets))
            end = max(ended + shortest, float(self.first_ended(chunk, kept, self.waking_ns) - base))
            most = latest[len(earliest)] + shortest
            if end > most:
                end = min(float(chunk.before - base) - kept - self.waking_ns, most)
                ended = end - self.longest_ns
            earliest.append(max(end - self.longest_ns, ended))
            for _ in range(len(chunk.octets) - 1):
                earliest.append(end)
                end += shortest
            ended = end
        return earliest, latest, ended

    def _latest(self, chunks: Sequence[Chunk], base: int) -> list[float]:
        """S+ of each octet."""
        shortest = self.shortest_ns
        latest = []
        start = float(chunks[-1].arrival - base)
        for octets, arrival, *_ in reversed(chunks):
            start = min(start, float(arrival - base))
            for _ in octets:
                start -= shortest
                latest.append(start)
        latest.reverse()
        return latest


def _lateness(late: int, waking: int) -> int:
    """How late a read may be: w, ns."""
    return max(waking, late + TRANSFER_NS) if late else waking
