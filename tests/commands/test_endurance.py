"""Captures that are killed, whose disk is full, or whose reader has gone: the file holds every complete record."""

import errno
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from equipment import PATIENCE
from vtctap.pcap.record import Kind, Record
from vtctap.pcap.trace import create_trace, open_trace

pytest.importorskip("termios")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
Listening = Callable[..., None]
Records = Callable[[Path], list[Record]]

GRACE = 0.05
"""Time that a complete record may take to reach the file, seconds."""
SETTLED = 0.0125
"""Time from a frame's last octet to the silence that completes it, in seconds: six characters at 9600 bit/s and the
largest delay of a program's wake-up. Every frame ends in its check character, so this is enough."""


def frame(number: int) -> bytes:
    """Returns an answer that holds its number, with the check character of IEC 62056-21."""
    checked = f"9.9.9({number:06})".encode() + b"\x03"
    return b"\x02" + checked + bytes([reduce(lambda value, octet: value ^ octet, checked, 0)])


def even(octets: bytes) -> bytes:
    return bytes(octet | (octet.bit_count() & 1) << 7 for octet in octets)


@dataclass
class Victim:
    """A capture of a line with numbered ``frames``, and the time at which each frame ended."""

    process: "subprocess.Popen[bytes]"
    line: int
    path: Path
    frames: int
    due: float = 0.0
    said: list[float] = field(default_factory=list)
    killed: float = 0.0

    def say(self) -> None:
        os.write(self.line, even(frame(len(self.said))))
        self.said.append(time.monotonic())

    def numbers(self) -> list[int]:
        """Returns the numbers of the frames in the file. The file must be readable, whether its last record is complete
        or not."""
        with open_trace(self.path) as reader:
            heard = [record.octets for record in reader if record.kind is not Kind.EVENT]
        numbers = [int(octets[7:13]) for octets in heard]
        assert heard == [frame(number) for number in numbers]
        return numbers


@pytest.fixture
def kill_some(tmp_path: Path) -> Iterator[Callable[[int, random.Random], list[Victim]]]:
    """Runs captures at the same time, and kills each at a random moment around its last frame."""
    import pty
    import tty

    descriptors: list[int] = []
    running: list[subprocess.Popen[bytes]] = []

    def run(count: int, chance: random.Random) -> list[Victim]:
        victims = []
        for number in range(count):
            line, near = pty.openpty()
            tty.setraw(near)
            descriptors.extend((line, near))
            path = tmp_path / f"{len(running)}-{number}.pcapng"
            command = [sys.executable, "-m", "vtctap", "capture", "-q", "-i", os.ttyname(near), "-w", str(path)]
            with path.with_suffix(".txt").open("wb") as said:
                running.append(subprocess.Popen(command, stderr=said))
            victims.append(Victim(running[-1], line, path, chance.randint(1, 9)))
        listening = time.monotonic() + PATIENCE
        while not all(victim.path.exists() and b"opened profile" in victim.path.read_bytes() for victim in victims):
            said = [victim.path.with_suffix(".txt").read_text() for victim in victims]
            assert time.monotonic() < listening, said
            time.sleep(0.02)
        alive = victims
        while alive:
            for victim in alive:
                if time.monotonic() < victim.due:
                    continue
                if len(victim.said) == victim.frames:
                    victim.killed = time.monotonic()  # It dies a little later, which favours it.
                    victim.process.kill()
                else:
                    victim.say()
                    victim.due = time.monotonic() + chance.choice((0.001, 0.02, 0.25))  # Busy, or idle.
            alive = [victim for victim in alive if not victim.killed]
            time.sleep(0.001)
        for victim in victims:
            victim.process.wait(PATIENCE)
        return victims

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait(PATIENCE)
    for descriptor in descriptors:
        os.close(descriptor)


def judge(victims: list[Victim]) -> list[float]:
    """Checks each file, and returns the ages of the missing frames when the process was killed."""
    missing = []
    for victim in victims:
        numbers = victim.numbers()
        assert numbers == list(range(len(numbers)))  # The frames are in order, each once, without a gap.
        missing += [victim.killed - said - SETTLED for said in victim.said[len(numbers) :]]
    return missing


def test_ten_captures_killed(kill_some: Callable[[int, random.Random], list[Victim]]) -> None:
    """Only a quiet machine can show how soon a frame is in the file; the slow test below does."""
    victims = kill_some(5, random.Random(1)) + kill_some(5, random.Random(2))
    said = sum(len(victim.said) for victim in victims)
    assert said > 30
    assert len(judge(victims)) < said


