"""Where the records of a running capture go: into a trace, onto the screen, or both; and what runs it until its end."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol

from vtctap.arguments import STANDARD, add_output
from vtctap.capturing.counts import Counts
from vtctap.capturing.keyboard import Keyboard
from vtctap.capturing.lines import add_lines, link_names, printer, shower
from vtctap.capturing.status import Screen, is_terminal, screen, status
from vtctap.capturing.stopping import RING, STOP, PipeWatch, Signals, Trigger, condition, limits
from vtctap.messages import count, warn
from vtctap.outputs import APPLICATION, live_trace, output_errors, refuse_existing, write_text

if TYPE_CHECKING:
    from vtctap.capturing.hints import Hints
    from vtctap.dissector.dissect import Dissection
    from vtctap.dissector.profiles.files import Profile
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record
    from vtctap.pcap.ring import RingWriter
    from vtctap.pcap.trace import TraceWriter

_IDLE: Final = 0.1
_BUSY: Final = 0.01
"""Seconds that one turn waits for octets: when nothing came for a while, and when something did, which becomes a record
once the line has been silent for long enough."""
_LOOK: Final = 0.05
"""Seconds between two looks at what is not the line: keys, clock, pipe and terminal. On a busy line turns are short."""
_SETTLED: Final = 1.0
"""Seconds after the last octet until all that it completes has surely been given out."""
_MARK_KEY: Final = "m"


class Source(Protocol):
    """What delivers records while it runs: :class:`vtctap.sniffer.capture.Capture`."""

    @property
    def octets(self) -> int:
        """How many octets were received so far."""

    def poll(self, timeout: float) -> "list[Record]":
        """The records that are complete; waits at most ``timeout`` seconds for octets."""

    def mark(self, note: str) -> None:
        """Writes an operator's mark into the trace."""


def add_sink(parser: argparse.ArgumentParser) -> None:
    """``-w`` and what goes with it, when to stop, what to print, ``--stats-json``."""
    add_output(parser, required=False)
    parser.add_argument("--print", action="store_true", help="print records too while they are written to a trace")
    add_lines(parser)
    parser.add_argument("--stats-json", metavar="FILE", help="write to FILE what was counted")
    parser.add_argument(
        "-a",
        dest="stop",
        type=condition(STOP),
        action="append",
        default=[],
        metavar="COND",
        help="stop after duration:SECONDS, packets:NUMBER, filesize:KILOBYTES, files:NUMBER, or with the first record "
        "that matches, match:EXPR",
    )
    parser.add_argument(
        "-c",
        dest="stop",
        type=lambda text: condition(STOP)(f"packets:{text}"),
        action="append",
        metavar="N",
        help="stop after N records: -a packets:N",
    )
    parser.add_argument(
        "-b",
        dest="ring",
        type=condition(RING),
        action="append",
        default=[],
        metavar="COND",
        help="write ring files FILE_00001_DATE...: the next after filesize:KILOBYTES, duration:SECONDS or "
        "packets:NUMBER; files:NUMBER is how many are kept",
    )
    parser.add_argument(
        "--trigger",
        metavar="EXPR",
        help="begin to write with the first record that matches, and the 30 s before it",
    )


