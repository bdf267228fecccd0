"""STS tokens for the simulation: numbers of 20 digits, and the register in which a meter accepts them.

The layout is that of IEC 62055-41: class, a block of 48 bits and a CRC, with the class bits moved into the middle. But
the simulated meter has no key: its tokens of class 0 are not encrypted, as only those of class 1 are in reality. So
this meter rejects a real token of class 0 or 2 with CRCError, as a real meter rejects one for another meter.

Results are the values of the tokenStatus register that Conlog's BEC62 manual prints.
"""

from typing import Final

from vtctap.sniffer.simulated.machine import MS

NO_TOKEN, ACCEPT, FORMAT_ERROR, USED_ERROR, CRC_ERROR, LOCKOUT, NOT_READY = 0, 1, 6, 10, 13, 15, 16

DIGITS: Final = 20
_BITS: Final = 66

WRONG_BEFORE_LOCKOUT: Final = 3
FIRST_LOCKOUT_NS: Final = 10_000 * MS
LONGEST_LOCKOUT_NS: Final = 1_280_000 * MS
"""The lockout lasts 10 s after three wrong tokens, and twice as long for each further one, as in CLOU's meters; that of
IEC 62055-52 is not public."""


def token(token_class: int, payload: int) -> str:
    """Makes the 20 digits of a token of ``token_class`` (0 to 3) with a ``payload`` of 48 bits: subclass and fields."""
    crc = _crc((token_class << 48 | payload).to_bytes(7, "big"))
    block = payload << 16 | crc
    moved = block >> 27 & 3
    number = moved << 64 | block & ~(3 << 27) | token_class << 27
    return f"{number:0{DIGITS}}"


def token_class(digits: str) -> int | None:
    """Returns the class of a token; None for a text that is no token, because it has not 20 digits or exceeds 66
    bits."""
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdecimal()) or int(digits) >> _BITS:
        return None
    return int(digits) >> 27 & 3


def is_authentic(digits: str) -> bool:
    """Whether the CRC of an unencrypted token is right."""
    number = int(digits)
    block = number & ~(3 << 27) & (1 << 64) - 1 | (number >> 64) << 27
    return digits == token(number >> 27 & 3, block >> 16)


def _crc(octets: bytes) -> int:
    """Computes the CRC-16 with polynomial 8005h, reflected, from FFFFh, low octet first (IEC 62055-41)."""
    value = 0xFFFF
    for octet in octets:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return (value & 0xFF) << 8 | value >> 8


class TokenRegister:
    """Accepts each token once, and holds the result of the last one. Tokens of class 1 are accepted any number of
    times, also during a lockout."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._result = NO_TOKEN
        self._ready_at = 0
        self._wrong = 0
        self._locked_until = 0

    def enter(self, digits: str, now: int, processing_ns: int) -> None:
        """Enters a token at ``now`` (ns); its result is ready ``processing_ns`` later."""
        kind = token_class(digits)
        if now < self._locked_until and kind != 1:
            self._result, self._ready_at = LOCKOUT, now
            return
        self._ready_at = now + processing_ns
        if kind is None:
            self._result = FORMAT_ERROR
        elif not is_authentic(digits):
            self._result = CRC_ERROR
        elif digits in self._used:
            self._result = USED_ERROR
        else:
            self._result = ACCEPT
        if self._result in (FORMAT_ERROR, CRC_ERROR):
            self._count_wrong(now)
        elif self._result == ACCEPT and kind != 1:
            self._used.add(digits)
            self._wrong = 0

    def _count_wrong(self, now: int) -> None:
        self._wrong += 1
        doublings = self._wrong - WRONG_BEFORE_LOCKOUT
        if doublings >= 0:
            self._locked_until = now + min(FIRST_LOCKOUT_NS << doublings, LONGEST_LOCKOUT_NS)

    def status(self, now: int) -> int:
        """Returns the value of the tokenStatus register at ``now`` (ns)."""
        return NOT_READY if now < self._ready_at else self._result
