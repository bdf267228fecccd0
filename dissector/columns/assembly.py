"""Assembles the Arrow table of a batch: columns by arrays and forms.

A column has one of two sources. What counts, measures or repeats octets is computed for all rows at once
(:func:`_placed`, :func:`_said`). Everything else is the same in all rows of a form: the cells of one of them, decoded
the exact way.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy
import pyarrow

from vtctap.dissector.columns.content import Content, Forms
from vtctap.dissector.columns.data_sets import ACKNOWLEDGED
from vtctap.dissector.columns.forms import present
from vtctap.dissector.columns.octets import Integers, hexadecimal, lists
from vtctap.dissector.columns.places import Places
from vtctap.dissector.dissect import Dissection, Dissector, Frame
from vtctap.dissector.framing.framed import message_of
from vtctap.dissector.pairing import Place
from vtctap.dissector.tables.arrow import PER_UNIT_NS, array, record_batch, schema_of
from vtctap.dissector.tables.model import TIME_COLUMN, TIME_NS_COLUMN, Cells, Column
from vtctap.pcap.batch import Batch
from vtctap.pcap.record import Kind

__all__ = ["Assembly", "parts"]

_MAX_PIECES: Final = 64
"""Most pieces that a table is put together of; where it has more, its rows are taken one by one."""
_NS: Final = 1e9
_UNIT: Final = "us"
"""The unit of timestamps."""


class Assembly:
    """Assembles tables with these columns; ``complete`` adds the cells to a row that all rows of the trace share."""

    def __init__(self, columns: Sequence[Column], complete: Callable[[Cells], object], dissector: Dissector) -> None:
        self._columns = columns
        self._complete = complete
        self._dissector = dissector
        self._schema = schema_of(columns, _UNIT)
        self._nulls: dict[str, Any] = {}

    def exact(self, dissections: Iterable[Dissection]) -> Any:
        """Returns the table of dissections."""
        rows = [self._cells(dissection) for dissection in dissections]
        return pyarrow.Table.from_batches([record_batch(rows, self._columns, self._schema, _UNIT)])

    def table(self, batch: Batch, content: Content, places: Places, exact: Mapping[int, Dissection]) -> Any:
        """Returns the table of a batch; the rows of ``exact`` stay as they are dissected."""
        forms = content.forms(places)
        cells = [self._example(row, batch, content, places) for row in forms.codes.examples().tolist()]
        placed, said, there = _placed(batch, content, places), _said(content), present(cells)
        chosen = pyarrow.array(forms.codes.codes.astype(numpy.int32))
        arrays = []
        for column, field in zip(self._columns, self._schema, strict=True):
            if column.name in placed:
                arrays.append(placed[column.name]())
            elif column.name in said:
                arrays.append(self._mixed(column, field.type, said[column.name](), cells, forms))
            elif column.name in there:
                arrays.append(_shared(column, field.type, cells, chosen))
            else:
                arrays.append(self._none(field.type, len(batch)))
        table = pyarrow.table(arrays, schema=self._schema)
        if not exact:
            return table
        return _interleaved(table, sorted(exact), self.exact(exact[row] for row in sorted(exact)))

    def _cells(self, dissection: Dissection) -> Cells:
        cells = dissection.as_json()
        self._complete(cells)
        return cells

    def _example(self, row: int, batch: Batch, content: Content, places: Places) -> Cells:
        """Returns the cells of a row as if it stood alone, after the request that named its registers."""
        record = batch.record(row)
        if record.kind is not Kind.FRAME:
            return self._cells(Dissection(1, record, 0))
        message, asked = message_of(record), content.asked(row, places)
        meaning = self._dissector.meaning(message, asked)
        return self._cells(Frame(1, record, 0, message, meaning, Place(1, register_asked=asked)))

    def _mixed(self, column: Column, kind: Any, said: Any, cells: Sequence[Cells], forms: Forms) -> Any:
        """Returns a column whose values are computed in plain rows, and those of the rows' forms in others."""
        if forms.plain.all():
            return said
        shared = array(column, kind, [each.get(column.name) for each in cells], _UNIT)
        chosen = numpy.where(forms.plain, numpy.arange(len(said)), len(said) + forms.codes.codes)
        return pyarrow.concat_arrays([said, shared]).take(pyarrow.array(chosen))

    def _none(self, kind: Any, count: int) -> Any:
        """Returns a column of nulls, a part of the longest one so far."""
        nulls = self._nulls.get(str(kind))
        if nulls is None or len(nulls) < count:
            nulls = self._nulls[str(kind)] = pyarrow.nulls(count, kind)
        return nulls.slice(0, count)


