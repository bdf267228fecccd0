"""Examines a Wireshark, and what vtctap installed in it: version, Lua, files, and whether tshark and dumpcap work.

Nothing is changed. tshark is started to see that it loads the dissector and lists the interfaces.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from vtctap.command_line.diagnosis import Diagnosis
from vtctap.dissector.profiles.model import ProfileError
from vtctap.errors import Error
from vtctap.wireshark.tshark import NO_LUA_FOR_ROOT, NoWireshark, Wireshark

if TYPE_CHECKING:
    from vtctap.wireshark.installation import File

__all__ = ["examine", "files"]

_OLDEST: Final = (4, 0)
_INSTALL: Final = "vtctap wireshark install"


def _version(wireshark: Wireshark, *, superuser: bool) -> Iterator[Diagnosis]:
    if wireshark.version < _OLDEST:
        yield Diagnosis(
            "wireshark-old", f"Wireshark {wireshark.version_text} is older than 4.0, the oldest that is tested"
        )
    if wireshark.plugins is None:
        yield Diagnosis("wireshark-no-lua", "this Wireshark was built without Lua: it cannot load the dissector")


def _lua_for_root(wireshark: Wireshark, *, superuser: bool) -> Iterator[Diagnosis]:
    if superuser and wireshark.version >= NO_LUA_FOR_ROOT:
        yield Diagnosis(
            "lua-root",
            f"Wireshark {wireshark.version_text} loads no Lua script for root, and does not say so: run it as a user",
            f"sudo -u {os.environ.get('SUDO_USER') or 'USER'} wireshark",
        )


def _installation(wireshark: Wireshark, *, superuser: bool) -> Iterator[Diagnosis]:
    """Finds installed files that are missing or differ from those of this version."""
    if wireshark.plugins is None:
        return
    try:
        installed = files(wireshark)
    except Error as error:
        good = f"{_INSTALL} --force --profile NAME   # one of 'vtctap profile list'"
        broken = isinstance(error, ProfileError)
        problem = f"the installed dissector's profile cannot be used: {error}" if broken else str(error)
        yield Diagnosis("profile-broken" if broken else "manifest-broken", problem, good if broken else "")
        return
    for file in installed:
        if not file.path.is_file():
            yield Diagnosis("not-installed", f"{file.path} does not exist", _INSTALL)
            return
        if file.executable and file.path.read_bytes() != file.content:
            yield Diagnosis("launcher-stale", f"{file.path} runs another vtctap than this one", f"{_INSTALL} --force")
        if file.path.suffix == ".lua" and file.path.read_bytes() != file.content:
            text = f"{file.path} was changed, or made by another version or with another profile or link type"
            yield Diagnosis("dissector-stale", text, f"{_INSTALL} --force")
        if file.executable and not os.access(file.path, os.X_OK):
            yield Diagnosis("launcher-mode", f"{file.path} is not executable", f"chmod +x {file.path}")


def _dissector_loads(wireshark: Wireshark, *, superuser: bool) -> Iterator[Diagnosis]:
    """Lets tshark read a record: it must print the dissector's field, and nothing on stderr."""
    if wireshark.plugins is None or (superuser and wireshark.version >= NO_LUA_FOR_ROOT):
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


def _interfaces(wireshark: Wireshark, *, superuser: bool) -> Iterator[Diagnosis]:
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


_CHECKS: Final = (_version, _lua_for_root, _installation, _dissector_loads, _interfaces)


def examine(wireshark: Wireshark, *, superuser: bool) -> Iterator[Diagnosis]:
    """Yields the problems of a Wireshark, and of what vtctap installed in it, for a user who may be root."""
    for check in _CHECKS:
        try:
            yield from check(wireshark, superuser=superuser)
        except NoWireshark as error:
            yield Diagnosis("wireshark-fails", str(error))
        except OSError as error:
            yield Diagnosis("unreadable", f"{error.filename or 'a file of Wireshark'}: {error.strerror}")


def files(wireshark: Wireshark) -> "list[File]":
    """Returns the files that install would write with the options of the present installation."""
    from vtctap.dissector.wireshark import configuration
    from vtctap.wireshark.installation import Installation, dissector, wanted

    return wanted(wireshark, dissector(Installation.of(wireshark).choices), configuration.files())


def _dissector(wireshark: Wireshark) -> str:
    """Returns the dissector that install would write; if its profile is broken, one with vtctap's own profiles."""
    from vtctap.wireshark.installation import Choices, dissector

    try:
        return files(wireshark)[0].text
    except Error:
        return dissector(Choices())


def _write_trace(path: Path) -> None:
    from vtctap.pcap.record import SECOND_NS, Kind, Record
    from vtctap.pcap.trace import create_trace

    with create_trace(str(path)) as writer:
        writer.write(Record(SECOND_NS, b"", Kind.EVENT, event="mark doctor"))


def _group_of_dumpcap() -> str:
    try:
        return Path("/usr/bin/dumpcap").group()
    except (OSError, KeyError, NotImplementedError):
        return ""
