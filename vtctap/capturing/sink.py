"""The loop of a capture: takes records from the ports and feeds them to the chain of parts, until there is an end.

The recording comes first. The loop waits for the ports and, where a file is written, for the disk; for nothing else.
What is printed, said and typed goes through threads of its own (:mod:`~vtctap.capturing.outlet`,
:mod:`~vtctap.capturing.keyboard`), and a signal ends every wait.
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
"""Seconds that one turn waits for octets: when nothing came for a while, and when something did, which becomes a record
once the line has been silent for long enough."""
_LOOK: Final = 0.05
"""Seconds between two looks at what is not the line: keys, clock, pipe and terminal. On a busy line turns are short."""
_SETTLED: Final = 1.0
"""Seconds after the last octet until all that it completes has surely been given out."""


class Source(Markable, Protocol):
    """What delivers records while it runs: :class:`vtctap.sniffer.capture.Capture`."""

    @property
    def octets(self) -> int:
        """How many octets were received so far."""

    @property
    def drops(self) -> Mapping[int, int]:
        """How many octets each tap (its number) is known to have lost."""

    @property
    def lost(self) -> Sequence[str]:
        """Why ports are lost that are not back."""

    def poll(self, timeout: float) -> "list[Record]":
        """The records that are complete; waits at most ``timeout`` seconds for octets."""

    def close(self) -> "list[Record]":
        """The rest of the records."""


@dataclass(frozen=True, slots=True)
class Sink:
    """Takes records, and knows when enough is enough. Records can be taken inside :meth:`writing`.

    :func:`vtctap.capturing.options.build_sink` makes it of a command's arguments.
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
        """Whether a stop condition holds, a signal asked for it, or nobody reads any more."""
        return self.signals.stopped or self.ending.full or self.ending.over

    def stoppable(self) -> AbstractContextManager[None]:
        """Inside, signals end the capture instead of the program, and SIGUSR1 marks."""
        return self.signals.heeded()

    @contextmanager
    def writing(self, taps: "Sequence[Interface]", listening: str = "") -> Iterator[None]:
        """Inside, records can be taken. The trace is closed properly, whatever ends it; a closed pipe is an end.

        ``listening`` says how the ports are set, for who looks at a terminal.
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
        self.report.give()
        self.screen.finish()

    def run(self, source: Source, going: Callable[[], bool] = lambda: True, drain: float = 0.0) -> None:
        """Takes what comes from a capture until there is an end, and the rest.

        ``going`` tells whether there can be more; ``drain`` is the seconds that the last of it may still need.
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

    def take(self, records: "Iterable[Record]") -> None:
        """Feeds records to the chain, as many as are asked for."""
        for record in records:
            if self.ending.full:
                break
            self.chain.feed((record,), time.monotonic())
