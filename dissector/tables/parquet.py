"""Writes rows as Parquet with pyarrow (the extra ``parquet``).

Times are timestamps in nanoseconds, UTC; spans are decimal numbers of seconds with nine decimals; seconds and other
numbers are doubles, integers have 64 bits, and what does not apply is null. Each column's metadata holds its
description. pyarrow is imported when used.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, Any, Final

from vtctap.dissector.dissect import Value
from vtctap.dissector.tables.model import Cells, Column, ColumnType
from vtctap.extras import extra

_BATCH: Final = 2_000
"""Rows converted to columns at a time."""
_GROUP: Final = 25
"""Batches per row group, which is held in memory."""


def write_parquet(cells: Iterable[Cells], columns: Sequence[Column], file: IO[bytes]) -> int:
    """Writes a Parquet file and returns the number of rows; it is readable only once its end is written. Raises
    MissingExtra."""
    with extra("parquet", "Parquet"):
        import pyarrow
        from pyarrow import parquet

    schema = pyarrow.schema([_field(column) for column in columns])
    batches, count = _batches(iter(cells), columns, schema), 0
    with parquet.ParquetWriter(_Forward(file), schema, compression="zstd") as writer:
        while group := list(islice(batches, _GROUP)):
            table = pyarrow.Table.from_batches(group)
            writer.write_table(table)
            count += table.num_rows
    return count


def _batches(cells: Iterator[Cells], columns: Sequence[Column], schema: Any) -> Iterator[Any]:
    """Rows as Arrow's record batches."""
    import pyarrow

    while rows := list(islice(cells, _BATCH)):
        present = set[str]().union(*rows)
        arrays = [
            _array(column, field.type, rows) if column.name in present else pyarrow.nulls(len(rows), field.type)
            for column, field in zip(columns, schema, strict=True)
        ]
        yield pyarrow.record_batch(arrays, schema=schema)


def _field(column: Column) -> Any:
    import pyarrow

    kind = {
        ColumnType.TEXT: pyarrow.string(),
        ColumnType.INTEGER: pyarrow.uint64() if column.bits == 64 else pyarrow.int64(),
        ColumnType.NUMBER: pyarrow.float64(),
        ColumnType.BOOLEAN: pyarrow.bool_(),
        ColumnType.SECONDS: pyarrow.float64(),
        ColumnType.SPAN: pyarrow.decimal128(20, 9),
        ColumnType.TIME: pyarrow.timestamp("ns", tz="UTC"),
    }[column.type]
    kind = pyarrow.list_(kind) if column.repeats else kind
    return pyarrow.field(column.name, kind, metadata={"description": column.description})


def _array(column: Column, kind: Any, rows: list[Cells]) -> Any:
    """Returns one column of the rows."""
    import pyarrow

    values: list[Value | None] = [row.get(column.name) for row in rows]
    if column.type is ColumnType.TIME:
        values = [None if value is None else _nanoseconds(str(value)) for value in values]
    if column.type is ColumnType.SPAN:
        return pyarrow.array(values, pyarrow.string()).cast(kind)
    return pyarrow.array(values, kind)


def _nanoseconds(text: str) -> int:
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
