"""The documents are current and their examples work: generated pages, the README's blocks, the cookbook's scripts."""

import importlib.util
import inspect
import json
import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from equipment import PATIENCE
from equipment.meter_port import MeterPort
from vtctap.__main__ import main
from vtctap.sniffer.simulated.meter import MeterMachine

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "examples" / "scripts"
CORPUS = ROOT.parent / "shared" / "corpus"
NEEDS_MORE = (
    "/dev/",
    "wireshark install",
    "wireshark uninstall",
    "doctor",
    "tshark",
    "wireshark trace",
    "pipx",
    "pip ",
    "python3 -m venv",
    "make ",
    "vtctap ports",
    "vtctap replay",
)
"""Commands that need hardware, a desktop, the network or a second program; most of them have tests of their own."""


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def run(script: Path, *arguments: object, cwd: Path | None = None, **more: str) -> str:
    command = [sys.executable, str(script), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | more
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd, env=environment).stdout


# Generated pages.


def test_the_cookbook_is_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    text = module(ROOT / "docs" / "make_cookbook.py").cookbook()
    assert text == (ROOT / "docs" / "cookbook.md").read_text("utf-8"), "docs/cookbook.md: make pages"


# The reference, which Sphinx makes from the docstrings.

REFERENCE = [
    name
    for page in sorted((ROOT / "docs" / "reference").glob("*.rst"))
    for name in re.findall(r"^\.\. automodule:: (\S+)", page.read_text("utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize("name", REFERENCE)
def test_the_reference_leaves_nothing_without_words(name: str) -> None:
    documented = importlib.import_module(name)
    assert documented.__doc__
    for member, thing in vars(documented).items():
        if not member.startswith("_") and getattr(thing, "__module__", None) == name and callable(thing):
            assert inspect.getdoc(thing), member


def test_references_in_docstrings_lead_somewhere() -> None:
    sources = [path for folder in ("pcap", "dissector", "sniffer", "vtctap") for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 100
    for source in sources:
        for target in re.findall(r":(?:class|func|meth|mod|data|attr):`~?(vtctap[\w.]*)`", source.read_text("utf-8")):
            pkgutil.resolve_name(target)


# Links.


def test_links_lead_somewhere() -> None:
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), (page.name, target)


def test_every_page_stands_in_the_contents() -> None:
    contents = (ROOT / "docs" / "index.myst").read_text("utf-8").split()
    pages = {path.stem for suffix in ("md", "myst") for path in (ROOT / "docs").glob(f"*.{suffix}")}
    assert pages - {"index"} - {*contents} == set()


# What the pages tell one to type.


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages' blocks expect."""
    shutil.copy(ROOT / "examples" / "session.pcapng", tmp_path / "trace.pcapng")
    shutil.copy(ROOT / "examples" / "readout.exchange", tmp_path / "session.exchange")
    (tmp_path / "dump.bin").write_bytes(b"/?!\r\n/ISK5MT382-1000\r\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


def commands(text: str) -> Iterator[list[str]]:
    """Yields the words of each command of vtctap that can be run here."""
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words and not any(part in line for part in NEEDS_MORE):
            assert words[0] == "vtctap", line
            yield words


def outcome(words: list[str], folder: Path) -> str:
    """Returns what a command prints. The command must succeed, or have findings."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=PATIENCE)
    assert done.returncode in ((0, 1) if words[1] == "check" else (0,)), (words, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout


def test_python_blocks_of_the_readme(desk: Path) -> None:
    (block,) = blocks(ROOT / "README.md", "python")
    script = desk / "block.py"
    script.write_text(block)
    assert run(script, cwd=desk)


@pytest.mark.parametrize(
    ("page", "least"),
    [("README.md", 3), ("docs/first-minutes.md", 10), ("docs/reading.md", 15), ("docs/filters.md", 7)],
)
def test_commands_of_the_pages(
    page: str, least: int, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk)
    found = [words for words in commands("\n".join(blocks(ROOT / page, "sh"))) if "--print" not in words]  # ten seconds
    assert len(found) >= least
    for words in found:
        writes = "-w" in words or "-o" in words
        status = main([*words[1:], "--force"] if writes and "--force" not in words else words[1:])
        assert status in ((0, 1) if words[1] == "check" else (0,)), (words, capsys.readouterr())
        assert capsys.readouterr().out or writes, words


def test_practising_works_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for words in commands(blocks(ROOT / "docs" / "first-minutes.md", "sh")[-1]):
        assert outcome(words, tmp_path) or {"-w", "-o"} & {*words}, words
    assert (tmp_path / "faults.pcapng.faults.json").exists()


# The scripts.


def test_tokens() -> None:
    """By the session's listing (session.txt), the first token is written, polled twice while it is not ready, and
    accepted."""
    lines = run(SCRIPTS / "tokens.py", ROOT / "examples" / "session.pcapng").splitlines()
    results = [line.split(" ", 1)[1].partition(" after")[0] for line in lines]
    assert results == ["accepted"] * 3 + ["rejected"] * 3 + ["locked out", "accepted"]
    assert lines[0].startswith("01114810529030948552 accepted after 1.5")


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / "times.png"
    run(SCRIPTS / "response_times.py", ROOT / "examples" / "session.pcapng", picture, MPLCONFIGDIR=str(tmp_path))
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_regression(tmp_path: Path) -> None:
    """The test that is generated from a session passes with its own meter, and fails with a meter that answers
    otherwise."""
    from random import Random

    test = tmp_path / "test_meter.py"
    test.write_text(run(SCRIPTS / "regression.py", ROOT / "examples" / "session.pcapng"))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(test),
    ]
    outcomes = []
    for registers in ({}, {"registers": {"2011": "1"}}):
        with MeterPort(MeterMachine(Random(1), **registers), speed=2400) as meter:
            environment = os.environ | {"METER_PORT": meter.port, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path)
            outcomes.append((done.returncode, done.stdout.splitlines()[-1]))
    assert outcomes[0][0] == 0, outcomes
    assert "passed" in outcomes[0][1]
    assert outcomes[1][0] == 1, outcomes


@pytest.fixture
def recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two recordings of real meters as traces."""
    if not CORPUS.is_dir():
        pytest.skip("the recordings are not here")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    traces = []
    for name in ("emh_em4t_readout", "energomera_ce102m_session"):
        trace = tmp_path / f"{name}.pcapng"
        command = [sys.executable, "-m", "vtctap", "import", str(CORPUS / f"{name}.exchange"), "-w", str(trace)]
        subprocess.run(command, capture_output=True, check=True)
        traces.append(trace)
    return traces


def test_scripts_on_recordings(recordings: list[Path]) -> None:
    for trace in recordings:
        lines = run(SCRIPTS / "registers.py", trace, "iec62056-21").splitlines()
        listed = {line.split()[0] for line in lines if line[0] != " "}
        command = [sys.executable, "-m", "vtctap", "read", "--json", str(trace)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        records = map(json.loads, done.stdout.splitlines())
        read = {
            register
            for record in records
            if record.get("vtc.message") == "Data"
            for register in record.get("vtc.register", [])
            if register.strip()
        }
        assert {register.split()[0] for register in read} <= listed
        for script in ("response_times.py", "tokens.py", "regression.py"):
            run(SCRIPTS / script, trace)
    compared = run(SCRIPTS / "compare.py", *recordings)
    assert "+ReadCommand R1 ET0PE" in compared
