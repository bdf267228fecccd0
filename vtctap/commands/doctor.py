"""Finds problems with capture and Wireshark on this machine, and names the commands that fix them.

Exit status 1 means that a problem was found. Only --fix changes anything.
"""

import argparse
import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from vtctap.dissector.profiles.model import ProfileError
from vtctap.errors import DONE, FOUND, CommandError, Error
from vtctap.messages import warn
from vtctap.sniffer import udev
from vtctap.sniffer.ports import SerialPort, serial_ports
from vtctap.wireshark.tshark import NO_LUA_FOR_ROOT, NoWireshark, Wireshark, find, is_root

if TYPE_CHECKING:
    from vtctap.wireshark.installation import File

_OLDEST: Final = (4, 0)
_LATENCY: Final = 1
"""Milliseconds: the shortest latency timer of an FTDI adapter, which gives the best timestamps."""
_GROUP: Final = "dialout"
"""The group of serial ports on Debian, Ubuntu and Fedora, assumed when there is no port to ask."""
_INSTALL: Final = "vtctap wireshark install"


class Diagnosis(NamedTuple):
    """A problem, and the command that fixes it ("": there is none)."""

    code: str
    problem: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine to examine. ``root`` is the root of its file system, which tests replace."""

    root: Path = Path("/")
    ports: Sequence[SerialPort] = field(default_factory=serial_ports)
    superuser: bool = field(default_factory=is_root)
    groups: Sequence[str] = field(default_factory=lambda: _own_groups())
    readable: Callable[[str], bool] = lambda device: os.access(device, os.R_OK)
    group_of: Callable[[str], str] = lambda device: Path(device).group()
    wireshark: Callable[[], Wireshark] = find


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object: problems, and what was examined")
    parser.add_argument(
        "--fix",
        action="store_true",
        help="install the udev rule that stops the kernel from echoing on newly plugged ports (as root)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    machine = Machine()
    if arguments.fix:
        fix(machine)
    findings, seen = examine(machine)
    if arguments.json:
        print(json.dumps({"findings": [finding._asdict() for finding in findings], "seen": seen}))
    else:
        for name, value in seen.items():
            print(f"{name}: {value}")
        for finding in findings:
            print(f"{finding.code}: {finding.problem}")
            if finding.mend:
                print(f"    {finding.mend}")
        if not findings:
            print("nothing is missing")
    return FOUND if findings else DONE


def fix(machine: Machine) -> None:
    """Installs the udev rule. Raises CommandError without the permission to do so."""
    if not udev.is_needed(machine.root):
        return
    try:
        path = udev.install(machine.root)
    except PermissionError as error:
        raise CommandError(f"only root may write {error.filename}: {_fix_as_root()}") from None
    warn(f"installed {path}; unplug connected adapters and plug them in again")


def examine(machine: Machine) -> tuple[list[Diagnosis], dict[str, str]]:
    """Returns the problems, and the versions and paths that were examined."""
    findings = [finding for check in _MACHINE for finding in check(machine)]
    seen = {"ports": " ".join(port.device for port in machine.ports) or "none"}
    try:
        wireshark = machine.wireshark()
    except NoWireshark as error:
        text, _, mend = str(error).partition(": ")
        findings.append(Diagnosis("wireshark-missing", f"{text}; everything but Wireshark works without it", mend))
        return findings, seen
    seen |= {
        "wireshark": f"{wireshark.version_text} ({wireshark.tshark})",
        "plugins": str(wireshark.plugins or "no Lua"),
        "extcap": str(wireshark.extcap),
        "configuration": str(wireshark.configuration),
    }
    for look in _WIRESHARK:
        findings += look(machine, wireshark)
    return findings, seen


# The machine.


def _permission(machine: Machine) -> Iterator[Diagnosis]:
    """Finds ports that the user may not read; without a port, whether the user could read one."""
    groups = {machine.group_of(port.device) for port in machine.ports if not machine.readable(port.device)}
    if not machine.ports and not machine.superuser and _GROUP in _lines(machine.root / "etc/group"):
        groups = {_GROUP} - set(machine.groups)
    for group in sorted(groups):
        text = f"you are not in the group {group}, which may open serial ports"
        yield Diagnosis("group", text, f"sudo usermod -aG {group} $USER   # and log in again")


def _brltty(machine: Machine) -> Iterator[Diagnosis]:
    """Finds brltty, the driver of Braille displays, which takes common USB adapters for one."""
    folders = ("etc/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
    if any([*(machine.root / folder).glob("*brltty*.rules")] for folder in folders):
        yield Diagnosis(
            "brltty",
            "brltty takes CH340 and CP210x adapters for Braille displays, so that their ports vanish",
            "sudo apt-get remove brltty",
        )


def _modem_manager(machine: Machine) -> Iterator[Diagnosis]:
    """Finds ModemManager, which writes to each new port to see whether it is a modem."""
    for process in (machine.root / "proc").glob("[0-9]*/comm"):
        try:
            name = process.read_text("utf-8", "replace").strip()
        except OSError:
            continue
        if name == "ModemManager":
            yield Diagnosis(
                "modemmanager",
                "ModemManager is running: it opens new serial ports and writes to them",
                "sudo systemctl disable --now ModemManager",
            )
            return


def _latency_timers(machine: Machine) -> Iterator[Diagnosis]:
    """Finds adapters that delay octets."""
    for port in machine.ports:
        if port.latency_timer_ms is not None and port.latency_timer_ms > _LATENCY:
            name = port.device.rpartition("/")[2]
            yield Diagnosis(
                "latency-timer",
                f"{port.device} delays octets by up to {port.latency_timer_ms} ms, which makes timestamps coarse",
                f"echo {_LATENCY} | sudo tee /sys/bus/usb-serial/devices/{name}/latency_timer",
            )


def _profiles(machine: Machine) -> Iterator[Diagnosis]:
    """Finds profiles of the user that are not valid."""
    from vtctap.dissector.profiles.files import load, users

    for name in users():
        try:
            load(name)
        except ProfileError as error:
            yield Diagnosis("profile", str(error), f"vtctap profile check --profile {name}   # until it is valid")


def _first_open(machine: Machine) -> Iterator[Diagnosis]:
    """Finds out whether the kernel makes a new port echo until its settings are first changed."""
    if udev.is_needed(machine.root):
        yield Diagnosis(
            "first-open",
            "the kernel echoes what a new port receives until a program sets the port; a udev rule sets it at once",
            _fix_as_root(),
        )


def _fix_as_root() -> str:
    """Returns the command that installs the udev rule. It names the interpreter, because root's PATH may differ."""
    return f"sudo {shlex.quote(sys.executable)} -m vtctap doctor --fix"


