"""Makes the dissector for Wireshark and tshark: one Lua file that needs no configuration.

vtctap wireshark lua -o vtctap.lua
tshark -r trace.pcapng -X lua_script:vtctap.lua
"""

import argparse
import sys
from pathlib import Path

from vtctap import __version__
from vtctap.commands.common import STANDARD, CommandError, add_profile, link_type, load_profile, output_errors


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("action", choices=("lua",), help="lua: write the dissector")
    parser.add_argument(
        "-o", dest="output", metavar="FILE", required=True, help="the file to write; - is standard output"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    parser.add_argument("--dlt", type=link_type, default=147, metavar="N", help="link type, 147 to 162 (default: 147)")
    add_profile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dissector.lua import generate

    text = generate([load_profile(arguments)], linktype=arguments.dlt, version=__version__)
    if arguments.output == STANDARD:
        sys.stdout.write(text)
        return 0
    with output_errors(arguments.output):
        try:
            with Path(arguments.output).open("w" if arguments.force else "x", encoding="ascii") as file:
                file.write(text)
        except FileExistsError:
            raise CommandError(f"{arguments.output} exists; --force overwrites it") from None
    return 0
