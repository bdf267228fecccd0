"""The table of tokens: one row per written token, with its outcome."""

from collections.abc import Iterable, Iterator
from typing import Final

from vtctap.dissector.analysis.flows import OUTCOMES, TokenFlow, token_flows
from vtctap.dissector.catalogue import CATALOGUE
from vtctap.dissector.dissect import Dissection
from vtctap.dissector.fields import Value, epoch
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.tables.model import (
    NUMBER_COLUMN,
    TIME_COLUMN,
    Cells,
    Column,
    ColumnType,
    OutputTable,
    Row,
    field_columns,
)

_TOKEN: Final = tuple(
    field.name for field in CATALOGUE if not field.later and (field.name + ".").startswith("vtc.token.")
)
_STATUS: Final = ("vtc.status.token", "vtc.status.token.name", "vtc.status.token.meaning")


def _rows(dissections: Iterable[Dissection], profile: Profile) -> Iterator[Row]:
    for flow in token_flows(dissections, profile):
        polls = [frame.number for poll in flow.polls for frame in poll.frames]
        yield Row([frame.number for frame in flow.write.frames] + polls, token_cells(flow))


def token_cells(flow: TokenFlow) -> Cells:
    """Returns the row of a token."""
    request = flow.request
    said = request.fields()
    cells: dict[str, Value | None] = {
        "frame.number": request.number,
        "frame.time_epoch": epoch(request.record.time),
        "vtc.session": flow.session,
        "vtc.link": flow.link,
        **{name: said.get(name) for name in _TOKEN},
        "vtc.token": flow.token,
        "outcome": flow.outcome,
        **dict(zip(_STATUS, (flow.status, flow.status_name, flow.status_meaning), strict=True)),
        "polls": len(flow.polls),
        "duration": flow.duration,
        "recognised": flow.recognised or None,
    }
    return {name: value for name, value in cells.items() if value is not None}


TOKENS: Final = OutputTable(
    "tokens",
    "Each token that was written, with what became of it",
    (
        NUMBER_COLUMN,
        TIME_COLUMN,
        *field_columns("vtc.session", "vtc.link", *_TOKEN),
        Column("outcome", ColumnType.TEXT, f"What became of the token: {', '.join(OUTCOMES)}"),
        *field_columns(*_STATUS),
        Column("polls", ColumnType.INTEGER, "Readings of the token status"),
        Column("duration", ColumnType.SECONDS, "From the end of the write to the verdict"),
        Column("recognised", ColumnType.BOOLEAN, "The written record itself says that it is a token"),
    ),
    _rows,
)
