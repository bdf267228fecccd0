"""The model of a table: its name, its typed columns and the source of its rows.

Columns of catalogue fields are made from the catalogue (:func:`field_column`), which states a field's name, type and
meaning once. A row is a dictionary from column to value, without what does not apply. Values are those of ``read
--json``; a time is text (seconds since 1970 with nine decimals), since no floating-point number holds it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from vtctap.dissector.catalogue import (
    BOOLEAN,
    ENUMERATION,
    FIELDS,
    NUMBER,
    RECORD,
    SECONDS,
    STRING,
    UNSIGNED,
    Field,
    FieldType,
)
from vtctap.dissector.dissect import Dissection
from vtctap.dissector.fields import Value
from vtctap.dissector.profiles.model import Profile

_UNITS: Final = {"vtc.speed": "bit/s", "vtc.token.mpl": "W", "vtc.token.mppul": "W"}
"""The units of catalogue fields that are no seconds."""

Cells = dict[str, Value]
"""The cells of a row by column name; what does not apply is absent."""


class ColumnType(StrEnum):
    """The type of a column. A time counts seconds since 1970, a span counts seconds, both as text with nine decimals;
    seconds are a number."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    SECONDS = "seconds"
    SPAN = "span"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``repeats``: each cell is a list. ``bits`` is the width of an integer, which is never negative."""

    name: str
    type: ColumnType
    description: str
    repeats: bool = False
    bits: int = 32

    @property
    def unit(self) -> str:
        """The unit of a number, empty where it has none."""
        return "s" if self.type in (ColumnType.SECONDS, ColumnType.SPAN) else _UNITS.get(self.name, "")


class Row(NamedTuple):
    """One row, and the numbers of the records behind it."""

    records: Sequence[int]
    cells: Cells


@dataclass(frozen=True, slots=True)
class OutputTable:
    """A table. ``rows`` takes the dissections of one trace and their profile, and yields each row as soon as it is
    known."""

    name: str
    description: str
    columns: tuple[Column, ...]
    rows: Callable[[Iterable[Dissection], Profile], Iterator[Row]]


TRACE: Final = Column("trace", ColumnType.TEXT, "Name of the trace; with `--join`, name of its first file")
"""The first column of every exported table."""

NUMBER_COLUMN: Final = Column("frame.number", ColumnType.INTEGER, "Number of the record in its trace, from 1")
TIME_NS_COLUMN: Final = Column(
    "frame.time_ns", ColumnType.INTEGER, "Start, ns since 1970; frame.time_epoch is cut to us"
)
TIME_COLUMN: Final = Column("frame.time_epoch", ColumnType.TIME, "Start of the record, since 1970")

_TYPES: Final[Mapping[FieldType, ColumnType]] = {
    STRING: ColumnType.TEXT,
    ENUMERATION: ColumnType.TEXT,
    UNSIGNED: ColumnType.INTEGER,
    RECORD: ColumnType.INTEGER,
    NUMBER: ColumnType.NUMBER,
    BOOLEAN: ColumnType.BOOLEAN,
    SECONDS: ColumnType.SECONDS,
}


def field_column(field: Field, name: str = "", *, repeats: bool | None = None) -> Column:
    """Returns the column of a field, under its own name or another; ``repeats`` overrides the field's."""
    repeated = field.repeats if repeats is None else repeats
    return Column(name or field.name, _TYPES[field.type], field.description, repeated, field.bits)


def field_columns(*names: str, side: str = "", repeats: bool | None = None) -> tuple[Column, ...]:
    """Returns the columns of fields, given by name; with ``side="request"``, ``vtc.value`` becomes
    ``request.value``."""
    return tuple(field_column(FIELDS[name], side_name(side, name) if side else "", repeats=repeats) for name in names)


def side_name(side: str, field: str) -> str:
    """Returns the column name of one side's field."""
    return side + field.removeprefix("vtc")


def selected(columns: Sequence[Column], names: Sequence[str]) -> tuple[Column, ...]:
    """Returns the columns of those names, in their order. Raises KeyError with the first unknown name."""
    by_name = {column.name: column for column in columns}
    return tuple(by_name[name] for name in names)
