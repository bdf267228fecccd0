"""A capture on a real terminal: its display and its keys, the state in which it leaves the terminal, and the conditions
on which it starts and stops writing."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from equipment import PATIENCE
from equipment.terminal import Terminal
from vtctap.pcap.hash_chain import unchained
from vtctap.pcap.record import Kind, Record
from vtctap.pcap.trace import open_trace

pytest.importorskip("termios")

import struct
import termios

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
Listening = Callable[..., None]
Until = Callable[[Callable[[], object]], None]
Records = Callable[[Path], list[Record]]

REQUEST, ANSWER = b"/?!\r\n", b"/ZZz5vtctap-test\r\n"
READ, DATA = b"\x01R1\x022011()\x03a", b"\x022011(00123.4*kWh)\x03T"


STATISTICS = 5


def kinds(path: Path) -> list[int]:
    """Returns the types of the blocks of a pcapng file."""
    octets, at, found = path.read_bytes(), 0, []
    while at + 8 <= len(octets):
        kind, length = struct.unpack_from("<II", octets, at)
        found.append(kind)
        at += length
    return found


def events(path: Path) -> list[str]:
    with open_trace(path) as reader:
        return [record.event for record in reader if record.kind is Kind.EVENT]


# The display.


def test_status_line(taps: Any, tmp_path: Path, terminal: Terminal, listening: Listening) -> None:
    path = tmp_path / "t.pcapng"
    names = ["--client", taps.names[0], "--server", taps.names[1]]
    terminal.run("capture", *names, "--line", "7e1", "--speed", "9600", "-w", path)
    terminal.until(f"listening on {', '.join(taps.names)} at 9600 7E1; Ctrl-C ends, m marks, n notes".encode())
    listening(path)
    taps.say(0, REQUEST)
    time.sleep(0.1)
    taps.say(1, b"\x022011(1)\x03\x00")
    terminal.until(b"2 frames | 15 octets | errors: check 1 | 9600 7E1 | ")
    assert re.search(r"\| \d\.\d kB \| M> Data 2011\(1\) cumulativeConsumpti\.\.\.$", terminal.lines()[-1])
    terminal.type(b"\x03")
    assert terminal.wait() == 0
    size = path.stat().st_size
    assert terminal.lines() == [
        f"vtctap: listening on {', '.join(taps.names)} at 9600 7E1; Ctrl-C ends, m marks, n notes",
        "vtctap: 2 frames, 1 with a bad check character; 0 pieces of noise; 15 octets received, "
        f"{size} octets in {path}",
        "",
    ]


def test_lines_and_status_do_not_garble_each_other(
    taps: Any, tmp_path: Path, terminal: Terminal, until: Until, listening: Listening
) -> None:
    path = tmp_path / "t.pcapng"
    terminal.run("capture", "-i", taps.names[0], "--print", "-w", path)
    listening(path, 1)
    for _ in range(30):
        taps.say(0, READ)
        terminal.read(0.03)
        taps.say(0, DATA)
        terminal.read(0.03)
    until(lambda: path.read_bytes().count(DATA) == 30)
    until(lambda: terminal.read(0.05) and terminal.lines()[-1].startswith("60 frames | "))
    terminal.type(b"\x03")
    assert terminal.wait() == 0
    shown = [line for line in terminal.lines() if line]
    read = subprocess.run([sys.executable, "-m", "vtctap", "read", path], capture_output=True, text=True, check=True)
    assert shown[1:-1] == read.stdout.splitlines()
    assert [line.split()[1] for line in (shown[0], shown[-1])] == ["listening", "60"]


def test_at_most_four_times_a_second(taps: Any, tmp_path: Path, terminal: Terminal) -> None:
    """The time counts from before the start, so that a busy machine makes the count too low, never too high."""
    began = time.monotonic()
    terminal.run("capture", "-i", taps.names[0], "-w", tmp_path / "t.pcapng")
    terminal.until(b"0 frames")
    while terminal.output.count(b" frames |") < 8:
        taps.say(0, READ)
        terminal.read(0.01)
    assert terminal.output.count(b" frames |") <= 4 * (time.monotonic() - began) + 1


@pytest.mark.parametrize(
    ("options", "environment", "colours"),
    [
        ([], {}, True),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"NO_COLOR": ""}, True),
        ([], {"TERM": "dumb"}, False),
        (["--color=always"], {"NO_COLOR": "1"}, True),
        (["--color=never"], {}, False),
    ],
)
def test_colours(
    trace: Path, terminal: Terminal, options: list[str], environment: dict[str, str], colours: bool
) -> None:
    plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    terminal.run("read", trace, *options, env=plain | {"TERM": "xterm"} | environment)
    assert terminal.wait() == 0
    assert (b"\x1b[36mC> ReadCommand R 2000 version count 1\x1b[0m\r\n" in terminal.output) is colours
    assert (b" \x1b[31m[bad check character " in terminal.output) is colours
    assert (b"\x1b" in terminal.output) is colours


def test_no_colours_in_a_pipe(trace: Path, vtctap: Run) -> None:
    assert "\x1b" not in vtctap("read", trace).stdout
    painted = vtctap("read", trace, "--color=always").stdout
    assert re.sub(r"\x1b\[\d+m", "", painted) == vtctap("read", trace).stdout != painted


def test_piped_none_of_it(taps: Any, tmp_path: Path, terminal: Terminal, until: Until, listening: Listening) -> None:
    """Only standard error decides: standard output may still be a terminal."""
    path = tmp_path / "t.pcapng"
    process = terminal.run("capture", "-i", taps.names[0], "-w", path, stderr=subprocess.PIPE)
    listening(path, 1)
    taps.say(0, REQUEST)
    until(lambda: REQUEST in path.read_bytes())
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE)
    assert terminal.read(0.05) == b""
    assert errors.count(b"\n") == 1
    assert errors.startswith(b"vtctap: 1 frame, 0 with a bad check character; 0 pieces of noise; 5 octets received")


@pytest.mark.parametrize("quiet", [["-q"], []])
def test_quiet(taps: Any, tmp_path: Path, terminal: Terminal, quiet: list[str]) -> None:
    terminal.run("capture", *quiet, "-i", taps.names[0], "-w", tmp_path / "t.pcapng", "-a", "duration:0.6")
    assert terminal.wait() == 0
    assert (terminal.output == b"") is bool(quiet)


def test_a_port_that_is_lost_is_shown(taps: Any, tmp_path: Path, terminal: Terminal, listening: Listening) -> None:
    path = tmp_path / "t.pcapng"
    terminal.run("capture", "--link", f"A={taps.names[0]}", "--link", f"B={taps.names[1]}", "-w", path)
    listening(path)
    name = taps.names[0]
    taps.unplug(0)
    terminal.until(f"| lost: A:{name}".encode())


def test_a_hint_on_a_terminal(taps: Any, tmp_path: Path, terminal: Terminal, listening: Listening) -> None:
    path = tmp_path / "t.pcapng"
    terminal.run("capture", "-i", taps.names[0], "--speed", "9600", "-w", path)
    listening(path, 1)
    for _ in range(5):
        taps.put(0, DATA * 2)
        time.sleep(0.05)
    hint = "hint: " + taps.names[0] + ": the parity bit is always 0: a line of eight bits? '--line 8N1' reads it"
    terminal.until(hint.encode())
    terminal.read(0.6)
    assert [line for line in terminal.lines() if "hint" in line] == [f"vtctap: {hint}"]


# Keys and marks.


@pytest.mark.parametrize("end", [b"\x03", signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, b"\x1c", "duration"])
def test_the_terminal_is_left_as_it_was_found(
    taps: Any, tmp_path: Path, terminal: Terminal, end: bytes | signal.Signals | str
) -> None:
    path = tmp_path / "t.pcapng"
    stop = ["-a", "duration:1"] if end == "duration" else []
    process = terminal.run("capture", "-i", taps.names[0], "-w", path, *stop)
    terminal.until(b"0 frames")
    changed = termios.tcgetattr(terminal.near)
    assert not changed[3] & (termios.ICANON | termios.ECHO)
    assert changed[3] & termios.ISIG
    if isinstance(end, bytes):
        terminal.type(end)
    elif isinstance(end, signal.Signals):
        process.send_signal(end)
    assert terminal.wait() == 0
    assert termios.tcgetattr(terminal.near) == terminal.modes
    assert events(path)[-1].startswith("closed octets=0 ")


def test_the_terminal_after_an_error(taps: Any, terminal: Terminal) -> None:
    terminal.run("capture", "-i", taps.names[0], "-w", "/dev/full")
    assert terminal.wait() == 4
    assert termios.tcgetattr(terminal.near) == terminal.modes


def test_marks(taps: Any, tmp_path: Path, terminal: Terminal, until: Until) -> None:
    path = tmp_path / "t.pcapng"
    process = terminal.run("capture", "-i", taps.names[0], "-w", path, "--stats-json", tmp_path / "s.json")
    terminal.until(b"0 frames")
    terminal.type(b"m")
    until(lambda: b"mark note=key-1" in path.read_bytes())
    terminal.until(b"vtctap: marked: key-1")
    process.send_signal(signal.SIGUSR1)
    until(lambda: b"mark note=SIGUSR1-2" in path.read_bytes())
    terminal.type(b"xmm")
    until(lambda: b"mark note=key-4" in path.read_bytes())
    terminal.type(b"nmeter op")
    terminal.until(b" | note: meter op_")
    terminal.type(b"ened\r")
    terminal.until(b"vtctap: marked: meter opened")
    terminal.type(b"\x03")
    assert terminal.wait() == 0
    numbered = ["mark note=key-1", "mark note=SIGUSR1-2", "mark note=key-3", "mark note=key-4"]
    assert events(path)[1:-1] == [*numbered, "mark note=meter_opened"]
    assert json.loads((tmp_path / "s.json").read_text())["marks"] == 5


def test_marks_without_a_terminal(taps: Any, tmp_path: Path, start: Start, listening: Listening, until: Until) -> None:
    """Keys are read from a terminal only, not from a pipe on standard input."""
    path = tmp_path / "t.pcapng"
    process = start("capture", "-q", "-i", taps.names[0], "-w", path, stdin=subprocess.PIPE)
    listening(path, 1)
    assert process.stdin
    process.stdin.write(b"mmm")
    process.stdin.flush()
    process.send_signal(signal.SIGUSR1)
    until(lambda: b"mark note=SIGUSR1-1" in path.read_bytes())
    process.terminate()
    assert process.wait(PATIENCE) == 0
    assert events(path)[1:-1] == ["mark note=SIGUSR1-1"]


def test_in_the_background_the_terminal_is_the_shells(taps: Any, tmp_path: Path, terminal: Terminal) -> None:
    """The capture neither changes the terminal's settings nor reads from it: the system would stop it for either."""
    path = tmp_path / "t.pcapng"
    command = f'set -m; "{sys.executable}" -m vtctap capture -q -i {taps.names[0]} -w {path} -a duration:1 & wait $!'
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")}

    def take_terminal() -> None:
        fcntl.ioctl(terminal.near, termios.TIOCSCTTY, 0)

    streams = {"stdin": terminal.near, "stdout": terminal.near, "stderr": terminal.near}
    terminal.process = subprocess.Popen(
        ["sh", "-c", command], **streams, env=environment, start_new_session=True, preexec_fn=take_terminal
    )
    terminal.read(0.6)
    assert termios.tcgetattr(terminal.near) == terminal.modes
    terminal.type(b"m")
    assert terminal.wait() == 0
    assert [event.partition(" ")[0] for event in events(path)] == ["opened", "closed"]


