"""Copies of one trace that are added at the same time: the set has the trace once and complete, whatever fails."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from equipment import PATIENCE
from vtctap.errors import OutputError
from vtctap.pcap import create_trace, open_trace

pytest.importorskip("pyarrow")
from pyarrow import parquet

from vtctap.dataset import adding, exporting
from vtctap.dataset.adding import Added, Options, add_or_skip
from vtctap.dataset.entries import entries
from vtctap.dataset.staging import clean, make, staging_folder

SESSION = Path(__file__).parents[2] / "examples" / "session.pcapng"
DAY = 86_400_000_000_000


@pytest.fixture
def copies(tmp_path: Path) -> list[Path]:
    """Four copies of a trace with two partitions of records."""
    names = [tmp_path / f"{letter}.pcapng" for letter in "abcd"]
    with open_trace(SESSION) as items, create_trace(names[0]) as writer:
        records = list(items)
        for record in records + [replace(record, time=record.time + DAY) for record in records]:
            writer.write(record)
    for name in names[1:]:
        name.write_bytes(names[0].read_bytes())
    return names


def add(trace: Path, folder: Path, **options: Any) -> Added:
    return add_or_skip((str(trace),), Options(str(folder), **options))


def assert_once_and_complete(folder: Path) -> None:
    (entry,) = entries(folder).values()
    named = {name for names in entry.files.values() for name in names}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.parquet")} == named
    assert sum(parquet.read_metadata(folder / name).num_rows for name in entry.files["records"]) == entry.records > 0
    assert not (folder / ".parts").exists()


def after_decoding(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> None:
    """Lets each addition do something between its decoding and its commit."""
    run = adding._Adding.run

    def run_and_do(*arguments: Any) -> None:
        run(*arguments)
        do()

    monkeypatch.setattr(adding._Adding, "run", run_and_do)


@pytest.mark.parametrize("force", [False, True])
def test_threads_that_add_copies_at_the_same_time(
    tmp_path: Path, copies: list[Path], monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    all_decoded = threading.Barrier(len(copies))
    after_decoding(monkeypatch, lambda: all_decoded.wait(PATIENCE))
    with ThreadPoolExecutor(len(copies)) as pool:
        added = list(pool.map(partial(add, folder=tmp_path / "set", force=force), copies))
    states = sorted(each.state for each in added)
    assert states == (["added"] * 4 if force else ["added", "there", "there", "there"])
    assert_once_and_complete(tmp_path / "set")


_BOTH = """
import sys, time
from pathlib import Path
from vtctap.dataset import adding
run = adding._Adding.run
def together(*arguments):
    run(*arguments)
    Path(sys.argv[1]).with_suffix(".decoded").touch()
    while len(list(Path(sys.argv[1]).parent.glob("*.decoded"))) < 2:
        time.sleep(0.001)
