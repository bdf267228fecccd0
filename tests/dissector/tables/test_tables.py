"""Tables: their columns hold the values of their rows, and written tables are read back with the same values."""

import csv
import io
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector.catalogue import CATALOGUE
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.names import DEFAULT
from vtctap.dissector.tables import TABLES
from vtctap.dissector.tables.model import Cells, Column, ColumnType, OutputTable
from vtctap.dissector.tables.parquet import write_parquet
from vtctap.dissector.tables.text import write_csv, write_json_lines
from vtctap.pcap import Kind, Line, Record, Sender, open_trace

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.pcapng"))
PYTHON = {
    ColumnType.TEXT: str,
    ColumnType.INTEGER: int,
    ColumnType.NUMBER: (int, float),
    ColumnType.BOOLEAN: bool,
    ColumnType.SECONDS: float,
    ColumnType.SPAN: str,
    ColumnType.TIME: str,
}
FORMULAS = ("=", "+", "-", "@", "\t", "\r")
SAID = (
    b"/?0012!\r\n", b"/ISK5\\2MT174\r\n", b"/ISK5\r\n", b"\x06051\r\n", b"\x06", b"\x15", bytes(9),
    b"\x01R1\x02FFFE()\x03d", b"\x01W1\x02FFFF(00000000000150997584)\x03\x11", b"\x01B0\x03q",
    b"\x01E2\x020040(1)\x03\x15", b"\x02FFFE(10)\x03\x04", b"\x02(12)\x03\x04", b"\x02(ER01)\x03\x05",
    b"\x02a(b*c)(d)\r\ne(f*g*h)\r\n!\r\n\x03x", b"\x02=1+1(=2*@x)\x03\x04", b"\x01R1\x02\xe9()\x03\x00",
    b"/ISK5X\r\n\r\n1.8(1*k)\r\n!12aF\r\n",
)  # fmt: skip


def dissected(records: Sequence[Record]) -> list[Any]:
    dissector = Dissector(load(DEFAULT))
    return [dissector.dissect(record) for record in records]


def hostile() -> list[Record]:
    """A trace of messages in random order, some of them damaged."""
    chance, records, time = random.Random(14), [], 1_767_225_600_123_456_789
    for number in range(600):
        octets = bytearray(chance.choice(SAID))
        if chance.random() < 0.2:
            octets[chance.randrange(len(octets))] = chance.choice(b"\x00\x80\xff()*=+-@\r\n\x01\x02\x03!/?\t")
        kind = chance.choices([Kind.FRAME, Kind.NOISE, Kind.EVENT], [20, 1, 1])[0]
        records.append(
            Record(
                time,
                bytes(octets) if kind is not Kind.EVENT else b"",
                kind,
                chance.choice(list(Sender)),
                link=number % 7 // 6,
                line=chance.choice([None, Line(7, "E", 1)]),
                flags=chance.choice([0, 0, 0, 1, 2, 4, 16, 64]),
                duration=chance.randrange(10**9),
                uncertainty=chance.choice([None, 1_234_567]),
                parity_errors=chance.choice([(), (0,)]),
                pauses_us=chance.choice([(), ((0, 250_001),)]),
                event="mark note==HYPERLINK(1)" if kind is Kind.EVENT else "",
            )
        )
        time += chance.randrange(3 * 10**9)
    return records


def example(path: Path) -> list[Record]:
    with open_trace(path) as trace:
        return list(trace)


TRACES = {path.stem: example(path) for path in EXAMPLES} | {"hostile": hostile()}


def cells_of(table: OutputTable, trace: str) -> list[Cells]:
    return [row.cells for row in table.rows(dissected(TRACES[trace]), load(DEFAULT))]


each = pytest.mark.parametrize(("table", "trace"), [(table, trace) for table in TABLES for trace in TRACES])


@each
def test_rows_hold_what_the_columns_say(table: str, trace: str) -> None:
    columns = {column.name: column for column in TABLES[table].columns}
    assert len(columns) == len(TABLES[table].columns)
    for row in TABLES[table].rows(dissected(TRACES[trace]), load(DEFAULT)):
        assert row.records
        assert all(1 <= number <= len(TRACES[trace]) for number in row.records)
        for name, value in row.cells.items():
            column = columns[name]
            assert isinstance(value, list) is column.repeats
            for item in value if isinstance(value, list) else [value]:
                assert isinstance(item, PYTHON[column.type])  # type: ignore[arg-type]
                assert column.type is ColumnType.BOOLEAN or not isinstance(item, bool)


def test_a_record_has_the_fields_of_the_catalogue() -> None:
    names = [column.name for column in TABLES["records"].columns]
    assert names[3:-1] == [field.name for field in CATALOGUE if not field.later]
    rows = cells_of(TABLES["records"], "session")
    assert rows == [dissection.as_json() for dissection in dissected(TRACES["session"])]


def test_there_are_rows() -> None:
    """The session's listing shows 8 tokens and 46 requests; the damage in faults is listed beside it."""
    assert {table: len(cells_of(TABLES[table], "session")) for table in ("tokens", "exchanges")} == {
        "tokens": 8,
        "exchanges": 46,
    }
    listed = json.loads((EXAMPLES[0].parent / "faults.pcapng.faults.json").read_text())
    found = {(cells["code"], frame) for cells in cells_of(TABLES["findings"], "faults") for frame in cells["frames"]}  # type: ignore[union-attr]
    assert {(fault["code"], fault["frame"]) for fault in listed} <= found


