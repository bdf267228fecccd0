"""Many processes give the results of one process, and a killed process costs only the trace it was working on."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from equipment import PATIENCE
from vtctap.dissector.profiles.files import text as load_text
from vtctap.errors import CommandError
from vtctap.parallel.jobs import in_order, results
from vtctap.parallel.lost import Lost
from vtctap.pcap import Record, Sender, create_trace

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def square(number: int) -> int:
    return number * number


def die_once(number: int, folder: Path) -> int:
    """Ends its process the first time that it gets number 3."""
    if number == 3 and not (folder / "died").exists():
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def die_always(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def process_of(number: int) -> int:
    return os.getpid()


def add_and_die_once(names: tuple[str, ...], folder: Path, **given: Any) -> object:
    """Adds a trace, and ends its process after the first."""
    from vtctap.dataset.adding import add_or_skip

    added = add_or_skip(names, **given)
    with suppress(FileExistsError):
        (folder / "died").mkdir()
        os.kill(os.getpid(), signal.SIGKILL)
    return added


def refuse(number: int) -> int:
    if number == 3:
        raise CommandError("three is refused")
    return number


@pytest.fixture(params=[True, False], ids=["copies", "new processes"])
def start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets processes start as copies of this one, or as new ones."""
    if request.param and not sys.platform.startswith("linux"):
        pytest.skip("needs Linux")
    monkeypatch.setattr("vtctap.parallel.pool._is_alone", lambda: request.param)


@pytest.mark.usefixtures("start")
@pytest.mark.parametrize("processes", [1, 2, 20])
def test_the_results_are_those_of_one_process(processes: int) -> None:
    found = list(results(square, range(5), processes=processes))
    assert sorted(found) == [(number, number * number) for number in range(5)]


def test_results_are_put_in_order() -> None:
    assert list(in_order(iter([(2, "c"), (0, "a"), (3, "d"), (1, "b")]))) == ["a", "b", "c", "d"]


def test_no_jobs() -> None:
    assert list(results(square, [], processes=2)) == []


@pytest.mark.usefixtures("start")
def test_the_job_of_a_killed_process_is_repeated(tmp_path: Path) -> None:
    found = dict(results(partial(die_once, folder=tmp_path), range(8), processes=2))
    assert found == {number: number for number in range(8)}
    assert (tmp_path / "died").exists()


def test_a_job_that_kills_every_process_is_lost_and_no_other() -> None:
    found = dict(results(die_always, range(8), processes=2))
    assert isinstance(found.pop(3), Lost)
    assert found == {number: number for number in range(8) if number != 3}


@pytest.mark.usefixtures("start")
def test_all_processes_end_when_nobody_wants_more_results() -> None:
    found = results(process_of, range(9), processes=3)
    processes = {next(found)[1] for _ in range(5)}
    found.close()  # type: ignore[attr-defined]  # it is a generator
    assert not [process for process in processes if Path(f"/proc/{process}").exists()]


STARTS = """
import os, signal, sys
from vtctap.parallel.jobs import results

here, handle = os.getpid(), signal.signal

def late(number, handler):
    if number == signal.SIGINT and os.getpid() != here:
        os.kill(os.getpid(), number)
    return handle(number, handler)

signal.signal = late
print(sorted(results(abs, [-1, -2, -3], processes=2)))
"""
"""A program whose processes get SIGINT while they start."""


def test_ctrl_c_while_a_process_starts() -> None:
    done = subprocess.run([sys.executable, "-c", STARTS], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.stdout, done.stderr) == ("[(0, 1), (1, 2), (2, 3)]\n", "")


@pytest.mark.usefixtures("start")
def test_an_error_ends_all() -> None:
    with pytest.raises(CommandError, match="three is refused"):
        list(results(refuse, range(8), processes=2))


# Exports.


