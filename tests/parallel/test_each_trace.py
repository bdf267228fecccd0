"""check and stats of many traces print the results of each single trace, with any number of processes, and name the
traces that cannot be read."""

import argparse
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from equipment import PATIENCE
from vtctap.__main__ import main
from vtctap.command_line.inputs import Reading
from vtctap.command_line.messages import warn
from vtctap.parallel.each_trace import each_trace

EXAMPLES = Path(__file__).parents[2] / "examples"
TRACES = [str(EXAMPLES / f"{name}.pcapng") for name in ("faults", "session", "telegram", "readout")]


def run(*words: str, cwd: Path | None = None) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "vtctap", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command like :func:`run`, but in this process."""
    return lambda *words: (main([*words]), *capsys.readouterr())


@pytest.mark.parametrize("words", [["check"], ["check", "--json"], ["stats", "--sessions"], ["stats", "--json"]])
def test_many_processes_say_what_one_says(words: list[str], here: Callable[..., tuple[int, str, str]]) -> None:
    assert run(*words, *TRACES, "--jobs", "3") == here(*words, *TRACES, "--jobs", "1")


def test_it_is_what_each_trace_alone_says(here: Callable[..., tuple[int, str, str]]) -> None:
    together = [json.loads(line) for line in run("stats", "--json", *TRACES)[1].splitlines()]
    alone = [json.loads(here("stats", "--json", trace)[1]) for trace in TRACES]
    assert together == alone
    found = json.loads(run("check", "--json", *TRACES)[1])["findings"]
    for trace in TRACES:
        mine = [
            {key: value for key, value in each.items() if key != "trace"} for each in found if each["trace"] == trace
        ]
        assert mine == json.loads(here("check", "--json", trace)[1])["findings"]


@pytest.mark.parametrize("command", ["check", "stats"])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path: Path, command: str, jobs: str) -> None:
    (tmp_path / "no.pcapng").write_text("this is no trace")
    good = str(EXAMPLES / "readout.pcapng")
    status, out, said = run(command, "no.pcapng", good, "gone.pcapng", "--jobs", jobs, cwd=tmp_path)
    assert status == 1
    assert "skipped no.pcapng: it is no capture file" in said
    assert "skipped gone.pcapng: No such file or directory" in said
    if command == "stats":
        assert good in out


@pytest.mark.parametrize("command", [["check"], ["check", "--json"], ["stats"], ["profile", "learn"]])
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_where_nothing_can_be_read_there_is_no_result(
    command: list[str],
    jobs: str,
    here: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, said = here(*command, "no1", "no2", "--jobs", jobs)
    skipped = [f"vtctap: skipped no{number}: No such file or directory" for number in (1, 2)]
    assert (status, out) == (2, "")
    assert said.splitlines() == [*skipped, "vtctap: no trace could be read"]


@pytest.mark.parametrize("command", [["check"], ["stats"], ["export", "-o", "set.parquet"]])
def test_a_profile_that_is_not_there_is_no_fault_of_the_traces(
    command: list[str], here: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, said = here(*command, *TRACES, "--profile", "nowhere")
    assert (status, out, said.count("\n")) == (2, "", 1)
    assert said.startswith("vtctap: there is no profile 'nowhere'")
    assert [*tmp_path.iterdir()] == []


def test_threads_keep_their_messages_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The threads of a worker of a cluster take turns: none ends before the other has begun."""
    standard, turn, given = sys.stderr, threading.Barrier(2), list[Reading]()

    def work(arguments: argparse.Namespace, reading: Reading, names: list[str]) -> str:
        given.append(reading)
        for word in ("first", "second\nline", "third"):
            turn.wait(PATIENCE)
            warn(f"{Path(names[0]).name}: {word}")
        return names[0]

    def threads(function: Callable[[Any], Any], jobs: Sequence[Any], address: str) -> Iterator[tuple[int, Any]]:
        with ThreadPoolExecutor(2) as pool:
            yield from enumerate(pool.map(function, jobs))

    monkeypatch.setattr("vtctap.parallel.cluster.cluster_results", threads)
    monkeypatch.chdir(tmp_path)
    cluster = argparse.Namespace(cluster="tcp://127.0.0.1:1", jobs=1)
    found = dict(zip("AB", each_trace(work, cluster, Reading("iec62056-21"), [["A"], ["B"]]), strict=True))
    assert found == {name: ([name], str(tmp_path / name)) for name in "AB"}
    said = [f"vtctap: {name}: {word}\n" for name in "AB" for word in ("first", "second\nline", "third")]
    assert capsys.readouterr().err == "".join(said)
    assert sys.stderr is standard
    assert {reading.profile for reading in given} == {"iec62056-21"}
