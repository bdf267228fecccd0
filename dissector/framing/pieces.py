"""Octets with their times, and the pieces that a framer makes of them."""

from dataclasses import dataclass
from typing import NamedTuple


class Octet(NamedTuple):
    """An octet as a tap received it: its eight bits (the parity bit in bit 7 on a line with seven data bits), the start
    of its start bit (ns since 1970 UTC), how far the truth may lie from that (ns, None = unknown), and
    :class:`~vtctap.pcap.record.Flag` bits of what the driver said of it."""

    value: int
    start: int
    uncertainty: int | None = None
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive octets of one wire: a frame, or noise. ``cut``: the frame did not reach its end, or is one of several
    pieces, of which all but the first are ``later`` ones. ``binary``: all eight bits are data (HDLC)."""

    octets: tuple[Octet, ...]
    is_frame: bool
    cut: bool = False
    binary: bool = False
    later: bool = False

    @property
    def values(self) -> bytes:
        """The octets as received."""
        return bytes([octet.value for octet in self.octets])
