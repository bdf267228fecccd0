"""A set of traces: each trace is in it once and complete, with the record decoder's values, or is named with a
reason."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from equipment import PATIENCE
from vtctap.dissector.analysis.check import check
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.dissector.tables import TABLES
from vtctap.pcap import Record, Sender, create_trace, open_trace
from vtctap.pcap.record import Flag, Kind, Line

pyarrow = pytest.importorskip("pyarrow")
from pyarrow import parquet  # noqa: E402

from vtctap.dataset import adding, exporting  # noqa: E402
from vtctap.dataset.adding import Added, Options, add_or_skip  # noqa: E402
from vtctap.dataset.entries import entries  # noqa: E402

EXAMPLES = Path(__file__).parents[2] / "examples"
TRACES = sorted(EXAMPLES.glob("*.pcapng"))
DAY = 86_400_000_000_000
NOON = 1_767_268_800_000_000_000
Rows = list[dict[str, Any]]


def add(trace: Path, folder: Path, **options: Any) -> Added:
    return add_or_skip((str(trace),), Options(str(folder), **options))


def rows(folder: Path, table: str) -> Rows:
    """Returns the rows of a table's files in the order of traces and record numbers, without empty cells."""
    found: Rows = []
    for path in folder.glob(f"{table}/**/*.parquet"):
        read = parquet.ParquetFile(path).read()
        for column in read.column_names:
            if str(read.schema.field(column).type).startswith("timestamp"):
                at = read.column_names.index(column)
                read = read.set_column(at, column, read[column].cast(pyarrow.int64()))
        found += [{name: value for name, value in row.items() if value is not None} for row in read.to_pylist()]
    return sorted(found, key=lambda row: (row["trace"], row.get("frame.number", 0)))


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def written(path: Path, *records: Record) -> Path:
    with create_trace(path, force=True) as writer:
        for record in records:
            writer.write(record)
    return path


def records(count: int, *, link: int = 0, start: int = NOON) -> Iterator[Record]:
    for number in range(count):
        yield Record(start + number * 10**9, b"/?!\r\n", sender=Sender.CLIENT, link=link, line=Line(7, "E", 1))


def plain(cells: dict[str, Any]) -> dict[str, Any]:
    """Returns the cells as Parquet stores them: times as whole us, durations as decimals."""
    changed = dict(cells)
    if "frame.time_epoch" in cells:
        changed["frame.time_ns"] = int(cells["frame.time_epoch"].replace(".", ""))
        changed["frame.time_epoch"] = changed["frame.time_ns"] // 1000
    return changed


@pytest.mark.parametrize("trace", TRACES, ids=lambda path: path.stem)
@pytest.mark.parametrize("profile", ["iec62055-52", "iec62056-21"])
def test_every_value_is_that_of_the_record_decoder(tmp_path: Path, trace: Path, profile: str) -> None:
    result = add(trace, tmp_path / "set", profile=profile, findings=True)
    known = load(profile)
    for table in ("records", "tokens"):
        with open_trace(trace) as items:
            wanted = [plain(row.cells) for row in TABLES[table].rows(map(Dissector(known).dissect, items), known)]
        found = rows(tmp_path / "set", table)
        assert {row.pop("trace") for row in found} <= {str(trace)}
        assert {row.pop("trace.id") for row in found} <= {result.id}
        for row in found:
            if "frame.time_relative" in row:
                row["frame.time_relative"] = f"{row['frame.time_relative']:.9f}"
        assert found == sorted(wanted, key=lambda row: row["frame.number"])
    with open_trace(trace) as items:
        findings = [(each.code, list(each.frames), each.message) for each in check(items, known)]
    found = rows(tmp_path / "set", "findings")
    assert sorted((row["code"], row["frames"], row["message"]) for row in found) == sorted(findings)


