"""The table of records: one row per record, with the fields and names of ``read --json``."""

from collections.abc import Iterable, Iterator
from typing import Final

from vtctap.dissector.catalogue import CATALOGUE
from vtctap.dissector.dissect import Dissection
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.tables.model import NUMBER_COLUMN, TIME_COLUMN, Column, ColumnType, OutputTable, Row, field_column


def _rows(dissections: Iterable[Dissection], profile: Profile) -> Iterator[Row]:
    for dissection in dissections:
        yield Row((dissection.number,), dissection.as_json())


RECORDS: Final = OutputTable(
    "records",
    "Each frame, noise and event",
    (
        NUMBER_COLUMN,
        TIME_COLUMN,
        Column("frame.time_relative", ColumnType.SPAN, "Since the start of the trace's first record"),
        *(field_column(field) for field in CATALOGUE if not field.later),
        Column("vtc.octets", ColumnType.TEXT, "The record's octets, hexadecimal"),
    ),
    _rows,
)
