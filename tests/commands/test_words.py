"""Counted nouns, and the advice that installs a missing library."""

import os
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.base.extras import EXTRAS, advice, extra
from vtctap.base.nouns import count
from vtctap.errors import MissingExtra

ROOT = Path(__file__).parents[2]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [
        (0, "session", "0 sessions"),
        (1, "session", "1 session"),
        (2, "session", "2 sessions"),
        (1, "noise", "1 noise"),
        (3, "noise", "3 noise"),
        (2, "retry", "2 retries"),
    ],
)
def test_counted_nouns(number: int, noun: str, words: str) -> None:
    assert count(number, noun) == words


def test_one_session(vtctap: Run) -> None:
    assert vtctap("demo", "--fast", "-q", "-c", "10", "-w", "t.pcapng").returncode == 0
    assert "\n  1 session\n" in vtctap("stats", "t.pcapng").stdout


# Missing libraries.


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment whose programs are not on the path."""
    for folder in ("bin", "lib"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", "/usr")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    return tmp_path


def put_pip(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "pip").write_text("")
    (folder / "pip").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_advice_in_pipx(place: Path) -> None:
    (place / "pipx_metadata.json").write_text("{}")
    assert advice("report") == "pipx inject vtctap plotly"
    assert advice("keys") == "pipx inject vtctap pycryptodome"


def test_advice_in_a_virtual_environment(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_pip(place / "other", monkeypatch)
    assert advice("report") == f"{place}/bin/python -m pip install 'vtctap[report]'"
    put_pip(place / "bin", monkeypatch)
    assert advice("report") == "pip install 'vtctap[report]'"


def test_advice_where_the_system_manages_its_python(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "lib" / "EXTERNALLY-MANAGED").write_text("[externally-managed]\n")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(place / "lib"))
    assert advice("scapy") == f"{place}/bin/python -m pip install 'vtctap[scapy]'"  # This is a virtual environment.
    monkeypatch.setattr(sys, "base_prefix", sys.prefix)
    assert advice("scapy") == "python3 -m venv vtctap-venv && vtctap-venv/bin/pip install 'vtctap[scapy]'"


def test_the_extras_are_those_of_the_project() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    extras = {name: needs for name, needs in stated.items() if name in EXTRAS}
    assert {*extras} == {*EXTRAS}
    for name, (_, distribution) in EXTRAS.items():
        assert [need for need in extras[name] if need.startswith(distribution)]
        assert all("<" in need or need.startswith("vtctap[") for need in extras[name]), "no upper bound"


@pytest.mark.parametrize(
    ("statement", "library", "said"),
    [
        ("import vtctap.dissector.scapy", "scapy", "the Scapy layer needs scapy: "),
        ("import vtctap.dissector.wireshark.pyshark", "pyshark", "decoding with pyshark needs pyshark: "),
        ("import vtctap.dissector.analysis.report.page", "plotly", "a report needs plotly: "),
    ],
)
def test_python_says_which_extra_is_missing(statement: str, library: str, said: str) -> None:
    code = f"import sys; sys.modules[{library!r}] = None; {statement}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"vtctap.errors.MissingExtra: {said}")
    assert "vtctap[" in last or "inject" in last


def test_another_missing_module_is_not_taken_for_the_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match="nothing_of_the_kind") as caught, extra("scapy", "this"):
        import nothing_of_the_kind  # type: ignore[import-not-found]  # noqa: F401
    assert not isinstance(caught.value, MissingExtra)
    assert issubclass(MissingExtra, ImportError)
