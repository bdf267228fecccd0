"""``vtctap demo``: a capture of the simulated link."""

import json
import shutil
import struct
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from equipment import PATIENCE
from vtctap.pcap.record import Flag, Kind, Record, Sender
from vtctap.pcap.trace import open_trace

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
Records = Callable[[Path], list[Record]]

CODES = {"bcc-bad", "parity", "no-response", "cut", "noise", "response-late", "char-gap", "undefined-command", "break"}


@pytest.mark.parametrize("suffix", [".pcapng", ".pcap"])
def test_fast_is_the_same_each_time(vtctap: Run, tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{number}{suffix}" for number in range(3)]
    for path, seed in zip(paths, ("0", "0", "1"), strict=True):
        assert vtctap("demo", "--fast", "--seed", seed, "-w", path).returncode == 0
    octets = [path.read_bytes() for path in paths]
    assert octets[0] == octets[1] != octets[2]


@pytest.mark.parametrize(
    "words",
    [
        ["-w", "t.pcapng", "--stats-json", "t.pcapng"],
        ["-w", "t.pcapng", "--stats-json", "./t.pcapng", "--force"],
        ["-w", "-", "--stats-json", "-"],
        ["-w", "t.pcapng", "--faults", "--stats-json", "t.pcapng.faults.json"],
    ],
)
def test_a_file_is_not_named_for_two_outputs(inside: Run, tmp_path: Path, words: list[str]) -> None:
    result = inside("demo", "--fast", *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert "is named for two outputs" in result.stderr
    assert [*tmp_path.iterdir()] == []


def test_fast_shows_a_session(inside: Run) -> None:
    result = inside("demo", "--fast")
    words = Counter(line.split()[3] for line in result.stdout.splitlines())
    assert result.returncode == 0
    assert words["IDRequest"] == words["BreakCommand"] == 0  # No recording shows them on this port.
    assert words["WriteCommand"] == words["ACK"] == 8
    assert words["NAK"] >= 1
    assert "noise" not in words
    assert result.stderr.startswith("vtctap: ")
    assert " 1 with a bad check character; 0 pieces of noise; " in result.stderr
    assert inside("demo", "--fast", "-q").stderr == ""


def test_fast_is_what_tshark_reads(trace: Path, records: Records) -> None:
    """An independent reader finds the same number of packets, with link type USER0 and the same octets."""
    if not shutil.which("tshark"):
        pytest.skip("tshark is not installed")
    fields = ["-e", "frame.number", "-e", "frame.encap_type", "-e", "frame.len"]
    done = subprocess.run(["tshark", "-r", trace, "-T", "fields", *fields], capture_output=True, text=True, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(rows) == len(records(trace))
    assert {row[1] for row in rows} == {"45"}  # WTAP_ENCAP_USER0


@pytest.mark.parametrize("seed", range(5))
def test_faults_are_listed_and_are_there(inside: Run, tmp_path: Path, records: Records, seed: int) -> None:
    path = tmp_path / "t.pcapng"
    assert inside("demo", "--fast", "--faults", "--seed", seed, "-w", path).returncode == 0
    listed = json.loads((tmp_path / "t.pcapng.faults.json").read_text())
    found = records(path)
    assert {entry["code"] for entry in listed} == CODES
    for entry in listed:
        assert set(entry) == {"frame", "code"}
        record = found[entry["frame"] - 1]
        holds = {
            "parity": record.flags & Flag.PARITY,
            "cut": record.flags & Flag.CUT,
            "noise": record.kind is Kind.NOISE,
            "break": record.flags & Flag.BREAK,
            "char-gap": any(pause >= 1_500_000 for _, pause in record.pauses_us),
            "undefined-command": record.octets[:2] == b"\x01X",
            "no-response": record.sender is Sender.CLIENT and record.octets[:2] == b"\x01R",
            "response-late": record.sender is Sender.SERVER,
            "bcc-bad": record.octets[-2:-1] == b"\x03",
        }
        assert holds[entry["code"]], (entry, record)


def test_faults_do_not_overwrite_their_list(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "t.pcapng.faults.json").write_text("mine")
    result = inside("demo", "--fast", "--faults", "-w", "t.pcapng")
    assert result.returncode == 2
    assert "t.pcapng.faults.json exists" in result.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.pcapng.faults.json"]
    assert inside("demo", "--fast", "--faults", "-w", "t.pcapng", "--force").returncode == 0


def test_profiles_and_speeds(inside: Run, tmp_path: Path, records: Records) -> None:
    options = ["--profile", "iec62056-21", "--speed", "300", "--dlt", "162"]
    assert inside("demo", "--fast", *options, "-w", "t.pcapng").returncode == 0
    assert {record.speed for record in records(tmp_path / "t.pcapng")} == {300}
    with open_trace(tmp_path / "t.pcapng") as reader:
        list(reader)
        assert [(tap.linktype, tap.speed) for tap in reader.interfaces] == [(162, 300)] * 2


def test_stops_and_counts(inside: Run, tmp_path: Path, records: Records) -> None:
    result = inside("demo", "--fast", "-q", "-w", "t.pcapng", "-a", "packets:7", "--stats-json", "s.json")
    assert result.returncode == 0
    found = records(tmp_path / "t.pcapng")
    assert sum(record.kind is not Kind.EVENT for record in found) == 7
    assert json.loads((tmp_path / "s.json").read_text())["records"] == len(found) == 7 + 4


def test_a_duration_is_one_of_the_virtual_clock(inside: Run, tmp_path: Path, records: Records) -> None:
    """The trace has what the one without a limit has until that time, and the closing events."""
    assert inside("demo", "--fast", "-q", "--no-hashes", "-w", "whole.pcapng").returncode == 0
    assert inside("demo", "--fast", "-q", "--no-hashes", "-w", "t.pcapng", "-a", "duration:5").returncode == 0
    whole, (*found, client, server) = records(tmp_path / "whole.pcapng"), records(tmp_path / "t.pcapng")
    assert found == whole[: len(found)]
    assert max(found[-1].end, client.time) < whole[0].time + 5 * 10**9 < whole[len(found)].time
    assert [record.event.partition(" ")[0] for record in (client, server)] == ["closed", "closed"]


def test_a_duration_counts_from_the_trigger(inside: Run, tmp_path: Path, records: Records) -> None:
    options = ["--trigger", "frame.time_relative >= 8", "-a", "duration:5"]
    assert inside("demo", "--fast", "-q", "-w", "t.pcapng", *options).returncode == 0
    begin, *_, last = records(tmp_path / "t.pcapng")
    assert begin.time + 12 * 10**9 < last.time < begin.time + 14 * 10**9


def test_filesize_is_in_thousands_of_octets(inside: Run, trace: Path, tmp_path: Path, records: Records) -> None:
    """Apart from the closing events, the last record is the one that reaches the size."""
    whole = trace.read_bytes()
    ends, at = [], 0
    while at < len(whole):
        kind, length = struct.unpack_from("<II", whole, at)
        at += length
        ends += [at] if kind == 6 else []
    for thousands in (1, 2, 3, 4):
        options = ["-q", "-w", "t.pcapng", "--force", "-a", f"filesize:{thousands}"]
        assert inside("demo", "--fast", *options).returncode == 0
        end = next(end for end in ends if end >= thousands * 1000)
        octets = (tmp_path / "t.pcapng").read_bytes()
        assert octets[:end] == whole[:end]
        *_, last, first_closed, _ = records(tmp_path / "t.pcapng")
        assert first_closed.event.startswith("closed ")
        assert not last.event.startswith("closed ")
        (length,) = struct.unpack_from("<I", octets, end + 4)
        assert b"closed octets=" in octets[end : end + length]


def test_statistics_on_standard_output(inside: Run) -> None:
    result = inside("demo", "--fast", "-q", "-w", "t.pcapng", "--stats-json", "-")
    assert json.loads(result.stdout)["check_characters"]["bad"] == 1


def test_true_pace_begins_at_once_and_can_be_stopped(inside: Run, tmp_path: Path, records: Records) -> None:
    pytest.importorskip("termios")
    result = inside("demo", "-q", "-w", "t.pcapng", "-a", "duration:2")
    assert (result.returncode, result.stderr) == (0, "")
    assert [record.octets for record in records(tmp_path / "t.pcapng") if record.kind is Kind.FRAME][:1] == [
        b"\x01R\x0220001\x03`"
    ]


@pytest.mark.slow
def test_true_pace_says_what_fast_says(vtctap: Run, tmp_path: Path, records: Records) -> None:
    """The same seed gives the same messages over pseudo-terminals and in virtual time."""
    pytest.importorskip("termios")
    said = []
    for name, fast in (("slow.pcapng", []), ("fast.pcapng", ["--fast"])):
        assert vtctap("demo", "-q", "-w", name, *fast, timeout=PATIENCE).returncode == 0
        found = [record for record in records(tmp_path / name) if record.kind is not Kind.EVENT]
        said.append([(record.sender, record.octets, record.flags & ~Flag.ORDER_UNCERTAIN) for record in found])
    assert said[0] == said[1]


@pytest.mark.slow
def test_true_pace_with_faults(vtctap: Run, tmp_path: Path) -> None:
    pytest.importorskip("termios")
    assert vtctap("demo", "-q", "--faults", "-w", "t.pcapng", timeout=PATIENCE).returncode == 0
    listed = json.loads((tmp_path / "t.pcapng.faults.json").read_text())
    assert {entry["code"] for entry in listed} == CODES - {"break"}
