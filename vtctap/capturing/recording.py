"""Writes the trace, or the ring of traces, of a running capture.

Each record is in the file when :meth:`Recording.feed` returns. The name of the file is checked while it is written. If
the file is deleted or overwritten, records are lost: an error at once. If it is only moved, nothing is lost, and the
error comes at the end.
"""

import errno
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Final, TypeAlias, cast

from vtctap.base.nouns import count
from vtctap.capturing.outlet import ServedOutlet
from vtctap.capturing.parts import Passive
from vtctap.command_line.arguments import STANDARD
from vtctap.command_line.outputs import output_errors, shown_name
from vtctap.errors import OutputError

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record
    from vtctap.pcap.ring import RingWriter
    from vtctap.pcap.trace import TraceWriter

_LOOK: Final = 1.0
"""Seconds between two checks of the file's name."""
Create: TypeAlias = "Callable[[str | IO[bytes], Sequence[Interface]], TraceWriter | RingWriter]"
"""A function that makes a writer for a file (its name, or the open file) and the taps."""
HELD: Final = 16 << 20
"""Most octets buffered for the reader of a pipe: 80 minutes of a busy line at 9600 bit/s, six at 115200 bit/s
(with messages of 64 octets, each of which takes 196 octets in the trace)."""
_TURN: Final = 0.02
"""Seconds between two looks whether a fifo has a reader."""
PATIENCE: Final = 2.0
"""Seconds that the reader of a pipe may stall at the end before the rest is given up."""


class Recording(Passive):
    """Writes records to a trace.

    ``name`` is the name of the file, or ``-``. ``create`` makes the writer once the taps are known. ``say`` shows a
    message to the user.
    """

    def __init__(self, name: str, create: Create, say: Callable[[str], None]) -> None:
        self._name = name
        self._create = create
        self._say = say
        self._writer: TraceWriter | RingWriter | None = None
        self._due = 0.0
        self._moved = False
        self.drops: Counter[int] = Counter()
        """Number of octets that each tap (by its number) has lost, for the statistics at the end of the trace."""

    @property
    def size(self) -> int:
        """Number of octets written so far."""
        return self._writer.size if self._writer else 0

    @property
    def full(self) -> bool:
        """Whether the last of a limited number of ring files has reached its limit."""
        return False

    @property
    def files(self) -> list[str]:
        """The names of the files that exist."""
        return [self._name]

    @property
    def where(self) -> str:
        """The size and the name of the trace, for the summary line."""
        preposition = "on" if self._name == STANDARD else "in"
        return f", {count(self.size, 'octet')} {preposition} {shown_name(self._name)}"

    def open(self, taps: "Sequence[Interface]") -> None:
        """See :meth:`~vtctap.capturing.parts.Part.open`. Raises OutputError, TraceError."""
        with output_errors(self._name):
            self._writer = self._create(self._target(), taps)

    def _target(self) -> str | IO[bytes]:
        return sys.stdout.buffer if self._name == STANDARD else self._name

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`. Raises OutputError; BrokenPipeError if the reader is gone."""
        assert self._writer
        with output_errors(self._name, kept=True):
            for record in records:
                self._writer.write(record)
        if now >= self._due:
            self._due = now + _LOOK
            self._look_after()
        return records

    def _look_after(self) -> None:
        """Raises OutputError if the file was deleted or overwritten, and says once if it was moved."""
        gone = self._writer.gone if self._writer else ""
        if gone == "moved" and not self._moved:
            self._moved = True
            self._say(f"{self.files[-1]} was moved while it is being written; the capture goes on in the moved file")
        elif gone and gone != "moved":
            raise OutputError(f"{shown_name(self.files[-1])} was {gone} while it was being written")

    def close(self) -> None:
        """See :meth:`~vtctap.capturing.parts.Part.close`. Raises OutputError; BrokenPipeError if the reader is gone."""
        assert self._writer
        try:
            self._look_after()
        finally:
            with output_errors(self._name, kept=True):
                self._writer.close(self.drops)
        if self._moved:
            raise OutputError(
                f"{self.files[-1]} was moved while it was being written; the moved file holds the whole trace"
            )


class RingRecording(Recording):
    """Writes records to ring files."""

    def __init__(self, name: str, create: Create, say: Callable[[str], None]) -> None:
        super().__init__(name, create, say)
        self._rings: RingWriter | None = None
        self._latest: tuple[int, float] | None = None

    def open(self, taps: "Sequence[Interface]") -> None:
        """See :meth:`Recording.open`."""
        super().open(taps)
        self._rings = cast("RingWriter", self._writer)

    @property
    def full(self) -> bool:
        """See :attr:`Recording.full`."""
        return self._rings is not None and self._rings.full

    @property
    def files(self) -> list[str]:
        """See :attr:`Recording.files`."""
        return list(self._rings.kept) if self._rings else []

    @property
    def where(self) -> str:
        """See :attr:`Recording.where`."""
        kept = self.files
        if not kept:
            return ""
        names = kept[0] if len(kept) == 1 else f"{kept[0]} ... {kept[-1]}"
        if self._rings and self._rings.number > len(kept):
            return f", the last {count(len(kept), 'file')} of {self._rings.number} kept, {names}"
        return f", {count(self.size, 'octet')} in {count(len(kept), 'file')}, {names}"

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`Recording.feed`. A file whose duration has passed is completed even if no record comes.

        The time is that of the last record plus the time since, so that setting the wall clock changes nothing.
        """
        if records:
            self._latest = records[-1].time, now
        elif self._rings and self._latest:
            with output_errors(self._name, kept=True):
                self._rings.advance(self._latest[0] + round((now - self._latest[1]) * 1e9))
        return super().feed(records, now)


class PipeRecording(Recording):
    """Writes records to standard output or to a named fifo, without waiting for the reader."""

    def __init__(self, name: str, create: Create, say: Callable[[str], None]) -> None:
        super().__init__(name, create, say)
        self._outlet: ServedOutlet | None = None

    def _target(self) -> IO[bytes]:
        stream = sys.stdout.buffer if self._name == STANDARD else _opened(self._name)
        self._outlet = ServedOutlet(stream, HELD)
        return cast("IO[bytes]", self._outlet)

    def has_room(self, octets: int) -> bool:
        """Returns whether this number of octets fits into the buffer."""
        return self._outlet is None or self._outlet.has_room(octets)

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`Recording.feed`."""
        if self._outlet and self._outlet.unread:
            raise BrokenPipeError
        return super().feed(records, now)

    def close(self) -> None:
        """See :meth:`Recording.close`. Raises OutputError if the reader does not take the rest of the trace."""
        super().close()
        assert self._outlet
        with output_errors(self._name):
            left = self._outlet.finish(PATIENCE)
        if self._name != STANDARD:
            self._outlet.close()
        if left:
            raise OutputError(
                f"the reader of {shown_name(self._name)} stalls: the last {count(left, 'octet')} of the trace are lost"
            )


def _opened(name: str) -> IO[bytes]:
    """Opens a fifo as soon as it has a reader. Raises OSError.

    The wait is not in open(2), because a signal that came just before would not end it.
    """
    while True:
        try:
            fifo = os.open(name, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            time.sleep(_TURN)
        else:
            os.set_blocking(fifo, True)
            return open(fifo, "wb", buffering=0)
