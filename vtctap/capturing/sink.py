"""The loop of a capture: feeds the records from the ports to the chain of parts, until a stop condition holds.

Recording has priority: the loop waits for the ports and, if it writes a file, for the disk, and for nothing else.
Threads of their own print, show messages and read keys (:mod:`~vtctap.capturing.outlet`,
:mod:`~vtctap.capturing.keyboard`). A signal ends every wait.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from vtctap.capturing.ending import Ending
from vtctap.capturing.keyboard import Keyboard
from vtctap.capturing.marks import Markable, Marks
from vtctap.capturing.parts import Chain
from vtctap.capturing.report import Report
from vtctap.capturing.screen import Screen
from vtctap.capturing.signals import Signals

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record

_IDLE: Final = 0.1
_BUSY: Final = 0.01
"""Seconds that one turn of the loop waits for octets: on an idle line, and on a busy one. The busy wait is short,
because the last octets become a record as soon as the pause behind them is long enough."""
_LOOK: Final = 0.05
"""Seconds between two checks of keys, clock, pipe and terminal. Turns are shorter than that on a busy line."""
_SETTLED: Final = 1.0
"""Seconds after the last octet by which every record that it completes has been returned."""


class Source(Markable, Protocol):
    """A running capture that delivers records: :class:`vtctap.sniffer.capture.Capture`."""

    @property
    def octets(self) -> int:
        """Number of octets received so far."""

    @property
    def drops(self) -> Mapping[int, int]:
        """Number of octets that each tap (by its number) has lost."""

    @property
    def lost(self) -> Sequence[str]:
        """The reason for each port that is lost at present."""

    def poll(self, timeout: float) -> "list[Record]":
        """Waits at most ``timeout`` seconds for octets, and returns the complete records."""

    def close(self) -> "list[Record]":
        """Ends the capture, and returns the last records."""


@dataclass(frozen=True, slots=True)
class Sink:
    """Takes the records of a capture until a stop condition holds. Call :meth:`take` and :meth:`run` inside
    :meth:`writing`.

    :func:`vtctap.capturing.options.build_sink` makes a sink from a command's arguments.
    """

    chain: Chain
    ending: Ending
    signals: Signals
    keyboard: Keyboard
    marks: Marks
    screen: Screen
    report: Report

    @property
    def stopped(self) -> bool:
        """Whether a stop condition holds, a signal has come, or the reader of the output is gone."""
        return self.signals.stopped or self.ending.full or self.ending.over

    def stoppable(self) -> AbstractContextManager[None]:
        """Makes signals end the capture, not the program, inside the context; SIGUSR1 sets a mark."""
        return self.signals.heeded()

    @contextmanager
    def writing(self, taps: "Sequence[Interface]", listening: str = "") -> Iterator[None]:
        """Opens the outputs for :meth:`take` inside the context, and closes the trace at its end, also after an error.

        A closed pipe ends the capture without an error. ``listening`` describes the port settings, for the terminal.
        """
        try:
            with self.chain:
                self.chain.open(taps)
                self.signals.begun = True
                if listening and self.screen.rewrites:
                    names = ", ".join(tap.name for tap in taps)
                    self.screen.say(f"listening on {names} {listening}; Ctrl-C ends{self.keyboard.hint}")
                yield
        except BrokenPipeError:
            if not self.signals.begun:
                raise
        finally:
            self.screen.clear()
            self.screen.finish()
        # A signal that comes late does not keep a file from being written, and ends the wait for a pipe's reader.
        self.signals.begun = not self.report.may_stall
        self.report.write()
        self.signals.begun = True
        self.report.say()
        self.screen.finish()

    def run(self, source: Source, going: Callable[[], bool] = lambda: True, drain: float = 0.0) -> None:
        """Takes records from a capture until a stop condition holds or ``going`` returns False, and then the rest.

        ``drain`` is the time in seconds that the last octets may need to arrive.
        """
        heard, latest, due = -1, 0.0, 0.0
        with self.keyboard.listening():
            while not self.stopped and going():
                now = time.monotonic()
                if now >= due:
                    due = now + _LOOK
                    self.marks.serve(source)
                    self.chain.feed((), now)
                if source.octets != heard:
                    heard, latest = source.octets, now
                self.take(source.poll(_BUSY if now - latest < _SETTLED else _IDLE))
            self.marks.serve(source)
        if drain:
            self.take(source.poll(drain))
        self.take(source.close())
        if self.report.recording:
            self.report.recording.drops.update(source.drops)

    def take(self, records: "Iterable[Record]", clock: Callable[[], float] = time.monotonic) -> None:
        """Feeds records to the chain, one at a time, so that a stop condition holds from one record to the next.
        ``clock`` is that of the parts, in seconds."""
        for record in records:
            self.chain.feed((record,), clock())
