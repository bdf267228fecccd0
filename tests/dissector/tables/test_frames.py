"""An exported table is the same in pandas, Polars and DuckDB: every value of every row (``make test-frames``)."""

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vtctap.dissector.dissect import Dissector
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.names import DEFAULT
from vtctap.dissector.tables import TABLES
from vtctap.dissector.tables.model import Cells, Column, ColumnType
from vtctap.dissector.tables.parquet import write_parquet
from vtctap.dissector.tables.text import write_csv, write_json_lines
from vtctap.pcap import open_trace

pytest.importorskip("pyarrow")

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.pcapng"))
Rows = list[dict[str, Any]]


@pytest.fixture(
    scope="module",
    params=[(table, path) for table in TABLES for path in EXAMPLES],
    ids=lambda of: f"{of[0]}-{of[1].stem}",
)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Cells]]:
    """A folder with a table in each format, and its rows."""
    table, trace = request.param
    folder = tmp_path_factory.mktemp("table")
    with open_trace(trace) as records:
        cells = [row.cells for row in TABLES[table].rows(map(Dissector(load(DEFAULT)).dissect, records), load(DEFAULT))]
    for write, suffix in ((write_csv, "csv"), (write_json_lines, "jsonl"), (write_parquet, "parquet")):
        with open(folder / f"{table}.{suffix}", "wb") as file:
            write(cells, TABLES[table].columns, file)
    return folder / table, cells


def pandas_parquet(path: Path) -> Rows:
    import pandas

    frame = pandas.read_parquet(path, dtype_backend="pyarrow")
    for name in frame.columns:
        if str(frame[name].dtype).startswith("timestamp"):
            frame[name] = frame[name].astype("int64[pyarrow]")
    return [dict(row) for row in frame.astype(object).to_dict("records")]


def pandas_csv(path: Path) -> Rows:
    import pandas

    return list(pandas.read_csv(path, dtype=str, keep_default_na=False).to_dict("records"))


def pandas_json(path: Path) -> Rows:
    import pandas

    with open(path) as file:
        return list(pandas.DataFrame(map(json.loads, file), dtype=object).to_dict("records"))


def polars_parquet(path: Path) -> Rows:
    import polars

    frame = polars.read_parquet(path)
    return frame.with_columns(polars.col(polars.Datetime("ns", "UTC")).to_physical()).to_dicts()


def polars_csv(path: Path) -> Rows:
    import polars

    return polars.read_csv(path, infer_schema=False).to_dicts()


def polars_json(path: Path) -> Rows:
    import polars

    return polars.read_ndjson(path, infer_schema_length=None).to_dicts() if path.stat().st_size else []


def from_duckdb(query: str) -> Rows:
    import duckdb

    with duckdb.connect() as connection:
        found = connection.execute(query)
        names = [str(column[0]) for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def duckdb_parquet(path: Path) -> Rows:
    times = [f'"{column.name}"' for column in TABLES[path.stem].columns if column.type is ColumnType.TIME]
    return from_duckdb(f"select * replace ({', '.join(f'epoch_ns({name}) as {name}' for name in times)}) from '{path}'")


def duckdb_csv(path: Path) -> Rows:
    return from_duckdb(f"from read_csv('{path}', all_varchar = true)")


def duckdb_json(path: Path) -> Rows:
    return from_duckdb(f"from read_json('{path}', sample_size = -1)") if path.stat().st_size else []


def plain(column: Column, value: Any) -> Any:
    """Returns a value as rows hold it, None for an empty cell."""
    value = value.tolist() if hasattr(value, "tolist") else value  # numpy's
    if isinstance(value, list):
        return [plain(column, item) for item in value]
    if value is None or str(value) in ("nan", "<NA>"):
        return None
    if isinstance(value, Decimal):
        return f"{value:.9f}"
    if column.type is ColumnType.TIME and isinstance(value, int):
        return f"{value // 10**9}.{value % 10**9:09d}"
    assert not isinstance(value, datetime)
    return value


def of_text(column: Column, text: str | None) -> Any:
    """Returns the value of a CSV cell by docs/export.md."""
    if not text:
        return None
    if column.repeats or column.type in (ColumnType.INTEGER, ColumnType.BOOLEAN):
        return json.loads(text)
    if column.type in (ColumnType.NUMBER, ColumnType.SECONDS):
        return float(text)
    return text.removeprefix("'") if column.type is ColumnType.TEXT else text


@pytest.mark.parametrize(
    ("library", "read"),
    [
        ("pandas", pandas_parquet), ("pandas", pandas_csv), ("pandas", pandas_json),
        ("polars", polars_parquet), ("polars", polars_csv), ("polars", polars_json),
        ("duckdb", duckdb_parquet), ("duckdb", duckdb_csv), ("duckdb", duckdb_json),
    ],
)  # fmt: skip
def test_every_value_is_the_same(written: tuple[Path, list[Cells]], library: str, read: Callable[[Path], Rows]) -> None:
    pytest.importorskip(library)
    stem, cells = written
    columns = {column.name: column for column in TABLES[stem.name].columns}
    form = {"parquet": ".parquet", "csv": ".csv", "json": ".jsonl"}[read.__name__.partition("_")[2]]
    value = of_text if form == ".csv" else plain
    rows = [
        {name: said for name, cell in row.items() if (said := value(columns[name], cell)) is not None}
        for row in read(stem.with_suffix(form))
    ]
    if form == ".csv":  # CSV does not distinguish empty text from no value.
        cells = [{name: item for name, item in row.items() if item != ""} for row in cells]
    assert rows == cells