def test_the_same_trace_twice_is_one_copy_whatever_its_name(tmp_path: Path) -> None:
    first = add(TRACES[0], tmp_path / "set")
    before = files(tmp_path / "set")
    shutil.copy(TRACES[0], tmp_path / "other.pcapng")
    second = add(tmp_path / "other.pcapng", tmp_path / "set")
    assert (first.state, second.state, second.id) == ("added", "there", first.id)
    assert files(tmp_path / "set") == before
    forced = add(tmp_path / "other.pcapng", tmp_path / "set", force=True)
    assert forced.state == "added"
    assert len(files(tmp_path / "set")) == len(before)
    assert {row["trace"] for row in rows(tmp_path / "set", "records")} == {str(tmp_path / "other.pcapng")}


def test_an_empty_trace_hides_no_other(tmp_path: Path) -> None:
    (tmp_path / "empty.pcapng").touch()
    assert add(tmp_path / "empty.pcapng", tmp_path / "set").records == 0
    assert add(TRACES[0], tmp_path / "set").state == "added"


def test_a_trace_that_has_grown_replaces_its_shorter_copy(tmp_path: Path) -> None:
    every = list(records(9))
    trace = tmp_path / "t.pcapng"
    with create_trace(trace) as writer:
        for record in every[:5]:
            writer.write(record)
        shutil.copy(trace, tmp_path / "early.pcapng")
        add(tmp_path / "early.pcapng", tmp_path / "set")
        for record in every[5:]:
            writer.write(record)
    add(EXAMPLES / "telegram.pcapng", tmp_path / "set")
    add(trace, tmp_path / "set")
    kept = [row for row in rows(tmp_path / "set", "records") if row["trace"] != str(EXAMPLES / "telegram.pcapng")]
    assert [row["frame.number"] for row in kept if row["vtc.kind"] == "frame"] == list(range(1, 10))
    assert {entry.trace for entry in entries(tmp_path / "set").values()} == {
        str(trace),
        str(EXAMPLES / "telegram.pcapng"),
    }


def test_what_is_wanted_otherwise_is_decoded_again(tmp_path: Path) -> None:
    trace = EXAMPLES / "faults.pcapng"
    assert add(trace, tmp_path).state == "added"
    assert add(trace, tmp_path, findings=True).state == "added"
    assert add(trace, tmp_path, findings=True).state == "there"
    assert add(trace, tmp_path).state == "there"
    assert rows(tmp_path, "findings")
    assert add(trace, tmp_path, profile="iec62056-21").state == "added"
    assert add(trace, tmp_path).state == "there"
    assert not rows(tmp_path, "findings")
    assert len(entries(tmp_path)) == 1


def test_what_the_set_lacks_is_decoded_again(tmp_path: Path) -> None:
    """Octets that were left out, and tokens that no key has decrypted; not the reverse."""
    keys = tmp_path / "keys.toml"
    keys.write_text(
        '[[meter]]\npan = "000001000000000082"\nea = 11\ndecoder_key = "290e2626f5a0d106aad1aab6411589df"\n'
    )
    trace, folder = EXAMPLES / "session.pcapng", tmp_path / "set"
    wishes: list[tuple[dict[str, Any], str]] = [
        ({"octets": False}, "added"), ({"octets": False}, "there"), ({}, "added"), ({"octets": False}, "there"),
        ({"keys": str(keys)}, "added"), ({"keys": str(keys)}, "there"), ({}, "there"),
    ]  # fmt: skip
    assert [add(trace, folder, **wish).state for wish, _ in wishes] == [state for _, state in wishes]
    assert all("vtc.octets" in row for row in rows(folder, "records") if row["vtc.kind"] != "event")


