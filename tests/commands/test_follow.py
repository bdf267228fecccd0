"""``vtctap capture --speed follow`` and ``auto`` on a simulated wire: a tap with wrong settings receives garbled
octets."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from equipment import PATIENCE
from equipment.garbling import GarblingTaps
from vtctap.dissector.protocol.messages import decode
from vtctap.pcap import Kind, Line, Record, open_trace
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.session import play

EVEN = Line(7, "E", 1)


def capture(
    start: Callable[..., Popen[str]], listening: Callable[..., None], trace: Path, mode: str | None, *options: str
) -> list[Record]:
    octets = list(play(3, mode=mode, speed=300 if mode else 9600, dialect=GUESS))
    with GarblingTaps(EVEN) as taps:
        command = ["capture", "--client", taps.client, "--server", taps.server, "-w", str(trace), *options]
        capturing = start(*command)
        listening(trace)
        taps.start(octets, beginning=octets[0].start - 200_000_000)
        assert taps.wait(PATIENCE)
        time.sleep(2)  # Longer than the silence that ends a session.
        capturing.send_signal(signal.SIGINT)
        assert capturing.wait(PATIENCE) == 0
    with open_trace(trace) as reader:
        records = list(reader)
    assert sum(len(record.octets) for record in records) == sum(
        int(record.event.removeprefix("closed octets=").partition(" ")[0])
        for record in records
        if record.event.startswith("closed")
    )
    return records


def speeds(records: list[Record]) -> list[str]:
    return [record.event for record in records if record.event.startswith("speed")]


@pytest.mark.parametrize(
    ("mode", "changes"),
    [
        (
            "C",
            [
                "speed from=300 to=9600 line=7E1 why=OptionSelect",
                "speed from=9600 to=300 line=7E1 why=BreakCommand",
            ],
        ),
        (
            "B",
            [
                "speed from=300 to=2400 line=7E1 why=IDResponse",
                "speed from=2400 to=300 line=7E1 why=end-of-readout",
            ],
        ),
    ],
)
def test_follows(
    mode: str, changes: list[str], start: Callable[..., Popen[str]], listening: Callable[..., None], tmp_path: Path
) -> None:
    records = capture(start, listening, tmp_path / "t.pcapng", mode, "--profile", "iec62056-21")
    assert speeds(records) == changes
    assert not [record for record in records if record.kind is Kind.NOISE or record.parity_errors]
    statuses = {decode(record.octets).bcc_status for record in records if record.kind is Kind.FRAME}
    assert statuses == {"good", "none"}


def test_auto(start: Callable[..., Popen[str]], listening: Callable[..., None], tmp_path: Path) -> None:
    """Octets received before the speed is known are in the trace as noise; all others are good frames."""
    records = capture(start, listening, tmp_path / "t.pcapng", None, "--speed", "auto")
    assert speeds(records)[-1].endswith("to=9600 line=7E1 why=found")
    found = max(number for number, record in enumerate(records) if record.event.startswith("speed"))
    assert all(record.kind is not Kind.FRAME for record in records[:found])
    frames = [decode(record.octets) for record in records[found:] if record.kind is Kind.FRAME]
    assert len(frames) > 20
    assert sum(frame.bcc_status == "bad" for frame in frames) <= 2  # The garbled answer, and one that the search cut.