_MACHINE: Final = (_permission, _brltty, _modem_manager, _latency_timers, _first_open, _profiles)


# Wireshark.


def _version(machine: Machine, wireshark: Wireshark) -> Iterator[Diagnosis]:
    if wireshark.version < _OLDEST:
        yield Diagnosis(
            "wireshark-old", f"Wireshark {wireshark.version_text} is older than 4.0, the oldest that is tested"
        )
    if wireshark.plugins is None:
        yield Diagnosis("wireshark-no-lua", "this Wireshark was built without Lua: it cannot load the dissector")


def _lua_for_root(machine: Machine, wireshark: Wireshark) -> Iterator[Diagnosis]:
    if machine.superuser and wireshark.version >= NO_LUA_FOR_ROOT:
        yield Diagnosis(
            "lua-root",
            f"Wireshark {wireshark.version_text} loads no Lua script for root, and does not say so: run it as a user",
            f"sudo -u {os.environ.get('SUDO_USER') or 'USER'} wireshark",
        )


def _installation(machine: Machine, wireshark: Wireshark) -> Iterator[Diagnosis]:
    """Finds installed files that are missing or differ from those of this version."""
    if wireshark.plugins is None:
        return
    try:
        files = _files(wireshark)
    except Error as error:
        good = f"{_INSTALL} --force --profile NAME   # one of 'vtctap profile list'"
        broken = isinstance(error, ProfileError)
        problem = f"the installed dissector's profile cannot be used: {error}" if broken else str(error)
        yield Diagnosis("profile-broken" if broken else "manifest-broken", problem, good if broken else "")
        return
    for file in files:
        if not file.path.is_file():
            yield Diagnosis("not-installed", f"{file.path} does not exist", _INSTALL)
            return
        if file.executable and file.path.read_bytes() != file.text.encode():
            yield Diagnosis("launcher-stale", f"{file.path} runs another vtctap than this one", f"{_INSTALL} --force")
        if file.path.suffix == ".lua" and file.path.read_bytes() != file.text.encode():
            text = f"{file.path} was changed, or made by another version or with another profile or link type"
            yield Diagnosis("dissector-stale", text, f"{_INSTALL} --force")
        if file.executable and not os.access(file.path, os.X_OK):
            yield Diagnosis("launcher-mode", f"{file.path} is not executable", f"chmod +x {file.path}")


