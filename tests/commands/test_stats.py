"""``vtctap stats``: its figures as text and as JSON."""

import contextlib
import json
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest

from equipment import PATIENCE

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_text_and_json(vtctap: Run, tmp_path: Path) -> None:
    assert vtctap("demo", "--fast", "-q", "-w", "t.pcapng").returncode == 0
    done = vtctap("stats", "t.pcapng", "--sessions")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "t.pcapng, link 0"
    assert any(line.startswith("    FFFE tokenStatus ") and line.endswith(" reads") for line in lines)
    assert lines[-1].startswith("    session 1: ")
    done = vtctap("stats", "t.pcapng", "t.pcapng", "--json")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first == second
    assert first["trace"] == "t.pcapng"
    assert first["links"][0]["registers"]["FFFF"]["writes"] == 8
    done = vtctap("stats", "--join", "t.pcapng", "t.pcapng", "--json")
    (both,) = map(json.loads, done.stdout.splitlines())
    assert both["links"][0]["registers"]["FFFF"]["writes"] == 16
    assert len(both["links"][0]["sessions"]) == 1  # No message on this port shows where a session ends.


def test_one_of_a_thing(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "t.exchange").write_text("# t=1\nC> 2f 3f 21 0d 0a\n")
    assert inside("import", "t.exchange", "-q", "-w", "t.pcapng").returncode == 0
    lines = inside("stats", "t.pcapng", "--sessions").stdout.splitlines()
    assert lines[-2] == "  1 session"
    assert lines[-1].endswith(" s, 1 frame, 1 request, 1 unanswered, 0 repeats, 0 errors")


def test_wrong_use(inside: Run) -> None:
    done = inside("stats", "none.pcapng")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


@pytest.mark.parametrize("command", [["stats"], ["check"], ["report", "-q", "--force", "-o", "r.html"]])
def test_a_bar_shows_how_far_it_is(command: list[str], inside: Run, tmp_path: Path) -> None:
    """The bar appears only on a terminal, and only if the command takes long."""
    if command[0] == "report":
        pytest.importorskip("plotly")
    assert inside("demo", "--fast", "-q", "-w", "t.pcapng").returncode == 0
    begin = "import sys; from vtctap.command_line import progress; progress.PATIENCE = {}; "
    begin += "from vtctap.__main__ import main; "
    shown = []
    for patience in (0, 60):
        master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        run = [sys.executable, "-c", begin.format(patience) + "sys.exit(main())", *command, "t.pcapng"]
        with subprocess.Popen(run, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=slave) as process:
            process.wait(PATIENCE)
        os.close(slave)
        text = b""
        with contextlib.suppress(OSError):
            while more := os.read(master, 4096):
                text += more
        os.close(master)
        shown.append(b"t.pcapng:" in text and b"%|" in text)
    assert shown == [True, False]
    assert "%|" not in inside(*command, "t.pcapng").stderr
