"""Writes rows as text: CSV for spreadsheets, JSON Lines for everything else. Both are lossless; docs/export.md says how
to read them back.

The CSV has a header, then one line per row. Text is in quotation marks, numbers are not, and what does not apply is
empty. A list is a JSON array. A spreadsheet would run a cell that begins with one of :data:`FORMULA` as a formula, and
some remove a leading apostrophe: such text gets an apostrophe in front, which a reader removes again.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import IO, Final

from vtctap.dissector.fields import Value
from vtctap.dissector.tables.model import Cells, Column, ColumnType

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""The characters that make a spreadsheet run a cell as a formula, and those that it skips in front of them."""
_MARKED: Final = (*FORMULA, "'")
_BATCH: Final = 500
"""Rows written at a time."""


def write_json_lines(cells: Iterable[Cells], columns: Sequence[Column], file: IO[bytes]) -> int:
    """Writes one object per row, in ASCII, and returns the number of rows; rows only have cells of these columns."""
    return _write(map(json.JSONEncoder(check_circular=False).encode, cells), file)


def write_csv(cells: Iterable[Cells], columns: Sequence[Column], file: IO[bytes]) -> int:
    """Writes a header and one line per row, in UTF-8, and returns the number of rows."""
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
    """Returns the function that formats a column's values."""
    if column.repeats:
        return lambda value: _quoted(json.dumps(value))
    if column.type is ColumnType.TEXT:
        return lambda value: _quoted(harmless(str(value)))
    return json.dumps if column.type is ColumnType.BOOLEAN else str


def harmless(text: str) -> str:
    """Puts an apostrophe in front of text that a spreadsheet might run as a formula."""
    return f"'{text}" if text.startswith(_MARKED) else text


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
