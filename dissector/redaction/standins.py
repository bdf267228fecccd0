"""Stand-ins: what takes the place of a secret, of the same length and kind.

A digit becomes a digit, a letter a letter, a token a token of its class, text in hexadecimal remains text in
hexadecimal, and a Luhn digit stays right. Stand-ins follow from the secret text and a key (HMAC-SHA256): equal texts
get equal stand-ins under one key, and without the key nobody can try out numbers.
"""

import hmac
import re
from collections.abc import Callable, Iterator
from typing import Final

from vtctap.dissector.protocol.rules import HDLC_FLAG
from vtctap.dissector.redaction.rules import STATIONS
from vtctap.dissector.tokens.decode import decode
from vtctap.dissector.tokens.luhn import is_luhn, luhn_digit
from vtctap.dissector.tokens.number import LIMIT, crc, digits, join, split
from vtctap.dissector.tokens.recognise import proven

_TEXTUAL: Final = re.compile(rb"[0-9A-Za-z .,:;/_+\-*()=\\@'#&\r\n]*")
"""Texts whose punctuation stays; in others it is data (packed numbers)."""
_DIGITS, _UPPER, _LOWER = b"0123456789", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz"
_UPPER_HEX, _LOWER_HEX = b"ABCDEF", b"abcdef"
_CONTROL: Final = bytes([5, 7, 8, 11, 12, *range(14, 21), *range(22, 32)])
"""Control characters without a meaning in messages."""
_PUNCTUATION: Final = b"\"#$%&'+,-.:;<=>@[]^_`{|}~"
_NEVER_CHANGED: Final = b"\0\r\n() *!/?"
"""Characters that a stand-in keeps wherever they stand."""
_HEX: Final = re.compile(rb"(?=.*[0-9])([0-9A-F]{2,}|[0-9a-f]{2,})")
_HEX_TEXT: Final = re.compile(rb"(3[0-9]){3,}|(?=.*[A-Fa-f])([2-7][0-9A-Fa-f]){4,}")
"""Text in hexadecimal: digits, or characters of ASCII."""
_SEPARATED: Final = re.compile(rb"[0-9]+([ -][0-9]+)*")
_ISSUERS: Final = (b"600727", b"0000")
"""The first digits of a PAN of 18 digits, before the 11 of the meter's number and the check digit (IEC 62055-41)."""
_PAN_DIGITS: Final = 18
_LUHN: Final = range(11, 20)
"""Numbers of so many digits may end in a Luhn digit."""
_TOKEN: Final = re.compile(rb"[0-9]{20}")
_HEX_TOKEN: Final = re.compile(rb"[0-3][0-9A-Fa-f]{16}")
_STRUCTURE: Final = b"\1\2\3\4\n\r()*"
"""Characters that end a value or a message."""
_MAX_DRAWS: Final = 1000
_MAX_KEPT: Final = 1 << 16


