"""Characters: how octets are shown, and parity."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector.protocol.characters import (
    EVEN,
    SEVEN_BITS,
    SHOWN,
    carries_even_parity,
    odd_count,
    show,
    wrong_parity,
)
from vtctap.pcap.record import Line


def ones(octet: int) -> int:
    return sum(octet >> bit & 1 for bit in range(8))


def with_even_parity(octets: bytes) -> bytes:
    return bytes(octet | 0x80 if ones(octet) % 2 else octet for octet in octets)


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"", ""),
        (b"/?!\r\n", "/?!<CR><LF>"),
        (b"\x00\x01\x02\x03\x04\x06\x15", "<NUL><SOH><STX><ETX><EOT><ACK><NAK>"),
        (b" ~\x7f\x80\xff", " ~<DEL><80><FF>"),
        (b"\x1b[2J", "<ESC>[2J"),
        (b"a\\b\"'", "a\\b\"'"),
        (b"\xe4", "<E4>"),
    ],
)
def test_octets_are_shown_as_text(octets: bytes, text: str) -> None:
    assert show(octets) == text


def test_what_is_shown_is_printable_ascii_and_all_different() -> None:
    assert all(text.isascii() and text.isprintable() and text for text in SHOWN)
    # The form feed has the name that FFh has as a number; the record's octets tell them apart.
    assert SHOWN[0x0C] == SHOWN[0xFF] == "<FF>"
    assert len(set(SHOWN)) == 255
    assert [show(bytes([octet])) for octet in range(256)] == list(SHOWN)


@given(st.lists(st.binary(max_size=3) | st.sampled_from([b"<", b"<NUL>", b"<3C>", b"<FF>"])).map(b"".join))
def test_shown_octets_can_be_read_back(octets: bytes) -> None:
    """Each name in angle brackets is one octet, each other character itself; FFh and the form feed share a name."""
    values = {text: octet for octet, text in enumerate(SHOWN)} | {"<3C>": ord("<")}
    read = bytes(values[part] for part in re.findall("<[0-9A-Z]{2,3}>|.", show(octets)))
    assert read == octets.replace(b"\x0c", b"\xff")


def test_the_tables_of_parity_and_seven_bits() -> None:
    assert list(EVEN) == [ones(octet) % 2 == 0 for octet in range(256)]
    assert list(SEVEN_BITS) == [octet % 128 for octet in range(256)]


@given(st.binary())
def test_octets_with_an_odd_number_of_ones_are_counted(octets: bytes) -> None:
    assert odd_count(octets) == sum(ones(octet) % 2 for octet in octets)


@pytest.mark.parametrize(
    ("octets", "carries"),
    [
        (b"", False),
        (b"/?!\r\n", False),  # no bit 7: nothing says that there is a parity bit
        (b"\xaf\x3f\x21\x8d\x0a", True),  # the same with even parity
        (with_even_parity(b"1.8.0(013925.5*kWh)"), True),
        (bytes(octet | 0x80 for octet in b"1.8.0(013925.5*kWh)"), False),  # mark parity, or noise
        (b"1.8.0(013925.5*kWh)\xe4", False),  # text with one eight-bit character
        (b"\x81\x00\x00\x00\x00\x00\x00\x01", True),  # one odd of eight: still plain
        (b"\x81\x00\x00\x00\x00\x00\x01", False),  # one of seven: not
    ],
)
def test_octets_that_carry_even_parity_are_recognised(octets: bytes, carries: bool) -> None:
    assert carries_even_parity(octets) is carries


PARITY_BITS = {
    "E": lambda value: ones(value) % 2,
    "O": lambda value: 1 - ones(value) % 2,
    "M": lambda _: 1,
    "S": lambda _: 0,
}


@pytest.mark.parametrize("parity", "EOMS")
def test_wrong_parity_of_every_octet(parity: str) -> None:
    line = Line(7, parity, 1)
    good = bytes(value | PARITY_BITS[parity](value) << 7 for value in range(128))
    assert wrong_parity(good, line) == ()
    assert wrong_parity(bytes(octet ^ 0x80 for octet in good), line) == tuple(range(128))
    for position in range(128):
        flipped = bytes(octet ^ 0x80 if at == position else octet for at, octet in enumerate(good))
        assert wrong_parity(flipped, line) == (position,)


@pytest.mark.parametrize("line", ["8N1", "7N1", "8E1", "8O2"])
def test_a_line_without_a_parity_bit_in_bit_7_has_no_wrong_parity(line: str) -> None:
    assert wrong_parity(bytes(range(256)), Line.parse(line)) == ()
