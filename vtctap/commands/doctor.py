"""Finds problems with capture and Wireshark on this machine, and names the commands that fix them.

Exit status 1 means that a problem was found. Only --fix changes anything.
"""

import argparse
import json
import os
import shlex
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vtctap.command_line.diagnosis import Diagnosis
from vtctap.command_line.messages import warn
from vtctap.command_line.outputs import output_errors
from vtctap.dissector.profiles.model import ProfileError
from vtctap.errors import DONE, FOUND, CommandError
from vtctap.sniffer import udev
from vtctap.sniffer.ports import SerialPort, serial_ports
from vtctap.wireshark import examination
from vtctap.wireshark.tshark import NoWireshark, Wireshark, find, is_root

_LATENCY: Final = 1
"""Milliseconds: the shortest latency timer of an FTDI adapter, which gives the best timestamps."""
_GROUP: Final = "dialout"
"""The group of serial ports on Debian, Ubuntu and Fedora, assumed when there is no port to ask."""


@dataclass(frozen=True, slots=True)
class Host:
    """The machine to examine. ``root`` is the root of its file system, which tests replace."""

    root: Path = Path("/")
    ports: Sequence[SerialPort] = field(default_factory=serial_ports)
    superuser: bool = field(default_factory=is_root)
    groups: Sequence[str] = field(default_factory=lambda: _own_groups())
    readable: Callable[[str], bool] = lambda device: os.access(device, os.R_OK)
    status: Callable[[str], os.stat_result] = os.stat
    group_name: Callable[[int], str] = lambda number: _group_name(number)
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
    machine = Host()
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


def fix(machine: Host) -> None:
    """Installs the udev rule. Raises CommandError without the permission to do so, and OutputError if it fails."""
    if not udev.is_needed(machine.root):
        return
    with output_errors(str(udev.place(machine.root))):
        try:
            path = udev.install(machine.root)
        except PermissionError as error:
            if machine.superuser:
                raise
            raise CommandError(f"only root may write {error.filename}: {_fix_as_root()}") from None
    warn(f"installed {path}; unplug connected adapters and plug them in again")


def examine(machine: Host) -> tuple[list[Diagnosis], dict[str, str]]:
    """Returns the problems, and the versions and paths that were examined."""
    findings = [finding for check in _CHECKS for finding in check(machine)]
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
    findings += examination.examine(wireshark, superuser=machine.superuser)
    return findings, seen


def _permission(machine: Host) -> Iterator[Diagnosis]:
    """Finds ports that the user may not read; without a port, whether the user could read one."""
    found = [_barred(machine, port.device) for port in machine.ports if not machine.readable(port.device)]
    if not machine.ports and not machine.superuser and _GROUP in _lines(machine.root / "etc/group"):
        found = [_no_member(_GROUP)] if _GROUP not in machine.groups else []
    yield from dict.fromkeys(one for one in found if one)


def _barred(machine: Host, device: str) -> Diagnosis | None:
    """Returns why the user may not read a port; None if it is no longer there.

    The group is the reason only if its members may read the port and the user is not one of them.
    """
    try:
        status = machine.status(device)
    except FileNotFoundError:
        return None
    except OSError as error:
        return Diagnosis("port", f"{device} cannot be examined: {error.strerror}", f"ls -l {device}")
    group = machine.group_name(status.st_gid)
    if machine.superuser or (group in machine.groups and status.st_mode & stat.S_IRGRP):
        text = f"you cannot read {device}, though its mode allows it: a container or the system forbids it"
        return Diagnosis("port", text, f"docker run --device {device} ...   # in a container")
    if not status.st_mode & stat.S_IRGRP:
        mode = stat.filemode(status.st_mode)
        text = f"{device} cannot be read by the members of its group {group}: its mode is {mode}"
        return Diagnosis("port", text, f"sudo chmod g+r {device}   # until it is plugged in again")
    return _no_member(group)


def _no_member(group: str) -> Diagnosis:
    """Returns that the user is not in the group. In a container, a group may have only a number."""
    text = f"you are not in the group {group}, which may open serial ports"
    if group.isdecimal():
        return Diagnosis("group", text, f"docker run --group-add {group} ...   # in a container")
    return Diagnosis("group", text, f"sudo usermod -aG {group} $USER   # and log in again")


def _brltty(machine: Host) -> Iterator[Diagnosis]:
    """Finds brltty, the driver of Braille displays, which takes common USB adapters for one."""
    folders = ("etc/udev/rules.d", "usr/lib/udev/rules.d", "lib/udev/rules.d")
    if any([*(machine.root / folder).glob("*brltty*.rules")] for folder in folders):
        yield Diagnosis(
            "brltty",
            "brltty takes CH340 and CP210x adapters for Braille displays, so that their ports vanish",
            "sudo apt-get remove brltty",
        )


def _modem_manager(machine: Host) -> Iterator[Diagnosis]:
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


def _latency_timers(machine: Host) -> Iterator[Diagnosis]:
    """Finds adapters that delay octets."""
    for port in machine.ports:
        if port.latency_timer_ms is not None and port.latency_timer_ms > _LATENCY:
            name = port.device.rpartition("/")[2]
            yield Diagnosis(
                "latency-timer",
                f"{port.device} delays octets by up to {port.latency_timer_ms} ms, which makes timestamps coarse",
                f"echo {_LATENCY} | sudo tee /sys/bus/usb-serial/devices/{name}/latency_timer",
            )


def _profiles(machine: Host) -> Iterator[Diagnosis]:
    """Finds profiles of the user that are not valid."""
    from vtctap.dissector.profiles.files import load
    from vtctap.dissector.profiles.names import users

    for name in users():
        try:
            load(name)
        except ProfileError as error:
            yield Diagnosis("profile", str(error), f"vtctap profile check --profile {name}   # until it is valid")


def _first_open(machine: Host) -> Iterator[Diagnosis]:
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


_CHECKS: Final = (_permission, _brltty, _modem_manager, _latency_timers, _first_open, _profiles)


def _own_groups() -> list[str]:
    if sys.platform == "win32":
        return []
    return [_group_name(number) for number in sorted({os.getegid(), *os.getgroups()})]


def _group_name(number: int) -> str:
    """Returns the name of a group; its number where it has no name, as in many containers."""
    if sys.platform == "win32":
        return str(number)
    import grp

    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def _lines(path: Path) -> list[str]:
    """Returns the name at the beginning of each line of a file such as /etc/group."""
    try:
        return [line.partition(":")[0] for line in path.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return []
