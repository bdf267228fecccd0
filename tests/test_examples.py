"""The examples and the generated documents are what the code generates now."""

import importlib.util
import json
from pathlib import Path

import pytest

from vtctap.__main__ import main

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def test_the_examples_are_current(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("make_examples", EXAMPLES / "make.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.make(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {Path(name).suffix for name in made} == {".pcapng", ".txt", ".json"}
    assert made == {name: (EXAMPLES / name).read_bytes() for name in made}


def test_every_example_is_explained() -> None:
    described = (EXAMPLES / "README.md").read_text()
    assert all(f"`{path.name}`" in described for path in EXAMPLES.glob("*.pcapng"))


def test_the_faults_that_the_example_lists_are_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Each record that the list names shows the fault of its code."""
    listed = json.loads((EXAMPLES / "faults.pcapng.faults.json").read_text())
    assert main(["read", "--json", str(EXAMPLES / "faults.pcapng")]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    shows = {
        "bcc-bad": lambda record: record["vtc.bcc.status"] == "bad",
        "parity": lambda record: len(record["vtc.error.parity"]) == 1,
        "cut": lambda record: record["vtc.cut"],
        "noise": lambda record: record["vtc.kind"] == "noise",
        "break": lambda record: record["vtc.error.break"],
        "char-gap": lambda record: max(record["vtc.pause"]) > 1.5,
        "response-late": lambda record: record["vtc.gap"] > 1.5,
        "undefined-command": lambda record: record["vtc.message"] == "UndefinedCommand",
        "no-response": lambda record: (
            record["vtc.sender"] == "client" and records[record["frame.number"]]["vtc.sender"] == "client"
        ),
    }
    assert {fault["code"] for fault in listed} == set(shows)
    for fault in listed:
        assert shows[fault["code"]](records[fault["frame"] - 1]), fault


def test_a_demonstration_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--fast", "--json", "-q"]) == 0
    live = capsys.readouterr().out
    assert main(["read", "--json", str(EXAMPLES / "session.pcapng")]) == 0
    assert live == capsys.readouterr().out
