"""``vtctap stats``: figures as text and as JSON."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_text_and_json(vtctap: Run, tmp_path: Path) -> None:
    assert vtctap("demo", "--fast", "-q", "-w", "t.pcapng").returncode == 0
    done = vtctap("stats", "t.pcapng", "--sessions")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "t.pcapng, link 0"
    assert any(line.startswith("    0004 tokenStatus? ") and line.endswith(" reads") for line in lines)
    assert lines[-1].startswith("    session 1: ")
    done = vtctap("stats", "t.pcapng", "t.pcapng", "--json")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first == second
    assert first["trace"] == "t.pcapng"
    assert first["links"][0]["registers"]["0010"]["writes"] == 3
    done = vtctap("stats", "--join", "t.pcapng", "t.pcapng", "--json")
    (both,) = map(json.loads, done.stdout.splitlines())
    assert both["links"][0]["registers"]["0010"]["writes"] == 6
    assert len(both["links"][0]["sessions"]) == 2


def test_wrong_use(vtctap: Run) -> None:
    done = vtctap("stats", "none.pcapng")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
