"""``vtctap check``: its output and its exit status."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from vtctap.pcap.trace import create_trace, open_trace

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def faults(inside: Run, tmp_path: Path) -> Path:
    path = tmp_path / "faults.pcapng"
    assert inside("demo", "--fast", "--faults", "-q", "-w", path).returncode == 0
    return path


def test_the_list_of_faults(vtctap: Run, faults: Path) -> None:
    """The faults that ``demo --faults`` lists are found. Above a note, nothing else is found but the lockout of the
    demo's own story."""
    done = vtctap("check", faults, "--json")
    assert (done.returncode, done.stderr) == (1, "")
    found = json.loads(done.stdout)["findings"]
    assert all(set(finding) == {"code", "severity", "frames", "message", "source", "time_epoch"} for finding in found)
    grave = [(finding["frames"][0], finding["code"]) for finding in found if finding["severity"] != "note"]
    listed = json.loads(Path(f"{faults}.faults.json").read_text())
    assert [code for _, code in grave].count("token-lockout") == 1
    grave = [(frame, code) for frame, code in grave if code != "token-lockout"]
    assert sorted(grave) == sorted((fault["frame"], fault["code"]) for fault in listed)
    assert len(listed) > 8


def test_lines(inside: Run, faults: Path) -> None:
    done = inside("check", faults, "--severity", "error")
    assert done.returncode == 1
    assert [line.split()[1:3] for line in done.stdout.splitlines()] == [["error", "bcc-bad"]] * 2 + [
        ["error", "parity"]
    ]
    assert done.stderr == "vtctap: 3 errors, 8 warnings, 14 notes\n"


@pytest.mark.parametrize(("fail_on", "status"), [("note", 1), ("warning", 0), ("error", 0), ("never", 0)])
def test_exit_status(inside: Run, tmp_path: Path, fail_on: str, status: int) -> None:
    (tmp_path / "t.exchange").write_text("M> 2f 4c 67 5a 35 0d 0a\n")
    assert inside("import", "t.exchange", "-w", "note.pcapng").returncode == 0
    assert inside("check", "note.pcapng", "--fail-on", fail_on).returncode == status


def test_a_finding_has_the_time_that_read_shows(inside: Run, faults: Path) -> None:
    shown = {line.split()[0]: line.split()[1] for line in inside("read", faults).stdout.splitlines()}
    found = [line.split() for line in inside("check", faults, "--fail-on", "never").stdout.splitlines()]
    assert len(found) > 20
    assert all(words[0] == shown[words[3].rstrip(",")] for words in found)


def test_a_trace_without_times_begins_at_0(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "t.exchange").write_text("M> 2f 4c 67 5a 35 0d 0a\n")
    assert inside("import", "t.exchange", "-w", "t.pcapng").returncode == 0
    (found,) = json.loads(inside("check", "t.pcapng", "--json").stdout)["findings"]
    assert found["time_epoch"] == "0.000000000"
    assert inside("check", "t.pcapng").stdout.split()[:2] == ["0.000000", "note"]


def test_several_traces(inside: Run, faults: Path, tmp_path: Path) -> None:
    assert inside("demo", "--fast", "-q", "-w", "clean.pcapng").returncode == 0
    done = inside("check", faults, "clean.pcapng", "--json", "--junit", "report.xml")
    assert done.returncode == 1
    assert {finding["trace"] for finding in json.loads(done.stdout)["findings"]} == {str(faults), "clean.pcapng"}
    suites = ElementTree.parse(tmp_path / "report.xml").getroot().findall("testsuite")
    assert [suite.get("failures") for suite in suites] == ["10", "2"]
    assert inside("check", faults, "--junit", "report.xml").returncode == 2
    assert inside("check", faults, "--junit", "report.xml", "--force").returncode == 1


def test_the_findings_and_the_report_are_not_one_stream(inside: Run, faults: Path) -> None:
    done = inside("check", faults, "--json", "--junit", "-")
    assert (done.returncode, done.stdout) == (2, "")
    assert "standard output is named for two outputs" in done.stderr


def test_ring_files_are_one_trace(inside: Run, faults: Path, tmp_path: Path) -> None:
    """The findings of a trace are those of its ring files together. Each ring file alone lacks the findings that span
    two files."""
    whole = json.loads(inside("check", faults, "--json").stdout)["findings"]
    with open_trace(faults) as reader:
        records = list(reader)
    parts = []
    for number in range(0, len(records), 10):
        parts.append(tmp_path / f"part{number:02}.pcapng")
        with create_trace(parts[-1]) as writer:
            for record in records[number : number + 10]:
                writer.write(record)
    done = inside("check", "--join", *parts, "--json")
    assert (done.returncode, json.loads(done.stdout)["findings"]) == (1, whole)
    apart = json.loads(inside("check", *parts, "--json").stdout)["findings"]
    assert "token-rejected" in {finding["code"] for finding in whole}
    assert len(apart) != len(whole)


def test_nothing_found(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "t.exchange").write_text("C> 2f 3f 21 0d 0a\nM> 2f 4c 47 5a 35 0d 0a\n")
    assert inside("import", "t.exchange", "-w", "t.pcapng").returncode == 0
    done = inside("check", "t.pcapng", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"findings": []})


def test_a_trace_that_is_cut(inside: Run, faults: Path) -> None:
    faults.write_bytes(faults.read_bytes()[:-7])
    done = inside("check", faults)
    assert done.returncode == 1
    assert "the file ends cut" in done.stdout


@pytest.mark.parametrize("arguments", [["none.pcapng"], [], ["x.pcapng", "--fail-on", "fatal"]])
def test_wrong_use(inside: Run, arguments: list[str]) -> None:
    done = inside("check", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
