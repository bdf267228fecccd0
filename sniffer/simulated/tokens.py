"""STS tokens for the simulation: numbers of 20 digits, and the register in which a meter accepts them.

The layout is that of IEC 62055-41: class, a block of 48 bits and a CRC, with the class bits moved into the middle. But
the simulated meter has no key: its tokens of class 0 are not encrypted, as only those of class 1 are in reality. So
this meter rejects a real token of class 0 or 2 with CRCError, as a real meter rejects one for another meter.

Encodings, statuses and lockout are the dialect's.
"""

import re
from collections.abc import Callable
from functools import reduce
from random import Random
from typing import Final

from vtctap.sniffer.simulated.device import Device
from vtctap.sniffer.simulated.dialect import Tokens
from vtctap.sniffer.simulated.machine import MS

DIGITS: Final = 20
_BITS: Final = 66
REFUSED: Final = frozenset({"format error", "used", "CRC error"})
"""The outcomes that count towards a lockout."""
_UNSAYABLE: Final = frozenset("\x01\x02\x03\x04\x06\x15\x1b\n\r()!/*~")
"""Characters that a packed token must not hold, since they begin or end messages or values."""
_ALL_TESTS: Final = (1 << 36) - 1
"""The control field of a token of class 1 that starts all tests."""
_FIRST_KEY, _SECOND_KEY = 3, 4
"""The subclasses of the two key change tokens of class 2."""
LONGEST_LOCKOUT_NS: Final = 1_280_000 * MS
"""A lockout that doubles grows to this, as in CLOU's meters; that of IEC 62055-52 is not public."""


def token(token_class: int, payload: int) -> str:
    """Makes the 20 digits of a token of ``token_class`` (0 to 3) with a ``payload`` of 48 bits: subclass and fields."""
    crc = _crc((token_class << 48 | payload).to_bytes(7, "big"))
    block = payload << 16 | crc
    moved = block >> 27 & 3
    number = moved << 64 | block & ~(3 << 27) | token_class << 27
    return f"{number:0{DIGITS}}"


def token_class(digits: str) -> int | None:
    """The class of a token; None for a text that is no token, because it has not 20 digits or exceeds 66 bits."""
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdecimal()) or int(digits) >> _BITS:
        return None
    return int(digits) >> 27 & 3


def is_authentic(digits: str) -> bool:
    """Whether the CRC of an unencrypted token is right."""
    return digits == token(int(digits) >> 27 & 3, payload(digits))


def _crc(octets: bytes) -> int:
    """CRC-16 with polynomial 8005h, reflected, from FFFFh, low octet first (IEC 62055-41)."""
    value = 0xFFFF
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return (value & 0xFF) << 8 | value >> 8


def payload(digits: str) -> int:
    """The 48 bits of a token's subclass and fields."""
    number = int(digits)
    return (number & ~(3 << 27) & (1 << 64) - 1 | (number >> 64) << 27) >> 16


class Purse:
    """Draws tokens for a meter of ``rules``. No real meter would accept any but those of :meth:`self_test`.

    A token that is ``packed`` must not hold characters that end or begin messages, so others are not drawn.
    """

    def __init__(self, rules: Tokens, random: Random) -> None:
        self._rules = rules
        self._random = random

    def credit(self) -> str:
        """A token of class 0, subclass 0, for 5.0 to 200.0 kWh."""
        return self._draw(0, lambda bits: bits(4) << 40 | bits(24) << 16 | 50 + bits(32) % 1951)

    def self_test(self) -> str:
        """A token of class 1, which is the same for every meter: all tests, or one of them."""
        if self._rules.encoding == "packed":  # The published ones hold characters that it must not.
            return self._draw(1, lambda bits: bits(36) << 8 | bits(8) % 100)
        return token(1, self._random.choice((_ALL_TESTS, 1 << self._random.randrange(11))) << 8)

    def key_change(self) -> tuple[str, str]:
        """The two tokens of class 2 that change a key."""
        first = self._draw(2, lambda bits: _FIRST_KEY << 44 | 0xF << 40 | 1 + bits(8) % 9 << 36 | 2 << 32 | bits(32))
        return first, self._draw(2, lambda bits: _SECOND_KEY << 44 | 0xF << 40 | 1 + bits(8) % 99 << 32 | bits(32))

    def wrong(self) -> str:
        """A token whose CRC is wrong."""
        while True:
            digits = f"{int(self.credit()) ^ 1 << self._random.randrange(16):0{DIGITS}}"
            if self._is_sayable(digits):
                return digits

    def _draw(self, kind: int, fields: Callable[[Callable[[int], int]], int]) -> str:
        while not self._is_sayable(digits := token(kind, fields(self._random.getrandbits))):
            pass
        return digits

    def _is_sayable(self, digits: str) -> bool:
        text = encoded(digits, self._rules.encoding)
        return self._rules.encoding != "packed" or _UNSAYABLE.isdisjoint(text)


