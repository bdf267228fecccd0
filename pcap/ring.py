"""Ring files: one capture as a row of traces, the oldest deleted, in dumpcap's words and with dumpcap's names.

:class:`RingWriter` takes records as a :class:`~vtctap.pcap.trace.TraceWriter` does. Each file is complete in itself:
its own section, the taps, the records, the statistics. All together they hold what one file would: every record once.
A file is created with the first record that goes into it, so none is empty; it is named by its number and that record's
local time, ``name_00001_20261123015603.pcapng``, as dumpcap(1) does.
"""

import contextlib
import os
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from vtctap.pcap.capture_file import Interface, TraceError
from vtctap.pcap.formats import FORMATS
from vtctap.pcap.record import LINKTYPE_USER0, Record
from vtctap.pcap.trace import TraceWriter, create_trace

KILOBYTE: Final = 1000
"""Octets in dumpcap's unit of file sizes (dumpcap(1), ``filesize:value``)."""
NUMBERS: Final = 100_000
"""File numbers have five digits, and begin again after the last (dumpcap's limit too)."""


@dataclass(frozen=True, slots=True)
class RingLimits:
    """When the next file begins: after a number of octets, of records, or a time since the file's first record; and how
    many files are kept. 0 = no limit."""

    size: int = 0
    records: int = 0
    duration_ns: int = 0
    files: int = 0


class RingWriter:
    """Writes records to one file after the other: ``base`` gives their folder, first part of the name, and suffix.

    ``linktype``, ``application``, ``taps`` and ``force`` are those of :func:`~vtctap.pcap.trace.create_trace`. Raises
    TraceError for a suffix of no format; later what a TraceWriter raises.
    """

    def __init__(
        self,
        base: str | os.PathLike[str],
        limits: RingLimits,
        *,
        linktype: int = LINKTYPE_USER0,
        application: str = "vtctap",
        taps: Iterable[Interface] = (),
        force: bool = False,
    ) -> None:
        self._stem, self._suffix = os.path.splitext(os.fspath(base))
        if self._suffix.lower() not in FORMATS:
            raise TraceError(f"{os.fspath(base)}: the name must end in {' or '.join(FORMATS)}")
        self._limits = limits
        self._linktype = linktype
        self._application = application
        self._taps = tuple(taps)
        self._force = force
        self._writer: TraceWriter | None = None
        self._began = 0
        self._records = 0
        self._closed_size = 0
        self.kept: deque[str] = deque()
        """The names of the files that are there, oldest first."""
        self.done = 0
        """How many files are complete, those that were deleted since included."""
        self._begun = 0

    @property
    def size(self) -> int:
        """The octets written so far, to all files."""
        return self._closed_size + (self._writer.size if self._writer else 0)

    @property
    def gone(self) -> str:
        """What became of the file that is being written; see :attr:`vtctap.pcap.streams.Output.gone`."""
        return self._writer.gone if self._writer else ""

    def write(self, record: Record, comment: str | None = None) -> None:
        """Writes a record, to the next file if the last is full; see
        :meth:`vtctap.pcap.trace.TraceWriter.write`."""
        self.advance(record.time)
        if self._writer is None:
            self._writer = self._open(record.time)
            self._began, self._records = record.time, 0
        self._writer.write(record, comment)
        self._records += 1
        limits = self._limits
        if (limits.size and self._writer.size >= limits.size) or (limits.records and self._records >= limits.records):
            self.close()

    def advance(self, time: int) -> None:
        """It is ``time`` (ns since 1970 UTC): a file whose time is over is completed, though nothing more comes."""
        if self._writer and self._limits.duration_ns and time - self._began >= self._limits.duration_ns:
            self.close()

    def _open(self, time: int) -> TraceWriter:
        while self._limits.files and len(self.kept) >= self._limits.files:
            # First, for the disk may be full of what is not wanted any more. Who took it away wanted it gone too.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.kept.popleft())
        self._begun += 1
        moment = datetime.fromtimestamp(time // 1_000_000_000)
        name = f"{self._stem}_{self._begun % NUMBERS:05}_{moment:%Y%m%d%H%M%S}{self._suffix}"
        writer = create_trace(
            name, linktype=self._linktype, application=self._application, taps=self._taps, force=self._force
        )
        self.kept.append(name)
        return writer

    def close(self, drops: Mapping[int, int] | None = None) -> None:
        """Completes the last file; see :meth:`vtctap.pcap.trace.TraceWriter.close`."""
        if self._writer:
            writer, self._writer = self._writer, None
            try:
                writer.close(drops)
            finally:
                self._closed_size += writer.size
                self.done += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
