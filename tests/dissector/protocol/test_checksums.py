"""Check characters and the CRC, against published values and bitwise arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector.protocol.checksums import bcc_sum, bcc_xor, crc16, fcs16

# Frames without the leading SOH and the check character. The first six, and the wrong 75h of the last, cross the wire
# in a recording of an RS-485 line (gist 4231981); the next two are the vectors of the iec62056-21 package.
PUBLISHED = [
    (b"P0\x02(00000000)\x03", 0x60),
    (b"P1\x02(00000000)\x03", 0x61),
    (b"P1\x02()\x03", 0x61),
    (b"B0\x03", 0x71),
    (b"R1\x0200000034()\x03", 0x64),
    (b"R1\x0200000000()\x03", 0x63),
    (b"P0\x02(1234567)\x03", 0x50),
    (b"W2\x02C003(910324092239)\x03", 0x1B),
]


@pytest.mark.parametrize(("octets", "value"), PUBLISHED)
def test_the_exclusive_or_of_published_frames(octets: bytes, value: int) -> None:
    assert bcc_xor(octets) == value


def test_the_sum_of_a_recorded_frame() -> None:
    """The break command of meters that use the sum, recorded from Energomera meters."""
    assert bcc_sum(b"B0\x03") == 0x75


@given(st.binary())
def test_both_rules_count_seven_bits(octets: bytes) -> None:
    """Each bit of the exclusive or is the parity of that column; the sum counts low seven bits only. Parity bits in
    bit 7 change neither."""
    columns = sum((sum(octet >> bit & 1 for octet in octets) % 2) << bit for bit in range(7))
    assert bcc_xor(octets) == columns
    total = 0
    for octet in octets:
        total = (total + octet % 128) % 128
    assert bcc_sum(octets) == total
    stripped = bytes(octet & 0x7F for octet in octets)
    assert (bcc_xor(stripped), bcc_sum(stripped)) == (columns, total)


def bitwise_crc(octets: bytes) -> int:
    """Computes the textbook form: most significant bit first, polynomial 8005h, then input and output reflected."""
    register = 0
    for octet in octets:
        for bit in range(8):
            feedback = register >> 15 ^ octet >> bit & 1
            register = (register << 1 ^ (0x8005 if feedback else 0)) & 0xFFFF
    return int(f"{register:016b}"[::-1], 2)


def test_the_catalogued_value_of_the_crc() -> None:
    """CRC-16/ARC of the digits 1 to 9 is BB3Dh in every catalogue of CRCs."""
    assert crc16(b"123456789") == bitwise_crc(b"123456789") == 0xBB3D
    assert crc16(b"") == 0


@given(st.binary())
def test_the_crc_equals_the_one_computed_bit_by_bit(octets: bytes) -> None:
    assert crc16(octets) == bitwise_crc(octets)


def test_the_catalogued_value_of_the_frame_check_sequence() -> None:
    """CRC-16/IBM-SDLC (X.25) of the digits 1 to 9 is 906Eh in every catalogue of CRCs."""
    assert fcs16(b"123456789") == 0x906E
    assert fcs16(b"") == 0


@given(st.binary())
def test_fcs_leaves_the_residue_of_its_standard(octets: bytes) -> None:
    """Over octets and their check sequence, before it is inverted, the remainder is F0B8h (ISO/IEC 13239)."""
    assert fcs16(octets + fcs16(octets).to_bytes(2, "little")) ^ 0xFFFF == 0xF0B8
