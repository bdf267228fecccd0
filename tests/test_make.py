"""The Makefile: its first and last lines on different machines, and whether its check sees every module."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from equipment.type_checking import cache

ROOT = Path(__file__).parents[1]
FOLDERS = ("vtctap", "dissector", "pcap", "sniffer")

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not here")


def make(target: str, programs: Path, **environment: str) -> str:
    """Returns what a target prints on a machine that has only these programs and the system's shell."""
    command = [str(shutil.which("make")), "--silent", "--no-print-directory", target]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=ROOT, env={"PATH": str(programs)} | environment
    )
    return done.stdout


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder of programs: a shell, and an ``id`` that reports an ordinary user."""
    (tmp_path / "sh").symlink_to("/bin/sh")
    _program(tmp_path / "id", "echo 1000")
    return tmp_path


def _program(path: Path, does: str) -> None:
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(0o755)


def test_the_demonstration_ends_with_what_this_machine_can_open(programs: Path) -> None:
    screen = {"DISPLAY": ":0"}
    assert "tshark -V" in make("opening", programs)
    assert "tshark -V" in make("opening", programs, **screen)
    _program(programs / "wireshark", "")
    assert "tshark -V" in make("opening", programs)
    assert "wireshark -X lua_script:demo.lua demo.pcapng" in make("opening", programs, **screen)
    assert "wireshark" in make("opening", programs, WAYLAND_DISPLAY="wayland-0")
    _program(programs / "id", "echo 0")
    assert "vtctap read -x demo.pcapng" in make("opening", programs, **screen)


def test_the_tests_say_first_what_they_take(programs: Path) -> None:
    said = make("announce", programs)
    assert "minutes" in said
    assert all(package in said for package in ("tshark", "strace", "lua5.2", "lua5.4"))


def test_a_command_that_fails_shows_what_it_printed(tmp_path: Path) -> None:
    """The output of package managers is hidden only while they succeed."""
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"include {ROOT / 'Makefile'}\ngood bad:\n\t@$(call quietly,echo chatter; [ $@ = good ])\n")
    for target, shown in (("good", ""), ("bad", "chatter")):
        command = ["make", "-s", "-f", str(makefile), target]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=os.environ | {"TMPDIR": str(tmp_path)}
        )
        assert (done.returncode == 0) == (target == "good")
        assert done.stdout == ""
        assert done.stderr.startswith(shown)
        assert shown or not done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


def test_check_sees_every_module(tmp_path: Path) -> None:
    """A wrong type is planted in a copy of each module, and the same command finds it in each."""
    pytest.importorskip("mypy")
    modules = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(cache(tmp_path))]
    for number, module in enumerate(modules):
        planted = tmp_path / f"{number}.py"
        planted.write_text(module.read_text("utf-8") + '\n_planted: int = ""\n', "utf-8")
        command += ["--shadow-file", str(module), str(planted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    found = {
        Path(ROOT, line.partition(":")[0]).resolve() for line in done.stdout.splitlines() if "[assignment]" in line
    }
    assert sorted(found) == sorted(modules), done.stdout + done.stderr