def test_registers() -> None:
    records = [
        Record(10**18, b"\x01R1\x02FFFE()\x03`", sender=Sender.CLIENT),
        Record(10**18 + 10**8, b"\x02(16)\x03\x04", sender=Sender.SERVER),
        Record(10**18 + 2 * 10**8, b"\x01W1\x02FFFF(77)\x03\x11", sender=Sender.CLIENT),
        Record(10**18 + 3 * 10**8, b"\x06", sender=Sender.SERVER),
    ]
    rows = [row.cells for row in TABLES["registers"].rows(dissected(records), load(DEFAULT))]
    assert [
        (row["access"], row.get("vtc.register"), row.get("vtc.register.asked"), row["vtc.value"]) for row in rows
    ] == [
        ("read", None, "FFFE", "16"),
        ("written", "FFFF", None, "77"),
    ]


# Written and read back.


def as_cell(column: Column, text: str) -> Any:
    """Returns the value of a CSV cell by docs/export.md."""
    if column.repeats:
        return json.loads(text)
    if column.type in (ColumnType.INTEGER, ColumnType.BOOLEAN):
        return json.loads(text)
    if column.type in (ColumnType.NUMBER, ColumnType.SECONDS):
        return float(text)
    return text.removeprefix("'") if column.type is ColumnType.TEXT else text


@each
def test_csv_is_read_back(table: str, trace: str) -> None:
    columns, cells = TABLES[table].columns, cells_of(TABLES[table], trace)
    file = io.BytesIO()
    write_csv(cells, columns, file)
    header, *lines = csv.reader(io.StringIO(file.getvalue().decode(), newline=""))
    assert header == [column.name for column in columns]
    read = [
        {column.name: as_cell(column, text) for column, text in zip(columns, line, strict=True) if text}
        for line in lines
    ]
    # CSV does not distinguish empty text from no value.
    assert read == [{name: value for name, value in row.items() if value != ""} for row in cells]
    numbers = {at for at, column in enumerate(columns) if column.type is ColumnType.SPAN}  # One may be negative.
    assert not [
        cell for line in lines for at, cell in enumerate(line) if cell.startswith(FORMULAS) and at not in numbers
    ]


@each
def test_json_lines_are_read_back(table: str, trace: str) -> None:
    columns, cells = TABLES[table].columns, cells_of(TABLES[table], trace)
    file = io.BytesIO()
    write_json_lines(cells, columns, file)
    assert [json.loads(line) for line in file.getvalue().decode("ascii").splitlines()] == cells


@each
def test_parquet_is_read_back(table: str, trace: str) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    columns, cells = TABLES[table].columns, cells_of(TABLES[table], trace)
    file = io.BytesIO()
    write_parquet(cells, columns, file)
    found = parquet.read_table(io.BytesIO(file.getvalue()))
    assert [field.metadata[b"description"].decode() for field in found.schema] == [each.description for each in columns]
    read: list[dict[str, Any]] = [{} for _ in range(found.num_rows)]
    for column in columns:
        values = found[column.name]
        items = values.cast("int64").to_pylist() if column.type is ColumnType.TIME else values.to_pylist()
        for row, value in zip(read, items, strict=True):
            if value is None:
                continue
            if column.type is ColumnType.TIME:
                value = f"{value // 10**9}.{value % 10**9:09d}"
            row[column.name] = f"{value:.9f}" if column.type is ColumnType.SPAN else value
    assert read == cells


TEXT = Column("t", ColumnType.TEXT, "")
ANY = st.text(st.characters(codec="utf-8"), min_size=1) | st.text("=+-@\t\r\n'\",;", min_size=1)


@given(st.lists(ANY))
def test_no_text_is_a_formula_and_none_is_lost(texts: list[str]) -> None:
    file = io.BytesIO()
    write_csv([{"t": text} for text in texts], [TEXT], file)
    _, *lines = csv.reader(io.StringIO(file.getvalue().decode(), newline=""))
    assert not [text for (text,) in lines if text.startswith(FORMULAS)]
    assert [text.removeprefix("'") for (text,) in lines] == texts


def test_an_empty_table_has_its_columns() -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    for write, there in ((write_csv, b'"t"\n'), (write_json_lines, b"")):
        file = io.BytesIO()
        write([], [TEXT], file)
        assert file.getvalue() == there
    file = io.BytesIO()
    write_parquet([], [TEXT], file)
    assert parquet.read_table(io.BytesIO(file.getvalue())).column_names == ["t"]


def test_a_time_that_no_calendar_has_is_null_in_parquet(tmp_path: Path) -> None:
    """A damaged timestamp in units of a second may be 2**40 of them."""
    pyarrow = pytest.importorskip("pyarrow.parquet")
    table = TABLES["records"]
    far = [Record(time, b"\x06", sender=Sender.SERVER) for time in (0, (1 << 40) * 10**9, 10**9)]
    cells = [row.cells for row in table.rows(map(Dissector(load(DEFAULT)).dissect, far), load(DEFAULT))]
    with open(tmp_path / "t.parquet", "wb") as file:
        assert write_parquet(cells, table.columns, file) == 3
    times = pyarrow.read_table(tmp_path / "t.parquet")["frame.time_relative"].to_pylist()
    assert [None if time is None else str(time) for time in times] == ["0E-9", None, "1.000000000"]
