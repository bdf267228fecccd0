"""The arguments that several commands share: options, value types, and the objects that they name."""

import argparse
import sys
from typing import TYPE_CHECKING, Final

from vtctap.errors import CommandError

if TYPE_CHECKING:
    from vtctap.dissector.profiles.model import Profile
    from vtctap.dissector.tokens import Keys
    from vtctap.pcap.record import Line

__all__ = [
    "STANDARD",
    "STATED",
    "add_join",
    "add_keys",
    "add_no_secrets",
    "add_output",
    "add_profile",
    "add_traces",
    "groups_of",
    "keys_of",
    "line",
    "link_type",
    "positive",
    "profile_of",
    "seconds",
    "speed",
    "speed_or_following",
    "traces_of",
    "whole",
]

STANDARD: Final = "-"
"""The name of standard input or output."""


def add_profile(parser: argparse.ArgumentParser, prefix: str = "", *, default: str = "the first in that list") -> None:
    """Adds ``--profile``; ``default`` describes the default in the help text, which begins with ``prefix``."""
    parser.add_argument(
        "--profile",
        metavar="NAME",
        help=f"{prefix}protocol profile: a name from 'vtctap profile list', or a file (default: {default})",
    )


STATED: Final = "the one that the trace states"
"""The default of ``--profile`` in commands that read traces."""


def profile_of(arguments: argparse.Namespace) -> "Profile":
    """Returns the profile of ``--profile``, or the default profile."""
    from vtctap.dissector.profiles.files import load
    from vtctap.dissector.profiles.names import DEFAULT

    return load(arguments.profile or DEFAULT)


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Adds ``--keys``."""
    parser.add_argument("--keys", metavar="FILE", help="key file that decrypts tokens ('vtctap help tokens')")


def keys_of(arguments: argparse.Namespace) -> "Keys | None":
    """Returns the keys of the ``--keys`` file; None without one."""
    if arguments.keys is None:
        return None
    from vtctap.dissector.tokens import load_keys

    return load_keys(arguments.keys)


def line(text: str) -> "Line":
    """Returns the character format of a ``--line`` argument (argparse type)."""
    from vtctap.pcap.record import Line

    try:
        return Line.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def whole(text: str, what: str, most: int = sys.maxsize) -> int:
    """Parses a whole number from 1 to ``most``; ``what`` says in the error what it should have been."""
    if text.isascii() and text.isdecimal() and 0 < int(text) <= most:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is {what}")


def positive(text: str) -> int:
    """Parses a whole number from 1 on (argparse type)."""
    return whole(text, "no whole number from 1 to 1000000", 1_000_000)


def seconds(text: str) -> float:
    """Parses a time of 0.1 s to a day (argparse type)."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if 0.1 <= value <= 86_400:
        return value
    raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0.1 to 86400")


def speed(text: str) -> int:
    """Returns the speed of a ``--speed`` argument in bit/s (argparse type)."""
    return whole(text, "not a speed in bit/s", (1 << 32) - 1)


def speed_or_following(text: str) -> int | str:
    """Returns the speed of a ``--speed`` argument in bit/s, or the word that says how to follow it (argparse type)."""
    return text if text in ("follow", "auto") else speed(text)


def link_type(text: str) -> int:
    """Returns the link type of a ``--dlt`` argument (argparse type)."""
    from vtctap.pcap.record import LINKTYPES

    if text.isascii() and text.isdecimal() and int(text) in LINKTYPES:
        return int(text)
    raise argparse.ArgumentTypeError(
        f"{text!r} is not a link type for private use: choose one from {LINKTYPES[0]} to {LINKTYPES[-1]}"
    )


def add_output(
    parser: argparse.ArgumentParser, *, required: bool, does: str = "the trace to write (.pcapng, .pcap)"
) -> None:
    """Adds ``-w``, ``--force``, ``-q`` and ``--dlt``."""
    parser.add_argument("-w", dest="output", metavar="FILE", required=required, help=does)
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    parser.add_argument("-q", dest="quiet", action="store_true", help="print no summary at the end")
    parser.add_argument("--dlt", type=link_type, default=147, metavar="N", help="link type, 147 to 162 (default: 147)")


def add_traces(parser: argparse.ArgumentParser, does: str = "the traces; - is standard input") -> None:
    """Adds the traces to read, and ``-r`` as in tshark; :func:`traces_of` returns both."""
    parser.add_argument("traces", nargs="*", metavar="TRACE", help=does)
    parser.add_argument(
        "-r", dest="read", action="append", default=[], metavar="FILE", help="a trace to read, as in tshark"
    )


def traces_of(arguments: argparse.Namespace) -> list[str]:
    """Returns the names of the traces to read. Raises CommandError if there are none."""
    if not arguments.read + arguments.traces:
        raise CommandError("name a trace to read; - is standard input")
    return [*arguments.read, *arguments.traces]


def groups_of(arguments: argparse.Namespace) -> list[list[str]]:
    """Returns the names of the traces to read in groups that are read as one trace: a single group with ``--join``."""
    traces = traces_of(arguments)
    return [traces] if arguments.join else [[trace] for trace in traces]


def add_no_secrets(parser: argparse.ArgumentParser) -> None:
    """Adds ``--no-secrets``."""
    parser.add_argument(
        "--no-secrets",
        action="store_true",
        help="show stand-ins for tokens, numbers, passwords and texts, as 'redact' makes them; new ones in each run",
    )


def add_join(parser: argparse.ArgumentParser) -> None:
    """Adds ``--join``."""
    parser.add_argument("--join", action="store_true", help="read the traces as one, in this order (for ring files)")
