"""Check characters and checksums of the link.

Two rules for the block check character are in use (recordings of real meters show both): the exclusive or of ISO 1155,
which IEC 62056-21 names, and the sum of the same octets. Both keep seven bits. P1 telegrams end in a CRC16 instead,
HDLC frames in a check sequence of 16 bits.
"""

from binascii import crc_hqx
from typing import Final

_CRC16_TABLE: list[int] = []
for _index in range(256):
    _value = _index
    for _ in range(8):
        _value = _value >> 1 ^ (0xA001 if _value & 1 else 0)
    _CRC16_TABLE.append(_value)


def bcc_xor(octets: bytes) -> int:
    """Returns the exclusive or of the octets, seven bits (ISO 1155; IEC 62056-21 clause 6.3). ``octets`` begin after
    the first SOH or STX and include ETX or EOT.

    The octets are one number, which is folded in halves until one octet is left.
    """
    value = _number(octets, "little")
    if len(octets) > 32:
        for half in _FOLDS[len(octets).bit_length()]:
            value ^= value >> half
    value ^= value >> 128
    value ^= value >> 64
    value ^= value >> 32
    value ^= value >> 16
    return (value ^ value >> 8) & 0x7F


_number: Final = int.from_bytes
_FOLDS: Final = tuple(tuple(8 << bit for bit in reversed(range(5, bits))) for bits in range(33))
"""The bits by which a number of more than 32 octets is shifted until 32 are left, by the bits of their count."""


def bcc_sum(octets: bytes) -> int:
    """Returns the sum modulo 128 of the octets, which are those of :func:`bcc_xor` (in no standard; seen from
    Energomera, ELVIN and Kamstrup meters)."""
    if not octets.isascii():
        return sum(octet & 0x7F for octet in octets) & 0x7F
    return sum(octets) & 0x7F


def crc16(octets: bytes) -> int:
    """Returns the CRC of a P1 telegram: polynomial x16+x15+x2+1 reflected (A001h), start 0, from ``/`` to ``!``
    inclusive (DSMR P1 companion standard)."""
    value = 0
    for octet in octets:
        value = value >> 8 ^ _CRC16_TABLE[(value ^ octet) & 0xFF]
    return value


_REVERSED = bytes(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def fcs16(octets: bytes) -> int:
    """Returns the frame check sequence of HDLC: x16+x12+x5+1 reflected, start FFFFh, inverted (CRC-16/X.25; ISO/IEC
    13239, IEC 62056-46 clause 6.4). The standard library's CRC has the same polynomial in the other bit order."""
    value = crc_hqx(octets.translate(_REVERSED), 0xFFFF)
    return (_REVERSED[value & 0xFF] << 8 | _REVERSED[value >> 8]) ^ 0xFFFF
