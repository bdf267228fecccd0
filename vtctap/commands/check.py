"""Looks for what is wrong in traces: damage, protocol, timing, tokens.

A line has the time since the first record, the severity, the code, the records that show it, and what was found;
'vtctap help findings' explains each code. Exit status 1 says that something of the severity of --fail-on or above was
found. A device is accused only of what the tap could see: the uncertainty of time stamps is taken into account.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vtctap.arguments import STATED, add_join, add_profile, add_traces, groups_of
from vtctap.inputs import Traces, settle
from vtctap.messages import count, warn
from vtctap.outputs import refuse_existing, write_text

if TYPE_CHECKING:
    from vtctap.dissector.analysis.findings import Finding
    from vtctap.pcap.record import Record

_SHOWN_FRAMES = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    from vtctap.dissector.analysis.findings import SEVERITIES

    add_traces(parser)
    add_join(parser)
    parser.add_argument("--json", action="store_true", help="one object with all findings")
    parser.add_argument("--junit", metavar="FILE", help="write a JUnit report too, for a continuous integration")
    parser.add_argument("--force", action="store_true", help="overwrite the JUnit report if it exists")
    parser.add_argument(
        "--severity", choices=SEVERITIES, default="note", help="the least severity that is shown (default: note)"
    )
    parser.add_argument(
        "--fail-on",
        choices=(*SEVERITIES, "never"),
        default="warning",
        help="the least severity that makes the exit status 1, and a JUnit test fail (default: warning)",
    )
    add_profile(parser, default=STATED)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dissector.analysis.check import check
    from vtctap.dissector.analysis.findings import SEVERITIES

    groups = groups_of(arguments)
    if arguments.junit:
        from vtctap.dissector.analysis.junit import Report

        refuse_existing(arguments.junit, force=arguments.force)
        report = Report(arguments.fail_on)
    counts: Counter[str] = Counter()
    separator = '{"findings": ['
    named = len(groups) > 1
    for traces in groups:
        name = ", ".join(traces)
        if arguments.junit:
            report.begin(name)
        began: list[int] = []
        records, profile = settle(arguments, Traces(traces), name if named else "")
        for found in check(_noting(records, began), profile):
            counts[found.severity] += 1
            if arguments.junit:
                report.add(found)
            if SEVERITIES.index(found.severity) < SEVERITIES.index(arguments.severity):
                continue
            if arguments.json:
                print(separator, json.dumps(_as_json(found, name if named else "")), sep="", end="")
                separator = ",\n"
            else:
                print(_line(found, f"{name}: " if named else "", began[0]))
    if arguments.json:
        print("]}" if separator == ",\n" else separator + "]}")
    else:
        warn(", ".join(count(counts[severity], severity) for severity in SEVERITIES[::-1]))
    if arguments.junit:
        write_text(arguments.junit, report.text(), force=True)
    failing = SEVERITIES[SEVERITIES.index(arguments.fail_on) :] if arguments.fail_on in SEVERITIES else ()
    return 1 if any(counts[severity] for severity in failing) else 0


def _noting(records: "Iterator[Record]", began: list[int]) -> "Iterator[Record]":
    """The same records; when the first was is put into ``began``."""
    for record in records:
        if not began:
            began.append(record.time)
        yield record


def _as_json(found: "Finding", trace: str) -> dict[str, object]:
    from vtctap.dissector.dissect import epoch

    named: dict[str, object] = {"trace": trace} if trace else {}
    return named | {
        "code": found.code,
        "severity": found.severity,
        "frames": list(found.frames),
        "message": found.message,
        "source": found.source,
        **({"time_epoch": epoch(found.time)} if found.time is not None else {}),
    }


def _line(found: "Finding", name: str, began: int) -> str:
    more = " ..." if len(found.frames) > _SHOWN_FRAMES else ""
    frames = ", ".join(map(str, found.frames[:_SHOWN_FRAMES])) + more
    when = f"{(found.time - began) / 1e9:12.6f}" if found.time is not None else " " * 12
    return f"{name}{when}  {found.severity:8}{found.code:18} {frames:>9}  {found.message}"
