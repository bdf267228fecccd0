"""Counts what traces hold: messages, registers, errors, response times, line use, sessions and token verdicts.

Times are seconds; a response time runs from the end of the request to the start of its answer, and its percentiles are
good to one per cent. A question mark after a register's name says that the profile assumes it.
"""

import argparse
import json
from typing import TYPE_CHECKING, Any

from vtctap.arguments import STATED, add_join, add_profile, add_traces, groups_of
from vtctap.inputs import Traces, settle
from vtctap.messages import count

if TYPE_CHECKING:
    from vtctap.dissector.profiles.files import Profile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_traces(parser)
    add_join(parser)
    parser.add_argument("--json", action="store_true", help="one object a trace a line")
    parser.add_argument("--sessions", action="store_true", help="list the sessions too")
    add_profile(parser, default=STATED)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dissector.analysis.statistics import statistics

    groups = groups_of(arguments)
    for traces in groups:
        trace = ", ".join(traces)
        records, profile = settle(arguments, Traces(traces), trace if len(groups) > 1 else "")
        figures = statistics(records, profile).as_json()
        if arguments.json:
            print(json.dumps({"trace": trace, **figures}))
            continue
        for link in figures["links"]:
            print("\n".join([f"{trace}, link {link['link']}", *_lines(link, profile, sessions=arguments.sessions)]))
    return 0


def _lines(link: dict[str, Any], profile: "Profile", *, sessions: bool) -> list[str]:
    records = ", ".join(count(number, kind) for kind, number in link["records"].items())
    lines = [f"  {link['seconds']:.3f} s: {records}"]
    for side, octets in link["octets"].items():
        words = [f"{number} {name}" for name, number in link["messages"].get(side, {}).items()]
        errors = [f"{number} {name}" for name, number in link["errors"].get(side, {}).items()]
        lines.append(
            f"  {side}: {octets} octets, {link['line_use'][side]:.2%} of the line; {', '.join(words) or 'no frames'}"
        )
        if errors:
            lines.append(f"    errors: {', '.join(errors)}")
    if link["response_times"]:
        lines.append(f"  {'response time':34}{'count':>7}{'min':>9}{'median':>9}{'95 %':>9}{'max':>9}")
        lines += [f"    {name:32}{_times(times)}" for name, times in link["response_times"].items()]
    if link["registers"]:
        lines.append(f"  {'register':34}{'count':>7}{'min':>9}{'median':>9}{'95 %':>9}{'max':>9}")
    for number, register in link["registers"].items():
        known = profile.register(number)
        doubt = "?" if known and known.provenance.confidence == "assumed" else ""
        kinds = (("reads", "read"), ("writes", "write"))
        counts = [count(register[kind], one) for kind, one in kinds if register[kind]]
        counts += [f"{register['refused']} refused"] if register["refused"] else []
        name = f"{number} {register.get('name', '')}{doubt if register.get('name') else ''}".rstrip()
        times = _times(register["response_time"]) if "response_time" in register else ""
        lines.append(f"    {name:32}{times}  {', '.join(counts)}")
    verdicts = [verdict for session in link["sessions"] for verdict in session["token_verdicts"]]
    lines.append(f"  {count(len(link['sessions']), 'session')}")
    if verdicts:
        lines.append(f"  token statuses: {', '.join(verdicts)}")
    for session in link["sessions"] if sessions else ():
        lines.append(
            f"    session {session['session']}: {session['seconds']:.3f} s, {session['frames']} frames, "
            f"{session['requests']} requests, {session['unanswered']} unanswered, {session['repeats']} repeats, "
            f"{session['errors']} errors"
        )
    return lines


def _times(times: dict[str, float]) -> str:
    return f"{times['count']:7}" + "".join(f"{times[name]:9.3f}" for name in ("min", "median", "p95", "max"))
