"""Writes the files of one trace into a staging folder, partitioned by day and link, and moves them into the set.

Rows are held until a partition has a batch of them. Few files are open at a time: a partition that comes back after its
file was closed gets another file.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, Final

from vtctap.command_line.outputs import private
from vtctap.dataset.entries import sync
from vtctap.dissector.tables import TABLES
from vtctap.dissector.tables.arrow import INT64, nanoseconds
from vtctap.dissector.tables.model import TIME_COLUMN, TIME_NS_COLUMN, Cells, Column, ColumnType
from vtctap.dissector.tables.parquet import BATCH, ParquetFile

__all__ = ["TRACE", "TRACE_ID", "Day", "TableFiles", "columns", "day_of", "move"]

_MAX_OPEN: Final = 16
"""Most files that a table of a trace is written to at a time."""
_MAX_DAYS: Final = 2
"""Most days of a link whose files are open at a time: each open file takes some 20 MB."""
_MAX_WAITING: Final = 5 * BATCH
"""Most rows held until their partition has a whole batch."""
_MAX_HELD: Final = 50 * BATCH
"""Most rows that the files of a table hold together."""
DAY_NS: Final = 86_400_000_000_000
_NO_DAY: Final = "__HIVE_DEFAULT_PARTITION__"
"""The partition value that data tools read as null."""

TRACE: Final = Column("trace", ColumnType.TEXT, "Name of the trace; of ring files that are joined, that of the first")
TRACE_ID: Final = Column("trace.id", ColumnType.TEXT, "First digits of the SHA-256 digest of the trace's octets")

Day = tuple[str, int]
"""A partition of records: the day (UTC), as in 2026-01-31, and the number of the link."""


def columns(table: str, *, octets: bool = True) -> tuple[Column, ...]:
    """Returns the columns of a table in the set."""
    own = (column for column in TABLES[table].columns if octets or column.name != "vtc.octets")
    return (TRACE, TRACE_ID, TIME_NS_COLUMN, *own)


def day_of(time_ns: int) -> str:
    """Returns the day of a time since 1970, as in 2026-01-31."""
    try:
        return date.fromordinal(date(1970, 1, 1).toordinal() + time_ns // DAY_NS).isoformat()
    except (ValueError, OverflowError):
        return _NO_DAY


class TableFiles:
    """The files of one table of a trace in ``staging``. ``common`` are the cells that all rows share. A second thread
    encodes each file if they are ``threaded``."""

    def __init__(
        self, staging: Path, table: str, id: str, common: Cells, columns: Sequence[Column], *, threaded: bool
    ) -> None:
        self._table = table
        self._staging = staging
        self._id = id
        self._common = common
        self._columns = columns
        self._threaded = threaded
        self._open: dict[Day | None, ParquetFile] = {}
        self._waiting: dict[Day | None, list[Cells]] = {}
        self._count = 0
        self._numbers: dict[Day | None, int] = {}
        self.files: list[str] = []
        """The paths of the files so far, in the set."""

    def feed(self, cells: Cells, link: int | None = None) -> None:
        """Takes the next row; ``link`` is its link where the table is partitioned. ``cells`` are kept and changed."""
        time_ns = self.complete(cells)
        day = None if link is None else (day_of(time_ns or 0), link)
        rows = self._waiting.setdefault(day, [])
        rows.append(cells)
        self._count += 1
        if len(rows) >= BATCH:
            self._write(day)
        elif self._count >= _MAX_WAITING:
            self._write(max(self._waiting, key=lambda each: len(self._waiting[each])))

    def complete(self, cells: Cells) -> int | None:
        """Adds the cells that all rows share, and the time in ns; returns that, None where the row has none."""
        cells.update(self._common)
        time = cells.get(TIME_COLUMN.name)
        time_ns = None if time is None else nanoseconds(str(time))
        if time_ns is not None and time_ns in INT64:
            cells[TIME_NS_COLUMN.name] = time_ns
        return time_ns

    def feed_table(self, table: Any, day: Day) -> None:
        """Takes the next rows of a partition as an Arrow table."""
        if day in self._waiting:
            self._write(day)
        self._file(day).feed_table(table)
        while sum(file.held for file in self._open.values()) > _MAX_HELD:
            max(self._open.values(), key=lambda file: file.held).flush()

    def close(self) -> None:
        """Writes the held rows, and ends all files."""
        for day in list(self._waiting):
            self._write(day)
        while self._open:
            self._end(next(iter(self._open)))

    def abandon(self) -> None:
        """Closes the files, which stay incomplete."""
        for file in self._open.values():
            file.abandon()
        self._open.clear()

    def _write(self, day: Day | None) -> None:
        rows = self._waiting.pop(day)
        self._count -= len(rows)
        self._file(day).feed(rows)

    def _file(self, day: Day | None) -> ParquetFile:
        """Returns the file of a partition; the one used last stands last."""
        file = self._open.pop(day) if day in self._open else self._new(day)
        self._open[day] = file
        return file

    def _new(self, day: Day | None) -> ParquetFile:
        of_link = [other for other in self._open if day and other and other[1] == day[1]]
        if len(of_link) >= _MAX_DAYS:
            self._end(of_link[0])
        if len(self._open) >= _MAX_OPEN:
            self._end(next(iter(self._open)))
        number = self._numbers[day] = self._numbers.get(day, 0) + 1
        folder = self._table if day is None else f"{self._table}/day={day[0]}/link={day[1]}"
        name = f"{folder}/{self._id}{f'-{number}' if number > 1 else ''}.parquet"
        self.files.append(name)
        path = self._staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return _Synced(path, self._columns, threaded=self._threaded)

    def _end(self, day: Day | None) -> None:
        self._open.pop(day).close()


class _Synced(ParquetFile):
    """A Parquet file that is on the disk once it is closed."""

    def __init__(self, path: Path, columns: Sequence[Column], *, threaded: bool) -> None:
        self._file = open(path, "wb", opener=private)  # noqa: SIM115  closed below
        super().__init__(self._file, columns, time_unit="us", threaded=threaded)

    def close(self) -> int:
        """Ends and closes the file; returns the number of rows."""
        with self._file:
            rows = super().close()
            self._file.flush()
            os.fsync(self._file.fileno())
        return rows

    def abandon(self) -> None:
        """Closes a file that stays incomplete."""
        super().abandon()
        with suppress(OSError):
            self._file.close()


def move(staging: Path, folder: Path, targets: Mapping[str, str]) -> None:
    """Moves files from the staging folder into the set, by their names here and there. Raises OSError."""
    for name, target in targets.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        os.replace(staging / name, folder / target)
    for parent in {(folder / target).parent for target in targets.values()}:
        sync(parent)