READS_LATE = """
import os, pathlib, sys
from vtctap.__main__ import main

read = os.read

def late(descriptor, octets):
    if descriptor:
        return read(descriptor, octets)
    os.tcsetpgrp(0, os.getpgid(os.getppid()))
    try:
        return read(descriptor, octets)
    finally:
        pathlib.Path(sys.argv[1]).touch()

os.read = late
sys.exit(main(sys.argv[2:]))
"""
"""A capture that comes into the background after it has seen a key and before it reads it."""


def test_a_capture_that_comes_into_the_background_with_a_key_goes_on(
    taps: Any, tmp_path: Path, terminal: Terminal, until: Callable[..., None]
) -> None:
    """As with Ctrl-Z and bg, while the capture waits for a key that a pager has taken."""
    path, tried, status = (tmp_path / name for name in ("t.pcapng", "tried", "status"))
    shell = ["sh", "-c", 'set -m; "$@"; echo $? >status', "sh", sys.executable, "-c", READS_LATE, tried]

    def take_terminal() -> None:
        fcntl.ioctl(terminal.near, termios.TIOCSCTTY, 0)

    streams = {"stdin": terminal.near, "stdout": terminal.near, "stderr": terminal.near}
    terminal.process = subprocess.Popen(
        [*shell, "capture", "-q", "-i", taps.names[0], "-w", path, "-c", "1"],
        **streams, start_new_session=True, preexec_fn=take_terminal, cwd=tmp_path,
    )  # fmt: skip
    until(lambda: termios.tcgetattr(terminal.near) != terminal.modes)
    terminal.type(b"m")
    until(lambda: tried.exists() or status.exists())
    until(lambda: b"opened" in path.read_bytes())
    taps.say(0, b"/?!\r\n")
    assert terminal.wait() == 0
    assert status.read_text() == "0\n"
    assert [event.partition(" ")[0] for event in events(path)] == ["opened", "closed"]