def written(folder: Path, count: int, records: int) -> list[Path]:
    """Writes traces that differ from each other."""
    traces = [folder / f"{number}.pcapng" for number in range(count)]
    for number, trace in enumerate(traces):
        with create_trace(trace) as writer:
            for at in range(records):
                writer.write(Record((number * records + at) * 10**9, b"/?!\r\n", sender=Sender.CLIENT))
    return traces


def exporting(traces: list[Path], out: Path, *more: str, cwd: Path | None = None) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "vtctap", "export", *map(str, traces), "-o", str(out), *more]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=cwd or out.parent)


def victim(out: Path, process: "subprocess.Popen[str]") -> int:
    """Waits until a worker writes a trace, and returns the worker's process."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        for staging in out.glob(".parts/*.*.*"):
            return int(staging.name.split(".", 2)[1])
        time.sleep(0.005)
    raise AssertionError(process.communicate(timeout=PATIENCE))


def test_an_export_survives_a_killed_process(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from vtctap.dataset.entries import entries

    traces, out = written(tmp_path, 4, 5_000), tmp_path / "set.parquet"
    process = exporting(traces, out, "--jobs", "2")
    os.kill(victim(out, process), signal.SIGKILL)
    _, said = process.communicate(timeout=PATIENCE * 4)
    assert (process.returncode, "20000 records of 4 traces added" in said) == (0, True), said
    assert [entry.records for entry in entries(out).values()] == [5_000] * 4
    assert not (out / ".parts").exists()


@pytest.mark.usefixtures("start")
@pytest.mark.parametrize("force", [False, True])
def test_what_a_process_added_before_it_was_killed_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], force: bool
) -> None:
    """It is killed when the trace is in the set, and before it can say so. Another process finds the trace there."""
    pytest.importorskip("pyarrow")
    from vtctap.dataset import exporting
    from vtctap.dataset.adding import Options

    traces = [[str(trace)] for trace in written(tmp_path, 3, 2)]
    export = exporting.Exporting(Options(str(tmp_path / "set")), jobs=2)
    export.export(traces[2:])
    monkeypatch.setattr(exporting, "_add_here", partial(add_and_die_once, folder=tmp_path))
    export.options = Options(str(tmp_path / "set"), force=force)
    export.export(traces)
    said = capsys.readouterr().err.splitlines()[1]
    counts = ("6 records of 3 traces", "") if force else ("4 records of 2 traces", ", 1 trace there before")
    assert said == f"vtctap: {counts[0]} added to {tmp_path / 'set'}{counts[1]}"


@pytest.mark.parametrize(
    ("address", "says"),
    [("nowhere", "nowhere is no address of a scheduler"), ("127.0.0.1:1", "127.0.0.1:1: no Dask scheduler answers")],
)
def test_a_scheduler_that_is_not_there(tmp_path: Path, address: str, says: str) -> None:
    pytest.importorskip("pyarrow")
    if find_spec("distributed") is None:
        pytest.skip("needs distributed")
    traces = written(tmp_path, 1, 1)
    process = exporting(traces, tmp_path / "set.parquet", "--cluster", address)
    _, said = process.communicate(timeout=PATIENCE * 4)
    assert (process.returncode, said.count("\n")) == (2, 1), said
    assert said.startswith(f"vtctap: {says}")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[int]]]:
    """A Dask scheduler with three workers of two threads each, of which each test may kill one: its address, and the
    workers' processes."""
    pytest.importorskip("pyarrow")
    if find_spec("distributed") is None:
        pytest.skip("needs distributed")
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    server = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--port",
        "0",
        "--no-dashboard",
        "--host",
        "127.0.0.1",
    ]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-nanny", "--nthreads", "2", "--no-dashboard"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    commands = [[*server, "--scheduler-file", str(file)], *[[*worker, "--scheduler-file", str(file)]] * 3]
    running = [subprocess.Popen(command, **quiet) for command in commands]  # type: ignore[call-overload]
    try:
        deadline = time.monotonic() + PATIENCE
        while not (file.exists() and file.read_text().strip().endswith("}")) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield json.loads(file.read_text())["address"], [process.pid for process in running[1:]]
    finally:
        for process in running:
            process.kill()
            process.wait(PATIENCE)


