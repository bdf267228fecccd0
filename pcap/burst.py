"""Bursts: what other tools recorded, before it is framed.

The import formats of this room deliver bursts; the dissector frames them. A burst says no more than its recording does.
"""

from dataclasses import dataclass

from vtctap.errors import Error
from vtctap.pcap.record import Sender


class ImportFormatError(Error, ValueError):
    """A recording is not in the format it was said to be in; the message names the file and the place."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Octets that somebody recorded together: their sender, and the time of the first (ns since 1970 UTC; None where
    the recording has no times). ``flags`` are :class:`~vtctap.pcap.record.Flag` bits of every octet. ``uncertainty``
    (ns) is how far the truth may lie from the time, None where that is unknown: of a log it is known when a program
    wrote, not when the octet came. ``speed`` (bit/s) is 0 where the recording does not know it."""

    octets: bytes
    sender: Sender = Sender.UNKNOWN
    time: int | None = None
    flags: int = 0
    uncertainty: int | None = None
    speed: int = 0


def foreign_packet(name: str, number: int, linktype: int, wanted: str) -> ImportFormatError:
    """The error that a capture's packet is of another link type than is ``wanted``. It says what to do, since loggers
    of serial lines exist that call plain octets IP packets (101)."""
    return ImportFormatError(
        f"{name}: packet {number} is of link type {linktype}, not {wanted}. If its packets are nothing but a serial "
        f"line's octets, say so with `editcap -T user0 {name} octets.pcapng`, and import that with --from user0"
    )
