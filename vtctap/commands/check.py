"""Finds errors in traces: damage, protocol, timing, tokens.

Each line has the time since the first record, the severity, the code, the records concerned, and a message; 'vtctap
help findings' explains each code. Exit status 1 means that there is a finding of the severity of --fail-on or above. A
finding blames a device only if the timestamps prove it: their uncertainty is taken into account.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from vtctap.base.nouns import count
from vtctap.command_line.arguments import STANDARD, STATED, add_join, add_no_secrets, add_profile, add_traces, groups_of
from vtctap.command_line.inputs import Reading, Traces
from vtctap.command_line.messages import visible, warn
from vtctap.command_line.outputs import refuse_existing, refuse_same, write_text
from vtctap.errors import FOUND
from vtctap.parallel.each_trace import each_trace
from vtctap.parallel.jobs import add_jobs

if TYPE_CHECKING:
    from vtctap.dissector.analysis.findings import Finding
    from vtctap.pcap.record import Record
    from vtctap.pcap.skipped import Skipped

_SHOWN_FRAMES = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    from vtctap.dissector.analysis.findings import SEVERITIES

    add_traces(parser)
    add_join(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object with all findings")
    parser.add_argument("--junit", metavar="FILE", help="also write a JUnit report, for continuous integration")
    parser.add_argument("--force", action="store_true", help="overwrite the JUnit report if it exists")
    parser.add_argument(
        "--severity", choices=SEVERITIES, default="note", help="the lowest severity to show (default: note)"
    )
    parser.add_argument(
        "--fail-on",
        choices=(*SEVERITIES, "never"),
        default="warning",
        help="the lowest severity that gives exit status 1 and fails a JUnit test (default: warning)",
    )
    add_jobs(parser)
    add_no_secrets(parser)
    add_profile(parser, default=STATED)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dissector.analysis.findings import SEVERITIES

    groups = groups_of(arguments)
    named = len(groups) > 1
    outputs: list[_Output] = [_Json(named=named) if arguments.json else _Lines(named=named)]
    if arguments.junit:
        refuse_same(STANDARD, arguments.junit)
        refuse_existing(arguments.junit, force=arguments.force)
        outputs.append(_Junit(arguments.junit, arguments.fail_on, force=arguments.force))
    shown = SEVERITIES[SEVERITIES.index(arguments.severity) :]
    failing = SEVERITIES[SEVERITIES.index(arguments.fail_on) :] if arguments.fail_on in SEVERITIES else ()
    counts = Counter(dict.fromkeys(reversed(SEVERITIES), 0))
    work = _check_whole if named or arguments.cluster else _check_lazily
    reading = Reading(arguments.profile, no_secrets=arguments.no_secrets)
    for traces, checked in each_trace(partial(work, named=named), arguments, reading, groups):
        for output in outputs:
            output.begin(", ".join(traces), checked)
        for finding in checked.findings:
            counts[finding.severity] += 1
            for output in outputs:
                if finding.severity in shown or output.takes_all:
                    output.feed(finding)
    for output in outputs:
        output.close(counts)
    return FOUND if any(counts[severity] for severity in failing) else reading.status


@dataclass(slots=True)
class _Checked:
    """The findings of a trace, which may come as it is read. ``time`` is the timestamp of its first record (ns), 0
    before it is read."""

    findings: "Iterable[Finding]" = ()
    time: int = 0


def _check_lazily(arguments: argparse.Namespace, reading: Reading, traces: list[str], *, named: bool) -> _Checked:
    """Checks a trace while its findings are taken."""
    from vtctap.dissector.analysis.check import check

    checked = _Checked()
    name = ", ".join(traces) if named else ""
    trace = Traces(traces, told=False)  # Its damage is a finding.
    records, profile = reading.settle(trace, name)
    checked.findings = check(_started(records, checked, trace), profile)
    return checked


def _check_whole(arguments: argparse.Namespace, reading: Reading, traces: list[str], *, named: bool) -> _Checked:
    """Checks a trace at once, for another process."""
    checked = _check_lazily(arguments, reading, traces, named=named)
    checked.findings = list(checked.findings)
    return checked


def _started(items: "Iterable[Record | Skipped]", checked: _Checked, trace: Traces) -> "Iterator[Record | Skipped]":
    """Yields a trace as it is read, and notes the time of its first record. Reports what has no record."""
    from vtctap.pcap.record import Record

    started = False
    for item in items:
        if not started and isinstance(item, Record):
            started, checked.time = True, item.time
        yield item
    for text in trace.empty:
        warn(text)


class _Output:
    """An output for findings. ``takes_all`` says that it also gets the findings that --severity hides."""

    takes_all = False

    def begin(self, trace: str, checked: _Checked) -> None:
        """Begins the findings of ``trace``."""

    def feed(self, finding: "Finding") -> None:
        """Takes the next finding."""

    def close(self, counts: "Mapping[str, int]") -> None:
        """Ends the output; ``counts`` are the numbers of findings by severity."""


class _Lines(_Output):
    """Prints one line per finding."""

    def __init__(self, *, named: bool) -> None:
        self._named = named

    def begin(self, trace: str, checked: _Checked) -> None:
        self._name, self._checked = f"{visible(trace)}: " if self._named else "", checked

    def feed(self, finding: "Finding") -> None:
        from vtctap.dissector.fields import epoch

        more = " ..." if len(finding.frames) > _SHOWN_FRAMES else ""
        frames = ", ".join(map(str, finding.frames[:_SHOWN_FRAMES])) + more
        when = "" if finding.time_ns is None else epoch(finding.time_ns - self._checked.time)[:-3]
        line = f"{when:>12}  {finding.severity:8}{finding.code:18} {frames:>9}  {finding.message}"
        print(self._name + line)

    def close(self, counts: "Mapping[str, int]") -> None:
        warn(", ".join(count(number, severity) for severity, number in counts.items()))


class _Json(_Output):
    """Prints one JSON object, finding by finding."""

    def __init__(self, *, named: bool) -> None:
        self._named = named
        self._before = '{"findings": ['

    def begin(self, trace: str, checked: _Checked) -> None:
        self._trace = {"trace": trace} if self._named else {}

    def feed(self, finding: "Finding") -> None:
        print(self._before, json.dumps(self._trace | _as_json(finding)), sep="", end="")
        self._before = ",\n"

    def close(self, counts: "Mapping[str, int]") -> None:
        print("]}" if self._before == ",\n" else self._before + "]}")


class _Junit(_Output):
    """Writes a JUnit report to a file."""

    takes_all = True

    def __init__(self, name: str, fail_on: str, *, force: bool) -> None:
        from vtctap.dissector.analysis.junit import JunitReport

        self._name, self._force = name, force
        self._report = JunitReport(fail_on)

    def begin(self, trace: str, checked: _Checked) -> None:
        self._report.begin(trace)

    def feed(self, finding: "Finding") -> None:
        self._report.feed(finding)

    def close(self, counts: "Mapping[str, int]") -> None:
        write_text(self._name, self._report.text(), force=self._force)


def _as_json(finding: "Finding") -> dict[str, object]:
    from vtctap.dissector.fields import epoch

    time = {"time_epoch": epoch(finding.time_ns)} if finding.time_ns is not None else {}
    return {**finding.as_json(), **time}
