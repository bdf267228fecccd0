"""Shows the statistics of traces: messages, registers, errors, response times, line use, sessions, token statuses.

Times are in seconds. A response time runs from the end of a request to the start of its answer; percentiles are
accurate to one per cent. A question mark after a register's name says that the profile assumes it.
"""

import argparse
import json
from functools import partial
from typing import TYPE_CHECKING, Any

from vtctap.base.nouns import count
from vtctap.command_line.arguments import STATED, add_join, add_no_secrets, add_profile, add_traces, groups_of
from vtctap.command_line.inputs import Reading, Traces
from vtctap.command_line.messages import visible
from vtctap.parallel.each_trace import each_trace
from vtctap.parallel.jobs import add_jobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vtctap.dissector.profiles.model import Profile

    Figures = dict[str, Any]
    """A part of what ``stats --json`` prints."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_traces(parser)
    add_join(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object per trace and line")
    parser.add_argument("--sessions", action="store_true", help="also list the sessions")
    add_no_secrets(parser)
    add_jobs(parser)
    add_profile(parser, default=STATED)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    groups = groups_of(arguments)
    reading = Reading(arguments.profile, no_secrets=arguments.no_secrets)
    for _, text in each_trace(partial(_counted, named=len(groups) > 1), arguments, reading, groups):
        print(text, end="")
    return reading.status


def _counted(arguments: argparse.Namespace, reading: Reading, traces: list[str], *, named: bool) -> str:
    """Returns the statistics of a trace as text."""
    from vtctap.dissector.analysis.statistics import statistics

    trace = ", ".join(traces)
    records, profile = reading.settle(Traces(traces), trace if named else "")
    figures = statistics(records, profile).as_json()
    if arguments.json:
        return f"{json.dumps({'trace': trace, **figures})}\n"
    lines = (
        line
        for link in figures["links"]
        for line in (f"{visible(trace)}, link {link['link']}", *_lines(link, profile, sessions=arguments.sessions))
    )
    return "".join(f"{line}\n" for line in lines)


def _lines(link: "Figures", profile: "Profile", *, sessions: bool) -> "Iterator[str]":
    """Yields the figures of one link as lines of text."""
    records = ", ".join(count(number, kind) for kind, number in link["records"].items())
    yield f"  {link['seconds']:.3f} s: {records}"
    for side in link["octets"]:
        yield from _side(link, side)
    yield from _response_times(link["response_times"])
    yield from _registers(link["registers"], profile)
    yield f"  {count(len(link['sessions']), 'session')}"
    for what, number in link.get("left_out", {}).items():
        yield f"  {number} more {what} have no row: only so many rows are kept"
    verdicts = [verdict for session in link["sessions"] for verdict in session["token_verdicts"]]
    if verdicts:
        yield f"  token statuses: {', '.join(verdicts)}"
    if sessions:
        yield from map(_session, link["sessions"])


def _side(link: "Figures", side: str) -> "Iterator[str]":
    messages = _counts(link["messages"].get(side, {})) or "no frames"
    yield f"  {side}: {count(link['octets'][side], 'octet')}, {link['line_use'][side]:.2%} of the line; {messages}"
    errors = _counts(link["errors"].get(side, {}))
    if errors:
        yield f"    errors: {errors}"


def _counts(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items())


def _response_times(times: "Figures") -> "Iterator[str]":
    if times:
        yield _head("response time")
    for name, figures in times.items():
        yield f"    {name:32}{_times(figures)}"


def _registers(registers: "Figures", profile: "Profile") -> "Iterator[str]":
    if registers:
        yield _head("register")
    for id, register in registers.items():
        name = _name(id, register, profile)
        times = _times(register["response_time"]) if "response_time" in register else ""
        yield f"    {name:32}{times}  {', '.join(_uses(register))}"


def _name(id: str, register: "Figures", profile: "Profile") -> str:
    """Returns the id and the name of a register, with a question mark if the name is assumed."""
    if "name" not in register:
        return id
    known = profile.register(id)
    return f"{id} {register['name']}{'?' if known and known.provenance.confidence == 'assumed' else ''}"


def _uses(register: "Figures") -> "Iterator[str]":
    for key, noun in (("reads", "read"), ("writes", "write")):
        if register[key]:
            yield count(register[key], noun)
    if register["refused"]:
        yield f"{register['refused']} refused"


def _session(session: "Figures") -> str:
    counts = [count(session[f"{noun}s"], noun) for noun in ("frame", "request", "repeat", "error")]
    counts.insert(2, f"{session['unanswered']} unanswered")
    return f"    session {session['session']}: {session['seconds']:.3f} s, {', '.join(counts)}"


_COLUMNS = {"min": "min", "median": "median", "p95": "95 %", "max": "max"}
"""The figures of response times, and their column headings."""


def _head(title: str) -> str:
    return f"  {title:34}{'count':>7}" + "".join(f"{head:>9}" for head in _COLUMNS.values())


def _times(times: dict[str, float]) -> str:
    return f"{times['count']:7}" + "".join(f"{times[name]:9.3f}" for name in _COLUMNS)
