r"""System calls as strace prints them: ``"\6050\r\n", 6) = 6``, where strings have the escapes of C."""

import re
from typing import Final

from vtctap.pcap.importers.escapes import unescape
from vtctap.pcap.importers.hexadecimal import Unreadable

_CALL: Final = re.compile(r'"((?:[^"\\]++|\\.)*+)"(\.\.\.)?, (\d{1,19}+)\)\s*= (\d{1,19}+)(?: <[\d.]++>)?')
_ESCAPE: Final = re.compile(r"\\(?:([0-7]{1,3})|.)")


def string(text: str) -> bytes:
    r"""Decodes the inside of a string of C, where ``\2`` and ``\002`` are octal."""
    return unescape(_ESCAPE.sub(_hexadecimal, text))


def _hexadecimal(found: re.Match[str]) -> str:
    if not found[1]:
        return found[0]
    if int(found[1], 8) > 255:
        raise Unreadable(f"damaged: no octet is {found[0]}")
    return f"\\x{int(found[1], 8):02x}"


def transferred(text: str) -> bytes:
    """Decodes the octets that a call of read or write transferred, which are fewer than the string's if not all could
    be written."""
    call = _CALL.fullmatch(text)
    if not call:
        raise Unreadable("damaged, or in two parts (strace -f): not a string, a size and a result")
    octets, size, count = string(call[1]), int(call[3]), int(call[4])
    if call[2] and count > len(octets):
        reason = "strace shows only the first octets of a string; 'strace -s 9999' shows all"
        raise Unreadable(reason, octets, count - len(octets))
    if count != len(octets) and not (call[2] or count < size == len(octets)):
        raise Unreadable("damaged: the result is another number of octets than the string has")
    return octets[:count]
