"""``vtctap report``: a page, or one line that says why there is none."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.base.extras import advice

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def test_a_page(vtctap: Run, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    assert vtctap("demo", "--fast", "-q", "-w", "t.pcapng").returncode == 0
    done = vtctap("report", "t.pcapng", "-o", "r.html")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "vtctap: the report is in r.html: any browser shows it\n"
    page = (tmp_path / "r.html").read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert str(tmp_path) not in page
    assert vtctap("report", "t.pcapng", "-o", "r.html").returncode == 2
    assert vtctap("report", "t.pcapng", "-o", "r.html", "--force", "-q").stderr == ""
    assert vtctap("report", "none.pcapng", "-o", "n.html").returncode == 2
    assert not (tmp_path / "n.html").exists()


@pytest.mark.parametrize("name", ["r.pdf", "r", "t.pcapng", "html", ".html", "r.html.gz"])
def test_another_suffix(name: str, inside: Run, tmp_path: Path) -> None:
    """An existing file stays unchanged, with and without --force."""
    (tmp_path / "t.pcapng").write_bytes(b"a trace")
    done = inside("report", "t.pcapng", "--force", "-o", name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"vtctap: {name}: a report is an HTML page: choose a name that ends in .html\n"
    assert [path.name for path in tmp_path.iterdir()] == ["t.pcapng"]
    assert (tmp_path / "t.pcapng").read_bytes() == b"a trace"


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are octets on Linux")
def test_names_that_are_no_text_and_standard_output(vtctap: Run, trace: Path) -> None:
    pytest.importorskip("plotly")
    name = os.fsdecode(b"t\xff.pcapng")
    trace.rename(trace.with_name(name))
    done = vtctap("report", name, "-o", "-", text=False)
    assert (done.returncode, done.stderr) == (0, b"")
    page = bytes(done.stdout).decode("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<title>t?.pcapng" in page
    assert os.listdir(trace.parent) == [name]


def test_without_the_extra(tmp_path: Path) -> None:
    code = "import sys; sys.modules['plotly'] = None; from vtctap.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "report", "t.pcapng", "-o", "r.html"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"vtctap: a report needs plotly: {advice('report')}\n"
