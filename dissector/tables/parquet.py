"""Writes rows and Arrow tables as Parquet with pyarrow (the extra ``parquet``), which is imported when used.

:mod:`~vtctap.dissector.tables.arrow` says how values are stored. A second thread may encode and write, so that rows are
made meanwhile.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from importlib.util import find_spec
from itertools import islice
from typing import IO, Any, Final

from vtctap.base.extras import extra
from vtctap.dissector.tables.arrow import record_batch, schema_of
from vtctap.dissector.tables.model import Cells, Column, ColumnType

BATCH: Final = 2_000
"""Rows converted to columns at a time."""
_GROUP: Final = 50_000
"""Rows of a row group, which is held in memory."""
_BUFFER: Final = 1 << 18
"""Octets that are gathered before they are written: pyarrow writes a column of a row group in several pieces."""
_COUNTING: Final = (ColumnType.INTEGER, ColumnType.TIME)
_DELTA: Final = "DELTA_BINARY_PACKED"
"""Times and record numbers grow steadily: the differences take a tenth of the room."""
_DISTINCT: Final = ("frame.time_relative", "vtc.value", "vtc.octets")
"""Columns whose values seldom repeat: a dictionary of them, or their extremes, would take time and room for nothing."""


def require() -> None:
    """Raises MissingExtra where Parquet cannot be written."""
    with extra("parquet", "Parquet"):
        if find_spec("pyarrow") is None:  # An import would take a tenth of a second of a process that writes nothing.
            raise ModuleNotFoundError(name="pyarrow")


def write_parquet(cells: Iterable[Cells], columns: Sequence[Column], file: IO[bytes], *, threaded: bool = False) -> int:
    """Writes a Parquet file and returns the number of rows; it is readable only once its end is written.
    ``threaded`` as for :class:`ParquetFile`. Raises MissingExtra."""
    writer = ParquetFile(file, columns, threaded=threaded)
    each = iter(cells)
    try:
        while rows := list(islice(each, BATCH)):
            writer.feed(rows)
        return writer.close()
    except BaseException:
        writer.abandon()
        raise


class ParquetFile:
    """A Parquet file that is written front to back; ``time_unit`` is that of timestamps. Raises MissingExtra.

    A second thread encodes and writes if the file is ``threaded``: that takes a second processor for half of the time.
    Its error is raised by a later call, at the latest by :meth:`close`.
    """

    def __init__(
        self, file: IO[bytes], columns: Sequence[Column], *, time_unit: str = "ns", threaded: bool = False
    ) -> None:
        with extra("parquet", "Parquet"):
            import pyarrow
            from pyarrow import parquet

        self._columns = columns
        self._time_unit = time_unit
        self._schema = schema_of(columns, time_unit)
        counting = {column.name: _DELTA for column in columns if column.type in _COUNTING and not column.repeats}
        leaves = {each.name: f"{each.name}.list.element" if each.repeats else each.name for each in columns}
        repeating = [leaf for name, leaf in leaves.items() if name not in _DISTINCT]
        self._stream = pyarrow.BufferedOutputStream(pyarrow.PythonFile(_Forward(file), "w"), _BUFFER)
        self._writer = parquet.ParquetWriter(
            self._stream,
            self._schema,
            compression="zstd",
            column_encoding=counting,
            use_dictionary=[leaf for leaf in repeating if leaf not in counting],
            write_statistics=repeating,
        )
        self._group: list[Any] = []
        self.held = 0
        """Rows in memory that are not written yet."""
        self._rows = 0
        self._thread = ThreadPoolExecutor(1) if threaded else None
        self._writing: Future[None] | None = None

    def feed(self, rows: list[Cells]) -> None:
        """Writes the next rows."""
        self._hold(record_batch(rows, self._columns, self._schema, self._time_unit))

    def feed_table(self, table: Any) -> None:
        """Writes the next rows, which are an Arrow table of the file's schema."""
        for batch in table.to_batches():
            self._hold(batch)

    def close(self) -> int:
        """Ends the file, which its owner closes; returns the number of rows."""
        self.flush()
        self._written()
        if self._thread:
            self._thread.shutdown()
        self._writer.close()
        self._stream.close()
        return self._rows

    def abandon(self) -> None:
        """Lets go of a file that stays incomplete."""
        if self._thread:
            self._thread.shutdown()
        with suppress(Exception):  # What ended it is the error to tell.
            self._writer.close()
        with suppress(Exception):
            self._stream.close()

    def _hold(self, batch: Any) -> None:
        self._group.append(batch)
        self.held += batch.num_rows
        if self.held >= _GROUP:
            self.flush()

    def flush(self) -> None:
        """Writes the rows that are held, as a row group."""
        import pyarrow

        self._written()
        if self._group:
            table = pyarrow.Table.from_batches(self._group)
            if self._thread:
                self._writing = self._thread.submit(self._writer.write_table, table)
            else:
                self._writer.write_table(table)
        self._rows += self.held
        self._group, self.held = [], 0

    def _written(self) -> None:
        """Waits for the second thread. Raises its error."""
        writing, self._writing = self._writing, None
        if writing:
            writing.result()


class _Forward:
    """A file for pyarrow that is written front to back and may be a pipe: it tracks its own position, and its owner
    closes it."""

    closed = False

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._at = 0

    def write(self, octets: Any) -> int:
        """Writes octets."""
        self._file.write(octets)
        self._at += len(octets)
        return len(octets)

    def tell(self) -> int:
        """Returns the number of octets written."""
        return self._at

    def flush(self) -> None:
        """Flushes the file."""
        self._file.flush()

    def close(self) -> None:
        """Does nothing: the owner closes the file."""
