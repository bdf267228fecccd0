"""Octets as numbers: hexadecimal with separators, decimal, C arrays, and dumps with a column of text.

Each function takes the part of a line that states octets, and raises :class:`Unreadable` if they are not certain. A
column of text beside the octets is compared with them, which shows damaged digits.
"""

import re
from typing import Final

from vtctap.errors import Error

_SEPARATORS: Final = str.maketrans(":,;-\t", "     ")
_PREFIX: Final = re.compile(r"(?<![0-9A-Fa-f])0[xX](?=[0-9A-Fa-f]{2}(?![0-9A-Fa-f]))")
_C_OCTET: Final = re.compile(r"0[xX]([0-9A-Fa-f]{1,2})(?![0-9A-Fa-f])")
_C_REST: Final = re.compile(r"[\s,]*")
_HEX_ROW: Final = re.compile(r"\s*(?:[0-9A-Fa-f]{2}(?: {0,2}))+")
_WORDS: Final = re.compile(r"\s*[0-9A-Fa-f]{4}(?: |$)")
_MORE: Final = re.compile(r"(\d{1,18}) more bytes?", re.ASCII)
_ENCLOSED: Final = re.compile(r"((?: [0-9A-Fa-f]{2})+) +>(.*)<\s*", re.ASCII)
"""A row of ``od -t x1z``."""
_WIDEST: Final = 64
"""Most octets in a row with a column of text."""
_TIME: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d")

_SHOWN: Final = bytes(octet if 0x20 <= octet < 0x7F else 0x2E for octet in range(256))
_BLANKED: Final = bytes(octet if 0x20 <= octet < 0x7F else 0x20 for octet in range(256))


class Unreadable(Error, ValueError):
    """A line states octets, but they are not certain; the message is the reason.

    ``octets`` are the certain ones at its beginning; ``omitted`` is the number of those that the line leaves out, 0
    where it does not state that.
    """

    def __init__(self, reason: str, octets: bytes = b"", omitted: int = 0) -> None:
        super().__init__(reason)
        self.octets = octets
        self.omitted = omitted


def pairs(text: str) -> bytes:
    """Decodes pairs of hexadecimal digits, with ``0x`` or not, with or without blanks, ``:``, ``,``, ``;`` or ``-``
    between them."""
    try:
        return bytes.fromhex(text)
    except ValueError:
        pass
    if _TIME.fullmatch(text.strip()):
        raise Unreadable("a time of day, or three octets")
    try:
        return bytes.fromhex(_PREFIX.sub("", text).translate(_SEPARATORS))
    except ValueError:
        raise Unreadable("damaged: not hexadecimal octets of two digits") from None


def node_buffer(text: str) -> bytes:
    """Decodes the inside of ``<Buffer 2f 3f ... 12 more bytes>``."""
    shown, more, rest = text.partition(" ... ")
    octets = pairs(shown)
    if more:
        omitted = _MORE.fullmatch(rest)
        raise Unreadable("Node.js shows only the first octets of a Buffer", octets, int(omitted[1]) if omitted else 0)
    return octets


def decimal(text: str) -> bytes:
    """Decodes decimal octets with blanks or commas between them."""
    try:
        return bytes(int(number) for number in text.replace(",", " ").split())
    except ValueError:
        raise Unreadable("damaged: not decimal octets from 0 to 255") from None


def c_array(text: str) -> bytes:
    """Decodes a row such as ``0x2f, 0x3f,`` of an array in C."""
    if _C_REST.fullmatch(_C_OCTET.sub("", text)) is None:
        raise Unreadable("damaged: not an array of octets in C")
    return bytes(int(octet, 16) for octet in _C_OCTET.findall(text))


def row(text: str) -> bytes:
    """Decodes hexadecimal octets and checks them against the column of text beside them, in which a dot or a blank
    stands for any unprintable octet."""
    hexadecimal, bar, shown = text.partition("|")
    if bar and shown.rstrip().endswith("|"):
        octets = pairs(hexadecimal)
        return _compared(octets, shown.rstrip()[:-1])
    for at in (text.find("\t"), text.find("  ", 2), 47, 48):
        if at > 0 and (octets := _fitting(text, at)):
            return octets
    found = _HEX_ROW.match(text)
    if not found:
        raise Unreadable("damaged: no octets before the column of text")
    digits = sum(character != " " for character in found[0].strip()) // 2
    for octets, beside in _splits(text, min(digits, _WIDEST)):
        if _agree(octets, beside):
            return octets
    raise Unreadable("damaged: the octets are not those of the column of text")


def _fitting(text: str, at: int) -> bytes:
    """Returns the octets of a row whose column of text begins at a position; none if it does not."""
    try:
        octets = bytes.fromhex(text[:at])
    except ValueError:
        return b""
    return octets if _agree(octets, text[at:]) else b""


def perhaps_row(text: str) -> bytes:
    """Decodes hexadecimal octets, with or without a column of text."""
    may_have_text = "\t" in text or "  " in text.strip()
    if not may_have_text and text[2::3].isspace() and len(text) % 3 == 2:
        return pairs(text)  # One blank between all octets: nothing stands beside them.
    try:
        return row(text)
    except Unreadable:
        if may_have_text:
            raise
    return pairs(text)


def dump_row(text: str) -> bytes:
    """Decodes a row of ``hexdump -C``, ``xxd`` or ``od -t x1``, without its offset."""
    if not text.strip():
        return b""
    if "|" not in text and not text.startswith(":") and _WORDS.match(text):
        raise Unreadable("16-bit words in an unknown byte order")
    if found := _ENCLOSED.fullmatch(text):
        return _compared(pairs(found[1]), found[2])
    octets = text.removeprefix(":")
    beside = "  " in octets.strip()
    return row(octets) if beside else pairs(octets)


def _splits(text: str, most: int) -> list[tuple[bytes, str]]:
    """Returns the possible splits of a row into octets and as many characters."""
    splits = []
    at = 0
    octets = bytearray()
    while len(octets) < most:
        while text[at] in " \t":
            at += 1
        octets.append(int(text[at : at + 2], 16))
        at += 2
        beside = text[at:].rstrip("\r\n")
        splits.append((bytes(octets), beside))
    return splits[::-1]


def _agree(octets: bytes, beside: str) -> bool:
    """Whether blanks and these octets as text follow in a row."""
    if not beside.startswith((" ", "\t")):
        return False
    if beside.lstrip(" \t") == octets.translate(_SHOWN).decode("ascii"):
        return True
    for table in (_SHOWN, _BLANKED):
        shown = octets.translate(table).decode("ascii")
        if beside.rstrip().endswith(shown.rstrip()) and not beside.rstrip()[: -len(shown.rstrip()) or None].strip():
            return bool(beside.strip()) or not shown.strip()
    return False


def _compared(octets: bytes, shown: str) -> bytes:
    if octets.translate(_SHOWN).decode("ascii") != shown:
        raise Unreadable("damaged: the octets are not those of the column of text")
    return octets
