"""Octets with their times, and the pieces that a framer makes from them."""

from dataclasses import dataclass
from typing import NamedTuple


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
class Piece:
    """Consecutive octets of one wire: a frame, or noise.

    ``cut``: the frame is incomplete, or is one of several pieces, of which all but the first are ``later``. ``binary``:
    all eight bits are data (HDLC).
    """

    octets: tuple[Octet, ...]
    is_frame: bool
    cut: bool = False
    binary: bool = False
    later: bool = False

    @property
    def values(self) -> bytes:
        """The octets as received."""
        return bytes([octet.value for octet in self.octets])
