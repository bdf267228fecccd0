"""The options of commands that capture, and the function that builds the chain of parts from them."""

import argparse
import os
import stat
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import IO, TYPE_CHECKING

from vtctap.capturing import printing, screen
from vtctap.capturing.conditions import RING, STOP, condition, limits
from vtctap.capturing.counts import Counts
from vtctap.capturing.ending import Ending
from vtctap.capturing.hashing import Hashing
from vtctap.capturing.keyboard import Keyboard
from vtctap.capturing.lines import add_lines, printer, shower
from vtctap.capturing.marks import Marks
from vtctap.capturing.notifying import Notifying
from vtctap.capturing.outlet import DirectOutlet, Outlet, can_stall, outlet
from vtctap.capturing.overflow import Overflow
from vtctap.capturing.parts import Chain, Part
from vtctap.capturing.printing import Printing
from vtctap.capturing.recording import PipeRecording, Recording, RingRecording
from vtctap.capturing.remainder import Remainder
from vtctap.capturing.report import Report
from vtctap.capturing.screen import Screen
from vtctap.capturing.signals import Signals
from vtctap.capturing.sink import Sink
from vtctap.capturing.status import StatusLine
from vtctap.capturing.telling import Advice, OutageMessages
from vtctap.capturing.trigger import Trigger
from vtctap.command_line.arguments import STANDARD, add_output
from vtctap.command_line.outputs import APPLICATION, refuse_existing, refuse_same

if TYPE_CHECKING:
    from vtctap.dissector.profiles.model import Profile
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.ring import RingLimits, RingWriter
    from vtctap.pcap.trace import TraceWriter


def add_sink(parser: argparse.ArgumentParser) -> None:
    """Adds the options for the trace, for printing, for stop conditions and ring files, and ``--stats-json``."""
    add_output(parser, required=False)
    parser.add_argument("--print", action="store_true", help="print the records while they are written to a trace")
    add_lines(parser)
    parser.add_argument("--stats-json", metavar="FILE", help="write the counters of the capture to FILE, as JSON")
    parser.add_argument(
        "-a",
        dest="stop",
        type=condition(STOP),
        action="append",
        default=[],
        metavar="COND",
        help="stop after duration:SECONDS, packets:NUMBER (events do not count), filesize:KILOBYTES or files:NUMBER, "
        "or at the first record that matches a display filter, match:EXPR",
    )
    parser.add_argument(
        "-c",
        dest="stop",
        type=lambda text: condition(STOP)(f"packets:{text}"),
        action="append",
        metavar="N",
        help="stop after N frames and pieces of noise: -a packets:N",
    )
    parser.add_argument(
        "-b",
        dest="ring",
        type=condition(RING),
        action="append",
        default=[],
        metavar="COND",
        help="write ring files FILE_00001_DATE...; begin the next one after filesize:KILOBYTES, duration:SECONDS or "
        "packets:NUMBER; keep the last files:NUMBER",
    )
    parser.add_argument(
        "--no-hashes",
        dest="hashes",
        action="store_false",
        help="write no hash chain; 'vtctap verify' then has nothing to verify",
    )
    parser.add_argument(
        "--trigger",
        metavar="EXPR",
        help="start to write at the first record that matches this display filter, with the 30 s before it",
    )


def build_sink(arguments: argparse.Namespace, profile: "Profile", *, live: bool = True) -> Sink:
    """Returns the sink for a command's arguments.

    ``live`` says that ports are read meanwhile: the sink then waits for no reader, and a terminal gets a status line.
    Raises CommandError and FilterError for arguments that make no sense.
    """
    from vtctap.dissector.dissect import Dissector

    end, ring = limits(arguments)
    refuse_same(arguments.output, arguments.stats_json)
    if arguments.stats_json:
        refuse_existing(arguments.stats_json, force=arguments.force)
    watched, printed = _displays(arguments, live=live)
    signals, keyboard, counts = Signals(), Keyboard(), Counts()
    marks = Marks(keyboard, signals, watched)
    trigger = Trigger(arguments.trigger, Dissector(profile))
    recording = _recording(arguments, ring, watched.say, live=live) if arguments.output else None
    printing = _printing(arguments, profile, printed, watched)
    ending = Ending(end, trigger, recording, printing, Dissector(profile))

    def size() -> int | None:
        return recording.size if recording else None

    def note() -> str:
        return marks.prompt or ("waiting for the trigger" if trigger.waiting else "")

    parts: list[Part | None] = [
        Remainder(lambda: ending.full),
        counts,
        OutageMessages(watched.say),
        *((Advice(watched.say), StatusLine(watched, counts, profile, size, note)) if watched.rewrites else ()),
        trigger,
        Overflow(recording, watched.say) if isinstance(recording, PipeRecording) else None,
        Hashing() if arguments.hashes else None,
        recording,
        printing,
        ending,
        Notifying() if live else None,
    ]
    report = Report(arguments.stats_json, arguments.force, watched, counts, trigger, marks, recording, printing, ending)
    return Sink(Chain([part for part in parts if part]), ending, signals, keyboard, marks, watched, report)


def _displays(arguments: argparse.Namespace, *, live: bool) -> tuple[Screen, Outlet]:
    """Returns standard error and standard output. If both are one terminal they share an outlet, which keeps the order
    of their lines."""
    if not live:
        return Screen(sys.stderr, DirectOutlet(sys.stderr), quiet=arguments.quiet), DirectOutlet(sys.stdout)
    shared = screen.one_terminal()
    out = outlet(sys.stdout, printing.HELD)
    errors = out if shared else outlet(sys.stderr, screen.HELD)
    rewrites = screen.can_rewrite(sys.stderr) and not arguments.quiet
    return Screen(sys.stderr, errors, rewrites=rewrites, shared=shared, quiet=arguments.quiet), out


def _printing(arguments: argparse.Namespace, profile: "Profile", out: Outlet, watched: Screen) -> Printing | None:
    from vtctap.dissector.dissect import Dissector

    asked = arguments.print or arguments.json or not arguments.output
    if not asked or arguments.output == STANDARD:  # Standard output carries the trace.
        return None
    lines = printer(arguments)
    return Printing(out, watched, Dissector(profile), lines, shower(arguments, lines))


def _recording(
    arguments: argparse.Namespace, ring: "RingLimits | None", say: Callable[[str], None], *, live: bool
) -> Recording:
    name: str = arguments.output

    def create(target: str | IO[bytes], taps: "Sequence[Interface]") -> "TraceWriter | RingWriter":
        from vtctap.pcap.ring import RingWriter
        from vtctap.pcap.trace import create_trace

        trace = partial(
            create_trace, linktype=arguments.dlt, application=APPLICATION, taps=tuple(taps), force=arguments.force
        )
        return RingWriter(name, ring, trace) if ring else trace(target)

    if ring:
        return RingRecording(name, create, say)
    stalls = live and (can_stall(sys.stdout) if name == STANDARD else _is_fifo(name))
    return (PipeRecording if stalls else Recording)(name, create, say)


def _is_fifo(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False
