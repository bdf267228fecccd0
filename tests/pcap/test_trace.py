"""The contract of a trace: one class of tests that every format inherits."""

import errno
import io
import os
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment import PATIENCE
from vtctap.pcap import (
    FORMATS,
    Flag,
    ForeignTrace,
    Interface,
    Kind,
    NotATrace,
    Packet,
    Record,
    Sender,
    TraceError,
    TraceExists,
    TraceReader,
    TraceWriter,
    create_capture,
    create_trace,
    open_capture,
    open_trace,
)
from vtctap.pcap.record import encode
from vtctap.pcap.streams import Output

START = 1_700_000_000_123_456_789
CLIENT = Interface(147, "client", "tap on the client's wire", "USB adapter, latency 1 ms", 9600)
SERVER = Interface(147, "server")


def after_looks(number: int) -> Callable[[], bool]:
    """Returns what is false as often, and then true: it bounds how long a trace is followed."""
    left = iter(range(number))
    return lambda: next(left, None) is None


class TraceContract:
    """The tests that a trace in any format passes."""

    suffix: str
    last_time: ClassVar[int]

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / f"trace{self.suffix}"

    def writer(self, target: Any) -> TraceWriter:
        """Returns a writer of this format to any target."""
        return TraceWriter(FORMATS[self.suffix].writer(Output(target), 147, "vtctap test"), 147)

    def octets(self, records: list[Record]) -> tuple[bytes, list[int]]:
        """Returns a trace, and its size without records and after each record."""
        target = io.BytesIO()
        writer = self.writer(target)
        sizes = [writer.size]
        for tap in (CLIENT, SERVER):
            writer.add_tap(tap)
            sizes.append(writer.size)
        for record in records:
            writer.write(record)
            sizes.append(writer.size)
        assert writer.size == len(target.getvalue())
        return target.getvalue(), sizes

    def test_round_trip(self, path: Path, records: list[Record]) -> None:
        with create_trace(path, taps=[CLIENT, SERVER]) as writer:
            for record in records:
                writer.write(record)
        assert writer.size == path.stat().st_size
        with open_trace(path) as reader:
            assert list(reader) == records
            assert reader.cut is None
            assert reader.number == len(records)

    def test_path_as_text(self, path: Path, records: list[Record]) -> None:
        with create_trace(str(path)) as writer:
            writer.write(records[0])
        with open_trace(str(path)) as reader:
            assert list(reader) == records[:1]
            assert reader.name == str(path)

    def test_upper_case_suffix(self, path: Path) -> None:
        upper = path.with_suffix(self.suffix.upper())
        create_trace(upper).close()
        create_trace(path).close()
        assert upper.read_bytes() == path.read_bytes()

    def test_trace_without_records(self, path: Path) -> None:
        create_trace(path).close()
        with open_trace(path) as reader:
            assert list(reader) == []
            assert reader.cut is None
            assert reader.packet is None

    def test_empty_file(self, path: Path) -> None:
        path.touch()
        with open_trace(path) as reader:
            assert list(reader) == []
            assert reader.cut == f"{path} is empty"

    def test_order_is_kept(self, path: Path) -> None:
        """A record that waited for another tap's may be older than the records before it. Records are not sorted."""
        times = [START, START + 2, START - 10**9, START, START + 1]
        with create_trace(path) as writer:
            for time in times:
                writer.write(Record(time))
        with open_trace(path) as reader:
            assert [record.time for record in reader] == times

    def test_times_at_the_limits(self, path: Path) -> None:
        times = [0, 1, 999_999_999, 1_000_000_000, 2**32 * 10**9 - 1, self.last_time]
        with create_trace(path) as writer:
            for time in times:
                writer.write(Record(time))
        with open_trace(path) as reader:
            assert [record.time for record in reader] == times

    def test_times_beyond_the_limits(self, path: Path) -> None:
        with create_trace(path) as writer:
            writer.write(Record(START))
            size = writer.size
            for time in (-1, -(10**18), self.last_time + 1):
                with pytest.raises(TraceError, match=f"time of {time} ns"):
                    writer.write(Record(time))
            assert writer.size == size
            writer.write(Record(START + 1))
        with open_trace(path) as reader:
            assert [record.time for record in reader] == [START, START + 1]

    def test_longest_record(self, path: Path) -> None:
        record = Record(START, bytes(65535), pauses_us=tuple((position, 1) for position in range(65535)))
        with create_trace(path) as writer:
            writer.write(record)
            writer.write(Record(START))
        with open_trace(path) as reader:
            assert list(reader) == [record, Record(START)]

    def test_torn_at_every_octet(self, records: list[Record]) -> None:
        octets, sizes = self.octets(records)
        before_records = 3
        for length in range(len(octets) + 1):
            reader = open_trace(io.BytesIO(octets[:length]))
            whole = max(0, sum(size <= length for size in sizes) - before_records)
            assert list(reader) == records[:whole], length
            assert (reader.cut is None) == (length in sizes), length

    @pytest.mark.parametrize("step", [1, 13, 500])
    def test_offset_after_many_reads(self, step: int, records: list[Record], growing: Any) -> None:
        octets, sizes = self.octets(records)
        reader = open_trace(growing(octets[:-1], most=step))
        assert list(reader) == records[:-1]
        assert reader.cut is not None
        assert f"offset {sizes[-2]}" in reader.cut

    def test_torn_tail_that_grows_on(self, records: list[Record], growing: Any) -> None:
        octets, _ = self.octets(records)
        file = growing(octets[:-7])
        reader = open_trace(file)
        assert list(reader) == records[:-1]
        assert reader.cut is not None
        file.octets = octets
        assert next(iter(reader)) == records[-1]
        assert reader.cut is None

    def test_message_of_a_torn_tail(self, path: Path, records: list[Record]) -> None:
        octets, sizes = self.octets(records)
        path.write_bytes(octets[:-7])
        with open_trace(path) as reader:
            list(reader)
            assert reader.cut is not None
            assert str(path) in reader.cut
            assert f"offset {sizes[-2]}" in reader.cut

    def test_growing_octet_by_octet(self, records: list[Record], growing: Any) -> None:
        octets, sizes = self.octets(records)
        file = growing()
        reader = open_trace(file)
        read: list[Record] = []
        for length in range(1, len(octets) + 1):
            file.octets = octets[:length]
            read += reader
            assert len(read) == max(0, sum(size <= length for size in sizes) - 3)
            assert (reader.cut is None) == (length in sizes), length
        assert read == records

    @pytest.mark.parametrize("step", [1, 3, 7, 64, 1000])
    def test_small_reads(self, step: int, records: list[Record], growing: Any) -> None:
        octets, _ = self.octets(records)
        assert list(open_trace(growing(octets, most=step))) == records

    def test_growing_file_while_it_is_written(self, path: Path, records: list[Record]) -> None:
        with create_trace(path) as writer, open_trace(path) as reader:
            assert list(reader) == []
            for number, record in enumerate(records, 1):
                writer.write(record)
                assert list(reader) == [record]
                assert reader.number == number
            writer.close()
            assert list(reader) == []
            assert reader.cut is None

    def test_file_that_is_read_before_it_is_written(self, path: Path, records: list[Record]) -> None:
        path.touch()
        with open_trace(path) as reader:
            assert list(reader) == []
            assert reader.interfaces == []
            with create_trace(path, force=True) as writer:
                writer.write(records[1])
            assert list(reader) == [records[1]]

    def test_reading_goes_on_where_it_stopped(self, records: list[Record]) -> None:
        octets, _ = self.octets(records)
        reader = open_trace(io.BytesIO(octets))
        first = iter(reader)
        assert next(first) == records[0]
        assert next(iter(reader)) == records[1]
        assert next(first) == records[2]
        for record in reader:
            assert record == records[3]
            break
        assert list(reader) == records[4:]
        assert list(reader) == []

    @pytest.mark.parametrize("buffering", [0, -1])
    def test_pipe(self, buffering: int, records: list[Record]) -> None:
        """A record can be read as soon as it was written, not only when a buffer is full."""
        out, into = os.pipe()
        with open(out, "rb", buffering) as reading, open(into, "wb", buffering) as writing:
            read: list[Record] = []
            step = threading.Semaphore(0)

            def follow() -> None:
                for record in open_trace(reading):
                    read.append(record)
                    step.release()
                step.release()

            thread = threading.Thread(target=follow, daemon=True)
            thread.start()
            with self.writer(writing) as writer:
                for number, record in enumerate(records, 1):
                    writer.write(record)
                    assert step.acquire(timeout=PATIENCE)
                    assert read == records[:number]
            writing.close()
            assert step.acquire(timeout=PATIENCE)
            thread.join(20)
            assert read == records

    def test_follow(self, records: list[Record], tmp_path: Path) -> None:
        """Following a trace gives each record as soon as it is complete, and not earlier."""
        octets, _ = self.octets(records)
        path = tmp_path / f"growing{self.suffix}"
        path.write_bytes(octets[:-1])
        with open_trace(path) as reader:
            following = reader.follow(0.001)
            assert [next(following) for _ in records[1:]] == records[:-1]
            with path.open("ab") as growing:
                growing.write(octets[-1:])
            assert next(following) == records[-1]

    def test_follow_until_complete(self, records: list[Record], tmp_path: Path) -> None:
        """What was appended before the trace was complete is yielded."""
        octets, _ = self.octets(records)
        path = tmp_path / f"growing{self.suffix}"
        path.write_bytes(octets[:-1])

        def complete() -> bool:
            path.write_bytes(octets)
            return True

        with open_trace(path) as reader:
            assert list(reader.follow(60, complete)) == records

    @pytest.mark.parametrize("opened", [False, True])
    @pytest.mark.parametrize("more", [0, 1, 3])
    def test_follow_notices_that_the_trace_is_overwritten(
        self, records: list[Record], tmp_path: Path, more: int, opened: bool
    ) -> None:
        """The new trace is shorter, as long, or longer, and has the same taps."""
        octets, _ = self.octets(records)
        later = [replace(record, time=record.time + 1) for record in records]
        other, _ = self.octets(later[: len(records) // 2] if not more else later * more)
        path = tmp_path / f"growing{self.suffix}"
        path.write_bytes(octets)
        with path.open("rb") as file, open_trace(file if opened else path) as reader:
            following = reader.follow(0.001, after_looks(1000))
            assert [next(following) for _ in records] == records
            path.write_bytes(other)
            with pytest.raises(TraceError, match=r"growing\.pcapn?g? was overwritten while it was read: start again"):
                next(following)

    @pytest.mark.parametrize("more", [0, 1, 3])
    def test_a_trace_that_is_overwritten_while_it_is_read(self, records: list[Record], path: Path, more: int) -> None:
        """No record of the new trace follows those of the old one, also where nobody follows the trace."""
        octets, sizes = self.octets(records)
        path.write_bytes(octets)
        with TraceReader(path, chunk=sizes[-2]) as reader:
            assert next(reader.items()) == records[0]
            path.write_bytes(self.octets([replace(record, time=START) for record in records * more])[0])
            read: list[object] = []
            with pytest.raises(TraceError, match="was overwritten while it was read: start again"):
                read += reader.items()
            assert read == records[1:-1]

    @pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced there")
    def test_a_trace_that_is_replaced_while_it_is_read_is_read_to_its_end(
        self, records: list[Record], path: Path
    ) -> None:
        octets, sizes = self.octets(records)
        path.write_bytes(octets)
        with TraceReader(path, chunk=sizes[-2]) as reader:
            assert next(reader.items()) == records[0]
            path.unlink()
            path.write_bytes(octets)
            assert list(reader.items()) == records[1:]

    @pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced there")
    def test_follow_notices_that_another_file_has_the_name(self, records: list[Record], tmp_path: Path) -> None:
        octets, _ = self.octets(records)
        path = tmp_path / f"growing{self.suffix}"
        path.write_bytes(octets[:-1])
        with open_trace(path) as reader:
            following = reader.follow(0.001, after_looks(1000))
            assert [next(following) for _ in records[1:]] == records[:-1]
            path.rename(moved := tmp_path / "moved")
            with moved.open("ab") as growing:
                growing.write(octets[-1:])
            assert next(following) == records[-1]  # A moved trace is still that trace.
            path.write_bytes(octets)
            with pytest.raises(TraceError, match="was replaced while it was read: start again"):
                next(following)

    def test_closed_pipe(self, records: list[Record]) -> None:
        out, into = os.pipe()
        with open(into, "wb") as writing:
            writer = self.writer(writing)
            writer.write(records[0])
            os.close(out)
            with pytest.raises(BrokenPipeError):
                writer.write(records[1])
            writer.close()

    def test_each_block_is_one_write(self, records: list[Record], sink: Any) -> None:
        target = sink()
        writer = self.writer(target)
        writer.add_tap(CLIENT)
        writer.add_tap(SERVER)
        for record in records:
            calls = len(target.calls)
            writer.write(record)
            assert len(target.calls) == calls + 1
            assert writer.size == len(target.octets)

    @pytest.mark.parametrize("most", [1, 2, 13])
    def test_short_writes(self, most: int, records: list[Record], sink: Any) -> None:
        octets, _ = self.octets(records)
        target = sink(most)
        writer = self.writer(target)
        writer.add_tap(CLIENT)
        writer.add_tap(SERVER)
        for record in records:
            writer.write(record)
        assert target.octets == octets

    def test_full_disk(self, records: list[Record], sink: Any) -> None:
        """Wherever the disk is full, the error is raised and the file ends in an incomplete block, with nothing after
        it."""
        octets, sizes = self.octets(records)
        for room in range(sizes[2], len(octets)):
            target = sink(room=room, error=OSError(errno.ENOSPC, "No space left on device"))
            writer = self.writer(target)
            writer.add_tap(CLIENT)
            writer.add_tap(SERVER)
            written = 0
            with pytest.raises(OSError, match="No space"):  # noqa: PT012
                for record in records:
                    writer.write(record)
                    written += 1
            assert writer.size == max(size for size in sizes if size <= room)
            with pytest.raises(TraceError, match="torn"):
                writer.write(records[0])
            writer.close()
            assert target.octets == octets[:room]
            assert list(open_trace(io.BytesIO(target.octets))) == records[:written]

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
    def test_device(self) -> None:
        with pytest.raises(OSError, match="No space") as caught:
            create_trace("/dev/full")
        assert caught.value.errno == errno.ENOSPC

    def test_nothing_is_overwritten(self, path: Path, records: list[Record]) -> None:
        path.write_bytes(b"precious")
        with pytest.raises(TraceExists, match=r"exists.*--force"):
            create_trace(path)
        assert path.read_bytes() == b"precious"
        with create_trace(path, force=True) as writer:
            writer.write(records[1])
        with open_trace(path) as reader:
            assert list(reader) == records[1:2]

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no fifos")
    def test_fifo(self, path: Path, records: list[Record]) -> None:
        """A fifo is written to although it exists already."""
        os.mkfifo(path)
        read: list[Record] = []

        def follow() -> None:
            with open_trace(path) as reader:
                read.extend(reader)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        with create_trace(path) as writer:
            for record in records:
                writer.write(record)
        thread.join(20)
        assert read == records

    def test_file_objects_stay_open(self, path: Path, records: list[Record]) -> None:
        with open(path, "wb") as file:
            file.write(b"")
            with self.writer(file) as writer:
                writer.write(records[0])
            assert not file.closed
        with open(path, "rb") as file:
            with open_trace(file) as reader:
                assert list(reader) == records[:1]
                assert reader.name == str(path)
            assert not file.closed

    def test_close_twice(self, path: Path) -> None:
        writer = create_trace(path)
        writer.close()
        size = path.stat().st_size
        writer.close()
        assert path.stat().st_size == size

    def test_link_type(self, path: Path, records: list[Record]) -> None:
        with create_trace(path, linktype=162, taps=[CLIENT]) as writer:
            writer.write(records[0])
        with open_trace(path) as reader:
            assert list(reader) == records[:1]
            assert [interface.linktype for interface in reader.interfaces] == [162]

    @pytest.mark.parametrize("linktype", [0, 1, 146, 163])
    def test_link_type_of_others(self, linktype: int, path: Path) -> None:
        with pytest.raises(TraceError, match="147 to 162"):
            create_trace(path, linktype=linktype)
        assert not path.exists()

    def test_foreign_link_type(self, path: Path) -> None:
        with create_capture(path, linktype=1) as writer:
            writer.add_interface(Interface(1))
            writer.write(Packet(START, b"VT" + bytes(60), 1))
        with open_trace(path) as reader, pytest.raises(ForeignTrace, match=r"packet 1 is of link type 1\b.*import"):
            list(reader)

    @pytest.mark.parametrize(("data", "shown"), [(b"E\0" + bytes(60), "45 00"), (b"", "nothing"), (b"V", "56")])
    def test_foreign_use_of_the_link_type(self, data: bytes, shown: str, path: Path, records: list[Record]) -> None:
        with create_capture(path, linktype=147) as capture:
            capture.add_interface(Interface(147))
            capture.write(Packet(START, data, 147))
        with open_trace(path) as reader:
            with pytest.raises(ForeignTrace, match=rf"packet 1 begins with {shown},.*import"):
                list(reader)
            assert list(reader) == []

    @pytest.mark.parametrize("kind", list(Kind))
    def test_frame_of_which_the_file_has_the_beginning_alone(self, kind: Kind, path: Path) -> None:
        """A snapshot length makes such frames: they are cut, whatever their header states."""
        data = encode(Record(0, b"\x06051\r\n", kind, flags=Flag.PARITY))
        with create_capture(path, linktype=147) as writer:
            writer.add_interface(Interface(147))
            for end in (len(data) - 1, len(data)):
                writer.write(Packet(0, data[:end], 147, 0, len(data)))
        cut = Flag.CUT if kind is Kind.FRAME else 0
        with open_trace(path) as reader:
            assert [record.flags for record in reader] == [Flag.PARITY | cut, Flag.PARITY]

    def test_damaged_record_can_be_passed(self, path: Path, records: list[Record]) -> None:
        with create_trace(path) as writer:
            for record in records:
                writer.write(record)
        octets = bytearray(path.read_bytes())
        second = octets.index(b"VT", octets.index(b"VT") + 1)
        octets[second + 2] = 9
        path.write_bytes(octets)
        with open_trace(path) as reader:
            read: list[object] = []
            with pytest.raises(TraceError, match="37 octets skipped: packet 2: version 9"):  # noqa: PT012
                for record in reader:
                    read.append(record)
            assert read == records[:1]
            assert list(reader) == records[2:]
            assert reader.number == len(records)

    @pytest.mark.parametrize("octets", [b"#", b"C> 2f\n", b"\x0a\x0d\x0dx", b"\xa1\xb2\xc3\xd5", b"PK\3\4" * 9])
    def test_no_capture_file(self, octets: bytes, path: Path) -> None:
        path.write_bytes(octets)
        with pytest.raises(NotATrace, match=r"no capture file \(\.pcapng or \.pcap\).*begins with.*import"):
            open_trace(path)

    def test_constant_memory(self, growing: Any) -> None:
        record = Record(START, bytes(60000))
        octets, sizes = self.octets([record, record])
        head, block = octets[: sizes[3]], octets[sizes[3] :]

        class Endless(io.RawIOBase):
            def __init__(self) -> None:
                self.rest = head
                self.blocks = 500

            def readable(self) -> bool:
                return True

            def read(self, size: int = -1) -> bytes:
                while len(self.rest) < size and self.blocks:
                    self.rest += block
                    self.blocks -= 1
                chunk, self.rest = self.rest[:size], self.rest[size:]
                return chunk

        reader = open_trace(Endless())
        tracemalloc.start()
        try:
            count = sum(1 for _ in reader)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert count == 501
        assert peak < 3_000_000

    def test_missing_file(self, path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            open_trace(path)


class TestPcapng(TraceContract):
    suffix = ".pcapng"
    last_time = 2**64 - 1

    def test_taps(self, path: Path, records: list[Record]) -> None:
        with create_trace(path, taps=[CLIENT, SERVER]) as writer:
            for record in records:
                writer.write(record)
        with open_trace(path) as reader:
            taps = [(record.tap, reader.packet.interface) for record in reader if reader.packet]
            assert reader.interfaces == [CLIENT, SERVER]
        assert taps == [(0, 0), (0, 0), (1, 1), (1, 1), (0, 0)]

    def test_tap_that_comes_later(self, path: Path) -> None:
        with create_trace(path, taps=[CLIENT]) as writer:
            writer.write(Record(START))
            assert writer.add_tap(SERVER) == 1
            writer.write(Record(START, tap=1))
        with open_trace(path) as reader:
            assert next(iter(reader)).tap == 0
            assert reader.interfaces == [CLIENT]
            assert next(iter(reader)).tap == 1
            assert reader.interfaces == [CLIENT, SERVER]

    def test_taps_that_fail(self, path: Path) -> None:
        """The file is closed properly all the same."""

        def taps() -> Iterator[Interface]:
            yield CLIENT
            raise RuntimeError("no such port")

        with pytest.raises(RuntimeError, match="no such port"):
            create_trace(path, taps=taps())
        whole = path.with_stem("whole")
        create_trace(whole, taps=[CLIENT]).close()
        assert path.read_bytes() == whole.read_bytes()

    def test_tap_without_description(self, path: Path) -> None:
        with create_trace(path, taps=[CLIENT]) as writer:
            writer.write(Record(START, tap=2))
        with open_trace(path) as reader:
            assert list(reader) == [Record(START, tap=2)]
            assert reader.interfaces == [CLIENT, Interface(147), Interface(147)]

    def test_comments(self, path: Path, records: list[Record]) -> None:
        comments = ["plain", None, "zwölf\nZeilen", "", "é" * 40000]
        with create_trace(path) as writer:
            for record, comment in zip(records, comments, strict=True):
                writer.write(record, comment)
        with open_trace(path) as reader:
            read: list[object] = []
            for record in reader:
                assert reader.packet
                read.append((record, reader.packet.comments))
        expected = [("plain",), (), ("zwölf\nZeilen",), (), ("é" * 32767,)]
        assert read == list(zip(records, expected, strict=True))

    FLAGS: ClassVar = [
        (Sender.UNKNOWN, 0, 0x00000000),
        (Sender.CLIENT, 0, 0x00000001),
        (Sender.SERVER, 0, 0x00000002),
        (Sender.CLIENT, 1, 0x80000001),
        (Sender.SERVER, 2, 0x10000002),
        (Sender.UNKNOWN, 4, 0x20000000),
        (Sender.UNKNOWN, 8, 0x04000000),
        (Sender.UNKNOWN, 16, 0x04000000),
        (Sender.UNKNOWN, 8 | 16, 0x04000000),
        (Sender.SERVER, 0xFFFF, 0xB4000002),
        (Sender.CLIENT, 32 | 64 | 128, 0x00000001),
    ]

    @pytest.mark.parametrize("comment", [None, "with a comment"])
    @pytest.mark.parametrize(("sender", "flags", "word"), FLAGS)
    def test_direction_and_errors(self, sender: Sender, flags: int, word: int, comment: str | None) -> None:
        target = io.BytesIO()
        create_trace(target).write(Record(START, b"\x06", sender=sender, flags=flags), comment)
        (packet,) = open_capture(io.BytesIO(target.getvalue()))
        assert packet.flags == word

    def test_file_object_takes_pcapng(self, records: list[Record]) -> None:
        target = io.BytesIO()
        create_trace(target).write(records[0])
        assert target.getvalue()[:4] == bytes.fromhex("0a0d0d0a")

    @pytest.mark.parametrize("name", ["trace", "trace.pcapng.gz", "trace.txt", "pcapng"])
    def test_unknown_suffix(self, name: str, tmp_path: Path) -> None:
        with pytest.raises(TraceError, match=r"must end in \.pcapng or \.pcap"):
            create_trace(tmp_path / name)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no /dev/null")
    def test_device_without_suffix(self, records: list[Record]) -> None:
        with create_trace("/dev/null") as writer:
            writer.write(records[0])
        assert writer.size > 0


class TestClassic(TraceContract):
    suffix = ".pcap"
    last_time = 2**32 * 10**9 - 1

    def test_comments_and_taps_have_no_place(self, path: Path, records: list[Record]) -> None:
        with create_trace(path, taps=[CLIENT, SERVER]) as writer:
            for record in records:
                writer.write(record, "lost")
        with open_trace(path) as reader:
            assert list(reader) == records
            assert [interface.name for interface in reader.interfaces] == [""]
            assert reader.packet is not None
            assert reader.packet.comments == ()

    def test_other_link_type(self, path: Path) -> None:
        with create_capture(path, linktype=147) as writer, pytest.raises(TraceError, match="link type 148"):
            writer.add_interface(Interface(148))


@pytest.mark.parametrize("suffix", FORMATS)
@given(st.lists(st.builds(Record, time=st.integers(0, 2**61), octets=st.binary(max_size=99)), max_size=9))
def test_round_trip_of_anything(suffix: str, records: list[Record]) -> None:
    target = io.BytesIO()
    writer = TraceWriter(FORMATS[suffix].writer(Output(target), 147, ""), 147)
    for record in records:
        writer.write(record)
    assert list(open_trace(io.BytesIO(target.getvalue()))) == records


@pytest.mark.parametrize("suffix", FORMATS)
def test_interface_must_be_added(suffix: str, tmp_path: Path) -> None:
    with create_capture(tmp_path / f"t{suffix}", linktype=147) as writer:
        for number in (0, -1):
            with pytest.raises(TraceError, match=f"interface {number} has not been added"):
                writer.write(Packet(START, b"", 147, number))


@pytest.mark.parametrize("suffix", FORMATS)
def test_packet_that_is_too_long(suffix: str, tmp_path: Path) -> None:
    with create_capture(tmp_path / f"t{suffix}", linktype=147) as writer:
        writer.add_interface(Interface(147))
        size = writer.size
        with pytest.raises(TraceError, match="too long"):
            writer.write(Packet(START, bytes((1 << 24) + 1), 147))
        assert writer.size == size


@pytest.mark.parametrize("suffix", FORMATS)
def test_original_length(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"t{suffix}"
    with create_capture(path, linktype=147) as writer:
        writer.add_interface(Interface(147))
        writer.write(Packet(START, b"abc", 147, original_length=9))
        writer.write(Packet(START, b"abc", 147))
    with open_capture(path) as reader:
        assert [packet.original_length for packet in reader] == [9, 3]


def test_kill_leaves_whole_records(tmp_path: Path, run: Callable[..., list[str]]) -> None:
    """Every written record is in the file, although the file was never closed."""
    path = tmp_path / "t.pcapng"
    writer = create_trace(path)
    writer.write(Record(START, b"\x06", Kind.FRAME))
    assert run("tshark", "-r", path, "-T", "fields", "-e", "frame.len") == ["33"]
    writer.close()
