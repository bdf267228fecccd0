"""The table of registers: one row per value that was read or written.

The server's data sets are values that were read; those of a WriteCommand were written.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from vtctap.dissector.analysis.exchanges import exchanges
from vtctap.dissector.dissect import Dissection, Frame
from vtctap.dissector.fields import Value, epoch
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.protocol.rules import MessageName
from vtctap.dissector.tables.model import (
    NUMBER_COLUMN,
    TIME_COLUMN,
    Column,
    ColumnType,
    OutputTable,
    Row,
    field_columns,
)
from vtctap.pcap.record import Sender

_FRAME: Final = ("vtc.session", "vtc.link", "vtc.message", "vtc.bcc.status")
_DATA: Final = ("vtc.register", "vtc.register.asked", "vtc.register.name", "vtc.value", "vtc.unit", "vtc.value.decoded")


def _rows(dissections: Iterable[Dissection], profile: Profile) -> Iterator[Row]:
    for exchange in exchanges(dissections, profile):
        for frame in exchange.frames:
            if frame.record.sender is not Sender.CLIENT or frame.name == MessageName.WriteCommand:
                yield from _data_sets(frame)


def _data_sets(frame: Frame) -> Iterator[Row]:
    said = frame.fields()
    of_frame: dict[str, Value] = {
        "frame.number": frame.number,
        "frame.time_epoch": epoch(frame.record.time),
        **{name: said[name] for name in _FRAME if name in said},
        "access": "written" if frame.record.sender is Sender.CLIENT else "read",
    }
    for at in range(len(frame.message.register)):
        cells = of_frame | {name: item for name in _DATA if (item := _item(said.get(name), at))}
        if frame.damaged:
            cells["damaged"] = True
        yield Row((frame.number,), cells)


def _item(values: Value | None, at: int) -> str:
    return str(values[at]) if isinstance(values, list) else ""


REGISTERS: Final = OutputTable(
    "registers",
    "Each value of a register that was read or written",
    (
        NUMBER_COLUMN,
        TIME_COLUMN,
        *field_columns(*_FRAME),
        Column("access", ColumnType.TEXT, "read or written"),
        *field_columns(*_DATA, repeats=False),
        Column("damaged", ColumnType.BOOLEAN, "Octets of the frame are wrong or missing"),
    ),
    _rows,
)
