"""The examples of docs/query.md work as printed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_documents import ROOT, blocks, commands, outcome

from vtctap.dataset.questions import questions

PAGE = ROOT / "docs" / "query.md"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's trace, and the results of the page's commands."""
    pytest.importorskip("pyarrow")
    pytest.importorskip("duckdb")
    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(ROOT / "examples" / "session.pcapng", folder / "trace.pcapng")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        for words in commands("\n".join(blocks(PAGE, "sh"))):
            assert outcome(words, folder) or "export" in words or "-o" in words or "refused-tokens" in words, words
    return folder


@pytest.mark.parametrize(("at", "library"), [(0, "polars"), (1, "pandas")])
def test_the_set_opens_unaided(desk: Path, at: int, library: str) -> None:
    pytest.importorskip(library)
    assert (desk / "findings.csv").is_file()
    done = subprocess.run(
        [sys.executable, "-c", blocks(PAGE, "python")[at]], capture_output=True, text=True, check=False, cwd=desk
    )
    assert (done.returncode, done.stderr) == (0, "")
    trace = next(desk.glob("traces.parquet/traces/*.json")).stem
    assert trace in done.stdout


def test_all_questions_are_listed() -> None:
    rows = PAGE.read_text("utf-8").partition("| `--ask` |")[2].partition("\n\n")[0].splitlines()
    assert sorted(row.split("`")[1] for row in rows[2:]) == [*questions()]
