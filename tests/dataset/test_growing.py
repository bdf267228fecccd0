"""A trace that grows and is exported again: the set has it once at every moment, whoever adds or asks meanwhile."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from vtctap.errors import CommandError
from vtctap.pcap import Record, Sender, create_trace
from vtctap.pcap.record import Line

pytest.importorskip("pyarrow")

from vtctap.dataset import adding, exporting, writing
from vtctap.dataset import entries as reading
from vtctap.dataset.adding import Options, add
from vtctap.dataset.entries import entries

Grown = Callable[[int], str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "set"


@pytest.fixture
def grown(tmp_path: Path, folder: Path) -> Grown:
    """Adds a trace to the set as it is when it has so many records, and returns the state of the addition."""
    trace = tmp_path / "t.pcapng"
    with create_trace(trace) as writer:
        for number in range(1, 10):
            writer.write(Record(number * 10**9, b"/?!\r\n", sender=Sender.CLIENT, line=Line(7, "E", 1)))
            shutil.copy(trace, tmp_path / f"{number}.pcapng")

    def added(number: int) -> str:
        shutil.copy(tmp_path / f"{number}.pcapng", trace)
        return add((str(trace),), Options(str(folder))).state

    return added


def records(folder: Path) -> int:
    """Returns the number of records in a set, whose files are all there."""
    found = list(entries(folder).values())
    assert all((folder / name).is_file() for entry in found for names in entry.files.values() for name in names)
    return sum(entry.records for entry in found)


def once(do: Callable[[], object], function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the function, whose first call is after ``do``."""
    left = [do]

    def called(*arguments: Any) -> Any:
        while left:
            left.pop()()
        return function(*arguments)

    return called


def test_a_program_that_is_killed_leaves_the_trace_in_the_set_once(
    folder: Path, grown: Grown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy of the set at each step is what a kill leaves there, and what a reader sees."""
    grown(3), grown(5)
    copies: list[Path] = []

    def stepping(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **more: Any) -> Any:
            copies.append(folder.with_name(f"set-{len(copies)}"))
            shutil.copytree(folder, copies[-1], ignore=shutil.ignore_patterns(".*"))
            return function(*arguments, **more)

        return step

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", stepping(os.replace))
        patched.setattr(Path, "unlink", stepping(Path.unlink))
        grown(9)
    counts = [records(copy) for copy in copies]
    assert counts == sorted(counts)
    assert set(counts) == {5, 9}
    for copy in copies:
        shutil.rmtree(folder)
        copy.rename(folder)
        grown(9)
        (entry,) = entries(folder).values()
        files = {name for names in entry.files.values() for name in names} | {f"traces/{entry.id}.json"}
        assert {str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.is_file()} == {*files, ".lock"}
        assert entry.records == 9
        assert grown(9) == "there"


def test_a_trace_that_is_added_again_into_other_files_is_whole_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyarrow import parquet

    folder, trace, day_ns = tmp_path / "set", tmp_path / "t.pcapng", 86_400 * 10**9
    with create_trace(trace) as writer:
        for number in range(6):
            writer.write(Record(number % 2 * day_ns, b"/?!\r\n", sender=Sender.CLIENT, line=Line(7, "E", 1)))

    def numbers() -> list[int]:
        (entry,) = entries(folder).values()
        tables = (parquet.ParquetFile(folder / name).read(["frame.number"]) for name in entry.files["records"])
        return sorted(number for table in tables for number in table.column(0).to_pylist())

    def stepping(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **more: Any) -> Any:
            steps.append(numbers())
            return function(*arguments, **more)

        return step

    steps: list[list[int]] = []
    add((str(trace),), Options(str(folder)))
    for days in (1, 2, 1):
        with monkeypatch.context() as patched:
            patched.setattr(writing, "BATCH", 1)
            patched.setattr(writing, "_MAX_DAYS", days)
            patched.setattr(os, "replace", stepping(os.replace))
            patched.setattr(Path, "unlink", stepping(Path.unlink))
            add((str(trace),), Options(str(folder), findings=True, force=True))
        (entry,) = entries(folder).values()
        assert len(entry.files["records"]) == (6 if days == 1 else 2)
        named = {name for names in entry.files.values() for name in names}
        assert {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")} == named
    assert len(steps) > 20
    assert all(step == list(range(1, 7)) for step in steps)


def test_entries_are_those_of_one_time(folder: Path, grown: Grown, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trace is replaced when the names of the entries are known and none is read."""
    grown(5)
    monkeypatch.setattr(reading, "entry_of", once(lambda: grown(9), reading.entry_of))
    assert records(folder) == 9


def test_a_trace_that_another_program_adds_before_it_has_grown_is_replaced(
    tmp_path: Path, folder: Path, grown: Grown, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other program adds what the trace held before, when this one has already asked what is in the set."""

    def other() -> None:
        assert grown(5) == "added"
        shutil.copy(tmp_path / "9.pcapng", tmp_path / "t.pcapng")

    grown(3)
    monkeypatch.setattr(adding, "content", once(other, adding.content))
    assert grown(9) == "added"
    assert records(folder) == 9


def test_a_trace_that_is_moved_away_when_it_is_decoded_is_added(
    tmp_path: Path, folder: Path, grown: Grown, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other() -> None:
        assert grown(5) == "added"
        (tmp_path / "t.pcapng").unlink()

    monkeypatch.setattr(adding, "commit", once(other, adding.commit))
    assert grown(9) == "added"
    assert records(folder) == 9 + 5


@pytest.mark.parametrize("step", [1, -1])
def test_the_copies_of_one_export_are_traces_in_whatever_order_they_are_added(
    tmp_path: Path, folder: Path, grown: Grown, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """They replace what was in the set before, and none replaces another: that would be chance."""

    def results(function: Callable[..., Any], jobs: list[Any], **_: Any) -> Iterator[tuple[int, Any]]:
        return ((number, function(jobs[number])) for number in list(range(len(jobs)))[::step])

    grown(3)
    monkeypatch.setattr(exporting, "results", results)
    names = [[str(tmp_path / f"{number}.pcapng")] for number in (7, 9, 5)]
    exporting.Exporting(Options(str(folder)), jobs=3).export(names)
    assert sorted(entry.records for entry in entries(folder).values()) == [5, 7, 9]


# Questions.


def test_a_question_during_which_the_trace_is_replaced(
    tmp_path: Path, folder: Path, grown: Grown, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("duckdb")
    from vtctap.dataset import querying

    def asked(opened: querying.Set) -> list[tuple[Any, ...]]:
        return list(opened.ask("select count(*), (select sum(records) from traces) from records"))

    grown(1)
    monkeypatch.setattr(querying, "_view", once(partial(grown, 3), querying._view))
    opened = querying.Set(folder)
    assert asked(opened) == [(3, 3)]
    grown(5)
    assert asked(opened) == [(5, 5)]
    grown(9)
    with pytest.raises(CommandError, match=r"/t\.pcapng was exported again meanwhile: ask again"):
        opened.write("select number from records", tmp_path / "out.csv", "csv")
