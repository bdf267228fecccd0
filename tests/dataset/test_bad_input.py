"""Whatever is among the traces: nothing is counted twice, nothing is silently missing, and the summary says why."""

import gzip
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from equipment import PATIENCE
from vtctap.pcap import create_trace, open_trace

pytest.importorskip("pyarrow")
from vtctap.dataset.entries import entries

EXAMPLES = Path(__file__).parents[2] / "examples"
ETHERNET = struct.pack("<IHHiIIIIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1, 0, 0, 4, 4) + b"abcd"


def export(folder: Path, *words: str | Path, limit: int | None = None) -> tuple[int, list[str]]:
    """Exports to ``set.parquet``; returns the exit status and the lines on standard error."""
    code = "import sys; from vtctap.__main__ import main; sys.exit(main())"
    if limit is not None:
        code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit})); {code}"
    # Without bytecode (-B): Python keeps a compiled module that the limit cuts, and can never import it again.
    command = [sys.executable, "-B", "-c", code, "export", *words, "-o", "set.parquet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=4 * PATIENCE)
    return done.returncode, done.stderr.splitlines()


def asked(folder: Path, sql: str) -> list[str]:
    command = [sys.executable, "-m", "vtctap", "query", "set.parquet", sql]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, timeout=2 * PATIENCE)
    return done.stdout.split()


def count(trace: Path) -> int:
    with open_trace(trace) as records:
        return sum(1 for _ in records)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """Traces of all kinds, good and bad."""
    shutil.copy(EXAMPLES / "session.pcapng", tmp_path / "good.pcapng")
    shutil.copy(EXAMPLES / "session.pcapng", tmp_path / "again.pcapng")
    (tmp_path / "packed.pcapng.gz").write_bytes(gzip.compress((EXAMPLES / "telegram.pcapng").read_bytes()))
    with open_trace(EXAMPLES / "programming.pcapng") as records, create_trace(tmp_path / "older.pcap") as writer:
        for record in records:
            writer.write(record)
    octets = bytearray((EXAMPLES / "readout.pcapng").read_bytes())
    (tmp_path / "cut.pcapng").write_bytes(octets[:-9])
    at = octets.index(b"VT\x01") if b"VT\x01" in octets else octets.index(b"VTC")
    octets[at + 2] = 9
    (tmp_path / "newer.pcapng").write_bytes(octets)
    (tmp_path / "ethernet.pcap").write_bytes(ETHERNET)
    (tmp_path / "empty.pcapng").touch()
    (tmp_path / "text.pcapng").write_text("this is no trace")
    return tmp_path


EVERY = ("good", "again", "cut", "newer", "empty", "text", "nowhere")
NAMES = [*(f"{name}.pcapng" for name in EVERY), "packed.pcapng.gz", "older.pcap", "ethernet.pcap"]


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_each_trace_is_in_the_set_or_named(desk: Path, jobs: str) -> None:
    pytest.importorskip("duckdb")
    status, said = export(desk, *NAMES, "--jobs", jobs)
    text = "\n".join(said)
    assert status == 1, text
    for name in ("ethernet.pcap", "text.pcapng", "nowhere.pcapng"):
        assert len([line for line in said if line.startswith(f"vtctap: skipped {name}: ")]) == 1, text
    for name, why in (("cut", "damaged or missing"), ("newer", "damaged or missing"), ("empty", "it has no records")):
        (line,) = [line for line in said if f"{name}.pcapng" in line]
        assert line.startswith(f"vtctap: {name}.pcapng: "), text
        assert why in line, text
    known = entries(desk / "set.parquet")
    assert said[-1].startswith(f"vtctap: {sum(entry.records for entry in known.values())} records of ")
    assert "3 traces skipped" in said[-1]
    rows = asked(desk, "select count(*), count(distinct (trace_id, number)) from records")[-2:]
    assert rows == [str(sum(entry.records for entry in known.values()))] * 2
    assert count(EXAMPLES / "session.pcapng") in {entry.records for entry in known.values()}
    before = {path: path.read_bytes() for path in (desk / "set.parquet").rglob("*.parquet")}
    status, said = export(desk, *NAMES, "--jobs", jobs)
    assert (status, "0 records of 0 traces added" in said[-1]) == (1, True)
    assert {path: path.read_bytes() for path in (desk / "set.parquet").rglob("*.parquet")} == before


def test_a_full_disk_leaves_the_set_as_it_was(desk: Path) -> None:
    """By a limit on the size of files, which the system reports as it reports a full disk."""
    pytest.importorskip("resource")
    assert export(desk, "good.pcapng")[0] == 0
    before = {path: path.read_bytes() for path in (desk / "set.parquet").rglob("*") if path.is_file()}
    status, said = export(desk, "packed.pcapng.gz", limit=4000)
    assert (status, len(said)) == (4, 1)
    assert said[0].startswith("vtctap: set.parquet: ")
    assert {path: path.read_bytes() for path in (desk / "set.parquet").rglob("*") if path.is_file()} == before
    assert export(desk, "packed.pcapng.gz")[0] == 0
    assert len(entries(desk / "set.parquet")) == 2


def test_the_examples_are_exported_and_asked(tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    traces = sorted(EXAMPLES.glob("*.pcapng"))
    status, said = export(tmp_path, *traces)
    assert (status, f"of {len(traces)} traces added" in said[-1]) == (0, True), said
    tokens = asked(tmp_path, "select token from tokens")[1:]
    assert tokens
    assert all(token.isdecimal() and len(token) == 20 for token in tokens)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no fifos here")
def test_a_pipe_is_no_trace_of_a_set(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.pcapng")
    status, said = export(tmp_path, "fifo.pcapng")
    assert (status, len(said)) == (2, 1)
    assert said[0].endswith("fifo.pcapng is none")
