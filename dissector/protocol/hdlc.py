"""HDLC: locates the parts of a mode E frame and verifies its check sequences.

Frame format type 3 (ISO/IEC 13239, as IEC 62056-46 clause 6.4 uses it)::

    flag | format, length | destination | source | control | HCS | information | FCS | flag
     7E  |   Ahh lll      |  1, 2 or 4  |  1..4  |    1    |  2  |      n      |  2  |  7E

The length counts the octets between the flags. A frame without information has no HCS. Both sequences are those
of :func:`~vtctap.dissector.protocol.checksums.fcs16`, low octet first. The information is not decoded.
"""

from typing import Final, NamedTuple

from vtctap.dissector.protocol.checksums import fcs16
from vtctap.dissector.protocol.rules import HDLC_FLAG

FLAG: Final = HDLC_FLAG
ADDRESSES: Final = 3
"""Position of the addresses, after the flag and the two octets of the format field."""
MAX_ADDRESS: Final = 4
"""Most octets of an address."""
MAX_HEADER: Final = ADDRESSES + 2 * MAX_ADDRESS + 3
"""The HCS ends within this many octets."""

MAX_OCTETS: Final = 0x7FF + 2
"""Most octets of a frame, including its flags."""


class Checks(NamedTuple):
    """The check sequences of a frame and their verdicts; None where the frame has none."""

    hcs: int | None
    hcs_status: str | None
    fcs: int | None
    fcs_status: str


def begins(octet: int) -> bool:
    """Whether an octet may be the first of a format field of type 3."""
    return octet >> 4 == 0xA


def end_of(octets: bytes) -> int:
    """Returns the position of the closing flag by the length field, with which ``octets`` end."""
    return 1 + ((octets[1] & 7) << 8 | octets[2])


def address(octets: bytes, at: int) -> bytes:
    """Returns the address at a position; it ends with the octet whose lowest bit is set."""
    end = at
    while end < len(octets) and not octets[end] & 1:
        end += 1
    return octets[at : end + 1]


def header_end(octets: bytes) -> int | None:
    """Returns the position after the control octet; None where the octets end before it, or an address is too long."""
    at = ADDRESSES
    for _ in ("destination", "source"):
        found = address(octets, at)
        if len(found) > MAX_ADDRESS or not found or not found[-1] & 1:
            return None
        at += len(found)
    return at + 1 if at < len(octets) else None


def places(octets: bytes) -> tuple[int | None, int | None]:
    """Returns the start of the HCS and the end of the FCS in a whole frame; None where there is none, or it is
    unknown."""
    header = header_end(octets[:MAX_HEADER])
    if header is None:
        return None, None
    end = end_of(octets)
    return (header if header + 4 <= end else None), (end if header + 2 <= end else None)


def checks(octets: bytes) -> Checks:
    """Returns the check sequences of a frame, which begins with its opening flag and may be cut."""
    hcs = hcs_status = None
    at, end = places(octets)
    if at is not None and at + 2 <= len(octets):
        hcs, hcs_status = _sequence(octets, at)
    if end is None or end > len(octets):
        return Checks(hcs, hcs_status, None, "missing")
    return Checks(hcs, hcs_status, *_sequence(octets, end - 2))


def _sequence(octets: bytes, at: int) -> tuple[int, str]:
    """Returns the check sequence at a position, over everything from the format field to it, and its verdict."""
    value = octets[at] | octets[at + 1] << 8
    return value, "good" if value == fcs16(octets[1:at]) else "bad"
