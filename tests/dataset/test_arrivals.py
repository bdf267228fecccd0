"""Which traces of a folder are complete."""

import os
import shutil
from pathlib import Path

import pytest

from vtctap.dataset.arrivals import Arrivals
from vtctap.pcap import create_trace

TRACE = Path(__file__).parents[2] / "examples" / "session.pcapng"


@pytest.fixture
def arrivals(tmp_path: Path) -> Arrivals:
    return Arrivals(str(tmp_path))


def put(path: Path, octets: bytes = b"octets") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(octets)
    return path


def test_a_trace_is_complete_when_it_has_not_changed_since_the_scan_before(tmp_path: Path, arrivals: Arrivals) -> None:
    trace = put(tmp_path / "host" / "rack1" / "t.pcapng")
    assert arrivals.scan() == []
    put(trace, b"more octets")
    assert arrivals.scan() == []
    assert arrivals.scan() == [str(trace)]
    assert arrivals.scan() == []


def test_a_trace_that_changes_arrives_again(tmp_path: Path, arrivals: Arrivals) -> None:
    trace = put(tmp_path / "t.pcapng")
    assert [arrivals.scan() for _ in range(3)] == [[], [str(trace)], []]
    put(trace, b"more octets")
    assert [arrivals.scan() for _ in range(3)] == [[], [str(trace)], []]
    trace.unlink()
    assert arrivals.scan() == []
    put(trace)
    assert [arrivals.scan() for _ in range(3)] == [[], [str(trace)], []]


def test_a_trace_that_can_be_read_at_last_arrives_again(tmp_path: Path, arrivals: Arrivals) -> None:
    trace = put(tmp_path / "t.pcapng")
    trace.chmod(0)
    assert [arrivals.scan() for _ in range(3)] == [[], [str(trace)], []]
    trace.chmod(0o600)
    assert [arrivals.scan() for _ in range(3)] == [[], [str(trace)], []]


def test_the_oldest_comes_first(tmp_path: Path, arrivals: Arrivals) -> None:
    for time, name in ((3, "a"), (1, "c"), (2, "b")):
        os.utime(put(tmp_path / f"{name}.pcapng"), (time, time))
    arrivals.scan()
    assert [Path(name).stem for name in arrivals.scan()] == ["c", "b", "a"]


def test_what_is_no_complete_trace_is_left_out(tmp_path: Path, arrivals: Arrivals) -> None:
    for name in (".t.pcapng.Xy12Zz", ".t.pcapng", "t.pcapng.part", "t.txt", ".rsync-partial/t.pcapng"):
        put(tmp_path / name)
    put(tmp_path / "set.parquet" / "t.pcapng")
    (tmp_path / "folder.pcapng").mkdir()
    (tmp_path / "away.pcapng").symlink_to(tmp_path / "nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.pcapng")
    assert [arrivals.scan() for _ in range(3)] == [[]] * 3


@pytest.mark.parametrize("suffix", [".pcapng", ".pcap", ".pcapng.gz", ".pcapng.zst", ".pcap.lz4"])
def test_a_renamed_trace_arrives(tmp_path: Path, arrivals: Arrivals, suffix: str) -> None:
    hidden = put(tmp_path / f".t{suffix}.Xy12Zz")
    assert [arrivals.scan(), arrivals.scan()] == [[], []]
    trace = hidden.rename(tmp_path / f"t{suffix}")
    assert [arrivals.scan(), arrivals.scan()] == [[], [str(trace)]]


def test_a_trace_that_a_capture_writes_is_not_complete(tmp_path: Path, arrivals: Arrivals) -> None:
    pytest.importorskip("fcntl")
    trace = tmp_path / "t.pcapng"
    with create_trace(trace):
        assert [arrivals.scan() for _ in range(3)] == [[]] * 3
    assert arrivals.scan() == [str(trace)]


def test_a_folder_that_is_away_for_a_while(tmp_path: Path) -> None:
    arrivals = Arrivals(str(tmp_path / "mounted"))
    assert arrivals.scan() == []
    (tmp_path / "mounted").mkdir()
    shutil.copy(TRACE, tmp_path / "mounted")
    assert [len(arrivals.scan()) for _ in range(3)] == [0, 1, 0]
