"""Reading after damage: the records that are found, the reports on what is lost, and the cost."""

import errno
import io
import struct
from collections.abc import Sequence
from dataclasses import replace

import pytest
from flips import failing, flipped, outcome, session, written
from hypothesis import given
from hypothesis import strategies as st

from vtctap.pcap import Interface, Packet, Record, Sender, Skipped, TraceError, create_trace, open_capture, open_trace
from vtctap.pcap.capture_file import Parser
from vtctap.pcap.record import Kind, encode
from vtctap.pcap.recovery import Recovering
from vtctap.pcap.streams import Input
from vtctap.pcap.trace import TraceReader

SESSION = session()
FORMATS = {suffix: written(SESSION, suffix) for suffix in (".pcapng", ".pcap")}


def blocks(suffix: str) -> list[tuple[int, int]]:
    """Returns the begin and end of each packet of :data:`SESSION`, found without the code under test."""
    octets, found, at = FORMATS[suffix], [], 24 if suffix == ".pcap" else 0
    while at < len(octets):
        kind, length = struct.unpack_from("<II", octets, at)
        if suffix == ".pcap":
            length = 16 + struct.unpack_from("<I", octets, at + 8)[0]
        if suffix == ".pcap" or kind == 6:
            found.append((at, at + length))
        at += length
    assert len(found) == len(SESSION)
    return found


def items_of(octets: bytes) -> tuple[list[Record], list[Skipped]]:
    reader = open_trace(io.BytesIO(octets))
    items = [*reader.items(), *reader.torn()]
    return [each for each in items if isinstance(each, Record)], [each for each in items if isinstance(each, Skipped)]


@pytest.fixture(params=list(FORMATS))
def suffix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_undamaged_trace_is_whole(suffix: str) -> None:
    assert items_of(FORMATS[suffix]) == (SESSION, [])


def test_a_sample_of_all_single_flips(suffix: str) -> None:
    """Every missing record is reported. `make flips` inverts every bit."""
    octets, usual = FORMATS[suffix], failing(SESSION)
    for bit in range(0, 8 * len(octets), 503):
        (file,) = flipped(octets, [bit])
        became, said = outcome(file, SESSION, usual)
        assert became < 2 or said, f"bit {bit}"


@pytest.mark.parametrize("damage", ["zeros", "ones", "cut out", "put in", "length", "size", "half"])
def test_each_packet_damaged_in_turn(suffix: str, damage: str) -> None:
    """All other packets are read, and the damaged one is reported with its place."""
    octets = FORMATS[suffix]
    for number, (begin, end) in enumerate(blocks(suffix)):
        at, value = {".pcapng": (begin + 4, 0x1000), ".pcap": (begin + 8, 0x1000)}[suffix]
        size_at = begin + (20 if suffix == ".pcapng" else 8)
        changed = {
            "zeros": octets[:begin] + bytes(end - begin) + octets[end:],
            "ones": octets[:begin] + b"\xff" * (end - begin) + octets[end:],
            "cut out": octets[: begin + 5] + octets[end - 3 :],
            "put in": octets[: begin + 5] + b"garbage" + octets[begin + 5 :],
            "length": octets[:at] + struct.pack("<I", value) + octets[at + 4 :],
            "size": octets[:size_at] + struct.pack("<I", 0x7FFFFFFF) + octets[size_at + 4 :],
            "half": octets[: begin + 33] + octets[end:],
        }[damage]
        read, skipped = items_of(changed)
        others = SESSION[:number] + SESSION[number + 1 :]
        assert read == others or [record for record in read if record in others] == others, number
        assert begin <= skipped[0].offset <= end, number
        assert skipped[0].octets, number


@given(st.data())
def test_octets_overwritten_anywhere(data: st.DataObject) -> None:
    """Every packet that the damage does not touch is read, and every lost one is reported."""
    suffix = data.draw(st.sampled_from(sorted(FORMATS)))
    octets, places = FORMATS[suffix], blocks(suffix)
    at = data.draw(st.integers(places[0][0], len(octets) - 1))
    garbage = data.draw(st.binary(min_size=1, max_size=300))
    changed = octets[:at] + garbage + octets[at + len(garbage) :]
    read, skipped = items_of(changed)
    untouched = [
        record for record, (begin, end) in zip(SESSION, places, strict=True) if end <= at or at + len(garbage) <= begin
    ]
    assert [record for record in read if record in untouched] == untouched
    assert len(read) >= len(SESSION) or skipped


