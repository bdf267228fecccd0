"""Puts vtctap into Wireshark, or takes it out.

  vtctap wireshark install               dissector, capture program (extcap) and configuration profile, for you
  vtctap wireshark uninstall             takes away exactly what install put
  vtctap wireshark lua -o vtctap.lua     the dissector alone: tshark -X lua_script:vtctap.lua -r trace.pcapng
  vtctap wireshark profile -o vtctap.zip the configuration profile, to import in Wireshark

Each belongs to the user who runs it; nothing needs root.
"""

import argparse
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from vtctap.arguments import STANDARD, link_type
from vtctap.errors import CommandError
from vtctap.messages import warn
from vtctap.outputs import output_errors, refuse_existing, write_text

if TYPE_CHECKING:
    from vtctap.wireshark.installation import Choices

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of the files in a zip, so that the same profile makes the same zip."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("action", choices=tuple(_ACTIONS), help="what to do")
    parser.add_argument("-o", dest="output", metavar="FILE", help="the file to write; - is standard output")
    parser.add_argument("--force", action="store_true", help="overwrite or remove files that were changed, too")
    parser.add_argument("-q", dest="quiet", action="store_true", help="do not say at the end what was written")
    parser.add_argument("--json", action="store_true", help="install, uninstall: one object a file")
    parser.add_argument("--dry-run", action="store_true", help="say what install or uninstall would do, and do nothing")
    parser.add_argument("--dlt", type=link_type, metavar="N", help="link type, 147 to 162 (default: 147)")
    parser.add_argument(
        "--profile",
        dest="profiles",
        action="append",
        metavar="NAME",
        help="protocol profile: a name of 'vtctap profile list', or a file; again: Wireshark's preferences have the "
        "choice, and begin with the first (default: all that are shipped)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    writes = arguments.action in ("lua", "profile")
    if writes and not arguments.output:
        raise CommandError(f"say which file to write: vtctap wireshark {arguments.action} -o FILE")
    if writes and arguments.json:
        raise CommandError(f"--json is for install and uninstall; {arguments.action} writes a file")
    if not writes and arguments.output:
        raise CommandError(f"-o is for lua and profile; {arguments.action} asks Wireshark for its folders")
    return _ACTIONS[arguments.action](arguments)


def _choices(arguments: argparse.Namespace) -> "Choices":
    """What was asked for; files by their whole paths, since they are read again when doctor compares."""
    from vtctap.wireshark.installation import Choices

    named = arguments.profiles or ()
    profiles = (str(Path(name).resolve()) if name.endswith(".toml") else name for name in named)
    return Choices(tuple(profiles), arguments.dlt)


def _lua(arguments: argparse.Namespace) -> int:
    from vtctap.wireshark.installation import dissector

    write_text(arguments.output, dissector(_choices(arguments)), force=arguments.force)
    if arguments.output != STANDARD and not arguments.quiet:
        warn(f"the dissector is in {arguments.output}: 'wireshark -X lua_script:{arguments.output} TRACE' uses it")
    return 0


def _profile(arguments: argparse.Namespace) -> int:
    from vtctap.dissector.wireshark import configuration as wireshark_profile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in wireshark_profile.files().items():
            archive.writestr(zipfile.ZipInfo(f"{wireshark_profile.NAME}/{name}", _EPOCH), text)
    if arguments.output == STANDARD:
        sys.stdout.buffer.write(buffer.getvalue())
        return 0
    refuse_existing(arguments.output, force=arguments.force)
    with output_errors(arguments.output):
        Path(arguments.output).write_bytes(buffer.getvalue())
    if not arguments.quiet:
        warn(f"the profile is in {arguments.output}: Edit > Configuration Profiles > Import in Wireshark takes it")
    return 0


def _install(arguments: argparse.Namespace) -> int:
    from vtctap.dissector.wireshark import configuration as wireshark_profile
    from vtctap.wireshark.installation import Installation, Step, dissector, wanted
    from vtctap.wireshark.tshark import NO_LUA_FOR_ROOT, find, is_root

    wireshark = find()
    installation = Installation.of(wireshark, dry=arguments.dry_run)
    steps: list[Step]
    if arguments.action == "install":
        choices = installation.choices = _remember(_choices(arguments), installation.choices)
        files = wanted(wireshark, dissector(choices), wireshark_profile.files())
        steps = installation.install(files, force=arguments.force)
        if is_root() and wireshark.version >= NO_LUA_FOR_ROOT:
            warn(f"Wireshark {wireshark.version_text} loads no Lua for root: install, and run it, as your own user")
    else:
        steps = installation.uninstall(force=arguments.force)
        if not steps:
            warn("nothing of vtctap is installed in this Wireshark")
    for step in steps:
        if arguments.json:
            print(json.dumps({"path": str(step.path), "action": step.verb, "kept": step.kept}))
        elif step.kept or not arguments.quiet:
            print(f"{'would be ' if arguments.dry_run and not step.kept else ''}{step.verb}: {step.path}")
    if any(step.kept for step in steps):
        warn(f"some files are not as vtctap put them; 'vtctap wireshark {arguments.action} --force' takes them too")
        return 1
    return 0


def _remember(choices: "Choices", before: "Choices") -> "Choices":
    """What is not said anew stays as it was when it was installed last."""
    if before.profiles and not choices.profiles:
        several = "s" if len(before.profiles) > 1 else ""
        warn(f"with the profile{several} of the installation before: {', '.join(before.profiles)}")
    linktype = before.linktype if choices.linktype is None else choices.linktype
    return choices._replace(profiles=choices.profiles or before.profiles, linktype=linktype)


_ACTIONS = {"lua": _lua, "install": _install, "uninstall": _install, "profile": _profile}
