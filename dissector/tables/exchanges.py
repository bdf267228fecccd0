"""The table of exchanges: one row per request, with its answer."""

from collections.abc import Iterable, Iterator
from typing import Final

from vtctap.dissector.analysis.exchanges import exchanges
from vtctap.dissector.dissect import Dissection, Frame
from vtctap.dissector.fields import Value, epoch
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.tables.model import Cells, Column, ColumnType, OutputTable, Row, field_columns, side_name

_DATA: Final = ("vtc.register", "vtc.register.name", "vtc.value", "vtc.unit", "vtc.value.decoded")
_REQUEST: Final = ("vtc.message", "vtc.cmd", "vtc.address", *_DATA, "vtc.token", "vtc.bcc.status")
_RESPONSE: Final = (
    "vtc.message",
    *_DATA,
    *("vtc.error.code", "vtc.text", "vtc.id.manufacturer", "vtc.id.speed", "vtc.id.text"),
    *("vtc.status.token", "vtc.status.token.name", "vtc.status.token.outcome", "vtc.bcc.status"),
)
"""The fields of a request, and of the first frame that answers it, that have a column."""


def _side_columns(side: str, fields: tuple[str, ...]) -> tuple[Column, ...]:
    return (
        Column(f"{side}.number", ColumnType.INTEGER, f"Record number of the {side}"),
        Column(f"{side}.time", ColumnType.TIME, f"Start of the {side}, since 1970"),
        *field_columns(*fields, side=side),
    )


def _side(side: str, frame: Frame | None, fields: tuple[str, ...]) -> Cells:
    if frame is None:
        return {}
    cells: dict[str, Value] = {f"{side}.number": frame.number, f"{side}.time": epoch(frame.record.time)}
    values = frame.fields()
    return cells | {side_name(side, name): values[name] for name in fields if name in values}


def _rows(dissections: Iterable[Dissection], profile: Profile) -> Iterator[Row]:
    for exchange in exchanges(dissections, profile):
        cells: dict[str, Value] = {
            "vtc.session": exchange.session,
            "vtc.link": exchange.link,
            **_side("request", exchange.request, _REQUEST),
            **_side("response", next(iter(exchange.responses), None), _RESPONSE),
            "responses": len(exchange.responses),
        }
        if exchange.response_time is not None:
            cells["vtc.response_time"] = exchange.response_time
        if exchange.repeat_of is not None:
            cells["vtc.repeat_of"] = exchange.repeat_of
        if any(frame.damaged for frame in exchange.frames):
            cells["damaged"] = True
        yield Row([frame.number for frame in exchange.frames], cells)


EXCHANGES: Final = OutputTable(
    "exchanges",
    "Each request, with the first frame that the server sent after it; without a request, what it sent unasked",
    (
        *field_columns("vtc.session", "vtc.link"),
        *_side_columns("request", _REQUEST),
        *_side_columns("response", _RESPONSE),
        Column("responses", ColumnType.INTEGER, "Frames that the server sent before the client spoke again"),
        *field_columns("vtc.response_time", "vtc.repeat_of"),
        Column("damaged", ColumnType.BOOLEAN, "Octets of one of the frames are wrong or missing"),
    ),
    _rows,
)
