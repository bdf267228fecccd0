"""The table of findings: one row per finding of the check."""

from collections.abc import Iterable, Iterator
from typing import Final

from vtctap.base.surrogates import encodable
from vtctap.dissector.analysis.check import check
from vtctap.dissector.analysis.findings import SEVERITIES, Finding
from vtctap.dissector.dissect import Dissection
from vtctap.dissector.fields import Value, epoch
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.tables.model import NUMBER_COLUMN, TIME_COLUMN, Cells, Column, ColumnType, OutputTable, Row


def _rows(dissections: Iterable[Dissection], profile: Profile) -> Iterator[Row]:
    for finding in check(dissections, profile):
        yield Row(finding.frames, finding_cells(finding))


def finding_cells(finding: Finding) -> Cells:
    """Returns the row of a finding."""
    cells: dict[str, Value] = {**finding.as_json(), "message": encodable(finding.message)}
    if finding.frames:
        cells["frame.number"] = min(finding.frames)
    if finding.time_ns is not None:
        cells["frame.time_epoch"] = epoch(finding.time_ns)
    return cells


FINDINGS: Final = OutputTable(
    "findings",
    "What `vtctap check` finds",
    (
        NUMBER_COLUMN,
        TIME_COLUMN,
        Column("code", ColumnType.TEXT, "Code of the finding"),
        Column("severity", ColumnType.TEXT, f"One of {', '.join(SEVERITIES)}"),
        Column("message", ColumnType.TEXT, "The finding, in a sentence"),
        Column("frames", ColumnType.INTEGER, "Numbers of the records that show it", repeats=True),
        Column("source", ColumnType.TEXT, "What the finding rests on"),
    ),
    _rows,
)
