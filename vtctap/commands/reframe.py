"""Frames the octets of a trace again, with another profile or character format, and writes a new trace.

Every octet keeps its timestamp. With --line, octets are decoded in that character format: in a trace that was captured
as 8N1 from a 7E1 line, parity is checked and removed.
"""

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from vtctap.base.nouns import count
from vtctap.command_line.arguments import STATED, add_output, add_profile, line
from vtctap.command_line.inputs import Reading, Traces
from vtctap.command_line.messages import warn
from vtctap.command_line.outputs import whole_trace

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record
    from vtctap.pcap.skipped import Skipped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("trace", help="the trace; - is standard input")
    add_output(parser, required=True)
    parser.add_argument("--line", type=line, metavar="7E1", help="character format (default: as captured)")
    add_profile(parser, default=STATED)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dissector.framing.reframe import reframe

    trace = _Octets(Traces([arguments.trace], bar=False))
    reading = Reading(arguments.profile)
    records, profile = reading.settle(trace.traces)
    with whole_trace(arguments, []) as writer:
        described = 0
        for record in reframe(trace.of(records), gap_limit_ns=profile.timing.gap_limit_ns, line=arguments.line):
            assert trace.traces.reader
            for interface in trace.traces.reader.interfaces[described:]:
                writer.add_tap(_stating(interface, profile.name) if arguments.profile else interface)
                described += 1
            writer.write(record)
    if trace.comments:
        warn(f"{count(trace.comments, 'comment')} left out: the records that they were about are framed again")
    return reading.status


class _Octets:
    """The records of the trace, which are framed again, and how many comments they had."""

    def __init__(self, traces: Traces) -> None:
        self.traces = traces
        self.comments = 0

    def of(self, items: "Iterable[Record | Skipped]") -> "Iterator[Record]":
        """Yields the records."""
        from vtctap.pcap.record import Record

        for item in items:
            if isinstance(item, Record):
                packet = self.traces.reader and self.traces.reader.packet
                self.comments += len(packet.comments) if packet else 0
                yield item


def _stating(interface: "Interface", profile: str) -> "Interface":
    """Returns the same tap with another profile in its description."""
    kept = [part for part in interface.description.split(", ") if part and not part.startswith("profile=")]
    return replace(interface, description=", ".join([*kept, f"profile={profile}"]))
