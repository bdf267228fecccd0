"""Shows a trace, decoded: one line per record.

A line has the record's number, its timestamp, the name of its link (if there are several), the sender, the message and
its content, and errors in brackets.

  C>  client to meter    M>  meter to client    ??  unknown    C? M?  inferred from the messages
  ~   after a timestamp: synthetic, the recording had none     ?  after a name: assumed by the profile
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from os.path import isfile
from typing import TYPE_CHECKING

from vtctap.capturing.lines import add_lines, link_names, printer, shower
from vtctap.command_line.arguments import (
    STATED,
    add_join,
    add_keys,
    add_no_secrets,
    add_output,
    add_profile,
    add_traces,
    groups_of,
    keys_of,
    whole,
)
from vtctap.command_line.inputs import Reading, Traces
from vtctap.command_line.messages import visible
from vtctap.command_line.outputs import print_together, whole_trace
from vtctap.errors import CommandError

if TYPE_CHECKING:
    from vtctap.dissector.filter import Predicate
    from vtctap.dissector.tokens import Keys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_traces(parser)
    add_join(parser)
    parser.add_argument(
        "-Y",
        "--filter",
        metavar="EXPR",
        help="show only records that match this display filter (a subset of Wireshark's)",
    )
    parser.add_argument("-c", dest="count", type=_number, metavar="N", help="read only the first N records of a trace")
    add_lines(parser)
    parser.add_argument("--follow", action="store_true", help="wait for records that are appended to the trace")
    add_output(parser, required=False, does="write the matching records to a trace (.pcapng, .pcap) instead")
    add_no_secrets(parser)
    add_profile(parser, default=STATED)
    add_keys(parser)


def _number(text: str) -> int:
    return whole(text, "not a number of records")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    groups = groups_of(arguments)
    passes = _filter(arguments.filter)
    keys = keys_of(arguments)
    reading = Reading(arguments.profile, no_secrets=arguments.no_secrets)
    if arguments.output:
        return _write(arguments, reading, groups, passes, keys)
    if arguments.follow and len(groups) > 1:
        raise CommandError("--follow reads one trace: name one, or add --join for ring files")
    for number, names in enumerate(groups):
        name = names[0] if len(groups) > 1 else ""
        if name and not arguments.json:
            print(f"{chr(10) if number else ''}==> {visible(name)} <==")
        _show(_texts(arguments, reading, names, name, passes, keys), names, follow=arguments.follow)
    return reading.status


def _filter(text: str | None) -> "Predicate | None":
    if text is None:
        return None
    from vtctap.dissector.filter import compile_filter

    return compile_filter(text)


def _show(texts: Iterable[str], names: list[str], *, follow: bool) -> None:
    """Prints the texts of a trace's records, at once where somebody waits for them."""
    if follow or sys.stdout.isatty() or not all(map(isfile, names)):
        for text in texts:
            print(text)
            if follow:
                sys.stdout.flush()
    else:
        print_together(texts)


def _texts(
    arguments: argparse.Namespace,
    reading: Reading,
    names: list[str],
    name: str,
    passes: "Predicate | None",
    keys: "Keys | None",
) -> Iterator[str]:
    """Yields the texts of the records that pass the filter; ``name`` is the trace's name if there are several."""
    from vtctap.dissector.dissect import Dissector

    lines = printer(arguments)
    show = shower(arguments, lines, name)
    traces = Traces(names, bar=False, follow=arguments.follow)
    records, profile = reading.settle(traces, name)
    dissector = Dissector(profile, keys)
    taps = 0
    for dissection in islice(dissector.each(records), arguments.count):
        if traces.reader and len(traces.reader.interfaces) > taps and not arguments.no_secrets:
            taps = len(traces.reader.interfaces)
            lines.links = link_names(traces.reader.interfaces)
        if passes is None or passes(dissection.as_json()):
            yield show(dissection)
        else:
            lines.skip(dissection)


def _write(
    arguments: argparse.Namespace,
    reading: Reading,
    groups: list[list[str]],
    passes: "Predicate | None",
    keys: "Keys | None",
) -> int:
    """Writes the records that pass the filter, with the descriptions of all taps."""
    from vtctap.dissector.dissect import Dissector

    if arguments.no_secrets:
        raise CommandError("--no-secrets is for the screen: 'vtctap redact' writes a trace without secrets")
    if len(groups) > 1:
        raise CommandError("-w writes one trace: name one, or add --join for ring files")
    if arguments.follow or arguments.json:
        raise CommandError("-w does not go with --follow or --json: leave one of them out")
    traces = Traces(groups[0])
    records, profile = reading.settle(traces)
    dissector = Dissector(profile, keys)
    described = 0
    with whole_trace(arguments, []) as writer:
        for dissection in islice(dissector.each(records), arguments.count):
            assert traces.reader
            assert traces.reader.packet
            for tap in traces.reader.interfaces[described:]:
                described = writer.add_tap(tap) + 1
            if passes is None or passes(dissection.as_json()):
                writer.write(dissection.record, "\n".join(traces.reader.packet.comments) or None)
    return reading.status
