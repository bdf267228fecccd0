"""Frames the octets of a trace again, with another profile or character format, and writes a new trace.

Every octet keeps its timestamp. With --line, octets are decoded in that character format: in a trace that was captured
as 8N1 from a 7E1 line, parity is checked and removed.
"""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from vtctap.arguments import STATED, add_output, add_profile, line
from vtctap.inputs import input_trace, settle
from vtctap.outputs import whole_trace

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("trace", help="the trace; - is standard input")
    add_output(parser, required=True)
    parser.add_argument("--line", type=line, metavar="7E1", help="character format (default: as captured)")
    add_profile(parser, default=STATED)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dissector.framing.reframe import reframe

    with input_trace(arguments.trace) as reader, whole_trace(arguments, []) as writer:
        described = 0
        records, profile = settle(arguments, reader)
        for record in reframe(records, gap_limit_ns=profile.timing.gap_limit_ns, line=arguments.line):
            for interface in reader.interfaces[described:]:
                writer.add_tap(_stating(interface, profile.name) if arguments.profile else interface)
                described += 1
            writer.write(record)
    return 0


def _stating(interface: "Interface", profile: str) -> "Interface":
    """Returns the same tap with another profile in its description."""
    kept = [part for part in interface.description.split(", ") if part and not part.startswith("profile=")]
    return replace(interface, description=", ".join([*kept, f"profile={profile}"]))
