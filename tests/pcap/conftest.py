"""Fixtures of the tests in this folder."""

import io
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from equipment import PATIENCE
from vtctap.pcap import Flag, Kind, Line, Record, Sender

START = 1_700_000_000_123_456_789


@pytest.fixture
def records() -> list[Record]:
    """A short trace with two taps, every kind of record, and every kind of error."""
    line = Line(7, "E", 1)
    ms = 1_000_000
    return [
        Record(START, b"", Kind.EVENT, event="opened profile=iec62055-52 speed=9600", tap=0),
        Record(START + 5 * ms, b"/?!\r\n", sender=Sender.CLIENT, line=line, speed=9600, uncertainty=1, duration=5),
        Record(
            START + 300 * ms,
            b"\x06",
            sender=Sender.SERVER,
            inferred=True,
            tap=1,
            link=0,
            line=line,
            flags=Flag.PARITY | Flag.FRAMING,
            parity_errors=(0,),
            framing_errors=(0,),
        ),
        Record(START + 301 * ms, b"\x00", Kind.NOISE, tap=1, flags=Flag.BREAK | Flag.ECHO, pauses_us=((0, 4000),)),
        Record(START + 302 * ms, b"\x01R1\x02" + bytes(range(256)), sender=Sender.CLIENT, flags=Flag.CUT, duration=77),
    ]


class Growing(io.RawIOBase):
    """A file that others append to. At its present end it returns no octets."""

    def __init__(self, octets: bytes = b"", most: int | None = None) -> None:
        self.octets = octets
        self.most = most
        self.at = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert size > 0, "only bounded reads keep the memory constant"
        chunk = self.octets[self.at : self.at + min(size, self.most or size)]
        self.at += len(chunk)
        return chunk


@pytest.fixture
def growing() -> type[Growing]:
    return Growing


class Sink(io.RawIOBase):
    """Takes octets, ``most`` at a time, and notes each call. Raises ``error`` once it holds ``room`` octets."""

    def __init__(self, most: int | None = None, room: int | None = None, error: OSError | None = None) -> None:
        self.octets = b""
        self.calls: list[bytes] = []
        self.most, self.room, self.error = most, room, error

    def writable(self) -> bool:
        return True

    def write(self, octets: bytes) -> int:  # type: ignore[override]
        taken = octets[: self.most]
        if self.room is not None:
            taken = taken[: self.room - len(self.octets)]
            if not taken:
                assert self.error
                raise self.error
        self.octets += taken
        self.calls.append(taken)
        return len(taken)


@pytest.fixture
def sink() -> type[Sink]:
    return Sink


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[str]]:
    """Runs a tool of Wireshark's with default settings, and returns the lines that it prints."""

    def run(tool: str, *arguments: str | Path) -> list[str]:
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
        home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config"), "TZ": "UTC", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            [tool, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            env={**os.environ, **home},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return run
