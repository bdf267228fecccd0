"""Puts vtctap into Wireshark, or takes it out.

  vtctap wireshark install               dissector, capture program (extcap) and configuration profile, for you
  vtctap wireshark uninstall             takes away exactly what install put
  vtctap wireshark lua -o vtctap.lua     the dissector alone: tshark -X lua_script:vtctap.lua -r trace.pcapng
  vtctap wireshark profile -o vtctap.zip the configuration profile, to import in Wireshark

Each belongs to the user who runs it; nothing needs root.
"""

import argparse
import io
import sys
import zipfile
from pathlib import Path

from vtctap import __version__
from vtctap.commands.common import (
    STANDARD,
    CommandError,
    add_profile,
    link_type,
    load_profile,
    output_errors,
    refuse_existing,
    warn,
    write_text,
)

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time of the files in a zip, so that the same profile makes the same zip."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("action", choices=tuple(_ACTIONS), help="what to do")
    parser.add_argument("-o", dest="output", metavar="FILE", help="the file to write; - is standard output")
    parser.add_argument("--force", action="store_true", help="overwrite or remove files that were changed, too")
    parser.add_argument("-q", dest="quiet", action="store_true", help="do not say at the end what was written")
    parser.add_argument("--dry-run", action="store_true", help="say what install or uninstall would do, and do nothing")
    parser.add_argument("--dlt", type=link_type, metavar="N", help="link type, 147 to 162 (default: 147)")
    add_profile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    writes = arguments.action in ("lua", "profile")
    if writes and not arguments.output:
        raise CommandError(f"say which file to write: vtctap wireshark {arguments.action} -o FILE")
    if not writes and arguments.output:
        raise CommandError(f"-o is for lua and profile; {arguments.action} asks Wireshark for its folders")
    return _ACTIONS[arguments.action](arguments)


def dissector(arguments: argparse.Namespace) -> str:
    """The text of the dissector."""
    from vtctap.dissector.lua import generate
    from vtctap.pcap.record import LINKTYPE_USER0

    return generate(load_profile(arguments), linktype=arguments.dlt or LINKTYPE_USER0, version=__version__)


def _lua(arguments: argparse.Namespace) -> int:
    write_text(arguments.output, dissector(arguments), force=arguments.force)
    if arguments.output != STANDARD and not arguments.quiet:
        warn(f"the dissector is in {arguments.output}: 'wireshark -X lua_script:{arguments.output} TRACE' uses it")
    return 0


def _profile(arguments: argparse.Namespace) -> int:
    from vtctap.dissector import wireshark_profile

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
    from vtctap.commands.installation import Installation, Step, wanted
    from vtctap.commands.tshark import NO_LUA_FOR_ROOT, NoWireshark, find, is_root
    from vtctap.dissector import wireshark_profile

    try:
        wireshark = find()
    except NoWireshark as error:
        raise CommandError(str(error)) from None
    installation = Installation.of(wireshark, dry=arguments.dry_run)
    steps: list[Step]
    if arguments.action == "install":
        _remember(arguments, installation.choices)
        files = wanted(wireshark, dissector(arguments), wireshark_profile.files())
        steps = installation.install(files, force=arguments.force)
        if is_root() and wireshark.version >= NO_LUA_FOR_ROOT:
            warn(f"Wireshark {wireshark.version_text} loads no Lua for root: install, and run it, as your own user")
    else:
        steps = installation.uninstall(force=arguments.force)
        if not steps:
            warn("nothing of vtctap is installed in this Wireshark")
    for step in steps if not arguments.quiet else [step for step in steps if step.kept]:
        print(f"{'would be ' if arguments.dry_run and not step.kept else ''}{step.verb}: {step.path}")
    if any(step.kept for step in steps):
        warn(f"some files are not as vtctap put them; 'vtctap wireshark {arguments.action} --force' takes them too")
        return 1
    return 0


def _remember(arguments: argparse.Namespace, choices: dict[str, str]) -> None:
    """What is not said anew stays as it was when it was installed last."""
    before = dict(choices)
    if arguments.profile is None and "profile" in before:
        arguments.profile = before["profile"]
        warn(f"with the profile of the installation before: {arguments.profile}")
    if arguments.dlt is None and "dlt" in before:
        arguments.dlt = int(before["dlt"])
    if arguments.profile is not None:
        is_file = arguments.profile.endswith(".toml")
        choices["profile"] = str(Path(arguments.profile).resolve()) if is_file else arguments.profile
    if arguments.dlt is not None:
        choices["dlt"] = str(arguments.dlt)


_ACTIONS = {"lua": _lua, "install": _install, "uninstall": _install, "profile": _profile}