# Start and stop conditions.


def test_stop_with_a_match(inside: Run, trace: Path, tmp_path: Path, records: Records) -> None:
    whole = list(map(unchained, records(trace)))
    inside("demo", "--fast", "-q", "-w", "t.pcapng", "-a", 'match:vtc.message == "NAK"', "-a", "match:vtc.value == 9")
    found = list(map(unchained, records(tmp_path / "t.pcapng")))
    *found, first, second = found
    assert found == whole[: len(found)]
    assert [record.octets for record in found].count(b"\x15") == 1
    assert found[-1].octets == b"\x15"
    for tap, record in enumerate((first, second)):
        stated = {word: int(number) for word, number in re.findall(r"(\w+)=(\d+)", record.event)}
        assert stated["octets"] - stated.get("unwritten", 0) == sum(
            len(each.octets) for each in found if each.tap == tap
        )


def test_ring_and_its_end(inside: Run, trace: Path, tmp_path: Path, records: Records) -> None:
    whole = records(trace)
    (tmp_path / "r").mkdir()
    options = ["-b", "packets:5", "-a", "files:3", "--stats-json", "s.json"]
    assert inside("demo", "--fast", "-q", "-w", "r/t.pcapng", *options).returncode == 0
    paths = sorted((tmp_path / "r").iterdir())
    assert [re.sub(r"\d{14}", "DATE", path.name) for path in paths] == [f"t_0000{n}_DATE.pcapng" for n in (1, 2, 3)]
    *files, last = [records(path) for path in paths]
    assert [*files, last[:5]] == [whole[:5], whole[5:10], whole[10:15]]
    assert [record.event.split()[0] for record in last[5:]] == ["closed", "closed"]
    assert inside("verify", *paths).stdout.startswith("whole: all 17 records of chain ")
    stats = json.loads((tmp_path / "s.json").read_text())
    assert stats["files"] == [f"r/{path.name}" for path in paths]
    assert stats["size"] == sum(path.stat().st_size for path in paths)