def _shared(column: Column, kind: Any, cells: Sequence[Cells], chosen: Any) -> Any:
    """Returns a column whose values are those of the rows' forms; ``chosen`` are the numbers of these."""
    values = [each.get(column.name) for each in cells]
    if not column.repeats and values.count(values[0]) == len(values):
        return pyarrow.repeat(array(column, kind, values[:1], _UNIT)[0], len(chosen))
    return array(column, kind, values, _UNIT).take(chosen)


def _placed(batch: Batch, content: Content, places: Places) -> dict[str, Callable[[], Any]]:
    """Returns the columns that say where a row stands, when it was and what its octets are, by name."""
    return {
        "frame.number": lambda: pyarrow.array(places.number),
        TIME_COLUMN.name: lambda: _timestamps(batch.time),
        TIME_NS_COLUMN.name: lambda: pyarrow.array(batch.time),
        "frame.time_relative": lambda: _decimals(places.since_first_ns),
        "vtc.duration": lambda: pyarrow.array(batch.duration / _NS),
        "vtc.uncertainty": lambda: _seconds(batch.uncertainty),
        "vtc.gap": lambda: _seconds(places.gap_ns),
        "vtc.session": lambda: _numbers(places.session),
        "vtc.request_in": lambda: _numbers(places.request_in),
        "vtc.response_time": lambda: _seconds(places.response_time_ns),
        "vtc.repeat_of": lambda: _numbers(places.repeat_of),
        "vtc.status.token_in": lambda: _numbers(places.status_token_in),
        "vtc.octets": lambda: hexadecimal(content.octets, content.offsets),
    }


def _said(content: Content) -> dict[str, Callable[[], Any]]:
    """Returns the columns that repeat or check the octets of plain frames, by name."""
    offsets, some, unchecked = content.sets.offsets, content.sets.counts > 0, content.sets.command == ACKNOWLEDGED
    check = content.sets.check.astype(numpy.int64)
    return {
        "vtc.register": lambda: lists(offsets, content.register, some),
        "vtc.value": lambda: lists(offsets, content.value, some),
        "vtc.unit": lambda: lists(offsets, content.unit, some),
        "vtc.value.decoded": lambda: content.readings.column(offsets),
        "vtc.bcc": lambda: pyarrow.array(check, mask=unchecked),
        "vtc.bcc.expected": lambda: pyarrow.array(check, mask=unchecked),
    }


def _timestamps(time: Integers) -> Any:
    return pyarrow.array(time // PER_UNIT_NS[_UNIT]).cast(pyarrow.timestamp(_UNIT, tz="UTC"))


def _decimals(ns: Integers) -> Any:
    """Returns seconds as decimal numbers with nine decimals, which have 128 bits."""
    halves = numpy.empty((len(ns), 2), numpy.int64)
    halves[:, 0], halves[:, 1] = ns, ns >> 63
    return pyarrow.Array.from_buffers(pyarrow.decimal128(20, 9), len(ns), [None, pyarrow.py_buffer(halves)])


def _seconds(ns: Integers) -> Any:
    """Returns seconds; null where the time is negative."""
    return pyarrow.array(ns / _NS, mask=ns < 0)


def _numbers(numbers: Integers) -> Any:
    """Returns numbers; null where they are 0."""
    return pyarrow.array(numbers, mask=numbers == 0)


def _interleaved(regular: Any, rows: Sequence[int], exact: Any) -> Any:
    """Returns a table in which the exact rows have taken the places ``rows`` of the regular table."""
    starts = [at for at, row in enumerate(rows) if not at or rows[at - 1] != row - 1]
    if len(starts) > _MAX_PIECES:
        chosen = numpy.arange(len(regular))
        chosen[list(rows)] = len(regular) + numpy.arange(len(rows))
        return pyarrow.concat_tables([regular, exact]).combine_chunks().take(pyarrow.array(chosen))
    pieces, done = [], 0
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        pieces += [regular.slice(done, rows[start] - done), exact.slice(start, stop - start)]
        done = rows[stop - 1] + 1
    return pyarrow.concat_tables([*pieces, regular.slice(done)])


def parts(table: Any, *keys: Integers) -> Iterator[tuple[int, Any]]:
    """Yields the parts of a table whose rows agree in all keys, each with the number of its first row."""
    if all((key == key[0]).all() for key in keys):
        yield 0, table
        return
    _, firsts, codes = numpy.unique(numpy.stack(keys), axis=1, return_index=True, return_inverse=True)
    for code in numpy.argsort(firsts).tolist():
        yield int(firsts[code]), table.take(pyarrow.array(numpy.flatnonzero(codes.reshape(-1) == code)))
