"""The recording has priority: a stalled output loses what it does not take, and the capture keeps reading the ports."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipment import PATIENCE
from vtctap.pcap.record import Flag, Kind, Record
from vtctap.pcap.streams import Output
from vtctap.pcap.trace import open_trace

pytest.importorskip("termios")

Start = Callable[..., "subprocess.Popen[bytes]"]
Listening = Callable[..., None]
Until = Callable[[Callable[[], object]], None]
Records = Callable[[Path], list[Record]]
Inside = Callable[..., "subprocess.CompletedProcess[str]"]

EXAMPLES = Path(__file__).parents[2] / "examples"
TRACE, EXCHANGE = str(EXAMPLES / "session.pcapng"), str(EXAMPLES / "telegram.exchange")

FRAME = b"\x02" + b"a" * 60 + b"\x03a"
SMALL = (
    "import sys; from vtctap.capturing import {0}; {0}.HELD = {1}; from vtctap.__main__ import main; sys.exit(main())"
)
"""A program whose module {0} holds at most {1} octets, so that stalls show sooner."""


def say(taps: Any, frames: int) -> None:
    """Sends frames at a pace that a pseudo-terminal can take while the capture reads it."""
    for _ in range(frames // 10):
        taps.say(0, FRAME * 10)
        time.sleep(0.01)


def octets(path: Path) -> int:
    with open_trace(path) as reader:
        return sum(len(record.octets) for record in reader)


def test_a_terminal_that_was_stopped(
    taps: Any, tmp_path: Path, terminal: Any, until: Until, listening: Listening
) -> None:
    """Ctrl-S stops the status line, hints and printed lines, but not the recording."""
    path = tmp_path / "t.pcapng"
    process = terminal.run("capture", "--print", "-i", taps.names[0], "-w", path)
    listening(path, 1)
    terminal.type(b"\x13")
    say(taps, 1500)
    until(lambda: octets(path) == 1500 * len(FRAME))
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_a_reader_of_lines_that_stalls(
    taps: Any, tmp_path: Path, start: Start, until: Until, listening: Listening, records: Records
) -> None:
    path = tmp_path / "t.pcapng"
    command = [sys.executable, "-c", SMALL.format("printing", 20_000), "capture", "--print", "-i", taps.names[0]]
    process = subprocess.Popen(
        [*command, "-w", path, "--stats-json", tmp_path / "s.json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    listening(path, 1)
    say(taps, 1500)
    until(lambda: octets(path) == 1500 * len(FRAME))
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert process.stdout
    assert process.stderr
    lines, said = process.stdout.read().count(b"\n"), process.stderr.read().decode().splitlines()
    dropped = json.loads((tmp_path / "s.json").read_text())["not_printed"]
    stall = "vtctap: the reader of standard output stalls: records are not printed until it reads again"
    assert stall in said  # If the stall lasts, hints are printed as well.
    assert said[-1].endswith(f"; {dropped} records not printed, because standard output was not read")
    assert 0 < lines < 1502 - dropped
    process.stdout.close()
    process.stderr.close()


def test_a_reader_of_the_trace_that_stalls(taps: Any, tmp_path: Path, until: Until) -> None:
    """Records without room are lost, and the trace states where and how many octets. No octet is lost without a
    report."""
    command = [sys.executable, "-c", SMALL.format("recording", 30_000), "capture", "-i", taps.names[0], "-w", "-"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    heard = os.read(process.stdout.fileno(), 4096)
    while b"opened profile" not in heard:
        heard += os.read(process.stdout.fileno(), 4096)
    say(taps, 3000)
    line = process.stderr.readline()
    assert (
        line
        == b"vtctap: the reader of the trace stalls and the buffer is full: records are lost until it reads again\n"
    )
    time.sleep(0.5)
    reader = threading.Thread(target=lambda: (tmp_path / "t.pcapng").write_bytes(heard + process.stdout.read()))  # type: ignore[union-attr]
    reader.start()
    time.sleep(0.5)
    say(taps, 10)
    assert process.stderr.readline() == b"vtctap: the trace is read again\n"
    process.terminate()
    assert process.wait(PATIENCE) == 0
    reader.join()
    process.stdout.close()
    process.stderr.close()
    with open_trace(tmp_path / "t.pcapng") as trace:
        found = list(trace)
    lost = [at for at, record in enumerate(found) if record.event.startswith("overrun unread=")]
    unread = sum(int(found[at].event.partition("=")[2]) for at in lost)
    assert unread > 0
    assert sum(len(record.octets) for record in found) + unread == 3010 * len(FRAME)
    flagged = [at for at, record in enumerate(found) if record.flags & Flag.OVERRUN]
    assert flagged == [next(at for at in range(gap, len(found)) if found[at].kind is not Kind.EVENT) for gap in lost]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_reader_of_the_trace_is_stuck(taps: Any, start: Start, number: int) -> None:
    process = start("capture", "-q", "-i", taps.names[0], "-w", "-")
    assert process.stdout
    os.read(process.stdout.fileno(), 4)
    say(taps, 1500)
    time.sleep(0.5)
    process.send_signal(number)
    assert process.wait(PATIENCE) == 4
    assert process.stderr
    assert b"the reader of standard output stalls: the last " in process.stderr.read()


def test_a_deleted_output_ends_it(taps: Any, tmp_path: Path, start: Start, listening: Listening) -> None:
    path = tmp_path / "t.pcapng"
    process = start("capture", "-i", taps.names[0], "-w", path)
    listening(path, 1)
    path.unlink()
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors.decode()) == (4, f"vtctap: {path} was deleted while it was being written\n")


def test_a_deleted_output_behind_standard_output_ends_it(taps: Any, tmp_path: Path, until: Until) -> None:
    path = tmp_path / "t.pcapng"
    with path.open("wb") as output:
        command = [sys.executable, "-m", "vtctap", "capture", "-i", taps.names[0], "-w", "-"]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE)
    until(lambda: b"opened profile" in path.read_bytes())
    path.unlink()
    _, errors = process.communicate(timeout=PATIENCE)
    told = b"vtctap: standard output was deleted while it was being written\n"
    assert (process.returncode, errors) == (4, told)


def test_statistics_that_nobody_reads(taps: Any, tmp_path: Path, start: Start, until: Until) -> None:
    """A second signal ends the wait for a reader; by then the trace is complete."""
    path = tmp_path / "t.pcapng"
    os.mkfifo(tmp_path / "s.json")
    process = start("capture", "-q", "-i", taps.names[0], "-w", path, "--stats-json", "s.json", "-a", "duration:0.2")
    until(lambda: path.exists() and b"closed octets" in path.read_bytes())
    for _ in range(3):  # A signal that comes before the wait is one that ends the capture.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE / 20)
            break
    assert process.returncode == 130
    assert octets(path) == 0


def test_a_second_capture_into_the_same_file(
    taps: Any, tmp_path: Path, start: Start, listening: Listening, records: Records, until: Until
) -> None:
    path = tmp_path / "t.pcapng"
    first = start("capture", "-q", "-i", taps.names[0], "-w", path)
    listening(path, 1)
    second = start("capture", "-i", taps.names[1], "-w", path, "--force")
    _, errors = second.communicate(timeout=PATIENCE)
    assert (second.returncode, errors.decode()) == (4, f"vtctap: {path}: another program is writing it\n")
    taps.say(0, FRAME)
    until(lambda: FRAME in path.read_bytes())
    first.terminate()
    assert first.wait(PATIENCE) == 0
    assert [record.kind for record in records(path)] == [Kind.EVENT, Kind.FRAME, Kind.EVENT]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("t.pcapng", ["read", TRACE, "-w"]),
        ("t.pcapng", ["reframe", TRACE, "-w"]),
        ("t.pcapng", ["redact", TRACE, "-w"]),
        ("t.pcapng", ["import", EXCHANGE, "-w"]),
        ("t.pcapng", ["demo", "--fast", "-w"]),
        ("t.pcap", ["export", TRACE, "-o"]),
        ("t.csv", ["export", TRACE, "-o"]),
        ("t.html", ["report", TRACE, "-o"]),
        ("t.pcapng", ["check", TRACE, "--junit"]),
        ("t.pcapng", ["profile", "learn", TRACE, "-o"]),
        ("t.html", ["profile", "learn", TRACE, "--evidence"]),
        ("t.pcapng", ["profile", "new", "mine", "-o"]),
        ("t.pcapng", ["wireshark", "lua", "-o"]),
        ("t.pcapng", ["wireshark", "profile", "-o"]),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_no_command_replaces_a_trace_that_is_being_written(
    tmp_path: Path, inside: Inside, name: str, words: list[str]
) -> None:
    capture = Output(tmp_path / name)
    capture.write(FRAME)
    done = inside(*words, name, "--force")
    assert (done.returncode, done.stdout, done.stderr) == (4, "", f"vtctap: {name}: another program is writing it\n")
    assert not capture.gone
    assert (tmp_path / name).read_bytes() == FRAME
    capture.close()


def test_no_command_replaces_the_ring_file_that_is_being_written(
    taps: Any, tmp_path: Path, start: Start, inside: Inside, until: Until
) -> None:
    process = start("capture", "-q", "-i", taps.names[0], "-w", "t.pcapng", "-b", "files:9", "-b", "filesize:1")
    until(lambda: any(b"opened profile=" in path.read_bytes() for path in tmp_path.glob("t_*")))
    (file,) = tmp_path.glob("t_*")
    assert inside("read", TRACE, "-w", file.name, "--force").returncode == 4
    taps.say(0, FRAME)
    until(lambda: FRAME in file.read_bytes())
    process.terminate()
    assert process.wait(PATIENCE) == 0