def _dissector_loads(machine: Machine, wireshark: Wireshark) -> Iterator[Diagnosis]:
    """Lets tshark read a record: it must print the dissector's field, and nothing on stderr."""
    if wireshark.plugins is None or (machine.superuser and wireshark.version >= NO_LUA_FOR_ROOT):
        return
    installed = wireshark.plugins / "vtctap.lua"
    with tempfile.TemporaryDirectory(prefix="vtctap-") as folder:
        trace, script = Path(folder, "doctor.pcapng"), Path(folder, "vtctap.lua")
        _write_trace(trace)
        options: list[str | Path] = ["-r", trace, "-T", "fields", "-e", "vtc.kind"]
        if not installed.is_file():
            script.write_text(_dissector(wireshark), encoding="ascii")
            options += ["-X", f"lua_script:{script}"]
        done = wireshark.run(options)
    said = done.stderr.strip().splitlines()
    if done.returncode or said or done.stdout.strip() != "event":
        why = said[0] if said else f"it prints {done.stdout.strip()!r}"
        yield Diagnosis("dissector-fails", f"tshark does not load the dissector cleanly: {why}", f"{_INSTALL} --force")


def _interfaces(machine: Machine, wireshark: Wireshark) -> Iterator[Diagnosis]:
    """Finds out whether Wireshark lists vtctap's interfaces, and whether this user may capture with it."""
    launcher = wireshark.extcap / "vtctap"
    if launcher.is_file() and "vtctap-demo" not in wireshark.run(["-D"]).stdout:
        problem = f"tshark does not list the interfaces of {launcher}"
        yield Diagnosis("extcap-fails", problem, f"{launcher} --extcap-interfaces   # and what it says")
    dumpcap = shutil.which("dumpcap") or shutil.which("dumpcap", path="/usr/sbin:/usr/bin")
    if dumpcap is None:
        group = _group_of_dumpcap()
        if group:
            text = f"you are not in the group {group}, which may run dumpcap, the capture program of Wireshark"
            yield Diagnosis("dumpcap", text, f"sudo usermod -aG {group} $USER   # and log in again")


_WIRESHARK: Final = (_version, _lua_for_root, _installation, _dissector_loads, _interfaces)


def _files(wireshark: Wireshark) -> "list[File]":
    """Returns the files that install would write with the options of the present installation."""
    from vtctap.dissector.wireshark.configuration import files
    from vtctap.wireshark.installation import Installation, dissector, wanted

    return wanted(wireshark, dissector(Installation.of(wireshark).choices), files())


def _dissector(wireshark: Wireshark) -> str:
    """Returns the dissector that install would write; if its profile is broken, one with vtctap's own profiles."""
    from vtctap.wireshark.installation import Choices, dissector

    try:
        return _files(wireshark)[0].text
    except Error:
        return dissector(Choices())


def _write_trace(path: Path) -> None:
    from vtctap.pcap.record import Kind, Record
    from vtctap.pcap.trace import create_trace

    with create_trace(str(path)) as writer:
        writer.write(Record(1_000_000_000, b"", Kind.EVENT, event="mark doctor"))


def _group_of_dumpcap() -> str:
    try:
        return Path("/usr/bin/dumpcap").group()
    except (OSError, KeyError, NotImplementedError):
        return ""


def _own_groups() -> list[str]:
    if sys.platform == "win32":
        return []
    import grp

    names = []
    for number in {os.getegid(), *os.getgroups()}:
        try:
            names.append(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return names


def _lines(path: Path) -> list[str]:
    """Returns the name at the beginning of each line of a file such as /etc/group."""
    try:
        return [line.partition(":")[0] for line in path.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return []
