"""Shows a trace, decoded: one line a record.

A line has the record's number, its time, who sent it (C> client to meter, M> meter to client, ?? unknown; a small
letter where that is inferred), the message and its contents, and what is wrong with it in brackets. A question mark
after a name says that the profile assumes it.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from vtctap.commands.common import STANDARD, add_keys, add_profile, input_trace, load_keys, load_profile

if TYPE_CHECKING:
    from vtctap.dissector.dissect import Dissection
    from vtctap.pcap.record import Record
    from vtctap.pcap.trace import TraceReader

_FOLLOW_PAUSE = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    from vtctap.dissector.text import TIMES

    parser.add_argument("trace", help="the trace; - is standard input")
    parser.add_argument("-x", dest="octets", action="store_true", help="show the octets too")
    parser.add_argument(
        "-t",
        dest="time",
        choices=TIMES,
        default="r",
        metavar="|".join(TIMES),
        help="time: a of day, ad with date, d since the one before, e seconds since 1970, r since the first (default)",
    )
    parser.add_argument("--json", action="store_true", help="one object a record, with the fields of docs/fields.md")
    parser.add_argument("--filter", metavar="EXPR", help="show what matches: a subset of Wireshark's display filters")
    parser.add_argument("--follow", action="store_true", help="go on with what is appended to the trace")
    add_profile(parser)
    add_keys(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dissector.dissect import Dissector

    wanted = None
    if arguments.filter:
        from vtctap.dissector.filter import compile_filter

        wanted = compile_filter(arguments.filter)
    dissector = Dissector(load_profile(arguments), load_keys(arguments))
    show = _printer(arguments)
    # What comes through a pipe has an end of its own, and is shown as it comes.
    follow = arguments.follow and arguments.trace != STANDARD
    with input_trace(arguments.trace) as reader:
        for record in _records(reader, follow):
            dissection = dissector.dissect(record)
            show(dissection, wanted is None or wanted(dissection.as_json()))
            if arguments.follow:
                sys.stdout.flush()
    return 0


def _records(reader: "TraceReader", follow: bool) -> "Iterator[Record]":
    yield from reader
    while follow:
        time.sleep(_FOLLOW_PAUSE)
        yield from reader


def _printer(arguments: argparse.Namespace) -> "Callable[[Dissection, bool], None]":
    """What takes each dissection, and whether it is to be shown."""
    from vtctap.dissector.text import Printer, hex_dump

    printer = Printer(arguments.time)

    def show(dissection: "Dissection", wanted: bool) -> None:
        if not wanted:
            printer.skip(dissection)
        elif arguments.json:
            print(json.dumps(dissection.as_json()))
        else:
            print(printer.line(dissection))
            if arguments.octets:
                print(hex_dump(dissection.record.octets), end="")

    return show