def test_positions_and_octets_cover_the_file_in_order(suffix: str) -> None:
    (begin, _), (_, end) = blocks(suffix)[10], blocks(suffix)[12]
    octets = FORMATS[suffix]
    _, skipped = items_of(octets[:begin] + bytes(end - begin) + octets[end:])
    assert (skipped[0].offset, skipped[0].octets) == (begin, end - begin)


@pytest.mark.parametrize("chunk", range(1, 80))
def test_the_size_of_the_reads_changes_nothing(chunk: int, suffix: str) -> None:
    """A block is found after damage wherever a read ends."""
    octets = bytearray(FORMATS[suffix])
    begin, end = blocks(suffix)[4]
    octets[begin:end] = b"\x55" * (end - begin)
    reader = TraceReader(io.BytesIO(octets), chunk=chunk)
    items = [*reader.items(), *reader.torn()]
    assert [item for item in items if isinstance(item, Record)] == SESSION[:4] + SESSION[5:]
    (skipped,) = (item for item in items if isinstance(item, Skipped) and item.octets)
    assert (skipped.offset, skipped.octets) == (begin, end - begin)


def test_a_trace_that_grows_is_not_damaged(suffix: str) -> None:
    """A block that is only partly written is no damage, wherever it ends."""
    begin, end = blocks(suffix)[5]

    class Growing(io.RawIOBase):
        rest = FORMATS[suffix][: begin + 1]

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            octets, self.rest = self.rest, b""
            return octets

    file = Growing()
    reader = open_trace(file)
    assert list(reader.items()) == SESSION[:5]
    for at in range(begin + 1, end):
        file.rest = FORMATS[suffix][at : at + 1]
        expected = SESSION[5:6] if at == end - 1 else []
        assert list(reader.items()) == expected, at


