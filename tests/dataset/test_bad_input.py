"""Whatever is among the traces: nothing is counted twice, nothing is silently missing, and the summary says why."""

import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from equipment import PATIENCE
from vtctap.__main__ import main
from vtctap.pcap import create_trace, open_trace

pytest.importorskip("pyarrow")
from pyarrow import parquet

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


def test_where_nothing_can_be_read_the_status_is_that_of_bad_input(desk: Path) -> None:
    status, said = export(desk, "nowhere.pcapng", "text.pcapng")
    assert (status, "0 records of 0 traces added" in said[-1], len(said)) == (2, True, 3)
    assert export(desk, "good.pcapng", "text.pcapng")[0] == 1
    assert export(desk, "good.pcapng", "text.pcapng")[0] == 1  # There before.


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


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no such names")
def test_names_that_are_no_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole trace and a damaged one, whose findings name it."""
    octets = (EXAMPLES / "session.pcapng").read_bytes()
    names = [os.fsdecode(name) for name in (b"caf\xe9.pcapng", b"cut\xff.pcapng")]
    (tmp_path / "in").mkdir()
    for name, each in zip(names, (octets, octets[:2000] + octets[2040:]), strict=True):
        (tmp_path / "in" / name).write_bytes(each)
    paths = [f"in/{name}" for name in names]
    shown = [r"in/caf\udce9.pcapng", r"in/cut\udcff.pcapng"]
    status, said = export(tmp_path, *paths, "--findings")
    assert (status, "of 2 traces added" in said[-1]) == (1, True), said
    assert "2 traces there before" in export(tmp_path, *paths, "--findings")[1][-1]
    tables = [f"(select distinct trace from {table} order by trace)" for table in ("traces", "records", "findings")]
    assert asked(tmp_path, " union all ".join(tables)) == ["trace", *shown * 3]
    with open_trace(tmp_path / "in" / names[0]) as records:
        count = sum(1 for _ in records)
    monkeypatch.chdir(tmp_path)
    for form in ("csv", "jsonl", "parquet"):
        assert main(["export", paths[0], "--table", "records", "-e", "trace", "-o", f"o.{form}"]) == 0
    assert set((tmp_path / "o.csv").read_text("utf-8").splitlines()[1:]) == {f'"{shown[0]}"'}
    each = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text("utf-8").splitlines()]
    assert each == [{"trace": shown[0]}] * count
    assert parquet.read_table(tmp_path / "o.parquet").to_pylist() == each


def test_a_damaged_timestamp_makes_no_set_unreadable(tmp_path: Path) -> None:
    """One in units of a second may be 2**40 of them."""
    pytest.importorskip("duckdb")
    octets = bytearray((EXAMPLES / "readout.pcapng").read_bytes())
    options = octets.index(struct.pack("<HHB", 9, 1, 9))  # if_tsresol: nanoseconds
    octets[options + 4] = 0
    packet = octets.index(struct.pack("<I", 6), 200)
    octets[packet + 12 : packet + 20] = struct.pack("<II", 1 << 8, 0)
    (tmp_path / "far.pcapng").write_bytes(octets)
    for added in ("1 trace added", "1 trace there before"):
        status, said = export(tmp_path, "far.pcapng")
        assert (status, added in said[-1]) == (0, True), said
    assert asked(tmp_path, "select count(*) from records")[-1] == str(count(tmp_path / "far.pcapng"))
