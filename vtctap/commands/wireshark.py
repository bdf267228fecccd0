"""Makes the dissector for Wireshark and tshark: one Lua file that needs no configuration.

vtctap wireshark lua -o vtctap.lua
tshark -r trace.pcapng -X lua_script:vtctap.lua
"""

import argparse

from vtctap import __version__
from vtctap.commands.common import STANDARD, add_profile, link_type, load_profile, warn, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("action", choices=("lua",), help="lua: write the dissector")
    parser.add_argument(
        "-o", dest="output", metavar="FILE", required=True, help="the file to write; - is standard output"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    parser.add_argument("-q", dest="quiet", action="store_true", help="do not say at the end what was written")
    parser.add_argument("--dlt", type=link_type, default=147, metavar="N", help="link type, 147 to 162 (default: 147)")
    add_profile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dissector.lua import generate

    text = generate(load_profile(arguments), linktype=arguments.dlt, version=__version__)
    write_text(arguments.output, text, force=arguments.force)
    if arguments.output != STANDARD and not arguments.quiet:
        warn(f"the dissector is in {arguments.output}: 'wireshark -X lua_script:{arguments.output} TRACE' uses it")
    return 0
