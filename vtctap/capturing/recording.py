"""The trace, or the ring of traces, that a running capture writes.

Each record is in the file when :meth:`Recording.feed` returns. The file is looked after while it is written: where it
was deleted or overwritten, recording goes on to nowhere, so that is an error at once; where it was only moved, nothing
is lost, and the error comes at the end.
"""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Final, TypeAlias, cast

from vtctap.arguments import STANDARD
from vtctap.capturing.outlet import ServedOutlet
from vtctap.capturing.parts import Passive
from vtctap.errors import OutputError
from vtctap.nouns import count
from vtctap.outputs import output_errors

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record
    from vtctap.pcap.ring import RingWriter
    from vtctap.pcap.trace import TraceWriter

_LOOK: Final = 1.0
"""Seconds between two looks at the file's name."""
Create: TypeAlias = "Callable[[str | IO[bytes], Sequence[Interface]], TraceWriter | RingWriter]"
"""Makes a writer for a file, by its name or open, and taps."""
HELD: Final = 16 << 20
"""Octets that are held in memory for a pipe's reader: two hours of a line of 9600 bit/s that never pauses, ten minutes
of one of 115200 (messages of 64 octets, of which each takes 140 in the trace)."""
PATIENCE: Final = 2.0
"""Seconds, at the end, in which the reader of a pipe must take something of what is held."""


class Recording(Passive):
    """Writes records to a trace.

    ``name`` is that of the file, or ``-``; ``create`` makes a writer for it and the taps, once these are known; ``say``
    tells whoever looks on.
    """

    def __init__(self, name: str, create: Create, say: Callable[[str], None]) -> None:
        self._name = name
        self._create = create
        self._say = say
        self._writer: TraceWriter | RingWriter | None = None
        self._due = 0.0
        self._moved = False
        self.drops: Counter[int] = Counter()
        """How many octets each tap (its number) is known to have lost, for the end of the trace."""

    @property
    def size(self) -> int:
        """The octets written so far."""
        return self._writer.size if self._writer else 0

    @property
    def done(self) -> int:
        """How many files of a ring are complete."""
        return 0

    @property
    def files(self) -> list[str]:
        """The names of the files that are there."""
        return [self._name]

    @property
    def where(self) -> str:
        """What was written and where, for the capture's last line."""
        return f", {count(self.size, 'octet')} in {self._name}"

    def open(self, taps: "Sequence[Interface]") -> None:
        """See :meth:`~vtctap.capturing.parts.Part.open`. Raises OutputError, TraceError."""
        with output_errors(self._name):
            self._writer = self._create(self._target(), taps)

    def _target(self) -> str | IO[bytes]:
        return sys.stdout.buffer if self._name == STANDARD else self._name

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`. Raises OutputError, and BrokenPipeError where nobody reads."""
        assert self._writer
        with output_errors(self._name):
            for record in records:
                self._writer.write(record)
        if now >= self._due:
            self._due = now + _LOOK
            self._look_after()
        return records

    def _look_after(self) -> None:
        """Raises OutputError where the file is lost; notes where it was moved."""
        gone = self._writer.gone if self._writer else ""
        if gone == "moved" and not self._moved:
            self._moved = True
            self._say(f"{self.files[-1]} was moved while it is being written; it is written on where it is now")
        elif gone and gone != "moved":
            raise OutputError(f"{self.files[-1]} was {gone} while it was being written")

    def close(self) -> None:
        """See :meth:`~vtctap.capturing.parts.Part.close`. Raises OutputError, BrokenPipeError where nobody reads."""
        assert self._writer
        try:
            self._look_after()
        finally:
            with output_errors(self._name):
                self._writer.close(self.drops)
        if self._moved:
            raise OutputError(
                f"{self.files[-1]} was moved while it was being written; the trace is whole where it is now"
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
    def done(self) -> int:
        """See :attr:`Recording.done`."""
        return self._rings.done if self._rings else 0

    @property
    def files(self) -> list[str]:
        """See :attr:`Recording.files`."""
        return list(self._rings.kept) if self._rings else []

    @property
    def where(self) -> str:
        """See :attr:`Recording.where`."""
        kept = self.files
        return f", the last {count(len(kept), 'file')} of {kept[0]} ... {kept[-1]} kept" if kept else ""

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`Recording.feed`. A file whose time is over is completed though nothing comes: by the clock of the
        records, whatever is done to the wall clock meanwhile."""
        if records:
            self._latest = records[-1].time, now
        elif self._rings and self._latest:
            with output_errors(self._name):
                self._rings.advance(self._latest[0] + round((now - self._latest[1]) * 1e9))
        return super().feed(records, now)


class PipeRecording(Recording):
    """Writes records to standard output, or to a fifo by its name, without waiting for the reader."""

    def __init__(self, name: str, create: Create, say: Callable[[str], None]) -> None:
        super().__init__(name, create, say)
        self._outlet: ServedOutlet | None = None

    def _target(self) -> IO[bytes]:
        # Opening a fifo waits for a reader; a signal ends that.
        stream = sys.stdout.buffer if self._name == STANDARD else open(self._name, "wb", buffering=0)  # noqa: SIM115
        self._outlet = ServedOutlet(stream, HELD)
        return cast("IO[bytes]", self._outlet)

    def has_room(self, octets: int) -> bool:
        """Whether so many octets can be held for the reader."""
        return self._outlet is None or self._outlet.has_room(octets)

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`Recording.feed`."""
        if self._outlet and self._outlet.unread:
            raise BrokenPipeError
        return super().feed(records, now)

    def close(self) -> None:
        """See :meth:`Recording.close`. Raises OutputError where the reader does not take what is held."""
        super().close()
        assert self._outlet
        with output_errors(self._name):
            left = self._outlet.finish(PATIENCE)
        if self._name != STANDARD:
            self._outlet.close()
        if left:
            raise OutputError(f"{self._label} is not read: the last {count(left, 'octet')} of the trace are given up")

    @property
    def _label(self) -> str:
        return "standard output" if self._name == STANDARD else self._name