def test_the_search_takes_linear_time(monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    """The test counts the places tried and the octets moved, on damage that looks like an endless series of blocks."""
    begin, _ = blocks(suffix)[5]
    like = {
        ".pcapng": struct.pack("<IIIIIII", 6, 0x80000, 0, 0, 0, 9, 9),
        ".pcap": struct.pack("<IIII", 1, 1, 0x80000, 0x80000) + b"VT\1\0",
    }[suffix]
    tried: list[int] = []
    fits = type(open_capture(io.BytesIO(FORMATS[suffix]))._parser).fits  # type: ignore[union-attr]

    def counted(self: Parser, at: int, end: int) -> bool | None:
        tried[-1] += 1
        return fits(self, at, end)

    kind = type(open_capture(io.BytesIO(FORMATS[suffix]))._parser)
    monkeypatch.setattr(kind, "fits", counted)
    for size in (1 << 16, 1 << 17, 1 << 18):
        tried.append(0)
        _, skipped = items_of(FORMATS[suffix][:begin] + like * (size // len(like)) + FORMATS[suffix][begin:])
        assert skipped
    assert tried[2] < 2.2 * tried[1] < 4.9 * tried[0]


def test_the_search_holds_little(suffix: str) -> None:
    """If the damage looks like no block, the buffer holds one chunk."""

    left = [FORMATS[suffix], *[b"\xaa" * (1 << 18)] * 40, b"\0"]
    most = 0

    class Long(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            nonlocal most
            most = max(most, len(source.buffer) if 0 < len(left) < 41 else 0)
            return left.pop(0) if left else b""

    file = Long()
    reader = open_capture(file)
    source = reader._input
    assert isinstance(source, Input)
    assert isinstance(reader._recovering, Recovering)
    assert sum(isinstance(item, Skipped) for item in reader.items()) == 1
    assert most <= (1 << 18) + 64


# The facts that a section, an interface or a statistics block states.


def test_iterating_raises_and_goes_on() -> None:
    begin, end = blocks(".pcapng")[3]
    octets = FORMATS[".pcapng"]
    reader = open_trace(io.BytesIO(octets[:begin] + bytes(end - begin) + octets[end:]))
    read = []
    errors = []
    while True:
        try:
            read += list(iter(reader)) if not read else reader
            break
        except TraceError as error:
            errors.append(str(error))
            read = read or SESSION[:3]
    assert read == SESSION[:3] + SESSION[4:]
    assert errors[0] == f"standard input is damaged at offset {begin}, {end - begin} octets skipped: " + (
        "a block of 0 octets is impossible"
    )
    assert "interface" in errors[1]


@pytest.mark.parametrize("which", [0, 1])
def test_an_interface_whose_description_is_lost(which: int) -> None:
    """Its packets are read as this package writes them, with one report."""
    octets = bytearray(FORMATS[".pcapng"])
    at = octets.index(struct.pack("<I", 1), 28)
    for _ in range(which):
        at += struct.unpack_from("<I", octets, at + 4)[0]
    octets[at] = 0x77
    read, skipped = items_of(bytes(octets))
    assert read == SESSION
    assert any("has not been described" in each.reason for each in skipped)


def test_a_record_that_is_missing_is_said_by_the_statistics() -> None:
    begin, end = blocks(".pcapng")[7]
    read, skipped = items_of(FORMATS[".pcapng"][:begin] + FORMATS[".pcapng"][end:])
    assert read == SESSION[:7] + SESSION[8:]
    assert any("by its statistics" in each.reason for each in skipped)


def test_what_is_missing_is_said_by_the_closed_event() -> None:
    """Classic pcap has no statistics."""
    number = next(number for number, record in enumerate(SESSION) if record.octets)
    begin, end = blocks(".pcap")[number]
    read, (skipped,) = items_of(FORMATS[".pcap"][:begin] + FORMATS[".pcap"][end:])
    assert len(read) == len(SESSION) - 1
    assert "octets until it was closed" in skipped.reason


def test_records_left_out_on_purpose_are_not_missing() -> None:
    """A trace that was written with only some records has statistics that agree with it."""
    target = io.BytesIO()
    with create_trace(target) as writer:
        for record in SESSION[:10] + SESSION[20:]:
            writer.write(record)
    assert items_of(target.getvalue())[1] == []


def test_a_file_without_a_record_is_refused() -> None:
    octets = FORMATS[".pcapng"]
    begin, end = blocks(".pcapng")[0][0], blocks(".pcapng")[-1][1]
    with pytest.raises(TraceError):
        list(open_trace(io.BytesIO(octets[:begin] + b"\x11" * (end - begin))).items())


def joined(first: Sequence[Record], second: Sequence[Record], names: Sequence[str]) -> bytes:
    """Returns two traces joined as mergecap joins them: their interfaces in order, and their packets unchanged."""
    from vtctap.pcap.pcapng_writer import PcapngWriter
    from vtctap.pcap.streams import Output

    target = io.BytesIO()
    writer = PcapngWriter(Output(target), application="Mergecap")
    for name in names:
        writer.add_interface(Interface(147, name))
    for base, records in ((0, first), (2, second)):
        for record in records:
            data = encode(record)
            writer.write(Packet(record.time, data, 147, base + record.tap, len(data)))
    writer.close()
    return target.getvalue()


def test_links_of_sections_in_a_row_stay_apart() -> None:
    """Links are the same only if the sections begin with the same tap, as in two captures of one link."""
    other = io.BytesIO()
    with create_trace(other, taps=[Interface(147, "another")]) as writer:
        for record in SESSION[:3]:
            writer.write(replace(record, tap=0))
    read, skipped = items_of(FORMATS[".pcapng"] + other.getvalue() + FORMATS[".pcapng"])
    assert not skipped
    assert [record.link for record in read] == [0] * len(SESSION) + [1] * 3 + [0] * len(SESSION)


def test_links_of_joined_traces_stay_apart() -> None:
    one = [Record(1, b"/?!\r\n", Kind.FRAME, Sender.CLIENT), Record(2, b"\x06", Kind.FRAME, Sender.SERVER, tap=1)]
    two = [*one, Record(3, b"\x06", Kind.FRAME, Sender.CLIENT, link=1)]
    read, skipped = items_of(joined(one, two, ["a", "b", "c", "d"]))
    assert not skipped
    assert [record.link for record in read] == [0, 0, 1, 1, 2]
    assert [record.octets for record in read] == [record.octets for record in one + two]


class Failing(io.BytesIO):
    """A file of which only the first ``good`` octets can be read, as on a bad disk."""

    name = "t.pcapng"
    good = 0

    def read1(self, size: int | None = -1) -> bytes:
        if self.tell() >= self.good:
            raise OSError(errno.EIO, "Input/output error")
        return super().read1(self.good - self.tell())


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_that_cannot_be_read_further_gives_what_was_read(suffix: str) -> None:
    ends = [end for _, end in blocks(suffix)]
    file = Failing(FORMATS[suffix])
    file.good = ends[2] + 5
    *records, incomplete = open_trace(file).items()
    assert records == items_of(FORMATS[suffix])[0][:3]
    assert str(incomplete).endswith("t.pcapng cannot be read further: Input/output error")
    file = Failing(FORMATS[suffix])
    with pytest.raises(TraceError, match=r"^t\.pcapng cannot be read further: Input/output error$"):
        open_trace(file)
