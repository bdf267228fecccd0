"""The arguments that several commands share: their options, the types of their values, and what they name."""

import argparse
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vtctap.dissector.profiles.files import Profile
    from vtctap.dissector.tokens import Keys
    from vtctap.pcap.record import Line

__all__ = [
    "STANDARD",
    "add_join",
    "add_keys",
    "add_output",
    "add_profile",
    "line",
    "link_type",
    "load_keys",
    "load_profile",
    "speed",
]

STANDARD: Final = "-"
"""The name of standard input or output."""


def add_profile(parser: argparse.ArgumentParser) -> None:
    """``--profile``."""
    parser.add_argument(
        "--profile", metavar="NAME", help="protocol profile: a name of 'vtctap profile list', or a file"
    )


def load_profile(arguments: argparse.Namespace) -> "Profile":
    """The profile that was asked for, or the default one."""
    from vtctap.dissector.profiles.files import DEFAULT, load

    return load(arguments.profile or DEFAULT)


def add_keys(parser: argparse.ArgumentParser) -> None:
    """``--keys``."""
    parser.add_argument("--keys", metavar="FILE", help="key file that opens encrypted tokens (docs/tokens.md)")


def load_keys(arguments: argparse.Namespace) -> "Keys | None":
    """The keys of the key file that was named, if any."""
    if arguments.keys is None:
        return None
    from vtctap.dissector.tokens import load_keys

    return load_keys(arguments.keys)


def line(text: str) -> "Line":
    """The type of a ``--line`` argument."""
    from vtctap.pcap.record import Line

    try:
        return Line.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def speed(text: str) -> int:
    """The type of a ``--speed`` argument: bit/s."""
    if text.isascii() and text.isdecimal() and 0 < int(text) < 1 << 32:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a speed in bit/s")


def link_type(text: str) -> int:
    """The type of a ``--dlt`` argument."""
    from vtctap.pcap.record import LINKTYPES

    if text.isascii() and text.isdecimal() and int(text) in LINKTYPES:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no link type for private use: {LINKTYPES[0]} to {LINKTYPES[-1]}")


def add_output(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """``-w``, ``--force``, ``-q`` and ``--dlt``."""
    parser.add_argument(
        "-w", dest="output", metavar="FILE", required=required, help="the trace to write (.pcapng, .pcap)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    parser.add_argument("-q", dest="quiet", action="store_true", help="do not say at the end what was written")
    parser.add_argument("--dlt", type=link_type, default=147, metavar="N", help="link type, 147 to 162 (default: 147)")


def add_join(parser: argparse.ArgumentParser) -> None:
    """``--join``."""
    parser.add_argument("--join", action="store_true", help="the traces are one, in this order, as ring files are")
