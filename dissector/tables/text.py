"""Rows as text: CSV for spreadsheets, JSON Lines for everything else. Both lose nothing; docs/export.md says how to
read them back.

CSV here: a header, then a line a row. Text stands in quotation marks, numbers do not, and what does not apply is empty.
A list is a JSON array. A spreadsheet would run a cell that begins with one of :data:`FORMULA` as a formula, and some
take away an apostrophe at the beginning: such text gets an apostrophe in front, which a reader takes away again.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import IO, Final

from vtctap.dissector.dissect import Value
from vtctap.dissector.tables.model import Cells, Column, ColumnType

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet takes for the beginning of a formula, or passes over before one."""
_MARKED: Final = (*FORMULA, "'")
_BATCH: Final = 500
"""Rows that are written at a time."""


def write_json_lines(cells: Iterable[Cells], columns: Sequence[Column], file: IO[bytes]) -> int:
    """Writes an object a row, in ASCII, and gives the number of rows; these hold cells of the columns alone."""
    return _write(map(json.JSONEncoder(check_circular=False).encode, cells), file)


def write_csv(cells: Iterable[Cells], columns: Sequence[Column], file: IO[bytes]) -> int:
    """Writes a header and a line a row, in UTF-8, and gives the number of rows."""
    places = {column.name: (at, _shower(column)) for at, column in enumerate(columns)}
    blank = [""] * len(columns)

    def line(row: Cells) -> str:
        shown = blank.copy()
        for name, value in row.items():
            at, show = places[name]
            shown[at] = show(value)
        return ",".join(shown)

    _write([",".join(_quoted(column.name) for column in columns)], file)
    return _write(map(line, cells), file)


def _write(lines: Iterable[str], file: IO[bytes]) -> int:
    each, count = iter(lines), 0
    while batch := list(islice(each, _BATCH)):
        file.write(("\n".join(batch) + "\n").encode(errors="surrogateescape"))
        count += len(batch)
    return count


def _shower(column: Column) -> Callable[[Value], str]:
    """What makes a value of the column a cell."""
    if column.repeats:
        return lambda value: _quoted(json.dumps(value))
    if column.type is ColumnType.TEXT:
        return lambda value: _quoted(harmless(str(value)))
    return json.dumps if column.type is ColumnType.BOOLEAN else str


def harmless(text: str) -> str:
    """Text that no spreadsheet runs as a formula: with an apostrophe in front where it might."""
    return f"'{text}" if text.startswith(_MARKED) else text


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