def encoded(digits: str, encoding: str) -> str:
    """Writes a token: 20 decimal digits, 17 ``hexadecimal`` ones, or ten characters of seven bits (``packed``)."""
    number = int(digits)
    if encoding == "hexadecimal":
        return f"{number:017X}"
    if encoding == "packed":
        return "".join(chr(number >> shift & 0x7F) for shift in range(63, -1, -7))
    return digits


def decoded(text: str, encoding: str) -> str:
    """Reads what :func:`encoded` wrote; any other text is returned as it is."""
    if encoding == "hexadecimal" and re.fullmatch("[0-9A-F]{17}", text):
        return f"{int(text, 16):0{DIGITS}}"
    if encoding == "packed" and len(text) == 10:
        return f"{reduce(lambda number, character: number << 7 | ord(character), text, 0):0{DIGITS}}"
    return text


class TokenRegister:
    """Accepts each token once, and holds the outcome of the last one
    (:data:`~vtctap.sniffer.simulated.dialect.OUTCOMES`). Tokens of class 1 are accepted any number of times, also
    during a lockout. What a token brings goes to ``device``."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._rules = device.dialect.tokens
        self._used: set[str] = set()
        self._outcome = "none"
        self._ready_at = 0
        self._refused = 0
        self._locked_until = 0
        self._first_key: int | None = None

    def enter(self, digits: str, now: int, processing_ns: int) -> None:
        """Enters a token at ``now`` (ns); its outcome is ready ``processing_ns`` later."""
        kind = token_class(digits)
        if now < self._locked_until and kind != 1:
            self._outcome, self._ready_at = "locked out", now
            return
        self._ready_at = now + processing_ns
        self._outcome = self._judge(digits, kind)
        if self._outcome in REFUSED:
            self._count_refused(now)
        elif kind != 1:
            self._used.add(digits)
            self._refused = 0

    def _judge(self, digits: str, kind: int | None) -> str:
        if kind is None or kind == 3:
            return "format error"
        if not is_authentic(digits):
            return "CRC error"
        if digits in self._used:
            return "used"
        if kind == 0:
            self._device.load(payload(digits) & 0xFFFF)
        return self._change_key(payload(digits)) if kind == 2 else "accepted"

    def _change_key(self, fields: int) -> str:
        subclass = fields >> 44
        if subclass == _FIRST_KEY:
            self._first_key = fields
            return "first key change"
        if subclass != _SECOND_KEY or self._first_key is None:
            return "format error"
        self._device.change_key(self._first_key >> 36 & 15, self._first_key >> 32 & 3)
        self._first_key = None
        return "second key change"

    def _count_refused(self, now: int) -> None:
        rules = self._rules
        self._refused += 1
        further = self._refused - rules.lockout_after
        if rules.lockout_after and further >= 0:
            doubled = rules.lockout_ms * MS << (further if rules.lockout_doubles else 0)
            self._locked_until = now + min(doubled, LONGEST_LOCKOUT_NS)

    def status(self, now: int) -> str:
        """The value of the status register at ``now`` (ns), as on the wire."""
        return self._rules.statuses["pending" if now < self._ready_at else self._outcome]
