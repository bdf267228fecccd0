"""pcapng in detail: octets written by hand from the draft, and features that only other writers use."""

import io
import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.pcap import Interface, Line, Packet, Record, Sender, TraceError, create_trace, open_capture
from vtctap.pcap.pcapng_writer import PcapngWriter
from vtctap.pcap.streams import Output

GOLDEN = """
    0a0d0d0a 30000000 4d3c2b1a 0100 0000 ffffffffffffffff
        0400 0c00 767463746170 20 302e312e30
        0000 0000
    30000000

    01000000 48000000 9300 0000 00000000
        0200 0600 636c69656e74 0000
        0300 0400 77697265
        0800 0800 8025000000000000
        0900 0100 09 000000
        0f00 0300 757362 00
        0000 0000
    48000000

    06000000 58000000 00000000 fe9c9717 15cd853d 21000000 21000000
        5654 01 00 00000020 01 00 00 72 0001 0000 00002580 ffffffff 0000000000000000  06  000000
        0200 0400 01000080
        0100 0200 6f6b 0000
        0000 0000
    58000000

    05000000 4c000000 00000000 fe9c9717 15cd853d
        0200 0800 fe9c9717 15cd853d
        0300 0800 fe9c9717 15cd853d
        0400 0800 0100000000000000
        0500 0800 0700000000000000
        0000 0000
    4c000000
"""
"""One tap and one record: an ACK with a wrong parity bit from the client, at 1 700 000 000.123 456 789 s; seven
drops."""


def test_golden() -> None:
    target = io.BytesIO()
    tap = Interface(147, "client", "wire", "usb", 9600)
    writer = create_trace(target, application="vtctap 0.1.0", taps=[tap])
    record = Record(1_700_000_000_123_456_789, b"\x06", sender=Sender.CLIENT, line=Line(7, "E", 1), flags=1, speed=9600)
    writer.write(record, "ok")
    writer.close({0: 7})
    assert target.getvalue().hex(" ", 4) == bytes.fromhex(GOLDEN).hex(" ", 4)


def test_section_options() -> None:
    target = io.BytesIO()
    PcapngWriter(Output(target), hardware="armv7", system="Linux")
    assert target.getvalue() == bytes.fromhex(
        "0a0d0d0a 38000000 4d3c2b1a 0100 0000 ffffffffffffffff"
        "0200 0500 61726d7637 000000  0300 0500 4c696e7578 000000  0000 0000 38000000"
    )


def test_statistics() -> None:
    """Each tap has its own statistics. They state the least and the greatest time, not the first and the last. A tap
    without records has no times, and unknown drops are left out."""
    target = io.BytesIO()
    writer = create_trace(target, taps=[Interface(147), Interface(147)])
    for time in (5, 3, 9, 7):
        writer.write(Record(time))
    size = writer.size
    writer.close()
    assert target.getvalue()[size:] == bytes.fromhex(
        "05000000 40000000 00000000 00000000 09000000"
        "0200 0800 00000000 03000000  0300 0800 00000000 09000000  0400 0800 0400000000000000  0000 0000 40000000"
        "05000000 28000000 01000000 00000000 09000000  0400 0800 0000000000000000  0000 0000 28000000"
    )


