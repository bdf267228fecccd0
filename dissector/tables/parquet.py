"""Writes rows as Parquet with pyarrow (the extra ``parquet``).

Times are timestamps, UTC, in nanoseconds or another unit; spans are decimal numbers of seconds with nine decimals;
seconds and other numbers are doubles, integers have 64 bits, and what does not apply is null. Each column's metadata
holds its type, unit and description. pyarrow is imported when used.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from typing import IO, Any, Final

from vtctap.dissector.fields import Value
from vtctap.dissector.tables.model import Cells, Column, ColumnType
from vtctap.extras import extra

BATCH: Final = 2_000
"""Rows converted to columns at a time."""
_GROUP: Final = 50_000
"""Rows of a row group, which is held in memory."""
_COUNTING: Final = (ColumnType.INTEGER, ColumnType.TIME)
_DELTA: Final = "DELTA_BINARY_PACKED"
"""Times and record numbers grow steadily: the differences take a tenth of the room."""
_INT64: Final = range(-(1 << 63), 1 << 63)


def require() -> None:
    """Raises MissingExtra where Parquet cannot be written."""
    with extra("parquet", "Parquet"):
        import pyarrow  # noqa: F401


def write_parquet(cells: Iterable[Cells], columns: Sequence[Column], file: IO[bytes]) -> int:
    """Writes a Parquet file and returns the number of rows; it is readable only once its end is written. Raises
    MissingExtra."""
    writer = ParquetFile(file, columns)
    each = iter(cells)
    try:
        while rows := list(islice(each, BATCH)):
            writer.feed(rows)
        return writer.close()
    except BaseException:
        writer.abandon()
        raise


class ParquetFile:
    """A Parquet file that is written front to back; ``time_unit`` is that of timestamps. Raises MissingExtra."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column], *, time_unit: str = "ns") -> None:
        with extra("parquet", "Parquet"):
            import pyarrow
            from pyarrow import parquet

        self._columns = columns
        self._time_unit = time_unit
        self._schema = pyarrow.schema([_field(column, time_unit) for column in columns])
        counting = {column.name: _DELTA for column in columns if column.type in _COUNTING and not column.repeats}
        others = [f"{each.name}.list.element" if each.repeats else each.name for each in columns]
        self._writer = parquet.ParquetWriter(
            _Forward(file),
            self._schema,
            compression="zstd",
            column_encoding=counting,
            use_dictionary=[name for name in others if name not in counting],
        )
        self._group: list[Any] = []
        self._held = 0
        self._rows = 0

    def feed(self, rows: list[Cells]) -> None:
        """Writes the next rows."""
        import pyarrow

        present = set[str]().union(*rows)
        arrays = [
            _array(column, field.type, rows, self._time_unit)
            if column.name in present
            else pyarrow.nulls(len(rows), field.type)
            for column, field in zip(self._columns, self._schema, strict=True)
        ]
        self._group.append(pyarrow.record_batch(arrays, schema=self._schema))
        self._held += len(rows)
        if self._held >= _GROUP:
            self._write_group()

    def close(self) -> int:
        """Ends the file, which its owner closes; returns the number of rows."""
        self._write_group()
        self._writer.close()
        return self._rows

    def abandon(self) -> None:
        """Lets go of a file that stays incomplete."""
        with suppress(Exception):  # What ended it is the error to tell.
            self._writer.close()

    def _write_group(self) -> None:
        import pyarrow

        if self._group:
            self._writer.write_table(pyarrow.Table.from_batches(self._group))
        self._rows += self._held
        self._group, self._held = [], 0


def _field(column: Column, time_unit: str) -> Any:
    import pyarrow

    kind = {
        ColumnType.TEXT: pyarrow.string(),
        ColumnType.INTEGER: pyarrow.uint64() if column.bits == 64 else pyarrow.int64(),
        ColumnType.NUMBER: pyarrow.float64(),
        ColumnType.BOOLEAN: pyarrow.bool_(),
        ColumnType.SECONDS: pyarrow.float64(),
        ColumnType.SPAN: pyarrow.decimal128(20, 9),
        ColumnType.TIME: pyarrow.timestamp(time_unit, tz="UTC"),
    }[column.type]
    kind = pyarrow.list_(kind) if column.repeats else kind
    metadata = {"description": column.description, "type": column.type.value, "unit": column.unit}
    return pyarrow.field(column.name, kind, metadata={name: text for name, text in metadata.items() if text})


_PER_UNIT_NS: Final = {"ns": 1, "us": 1_000}


def _array(column: Column, kind: Any, rows: list[Cells], time_unit: str) -> Any:
    """Returns one column of the rows."""
    import pyarrow

    values: list[Value | None] = [row.get(column.name) for row in rows]
    if column.type is ColumnType.TIME:
        per_unit = _PER_UNIT_NS[time_unit]
        values = [None if value is None else _int64(nanoseconds(str(value)) // per_unit) for value in values]
    if column.type is ColumnType.SPAN:
        return pyarrow.array(values, pyarrow.string()).cast(kind)
    return pyarrow.array(values, kind)


def _int64(number: int) -> int | None:
    return number if number in _INT64 else None


def nanoseconds(text: str) -> int:
    """Converts seconds with nine decimals to nanoseconds."""
    return int(text.replace(".", ""))


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