def test_partitions_are_days_and_links(tmp_path: Path) -> None:
    links = [replace(record, link=number % 3, tap=number % 3) for number, record in enumerate(records(9))]
    later = [replace(record, time=record.time + day * DAY) for day in range(40) for record in links]
    written(tmp_path / "t.pcapng", *later, *records(1, start=2**63 + 5))
    add(tmp_path / "t.pcapng", tmp_path / "set")
    folders = {str(path.parent.relative_to(tmp_path / "set")) for path in tmp_path.glob("set/records/**/*.parquet")}
    assert len(folders) == 40 * 3 + 1
    assert "records/day=2026-02-09/link=2" in folders
    assert "records/day=2262-04-11/link=0" in folders
    found = rows(tmp_path / "set", "records")
    assert [row["frame.number"] for row in found] == list(range(1, 362))
    assert ["frame.time_ns" in row for row in found] == [True] * 360 + [False]


def test_partitions_that_come_back_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vtctap.dataset.writing.BATCH", 2)
    monkeypatch.setattr("vtctap.dataset.writing._MAX_WAITING", 7)
    monkeypatch.setattr("vtctap.dataset.writing._MAX_OPEN", 3)
    mixed = [replace(record, link=number * 7 % 11) for number, record in enumerate(records(80))]
    written(tmp_path / "t.pcapng", *mixed)
    add(tmp_path / "t.pcapng", tmp_path / "set")
    assert [row["frame.number"] for row in rows(tmp_path / "set", "records")] == list(range(1, 81))
    assert len(list(tmp_path.glob("set/records/*/link=0/*-2.parquet"))) == 1


@pytest.mark.parametrize("numpy", [True, False])
def test_days_that_alternate_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, numpy: bool) -> None:
    """In batches and without NumPy, one by one: in the same partitions, in the same order."""
    monkeypatch.setattr("vtctap.pcap.batches.LEAST", 1)
    monkeypatch.setattr("vtctap.dataset.writing._MAX_HELD", 20)
    if not numpy:
        monkeypatch.setattr(adding, "find_spec", lambda name: None)
    answer = b"\x021.8.0(1)\x03"
    octets = answer + bytes([bcc_xor(answer[1:])])
    mixed = [
        Record(NOON + number * 10**9 + (number // 30 % 4) * DAY, octets, sender=Sender.SERVER, link=number % 2)
        for number in range(300)
    ]
    written(tmp_path / "t.pcapng", *mixed)
    add(tmp_path / "t.pcapng", tmp_path / "set")
    found = rows(tmp_path / "set", "records")
    assert [row["frame.number"] for row in found] == list(range(1, 301))
    assert [row["frame.time_ns"] for row in found] == [record.time for record in mixed]
    for path in (tmp_path / "set").glob("records/*/*/*.parquet"):
        numbers = parquet.ParquetFile(path).read(["frame.number"])["frame.number"].to_pylist()
        assert numbers == sorted(numbers)


def test_octets_are_left_out(tmp_path: Path) -> None:
    add(TRACES[0], tmp_path, octets=False)
    assert all("vtc.octets" not in row for row in rows(tmp_path, "records"))


def test_columns_say_what_they_are(tmp_path: Path) -> None:
    add(EXAMPLES / "session.pcapng", tmp_path)
    schema = parquet.read_schema(next(tmp_path.glob("records/**/*.parquet")))
    metadata = {key.decode(): text.decode() for key, text in schema.field("vtc.response_time").metadata.items()}
    metadata = {key: text for key, text in metadata.items() if not key.startswith("PARQUET:")}
    description = "From the end of the request to the start of its answer"
    assert metadata == {"type": "seconds", "unit": "s", "description": description}


# Errors.


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"hello world, this is no trace", "is no capture file"),
        (bytes.fromhex("d4c3b2a1020004000000000000000000ffff000001000000") + bytes(12) + b"\x02\x00\x00\x00ab", ""),
    ],
)
def test_a_file_that_is_no_trace_is_skipped(tmp_path: Path, octets: bytes, why: str) -> None:
    (tmp_path / "no.pcapng").write_bytes(octets)
    result = add(tmp_path / "no.pcapng", tmp_path / "set")
    assert result.state == "skipped"
    assert why in result.why
    assert not files(tmp_path / "set")


