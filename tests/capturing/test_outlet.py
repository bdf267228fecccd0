"""Outlets: they do not wait for a stalled reader, and what is written arrives once and in order."""

import errno
import io
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from equipment import PATIENCE
from vtctap.capturing.outlet import SLICE, DirectOutlet, ServedOutlet, can_stall, outlet

Pipe = tuple[int, int]
FULL = 1 << 17
"""More octets than a pipe holds (64 KiB on Linux)."""


def served(descriptor: int, limit: int) -> ServedOutlet:
    return ServedOutlet(os.fdopen(descriptor, "wb", buffering=0, closefd=False), limit)


def test_all_arrives_in_order(pipe: Pipe) -> None:
    out = served(pipe[1], 1 << 20)
    parts = [bytes([number]) * (number * 37) for number in range(250)]
    heard = bytearray()

    def read() -> None:
        while octets := os.read(pipe[0], 1000):
            heard.extend(octets)

    reader = threading.Thread(target=read)
    reader.start()
    assert [out.write(part) for part in parts] == [len(part) for part in parts]
    assert out.finish(10) == 0
    assert out.idle
    out.write(b"and a later write, too")
    assert out.finish(10) == 0
    os.close(pipe[1])
    reader.join()
    assert bytes(heard) == b"".join(parts) + b"and a later write, too"


def test_a_stalled_reader_is_not_waited_for(pipe: Pipe) -> None:
    out = served(pipe[1], FULL)
    out.write(b"x" * FULL)
    assert not out.has_room(FULL)
    assert not out.put("a line\n")
    assert not out.idle
    given_up = out.finish(0.05)
    assert FULL // 2 <= given_up < FULL
    # The reader continues, and so does the writing.
    heard = 0
    while heard < FULL:
        heard += len(os.read(pipe[0], FULL))
    assert out.finish(10) == 0
    assert out.put("a line\n")
    assert os.read(pipe[0], 100) == b"a line\n"


def test_a_slow_reader_gets_everything(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader takes longer than the patience in total, but takes some octets each time."""
    out = served(pipe[1], FULL)
    wait, heard = out._changed.wait, bytearray()
    os.set_blocking(pipe[0], False)

    def read(patience: float | None = None) -> bool:
        if patience is None:  # It is the thread.
            return wait()
        with suppress(BlockingIOError):
            heard.extend(os.read(pipe[0], SLICE))
        return wait(PATIENCE)

    monkeypatch.setattr(out._changed, "wait", read)
    out.write(b"x" * FULL)
    assert out.finish(1) == 0
    heard.extend(os.read(pipe[0], FULL))
    assert heard == b"x" * FULL


@pytest.mark.parametrize("gone", [False, True])
def test_a_program_that_was_stopped_does_not_blame_the_reader(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    """As after SIGSTOP and SIGCONT: the patience is over, and the thread has not run yet."""
    out, runs, write = served(pipe[1], FULL), threading.Event(), os.write
    wait, waits = out._changed.wait, []

    def late(descriptor: int, octets: bytes) -> int:
        runs.wait()
        return write(descriptor, octets)

    def over(patience: float | None = None) -> bool:
        if patience is None:  # It is the thread.
            return wait()
        waits.append(patience)
        if len(waits) == 1:
            return False
        runs.set()
        return wait(PATIENCE)

    monkeypatch.setattr(os, "write", late)
    monkeypatch.setattr(out._changed, "wait", over)
    out.write(b"x" * SLICE)
    if gone:
        os.close(pipe[0])
        with pytest.raises(BrokenPipeError):
            out.finish(1)
    else:
        assert out.finish(1) == 0
        assert os.read(pipe[0], FULL) == b"x" * SLICE


def test_a_reader_that_goes_away_is_noticed(pipe: Pipe) -> None:
    out = served(pipe[1], FULL)
    assert not out.unread
    out.write(b"x" * FULL)
    os.close(pipe[0])
    with pytest.raises(BrokenPipeError):
        out.finish(10)
    assert out.unread
    with pytest.raises(BrokenPipeError):
        out.write(b"x")


def test_a_reader_that_goes_away_while_nothing_is_written(pipe: Pipe) -> None:
    out = served(pipe[1], FULL)
    os.close(pipe[0])
    assert out.unread


def test_a_terminal_that_is_closed_is_a_reader_that_goes_away() -> None:
    near, far = os.openpty()
    out = served(far, FULL)
    os.close(near)
    out.write(b"x")
    with pytest.raises(BrokenPipeError):
        out.finish(10)
    assert out.unread
    os.close(far)


def test_what_can_stall(pipe: Pipe, tmp_path: Path) -> None:
    with os.fdopen(pipe[1], "w", closefd=False) as stream:
        assert can_stall(stream)
        assert isinstance(outlet(stream, 1), ServedOutlet)
    with (tmp_path / "file").open("w") as stream:
        assert not can_stall(stream)
        assert not outlet(stream, 1).unread
    with open(os.devnull, "w") as stream:
        assert isinstance(outlet(stream, 1), DirectOutlet)
    assert not can_stall(io.StringIO())


def test_a_file_takes_text_at_once(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w", encoding="ascii") as stream:
        stream.write("before, ")
        assert outlet(stream, 1).put("caf\xe9 \udcff\n")
        assert (tmp_path / "file").read_bytes() == b"before, caf\\xe9 \\udcff\n"


@pytest.mark.skipif(sys.platform != "linux", reason="has /dev/full")
def test_a_full_disk_is_an_error() -> None:
    with pytest.raises(OSError, match="No space") as error, open("/dev/full", "w") as stream:
        outlet(stream, 1).put("x")
    assert error.value.errno == errno.ENOSPC
