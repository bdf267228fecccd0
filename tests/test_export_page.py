"""The examples of docs/export.md work as printed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_documents import ROOT, blocks, commands, outcome

from vtctap.dissector.tables import TABLES

PAGE = ROOT / "docs" / "export.md"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's trace, and the results of the page's commands."""
    pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(ROOT / "examples" / "session.pcapng", folder / "trace.pcapng")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        for words in commands("\n".join(blocks(PAGE, "sh"))):
            assert outcome(words, folder) or words[words.index("-o") + 1] != "-", words
    return folder


def test_the_commands(desk: Path) -> None:
    made = {path.name for path in desk.iterdir()}
    assert {"records.csv", "records.jsonl", "tokens.csv", "trace.exchange", "serial.pcap", "registers.parquet"} <= made


@pytest.fixture(scope="module")
def listed() -> dict[str, list[str]]:
    """Returns what ``read --json`` shows of the session: its tokens with their times, and its slow responses."""
    listing = subprocess.run(
        [sys.executable, "-m", "vtctap", "read", "--json", str(ROOT / "examples" / "session.pcapng")],
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [json.loads(line) for line in listing.stdout.splitlines()]
    tokens = [row for row in rows if "vtc.token" in row]
    return {
        "tokens": [row["vtc.token"] for row in tokens],
        "times": [row["frame.time_epoch"].replace(".", "") for row in tokens],
        "slow": [str(row["vtc.response_time"]) for row in rows if row.get("vtc.response_time", 0) > 0.2],
    }


@pytest.mark.parametrize(
    ("at", "libraries", "says"),
    [
        (0, ["pandas"], ["tokens", "times"]),
        (1, ["polars"], ["slow"]),
        (2, ["duckdb"], ["tokens", "times"]),
        (3, ["pandas", "polars", "duckdb"], ["tokens"]),
    ],
)
def test_the_recipes(desk: Path, listed: dict[str, list[str]], at: int, libraries: list[str], says: list[str]) -> None:
    """The recipes print each token, time and slow response of the session's listing."""
    for library in libraries:
        pytest.importorskip(library)
    recipe = blocks(PAGE, "python")[at]
    done = subprocess.run([sys.executable, "-c", recipe], capture_output=True, text=True, check=False, cwd=desk)
    assert (done.returncode, done.stderr) == (0, "")
    wanted = [text for kind in says for text in listed[kind]]
    assert wanted
    assert [text for text in wanted if text not in done.stdout] == []


def test_all_tables_are_listed() -> None:
    rows = PAGE.read_text("utf-8").partition("| `--table` |")[2].partition("\n\n")[0].splitlines()
    assert [row.split("`")[1] for row in rows[2:]] == [*TABLES]