def test_damage_is_counted_and_the_rest_is_in_the_set(tmp_path: Path) -> None:
    octets = bytearray((EXAMPLES / "session.pcapng").read_bytes())
    del octets[2000:2040]
    (tmp_path / "t.pcapng").write_bytes(octets)
    result = add(tmp_path / "t.pcapng", tmp_path / "set", findings=True)
    assert (result.state, result.skipped > 0) == ("added", True)
    assert result.records == len(rows(tmp_path / "set", "records"))
    assert "trace-damaged" in {row["code"] for row in rows(tmp_path / "set", "findings")}


@pytest.mark.parametrize("states", [("added", "there"), ("there", "added"), ("added", "added"), ("there", "there")])
def test_copies_are_counted_once_in_whatever_order_they_are_done(
    states: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Of two processes with copies of one trace, the one that found it there may be done first. If both found it, a
    third was killed when it had added it."""
    done = [(number, Added(f"{number}.pcapng", state, "id", 96)) for number, state in enumerate(states)]
    monkeypatch.setattr(exporting, "results", lambda *_, **__: iter(done))
    folder = str(tmp_path / "set.parquet")
    exporting.Exporting(Options(folder), jobs=2).export([["0.pcapng"], ["1.pcapng"]])
    assert f"96 records of 1 trace added to {folder}, 1 trace there before" in capsys.readouterr().err


def test_a_trace_that_changes_meanwhile_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "t.pcapng"
    shutil.copy(TRACES[0], trace)
    run = adding._Adding.run

    def grows(*arguments: Any) -> None:
        run(*arguments)
        with open(trace, "ab") as file:
            file.write(b"more")

    monkeypatch.setattr(adding._Adding, "run", grows)
    assert "changed while it was read" in add(trace, tmp_path / "set").why
    assert not files(tmp_path / "set")


@pytest.mark.parametrize("where", [(os.path, "getsize"), (adding, "content"), (adding, "settled")])
def test_a_trace_that_is_moved_away_meanwhile_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: tuple[Any, str]
) -> None:
    """It goes before its size is asked, its octets or its records are read."""
    trace, function = shutil.copy(TRACES[0], tmp_path / "t.pcapng"), getattr(*where)

    def goes(*arguments: Any) -> Any:
        trace.unlink(missing_ok=True)
        return function(*arguments)

    monkeypatch.setattr(*where, goes)
    export = exporting.Exporting(Options(str(tmp_path / "set")), jobs=1)
    export.export([[str(trace)]])
    assert f"skipped {trace}: No such file" in capsys.readouterr().err
    assert export.skipped
    assert not files(tmp_path / "set")


@pytest.mark.parametrize("at", range(1, 9))
def test_an_error_at_any_file_leaves_the_set_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    from vtctap.errors import OutputError

    add(EXAMPLES / "telegram.pcapng", tmp_path / "set", findings=True)
    before = set(entries(tmp_path / "set"))
    opened, calls = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise OSError(28, "No space left on device")
        opened(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        add(EXAMPLES / "session.pcapng", tmp_path / "set", findings=True)
    monkeypatch.undo()
    assert not (tmp_path / "set" / ".parts").exists()
    now = entries(tmp_path / "set")
    assert set(now) >= before
    assert all(
        (tmp_path / "set" / name).is_file()
        for entry in now.values()
        for names in entry.files.values()
        for name in names
    )
    assert add(EXAMPLES / "session.pcapng", tmp_path / "set", findings=True).state in ("added", "there")
    assert len(rows(tmp_path / "set", "records")) == sum(entry.records for entry in entries(tmp_path / "set").values())


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_export_that_is_ended_half_way_is_repeated(tmp_path: Path, number: int) -> None:
    """The signal comes when the first file of the set is complete, and before any file has its final name."""
    trace = written(tmp_path / "t.pcapng", *records(4000))
    arguments = ["export", str(trace), "-o", str(tmp_path / "set.parquet"), "--jobs", "1"]
    ended = (
        "import os, sys; from vtctap.__main__ import main; "
        f"os.fsync = lambda file: os.kill(os.getpid(), {number:d}); sys.exit(main({arguments}))"
    )
    process = subprocess.run([sys.executable, "-c", ended], capture_output=True, check=False, timeout=PATIENCE)
    assert process.returncode in (-number, 128 + number)
    assert list(tmp_path.glob("set.parquet/.parts/*/records/**/*.parquet")) or number == signal.SIGINT
    assert not rows(tmp_path / "set.parquet", "records")
    assert not entries(tmp_path / "set.parquet")
    command = [sys.executable, "-m", "vtctap", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.returncode, done.stderr.count("4000 records of 1 trace added")) == (0, 1)
    assert not (tmp_path / "set.parquet" / ".parts").exists()
    assert len(rows(tmp_path / "set.parquet", "records")) == 4000


@pytest.mark.parametrize(
    "name", ["/a.parquet", "../a.parquet", "records/../../a.parquet", "records/a", "a\0.parquet", 1]
)
def test_an_entry_names_no_file_outside_its_set(tmp_path: Path, name: object) -> None:
    add(TRACES[0], tmp_path / "set")
    path = next(tmp_path.glob("set/traces/*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"files": {"records": [name]}}))
    assert "is no entry of this release" in add(TRACES[1], tmp_path / "set").why


def test_an_entry_of_another_release_says_so(tmp_path: Path) -> None:
    add(TRACES[0], tmp_path / "set")
    path = next(tmp_path.glob("set/traces/*.json"))
    path.write_text(json.dumps(json.loads(path.read_text()) | {"more": 1}))
    assert "is no entry of this release" in add(TRACES[1], tmp_path / "set").why


def test_events_and_noise_have_rows(tmp_path: Path) -> None:
    written(
        tmp_path / "t.pcapng",
        Record(0, b"xy", Kind.NOISE, flags=Flag.SYNTHETIC),
        Record(5, b"", Kind.EVENT, event="mark \udcff"),
    )
    add(tmp_path / "t.pcapng", tmp_path / "set")
    found = rows(tmp_path / "set", "records")
    assert [(row["vtc.kind"], row["frame.time_ns"]) for row in found] == [("noise", 0), ("event", 5)]


@pytest.mark.parametrize("trace", [EXAMPLES / "session.pcapng", "long.pcapng"], ids=["session", "long"])
def test_a_second_thread_changes_no_octet(tmp_path: Path, trace: Path) -> None:
    written(tmp_path / "long.pcapng", *records(4000))
    for threaded in (False, True):
        add(tmp_path / trace, tmp_path / f"{threaded}", threaded=threaded)
    assert files(tmp_path / "True") == files(tmp_path / "False")


_WORK_BY_THREAD = """
import os, sys, threading, time
from vtctap.__main__ import main
assert main(sys.argv[1:]) == 0
time.sleep(0.05)  # The clock of a thread that ends is added late.
print(time.process_time() - time.thread_time(), time.process_time())
"""


def test_an_export_by_one_processor_works_in_one_thread(tmp_path: Path) -> None:
    """Where it may use more, a second one encodes: so the measurement can tell."""
    trace = written(tmp_path / "t.pcapng", *records(30_000))
    shares = []
    for jobs in ("1", "2"):
        arguments = ["export", "-q", str(trace), "-o", str(tmp_path / f"{jobs}.parquet"), "--jobs", jobs]
        command = [sys.executable, "-c", _WORK_BY_THREAD, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE * 4)
        elsewhere, all_threads = map(float, done.stdout.split())
        shares.append(elsewhere / all_threads)
    assert shares[0] < 0.01 < shares[1], shares