def test_filesize_of_both_is_that_of_a_file(inside: Run, tmp_path: Path, records: Records, trace: Path) -> None:
    """With ``-b``, ``-a filesize:`` ends a file, not the capture, as in dumpcap(1)."""
    inside("demo", "--fast", "-q", "-w", "t.pcap", "-b", "files:100", "-a", "filesize:1")
    paths = sorted(tmp_path.glob("t_*.pcap"))
    assert len(paths) > 2
    assert [record for path in paths for record in records(path)] == records(trace)


def test_a_ring_file_is_completed_though_nothing_more_comes(
    taps: Any, tmp_path: Path, start: Start, until: Until, records: Records
) -> None:
    start("capture", "-q", "-i", taps.names[0], "-w", "t.pcapng", "-b", "duration:0.4")
    until(lambda: [path for path in tmp_path.glob("t_*") if STATISTICS in kinds(path)])
    (path,) = tmp_path.glob("t_*")
    time.sleep(0.5)
    assert len(records(path)) == 1
    assert list(tmp_path.glob("t_*")) == [path]


def test_trigger(inside: Run, trace: Path, tmp_path: Path, records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    """Printed records have the numbers that they have in the file."""
    monkeypatch.setattr("vtctap.capturing.trigger.BEFORE_SECONDS", 2)
    whole = records(trace)
    at = max(number for number, record in enumerate(whole) if record.octets[:3] == b"\x01W\x02")
    since = next(n for n, record in enumerate(whole) if record.time >= whole[at].time - 2_000_000_000)
    assert 0 < since < at - 2
    options = ["--trigger", f"frame.number == {at + 1}", "--stats-json", "s.json"]
    result = inside("demo", "--fast", "--print", "-w", "t.pcapng", *options)
    assert result.returncode == 0
    assert list(map(unchained, records(tmp_path / "t.pcapng"))) == list(map(unchained, whole[since:]))
    assert result.stdout == inside("read", "t.pcapng").stdout
    stats = json.loads((tmp_path / "s.json").read_text())
    assert (stats["records"], stats["written"]) == (len(whole), len(whole) - since)


def test_duration_counts_from_the_trigger(
    taps: Any, tmp_path: Path, start: Start, until: Until, records: Records
) -> None:
    path = tmp_path / "t.pcapng"
    process = start("capture", "-q", "-i", taps.names[0], "-w", path, "--trigger", "vtc.message", "-a", "duration:0.6")
    until(path.exists)
    time.sleep(1.0)
    assert process.poll() is None
    taps.say(0, REQUEST)
    assert process.wait(PATIENCE) == 0
    assert [event.partition(" ")[0] for event in events(path)] == ["opened", "closed"]
    written = records(path)
    (message,) = [record for record in written if record.octets == REQUEST]
    assert written[-1].time - message.time > 590_000_000


def test_trigger_that_never_comes(inside: Run, tmp_path: Path, records: Records) -> None:
    result = inside("demo", "--fast", "-w", "t.pcapng", "--trigger", "vtc.value == 9")
    assert result.returncode == 0
    assert result.stderr.endswith("in t.pcapng; no record matched --trigger\n")
    assert records(tmp_path / "t.pcapng") == []


def test_limits_count_from_the_trigger(inside: Run, trace: Path, tmp_path: Path, records: Records) -> None:
    options = ["--trigger", 'vtc.message == "Data"', "-a", "match:vtc.message", "-a", "packets:9"]
    inside("demo", "--fast", "-q", "-w", "t.pcapng", *options)
    assert records(tmp_path / "t.pcapng")[:-2] == records(trace)[:4]
    options = ["--trigger", 'vtc.message == "Data"', "-a", "packets:3"]
    inside("demo", "--fast", "-q", "--force", "-w", "t.pcapng", *options)
    assert records(tmp_path / "t.pcapng")[:-2] == records(trace)[:6]  # 3 before it, it, and 2 more


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-b", "filesize:1"], "-b makes the names of its files from -w: add -w FILE"),
        (["-b", "filesize:1", "-w", "-"], "add -w FILE"),
        (["-b", "files:2", "-w", "t.pcap"], "-b files: does not say when a file ends"),
        (
            ["-b", "files:0", "-w", "t.pcap"],
            "'files:0' is not a condition: write one of duration:SECONDS, packets:NUMBER, filesize:KILOBYTES",
        ),
        (["-b", "match:x", "-w", "t.pcap"], "'match:x' is not a condition"),
        (["-b", "duration:0.0", "-w", "t.pcap"], "'duration:0.0' is not a condition"),
        (["-b", "duration:-1", "-w", "t.pcap"], "'duration:-1' is not a condition"),
        (["-b", "packets:1.5", "-w", "t.pcap"], "'packets:1.5' is not a condition"),
        (["-b", f"duration:{'9' * 320}", "-w", "t.pcap"], "; a number has at most 15 digits"),
        (["-a", f"packets:{'9' * 5000}", "-w", "t.pcap"], "; a number has at most 15 digits"),
        (["-b", "packets:1", "-w", "t.txt"], "t.txt: the name must end in .pcapng or .pcap"),
        (["-a", "files:2", "-w", "t.pcap"], "-a files: counts ring files"),
        (["-a", "match:", "-w", "t.pcap"], "'match:' is not a condition"),
        (["-a", "match:vtc.nosuch", "-w", "t.pcap"], "vtc.nosuch"),
        (["--trigger", "(", "-w", "t.pcap"], "filter: "),
    ],
)
def test_conditions_that_make_no_sense(inside: Run, tmp_path: Path, arguments: list[str], text: str) -> None:
    result = inside("demo", "--fast", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("vtctap")
    assert text in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
