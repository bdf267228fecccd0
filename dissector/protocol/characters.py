"""Characters of the link: the names of the control characters, the display of octets, and even parity.

The control characters are those of ISO 646 (ASCII), as IEC 62056-21 clause 6.3 uses them.
"""

import re
from typing import Final

from vtctap.pcap.record import Line, Record

NUL: Final = 0x00
SOH: Final = 0x01
STX: Final = 0x02
ETX: Final = 0x03
EOT: Final = 0x04
ACK: Final = 0x06
LF: Final = 0x0A
CR: Final = 0x0D
NAK: Final = 0x15

_CONTROL_NAMES = (
    "NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI",
    "DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US",
)  # fmt: skip

SHOWN: Final[tuple[str, ...]] = tuple(
    f"<{_CONTROL_NAMES[octet]}>"
    if octet < 0x20
    else chr(octet)
    if octet < 0x7F
    else "<DEL>"
    if octet == 0x7F
    else f"<{octet:02X}>"
    for octet in range(256)
)
"""The display of each octet: printable ASCII unchanged, others as a name or two hexadecimal digits in angle
brackets."""

EVEN: Final[tuple[bool, ...]] = tuple(octet.bit_count() % 2 == 0 for octet in range(256))
"""Whether an octet has an even number of ones, as each character with its even parity bit has."""

SEVEN_BITS: Final = bytes(octet & 0x7F for octet in range(256))
"""Translation table for :meth:`bytes.translate` that clears bit 7."""

_ALWAYS_EVEN = bytes(EVEN)


LESS_THAN: Final = "<3C>"
"""The display of a ``<`` that begins what looks like a name of :data:`SHOWN`."""
_LIKE_A_NAME: Final = re.compile(rb"<(?=[0-9A-Z]{2,3}>)")


def show(octets: bytes) -> str:
    """Shows octets as text: ``/?!<CR><LF>``. Only FFh and the form feed share a text, ``<FF>``."""
    if octets.isascii() and (text := octets.decode("ascii")).isprintable():
        return text if "<" not in text else _LIKE_A_NAME.sub(LESS_THAN.encode(), octets).decode()
    parts = _LIKE_A_NAME.split(octets)
    return LESS_THAN.join(["".join([SHOWN[octet] for octet in part]) for part in parts])


def show_text(text: str) -> str:
    """Shows the octets of UTF-8 text. Octets that were not valid UTF-8 are shown as they were (a record holds them as
    surrogates, see :pep:`383`)."""
    try:
        return show(text.encode(errors="surrogateescape"))
    except UnicodeEncodeError:
        return show(text.encode(errors="replace"))


def odd_count(octets: bytes) -> int:
    """Returns how many of the octets have an odd number of ones."""
    return octets.translate(_ALWAYS_EVEN).count(0)


def carries_even_parity(octets: bytes) -> bool:
    """Whether octets received as 8N1 are clearly seven bits with even parity.

    Some have bit 7 set, and at most one in eight has an odd number of ones. In text without parity bits about half of
    the octets are odd, so the two can only be confused in a few octets.
    """
    return is_even_parity(len(octets), odd_count(octets), ascii=octets.isascii())


def carries_odd_parity(octets: bytes) -> bool:
    """Whether octets received as 8N1 are clearly seven bits with odd parity, by the same test."""
    return is_even_parity(len(octets), len(octets) - odd_count(octets), ascii=octets.isascii())


def is_even_parity(count: int, odd: int, *, ascii: bool) -> bool:
    """Does the test of :func:`carries_even_parity` on ``count`` octets, of which ``odd`` have an odd number of ones;
    ``ascii`` says that bit 7 is clear in all."""
    return not ascii and odd * 8 <= count


def wrong_parity(octets: bytes, line: Line) -> tuple[int, ...]:
    """Returns the positions of octets with wrong parity; octets are as received, with the parity bit in bit 7.

    Mark and space parity are a constant bit 7. A line without a parity bit in bit 7 has no wrong parity.
    """
    if not line.has_parity:
        return ()
    good = _GOOD_PARITY[line.parity]
    if not octets.translate(good).count(0):
        return ()
    return tuple(position for position, octet in enumerate(octets) if not good[octet])


_GOOD_PARITY = {
    "E": _ALWAYS_EVEN,
    "O": bytes(not even for even in EVEN),
    "M": bytes(octet >= 0x80 for octet in range(256)),
    "S": bytes(octet < 0x80 for octet in range(256)),
}


def received(record: Record) -> bytes:
    """Returns the octets of a record as its tap received them, with the parity bit in bit 7 on a line with parity."""
    line = record.line
    if line is None or not line.has_parity:
        return record.octets
    wrong = set(record.parity_errors)
    return bytes(
        octet | (0x80 if _parity_bit(octet, line.parity) != (position in wrong) else 0)
        for position, octet in enumerate(record.octets)
    )


def _parity_bit(octet: int, parity: str) -> bool:
    return {"E": not EVEN[octet], "O": EVEN[octet], "M": True, "S": False}[parity]
