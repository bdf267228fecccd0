"""Shows a trace, decoded: one line a record.

A line has the record's number, its time, the name of its link where there are several, who sent it, the message and its
contents, and what is wrong with it in brackets.

  C>  client to meter    M>  meter to client    ??  unknown    C? M?  inferred from what was said
  ~   after a time: made up, for the recording had none        ?  after a name: the profile assumes it
"""

import argparse
import sys

from vtctap.arguments import STANDARD, add_keys, add_profile, load_keys, load_profile
from vtctap.capturing.lines import add_lines, link_names, printer, shower
from vtctap.inputs import input_trace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("trace", help="the trace; - is standard input")
    add_lines(parser)
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
    lines = printer(arguments)
    show = shower(arguments, lines)
    # What comes through a pipe has an end of its own, and is shown as it comes.
    follow = arguments.follow and arguments.trace != STANDARD
    taps = 0
    with input_trace(arguments.trace) as reader:
        for record in reader.follow() if follow else reader:
            if len(reader.interfaces) > taps:
                taps = len(reader.interfaces)
                lines.links = link_names(reader.interfaces)
            dissection = dissector.dissect(record)
            if wanted is None or wanted(dissection.as_json()):
                print(show(dissection))
            else:
                lines.skip(dissection)
            if arguments.follow:
                sys.stdout.flush()
    return 0
