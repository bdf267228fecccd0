r"""Octets as text: the escapes of Python, JSON and C, and the marks that terminal programs put for control characters.

Each function takes the part of a line that states octets, and raises
:class:`~vtctap.pcap.importers.hexadecimal.Unreadable` where that is not certain: an escape that does not exist, a
character that is no octet.
"""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final

from vtctap.pcap.importers.hexadecimal import Unreadable

_ESCAPE: Final = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|([0-7]{3})|(.)|$)", re.DOTALL)
_USUAL: Final = re.compile(r"[^\\]*+(?:\\(?:[rntabfv\\'\"]|x[0-9A-Fa-f]{2})[^\\]*+)*+")
"""Matches text whose escapes Python's own codec reads the same; it accepts some that no program writes."""
_LETTERS: Final = {
    **{"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v", "e": "\x1b", "0": "\0"},
    **{character: character for character in "\\\"'/?"},
}
_CONTROLS: Final = (
    *("NUL", "SOH", "STX", "ETX", "EOT", "ENQ", "ACK", "BEL", "BS", "HT", "LF", "VT", "FF", "CR", "SO", "SI"),
    *("DLE", "DC1", "DC2", "DC3", "DC4", "NAK", "SYN", "ETB", "CAN", "EM", "SUB", "ESC", "FS", "GS", "RS", "US"),
)
_NAMES: Final = {name: chr(octet) for octet, name in enumerate(_CONTROLS)} | {"DEL": "\x7f", "TAB": "\t", "SP": " "}
_LITERAL: Final = re.compile(r"'(?:[^'\\]++|\\.)*+'|\"(?:[^\"\\]++|\\.)*+\"")
_SECOND: Final = re.compile(r"\bb['\"]|\"")
_MARK: Final = re.compile(r"<(?:([A-Za-z]{2,5}[1-4]?)|(?:0x|\$)?([0-9A-Fa-f]{2}))>")
_HTERM: Final = re.compile(r"<(?:(\d{1,3})|\\([rnt0]))>")


def unescape(text: str) -> bytes:
    r"""Decodes printable ASCII with escapes such as ``\r``, ``\x02``, ``\u0002`` or ``\002``."""
    if not (text.isascii() and text.isprintable()):
        raise Unreadable("damaged: the program would have written this character as an escape")
    return _unescape(text)


def _unescape(text: str) -> bytes:
    if "\\" not in text:
        return _octets(text)
    if text.isascii() and _USUAL.fullmatch(text):
        return text.encode("ascii").decode("unicode_escape").encode("latin-1")
    return _octets(_ESCAPE.sub(_unescaped, text))


def _unescaped(found: re.Match[str]) -> str:
    two, four, octal, letter = found.groups()
    if two or four:
        return chr(int(two or four, 16))
    if octal:
        return chr(int(octal, 8))
    if letter not in _LETTERS:
        raise Unreadable(f"damaged: {found[0]} is no escape")
    return _LETTERS[letter]


def _octets(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise Unreadable("a character that is no octet: the program lost the octet") from None


def json_string(text: str) -> bytes:
    """Decodes the inside of a JSON or JavaScript string whose characters are octets. The file is read as Latin-1, so
    UTF-8 in the string is decoded first."""
    if not text.isascii():
        try:
            text = text.encode("latin-1").decode("utf-8")
        except UnicodeError:
            raise Unreadable("damaged: not UTF-8") from None
    return _unescape(text)


def only_literal(text: str, inside: Callable[[str], bytes]) -> bytes:
    """Decodes the one quoted string that a text begins with."""
    found = _LITERAL.match(text)
    if not found:
        raise Unreadable("damaged: the string in quotes has no end")
    if _SECOND.search(text, found.end()):
        raise Unreadable("several strings in quotes: it is not known which one holds the octets")
    return inside(found[0][1:-1])


def marks(text: str) -> bytes:
    """Decodes text with marks such as ``<STX>``, ``<CR>``, ``<02>`` or ``<0x02>``."""
    return _octets(_MARK.sub(_marked, text))


def _marked(found: re.Match[str]) -> str:
    if found[2]:
        return chr(int(found[2], 16))
    octet = _NAMES.get(found[1].upper())
    if octet is None:
        raise Unreadable(f"damaged: {found[0]} is no control character")
    return octet


def hterm(text: str) -> bytes:
    r"""Decodes text with marks such as ``<2>`` (decimal), ``<\r>`` or ``<\n>``."""
    return _octets(_HTERM.sub(_number, text))


def _number(found: re.Match[str]) -> str:
    if found[2]:
        return _LETTERS[found[2]]
    if int(found[1]) > 255:
        raise Unreadable(f"damaged: {found[0]} is no octet")
    return chr(int(found[1]))


def base64_octets(text: str) -> bytes:
    """Decodes a line of base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("damaged: not base64") from None


def plain(text: str) -> bytes:
    """Encodes text without escapes."""
    return _octets(text)
