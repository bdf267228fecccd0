"""Converts rows to Arrow arrays with pyarrow (the extra ``parquet``).

Times are timestamps, UTC, in nanoseconds or another unit; spans are decimal numbers of seconds with nine decimals;
seconds and other numbers are doubles, integers have 64 bits, and what does not apply is null. Each column's metadata
holds its type, unit and description. pyarrow is imported when used.
"""

from collections.abc import Sequence
from typing import Any, Final

from vtctap.dissector.fields import Value
from vtctap.dissector.tables.model import Cells, Column, ColumnType

__all__ = ["INT64", "PER_UNIT_NS", "array", "nanoseconds", "record_batch", "schema_of"]

INT64: Final = range(-(1 << 63), 1 << 63)
PER_UNIT_NS: Final = {"ns": 1, "us": 1_000}
"""Nanoseconds in a unit of timestamps."""


def schema_of(columns: Sequence[Column], time_unit: str) -> Any:
    """Returns the Arrow schema of columns."""
    import pyarrow

    return pyarrow.schema([_field(column, time_unit) for column in columns])


def record_batch(rows: Sequence[Cells], columns: Sequence[Column], schema: Any, time_unit: str) -> Any:
    """Returns rows as an Arrow record batch."""
    import pyarrow

    present = set[str]().union(*rows)
    arrays = [
        array(column, field.type, [row.get(column.name) for row in rows], time_unit)
        if column.name in present
        else pyarrow.nulls(len(rows), field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pyarrow.record_batch(arrays, schema=schema)


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


def array(column: Column, kind: Any, values: Sequence[Value | None], time_unit: str) -> Any:
    """Returns the values of a column as an array of this Arrow type."""
    import pyarrow

    if column.type is ColumnType.TIME:
        per_unit = PER_UNIT_NS[time_unit]
        times = [None if value is None else _int64(nanoseconds(str(value)) // per_unit) for value in values]
        return pyarrow.array(times, kind)
    if column.type is ColumnType.SPAN:
        spans = [None if value is None or _int64(nanoseconds(str(value))) is None else value for value in values]
        return pyarrow.array(spans, pyarrow.string()).cast(kind)
    return pyarrow.array(values, kind)


def _int64(number: int) -> int | None:
    return number if number in INT64 else None


def nanoseconds(text: str) -> int:
    """Converts seconds with nine decimals to nanoseconds."""
    return int(text.replace(".", ""))
