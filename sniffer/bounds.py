"""The earliest and the latest start of each octet: bounds that hold whatever the line did.

The problem
===========

Octet ``i`` begins at ``s[i]`` and ends at ``e[i]``. A program sees neither, only reads: read ``k`` returns at ``r[k]``
and brings octets that had ended by then. What is known is a system of inequalities between pairs of these times:

====  =========================================  =====================================================================
(1)   ``T- <= e[i] - s[i] <= T+``                 a character lasts what the speed says, to :data:`TOLERANCE`
(2)   ``s[i+1] >= e[i]``                          octets do not overlap; a pause between them may be of any length
(3)   ``e[i] <= r[k]``                            octet i is in read k
(4)   ``e[first of k] > r[k] - w[k] - L[k]``      it was handed on after r[k] - w[k], and kept for L[k] at most
(5)   ``e[first of k] > r[k-1] - min(w[k-1],      read k-1 did not bring it
      L[k] + W)``
(6)   ``s[first of k] > r[k-1] - w[k-1]``         behind a FIFO: what read k-1 did not bring began after the hand-over
====  =========================================  =====================================================================

``L[k]`` is how long the adapter keeps an octet. A packet of :data:`PACKET` octets that fills before the timer ends
starts the timer again, and the host may collect several such packets. So where packets can fill, n octets in one read
may have waited for ``n // PACKET + 1`` timer periods. A FIFO that handed on n octets had kept the first one for the
n - 1 characters after it and, if that is not its threshold, for the :data:`TIMEOUT` characters after the last one;
:data:`PAUSES` more are allowed for.

``w[k]`` is the most time between the moment when the adapter handed the octets of read k on and the read. A waiting
program is woken within ``W``. A program that has not looked for ``late_ns`` may be late by that, plus
:data:`TRANSFER_NS` for the transfer from the adapter to the system.

(5) is the subtle one. "Read k-1 did not bring the octet, so it had not ended by then" is false: the octet may have been
in the adapter. But an adapter hands on all octets that it has at once. If the program waited for read k-1, the adapter
handed octets on at most ``w[k-1]`` before, and an octet that was not among them ended later than that. If the program
was away, the read may lie anywhere between two ticks of the timer; but an octet that was not there at r[k-1] had been
in the adapter for less than L[k] and in transfer for less than W, or the read would have brought it.

(6) holds for a UART's FIFO, because an octet makes it hand on: the one that reaches its threshold, or the last one
before a timeout. The next octet begins after that.

The solution
============

A system of difference constraints has a least and a greatest solution, which are its shortest paths. Nothing limits a
pause, so lower bounds only propagate forward and upper bounds only backward. One pass each way finds all shortest
paths, in O(1) per octet::

    E-[i] = max(E-[i-1] + T-, (4), (5), (6) + T-)     S-[i] = max(E-[i] - T+, E-[i-1], (6))
    E+[i] = min(E+[i+1] - T-, (3))                    S+[i] = E+[i] - T-

All E-, S- together satisfy every constraint, and so do all E+, S+: a possible line attains each bound. Narrower bounds
would need more knowledge. For a waiting program, where no packet fills, ``S+ - S-`` is at most ``L + W + T+ - T-``: the
adapter's latency and 2 ms, and 0.5 ms more at 300 bit/s.

Where the bounds contradict each other, ``E- > E+``, the program was stopped without noticing, or L is misstated. Then
only ``e > r[k-1] - L[k] - W`` is kept for the first octet of read k.

What it rests on
================

- A waiting program is woken within W (see :data:`SCHEDULING_NS`), or knows how much later it was woken
  (:mod:`~vtctap.sniffer.reader`).
- The adapter keeps no octet longer than L (:mod:`~vtctap.sniffer.adapter` says where that is known). A FIFO's timeout
  restarts with each octet, so pauses shorter than the timeout keep the octets before them longer than L where they
  exceed :data:`PAUSES`, and an octet may begin before the hand-over.
- The line has the speed that is set, and its sender's clock is off by no more than :data:`TOLERANCE`.

docs/accuracy.md states each of these to the user. ``bench/bound.py`` tests the rest with random lines, adapters and
readers.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from vtctap.sniffer.envelope import TOLERANCE

SCHEDULING_NS: Final = 2_000_000
"""W plus half of T+ - T-: a waiting program is woken within W, except in rare cases. W shrinks as characters get longer
(1.5 ms at 300 bit/s), so the stated uncertainty hardly grows at low speeds."""
_WAKING_LEAST_NS: Final = 1_000_000
"""The least W, at any speed."""
TRANSFER_NS: Final = 250_000
"""The transfer from the adapter to the system: two USB microframes of 125 us."""
PACKET: Final = 62
"""Octets in a full packet of an FTDI adapter. The adapter sends a full packet without waiting for the timer, and
restarts the timer. The host may collect packets until one comes that is not full."""
TIMEOUT: Final = 4
"""Characters of silence after which a UART's FIFO asks to be read below its threshold."""
PAUSES: Final = 3
"""How long all pauses between the octets that a FIFO hands on together may last, characters."""


