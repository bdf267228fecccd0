"""Every command continues after damage, reports what it skipped, and has the right exit status."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.pcap import open_trace

Run = Callable[..., "subprocess.CompletedProcess[str]"]
HOSTILE = Path(__file__).parents[3] / "shared" / "cases" / "hostile"
EXAMPLE = Path(__file__).parents[2] / "examples" / "session.pcapng"

COMMANDS = [
    ["read"],
    ["read", "--json"],
    ["read", "-w", "out.pcapng"],
    ["stats"],
    ["profile", "check"],
    ["export", "-o", "out.csv"],
    ["reframe", "-w", "out.pcap"],
    ["check", "--fail-on", "never"],
]


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """An example in which one block has a wrong length, so its record is lost."""
    octets = bytearray(EXAMPLE.read_bytes())
    at = octets.index(b"VT\x01", 2000) - 28
    octets[at + 6] ^= 0x10
    path = tmp_path / "damaged.pcapng"
    path.write_bytes(octets)
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_reads_on(command: list[str], inside: Run, damaged: Path, tmp_path: Path) -> None:
    done = inside(*command, damaged)
    assert done.returncode == 1
    assert "octets skipped" in done.stderr + done.stdout
    if command == ["read"]:
        with open_trace(EXAMPLE) as whole:
            assert len(done.stdout.splitlines()) == sum(1 for _ in whole) - 1
    if command[0] == "check":
        assert "trace-damaged" in done.stdout


UNREADABLE = Path("/proc/self/mem")
"""Reading its beginning is an error of the system that names no file."""


@pytest.mark.skipif(not UNREADABLE.exists(), reason="Linux has this file")
@pytest.mark.parametrize("command", [*COMMANDS, ["import", "-w", "out.pcapng"]], ids=" ".join)
def test_an_error_of_the_disk_is_told_of_the_trace(command: list[str], inside: Run, tmp_path: Path) -> None:
    """The command has no output, and blames none."""
    done = inside(*command, UNREADABLE)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"vtctap: {UNREADABLE} cannot be read further: Input/output error\n"
    assert not list(tmp_path.iterdir())


RECORDS = {
    "one_bad_record_hl": 5,
    "one_foreign": 5,
    "one_kind7": 5,
    "one_version2": 5,
    "bad_if": 5,
    "caplen_huge": 5,
    "garbage_mid": 6,
    "trailer_bad": 5,
    "zero_len_block": 6,
    "length_bit_flipped": 46,
    "type_bit_flipped": 46,
}
"""The number of complete records in each file. tshark shows as many if it reads the file, and the undamaged trace has
one more."""


@pytest.mark.skipif(not HOSTILE.exists(), reason="the cases are not beside this project")
@pytest.mark.parametrize("name", RECORDS)
def test_hostile_traces(name: str, inside: Run) -> None:
    read = inside("read", HOSTILE / f"{name}.pcapng")
    assert (read.returncode, len(read.stdout.splitlines())) == (1, RECORDS[name])
    checked = inside("check", HOSTILE / f"{name}.pcapng")
    assert checked.returncode == 1
    assert "trace-damaged" in checked.stdout


@pytest.mark.skipif(not HOSTILE.exists(), reason="the cases are not beside this project")
@pytest.mark.parametrize("name", ["time_year_586524", "tsoff_max"])
def test_times_that_no_calendar_has(name: str, inside: Run) -> None:
    for command in (["read", "-t", "a"], ["read", "-t", "ad"], ["check"], ["stats"]):
        done = inside(*command, HOSTILE / f"{name}.pcapng")
        assert "Traceback" not in done.stderr
        assert done.stdout
