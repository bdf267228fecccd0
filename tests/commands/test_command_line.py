"""The command line as a whole: help, wrong use, imports, and the small commands."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap import __version__
from vtctap.command_line.parsers import COMMANDS

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("name", COMMANDS)
def test_help(inside: Run, name: str) -> None:
    """The help is complete and short: it fits on a page, names every option, and imports no other library."""
    for flag in ("--help", "-h"):
        result = inside(name, flag)
        assert (result.returncode, result.stderr) == (0, "")
        lines = result.stdout.splitlines()
        assert lines[0].startswith(f"usage: vtctap {name} ")
        assert len(lines) <= 60
        assert all(len(line) <= 120 for line in lines)


def test_help_of_all(vtctap: Run) -> None:
    result = vtctap("--help")
    assert (result.returncode, result.stderr) == (0, "")
    for name, (_, does) in COMMANDS.items():
        assert f"  {name} " in result.stdout
        assert does in result.stdout
    assert len(result.stdout.splitlines()) <= len(COMMANDS) + 11


def test_version(inside: Run) -> None:
    assert inside("--version").stdout == f"vtctap {__version__}\n"


HELP = (["--help"], ["--version"], ["help"], ["read", "--help"])
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("arguments", HELP, ids=" ".join)
def test_help_whose_reader_is_gone(arguments: list[str]) -> None:
    """As with 'vtctap --help | head': no word of it."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb") as pipe:
        command = [sys.executable, "-m", "vtctap", *arguments]
        result = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, check=False, env=BUFFERED)
    assert (result.returncode, result.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", HELP, ids=" ".join)
def test_help_that_cannot_be_written(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        command = [sys.executable, "-m", "vtctap", *arguments]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False, env=BUFFERED)
    assert (result.returncode, result.stderr) == (4, b"vtctap: standard output: No space left on device\n")


def test_console_script(tmp_path: Path, inside: Run) -> None:
    script = Path(sys.executable).with_name("vtctap")
    if not script.exists():
        pytest.skip("vtctap is not installed with its script")
    result = subprocess.run([script, "--help"], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, inside("--help").stdout)


def test_no_command(inside: Run) -> None:
    result = inside()
    assert (result.returncode, result.stdout) == (2, "")
    assert "commands:" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["raed"], "vtctap: there is no command 'raed'; did you mean read?; 'vtctap --help' says more\n"),
        ([""], "vtctap: there is no command ''; 'vtctap --help' says more\n"),
        (["--nosuch"], "vtctap: there is no option --nosuch; 'vtctap --help' says more\n"),
        (["--verson"], "vtctap: there is no option --verson; did you mean --version?; 'vtctap --help' says more\n"),
        (["ports", "x"], "vtctap ports: unrecognized arguments: x; 'vtctap ports --help' says more\n"),
        (["profile", "burn"], "invalid choice: 'burn'"),
        (["profile", "list", "x"], "'profile list' takes no name; did you mean 'profile show'?"),
        (["profile", "show", "x"], "there is no profile 'x': name one of iec62055-52, iec62056-21, or the path of"),
        (["reframe", "t.pcapng"], "the following arguments are required: -w"),
        (["reframe", "t.pcapng", "-w", "u.pcapng"], "vtctap: t.pcapng: No such file or directory"),
        (["wireshark", "lua"], "the file to write is missing"),
        (["import", "--from", "raw", "-", "-", "-w", "x.pcapng"], "- is standard input, which can be read only once"),
        (["check", "-", "t.pcapng", "-"], "- is standard input, which can be read only once"),
        (["demo", "--seed", "x"], "invalid int value: 'x'"),
        (["demo", "--faults"], "--faults writes its list beside the trace"),
        (["demo", "--faults", "-w", "-"], "--faults writes its list beside the trace"),
        (["demo", "--fast", "-w", "t.txt"], "the name must end in .pcapng or .pcap"),
        (["demo", "--fast", "-a", "filesize:1"], "limits the file that is written: add -w"),
    ],
)
def test_wrong_use(inside: Run, tmp_path: Path, arguments: list[str], text: str) -> None:
    result = inside(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert text in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_broken_profile(inside: Run, tmp_path: Path) -> None:
    for text, reason in [("[profile", "at end of document"), ("", "is missing"), ("[profile]\nnme = 1", "nme")]:
        (tmp_path / "p.toml").write_text(text)
        result = inside("demo", "--fast", "--profile", "p.toml")
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith("vtctap: p.toml:")
        assert reason in result.stderr
        assert result.stderr.count("\n") == 1


# The cost of starting: the modules that each command imports.

LIST = (
    "import sys; before = set(sys.modules); from vtctap.__main__ import main\n"
    "try: main(sys.argv[1:])\n"
    "except SystemExit: pass\n"
    "print(*sorted(set(sys.modules) - before), file=sys.stderr)"
)
SLOW = ("scapy", "pyshark", "asyncio", "pathlib", "dataclasses", "inspect", "tomllib", "shutil", "json", "urllib")


OWN = "import argparse; main = lambda arguments: argparse.ArgumentParser(prog='p').parse_args(arguments)"
"""A program that has nothing but help. From 3.14 on, Python colours help and imports many modules for it."""


def imported(*arguments: str) -> set[str]:
    """Returns the modules that a command imports, without those that Python's own help imports."""
    found = []
    for program in (LIST, LIST.replace("from vtctap.__main__ import main", OWN)):
        command = [sys.executable, "-c", program, *(arguments if program == LIST else ["--help"])]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(set(done.stderr.splitlines()[-1].split()))
    return found[0] - found[1]


def packages(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def test_help_imports_next_to_nothing() -> None:
    modules = imported("--help")
    assert {module for module in modules if module.startswith("vtctap")} == {
        "vtctap",
        "vtctap.__main__",
        "vtctap.errors",
        "vtctap.command_line",
        "vtctap.command_line.messages",
        "vtctap.command_line.parsers",
    }
    assert not packages(modules) & {*SLOW, "serial"}


def test_ports_imports_no_more_than_pyserial() -> None:
    modules = imported("ports")
    assert {module for module in modules if module.startswith("vtctap")} == {
        "vtctap", "vtctap.__main__", "vtctap.commands", "vtctap.commands.ports", "vtctap.sniffer",
        "vtctap.errors", "vtctap.command_line", "vtctap.command_line.messages", "vtctap.command_line.parsers",
        "vtctap.sniffer.adapter", "vtctap.sniffer.bounds", "vtctap.sniffer.envelope", "vtctap.sniffer.ports",
    }  # fmt: skip
    assert "serial" in packages(modules)
    assert not packages(modules) & set(SLOW)


@pytest.mark.parametrize(
    "arguments", [["capture", "--help"], ["read", "--help"], ["demo", "--fast"], ["capture", "-i", "/dev/null"]]
)
def test_no_command_imports_what_it_does_not_use(arguments: list[str]) -> None:
    assert not packages(imported(*arguments)) & {"scapy", "pyshark", "asyncio", "serial"}


def test_read_imports_no_filter_and_no_port(trace: Path) -> None:
    modules = imported("read", str(trace))
    assert "vtctap.dissector.filter" not in modules
    assert not any(module.startswith("vtctap.sniffer") for module in modules)


# ports, profile, wireshark


def test_ports(inside: Run) -> None:
    plain, as_json = inside("ports"), inside("ports", "--json")
    assert plain.returncode == as_json.returncode == 0
    entries = [json.loads(line) for line in as_json.stdout.splitlines()]
    head = ["DEVICE"] if entries else []
    assert [line.split()[0] for line in plain.stdout.splitlines()] == head + [entry["device"] for entry in entries]
    assert [entry["device"] for entry in entries] == sorted(entry["device"] for entry in entries)
    if not entries:
        assert plain.stderr == "vtctap: no serial port found; is the adapter plugged in?\n"


def test_profile_list_and_show(inside: Run) -> None:
    listed = inside("profile", "list")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["iec62055-52", "iec62056-21"]
    entries = [json.loads(line) for line in inside("profile", "list", "--json").stdout.splitlines()]
    assert [entry["name"] for entry in entries] == ["iec62055-52", "iec62056-21"]
    assert all(entry["confidence"] in ("confirmed", "derived", "assumed") for entry in entries)
    assert inside("profile", "show").stdout == inside("profile", "show", "iec62055-52").stdout


def test_a_profile_that_is_shown_can_be_used(inside: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(inside("profile", "show").stdout.replace('"availableCredit"', '"myCredit"'))
    assert "myCredit" in inside("demo", "--fast", "--profile", "mine.toml").stdout


def test_wireshark_lua(inside: Run, tmp_path: Path) -> None:
    made = inside("wireshark", "lua", "-o", "d.lua")
    done = "vtctap: the dissector is in d.lua: 'wireshark -X lua_script:d.lua TRACE' uses it\n"
    assert (made.returncode, made.stdout, made.stderr) == (0, "", done)
    assert inside("wireshark", "lua", "-q", "--force", "-o", "d.lua").stderr == ""
    text = (tmp_path / "d.lua").read_text(encoding="ascii")
    assert inside("wireshark", "lua", "-o", "-").stdout == text
    again = inside("wireshark", "lua", "-o", "d.lua")
    assert (again.returncode, again.stderr) == (
        2,
        "vtctap: d.lua exists: choose another name, or --force to overwrite it\n",
    )
    assert inside("wireshark", "lua", "-o", "d.lua", "--force", "--dlt", "150").returncode == 0
    assert (tmp_path / "d.lua").read_text(encoding="ascii") != text
    assert inside("wireshark", "lua", "-o", "no/d.lua").returncode == 4


def test_runs_from_a_checkout_that_is_not_installed(tmp_path: Path) -> None:
    """In a checkout the folders of the parts lie beside the package ``vtctap``, not in it."""
    checkout = Path(__file__).parents[2]
    if not (checkout / "pcap" / "record.py").is_file():
        pytest.skip("this is no checkout")
    result = subprocess.run(
        [sys.executable, "-S", "-m", "vtctap", "demo", "--fast", "-q", "-w", str(tmp_path / "t.pcapng")],
        capture_output=True, text=True, check=False, cwd=checkout, env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "t.pcapng").stat().st_size > 1000


@pytest.mark.parametrize(
    "arguments", [["--version"], ["ports"], ["read", "trace.pcapng"], ["capture", "-i", "none"], ["x"]]
)
def test_without_standard_output_and_error(arguments: list[str], trace: Path, tmp_path: Path) -> None:
    """A daemon may be started without them."""
    run = [sys.executable, "-X", "dev", "-m", "vtctap", *arguments]
    usual = subprocess.run(run, capture_output=True, check=False, cwd=tmp_path).returncode
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        line = f'exec "$@" {closed}'
        done = subprocess.run(["sh", "-c", line, "sh", *run], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == usual
        assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("command", [["read"], ["check"], ["reframe", "-w", "u.pcapng"]])
def test_without_standard_input(command: list[str], tmp_path: Path) -> None:
    run = ["sh", "-c", 'exec "$@" <&-', "sh", sys.executable, "-m", "vtctap", *command, "-"]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0
    assert "is empty" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no fifos here")
@pytest.mark.parametrize("command", ["read", "check", "stats"])
def test_a_trace_from_a_pipe(command: str, trace: Path, tmp_path: Path) -> None:
    """A shell's ``<(...)`` gives such a trace."""
    run = [sys.executable, "-m", "vtctap", command]
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["sh", "-c", 'cat "$0" > pipe', trace], cwd=tmp_path):
        piped = subprocess.run([*run, "pipe"], capture_output=True, text=True, check=False, cwd=tmp_path)
    whole = subprocess.run([*run, trace], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert piped.returncode == whole.returncode
    assert piped.stdout.replace("pipe", str(trace)) == whole.stdout
    assert piped.stderr == whole.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no fifos here")
def test_a_pipe_is_not_looked_into(inside: Run, tmp_path: Path) -> None:
    """Detecting the format of a pipe would consume octets that the import then lacks."""
    os.mkfifo(tmp_path / "pipe")
    done = inside("import", "pipe", "-w", "t.pcapng")
    assert done.returncode == 2
    assert "say with --from" in done.stderr


@pytest.mark.parametrize("arguments", [["profile", "check", "--profile"], ["read", "t.pcapng", "--keys"]])
def test_a_file_that_is_nested_too_deeply(arguments: list[str], inside: Run, tmp_path: Path) -> None:
    (tmp_path / "deep.toml").write_text("a = " + "[" * 100_000)
    done = inside(*arguments, "deep.toml")
    assert (done.returncode, done.stderr) == (2, "vtctap: deep.toml: is nested too deeply to be read\n")


def test_options_between_names(inside: Run, trace: Path, tmp_path: Path) -> None:
    (tmp_path / "-x.pcapng").write_bytes(trace.read_bytes())
    assert inside("check", trace, "--json", trace).stdout == inside("check", trace, trace, "--json").stdout != ""
    between = inside("profile", "check", "--profile", "iec62056-21", trace)
    assert between.stdout == inside("profile", "check", trace, "--profile", "iec62056-21").stdout != ""
    assert inside("read", "--", "-x.pcapng").stdout == inside("read", trace).stdout
