"""What can be read only once: pipes and devices, and for commands also standard input. And the locks of files that are
written, when programs come between two steps of each other."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from vtctap.command_line.inputs import is_read_once
from vtctap.pcap import streams
from vtctap.pcap.streams import Output, is_being_written, is_special, is_stream, kept_from_writers

locks = pytest.mark.skipif(sys.platform == "win32", reason="no locks here")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no fifos here")
def test_what_can_be_read_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    os.symlink("fifo", "link")
    os.mkdir("folder")
    Path("file").touch()
    names = ("fifo", "link", os.devnull, "folder", "file", "nothing", "-")
    assert [name for name in names if is_special(name)] == ["fifo", "link", os.devnull, "folder"]
    assert [name for name in names if is_stream(name)] == ["fifo", "link", os.devnull]
    assert [name for name in names if is_read_once(name)] == ["fifo", "link", os.devnull, "-"]


@locks
def test_who_looks_at_a_file_does_not_keep_a_capture_from_writing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A capture may begin a file just while another program asks whether it is being written."""
    path = tmp_path / "t.pcapng"
    path.write_bytes(b"old")
    looking = ExitStack()
    looking.enter_context(kept_from_writers(path))
    monkeypatch.setattr(streams.time, "sleep", lambda seconds: looking.close())
    output = Output(path, force=True)
    output.write(b"new")
    assert is_being_written(path)
    output.close()
    assert path.read_bytes() == b"new"


@locks
def test_a_capture_does_not_wait_for_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.pcapng"
    output = Output(path)
    monkeypatch.setattr(streams.time, "sleep", lambda seconds: pytest.fail("it waits"))
    with pytest.raises(OSError, match="another program is writing it"):
        Output(path, force=True)
    output.close()


@locks
def test_a_capture_waits_for_a_look_only_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, now = tmp_path / "t.pcapng", [0.0]
    path.write_bytes(b"old")
    monkeypatch.setattr(streams.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(streams.time, "sleep", lambda seconds: now.append(now.pop() + 1))
    with kept_from_writers(path), pytest.raises(OSError, match="another program is writing it"):
        Output(path, force=True)
    assert path.read_bytes() == b"old"


@locks
@pytest.mark.parametrize("after", ["replaced", "removed"])
def test_a_file_that_is_replaced_before_it_is_locked_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """Else the capture would write a file that has no name any more."""
    path, other, lock = tmp_path / "t.pcapng", tmp_path / "other", streams._lock
    path.write_bytes(b"old")
    other.write_bytes(b"other")

    def late(*arguments: object) -> None:
        if other.exists():
            os.replace(other, path)
            if after == "removed":
                path.unlink()
        lock(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(streams, "_lock", late)
    output = Output(path, force=True)
    output.write(b"new")
    assert output.gone == ""
    output.close()
    assert path.read_bytes() == b"new"


def test_a_file_that_is_removed_while_it_is_looked_at_is_not_being_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, is_file = tmp_path / "t.pcapng", os.path.isfile
    path.touch()

    def looked_at(name: Path) -> bool:
        there = is_file(name)
        name.unlink()
        return there

    monkeypatch.setattr(os.path, "isfile", looked_at)
    with kept_from_writers(path):
        pass
