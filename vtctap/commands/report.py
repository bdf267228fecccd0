"""Makes a self-contained HTML page of a trace: ladder diagrams, response times, findings, tokens, statistics.

The page needs no network. The command needs the extra 'report'.
"""

import argparse
from pathlib import Path

from vtctap.command_line.arguments import STANDARD, STATED, add_no_secrets, add_profile, add_traces, traces_of
from vtctap.command_line.inputs import Reading, Traces
from vtctap.command_line.messages import warn
from vtctap.command_line.outputs import APPLICATION, refuse_existing, write_text
from vtctap.errors import CommandError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_traces(parser, "the trace; several are read as one, in this order")
    parser.add_argument(
        "-o", dest="output", metavar="FILE.html", required=True, help="the page to write; - is standard output"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the page if it exists")
    parser.add_argument("-q", dest="quiet", action="store_true", help="print no summary at the end")
    add_no_secrets(parser)
    add_profile(parser, default=STATED)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    _refuse_suffix(arguments.output)
    from vtctap.dissector.analysis.report.collect import collect
    from vtctap.dissector.analysis.report.page import page

    refuse_existing(arguments.output, force=arguments.force)
    traces = traces_of(arguments)
    reading = Reading(arguments.profile, no_secrets=arguments.no_secrets)
    records, profile = reading.settle(Traces(traces))
    collected = collect(records, profile)
    names = "trace" if arguments.no_secrets else ", ".join(Path(trace).name for trace in traces)
    text = page(collected, profile, trace=names, application=APPLICATION)
    write_text(arguments.output, text, force=arguments.force, encoding="utf-8")
    if not arguments.quiet and arguments.output != STANDARD:
        warn(f"the report is in {arguments.output}: any browser shows it")
    return reading.status


def _refuse_suffix(name: str) -> None:
    """Raises CommandError for a suffix other than .html, so that a slip does not overwrite a trace."""
    if name != STANDARD and Path(name).suffix.lower() != ".html":
        raise CommandError(f"{name}: a report is an HTML page: choose a name that ends in .html")
