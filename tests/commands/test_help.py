"""Help: of commands, on pages, in the manual and in shells, and the hints for misspelled options."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.command_line.pages import SHELLS, pages
from vtctap.command_line.parsers import COMMANDS, command_parser, whole_parser

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command(name: str, inside: Run) -> None:
    helped = inside("help", name)
    assert (helped.returncode, helped.stderr) == (0, "")
    assert helped.stdout == inside(name, "--help").stdout != ""


def test_help_alone_is_that_of_all(inside: Run) -> None:
    assert inside("help").stdout == inside("--help").stdout != ""


def test_pages(inside: Run) -> None:
    listed = inside("help", "pages").stdout.splitlines()
    assert [line.split()[0] for line in listed] == list(pages())
    assert {"fields", "findings", "profiles", "tokens", "wiring"} < {*pages()}
    shown = inside("help", "findings").stdout
    assert shown == (ROOT / "docs" / "findings.md").read_text("utf-8")
    nothing = inside("help", "xyzzy")
    said = "vtctap: there is no command and no page 'xyzzy'; 'vtctap help pages' lists the pages\n"
    assert (nothing.returncode, nothing.stderr) == (2, said)


@pytest.mark.parametrize(("word", "near"), [("filter", "filters"), ("first", "first-minutes"), ("raed", "read")])
def test_a_misspelled_page_is_suggested(word: str, near: str, inside: Run) -> None:
    done = inside("help", word)
    said = f"there is no command and no page '{word}'; did you mean {near}?; 'vtctap help pages' lists the pages"
    assert (done.returncode, done.stderr) == (2, f"vtctap: {said}\n")


def test_help_points_to_pages_that_are_there(inside: Run) -> None:
    texts = [inside(name, "--help").stdout for name in COMMANDS]
    sources = [path.read_text("utf-8") for folder in ("vtctap", "dissector") for path in (ROOT / folder).rglob("*.py")]
    named = {page for text in texts + sources for page in re.findall(r"'vtctap\s+help\s+([a-z-]+)", text)}
    assert {"fields", "findings", "tokens"} < named
    assert named <= {*pages(), "pages"}
    assert not any("docs/" in text for text in texts)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["capture", "--sped", "9600", "-i", "x"], "there is no option --sped; did you mean --speed?"),
        (["read", "--filtr", "vtc.token", "t.pcapng"], "there is no option --filtr; did you mean --filter?"),
        (["read", "--filtr=vtc.token", "t.pcapng"], "there is no option --filtr; did you mean --filter?"),
        (["reframe", "t.pcapng", "--ouput", "u.pcapng"], "there is no option --ouput"),
        (["read", "-j", "t.pcapng"], "there is no option -j"),
        (["check", "t.pcapng", "--fail-on", "warnin"], "argument --fail-on: invalid choice"),
        (["reframe", "t.pcapng"], "the following arguments are required: -w"),
        (["read", "t.pcapng", "-c", "-1"], "argument -c"),
    ],
)
def test_a_misspelled_option_is_what_is_blamed(arguments: list[str], text: str, inside: Run) -> None:
    done = inside(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr
    assert done.stderr.count("\n") == 1


# The manual, and the shell completions.


def test_manual_and_completions_are_current() -> None:
    pytest.importorskip("shtab")
    path = ROOT / "docs" / "make_manual.py"
    spec = importlib.util.spec_from_file_location("make_manual", path)
    assert spec
    assert spec.loader
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    for place, text in maker.made().items():
        assert text == (ROOT / "docs" / place).read_text("utf-8"), f"{place}: make pages"


def test_the_manual_names_every_option() -> None:
    manual = (ROOT / "docs/share/man/man1/vtctap.1").read_text("utf-8").replace("\\-", "-")
    for name in COMMANDS:
        assert f".SS {name}\n" in manual
        for option in command_parser(name)._option_string_actions:
            assert option in ("-h", "--help") or rf"\fB{option}\fR" in manual


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_the_manual_is_good_troff() -> None:
    command = ["man", "--warnings", "-l", str(ROOT / "docs/share/man/man1/vtctap.1")]
    environment = os.environ | {"LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "120"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""
    assert "vtctap capture -i /dev/ttyUSB0 -w trace.pcapng" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["vtctap", "re"], {"read", "report", "redact", "reframe", "replay"}),
        (["vtctap", "check", "--fa"], {"--fail-on"}),
        (["vtctap", "check", "--fail-on", "w"], {"warning"}),
    ],
)
def test_bash_completes(typed: list[str], offered: set[str], inside: Run) -> None:
    script = inside("completion", "bash").stdout
    words = " ".join(f"'{word}'" for word in typed)
    script += f"\nCOMP_WORDS=({words}); COMP_CWORD={len(typed) - 1}\n"
    script += f'$(complete -p vtctap | grep -o -- "-F [^ ]*" | cut -c4-) vtctap "{typed[-1]}" "{typed[-2]}"\n'
    script += 'printf "%s\\n" "${COMPREPLY[@]}"\n'
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True)
    assert {word.strip() for word in done.stdout.splitlines()} == offered


@pytest.mark.parametrize("shell", ["fish", "zsh"])
def test_other_shells_take_theirs(shell: str, inside: Run) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = inside("completion", shell).stdout
    subprocess.run([shell, "-n"], input=script, text=True, check=True, capture_output=True)


def test_every_command_is_in_the_whole_parser() -> None:
    assert whole_parser().parse_args(["read", "t.pcapng", "-Y", "x"]).filter == "x"


def test_what_the_wheel_puts_beside_the_package(tmp_path: Path, wheel: Path) -> None:
    """The wheel installs pages, manual and completions beside the package, and the installed program finds them."""
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    shells = {place.rpartition("/")[0] for place in SHELLS.values()}
    assert {*stated} == {"share/doc/vtctap", "share/man/man1", "share/vtctap"} | shells
    prefix = tmp_path / "prefix"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--ignore-installed"]
    subprocess.run([*command, "--prefix", prefix, wheel], check=True, capture_output=True)
    assert (prefix / "share/man/man1/vtctap.1").is_file()
    assert {path.name for path in (prefix / "share/vtctap").iterdir()} == {
        "vtctap-capture@.service",
        "vtctap-export.service",
    }
    site = sysconfig.get_path("purelib", vars={"base": str(prefix)})
    for arguments, text in ((["help", "fields"], "# Fields"), (["completion", "zsh"], "#compdef vtctap")):
        code = f"import sys; sys.path.insert(0, {site!r}); from vtctap.__main__ import main; sys.exit(main())"
        done = subprocess.run(
            [sys.executable, "-S", "-c", code, *arguments], capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith(text)
