"""A question that cannot be answered: one line that says what to do, exit status 2, and no output."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")

from vtctap.__main__ import main
from vtctap.dataset.adding import Options, add
from vtctap.dataset.entries import entries
from vtctap.errors import CommandError

TRACE = Path(__file__).parents[2] / "examples" / "session.pcapng"
LATE = "select * from range(5000) t(i) where i < 3000 or error('late')::int = 1"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets") / "set.parquet"
    add((str(TRACE),), Options(str(folder)))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A set of its own, to be damaged."""
    return Path(shutil.copytree(made, tmp_path / "set.parquet"))


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    def ask(folder: Path, *words: str | Path) -> str:
        """Returns the only line that a query says when it fails."""
        capsys.readouterr()
        assert main(["query", str(folder), *map(str, words)]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("vtctap: ")
        return line

    return ask


@pytest.mark.parametrize("sql", ["", " ", "; ;", "-- a comment", "/* another */"])
def test_an_empty_question(made: Path, tmp_path: Path, said: Any, sql: str) -> None:
    (tmp_path / "q.sql").write_text(sql)
    for words in ((sql,), ("--file", tmp_path / "q.sql"), (sql, "-o", tmp_path / "out.csv")):
        assert "the question is empty: ask in SQL" in said(made, *words)
    assert not (tmp_path / "out.csv").exists()


def test_several_questions(made: Path, tmp_path: Path, said: Any) -> None:
    for words in ((), ("-o", tmp_path / "out.csv")):
        assert "the question has 2 statements" in said(made, "select 1; select 2;", *words)
    assert main(["query", str(made), "select 1;"]) == 0


def test_what_is_no_set_is_told_a_command_that_makes_one(made: Path, tmp_path: Path, said: Any) -> None:
    for folder in (tmp_path, TRACE, made / "traces"):
        assert said(folder, "select 1").endswith("'vtctap export TRACE... -o SET.parquet' makes one")
    assert "-o none.parquet'" in said(Path("none.parquet"), "select 1")


def test_an_answer_into_no_format(made: Path, said: Any) -> None:
    assert "choose a suffix of csv, jsonl, parquet" in said(made, "select 1", "-o", "out.txt")
    assert "leave -o out to print the answer" in said(made, "select 1", "-o", "-")


def test_an_empty_file(made: Path, said: Any) -> None:
    assert "the question is empty" in said(made, "--file", os.devnull)


@pytest.mark.parametrize("words", [(), ("--json",), ("-o", "out.csv")])
def test_an_error_after_the_first_rows(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Any, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said(made, LATE, *words).endswith("Error: late")
    assert not Path("out.csv").exists()


def test_a_view_that_there_is_not(made: Path, said: Any) -> None:
    known = "exchanges, findings, records, sessions, tokens, traces"
    for name in ("nowhere", "nowhere.x", "findingz"):
        line = said(made, f"select * from {name}")
        assert line == f"vtctap: there is no view {name}; the views of a set are {known}"


def test_findings_that_were_not_exported(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def told(sql: str, *words: str) -> str:
        capsys.readouterr()
        assert main(["query", str(folder), sql, *words]) == 0
        return capsys.readouterr().err

    none = "vtctap: no trace of this set was exported with --findings; repeat the export with it\n"
    assert told("select * from findings") == none
    assert told("select count(*) from Findings f", "--json") == none
    assert told("select 1 as findings_too from records") == ""
    for name, some in (
        ("telegram", "1 of the 2 traces of this set was"),
        ("readout", "2 of the 3 traces of this set were"),
    ):
        add((str(TRACE.with_name(f"{name}.pcapng")),), Options(str(folder), findings=True))
        assert told("select * from findings").startswith(f"vtctap: only {some} exported with --findings")
    add((str(TRACE),), Options(str(folder), findings=True))
    assert told("select * from findings") == ""


def test_a_value_that_python_has_not(made: Path, said: Any) -> None:
    assert "out of range" in said(made, "select interval 1000000000 days")


@pytest.mark.skipif(sys.platform != "linux", reason="names are octets on Linux alone")
def test_what_is_not_utf_8(made: Path, folder: Path, tmp_path: Path, said: Any) -> None:
    bad = os.fsdecode(b"caf\xe9")
    (tmp_path / "q.sql").write_bytes(b"select 'caf\xe9'")
    assert f"{tmp_path / 'q.sql'} is no text in UTF-8" in said(made, "--file", tmp_path / "q.sql")
    assert "the question is no text in UTF-8" in said(made, f"select '{bad}'")
    assert "is no name in UTF-8" in said(made, "select 1", "-o", tmp_path / f"{bad}.csv")
    assert "is no name in UTF-8" in said(folder.rename(tmp_path / bad), "select 1")


@pytest.mark.parametrize("damage", ["missing", "cut", "empty", 20, 200, 2000])
def test_a_file_of_the_set(folder: Path, said: Any, damage: str | int) -> None:
    """The command that the message names repairs the set. A number is where octets are overwritten; for most places
    DuckDB's own message does not name the file."""
    (file,) = (folder / "records").rglob("*.parquet")
    octets = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif isinstance(damage, int):
        file.write_bytes(octets[:damage] + bytes([255]) * 400 + octets[damage + 400 :])
    else:
        file.write_bytes({"cut": octets[:-100], "empty": b""}[damage])
    line = said(folder, "select * from records")
    assert line.startswith(f"vtctap: {file} {'is missing' if damage == 'missing' else 'cannot be read'}: 'vtctap ")
    assert main([*line.split("'")[1].split()[1:], "-q"]) == 0
    assert main(["query", str(folder), "select * from records"]) == 0


@pytest.mark.parametrize(
    "change",
    [
        *({name: value} for name in ("size", "records", "skipped") for value in ("x", None, True, 1.5, 1 << 63)),
        *({name: value} for name in ("start_ns", "end_ns") for value in ("x", [], 1 << 63)),
        *({"digest": value} for value in (5, None, "", "../../../precious", "G" * 64)),
        *({name: 5} for name in ("trace", "profile", "application", "files")),
        *({"form": value} for value in (0, 2, "1", None)),
        {"files": {"records": [5]}},
        {"files": {"records": 5}},
        {"files": ["records"]},
        {"new": 1},
    ],
    ids=str,
)
def test_an_entry_of_another_release(folder: Path, said: Any, change: dict[str, Any]) -> None:
    (file,) = (folder / "traces").iterdir()
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(CommandError, match="is no entry of this release: remove it"):
        entries(folder)
    assert said(folder, "select 1").startswith(f"vtctap: {file} is no entry of this release: remove it")
    assert main(["export", str(TRACE), "-o", str(folder), "-q"]) != 0


@pytest.mark.parametrize("text", ["", "[]", "5", "null", "{", "[" * 100_000, "\ud800"], ids=repr)
def test_a_file_that_is_no_entry(folder: Path, said: Any, text: str) -> None:
    (file,) = (folder / "traces").iterdir()
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert "is no entry of this release" in said(folder, "select 1")
