"""The 66 bits of a token: digits, number, class and data block.

IEC 62055-41 token carrier to application layer: the 20 digits are a number of 66 bits; its bits 28 and 27 are the
class, and the two data bits that stood there are bits 65 and 64. Put back, they leave the class and a block of 64 bits.
"""

from typing import Final

from vtctap.errors import Error

DIGITS: Final = 20
LIMIT: Final = 1 << 66
"""A token is a number below this."""

_CLASS_AT: Final = 27
_BLOCK: Final = (1 << 64) - 1
_HOLE: Final = _BLOCK ^ 3 << _CLASS_AT


class TokenError(Error, ValueError):
    """What is given is no token; the message says why."""


def parse(text: str) -> int:
    """The number of a token's digits; spaces and dashes between them do not count. Raises TokenError."""
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
    """The 20 digits of a token's number."""
    return f"{number:0{DIGITS}}"


def split(number: int) -> tuple[int, int]:
    """Class (0 to 3) and data block (64 bits) of a token's number."""
    return number >> _CLASS_AT & 3, number & _HOLE | number >> 64 << _CLASS_AT


def join(token_class: int, block: int) -> int:
    """The number of a token of this class and data block."""
    return (block >> _CLASS_AT & 3) << 64 | block & _HOLE | token_class << _CLASS_AT


def crc(token_class: int, block: int) -> int:
    """The CRC that a clear block's low 16 bits must be (IEC 62055-41: CRC-16 of polynomial x16+x15+x2+1, reflected,
    start FFFFh, over class and the block's upper 48 bits as seven octets; stored low octet first)."""
    value = 0xFFFF
    for octet in (token_class << 48 | block >> 16).to_bytes(7):
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return (value & 0xFF) << 8 | value >> 8
