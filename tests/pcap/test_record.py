"""The layout of a record: octets written by hand from the specification, and properties."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.pcap.record import (
    MAX_OCTETS,
    ForeignRecord,
    Kind,
    Line,
    Record,
    RecordError,
    Sender,
    decode,
    encode,
)

TIME = 1_700_000_000_123_456_789

HEADER = """
    56 54
    01
    00
    00 00 00 20
    81
    03
    04
    72
    00 c1
    00 00
    00 00 25 80
    00 0f 42 40
    00 00 00 00 00 98 96 80
"""
"""A frame from a client (inferred): link 3, tap 4, 7E1, parity error, synthetic time and echo, 9600 bit/s, +-1 ms, 10
ms long."""

FRAME = Record(
    TIME,
    b"\x06",
    Kind.FRAME,
    Sender.CLIENT,
    inferred=True,
    link=3,
    tap=4,
    line=Line(7, "E", 1),
    flags=1 | 64 | 128,
    speed=9600,
    uncertainty=1_000_000,
    duration=10_000_000,
)


def test_header_golden() -> None:
    golden = bytes.fromhex(HEADER) + b"\x06"
    assert encode(FRAME) == golden
    assert decode(golden, TIME) == FRAME


def test_least_record_golden() -> None:
    golden = bytes.fromhex("5654 01 00 00000020 00 00 00 00 0000 0000 00000000 ffffffff 0000000000000000")
    assert encode(Record(5)) == golden
    assert decode(golden, 5) == Record(5)


@pytest.mark.parametrize(
    ("sender", "inferred", "octet"),
    [
        *[(Sender.UNKNOWN, False, 0x00), (Sender.CLIENT, False, 0x01), (Sender.SERVER, False, 0x02)],
        *[(Sender.UNKNOWN, True, 0x80), (Sender.CLIENT, True, 0x81), (Sender.SERVER, True, 0x82)],
    ],
)
def test_the_octet_of_the_sender(sender: Sender, inferred: bool, octet: int) -> None:
    record = Record(5, sender=sender, inferred=inferred)
    assert encode(record)[8] == octet
    assert decode(encode(record), 5) == record


OPTIONS = [
    # the record's fields, and the octets of its options
    ({"parity_errors": (1, 3)}, "0001 0004 0001 0003"),
    ({"parity_errors": (0x1234,)}, "0001 0002 1234 0000"),
    ({"framing_errors": (0,)}, "0002 0002 0000 0000"),
    ({"framing_errors": (0, 1, 0xFFFE)}, "0002 0006 0000 0001 fffe 0000"),
    ({"pauses_us": ((2, 2000),)}, "0003 0008 0002 0000 000007d0"),
    ({"pauses_us": ((1, 1), (9, 0xFFFFFFFF))}, "0003 0010 0001 0000 00000001 0009 0000 ffffffff"),
    ({"event": "closed"}, "0004 0006 636c6f736564 0000"),
    ({"event": "mark text=é"}, "0004 000c 6d61726b 20746578 743dc3a9"),
    (
        {"parity_errors": (1,), "framing_errors": (2,), "pauses_us": ((3, 4),), "event": "x"},
        "0001 0002 0001 0000  0002 0002 0002 0000  0003 0008 0003 0000 00000004  0004 0001 78 000000",
    ),
]


@pytest.mark.parametrize(("fields", "options"), OPTIONS)
def test_option_golden(fields: dict[str, object], options: str) -> None:
    value = bytes.fromhex(options)
    length = (32 + len(value)).to_bytes(4, "big").hex()
    golden = bytes.fromhex(f"5654 01 00 {length} 00 00 00 00 0000 0000 00000000 ffffffff 0000000000000000")
    golden += value + b"\x02\x03"
    record = Record(TIME, b"\x02\x03", **fields)  # type: ignore[arg-type]
    assert encode(record) == golden
    assert decode(golden, TIME) == record


@pytest.mark.parametrize(
    ("text", "octet"), [("7E1", 0x72), ("8N1", 0x80), ("7O2", 0x75), ("5M1", 0x56), ("6S2", 0x69), ("8E1", 0x82)]
)
def test_line_octet(text: str, octet: int) -> None:
    line = Line.parse(text)
    assert line.octet == octet
    assert Line.from_octet(octet) == line
    assert str(line) == text
    assert encode(Record(0, line=line))[11] == octet


def test_line_octets_that_mean_nothing() -> None:
    data = bytearray(encode(Record(0)))
    known = set()
    for octet in range(256):
        data[11] = octet
        line = decode(bytes(data), 0).line
        if line:
            assert line.octet == octet
            known.add(octet)
    assert len(known) == 4 * 5 * 2


@pytest.mark.parametrize("text", ["", "7E", "9N1", "4N1", "7X1", "7E3", "7E0", "E71", "7E11"])
def test_line_refused(text: str) -> None:
    with pytest.raises(ValueError, match="character format"):
        Line.parse(text)


@pytest.mark.parametrize(("bits", "parity", "stops"), [(9, "N", 1), (8, "", 1), (8, "NE", 1), (8, "N", 3)])
def test_line_cannot_be_made(bits: int, parity: str, stops: int) -> None:
    with pytest.raises(ValueError, match="character format"):
        Line(bits, parity, stops)


def test_character_time() -> None:
    # IEC 62056-21: one start bit, seven data bits, one parity bit, one stop bit.
    assert Line.parse("7E1").character_time_ns(300) == 33_333_333
    assert Line.parse("8N2").character_time_ns(9600) == 11 * 1_000_000_000 // 9600
    assert Line.parse("7E1").character_time_ns(0) == 0


lines = st.builds(Line, st.integers(5, 8), st.sampled_from("NEOMS"), st.sampled_from([1, 2]))
positions = st.lists(st.integers(0, 0xFFFF), max_size=20).map(tuple)
any_record = st.builds(
    Record,
    time=st.integers(0, 2**64 - 1),
    octets=st.binary(max_size=300),
    kind=st.sampled_from(Kind),
    sender=st.sampled_from(Sender),
    inferred=st.booleans(),
    link=st.integers(0, 255),
    tap=st.integers(0, 255),
    line=st.none() | lines,
    flags=st.integers(0, 0xFFFF),
    speed=st.integers(0, 2**32 - 1),
    uncertainty=st.none() | st.integers(0, 2**32 - 2),
    duration=st.integers(0, 2**64 - 1),
    parity_errors=positions,
    framing_errors=positions,
    pauses_us=st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1)), max_size=20).map(tuple),
    event=st.text(max_size=100),
)


@given(any_record)
def test_round_trip(record: Record) -> None:
    data = encode(record)
    assert decode(data, record.time) == record
    assert int.from_bytes(data[4:8], "big") % 4 == 0
    assert data.endswith(record.octets)


def test_round_trip_of_the_longest_record() -> None:
    every = tuple(range(MAX_OCTETS))
    record = Record(
        1,
        bytes(MAX_OCTETS),
        parity_errors=every,
        framing_errors=every[::-1],
        pauses_us=tuple((position, position * 3) for position in every),
    )
    assert decode(encode(record), 1) == record


def test_too_many_octets() -> None:
    with pytest.raises(RecordError, match="65535"):
        encode(Record(0, bytes(MAX_OCTETS + 1)))


def test_what_cannot_be_stated_exactly() -> None:
    assert decode(encode(Record(0, uncertainty=2**40)), 0).uncertainty is None
    assert decode(encode(Record(0, pauses_us=((0, 2**40),))), 0).pauses_us == ((0, 2**32 - 1),)
    # An option holds 65535 octets, so the text is cut after a whole character.
    assert decode(encode(Record(0, event="é" * 40000)), 0).event == "é" * 32767
    assert decode(encode(Record(0, event="a\udc80b")), 0).event == "a?b"


def test_an_event_that_is_no_utf_8_keeps_its_octets() -> None:
    damaged = encode(Record(0, event="mark z")).replace(b"z", b"\xff")
    assert decode(damaged, 0).event.encode(errors="surrogateescape") == b"mark \xff"


def test_octets_as_received() -> None:
    """On a line with parity, bit 7 as received is the correct parity of the octet, inverted at the positions of
    errors."""
    received = bytes([0x81, 0x82, 0x03, 0x84])  # even parity: 01 -> 81, 02 -> 82, 03 -> 03; 04 should be 84
    received = received[:3] + bytes([received[3] ^ 0x80])
    record = decode(encode(Record(0, bytes(octet & 0x7F for octet in received), parity_errors=(3,))), 0)
    restored = bytes(
        octet | ((octet.bit_count() & 1) ^ (position in record.parity_errors)) << 7
        for position, octet in enumerate(record.octets)
    )
    assert restored == received


def test_later_versions_may_add() -> None:
    """Unknown options, unknown flags and the reserved field are ignored."""
    data = bytes.fromhex(
        "5654 01 00 00000030 00 00 00 00 8000 ffff 00000000 ffffffff 0000000000000000"
        "7777 0003 aabbcc 00"
        "0001 0002 0005 ffff"
        "41"
    )
    assert decode(data, 9) == Record(9, b"A", flags=0x8000, parity_errors=(5,))


def test_options_may_repeat() -> None:
    data = bytes.fromhex(
        "5654 01 00 00000030 00 00 00 00 0000 0000 00000000 ffffffff 0000000000000000"
        "0001 0002 0005 0000"
        "0001 0002 0006 0000"
    )
    assert decode(data, 9).parity_errors == (5, 6)


FULL = bytes.fromhex(
    "5654 01 02 00000028 02 00 00 82 0000 0000 00002580 ffffffff 0000000000000001 0004 0003 616263 00 0102"
)


@pytest.mark.parametrize("length", range(len(FULL)))
def test_every_prefix(length: int) -> None:
    if length >= 40:
        assert decode(FULL[:length], 0).octets == FULL[40:length]
        return
    with pytest.raises(ForeignRecord if length < 2 else RecordError):
        decode(FULL[:length], 0)


DAMAGE = [
    ("version 2", 2, "02"),
    ("kind 3", 3, "03"),
    ("header length", 4, "00000027"),
    ("header length", 4, "0000001c"),
    ("header length", 4, "0000002c"),
    ("header length", 4, "ffffffe0"),
    ("runs over", 34, "0005"),
]


@pytest.mark.parametrize(("message", "at", "octets"), DAMAGE)
def test_damage(message: str, at: int, octets: str) -> None:
    value = bytes.fromhex(octets)
    with pytest.raises(RecordError, match=message):
        decode(FULL[:at] + value + FULL[at + len(value) :], 0)


@pytest.mark.parametrize("data", [b"", b"V", b"TV" + bytes(40), b"\x45\x00" + bytes(40)])
def test_foreign(data: bytes) -> None:
    with pytest.raises(ForeignRecord, match="magic"):
        decode(data, 0)


@given(st.binary(max_size=80), st.integers(0, 80))
def test_garbage_raises_nothing_else(tail: bytes, length: int) -> None:
    data = b"VT\x01\x00" + length.to_bytes(4, "big") + tail
    try:
        record = decode(data, 0)
    except RecordError:
        return
    assert data.endswith(record.octets)


@pytest.mark.parametrize(
    "record",
    [
        Record(0, link=256),
        Record(0, tap=-1),
        Record(0, speed=1 << 32),
        Record(0, duration=-1),
        Record(0, b"x", parity_errors=(1 << 16,)),
        Record(0, b"x", pauses_us=((1 << 16, 1),)),
    ],
)
def test_numbers_without_room_are_refused(record: Record) -> None:
    with pytest.raises(RecordError, match="has no room"):
        encode(record)
