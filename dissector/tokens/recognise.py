"""Finds tokens in the values of registers.

IEC 62055-52 does not publish the form of TokenData, so a profile names the encodings of its token register. In any
other register only a token that proves itself counts: a class 1 token with a good CRC, which one value in about 260 000
of the right length has by chance.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from vtctap.dissector.protocol.characters import LESS_THAN, SHOWN
from vtctap.dissector.tokens.decode import Token, decode
from vtctap.dissector.tokens.keys import Keys
from vtctap.dissector.tokens.number import DIGITS, LIMIT

_OCTETS: Final = {LESS_THAN: ord("<")} | {SHOWN[octet]: octet for octet in range(0x80)}
_NAMES: Final = (LESS_THAN, *(shown for shown in SHOWN if len(shown) > 1))
_SHOWN_OCTET: Final = re.compile("|".join(map(re.escape, _NAMES)) + "|.", re.DOTALL)


def _decimal(value: str) -> int | None:
    """Reads the printed form: 20 decimal digits."""
    return int(value) if len(value) == DIGITS and value.isascii() and value.isdecimal() else None


def _hexadecimal(value: str) -> int | None:
    """Reads 17 hexadecimal digits, with two zero bits in front."""
    return int(value, 16) if re.fullmatch("[0-9A-Fa-f]{17}", value) else None


def _packed(value: str) -> int | None:
    """Reads ten characters of seven bits, the most significant first, with four zero bits in front. (FFh is displayed
    like a form feed and counts as one; no line of seven bits carries it.)"""
    octets = [_OCTETS.get(shown) for shown in _SHOWN_OCTET.findall(value)]
    if len(octets) != 10:
        return None
    number = 0
    for octet in octets:
        if octet is None:
            return None
        number = number << 7 | octet
    return number


ENCODINGS: Final[Mapping[str, Callable[[str], int | None]]] = {
    "decimal": _decimal,
    "hexadecimal": _hexadecimal,
    "packed": _packed,
}
"""The forms that a token may have on the wire, by the word of ``vtc.token.encoding``. All three are guesses for IEC
62055-52; a profile says which ones apply, and with what confidence. The fourth word, ``bcd``, is that of tokens over
DLMS."""

ANYWHERE: Final = ("decimal", "hexadecimal")
"""The encodings searched for where no profile names any: ten characters too often mean something else."""

LENGTHS: Final = (DIGITS, 17)
"""The lengths of values in these encodings; other lengths are skipped."""


def recognise(value: str, encodings: tuple[str, ...] = (), keys: Keys | None = None) -> Token | None:
    """Returns the token in a register's value, None where there is none.

    ``encodings`` are those that the profile names for this register, if it is a token register. Without them, only a
    token that proves itself is recognised.
    """
    for encoding in encodings or ANYWHERE:
        number = ENCODINGS[encoding](value)
        if number is not None and number < LIMIT:
            token = decode(number, keys if encodings else None, encoding=encoding)
            if encodings or proven(token):
                return token
    return None


def proven(token: Token) -> bool:
    """Whether the token's own digits prove that it is one."""
    return token.token_class == 1 and token.crc_status == "good"
