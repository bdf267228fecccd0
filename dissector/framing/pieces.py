"""Octets with their times, and the pieces that a framer makes from them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, overload

from vtctap.pcap.record import Flag


class Octet(NamedTuple):
    """An octet as a tap received it.

    It has the eight bits (with the parity bit in bit 7 on a line with seven data bits), the start of the start bit (ns
    since 1970 UTC), its uncertainty (ns, None = unknown), and the driver's :class:`~vtctap.pcap.record.Flag` bits.
    """

    value: int
    start: int
    uncertainty: int | None = None
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Run(Sequence[Octet]):
    """Octets that differ in nothing but value and time, from ``start`` (ns) on, each ``step_ns`` after the one before.

    An :class:`Octet` is made only where one is asked for; a slice is a run.
    """

    values: bytes
    start: int
    step_ns: int
    uncertainty: int | None = None
    flags: int = 0

    def __len__(self) -> int:
        """The number of octets."""
        return len(self.values)

    def __iter__(self) -> Iterator[Octet]:
        """Yields the octets."""
        for at, value in enumerate(self.values):
            yield Octet(value, self.start + at * self.step_ns, self.uncertainty, self.flags)

    @overload
    def __getitem__(self, at: int) -> Octet: ...

    @overload
    def __getitem__(self, at: slice) -> "Run": ...

    def __getitem__(self, at: int | slice) -> "Octet | Run":
        """The octet at a position, or the run of a slice without a step."""
        if isinstance(at, slice):
            begin, end, _ = at.indices(len(self.values))
            return Run(
                self.values[begin:end], self.start + begin * self.step_ns, self.step_ns, self.uncertainty, self.flags
            )
        at = range(len(self.values))[at]
        return Octet(self.values[at], self.start + at * self.step_ns, self.uncertainty, self.flags)


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive octets of one wire: a frame, or noise.

    ``cut``: the frame is incomplete, or is one of several pieces, of which all but the first are ``later``. ``binary``:
    all eight bits are data (HDLC).
    """

    octets: Sequence[Octet]
    is_frame: bool
    cut: bool = False
    binary: bool = False
    later: bool = False

    @property
    def values(self) -> bytes:
        """The octets as received."""
        return self.octets.values if isinstance(self.octets, Run) else bytes([octet.value for octet in self.octets])

    @property
    def flags(self) -> int:
        """The flags of all octets."""
        if isinstance(self.octets, Run):
            return self.octets.flags
        flags = 0
        for octet in self.octets:
            flags |= octet.flags
        return flags

    @property
    def framing_errors(self) -> tuple[int, ...]:
        """The position of each octet with a framing error."""
        if isinstance(self.octets, Run):
            return tuple(range(len(self.octets))) if self.octets.flags & Flag.FRAMING else ()
        return tuple([at for at, octet in enumerate(self.octets) if octet.flags & Flag.FRAMING])

    def pauses_us(self, character_time_ns: int) -> tuple[tuple[int, int], ...]:
        """The position and length (us) of each silence inside the piece that lasts a character or longer."""
        octets, least = self.octets, max(character_time_ns, 1000)
        if isinstance(octets, Run) and octets.step_ns - character_time_ns < least:
            return ()
        pauses = []
        for at, (before, octet) in enumerate(pairwise(octets), 1):
            pause_ns = octet.start - before.start - character_time_ns
            if pause_ns >= least:
                pauses.append((at, pause_ns // 1000))
        return tuple(pauses)
