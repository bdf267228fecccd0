"""Traces that are read while a ring is written: what the ring deletes between two steps of the reader."""

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest

from vtctap.command_line.inputs import Traces
from vtctap.pcap import ring
from vtctap.pcap.record import Record
from vtctap.pcap.ring import RingLimits, RingWriter

SECOND = 1_000_000_000
Write = Callable[[int], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the record of that number to a file of its own, and returns the file's name."""
    writer = RingWriter(tmp_path / "t.pcapng", RingLimits(records=1))

    def write(number: int) -> str:
        writer.write(Record(number * SECOND, bytes([number])))
        return writer.kept[-1]

    return write


def followed(name: str, items: int, capsys: pytest.CaptureFixture[str]) -> tuple[bytes, str]:
    """Returns the octets of so many items, and what was said."""
    traces = Traces([name], bar=False, follow=True)
    found = list(islice(traces, items))
    return b"".join(item.octets for item in found if isinstance(item, Record)), capsys.readouterr().err


def test_a_ring_file_that_is_deleted_before_it_can_be_opened(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = write(1), write(2), write(3)
    looks, look = [], ring.file_after

    def deleted(path: str) -> tuple[str, int] | None:
        looks.append(look(path))
        if len(looks) == 2:  # The first look says that the first file is complete.
            Path(second).unlink()
        return looks[-1]

    monkeypatch.setattr(ring, "file_after", deleted)
    octets, said = followed(first, 3, capsys)
    assert (octets, said) == (b"\1\3", f"vtctap: {third} is incomplete at offset 0: the ring lacks 1 file before it\n")
    assert looks[:3] == [(second, 0), (second, 0), (third, 1)]


def test_a_ring_file_that_is_deleted_before_the_next_one_is_begun(
    write: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A ring that keeps one file deletes it before it begins the next."""
    first, second = write(1), write(2)
    looks, look = [], ring.file_after

    def deleted(path: str) -> tuple[str, int] | None:
        looks.append(look(path))
        if len(looks) == 1:
            Path(second).unlink()
        return looks[-1]

    monkeypatch.setattr(ring, "file_after", deleted)
    monkeypatch.setattr(time, "sleep", lambda seconds: write(3))
    octets, said = followed(first, 3, capsys)
    assert octets == b"\1\3"
    assert said.endswith("the ring lacks 1 file before it\n")
    assert looks[1] is None
