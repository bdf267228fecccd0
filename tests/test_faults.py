"""The fault campaign passes once for each fault, and its judge finds octets that are lost, repeated, altered or not
reported."""

import subprocess
import sys
from pathlib import Path

import pytest

from equipment import PATIENCE

pytest.importorskip("termios")

from faults import oracle
from faults.table import FAULTS

BENCH = Path(__file__).parents[1] / "bench"
SENT = b"0123456789"

SABOTAGE = """
import sys
from faults.__main__ import Run, tried
from faults.table import Fault
from vtctap.pcap.trace import TraceWriter

write, count = TraceWriter.write, 0

def sabotaged(self, record, comment=None):
    global count
    count += 1
    for _ in range({0} if count == 4 else 1):
        write(self, record, comment)

def sabotage():
    TraceWriter.write = sabotaged

def act(scene):
    scene.capture(before=sabotage)
    scene.traffic(10)
    return scene.finish()

print(tried(Run(Fault("sabotage", "", act), "1")).verdict.wrong)
"""


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Runs in a process of its own, because the campaign forks."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=BENCH, capture_output=True, text=True, timeout=4 * PATIENCE, check=False
    )


def test_every_fault_once() -> None:
    result = run("-m", "faults", "--times", "1", "--seed", "test")
    rows = result.stdout.splitlines()
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    assert sum(row.endswith(("| holds |", "| not possible here |")) for row in rows) == len(FAULTS)


@pytest.mark.parametrize("times", [0, 2])
def test_a_record_that_is_lost_or_written_twice_is_found(times: int) -> None:
    assert "is not what was sent" in run("-c", SABOTAGE.format(times)).stdout


@pytest.mark.parametrize(
    ("pieces", "left", "verdict"),
    [
        ([b"012", b"3456789"], b"", (10, 10, 0)),
        ([b"012", 4, b"789"], b"", (10, 6, 4)),
        ([b"0123456"], b"789", (7, 7, 0)),
    ],
)
def test_nothing_is_lost_unsaid(pieces: list[bytes | int], left: bytes, verdict: tuple[int, int, int]) -> None:
    assert oracle.whole(SENT, pieces, left) == (*verdict, "")


@pytest.mark.parametrize(
    "pieces",
    [
        [b"012", b"456789"],
        [b"012", b"23456789"],
        [b"345", b"012"],
        [b"0123456789"[:-1]],
        [b"012", 3, b"789"],
        [SENT, 1],
    ],
)
def test_what_is_lost_repeated_moved_or_said_in_vain_is_found(pieces: list[bytes | int]) -> None:
    assert oracle.whole(SENT, pieces, b"").wrong


def test_a_beginning_must_hold_what_is_due() -> None:
    assert oracle.beginning(SENT, [b"0123"], 4) == (4, 4, 0, "")
    assert oracle.beginning(SENT, [b"0123"], 5).wrong == "only 4 of 5 octets that had been complete"
    assert oracle.beginning(SENT, [b"0124"], 0).wrong
