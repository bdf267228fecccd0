"""Printing of records: the options, and the output as lines of text (with octets or colours) or as JSON."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vtctap.capturing.screen import is_terminal
from vtctap.command_line.messages import visible

if TYPE_CHECKING:
    from vtctap.dissector.dissect import Dissection
    from vtctap.dissector.text import Printer
    from vtctap.pcap.capture_file import Interface


def add_lines(parser: argparse.ArgumentParser) -> None:
    """Adds ``-x``, ``-t``, ``-V``, ``--color``, ``-n`` and ``--json``."""
    from vtctap.dissector.text import TIMES

    parser.add_argument("-x", dest="octets", action="store_true", help="show the octets too")
    parser.add_argument(
        "-t",
        dest="time",
        choices=TIMES,
        default="r",
        metavar="|".join(TIMES),
        help="timestamp: a of day, ad with date, d since the previous, e since 1970, r since the first (default)",
    )
    parser.add_argument(
        "-V", "--full", action="store_true", help="show all data sets and octets; lines get as long as they need"
    )
    parser.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colour the two directions and the errors; auto (default): on a terminal, unless NO_COLOR is set",
    )
    parser.add_argument("-n", dest="names", action="store_false", help="hide the names of registers, values and makers")
    parser.add_argument("--json", action="store_true", help="print one JSON object per record ('vtctap help fields')")


def printer(arguments: argparse.Namespace) -> "Printer":
    """Returns the printer that makes a line of text from a record."""
    from vtctap.dissector.text import Printer

    return Printer(arguments.time, full=arguments.full, colour=coloured(arguments.color))


def coloured(when: str) -> bool:
    """Returns whether to colour; ``when`` is auto, always or never. NO_COLOR: see no-color.org."""
    if when != "auto":
        return when == "always"
    environment = os.environ
    plain = environment.get("NO_COLOR") or environment.get("TERM") == "dumb"
    return not plain and is_terminal(sys.stdout) and (os.name != "nt" or "WT_SESSION" in environment)


def shower(arguments: argparse.Namespace, printer: "Printer", trace: str = "") -> "Callable[[Dissection], str]":
    """Returns a function that makes the text to print from a dissection, without the final line end.

    Each JSON object names ``trace``, if it is given.
    """
    shown = _shower(arguments, printer, trace)
    if arguments.names:
        return shown
    from vtctap.dissector.text import without_names

    return lambda dissection: shown(without_names(dissection))


def _shower(arguments: argparse.Namespace, printer: "Printer", trace: str) -> "Callable[[Dissection], str]":
    from vtctap.dissector.text import hex_dump

    if arguments.json:
        return lambda dissection: dissection.json_text(trace)
    if arguments.octets:
        return lambda dissection: f"{printer.line(dissection)}\n{hex_dump(dissection.record.octets)}".removesuffix("\n")
    return printer.line


def link_names(taps: "Sequence[Interface]") -> list[str]:
    """Returns the name of each tap's link, from the interfaces' names (``LINK:PORT``); [] if there is only one link."""
    names = []
    for tap in taps:
        found = re.match(r"([^:/\\]+):(?!//)", tap.name)  # Neither a URL such as socket://host:port nor a path.
        names.append(visible(found[1]).replace(" ", "_") if found else "")
    return names if len({*names}) > 1 else []
