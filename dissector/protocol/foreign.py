"""Recognises noise that is another protocol, or an inverted line.

A tap on a wrong port, or with a wrong adapter, receives octets that include SOH, STX, ACK and NAK by chance. They are
no message of this protocol, and no device is at fault. These are recognised, each by more than a coincidence:

- SML (IEC 62056-5-3-8), by its escape sequences: 1B x 4, 01 x 4, ..., 1B x 4, 1A and three octets;
- M-Bus (EN 13757-2), by its lengths, its sum and its stop octet 16h; it may carry DLMS;
- DLMS (IEC 62056-5-3) in the wrapper of IEC 62056-47, or ciphered (DBh), each by its length;
- an inverted line, by its text: where characters follow each other without pauses, the original characters can be
  computed from the received ones.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from typing import Final, NamedTuple

SML_BEGINS: Final = b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01"
SML_ENDS: Final = b"\x1b\x1b\x1b\x1b\x1a"
SML_REST: Final = 3
"""Octets after the end of an SML file: the number of fill octets, and a CRC."""
SML_END: Final = len(SML_ENDS) + SML_REST
MAX_BEFORE: Final = 4
"""Most octets of a head before its last one."""
MAX_BEGINNING: Final = 16
"""Every frame has shown its length within this many octets."""
MAX_OCTETS: Final = 4096
"""Longest frame that is recognised, in octets."""


class Foreign(NamedTuple):
    """A frame of another protocol.

    ``head`` matches its beginning. ``length`` computes its number of octets from the first ones (None: not known yet,
    0: no such frame). ``holds`` checks the complete octets.
    """

    name: str
    head: re.Pattern[bytes]
    length: Callable[[bytes], int | None]
    holds: Callable[[bytes], bool]


def _sums(frame: bytes, first: int) -> bool:
    """Whether the sum and the stop octet of M-Bus are right."""
    return frame[-2] == sum(frame[first:-2]) & 0xFF and frame[-1] == 0x16


def _wrapper_length(frame: bytes) -> int | None:
    if any(frame[2:3]) or any(frame[4:5]):
        return 0
    return 8 + int.from_bytes(frame[6:8], "big") if len(frame) >= 8 else None


def _ciphered_length(frame: bytes) -> int | None:
    """Returns the length that follows the system title (eight octets, of which the first three are the manufacturer's
    letters), in one octet or after 81h or 82h."""
    if not all(0x41 <= octet <= 0x5A for octet in frame[2:5]):
        return 0
    if len(frame) < 11:
        return None
    more = frame[10] & 0x7F if frame[10] & 0x80 else 0
    if more > 2:
        return 0
    if len(frame) < 11 + more:
        return None
    return 11 + more + (int.from_bytes(frame[11 : 11 + more], "big") if more else frame[10])


_LEAST_APDU: Final = 5
_APDUS: Final = frozenset((0x0F, 0x60, 0x61, 0x62, 0x63, *range(0xC0, 0xE0)))
"""Tags of DLMS (IEC 62056-5-3 clause 9)."""

FOREIGN: Final = (
    Foreign("SML", re.compile(rb"\x1b{4}\x01\Z"), lambda _: len(SML_BEGINS), lambda frame: frame == SML_BEGINS),
    Foreign("M-Bus", re.compile(rb"h([\x03-\xff])\1h\Z", re.DOTALL), lambda frame: frame[1] + 6, lambda f: _sums(f, 4)),
    Foreign("M-Bus", re.compile(rb"\x10[@SZ[sz{]\Z"), lambda _: 5, lambda f: _sums(f, 1)),
    Foreign(
        "DLMS",
        re.compile(rb"\x00\x01\Z"),
        _wrapper_length,
        lambda frame: len(frame) >= 8 + _LEAST_APDU and frame[8] in _APDUS,
    ),
    Foreign("DLMS", re.compile(rb"\xdb\x08\Z"), _ciphered_length, lambda frame: len(frame) > 11 + _LEAST_APDU),
)
"""Protocols recognised by a length; of an SML file, only its beginning."""


LAST: Final = frozenset(b"\x01\x08h@SZ[sz{")
"""Every head ends with one of these octets."""


def begun(before: bytes, octet: int) -> tuple[Foreign, int] | None:
    """Returns the foreign frame whose head ends with an octet, and the length of the head. ``before`` holds at least
    the last :data:`MAX_BEFORE` octets, or all if there are fewer."""
    tail = before[-MAX_BEFORE:] + bytes([octet])
    heads = ((form, form.head.search(tail)) for form in FOREIGN)
    return next(((form, len(tail) - found.start()) for form, found in heads if found), None)


# An inverted line.
#
# The characters follow each other every ten bits: start bit 0, eight data bits, stop bit 1. Inverted, the start
# bit is 1 and the stop bit 0. A receiver waits for a 0, takes it for a start bit at some place p (1 to 9) of the ten,
# and returns the eight bits after it. It takes the ninth bit for the stop bit and waits for the next 0, at place q of
# the following character, after ones. An octet therefore states the places from p on of one character, and those before
# p of the next one.

_TEXT: Final = frozenset(octet for octet in (*range(0x20, 0x7F), 0x0D, 0x0A))
LEAST: Final = 16
"""Fewest octets that rule out a coincidence."""
_DIFFERENT: Final = 4
"""Fewest different octets among them; a repeated octet proves nothing."""


@cache
def _places(octet: int) -> tuple[tuple[int, int, int], ...]:
    """Returns the places at which an octet may have been received, each with the known inverted bits of that character
    and of the next one."""
    bits = [0, *(octet >> at & 1 for at in range(8)), 1]
    found = []
    for place in range(1, 10):
        first, after = bits[: 10 - place], bits[10 - place :]
        if first[-1] == 0 and after[0] == 1:  # the inverted stop bit, and the inverted start bit
            head = sum((1 - bit) << place - 1 + at for at, bit in enumerate(first[:-1]))
            found.append((place, head, sum((1 - bit) << at for at, bit in enumerate(after[1:]))))
    return tuple(found)


@cache
def _follows(before: int, octet: int) -> tuple[tuple[int, int], ...]:
    """Returns pairs of places of two consecutive octets that have a character of text between them."""
    return tuple(
        (place, next_place)
        for place, _, tail in _places(before)
        for next_place, head, _ in _places(octet)
        if next_place >= place and _is_text(tail | head)
    )


def _is_text(character: int) -> bool:
    return character & 0x7F in _TEXT and (character < 0x80 or character.bit_count() % 2 == 0)


def is_inverted(octets: bytes) -> bool:
    """Whether octets that followed each other without pauses are text on an inverted line."""
    octets = octets[-LEAST:]
    high = sum(octet >= 0x80 for octet in octets)  # Two in three of digits and letters.
    if len(octets) < LEAST or high * 2 < LEAST or len(set(octets)) < _DIFFERENT:
        return False
    at = {place for place, *_ in _places(octets[0])}
    for before, octet in pairwise(octets):
        at = {after for place, after in _follows(before, octet) if place in at}
        if not at:
            return False
    return True


def look(octets: bytes) -> str | None:
    """Returns what noise looks like: ``SML``, ``M-Bus``, ``DLMS`` or ``inverted``; None if unknown."""
    if SML_BEGINS in octets or SML_ENDS in octets:
        return "SML"
    for at, octet in enumerate(octets):
        found = begun(octets[max(0, at - MAX_BEFORE) : at], octet) if octet in LAST else None
        if found and _holds(found[0], octets[at + 1 - found[1] :]):
            return found[0].name
    windows = list(_windows(octets))
    return "inverted" if windows and sum(map(is_inverted, windows)) * 2 > len(windows) else None


HINTS: Final = {
    "SML": "this is SML, another protocol of meters",
    "M-Bus": "this is M-Bus, another protocol of meters",
    "DLMS": "this is DLMS without the framing of mode E, another protocol of meters",
    "inverted": "this is text on an inverted line: a receiver that inverts reads it",
}
"""The names of these protocols in hints and findings."""


def _holds(form: Foreign, octets: bytes) -> bool:
    length = form.length(octets[:MAX_BEGINNING])
    return length is not None and 0 < length <= len(octets) and form.holds(octets[:length])


def _windows(octets: bytes) -> Iterator[bytes]:
    return (octets[at : at + LEAST] for at in range(0, len(octets) - LEAST + 1, LEAST))