adding._Adding.run = together
print(adding.add_or_skip((sys.argv[1],), adding.Options(sys.argv[2])).state)
"""


def test_processes_that_add_copies_at_the_same_time(tmp_path: Path, copies: list[Path]) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", _BOTH, copy, tmp_path / "set"], stdout=subprocess.PIPE, text=True)
        for copy in copies[:2]
    ]
    states = [process.communicate(timeout=PATIENCE)[0].strip() for process in running]
    assert sorted(states) == ["added", "there"]
    assert_once_and_complete(tmp_path / "set")


@pytest.mark.parametrize("findings", [False, True])
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("at", range(1, 6))
def test_a_commit_that_fails_takes_nothing_from_one_that_came_first(
    tmp_path: Path, copies: list[Path], monkeypatch: pytest.MonkeyPatch, at: int, force: bool, findings: bool
) -> None:
    """The disk fails at each of the files in turn."""
    folder, replaced, calls = tmp_path / "set", os.replace, 0

    def fails(source: Any, target: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise OSError(28, "No space left on device")
        replaced(source, target)

    def other_comes_first() -> None:
        monkeypatch.undo()
        assert add(copies[1], folder).state == "added"
        monkeypatch.setattr(os, "replace", fails)

    after_decoding(monkeypatch, other_comes_first)
    try:
        state = add(copies[0], folder, force=force, findings=findings).state
        assert (state == "there") is not (force or findings)
    except OutputError:
        assert force or findings
    assert_once_and_complete(folder)


@pytest.mark.parametrize(
    ("options", "state"), [({}, "there"), ({"findings": True}, "added"), ({"force": True}, "added")]
)
def test_an_export_that_ends_leaves_additions_alone(
    tmp_path: Path, copies: list[Path], monkeypatch: pytest.MonkeyPatch, options: dict[str, bool], state: str
) -> None:
    """Another export adds the trace, and cleans up, while this one is between its decoding and its commit."""

    def other_export() -> None:
        monkeypatch.undo()
        other = add(copies[1], tmp_path / "set")
        clean(str(tmp_path / "set"), [other.id])

    after_decoding(monkeypatch, other_export)
    assert add(copies[0], tmp_path / "set", **options).state == state
    assert_once_and_complete(tmp_path / "set")


def test_an_addition_whose_files_are_gone_finds_the_trace_there(
    tmp_path: Path, copies: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine adds the trace and cleans up behind all that added it."""

    def other_machine() -> None:
        monkeypatch.undo()
        add(copies[1], tmp_path / "set")
        shutil.rmtree(tmp_path / "set" / ".parts")

    after_decoding(monkeypatch, other_machine)
    assert add(copies[0], tmp_path / "set").state == "there"
    assert_once_and_complete(tmp_path / "set")


@pytest.mark.parametrize("cluster", [None, "tcp://127.0.0.1:1"])
def test_only_a_cluster_cleans_up_behind_other_machines(
    tmp_path: Path, copies: list[Path], monkeypatch: pytest.MonkeyPatch, cluster: str | None
) -> None:
    folder = tmp_path / "set"
    theirs = folder / ".parts" / f"{add(copies[0], folder).id}.1.0a1b2c3d.far.example.org"
    theirs.mkdir(parents=True)

    def here(work: Callable[[Any], Any], jobs: list[Any], **_: Any) -> list[tuple[int, Any]]:
        return [(number, work(job)) for number, job in enumerate(jobs)]

    monkeypatch.setattr(exporting, "results", here)
    exporting.Exporting(Options(str(folder)), 1, cluster, quiet=True).export([[str(copies[0])]])
    assert theirs.exists() is (cluster is None)


def test_an_entry_whose_files_are_missing_is_repaired(tmp_path: Path, copies: list[Path]) -> None:
    add(copies[0], tmp_path / "set")
    next(tmp_path.glob("set/records/*/*/*.parquet")).unlink()
    assert add(copies[1], tmp_path / "set").state == "added"
    assert add(copies[0], tmp_path / "set").state == "there"
    assert_once_and_complete(tmp_path / "set")


def test_a_staging_folder_is_made_while_others_are_removed(tmp_path: Path) -> None:
    def made(_: int) -> bool:
        with staging_folder(tmp_path, "0123456789abcdef") as staging:
            make(staging)
            return staging.is_dir()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(made, range(800)))


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_killed_process_that_nobody_waits_for_does_not_run(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as killed:
        os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
        (tmp_path / ".parts" / f"0000000000000000.{killed.pid}.0a1b2c3d.{socket.gethostname()}").mkdir(parents=True)
        clean(str(tmp_path))
    assert not (tmp_path / ".parts").exists()


@pytest.mark.skipif(os.name != "posix", reason="asks whether a process runs")
def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    here = socket.gethostname()
    names = {
        f"0000000000000000.{ended.pid}.0a1b2c3d.{here}": False,
        f"0000000000000000.{os.getpid()}.0a1b2c3d.{here}": True,
        f"1111111111111111.{os.getpid()}.0a1b2c3d.{here}": True,
        f"0000000000000000.{ended.pid}.0a1b2c3d.far.example.org": True,
        "1111111111111111.1.0a1b2c3d.far.example.org": False,
    }
    for name in names:
        (tmp_path / ".parts" / name).mkdir(parents=True)
    clean(str(tmp_path), ["1111111111111111"])
    assert {path.name for path in tmp_path.glob(".parts/*")} == {name for name, stays in names.items() if stays}
