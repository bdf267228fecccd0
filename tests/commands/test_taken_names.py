"""A name that another program takes while a command runs: nothing is overwritten without ``--force``."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vtctap.command_line import outputs

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets another program make each file just before the command begins to write it."""
    whole_path = outputs.whole_path

    @contextmanager
    def late(name: str, *, force: bool) -> Iterator[Path]:
        Path(name).write_text("theirs")
        with whole_path(name, force=force) as path:
            yield path

    monkeypatch.setattr(outputs, "whole_path", late)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("demo --fast -w new.pcapng --stats-json new.json", "new.json"),
        ("demo --fast -w new.pcapng --faults", "new.pcapng.faults.json"),
        ("demo --fast -w new.pcapng --dialect 3", "new.pcapng.dialect.json"),
        ("check trace.pcapng --junit new.xml", "new.xml"),
        ("reframe trace.pcapng -w new.pcapng", "new.pcapng"),
        ("export trace.pcapng -o new.csv", "new.csv"),
    ],
)
@pytest.mark.usefixtures("trace")
def test_a_file_that_appears_while_the_command_runs_stays(inside: Run, tmp_path: Path, command: str, name: str) -> None:
    done = inside(*command.split())
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"vtctap: {name} exists: choose another name, or --force to overwrite it"
    assert (tmp_path / name).read_text() == "theirs"


@pytest.mark.usefixtures("trace")
def test_a_signature_stays(inside: Run, tmp_path: Path) -> None:
    if not shutil.which("ssh-keygen"):
        pytest.skip("OpenSSH is not installed")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    assert inside("verify", "trace.pcapng", "--sign", "key").returncode == 2
    assert (tmp_path / "trace.pcapng.sig").read_text() == "theirs"


@pytest.mark.usefixtures("trace")
def test_a_report_stays(inside: Run, tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    assert inside("report", "trace.pcapng", "-o", "new.html").returncode == 2
    assert (tmp_path / "new.html").read_text() == "theirs"
