"""When a capture ends, when it begins a new file, and when it begins to write: conditions in dumpcap's words, signals,
and pipes that nobody reads any more."""

import argparse
import contextlib
import os
import select
import signal
import stat
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import IO, TYPE_CHECKING, Final

from vtctap.arguments import STANDARD
from vtctap.errors import CommandError

if TYPE_CHECKING:
    from vtctap.dissector.dissect import Dissection
    from vtctap.dissector.filter import Predicate
    from vtctap.pcap.ring import RingLimits

_WORDS: Final = {"duration": "SECONDS", "packets": "NUMBER", "filesize": "KILOBYTES", "files": "NUMBER"}
RING: Final = dict(_WORDS)
"""What ``-b`` takes, as dumpcap(1) has it."""
STOP: Final = _WORDS | {"match": "EXPR"}
"""What ``-a`` takes: dumpcap's, and a display filter."""

BEFORE_SECONDS: Final = 30
BEFORE_RECORDS: Final = 10_000
"""What is kept in memory of the time before the trigger: the last so many seconds, and at most so many records."""


def condition(words: dict[str, str]) -> Callable[[str], tuple[str, str]]:
    """The type of an ``-a`` or ``-b`` argument: its word, and a value that makes sense for it."""

    def parse(text: str) -> tuple[str, str]:
        name, _, value = text.partition(":")
        fits = {
            "SECONDS": value.replace(".", "", 1),
            "EXPR": "1" if value.strip() else "",
        }.get(words.get(name, ""), value)
        if name not in words or not (fits.isascii() and fits.isdecimal() and int(fits)):
            forms = ", ".join(f"{word}:{what}" for word, what in words.items())
            raise argparse.ArgumentTypeError(f"{text!r} is none of {forms}")
        return name, value

    return parse


@dataclass(frozen=True, slots=True)
class Limits:
    """The ``-a`` conditions: seconds, records, octets and files, None = no limit; and filters of which any match is the
    end."""

    duration: float | None
    packets: int | None
    size: int | None
    files: int | None
    matches: "tuple[Predicate, ...]"


def limits(arguments: argparse.Namespace) -> "tuple[Limits, RingLimits | None]":
    """What the arguments say of the end, and of ring files (None: one file). Raises CommandError, FilterError."""
    stop, ring = dict(arguments.stop), dict(arguments.ring)
    if ring:
        if arguments.output in (None, STANDARD):
            raise CommandError("-b needs the name that its files' names are made of: add -w FILE")
        if "filesize" in stop:
            ring.setdefault("filesize", stop.pop("filesize"))  # As dumpcap has it: the end of a file, not of all.
        if not ring.keys() - {"files"}:
            raise CommandError("-b files: must come with when a file ends: -b filesize:, duration: or packets:")
    elif "filesize" in stop and not arguments.output:
        raise CommandError("-a filesize: counts what is written: add -w FILE")
    elif "files" in stop:
        raise CommandError("-a files: counts ring files: add when a file ends, such as -b filesize:KILOBYTES")
    matches: tuple[Predicate, ...] = ()
    if "match" in stop:
        from vtctap.dissector.filter import compile_filter

        matches = tuple(compile_filter(text) for name, text in arguments.stop if name == "match")
    size = _whole(stop, "filesize")
    end = Limits(
        float(stop["duration"]) if "duration" in stop else None,
        _whole(stop, "packets"),
        None if size is None else size * 1000,
        _whole(stop, "files"),
        matches,
    )
    return end, _ring_limits(ring) if ring else None


def _whole(given: dict[str, str], name: str) -> int | None:
    return int(given[name]) if name in given else None


def _ring_limits(given: dict[str, str]) -> "RingLimits":
    from vtctap.pcap.ring import KILOBYTE, RingLimits

    return RingLimits(
        size=(_whole(given, "filesize") or 0) * KILOBYTE,
        records=_whole(given, "packets") or 0,
        duration=round(float(given.get("duration", 0)) * 1_000_000_000),
        files=_whole(given, "files") or 0,
    )


class Trigger:
    """Holds records back until one matches: then that one is let through, with those of the time before it, and
    everything after."""

    def __init__(self, expression: str | None) -> None:
        """Raises FilterError. Without an expression everything is let through."""
        self._test: Predicate | None = None
        self._before: deque[Dissection] = deque(maxlen=BEFORE_RECORDS)
        if expression is not None:
            from vtctap.dissector.filter import compile_filter

            self._test = compile_filter(expression)

    @property
    def waiting(self) -> bool:
        """Whether no record has matched so far."""
        return self._test is not None

    def let_through(self, dissection: "Dissection") -> "list[Dissection]":
        """What is to be written now that this record has come."""
        if self._test is None:
            return [dissection]
        before = self._before
        before.append(dissection)
        while before[0].record.time < dissection.record.time - BEFORE_SECONDS * 1_000_000_000:
            before.popleft()
        if not self._test(dissection.as_json()):
            return []
        self._test = None
        released = list(before)
        before.clear()
        return released


class Signals:
    """Inside, a signal that would end the program sets :attr:`stopped` instead, and SIGUSR1 counts in :attr:`marks`.

    The loop looks at both several times a second: a signal's handler may run anywhere, also in the middle of a write.
    Before there is a loop (:attr:`begun`), a signal is Ctrl-C: what is waited for, such as a fifo that nobody reads,
    may never come.
    """

    def __init__(self) -> None:
        self.stopped = False
        self.begun = False
        self.marks = 0
        """How many there were; only the handler counts, for it may run between any two steps of who reads it."""

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Sets the handlers, and puts back what was there."""

        def stop(number: int, frame: FrameType | None) -> None:
            if not self.begun:
                raise KeyboardInterrupt
            self.stopped = True

        def mark(number: int, frame: FrameType | None) -> None:
            self.marks += 1

        handlers = {signal.SIGINT: stop, signal.SIGTERM: stop}
        # Whoever started us with nohup wants us to outlive the terminal.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            handlers[signal.SIGHUP] = stop
        if hasattr(signal, "SIGQUIT"):
            handlers[signal.SIGQUIT] = stop  # A key too; the terminal must be left as it was found.
        if hasattr(signal, "SIGUSR1"):
            handlers[signal.SIGUSR1] = mark
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, previous in before.items():
                signal.signal(number, previous)


class PipeWatch:
    """Tells when nobody reads a pipe any more, though nothing is written to it: on an idle line that would go
    unnoticed. What is no pipe or socket, or cannot be polled here, is never given up."""

    def __init__(self, stream: IO[str]) -> None:
        self._poll = None
        try:
            descriptor = stream.fileno()
            mode = os.fstat(descriptor).st_mode
        except OSError:  # It is no file of the system's, or was closed before we began.
            return
        if hasattr(select, "poll") and (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            self._poll = select.poll()
            self._poll.register(descriptor, 0)

    @property
    def closed(self) -> bool:
        """Whether the pipe has no reader."""
        return self._poll is not None and bool(self._poll.poll(0))
