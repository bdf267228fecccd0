"""Makes one self-contained HTML page of a trace: ladders, response times, findings, tokens, figures.

The page needs no network. It needs the extra 'report'.
"""

import argparse
from pathlib import Path

from vtctap.arguments import STANDARD, STATED, add_profile, add_traces, traces_of
from vtctap.errors import CommandError
from vtctap.inputs import Traces, settle
from vtctap.messages import warn
from vtctap.outputs import APPLICATION, refuse_existing, write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_traces(parser, "the trace; several are one, in this order")
    parser.add_argument(
        "-o", dest="output", metavar="FILE.html", required=True, help="the page to write; - is standard output"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the page if it exists")
    parser.add_argument("-q", dest="quiet", action="store_true", help="do not say what was written")
    add_profile(parser, default=STATED)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    _refuse_suffix(arguments.output)
    from vtctap.dissector.analysis.report.collect import collect
    from vtctap.dissector.analysis.report.page import page

    refuse_existing(arguments.output, force=arguments.force)
    traces = traces_of(arguments)
    records, profile = settle(arguments, Traces(traces))
    collected = collect(records, profile)
    names = ", ".join(Path(trace).name for trace in traces)
    text = page(collected, profile, trace=names, application=APPLICATION)
    write_text(arguments.output, text, force=True, encoding="utf-8")
    if not arguments.quiet and arguments.output != STANDARD:
        warn(f"the report is in {arguments.output}: any browser shows it")
    return 0


def _refuse_suffix(name: str) -> None:
    """Raises CommandError for a name that a browser would not open: a slip would replace a trace by a page."""
    if name != STANDARD and Path(name).suffix.lower() != ".html":
        raise CommandError(f"{name}: a report is a page, and its name ends in .html")