class Blocks:
    """Builds pcapng files in either byte order, without the code under test."""

    def __init__(self, sign: str) -> None:
        self.sign = sign

    def pack(self, layout: str, *values: object) -> bytes:
        return struct.pack(self.sign + layout, *values)

    def options(self, options: Iterable[tuple[int, bytes]], end: bool = True) -> bytes:
        octets = b"".join(self.pack("HH", code, len(v)) + v + bytes(-len(v) % 4) for code, v in options)
        return octets + (self.pack("HH", 0, 0) if octets and end else b"")

    def block(self, kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return self.pack("II", kind, len(body) + 12) + body + self.pack("I", len(body) + 12)

    def section(self, major: int = 1, options: Iterable[tuple[int, bytes]] = (), length: int = -1) -> bytes:
        return self.block(0x0A0D0D0A, self.pack("IHHq", 0x1A2B3C4D, major, 0, length) + self.options(options))

    def interface(self, linktype: int = 147, snaplen: int = 0, options: Iterable[tuple[int, bytes]] = ()) -> bytes:
        return self.block(1, self.pack("HHI", linktype, 0, snaplen) + self.options(options))

    def packet(
        self,
        ticks: int,
        data: bytes,
        number: int = 0,
        options: Iterable[tuple[int, bytes]] = (),
        original: int | None = None,
        end: bool = True,
    ) -> bytes:
        head = self.pack("IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), original or len(data))
        return self.block(6, head + data + bytes(-len(data) % 4) + self.options(options, end))

    def simple(self, data: bytes, original: int) -> bytes:
        return self.block(3, self.pack("I", original) + data)

    def obsolete(self, ticks: int, data: bytes, number: int = 0, options: Iterable[tuple[int, bytes]] = ()) -> bytes:
        head = self.pack("HHIIII", number, 3, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
        return self.block(2, head + data + bytes(-len(data) % 4) + self.options(options))


@pytest.fixture(params=["<", ">"], ids=["little-endian", "big-endian"])
def blocks(request: pytest.FixtureRequest) -> Blocks:
    return Blocks(request.param)


def read(octets: bytes) -> list[Packet]:
    reader = open_capture(io.BytesIO(octets))
    packets = list(reader)
    assert reader.cut is None
    return packets


def test_both_byte_orders(blocks: Blocks) -> None:
    options = [(2, b"eth0"), (3, b"wire"), (8, blocks.pack("Q", 10**10)), (9, b"\x09"), (15, "Gerät".encode())]
    octets = blocks.section(options=[(4, b"somebody")]) + blocks.interface(1, 96, options)
    octets += blocks.packet(2**63 + 5, b"abcde", options=[(2, blocks.pack("I", 0x80000001))], original=77)
    octets += blocks.packet(2**32, b"abcd")
    reader = open_capture(io.BytesIO(octets))
    assert list(reader) == [
        Packet(2**63 + 5, b"abcde", 1, 0, 77, (), 0x80000001),
        Packet(2**32, b"abcd", 1, 0, 4),
    ]
    assert reader.interfaces == [Interface(1, "eth0", "wire", "Gerät", 10**10, 96)]


def test_packet_options(blocks: Blocks) -> None:
    flags = (2, blocks.pack("I", 6))
    comment, other = (1, b"first"), (1, "zweiter ü".encode())
    hash_option, drops, bad = (3, b"\x02abcd"), (4, bytes(8)), (1, b"\xff")
    table = [
        ([], (), 0),
        ([flags], (), 6),
        ([comment], ("first",), 0),
        ([(1, b"four")], ("four",), 0),  # as long as a flags option
        ([comment, flags, other], ("first", "zweiter ü"), 6),
        ([hash_option, drops, flags], (), 6),
        ([bad], ("�",), 0),
        ([(2, b"\1\2")], (), 0),  # of the wrong length
        ([(0x8004, b"x"), flags], (), 6),
    ]
    octets = blocks.section() + blocks.interface(options=[(9, b"\x09")])
    for options, _, _ in table:
        octets += blocks.packet(1, b"data", options=options) + blocks.packet(2, b"d", options=options, end=False)
    expected = [
        Packet(time, data, 147, 0, len(data), comments, flags)
        for _, comments, flags in table
        for time, data in ((1, b"data"), (2, b"d"))
    ]
    assert read(octets) == expected


RESOLUTIONS = [
    # if_tsresol (None: absent, so microseconds), if_tsoffset, ticks, ns
    (None, None, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
    (6, None, 1, 1_000),
    (9, None, 2**64 - 1, 2**64 - 1),
    (3, None, 1_700_000_000_123, 1_700_000_000_123_000_000),
    (0, None, 1_700_000_000, 1_700_000_000_000_000_000),
    (12, None, 1_999, 1),
    (12, None, 1_700_000_000_123_456_789, 1_700_000_000_123_456),
    (0x80 | 10, None, 1024 + 512, 1_500_000_000),
    (0x80 | 30, None, 1 << 30, 1_000_000_000),
    (0x80, None, 7, 7_000_000_000),
    (0x80 | 32, None, (7 << 32) + 1, 7_000_000_000),
    (9, 1_700_000_000, 123_456_789, 1_700_000_000_123_456_789),
    (9, -1, 5, -999_999_995),
    (6, 3600, 1, 3_600_000_001_000),
]


@pytest.mark.parametrize("kind", ["packet", "obsolete"])
@pytest.mark.parametrize(("resolution", "offset", "ticks", "time"), RESOLUTIONS)
def test_resolution(
    blocks: Blocks, kind: str, resolution: int | None, offset: int | None, ticks: int, time: int
) -> None:
    options = [] if resolution is None else [(9, bytes([resolution]))]
    if offset is not None:
        options.append((14, blocks.pack("q", offset)))
    octets = blocks.section() + blocks.interface(options=options)
    assert read(octets + getattr(blocks, kind)(ticks, b"x")) == [Packet(time, b"x", 147, 0, 1)]


def test_several_interfaces(blocks: Blocks) -> None:
    """Each interface has its own link type and resolution, and may be described between the packets."""
    octets = blocks.section() + blocks.interface(1) + blocks.packet(1, b"a")
    octets += blocks.interface(147, options=[(9, b"\x09")])
    octets += blocks.packet(2, b"b", 1) + blocks.packet(3, b"c", 0)
    assert read(octets) == [
        Packet(1000, b"a", 1, 0, 1),
        Packet(2, b"b", 147, 1, 1),
        Packet(3000, b"c", 1, 0, 1),
    ]


def test_several_sections() -> None:
    """A section describes its interfaces anew, and may have the other byte order. Interfaces are numbered through the
    whole file."""
    little, big = Blocks("<"), Blocks(">")
    nano = [(9, b"\x09")]
    octets = little.section() + little.interface(147, options=nano) + little.packet(1, b"a")
    octets += big.section(length=1234) + big.interface(148, options=nano) + big.interface(149, options=nano)
    octets += big.packet(2, b"b", 0) + big.packet(3, b"c", 1)
    octets += little.section() + little.section() + little.interface(150, options=nano) + little.packet(4, b"d")
    assert read(octets) == [
        Packet(1, b"a", 147, 0, 1),
        Packet(2, b"b", 148, 1, 1),
        Packet(3, b"c", 149, 2, 1),
        Packet(4, b"d", 150, 3, 1),
    ]
    assert [len(read(octets[: len(little.section())])), len(octets) % 4] == [0, 0]


def test_simple_packets(blocks: Blocks) -> None:
    """Simple packets have no time, belong to the first interface, and are cut to its snapshot length."""
    octets = blocks.section() + blocks.interface(147, 6) + blocks.interface(1)
    octets += blocks.simple(b"abcde", 5) + blocks.simple(b"abcdef", 100)
    assert read(octets) == [Packet(0, b"abcde", 147, 0, 5), Packet(0, b"abcdef", 147, 0, 100)]


def test_obsolete_packets(blocks: Blocks) -> None:
    octets = blocks.section() + blocks.interface(options=[(9, b"\x09")])
    octets += blocks.obsolete(2**40 + 1, b"abc", options=[(2, blocks.pack("I", 2)), (1, b"note")])
    assert read(octets) == [Packet(2**40 + 1, b"abc", 147, 0, 3, ("note",), 2)]


def test_other_blocks_are_passed_over(blocks: Blocks) -> None:
    octets = blocks.section() + blocks.block(4, blocks.pack("HH", 0, 0)) + blocks.interface(options=[(9, b"\x09")])
    octets += blocks.block(5, bytes(12)) + blocks.block(10, bytes(20)) + blocks.block(0xBAD, b"")
    octets += blocks.packet(1, b"a") + blocks.block(0x80000001, b"Apple") + blocks.block(0x40000BAD, bytes(70000))
    octets += blocks.packet(2, b"b") + blocks.block(5, bytes(12))
    assert [packet.time for packet in read(octets)] == [1, 2]


def test_interface_options_of_odd_lengths(blocks: Blocks) -> None:
    """Options of a wrong length are skipped, as are unknown options."""
    options = [(8, b"\1"), (9, b"\6\6"), (14, b"\1\2"), (11, b"\0filter"), (12, b"Linux"), (2, b"\xffname")]
    octets = blocks.section() + blocks.interface(options=options) + blocks.packet(1, b"a")
    reader = open_capture(io.BytesIO(octets))
    assert [packet.time for packet in reader] == [1000]
    assert reader.interfaces == [Interface(147, "�name", resolution=6)]


def damaged(octets: bytes) -> tuple[list[int], str]:
    """Returns the times of the packets before and after the damage, and the error."""
    reader = open_capture(io.BytesIO(octets))
    times = []
    with pytest.raises(TraceError) as first:  # noqa: PT012
        for packet in reader:
            times.append(packet.time)
    return times + [item.time for item in reader.items() if isinstance(item, Packet)], str(first.value)


def test_damage_in_the_middle(blocks: Blocks) -> None:
    start = blocks.section() + blocks.interface(options=[(9, b"\x09")]) + blocks.packet(1, b"good")
    rest = blocks.packet(2, b"reachable")
    epb = blocks.packet(7, b"data", options=[(2, bytes(4))])
    huge = blocks.pack("I", 0x7FFFFFFF)
    comment = blocks.packet(7, b"data", options=[(1, b"comment")])
    at = comment.index(b"comment") - 2
    table = [
        (blocks.pack("III", 6, 0, 0), "a block of 0 octets"),
        (bytes(512), "a block of 0 octets"),
        (blocks.pack("III", 6, 8, 0), "a block of 8 octets"),
        (blocks.pack("III", 6, 33, 0), "a block of 33 octets"),
        (blocks.pack("III", 6, (1 << 24) + 4, 0), "a block of 16777220 octets"),
        (epb[:-4] + blocks.pack("I", 36), "48 octets long by its beginning, 36 by its end"),
        (blocks.block(5, bytes(12))[:-4] + huge, "24 octets long by its beginning"),
        (epb[:20] + huge + epb[24:], "a packet of 2147483647 octets in a block of 48"),
        (epb[:20] + blocks.pack("I", 17) + epb[24:], "a packet of 17 octets in a block of 48"),
        (blocks.block(6, bytes(16)), "a block of type 6 cannot have only 28 octets"),
        (blocks.block(1, bytes(4)), "a block of type 1 cannot have only 16 octets"),
        (blocks.block(2, bytes(16)), "a block of type 2 cannot have only 28 octets"),
        (blocks.block(3, b""), "a block of type 3 cannot have only 12 octets"),
        (blocks.packet(7, b"data", 1), "interface 1 has not been described"),
        (blocks.obsolete(7, b"data", 9), "interface 9 has not been described"),
        (blocks.simple(b"abcd", 5), "a packet of 5 octets in a block of 20"),
        (comment[:at] + blocks.pack("H", 99) + comment[at + 2 :], "option 1 of 99 octets runs over"),
        (blocks.section(major=2), "version 2.0 of pcapng"),
        (blocks.section().replace(blocks.pack("I", 0x1A2B3C4D), b"nope"), "byte-order magic"),
        (blocks.block(0x0A0D0D0A, blocks.pack("IHHI", 0x1A2B3C4D, 1, 0, 0)), "cannot have only 24 octets"),
    ]
    for damage, message in table:
        times, error = damaged(start + damage + rest)
        assert times == ([1, 2] if "section" not in message and "version" not in message else [1]), message
        assert message in error
        assert f"damaged at offset {len(start)}, {len(damage)} octets skipped:" in error


def test_simple_packet_without_interface(blocks: Blocks) -> None:
    assert "before any interface" in damaged(blocks.section() + blocks.simple(b"a", 1))[1]


def test_interfaces_end_with_their_section(blocks: Blocks) -> None:
    octets = blocks.section() + blocks.interface() + blocks.section() + blocks.packet(1, b"a")
    assert "interface 0 has not been described" in damaged(octets)[1]


@given(st.binary(max_size=200), st.integers(0, 150))
def test_garbage_raises_nothing_else(garbage: bytes, at: int) -> None:
    """If octets of a file are overwritten, reading it gives packets or one kind of error."""
    blocks = Blocks("<")
    octets = blocks.section() + blocks.interface() + blocks.packet(1, b"a") * 3 + blocks.simple(b"a", 1)
    octets = octets[:4] + octets[4:][:at] + garbage + octets[4 + at + len(garbage) :]
    try:
        list(open_capture(io.BytesIO(octets)))
    except TraceError as error:
        assert "damaged at offset" in str(error)  # noqa: PT017