@pytest.mark.slow
def test_two_hundred_captures_killed(kill_some: Callable[[int, random.Random], list[Victim]]) -> None:
    victims = [victim for seed in range(40) for victim in kill_some(5, random.Random(seed))]
    assert len(victims) == 200
    missing = judge(victims)
    print(f"{sum(len(victim.said) for victim in victims)} frames said, {len(missing)} not yet in a file; ", end="")
    print(f"the oldest had been complete for {max(missing, default=0) * 1000:.0f} ms")
    assert max(missing, default=0.0) <= GRACE


# A disk that becomes full.


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = os.geteuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", folder], capture_output=True, check=False
    )
    if not done or done.returncode:
        pytest.skip("needs to mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_whole_trace_or_none_on_a_full_disk(small_disk: Path, tmp_path: Path, vtctap: Run) -> None:
    trace = tmp_path / "t.pcapng"
    with create_trace(trace) as writer:
        for number in range(1000):
            writer.write(Record(number, frame(number)))
    path = small_disk / "t.pcapng"
    done = vtctap("reframe", trace, "-w", path)
    assert (done.returncode, done.stderr) == (4, f"vtctap: {path}: {os.strerror(errno.ENOSPC)}\n")
    assert list(small_disk.iterdir()) == []


def test_disk_that_fills(taps: Any, small_disk: Path, start: Start, listening: Listening) -> None:
    path = small_disk / "t.pcapng"
    process = start("capture", "-i", taps.names[0], "-w", path)
    listening(path, 1)
    said = 0
    while process.poll() is None:
        taps.say(0, b"".join(map(frame, range(said, said + 20))))
        said += 20
        time.sleep(0.05)
        assert said < 2000
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 4
    assert errors.decode() == f"vtctap: {path}: {os.strerror(errno.ENOSPC)}; the part written before is readable\n"
    assert path.stat().st_size == 32768
    with open_trace(path) as reader:
        heard = [record.octets for record in reader if record.kind is not Kind.EVENT]
    assert len(heard) > 200
    assert heard == [frame(number) for number in range(len(heard))]


def test_ring_files_on_a_small_disk(
    taps: Any, small_disk: Path, start: Start, until: Callable[..., None], records: Records
) -> None:
    """The oldest files are deleted before the disk is too full for the next one."""
    ring = ["-b", "filesize:8", "-b", "files:2"]
    process = start("capture", "-q", "-i", taps.names[0], "-w", small_disk / "t.pcapng", *ring)
    until(lambda: any(small_disk.iterdir()))
    for number in range(0, 1000, 20):
        taps.say(0, b"".join(map(frame, range(number, number + 20))))
        time.sleep(0.03)
    until(lambda: frame(998) in b"".join(path.read_bytes() for path in small_disk.iterdir()))
    process.terminate()
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, b"")
    paths = sorted(small_disk.iterdir())
    assert len(paths) == 2
    heard = [record.octets for path in paths for record in records(path) if record.kind is not Kind.EVENT]
    assert heard == [frame(number) for number in range(1000 - len(heard), 1000)]


# A reader that goes away while the line is silent.


@pytest.mark.parametrize("arguments", [["-w", "-"], [], ["--print", "-w", "t.pcapng"]])
def test_nobody_reads_an_idle_line(taps: Any, start: Start, tmp_path: Path, arguments: list[str]) -> None:
    process = start("capture", "-q", "-i", taps.names[0], *arguments)
    assert process.stdout
    assert os.read(process.stdout.fileno(), 4)
    time.sleep(0.3)
    assert process.poll() is None
    process.stdout.close()
    assert process.wait(PATIENCE) == 0
    assert process.stderr
    assert process.stderr.read() == b""
    if "t.pcapng" in arguments:
        with open_trace(tmp_path / "t.pcapng") as reader:
            assert [record.event.partition(" ")[0] for record in reader] == ["opened", "closed"]
            assert reader.cut is None


def test_the_pipeline_of_the_manual(taps: Any, tmp_path: Path) -> None:
    """``capture -w - | head``: head has read enough, and the shell's prompt comes back."""
    command = '"$0" -m vtctap capture -q -i "$1" -w - | head -c 4'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, taps.names[0]], capture_output=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\x0a\x0d\x0d\x0a", b"")
