"""Bursts: the octets that another tool recorded together, not framed yet.

The import formats deliver bursts, and the dissector frames them. A burst states only what its recording states.
"""

from dataclasses import dataclass

from vtctap.errors import Error
from vtctap.pcap.record import Line, Sender


class ImportFormatError(Error, ValueError):
    """A recording does not have the format that was named; the message says in which file and where."""


@dataclass(frozen=True, slots=True)
class Burst:
    """Octets that a tool recorded together.

    ``time`` is that of the first octet, ns since 1970 UTC; None where the recording has no times. ``flags`` are
    :class:`~vtctap.pcap.record.Flag` bits that hold for every octet. ``uncertainty`` (ns) is how far the true time may
    be from ``time``; None where that is unknown, as in a log, which states when a program wrote the octets and not when
    they came. ``speed`` is bit/s, 0 where the recording does not state it. ``line`` is the character format, where the
    recording states one of eight data bits and parity, which the octets themselves do not show.
    """

    octets: bytes
    sender: Sender = Sender.UNKNOWN
    time: int | None = None
    flags: int = 0
    uncertainty: int | None = None
    speed: int = 0
    line: Line | None = None


def foreign_packet(name: str, number: int, linktype: int, wanted: str) -> ImportFormatError:
    """Makes the error for a packet whose link type is not the one ``wanted``. The message says how to change the link
    type, because some serial loggers label plain octets as IP packets (101)."""
    return ImportFormatError(
        f"{name}: packet {number} is of link type {linktype}, not {wanted}. If its packets are nothing but a serial "
        f"line's octets, say so with `editcap -T user0 {name} octets.pcapng`, and import that with --from user0"
    )
