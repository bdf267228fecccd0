"""Installs vtctap in Wireshark, or removes it.

  vtctap wireshark install               install dissector, live capture (extcap) and configuration profile
  vtctap wireshark uninstall             remove exactly the files that install wrote
  vtctap wireshark lua -o vtctap.lua     write the dissector: tshark -X lua_script:vtctap.lua -r trace.pcapng
  vtctap wireshark profile -o vtctap.zip write the configuration profile, to import in Wireshark

The files belong to the user who runs the command; root is not needed.
"""

import argparse
import io
import json
import os
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vtctap.command_line.arguments import STANDARD, link_type
from vtctap.command_line.messages import warn
from vtctap.command_line.outputs import output_errors, refuse_existing, write_text
from vtctap.errors import DONE, FOUND, CommandError

if TYPE_CHECKING:
    from vtctap.wireshark.installation import Choices, FileStep

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The fixed timestamp of files in a zip, so that the same profile gives the same zip."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("action", choices=tuple(_ACTIONS), help="the action, see above")
    parser.add_argument("-o", dest="output", metavar="FILE", help="the file to write; - is standard output")
    parser.add_argument("--force", action="store_true", help="overwrite or remove changed files, too")
    parser.add_argument("-q", dest="quiet", action="store_true", help="print no summary at the end")
    parser.add_argument("--json", action="store_true", help="install, uninstall: print one JSON object per file")
    parser.add_argument(
        "--dry-run", action="store_true", help="print what install or uninstall would do, and change nothing"
    )
    parser.add_argument("--dlt", type=link_type, metavar="N", help="link type, 147 to 162 (default: 147)")
    parser.add_argument(
        "--profile",
        dest="profiles",
        action="append",
        metavar="NAME",
        help="protocol profile: a name from 'vtctap profile list', or a file; repeat it to choose among several in "
        "Wireshark's preferences, where the first is the default (default: all of vtctap's own)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    writes = arguments.action in ("lua", "profile")
    if writes and not arguments.output:
        raise CommandError(f"the file to write is missing: vtctap wireshark {arguments.action} -o FILE")
    if writes and arguments.json:
        raise CommandError(f"--json is for install and uninstall; {arguments.action} writes a file: leave it out")
    if not writes and arguments.output:
        raise CommandError(
            f"-o is for lua and profile; {arguments.action} asks Wireshark for its folders: leave it out"
        )
    return _ACTIONS[arguments.action](arguments)


def _choices(arguments: argparse.Namespace) -> "Choices":
    """Returns the options of the dissector. Profile files get absolute paths, because doctor reads them again; links
    stay, because only a path that ends in .toml is one."""
    from vtctap.wireshark.installation import Choices

    named = arguments.profiles or ()
    profiles = (os.path.abspath(name) if name.endswith(".toml") else name for name in named)
    return Choices(tuple(profiles), arguments.dlt)


def _lua(arguments: argparse.Namespace) -> int:
    from vtctap.wireshark.installation import dissector

    write_text(arguments.output, dissector(_choices(arguments)), force=arguments.force, public=True)
    if arguments.output != STANDARD and not arguments.quiet:
        warn(f"the dissector is in {arguments.output}: 'wireshark -X lua_script:{arguments.output} TRACE' uses it")
    return DONE


def _profile(arguments: argparse.Namespace) -> int:
    from vtctap.dissector.wireshark import configuration as wireshark_profile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in wireshark_profile.files().items():
            archive.writestr(zipfile.ZipInfo(f"{wireshark_profile.NAME}/{name}", _EPOCH), text)
    if arguments.output == STANDARD:
        sys.stdout.buffer.write(buffer.getvalue())
        return DONE
    refuse_existing(arguments.output, force=arguments.force)
    with output_errors(arguments.output):
        Path(arguments.output).write_bytes(buffer.getvalue())
    if not arguments.quiet:
        warn(f"the profile is in {arguments.output}: Edit > Configuration Profiles > Import in Wireshark takes it")
    return DONE


def _install(arguments: argparse.Namespace) -> int:
    from vtctap.dissector.wireshark import configuration as wireshark_profile
    from vtctap.wireshark.installation import Installation, dissector, wanted
    from vtctap.wireshark.tshark import NO_LUA_FOR_ROOT, find, is_root

    wireshark = find()
    installation = Installation.of(wireshark, dry=arguments.dry_run)
    choices = _remember(_choices(arguments), installation.choices)
    files = wanted(wireshark, dissector(choices), wireshark_profile.files())
    steps = installation.install(files, force=arguments.force, choices=choices)
    if is_root() and wireshark.version >= NO_LUA_FOR_ROOT:
        warn(f"Wireshark {wireshark.version_text} loads no Lua for root: install, and run it, as your own user")
    return _told(arguments, steps)


def _uninstall(arguments: argparse.Namespace) -> int:
    from vtctap.wireshark.installation import Installation
    from vtctap.wireshark.tshark import find

    steps = Installation.of(find(), dry=arguments.dry_run).uninstall(force=arguments.force)
    if not steps:
        warn("vtctap is not installed in this Wireshark")
    return _told(arguments, steps)


def _told(arguments: argparse.Namespace, steps: "Sequence[FileStep]") -> int:
    """Prints what was, or would be, done with each file; FOUND if files of the user were left alone."""
    for step in steps:
        if arguments.json:
            print(json.dumps({"path": str(step.path), "action": step.verb, "kept": step.kept}))
        elif step.kept or not arguments.quiet:
            print(f"{'would be ' if arguments.dry_run and not step.kept else ''}{step.verb}: {step.path}")
    if any(step.kept for step in steps):
        warn(f"some files are not as vtctap wrote them: 'vtctap wireshark {arguments.action} --force' includes them")
        return FOUND
    return DONE


def _remember(choices: "Choices", before: "Choices") -> "Choices":
    """Returns the options, completed by those of the last installation."""
    if before.profiles and not choices.profiles:
        several = "s" if len(before.profiles) > 1 else ""
        warn(f"using the profile{several} of the last installation: {', '.join(before.profiles)}")
    linktype = before.linktype if choices.linktype is None else choices.linktype
    return choices._replace(profiles=choices.profiles or before.profiles, linktype=linktype)


_ACTIONS = {"lua": _lua, "install": _install, "uninstall": _uninstall, "profile": _profile}