def test_a_cluster_survives_a_killed_worker(tmp_path: Path, cluster: tuple[str, list[int]]) -> None:
    from vtctap.dataset.entries import entries

    address, workers = cluster
    traces, out = written(tmp_path, 6, 3_000), tmp_path / "set.parquet"
    (tmp_path / "no.pcapng").write_text("this is no trace")
    process = exporting([*traces, tmp_path / "no.pcapng"], out, "--cluster", address)
    killed = victim(out, process)
    workers.remove(killed)
    os.kill(killed, signal.SIGKILL)
    _, said = process.communicate(timeout=PATIENCE * 4)
    assert (process.returncode, "18000 records of 6 traces added" in said) == (1, True), said
    assert "no.pcapng: it is no capture file" in said
    assert [entry.records for entry in entries(out).values()] == [3_000] * 6
    assert not (out / ".parts").exists()


def test_a_cluster_says_what_one_process_says(tmp_path: Path, cluster: tuple[str, list[int]]) -> None:
    """One of the workers is lost at some time between the commands."""
    address, workers = cluster
    here = f"{tmp_path}/"
    (tmp_path / "no.pcapng").write_text("this is no trace")
    examples = Path(__file__).parents[2] / "examples"
    octets = (examples / "session.pcapng").read_bytes()
    (tmp_path / "cut.pcapng").write_bytes(octets[:2000] + octets[2040:])
    (tmp_path / "own.toml").write_text(load_text("iec62055-52"))
    examined = (str(examples / f"{name}.pcapng") for name in ("session", "faults", "readout"))
    traces = [*examined, "no.pcapng", *["cut.pcapng"] * 4]
    for words in (["profile", "learn"], ["check", "--json"], ["stats", "--json", "--profile", "own.toml"]):
        command = [sys.executable, "-m", "vtctap", *words, *traces]
        said = []
        for more in (["--jobs", "1"], ["--cluster", address]):
            done = subprocess.run(
                [*command, *more], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=PATIENCE * 4
            )
            said.append((done.returncode, done.stdout.replace(here, ""), done.stderr.replace(here, "")))
        assert said[0] == said[1]
        assert said[0][0] == 1
        assert said[0][1]
        assert "skipped no.pcapng: it is no capture file" in said[0][2]
        if words == ["profile", "learn"]:
            os.kill(workers.pop(), signal.SIGKILL)


def test_a_cluster_adds_copies_of_a_trace_once(tmp_path: Path, cluster: tuple[str, list[int]]) -> None:
    """Its workers have several threads, and another working folder than this program."""
    from vtctap.dataset.entries import entries

    traces, out = written(tmp_path, 1, 1_000), tmp_path / "set.parquet"
    copies = [shutil.copy(traces[0], tmp_path / f"copy_{number}.pcapng") for number in range(7)]
    (tmp_path / "own.toml").write_text(load_text("iec62056-21"))
    arguments = ["--cluster", cluster[0], "--profile", "own.toml"]
    process = exporting([*traces, *copies], Path(out.name), *arguments, cwd=tmp_path)
    _, said = process.communicate(timeout=PATIENCE * 4)
    assert process.returncode == 0, said
    assert "1000 records of 1 trace added to set.parquet, 7 traces there before" in said.replace(f"{tmp_path}/", "")
    (entry,) = entries(out).values()
    assert (entry.records, entry.profile) == (1_000, "iec62056-21")
    named = {name for names in entry.files.values() for name in names}
    assert {str(path.relative_to(out)) for path in out.rglob("*.parquet")} == named
    assert not (out / ".parts").exists()
