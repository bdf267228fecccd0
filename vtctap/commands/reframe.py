"""Frames the octets of a trace again, with another profile's limits or another line, and writes a new trace.

Every octet is kept, with its time. With --line, octets are read as that line would have it: a trace that was captured
as 8N1 from a line of 7E1 gets its parity checked and removed.
"""

import argparse

from vtctap.arguments import add_output, add_profile, line, load_profile
from vtctap.inputs import input_trace
from vtctap.outputs import whole_trace


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("trace", help="the trace; - is standard input")
    add_output(parser, required=True)
    parser.add_argument("--line", type=line, metavar="7E1", help="how the octets are to be read (default: as recorded)")
    add_profile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dissector.framing.reframe import reframe

    profile = load_profile(arguments)
    with input_trace(arguments.trace) as reader, whole_trace(arguments, []) as writer:
        described = 0
        for record in reframe(reader, gap_limit=profile.timing.gap_limit, line=arguments.line):
            for interface in reader.interfaces[described:]:
                writer.add_tap(interface)
                described += 1
            writer.write(record)
    return 0
