"""The trace that a capture writes is complete however the capture ends, and its file is watched meanwhile."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, cast

import pytest

from equipment.outlets import TAPS, event
from vtctap.capturing.recording import PipeRecording, Recording, RingRecording
from vtctap.errors import OutputError
from vtctap.pcap.capture_file import Interface
from vtctap.pcap.record import Record
from vtctap.pcap.ring import RingLimits, RingWriter
from vtctap.pcap.trace import TraceWriter, create_trace, open_trace

RECORDS = [event(second, f"mark note={second}", second % 2) for second in range(10)]


def trace(target: str | IO[bytes], taps: Sequence[Interface]) -> TraceWriter:
    return create_trace(target, taps=taps)


def recorded(path: Path) -> list[Record]:
    with open_trace(path) as reader:
        found = list(reader)
        assert reader.cut is None
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.pcapng"


@pytest.fixture
def recording(path: Path) -> Recording:
    recording = Recording(str(path), trace, lambda text: None)
    recording.open(TAPS)
    return recording


def test_what_it_is_fed_is_in_the_file_at_once(recording: Recording, path: Path) -> None:
    for number, record in enumerate(RECORDS):
        assert recording.feed([record], number) == [record]
        assert recorded(path) == RECORDS[: number + 1]
    recording.close()
    assert recorded(path) == RECORDS
    assert (recording.size, recording.files, recording.full) == (path.stat().st_size, [str(path)], False)


def replaced(path: Path) -> None:
    path.with_name("other").write_bytes(b"x" * 10_000)
    os.replace(path.with_name("other"), path)


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be deleted there")
@pytest.mark.parametrize(
    ("damage", "word"),
    [(Path.unlink, "deleted"), (replaced, "deleted"), (lambda path: os.truncate(path, 3), "overwritten")],
)
def test_a_file_that_is_lost_is_noticed(
    recording: Recording, path: Path, damage: Callable[[Path], None], word: str
) -> None:
    recording.feed(RECORDS, 100)
    damage(path)
    recording.feed((), 100.5)
    with pytest.raises(OutputError, match=f"t.pcapng was {word} while it was being written"):
        recording.feed((), 101)
    with pytest.raises(OutputError, match=word):
        recording.close()


@pytest.mark.parametrize("octets", [0, 3, 100_000])
def test_a_file_that_is_overwritten_on_a_busy_line_is_noticed(recording: Recording, path: Path, octets: int) -> None:
    """Later records do not hide the damage: they are appended, so the size stays wrong."""
    recording.feed(RECORDS, 100)
    path.write_bytes(b"x" * octets)
    recording.feed(RECORDS, 100.5)
    with pytest.raises(OutputError, match=r"t\.pcapng was overwritten while it was being written"):
        recording.feed(RECORDS, 101)
    with pytest.raises(OutputError, match="overwritten"):
        recording.close()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be moved there")
def test_a_file_that_was_moved_is_whole_and_said(path: Path) -> None:
    said: list[str] = []
    recording = Recording(str(path), trace, said.append)
    recording.open(TAPS)
    recording.feed(RECORDS[:5], 100)
    moved = path.rename(path.with_name("moved.pcapng"))
    for now in (101, 102, 103):
        recording.feed((), now)
    assert len(said) == 1
    recording.feed(RECORDS[5:], 104)
    with pytest.raises(OutputError, match="was moved"):
        recording.close()
    assert recorded(moved) == RECORDS


def test_a_file_that_vanishes_just_before_the_end(recording: Recording, path: Path) -> None:
    path.unlink()
    with pytest.raises(OutputError, match="deleted"):
        recording.close()


def test_two_captures_of_one_name(recording: Recording, path: Path) -> None:
    """The second capture must not change the first one's files, even if it may overwrite files."""
    pytest.importorskip("fcntl")
    recording.feed(RECORDS, 0)
    second = Recording(str(path), lambda target, taps: create_trace(target, taps=taps, force=True), lambda text: None)
    with pytest.raises(OutputError, match=r"t\.pcapng: another program is writing it"):
        second.open(TAPS)
    recording.close()
    assert recorded(path) == RECORDS
    second.open(TAPS)
    second.close()
    assert recorded(path) == []


def ring(name: Path, **limits: int) -> RingRecording:
    def create(target: str | IO[bytes], taps: Sequence[Interface]) -> RingWriter:
        return RingWriter(cast(str, target), RingLimits(**limits), partial(create_trace, taps=taps))

    return RingRecording(str(name), create, lambda text: None)


def test_a_ring_file_is_completed_when_its_time_is_over(path: Path) -> None:
    recording = ring(path, duration_ns=3_000_000_000)
    recording.open(TAPS)
    recording.feed((), 90)
    assert (recording.files, recording.where) == ([], "")
    recording.feed([event(0, "a")], 100)
    size = recording.size
    recording.feed((), 102.9)
    assert recording.size == size
    recording.feed((), 103)
    assert recording.size > size  # The statistics, which complete a file.
    recording.feed([event(4, "b")], 104)
    recording.close()
    assert [record.event for name in recording.files for record in recorded(Path(name))] == ["a", "b"]


@pytest.mark.parametrize(
    ("kept", "where"),
    [
        (0, ", {size} octets in 3 files, {0} ... {2}"),
        (3, ", {size} octets in 3 files, {0} ... {2}"),
        (2, ", the last 2 files of 3 kept, {1} ... {2}"),
        (1, ", the last 1 file of 3 kept, {2}"),
    ],
)
def test_the_summary_tells_kept_ring_files_from_all(path: Path, kept: int, where: str) -> None:
    recording, names = ring(path, records=1, files=kept), dict[str, None]()
    recording.open(TAPS)
    for record in RECORDS[:3]:
        recording.feed([record], 0)
        names |= dict.fromkeys(recording.files)
    recording.close()
    assert recording.where == where.format(*names, size=recording.size)


def test_the_summary_of_one_ring_file(path: Path) -> None:
    recording = ring(path, records=5)
    recording.open(TAPS)
    recording.feed(RECORDS[:1], 0)
    recording.close()
    assert recording.where == f", {recording.size} octets in 1 file, {recording.files[0]}"


def test_the_summary_of_standard_output(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        recording = Recording("-", trace, lambda text: None)
        recording.open(TAPS)
        recording.close()
    assert recording.where == f", {recording.size} octets on standard output"


def test_the_ring_file_that_is_being_written_is_looked_after(path: Path) -> None:
    recording = ring(path, records=2)
    recording.open(TAPS)
    for record in RECORDS[:3]:
        recording.feed([record], 0)
    os.unlink(recording.files[0])  # The file is complete, and no capture writes it any more.
    recording.feed((), 10)
    os.unlink(recording.files[1])
    with pytest.raises(OutputError, match=os.path.basename(recording.files[1])):
        recording.feed((), 20)
    with pytest.raises(OutputError, match="deleted"):
        recording.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes fifos")
def test_a_pipe_that_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vtctap.capturing.recording.HELD", 200_000)
    monkeypatch.setattr("vtctap.capturing.recording.PATIENCE", 0.05)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    recording = PipeRecording(str(fifo), trace, lambda text: None)
    recording.open(TAPS)
    while recording.has_room(1000):
        recording.feed([Record(1, bytes(900))], 0)
    assert 190_000 < recording.size < 400_000
    with pytest.raises(OutputError, match=r"stalls: the last \d{6} octets of the trace are lost"):
        recording.close()
    os.close(reader)
