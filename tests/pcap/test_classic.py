"""Classic pcap in detail: octets written by hand from the draft, and files of other writers."""

import io
import struct

import pytest

from vtctap.pcap import Interface, Packet, Record, TraceError, TraceWriter, open_capture, open_trace
from vtctap.pcap.classic import PcapWriter
from vtctap.pcap.streams import Output

GOLDEN = """
    4d3cb2a1 0200 0400 00000000 00000000 00000400 93000000
    00f15365 15cd5b07 21000000 21000000
        5654 01 00 00000020 00 00 00 00 0000 0000 00000000 ffffffff 0000000000000000  06
"""


def test_golden() -> None:
    target = io.BytesIO()
    TraceWriter(PcapWriter(Output(target), linktype=147), 147).write(Record(1_700_000_000_123_456_789, b"\x06"))
    assert target.getvalue() == bytes.fromhex(GOLDEN)


VARIANTS = [
    ("microseconds, little-endian", "d4c3b2a1", "<", 1000, 6),
    ("microseconds, big-endian", "a1b2c3d4", ">", 1000, 6),
    ("nanoseconds, little-endian", "4d3cb2a1", "<", 1, 9),
    ("nanoseconds, big-endian", "a1b23c4d", ">", 1, 9),
]


@pytest.fixture(params=VARIANTS, ids=[variant[0] for variant in VARIANTS])
def variant(request: pytest.FixtureRequest) -> tuple[bytes, str, int, int]:
    _, magic, sign, unit, resolution = request.param
    return bytes.fromhex(magic), sign, unit, resolution


def test_variants(variant: tuple[bytes, str, int, int]) -> None:
    magic, sign, unit, resolution = variant
    octets = magic + struct.pack(sign + "HHiIII", 2, 4, 0, 0, 65535, 147)
    octets += struct.pack(sign + "IIII", 2**32 - 1, 999_999, 3, 3) + b"abc"
    octets += struct.pack(sign + "IIII", 0, 1, 0, 99)
    reader = open_capture(io.BytesIO(octets))
    assert list(reader) == [
        Packet((2**32 - 1) * 10**9 + 999_999 * unit, b"abc", 147, 0, 3),
        Packet(unit, b"", 147, 0, 99),
    ]
    assert reader.interfaces == [Interface(147, snaplen=65535, resolution=resolution)]
    assert reader.cut is None


def test_link_type_with_other_bits(variant: tuple[bytes, str, int, int]) -> None:
    """The upper half of the word describes frame check sequences and does not belong to the link type."""
    magic, sign, _, _ = variant
    data = bytes.fromhex("5654 01 00 00000020 00 00 00 00 0000 0000 00000000 ffffffff 0000000000000000 06")
    octets = magic + struct.pack(sign + "HHiIII", 2, 4, -3600, 7, 0, 0x24000093)
    octets += struct.pack(sign + "IIII", 1, 0, len(data), len(data)) + data
    assert list(open_trace(io.BytesIO(octets))) == [Record(10**9, b"\x06")]


def test_damage_in_the_middle(variant: tuple[bytes, str, int, int]) -> None:
    magic, sign, unit, _ = variant
    octets = magic + struct.pack(sign + "HHiIII", 2, 4, 0, 0, 65535, 147)
    octets += struct.pack(sign + "IIII", 0, 1, 3, 3) + b"abc"
    octets += struct.pack(sign + "IIII", 0, 2, (1 << 24) + 1, 3) + bytes(100)
    reader = open_capture(io.BytesIO(octets))
    times = []
    with pytest.raises(TraceError, match="damaged at offset 43, 116 octets skipped: a packet of 16777217 octets"):  # noqa: PT012
        for packet in reader:
            times.append(packet.time)
    assert times == [unit]
    assert list(reader) == []


def test_unknown_version(variant: tuple[bytes, str, int, int]) -> None:
    magic, sign, _, _ = variant
    octets = magic + struct.pack(sign + "HHiIII", 3, 0, 0, 0, 65535, 147)
    with pytest.raises(TraceError, match=r"version 3\.0"):
        list(open_capture(io.BytesIO(octets)))