class Sink:
    """Takes records, and knows when enough is enough. Records can be taken inside :meth:`writing`."""

    def __init__(self, arguments: argparse.Namespace, profile: "Profile") -> None:
        """Raises CommandError and FilterError for arguments that make no sense."""
        from vtctap.dissector.dissect import Dissector

        self._arguments = arguments
        self._end, self._ring = limits(arguments)
        self._trigger = Trigger(arguments.trigger)
        self._renumber = self._trigger.waiting
        self._writer: TraceWriter | RingWriter | None = None
        self._rings: RingWriter | None = None
        self._prints = arguments.print or arguments.json or not arguments.output
        self._profile = profile
        self._dissector = Dissector(profile)
        self._printer = printer(arguments)
        self._shown = shower(arguments, self._printer)
        self._counts = Counts()
        self._written = self._before = 0
        self._began = self._started = time.monotonic()
        self._signals = Signals()
        self._keyboard = Keyboard()
        self._marks = self._signalled = 0
        self._finished = self._matched = False
        self._screen: Screen | None = None
        self._hints: Hints | None = None
        self._pipe: PipeWatch | None = None
        self._ports: list[str] = []
        self._speed = ""
        self._last: Record | None = None
        self._latest = (0, 0.0)
        self.drops: dict[int, int] = {}
        """How many octets each tap (its number) is known to have lost, for the end of the trace."""

    @property
    def stopped(self) -> bool:
        """Whether a stop condition holds, a signal asked for it, or nobody reads any more."""
        return self._finished or self._signals.stopped or self._full()

    def stoppable(self) -> AbstractContextManager[None]:
        """Inside, signals end the capture instead of the program, and SIGUSR1 marks."""
        return self._signals.heeded()

    @contextmanager
    def writing(self, taps: "list[Interface]", listening: str = "") -> Iterator[None]:
        """Inside, records can be taken. The trace is closed properly, whatever ends it; a closed pipe is an end.

        ``listening``: how the ports are set, for what is said on a terminal."""
        if self._prints and self._arguments.output == STANDARD:
            self._prints = False  # Standard output carries the trace.
        if self._arguments.stats_json:
            refuse_existing(self._arguments.stats_json, force=self._arguments.force)
        self._printer.links = link_names(taps)
        self._ports = [tap.name for tap in taps]
        began = False
        try:
            with self._trace(taps) as self._writer:
                began = self._signals.begun = True
                self._prepare(listening)
                yield
                if self._writer:
                    self._writer.close(self.drops)
        except BrokenPipeError:
            if not began:
                raise
        finally:
            if self._screen:
                self._screen.clear()
        self._report()

    def _trace(self, taps: "list[Interface]") -> "AbstractContextManager[TraceWriter | RingWriter | None]":
        if not self._arguments.output:
            return nullcontext()
        return self._ring_trace(taps) if self._ring else live_trace(self._arguments, taps)

    @contextmanager
    def _ring_trace(self, taps: "list[Interface]") -> "Iterator[RingWriter]":
        from vtctap.pcap.ring import RingWriter

        assert self._ring
        arguments = self._arguments
        with output_errors(arguments.output):
            self._rings = RingWriter(
                arguments.output,
                self._ring,
                linktype=arguments.dlt,
                application=APPLICATION,
                taps=taps,
                force=arguments.force,
            )
            with self._rings:
                yield self._rings

    def _prepare(self, listening: str) -> None:
        """What goes with a capture that runs: standard output is watched; a terminal gets a status line and hints."""
        if self._prints or self._arguments.output == STANDARD:
            self._pipe = PipeWatch(sys.stdout)
        if not listening or self._arguments.quiet:
            return
        self._screen = screen()
        if self._screen:
            from vtctap.capturing.hints import Hints

            self._hints = Hints(self._ports)
            keys = "Ctrl-C ends, m marks" if is_terminal(sys.stdin) else "Ctrl-C ends"
            self._screen.say(f"listening on {', '.join(self._ports)} {listening}; {keys}")

    def run(self, source: Source, going: Callable[[], bool]) -> None:
        """Takes what comes from a capture until there is an end; ``going``: whether there can be more."""
        heard, latest, due = -1, 0.0, 0.0
        with self._keyboard.listening():
            while not self.stopped and going():
                now = time.monotonic()
                if now >= due:
                    due = now + _LOOK
                    self._mark(source)
                    self._look(now)
                if source.octets != heard:
                    heard, latest = source.octets, now
                self.take(source.poll(_BUSY if now - latest < _SETTLED else _IDLE))
            self._mark(source)

    def _mark(self, source: Source) -> None:
        """Marks for the keys that were pressed and the signals that came."""
        signalled, self._signalled = self._signalled, self._signals.marks
        notes = ["SIGUSR1"] * (self._signalled - signalled) + ["key"] * self._keyboard.pressed().count(_MARK_KEY)
        for note in notes:
            self._marks += 1
            source.mark(f"{note}-{self._marks}")
            if self._screen:
                self._screen.say(f"marked: {note}-{self._marks}")

    def _look(self, now: float) -> None:
        """What is to be seen to when time passes, whether records come or not."""
        if self._end.duration is not None and not self._trigger.waiting:
            self._finished = self._finished or now - self._began >= self._end.duration
        if self._rings and self._latest[0]:
            # By the clock of the records, whatever is done to the wall clock meanwhile.
            self._rings.advance(self._latest[0] + round((now - self._latest[1]) * 1e9))
        if self._pipe and self._pipe.closed:
            self._prints = False
            self._finished = True
            if self._arguments.output == STANDARD:
                raise BrokenPipeError
        if self._screen and self._hints:
            for hint in self._hints.advise(now - self._started):
                self._screen.say(f"hint: {hint}")
            if self._screen.due(now):
                self._screen.show(self._status(self._screen.width), now)

    def _status(self, width: int) -> str:
        size = self._writer.size if self._writer else None
        note = "waiting for the trigger" if self._trigger.waiting else ""
        last = ""
        if self._last:
            from vtctap.dissector.dissect import Dissector
            from vtctap.dissector.text import ARROWS, summary

            alone = Dissector(self._profile).dissect(self._last)  # Not in the row of those that are printed.
            last = f"{ARROWS[self._last.sender]} {summary(alone)}"
        return status(self._counts, speed=self._speed, last=last, size=size, note=note, width=width)

    def take(self, records: "Iterable[Record]") -> None:
        """Counts records, and writes and prints as many as were asked for."""
        for record in records:
            if self._full():
                break
            self._watch(record)
            if not (self._prints or self._trigger.waiting or self._end.matches):
                self._written += 1
                if self._writer:
                    self._writer.write(record)
                continue
            dissection = self._dissector.dissect(record)
            was_waiting = self._trigger.waiting
            released = self._trigger.let_through(dissection)
            if was_waiting and released:
                self._began, self._before = time.monotonic(), len(released) - 1
            for one in released:
                self._put(one)
            if released and self._end.matches:
                fields = dissection.as_json()
                self._matched = any(matches(fields) for matches in self._end.matches)

    def _watch(self, record: "Record") -> None:
        """Counts a record; and keeps of it what a terminal shows."""
        self._counts.add(record)
        self._latest = record.time, time.monotonic()
        if record.event:
            name = record.event.partition(" ")[0]
            if name == "lost":
                self._counts.lost[record.tap] = self._ports[record.tap]
                self._say(f"{self._ports[record.tap]} is lost since {_clock(record.time)}; it is tried again")
            elif name == "opened" and record.tap in self._counts.lost:
                del self._counts.lost[record.tap]
                self._say(f"{self._ports[record.tap]} is back since {_clock(record.time)}")
        if self._screen and self._hints:
            self._hints.feed(record, self._latest[1] - self._started)
            if record.speed:
                self._speed = f"{record.speed} {record.line or ''}"
            if not record.event:
                self._last = record

    def _say(self, text: str) -> None:
        """Something that whoever looks at the capture later should know, on a terminal or not."""
        if self._arguments.quiet:
            return
        (self._screen.say if self._screen else warn)(text)

    def _put(self, dissection: "Dissection") -> None:
        """Writes and prints a record."""
        self._written += 1
        if self._writer:
            self._writer.write(dissection.record)
        if not self._prints:
            return
        if self._renumber:
            from dataclasses import replace

            dissection = replace(dissection, number=self._written)
        try:
            with self._screen.above() if self._screen else nullcontext(), output_errors("standard output"):
                print(self._shown(dissection), flush=True)
        except BrokenPipeError:
            self._prints = False  # But what has come is still written to the trace.
            self._finished = True

    def _full(self) -> bool:
        """Whether there are as many packets, octets or files as were asked for, or a record matched."""
        end, writer = self._end, self._writer
        return (
            self._matched
            or (end.packets is not None and self._written - self._before >= end.packets)
            or (end.size is not None and writer is not None and writer.size >= end.size)
            or (end.files is not None and self._rings is not None and self._rings.done >= end.files)
        )

    def _report(self) -> None:
        counts, arguments = self._counts, self._arguments
        if arguments.stats_json:
            stats = counts.as_json() | {"written": self._written, "marks": self._marks}
            if self._writer:
                files = list(self._rings.kept) if self._rings else [arguments.output]
                stats |= {"files": files, "size": self._writer.size}
            stats["lost"] = list(counts.lost.values())
            write_text(arguments.stats_json, json.dumps(stats) + "\n", force=True)
        if not arguments.quiet:
            waiting = "; nothing matched --trigger" if self._trigger.waiting else ""
            warn(f"{counts.summary()}{self._where()}{waiting}")

    def _where(self) -> str:
        """What was written, and where."""
        if self._rings:
            kept = list(self._rings.kept)
            return f", the last {count(len(kept), 'file')} of {kept[0]} ... {kept[-1]} kept" if kept else ""
        return f", {count(self._writer.size, 'octet')} in {self._arguments.output}" if self._writer else ""


def _clock(time_ns: int) -> str:
    """Local date and time of a record."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_ns // 1_000_000_000))
