"""docs/export.md: what it shows works as printed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_documents import ROOT, blocks, commands, outcome

from vtctap.dissector.tables import TABLES

PAGE = ROOT / "docs" / "export.md"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the page's trace, and what its commands make of it."""
    pytest.importorskip("pyarrow")
    shutil.copy(ROOT / "examples" / "session.pcapng", tmp_path / "trace.pcapng")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for words in commands("\n".join(blocks(PAGE, "sh"))):
        assert outcome(words, tmp_path) or words[words.index("-o") + 1] != "-", words
    return tmp_path


def test_the_commands(desk: Path) -> None:
    made = {path.name for path in desk.iterdir()}
    assert {"records.csv", "records.jsonl", "tokens.csv", "trace.exchange", "serial.pcap", "registers.parquet"} <= made


@pytest.mark.parametrize(
    ("at", "libraries", "says"),
    [
        (0, ["pandas"], ["01062065899601840219", "1767225603596077906"]),
        (1, ["polars"], ["0.237330405"]),
        (2, ["duckdb"], ["01062065899601840219", "1767225603596077906", "totalUnits"]),
        (3, ["pandas", "polars", "duckdb"], ["01062065899601840219"]),
    ],
)
def test_the_recipes(desk: Path, at: int, libraries: list[str], says: list[str]) -> None:
    """The values are those of the session's listing, read --json."""
    for library in libraries:
        pytest.importorskip(library)
    recipe = blocks(PAGE, "python")[at]
    done = subprocess.run([sys.executable, "-c", recipe], capture_output=True, text=True, check=False, cwd=desk)
    assert (done.returncode, done.stderr) == (0, "")
    assert [text for text in says if text not in done.stdout] == []


def test_all_tables_are_listed() -> None:
    rows = PAGE.read_text("utf-8").partition("| `--table` |")[2].partition("\n\n")[0].splitlines()
    assert [row.split("`")[1] for row in rows[2:]] == [*TABLES]