class StandIns:
    """Makes stand-ins under one key. ``forbidden`` says of a text that it must not be made, as it holds a secret."""

    def __init__(self, key: bytes, *, test_tokens: bool = False) -> None:
        self._key = key
        self._test_tokens = test_tokens
        self._made: dict[tuple[str, bytes], bytes] = {}
        self.forbidden: Callable[[bytes], bool] = lambda text: False

    def text(self, octets: bytes) -> bytes:
        """Returns the stand-in for a text of seven-bit characters."""
        return self._cached("text", octets, self._text)

    def token(self, octets: bytes) -> bytes:
        """Returns the stand-in for the content of a token register, also in the packed forms."""
        return self._cached("token", octets, self._packed if len(octets) == 10 else self._text)

    def payload(self, octets: bytes) -> bytes:
        """Returns other octets of the same number, without an HDLC flag."""
        return self._cached("payload", octets, lambda text, draw: bytes(next(draw) % 0x7E for _ in text))

    def hdlc_address(self, octets: bytes) -> bytes:
        """Returns the lower half of another device's HDLC address, without an HDLC flag."""
        return self._cached("address", octets, _other_address)

    def noise(self, octets: bytes, number: int = 0) -> bytes:
        """Returns the stand-in for octets that are no message: every octet but NUL and line ends changes in kind.

        Another ``number`` gives another stand-in."""
        return self._cached(f"noise {number}", octets, lambda text, draw: bytes(_other(octet, draw) for octet in text))

    def _cached(self, kind: str, octets: bytes, make: Callable[[bytes, Iterator[int]], bytes]) -> bytes:
        made = self._made.get((kind, octets))
        if made is None:
            for count in range(_MAX_DRAWS):
                made = make(octets, self._draw(f"{kind} {count} ".encode() + octets))
                broken = kind == "token" and any(octet in _STRUCTURE for octet in made if octet not in octets)
                if made != octets and not broken and not self._gives_away(made):
                    break
            assert made is not None
            if len(self._made) == _MAX_KEPT:
                self._made.clear()  # They are made again, and are the same.
            self._made[kind, octets] = made
        return made

    def _gives_away(self, made: bytes) -> bool:
        """Whether a stand-in holds a secret, or its text in hexadecimal does: a meter's stand-in is part of that of its
        PAN, which cannot be drawn anew without it."""
        return self.forbidden(made) or self.forbidden(made.hex().encode())

    def _draw(self, name: bytes) -> Iterator[int]:
        """Yields octets that follow from the key and a name."""
        block = 0
        while True:
            yield from hmac.digest(self._key, block.to_bytes(4, "big") + name, "sha256")
            block += 1

    def _text(self, octets: bytes, draw: Iterator[int]) -> bytes:
        plain = octets.replace(b" ", b"").replace(b"-", b"")
        if _SEPARATED.fullmatch(octets) and len(plain) in (20, *_LUHN):
            return _spread(self._number(plain, draw), octets)
        if len(octets) == 17 and _HEX_TOKEN.fullmatch(octets):
            return _as(f"{self._other_token(int(octets, 16), draw):017X}", octets)
        if _HEX.fullmatch(octets):
            if _HEX_TEXT.fullmatch(octets):
                return _as(self._text(bytes.fromhex(octets.decode()), draw).hex(), octets)
            return bytes(_other(octet, draw, hexadecimal=True) for octet in octets)
        textual = bool(_TEXTUAL.fullmatch(octets))
        return bytes(_other(octet, draw, keeps=textual) for octet in octets)

    def _number(self, number: bytes, draw: Iterator[int]) -> bytes:
        if _TOKEN.fullmatch(number) and int(number) < LIMIT:
            return digits(self._other_token(int(number), draw)).encode()
        good = is_luhn(number.decode())
        if len(number) == _PAN_DIGITS and number.startswith(_ISSUERS):
            issuer = next(issuer for issuer in _ISSUERS if number.startswith(issuer))
            meter = number[len(issuer) : -1]
            made = issuer + (self.text(meter) if len(meter) == 11 else self._plain(meter, draw))
        else:
            made = self._plain(number[:-1], draw)
        last = luhn_digit(made.decode())
        return made + bytes([48 + (last if good else (last + 1 + next(draw) % 9) % 10)])

    @staticmethod
    def _plain(number: bytes, draw: Iterator[int]) -> bytes:
        return bytes(_other(octet, draw) for octet in number)

    def _other_token(self, number: int, draw: Iterator[int]) -> int:
        """Returns another token of the same class. A class 1 token whose CRC is good gets one whose CRC is good."""
        token_class, block = split(number)
        made = int.from_bytes(bytes(next(draw) for _ in range(8)))
        good = proven(decode(number))
        if good and not self._test_tokens:
            return number
        if good:
            made = made & (1 << 60) - 1 | block >> 60 << 60
            made = made & ~0xFFFF | crc(token_class, made)
        elif token_class == 1 and crc(1, made) == made & 0xFFFF:
            made ^= 1
        return join(token_class, made)

    def _packed(self, octets: bytes, draw: Iterator[int]) -> bytes:
        """Ten characters: a token as ten septets, as packed decimal digits, or a text."""
        number = 0
        for octet in octets:
            number = number << 7 | octet & 0x7F
        if _TEXTUAL.fullmatch(octets) or number >= LIMIT:
            return self._text(octets, draw)
        made = self._other_token(number, draw)
        return bytes(made >> 7 * at & 0x7F for at in reversed(range(10)))


def _other_address(octets: bytes, draw: Iterator[int]) -> bytes:
    while True:
        number = (next(draw) << 8 | next(draw)) & 0x3FFF
        made = bytes([number >> 6 & 0xFE, number << 1 & 0xFE | 1])
        if number in STATIONS and HDLC_FLAG not in made:
            return made


def _spread(number: bytes, over: bytes) -> bytes:
    """Puts digits into the places of another text's digits."""
    rest = iter(number)
    return bytes(next(rest) if octet in _DIGITS else octet for octet in over)


def _as(text: str, like: bytes) -> bytes:
    """Returns hexadecimal digits with letters as large as those of another text."""
    return (text.lower() if any(octet in _LOWER for octet in like) else text.upper()).encode()


def can_change(text: bytes) -> bool:
    """Whether a stand-in for a text can differ from it. Pauses, line ends, brackets and blanks alone tell nothing."""
    keeps = bool(_TEXTUAL.fullmatch(text))
    return any(
        octet >= 0x80 or octet in _DIGITS + _UPPER + _LOWER or not (keeps or octet in _NEVER_CHANGED) for octet in text
    )


def _other(octet: int, draw: Iterator[int], *, hexadecimal: bool = False, keeps: bool = False) -> int:
    """Returns a character of the same kind. ``keeps`` leaves punctuation."""
    if octet >= 0x80:
        return 0x80 | next(draw) & 0x7F
    kinds = (_DIGITS, _UPPER_HEX if hexadecimal else _UPPER, _LOWER_HEX if hexadecimal else _LOWER)
    for kind in kinds:
        if octet in kind:
            return kind[next(draw) % len(kind)]
    if keeps or octet in _NEVER_CHANGED:
        return octet
    kind = _PUNCTUATION if 0x20 <= octet < 0x7F else _CONTROL
    return kind[next(draw) % len(kind)]
