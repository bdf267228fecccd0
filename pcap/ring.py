"""Ring files: one capture in several traces, of which the oldest are deleted, as dumpcap(1) writes them.

:class:`RingWriter` has the methods of :class:`~vtctap.pcap.trace.TraceWriter`. Each file is a complete trace with its
own section, taps, records and statistics; together the files hold every record once. A file is created with its first
record, so no file is empty. Its name has its number and the local time of that record, as with dumpcap:
``name_00001_20261123015603.pcapng``.
"""

import contextlib
import os
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from vtctap.base.closing import Closing
from vtctap.pcap.capture_file import TraceError
from vtctap.pcap.formats import FORMATS
from vtctap.pcap.record import SECOND_NS, Record
from vtctap.pcap.trace import TraceWriter, create_trace

KILOBYTE: Final = 1000
"""Octets in dumpcap's unit of file sizes (dumpcap(1), ``filesize:value``)."""
NUMBERS: Final = 100_000
"""File numbers have five digits and wrap around, as with dumpcap."""


@dataclass(frozen=True, slots=True)
class RingLimits:
    """When the next file begins, and how many files there are; 0 is no limit.

    ``size`` (octets), ``records`` and ``duration_ns`` (since the file's first record) limit one file. ``files`` is how
    many files are kept. ``total`` is how many files are written: the last of them stays open for the events that end
    the capture.
    """

    size: int = 0
    records: int = 0
    duration_ns: int = 0
    files: int = 0
    total: int = 0


_NAME: Final = re.compile(r"(?P<stem>.*)_(?P<number>[0-9]{5})_(?P<moment>[0-9]{14})(?P<suffix>\.[^.]*)", re.DOTALL)
_MOMENT: Final = "%Y%m%d%H%M%S"


def file_after(path: str | os.PathLike[str]) -> tuple[str, int] | None:
    """Returns the next file of a ring that exists, and how many files between are missing; None where there is none,
    or ``path`` is not the name of a ring file. A file is complete once there is a next one.

    Only names are compared. Files of an earlier capture have an earlier time; if a later capture makes files of the
    same name, the next number may belong to it.
    """
    folder, name = os.path.split(os.fspath(path))
    own = _NAME.fullmatch(name)
    if own is None:
        return None
    try:
        names = os.listdir(folder or os.curdir)
    except OSError:  # A folder whose names cannot be read.
        return None
    later = []
    for other in map(_NAME.fullmatch, names):
        if other and other["stem"] == own["stem"] and other["suffix"] == own["suffix"]:
            steps = (int(other["number"]) - int(own["number"])) % NUMBERS
            if 0 < steps < NUMBERS // 2 and _may_follow(other["moment"], own["moment"]):
                later.append((steps, other["moment"], other[0]))
    if not later:
        return None
    steps, _, following = min(later)
    return os.path.join(folder, following), steps - 1


def _may_follow(moment: str, earlier: str) -> bool:
    """Whether a file's local time may be no earlier than another's. Where daylight saving time ends, an hour of local
    time comes twice."""
    if moment >= earlier:
        return True
    try:
        return max(_times(moment)) >= min(_times(earlier))
    except (ValueError, OverflowError):  # It is no time.
        return False


def _times(moment: str) -> tuple[float, float]:
    """Returns when a local time was, the first and the second time, in s since 1970 UTC."""
    local = datetime.strptime(moment, _MOMENT)
    return local.replace(fold=0).timestamp(), local.replace(fold=1).timestamp()


class RingWriter(Closing):
    """Writes records to one file after the other. ``base`` is the path without number and time.

    ``create`` creates a file of a name, as :func:`~vtctap.pcap.trace.create_trace` does. Raises TraceError for an
    unknown suffix; the methods raise what those of TraceWriter raise.
    """

    def __init__(
        self,
        base: str | os.PathLike[str],
        limits: RingLimits,
        create: Callable[[str], TraceWriter] = create_trace,
    ) -> None:
        self._stem, self._suffix = os.path.splitext(os.fspath(base))
        if self._suffix.lower() not in FORMATS:
            raise TraceError(f"{os.fspath(base)}: the name must end in {' or '.join(FORMATS)}")
        self._limits = limits
        self._create = create
        self._writer: TraceWriter | None = None
        self._opened_at = 0
        self._records = 0
        self._closed_size = 0
        self.kept: deque[str] = deque()
        """Names of the files that exist, oldest first."""
        self.done = 0
        """How many files were completed, including those deleted since."""
        self.full = False
        """Whether the last of ``total`` files has reached its limit."""
        self.number = 0
        """How many files were begun, including those deleted since."""

    @property
    def size(self) -> int:
        """Octets written so far, to all files."""
        return self._closed_size + (self._writer.size if self._writer else 0)

    @property
    def gone(self) -> str:
        """What happened to the file that is being written; see :attr:`vtctap.pcap.streams.Output.gone`."""
        return self._writer.gone if self._writer else ""

    def write(self, record: Record, comment: str | None = None) -> None:
        """Writes a record, to a new file if the current one is full; see
        :meth:`vtctap.pcap.trace.TraceWriter.write`."""
        self.advance(record.time)
        if self._writer is None:
            self._writer = self._open(record.time)
            self._opened_at, self._records = record.time, 0
        self._writer.write(record, comment)
        self._records += 1
        limits = self._limits
        if (limits.size and self._writer.size >= limits.size) or (limits.records and self._records >= limits.records):
            self._next()

    def advance(self, time: int) -> None:
        """Completes the current file if its duration is over at ``time`` (ns since 1970 UTC), without a new record."""
        if self._writer and self._limits.duration_ns and time - self._opened_at >= self._limits.duration_ns:
            self._next()

    def _next(self) -> None:
        """Completes the current file, unless it is the last."""
        self.full = self.number == self._limits.total
        if not self.full:
            self.close()

    def _open(self, time: int) -> TraceWriter:
        while self._limits.files and len(self.kept) >= self._limits.files:
            # Delete before creating: the disk may be full. A file that somebody else has deleted is no error.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.kept.popleft())
        self.number += 1
        moment = datetime.fromtimestamp(time // SECOND_NS)
        name = f"{self._stem}_{self.number % NUMBERS:05}_{moment:{_MOMENT}}{self._suffix}"
        writer = self._create(name)
        self.kept.append(name)
        return writer

    def close(self, drops: Mapping[int, int] | None = None) -> None:
        """Completes the current file; see :meth:`vtctap.pcap.trace.TraceWriter.close`."""
        if self._writer:
            writer, self._writer = self._writer, None
            try:
                writer.close(drops)
            finally:
                self._closed_size += writer.size
                self.done += 1
