"""Looks for what is missing on this machine for capture and for Wireshark, and names the command that mends it.

Exit status 1 where something was found. Nothing is changed but by --fix.
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
from vtctap.errors import CommandError, Error
from vtctap.messages import warn
from vtctap.sniffer import udev
from vtctap.sniffer.ports import SerialPort, serial_ports
from vtctap.wireshark.tshark import NO_LUA_FOR_ROOT, NoWireshark, Wireshark, find, is_root

if TYPE_CHECKING:
    from vtctap.wireshark.installation import File

_OLDEST: Final = (4, 0)
_LATENCY: Final = 1
"""Milliseconds: the shortest latency timer of an FTDI adapter, and the best for time stamps."""
_GROUP: Final = "dialout"
"""The group of serial ports where there is none to ask: Debian's, Ubuntu's, Fedora's."""
_INSTALL: Final = "vtctap wireshark install"


class Diagnosis(NamedTuple):
    """What is missing or in the way, and the command that mends it (empty: there is none)."""

    code: str
    problem: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What is examined; the tests have others. ``root`` is the folder of the file system's root."""

    root: Path = Path("/")
    ports: Sequence[SerialPort] = field(default_factory=serial_ports)
    superuser: bool = field(default_factory=is_root)
    groups: Sequence[str] = field(default_factory=lambda: _own_groups())
    readable: Callable[[str], bool] = lambda device: os.access(device, os.R_OK)
    group_of: Callable[[str], str] = lambda device: Path(device).group()
    wireshark: Callable[[], Wireshark] = find


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--json", action="store_true", help="one object: what was found, and what was examined")
    parser.add_argument(
        "--fix",
        action="store_true",
        help="install the udev rule that keeps the kernel from echoing what a newly plugged port receives (as root)",
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
    return 1 if findings else 0


def fix(machine: Machine) -> None:
    """Installs the udev rule. Raises CommandError where we may not."""
    if not udev.is_needed(machine.root):
        return
    try:
        path = udev.install(machine.root)
    except PermissionError as error:
        raise CommandError(f"{error.filename} is root's to write: {_fix_as_root()}") from None
    warn(f"{path} is there now; adapters that are plugged in keep their state until they are plugged in again")


def examine(machine: Machine) -> tuple[list[Diagnosis], dict[str, str]]:
    """The findings, and what was examined: the versions and places that a person asks for first."""
    findings = [finding for check in _MACHINE for finding in check(machine)]
    seen = {"ports": " ".join(port.device for port in machine.ports) or "none"}
    try:
        wireshark = machine.wireshark()
    except NoWireshark as error:
        text, _, mend = str(error).partition(": ")
        findings.append(Diagnosis("wireshark-missing", f"{text}; capture and all else works without it", mend))
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
    """Ports that may not be read; without a port, whether one could be."""
    groups = {machine.group_of(port.device) for port in machine.ports if not machine.readable(port.device)}
    if not machine.ports and not machine.superuser and _GROUP in _lines(machine.root / "etc/group"):
        groups = {_GROUP} - set(machine.groups)
    for group in sorted(groups):
        text = f"you are not in the group {group}, which may open serial ports"
        yield Diagnosis("group", text, f"sudo usermod -aG {group} $USER   # and log in again")


def _brltty(machine: Machine) -> Iterator[Diagnosis]:
    """The driver of Braille displays takes many a USB adapter for one."""
    folders = ("etc/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
    if any([*(machine.root / folder).glob("*brltty*.rules")] for folder in folders):
        yield Diagnosis(
            "brltty",
            "brltty takes CH340 and CP210x adapters for Braille displays, and their ports away",
            "sudo apt-get remove brltty",
        )


def _modem_manager(machine: Machine) -> Iterator[Diagnosis]:
    """ModemManager writes to each new port, to see whether it is a modem."""
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
    """Adapters that hold octets back."""
    for port in machine.ports:
        if port.latency_timer_ms is not None and port.latency_timer_ms > _LATENCY:
            name = port.device.rpartition("/")[2]
            yield Diagnosis(
                "latency-timer",
                f"{port.device} holds octets back for up to {port.latency_timer_ms} ms: time stamps are coarse",
                f"echo {_LATENCY} | sudo tee /sys/bus/usb-serial/devices/{name}/latency_timer",
            )


def _profiles(machine: Machine) -> Iterator[Diagnosis]:
    """A person's own profiles that cannot be used."""
    from vtctap.dissector.profiles.files import load, users

    for name in users():
        try:
            load(name)
        except ProfileError as error:
            yield Diagnosis("profile", str(error), f"vtctap profile check --profile {name}   # until it is valid")


def _first_open(machine: Machine) -> Iterator[Diagnosis]:
    """Ports that the kernel makes echo until they are first set."""
    if udev.is_needed(machine.root):
        yield Diagnosis(
            "first-open",
            "until a new port is first set the kernel sends back what it receives; a udev rule sets it at once",
            _fix_as_root(),
        )


def _fix_as_root() -> str:
    """The command that installs the rule, whatever root's PATH is."""
    return f"sudo {shlex.quote(sys.executable)} -m vtctap doctor --fix"


_MACHINE: Final = (_permission, _brltty, _modem_manager, _latency_timers, _first_open, _profiles)


# Wireshark.


def _version(machine: Machine, wireshark: Wireshark) -> Iterator[Diagnosis]:
    if wireshark.version < _OLDEST:
        yield Diagnosis("wireshark-old", f"Wireshark {wireshark.version_text} is older than 4.0, and not tested")
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
    """Files that are not there or not as this version has them."""
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
            yield Diagnosis("not-installed", f"{file.path} is not there", _INSTALL)
            return
        if file.executable and file.path.read_bytes() != file.text.encode():
            yield Diagnosis("launcher-stale", f"{file.path} runs another vtctap than this one", f"{_INSTALL} --force")
        if file.path.suffix == ".lua" and file.path.read_bytes() != file.text.encode():
            text = f"{file.path} is not as this vtctap makes it: of another version, profile or link type, or changed"
            yield Diagnosis("dissector-stale", text, f"{_INSTALL} --force")
        if file.executable and not os.access(file.path, os.X_OK):
            yield Diagnosis("launcher-mode", f"{file.path} may not be run", f"chmod +x {file.path}")


def _dissector_loads(machine: Machine, wireshark: Wireshark) -> Iterator[Diagnosis]:
    """Reads a record with tshark: what it prints must be ours, and stderr empty."""
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
    """Whether Wireshark's list has ours, and whether this user may capture with it."""
    launcher = wireshark.extcap / "vtctap"
    if launcher.is_file() and "vtctap-demo" not in wireshark.run(["-D"]).stdout:
        problem = f"tshark does not list the interfaces of {launcher}"
        yield Diagnosis("extcap-fails", problem, f"{launcher} --extcap-interfaces   # and what it says")
    dumpcap = shutil.which("dumpcap") or shutil.which("dumpcap", path="/usr/sbin:/usr/bin")
    if dumpcap is None:
        group = _group_of_dumpcap()
        if group:
            text = f"you may not run dumpcap, which Wireshark captures with: you are not in the group {group}"
            yield Diagnosis("dumpcap", text, f"sudo usermod -aG {group} $USER   # and log in again")


_WIRESHARK: Final = (_version, _lua_for_root, _installation, _dissector_loads, _interfaces)


def _files(wireshark: Wireshark) -> "list[File]":
    """What install would put, with the choices of the installation that is there."""
    from vtctap.dissector.wireshark.configuration import files
    from vtctap.wireshark.installation import Installation, dissector, wanted

    return wanted(wireshark, dissector(Installation.of(wireshark).choices), files())


def _dissector(wireshark: Wireshark) -> str:
    """The dissector as install would make it; with what is shipped where that cannot be, which is told elsewhere."""
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
    """The names at the beginning of a file's lines."""
    try:
        return [line.partition(":")[0] for line in path.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return []
