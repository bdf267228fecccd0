"""Fixtures of the tests of commands: each runs a command as a user does, in a process of its own."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from equipment import PATIENCE
from vtctap.__main__ import main
from vtctap.pcap.record import Kind, Record
from vtctap.pcap.trace import open_trace
from vtctap.sniffer.simulated.ptys import unread


@pytest.fixture(autouse=True)
def as_users_have_it(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Sets the environment that users have, whatever the tests run in: standard output is buffered, and modules are
    compiled once, beside the tests' files if not beside their sources."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    if "PYTHONDONTWRITEBYTECODE" in os.environ:
        monkeypatch.delenv("PYTHONDONTWRITEBYTECODE")
        monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.getbasetemp() / "pycache"))


@pytest.fixture
def vtctap(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command to its end in an empty folder."""

    def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "vtctap", *map(str, arguments)],
            **{"capture_output": True, "text": True, "timeout": PATIENCE, "check": False, "cwd": tmp_path} | options,
        )

    return run


@pytest.fixture
def inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command like :func:`vtctap`, but in this process. It is faster, for commands that end at once."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        capsys.readouterr()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as end:
            status = int(end.code or 0)
        return subprocess.CompletedProcess(arguments, status, *capsys.readouterr())

    return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Starts a command, and ends it with the test if it still runs. ``shell`` holds commands that the shell runs
    first."""
    running: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str | Path, shell: str = "", **options: Any) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "vtctap", *map(str, arguments)]
        if shell:
            command = ["sh", "-c", f'{shell}; exec "$@"', "sh", *command]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        running.append(subprocess.Popen(command, **pipes | {"cwd": tmp_path} | options))
        return running[-1]

    yield run
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=PATIENCE)


class Taps:
    """Pseudo-terminals in place of the taps of a 7E1 line."""

    def __init__(self, count: int) -> None:
        import pty
        import tty

        self._pairs = [pty.openpty() for _ in range(count)]
        for _, near in self._pairs:
            tty.setraw(near)
        self.names = [os.ttyname(near) for _, near in self._pairs]

    def say(self, tap: int, octets: bytes) -> None:
        """Delivers octets of seven bits to a tap, with even parity."""
        self.put(tap, bytes(octet | (octet.bit_count() & 1) << 7 for octet in octets))

    def put(self, tap: int, octets: bytes) -> None:
        """Delivers octets to a tap unchanged."""
        os.write(self._pairs[tap][0], octets)

    def read(self, tap: int) -> bool:
        """Whether the capture has read everything that arrived on a tap."""
        return not unread(self._pairs[tap][1])

    def unplug(self, tap: int) -> None:
        """Removes the adapter."""
        for descriptor in self._pairs[tap]:
            os.close(descriptor)
        self._pairs[tap] = (-1, -1)

    def close(self) -> None:
        for tap, (descriptor, _) in enumerate(self._pairs):
            if descriptor >= 0:
                self.unplug(tap)


@pytest.fixture
def taps() -> Iterator[Taps]:
    """Two taps."""
    pytest.importorskip("termios")
    taps = Taps(2)
    yield taps
    taps.close()


@pytest.fixture
def records() -> Callable[[Path | str], list[Record]]:
    """Returns the records of a trace, which must not end cut."""

    def read(path: Path | str) -> list[Record]:
        with open_trace(path) as reader:
            found = list(reader)
            assert reader.cut is None
        return found

    return read


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits until a condition holds."""

    def wait(holds: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < end, "it does not come about"
            time.sleep(0.01)

    return wait


@pytest.fixture
def listening(until: Callable[..., None]) -> Callable[[Path, int], None]:
    """Waits until a trace reports that this many taps are open."""

    def wait(path: Path, taps: int = 2) -> None:
        until(lambda: path.exists() and path.read_bytes().count(b"opened profile=") == taps)

    return wait


@pytest.fixture
def said() -> Callable[[list[Record]], list[bytes]]:
    """Joins the octets of all records except events."""

    def octets(records: list[Record]) -> list[bytes]:
        return [record.octets for record in records if record.kind is not Kind.EVENT]

    return octets


@pytest.fixture(scope="session")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trace of the demo, made once; nobody changes it."""
    path = tmp_path_factory.mktemp("demonstration") / "trace.pcapng"
    assert main(["demo", "--fast", "-q", "-w", str(path)]) == 0
    return path


@pytest.fixture
def trace(tmp_path: Path, demonstration: Path) -> Path:
    """A trace of the demo that a test may change."""
    return Path(shutil.copy(demonstration, tmp_path))


@pytest.fixture
def terminal() -> Iterator[Any]:
    """A terminal (:class:`equipment.terminal.Terminal`)."""
    pytest.importorskip("termios")
    from equipment.terminal import Terminal

    terminal = Terminal()
    yield terminal
    terminal.close()