class Chunk(NamedTuple):
    """What one read brought at ``arrival`` (ns), when nobody had looked for ``late_ns`` (0 where the program waited);
    ``before`` and ``before_late_ns`` say the same of the read before."""

    octets: list[tuple[int, int]]
    arrival: int
    late_ns: int
    before: int
    before_late_ns: int


class Bounds:
    """Bounds for a line with this ``character_time_ns`` (0 = unknown), behind an adapter that keeps an octet for at
    most ``latency_ns``, in a UART's FIFO where ``fifo``."""

    def __init__(self, character_time_ns: int, latency_ns: int, *, fifo: bool = False) -> None:
        self.shortest_ns = character_time_ns * (1 - TOLERANCE)
        self.longest_ns = character_time_ns * (1 + TOLERANCE)
        self.waking_ns = max(SCHEDULING_NS - int(TOLERANCE * character_time_ns), _WAKING_LEAST_NS)
        self.fills = 0 < (PACKET - 1) * self.shortest_ns < latency_ns
        """Whether a packet can fill before the timer ends."""
        self.fifo = fifo and character_time_ns > 0
        """Whether the octets come from a UART's FIFO, at a known speed."""
        self.threshold = max(round(latency_ns / self.longest_ns) - TIMEOUT + 1, 1) if self.fifo else 0
        """How many octets make a FIFO hand them on."""
        self._latency_ns = latency_ns

    def kept(self, count: int, late: int) -> int:
        """Returns L: the longest time that the adapter keeps the first of ``count`` octets of one read, ns, if it
        handed on all of them within ``late`` ns."""
        if self.fifo:
            once = late < TIMEOUT * self.shortest_ns  # A FIFO does not hand on twice in that time.
            waited = 0 if once and count == self.threshold else TIMEOUT
            return min(self._latency_ns, math.ceil((count - 1 + waited + PAUSES) * self.longest_ns))
        return self._latency_ns * (count // PACKET + 1 if self.fills else 1)

    def first_ended(self, chunk: Chunk, waking: int, lasted: int = 0) -> int:
        """Returns the time (ns since 1970 UTC) after which the first octet of a chunk ended, by (4) to (6).

        The program is woken within ``waking`` ns. ``lasted`` is how long the chunk's octets took to come, ns, if they
        came without a pause.
        """
        late = lateness(chunk.late_ns, waking)
        kept = self.kept(len(chunk.octets), late)
        missed = min(lateness(chunk.before_late_ns, waking), kept + waking)
        ended = max(chunk.arrival - late - max(kept, lasted), chunk.before - missed)
        if self.fifo and waking < self.shortest_ns:
            ended = max(ended, self._handed_on(chunk, waking) + int(self.shortest_ns))
        return ended

    def _handed_on(self, chunk: Chunk, waking: int) -> int:
        """Returns the earliest time (ns since 1970 UTC) at which a FIFO handed on what the read before brought."""
        return chunk.before - lateness(chunk.before_late_ns, waking)

    def starts(
        self, chunks: Sequence[Chunk], count: int, ended: float, base: int
    ) -> tuple[list[float], list[float], float]:
        """Computes the bounds of the octets of the first ``count`` chunks: the earliest starts S-, the latest starts
        S+, and the earliest end E- of the last octet.

        The chunks follow an octet that ended after ``ended``. All times are ns after ``base``. The latest starts cover
        all ``chunks``.
        """
        latest = self._latest(chunks, base)
        earliest: list[float] = []
        shortest = self.shortest_ns
        for chunk in chunks[:count]:
            if self.fifo:
                ended = max(ended, float(self._handed_on(chunk, self.waking_ns) - base))
            end = max(ended + shortest, float(self.first_ended(chunk, self.waking_ns) - base))
            most = latest[len(earliest)] + shortest
            if end > most:
                kept = self.kept(len(chunk.octets), lateness(chunk.late_ns, self.waking_ns))
                end = min(float(chunk.before - base) - kept - self.waking_ns, most)
                ended = end - self.longest_ns
            earliest.append(max(end - self.longest_ns, ended))
            for _ in range(len(chunk.octets) - 1):
                earliest.append(end)
                end += shortest
            ended = end
        return earliest, latest, ended

    def _latest(self, chunks: Sequence[Chunk], base: int) -> list[float]:
        """Returns the latest start S+ of each octet."""
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


def lateness(late: int, waking: int) -> int:
    """w: the most that a read can be late, ns."""
    return max(waking, late + min(TRANSFER_NS, waking)) if late else waking
