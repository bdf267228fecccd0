"""Where the records of a running capture go: into a trace, onto the screen, or both; and when to stop."""

import argparse
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import TYPE_CHECKING, Final

from vtctap.commands.common import STANDARD, add_output, live_trace, output_errors, refuse_existing, warn, write_text

if TYPE_CHECKING:
    from vtctap.dissector.dissect import Dissection
    from vtctap.dissector.profile import Profile
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record
    from vtctap.pcap.trace import TraceWriter

_CONDITIONS: Final = ("duration", "packets", "filesize")


def stop_condition(text: str) -> tuple[str, int]:
    """The type of an ``-a`` argument, in dumpcap's words."""
    name, _, value = text.partition(":")
    if name not in _CONDITIONS or not value.isdecimal() or not int(value):
        raise argparse.ArgumentTypeError(f"{text!r} is none of duration:SECONDS, packets:NUMBER, filesize:KILOBYTES")
    return name, int(value)


def add_sink(parser: argparse.ArgumentParser) -> None:
    """``-w`` and what goes with it, ``-a``, ``--print``, ``-q``, ``--stats-json``."""
    add_output(parser, required=False)
    parser.add_argument("--print", action="store_true", help="print records too while they are written to a trace")
    parser.add_argument("--json", action="store_true", help="print records as JSON, one object a line")
    parser.add_argument("-q", dest="quiet", action="store_true", help="do not say at the end what was captured")
    parser.add_argument("--stats-json", metavar="FILE", help="write to FILE what was counted")
    parser.add_argument(
        "-a",
        dest="stop",
        type=stop_condition,
        action="append",
        default=[],
        metavar="COND",
        help="stop after duration:SECONDS, packets:NUMBER or filesize:KILOBYTES",
    )


class Sink:
    """Takes records, and knows when enough is enough. Open it with :meth:`writing`."""

    def __init__(self, arguments: argparse.Namespace, profile: "Profile") -> None:
        from vtctap.dissector.dissect import Dissector
        from vtctap.dissector.text import Printer

        self._arguments = arguments
        self._limits: dict[str, int] = dict(arguments.stop)
        self._writer: TraceWriter | None = None
        self._prints = arguments.print or arguments.json or not arguments.output
        self._dissector = Dissector(profile)
        line = Printer().line
        self._shown = (lambda dissection: json.dumps(dissection.as_json())) if arguments.json else line
        self._counts: Counter[str] = Counter()
        self._began = time.monotonic()
        self.drops: dict[int, int] = {}
        """How many octets each tap (its number) is known to have lost, for the end of the trace."""
        self.stopped = False
        """Whether a stop condition holds, a signal asked for it, or nobody reads any more."""

    @contextmanager
    def writing(self, taps: "list[Interface]") -> Iterator[None]:
        """Inside, records can be taken. The trace is closed properly, whatever ends it; a closed pipe is an end."""
        if self._prints and self._arguments.output == STANDARD:
            self._prints = False  # Standard output carries the trace.
        if self._arguments.stats_json:
            refuse_existing(self._arguments.stats_json, force=self._arguments.force)
        began = False
        try:
            with live_trace(self._arguments, taps) if self._arguments.output else nullcontext() as self._writer:
                began = True
                yield
                if self._writer:
                    self._writer.close(self.drops)
        except BrokenPipeError:
            if not began:
                raise
        self._report()

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Inside, SIGINT, SIGTERM and SIGHUP set :attr:`stopped` instead of ending the program."""

        def stop(number: int, frame: FrameType | None) -> None:
            self.stopped = True

        numbers = [signal.SIGINT, signal.SIGTERM]
        # Whoever started us with nohup wants us to outlive the terminal.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        before = {number: signal.signal(number, stop) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def take(self, records: "Iterable[Record]") -> None:
        """Writes and prints records, as many as were asked for."""
        for record in records:
            if self._full():
                break
            if self._writer:
                self._writer.write(record)
            dissection = self._dissector.dissect(record)
            self._count(dissection)
            if self._prints:
                with output_errors("standard output"):
                    print(self._shown(dissection), flush=True)
        late = time.monotonic() - self._began >= self._limits.get("duration", float("inf"))
        self.stopped = self.stopped or late or self._full()

    def _full(self) -> bool:
        """Whether there are as many packets, or octets in the file, as were asked for."""
        size = self._writer.size if self._writer else 0
        return (
            self._counts["records"] >= self._limits.get("packets", float("inf"))
            or size >= self._limits.get("filesize", float("inf")) * 1000
        )

    def _count(self, dissection: "Dissection") -> None:
        from vtctap.pcap.record import Flag

        record, message = dissection.record, dissection.message
        counts = self._counts
        counts["records"] += 1
        counts[record.kind.name.lower()] += 1
        counts["octets"] += len(record.octets)
        counts["parity errors"] += len(record.parity_errors)
        counts["framing errors"] += len(record.framing_errors)
        if message is not None:
            counts[f"check character {message.bcc_status}"] += 1
            counts["cut"] += record.flags & Flag.CUT > 0

    def _report(self) -> None:
        counts = self._counts
        if self._arguments.stats_json:
            names = ("records", "frame", "noise", "event", "octets", "parity errors", "framing errors", "cut")
            checks = {name: counts[f"check character {name}"] for name in ("good", "bad", "missing")}
            stats = {name.replace(" ", "_"): counts[name] for name in names} | {"check_characters": checks}
            write_text(self._arguments.stats_json, json.dumps(stats) + "\n", force=True)
        if not self._arguments.quiet:
            bad = counts["check character bad"]
            size = f", {self._writer.size} octets in {self._arguments.output}" if self._writer else ""
            warn(
                f"{counts['frame']} frames, {bad} with a bad check character; {counts['noise']} pieces of noise; "
                f"{counts['octets']} octets received{size}"
            )


def poll(sink: Sink, wait: "Callable[[float], list[Record]]", live: Callable[[], bool]) -> None:
    """Takes what comes until there is an end: ``wait`` gives records within a number of seconds, ``live`` says whether
    there can be more."""
    while not sink.stopped and live():
        sink.take(wait(0.1))
