"""Converts between a token's digits, its number of 66 bits, and its class and data block.

IEC 62055-41, token carrier to application layer: the 20 digits are a number of 66 bits. Bits 28 and 27 are the class,
and bits 65 and 64 are the two data bits that the class displaced. With those put back, a block of 64 bits remains.
"""

from typing import Final

from vtctap.errors import Error

DIGITS: Final = 20
LIMIT: Final = 1 << 66
"""A token's number is below this."""

_CLASS_AT: Final = 27
_BLOCK: Final = (1 << 64) - 1
_HOLE: Final = _BLOCK ^ 3 << _CLASS_AT


class TokenError(Error, ValueError):
    """The input is no token; the message says why."""


def parse(text: str) -> int:
    """Parses a token's digits, ignoring spaces and dashes. Raises TokenError."""
    digits = text.replace(" ", "").replace("-", "")
    if not (digits.isascii() and digits.isdecimal()):
        raise TokenError(f"{text!r} is no token: a token is {DIGITS} digits")
    if len(digits) != DIGITS:
        raise TokenError(f"{text!r} is no token: it has {len(digits)} digits, a token has {DIGITS}")
    number = int(digits)
    if number >= LIMIT:
        raise TokenError(f"{text!r} is no token: it is more than 66 bits hold, {LIMIT - 1}")
    return number


def digits(number: int) -> str:
    """Writes a token's number as 20 digits."""
    return f"{number:0{DIGITS}}"


def split(number: int) -> tuple[int, int]:
    """Splits a token's number into class (0 to 3) and data block (64 bits)."""
    return number >> _CLASS_AT & 3, number & _HOLE | number >> 64 << _CLASS_AT


def join(token_class: int, block: int) -> int:
    """Joins class and data block into a token's number."""
    return (block >> _CLASS_AT & 3) << 64 | block & _HOLE | token_class << _CLASS_AT


def crc(token_class: int, block: int) -> int:
    """Computes the CRC that the low 16 bits of a clear block must hold (IEC 62055-41: CRC-16 of polynomial
    x16+x15+x2+1, reflected, start FFFFh, over class and the block's upper 48 bits as seven octets; stored low octet
    first)."""
    value = 0xFFFF
    for octet in (token_class << 48 | block >> 16).to_bytes(7):
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return (value & 0xFF) << 8 | value >> 8
