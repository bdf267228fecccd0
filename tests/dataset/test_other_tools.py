"""Other programs read a set unaided: Polars and pandas by trial, Spark by the rules of its Parquet reader."""

from pathlib import Path
from typing import Any

import pytest

pyarrow = pytest.importorskip("pyarrow")
from pyarrow import parquet  # noqa: E402

from vtctap.dataset.adding import Options, add_or_skip  # noqa: E402

TRACES = sorted((Path(__file__).parents[2] / "examples").glob("*.pcapng"))
TABLES = ("records", "tokens", "findings")
FORBIDDEN = set(" ,;{}()\n\t=")
"""What Spark allows in no name of a Parquet column."""
PHYSICAL = {"BOOLEAN", "INT32", "INT64", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY"}
"""The types that Spark reads; INT96 is of the past."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets") / "set.parquet"
    for trace in TRACES:
        assert add_or_skip((str(trace),), Options(str(folder), findings=True)).state == "added"
    return folder


def rows_of(table: Any) -> list[dict[str, Any]]:
    """The rows with the columns that apply, in the order of traces and numbers."""
    rows = [{name: value for name, value in row.items() if value is not None} for row in table]
    return sorted(rows, key=lambda row: (row["trace.id"], str(row.get("frame.number")), str(sorted(row.items()))))


@pytest.mark.parametrize("table", TABLES)
def test_the_schema_is_one_that_spark_reads(folder: Path, table: str) -> None:
    files = [parquet.ParquetFile(path) for path in folder.glob(f"{table}/**/*.parquet")]
    assert files
    assert len({str(file.schema_arrow) for file in files}) == 1
    schema = files[0].schema
    for at in range(len(schema.names)):
        column = schema.column(at)
        assert column.physical_type in PHYSICAL, column
        if column.logical_type.type == "TIMESTAMP":
            assert "timeUnit=microseconds" in str(column.logical_type)
            assert "isAdjustedToUTC=true" in str(column.logical_type)
        if column.logical_type.type == "INT" and "isSigned=false" in str(column.logical_type):
            assert column.name == "vtc.token.control"  # A decimal, from Spark 3.2 on.
        if column.logical_type.type == "DECIMAL":
            assert "precision=20" in str(column.logical_type)
        assert column.max_repetition_level <= 1, "a list of lists"
    names = files[0].schema_arrow.names
    assert not [name for name in names if set(name) & FORBIDDEN]
    # Spark tells no cases apart, and puts the columns of the partitions beside those of the files.
    assert len({name.lower() for name in names} | {"day", "link"}) == len(names) + 2


def test_folders_are_partitions_or_hidden(folder: Path) -> None:
    """Spark leaves out what begins with a dot or an underscore, and takes NAME=VALUE as a partition."""
    assert {path.name for path in folder.iterdir()} <= {*TABLES, "traces", ".lock"}
    for path in folder.glob("records/**/*.parquet"):
        day, link = path.relative_to(folder / "records").parts[:2]
        assert (day[:4], link[:5]) == ("day=", "link=")
        assert link[5:].isdecimal()


@pytest.mark.parametrize("table", TABLES)
def test_polars_reads_every_value(folder: Path, table: str) -> None:
    polars = pytest.importorskip("polars")
    found = polars.scan_parquet(folder / table / "**" / "*.parquet", hive_partitioning=table == "records").collect()
    files = [parquet.ParquetFile(path) for path in folder.glob(f"{table}/**/*.parquet")]
    wanted = rows_of([row for file in files for row in file.read().to_pylist()])
    seen = rows_of(found.drop("day", "link", strict=False).to_dicts())
    assert wanted
    assert seen == wanted
    if table == "records":
        assert found["day"].dtype == polars.Date
        assert (found["day"] == found["frame.time_epoch"].dt.date()).all()


def test_pandas_reads_every_record(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    found = pandas.read_parquet(folder / "records", dtype_backend="pyarrow")
    files = [parquet.ParquetFile(path).read() for path in folder.glob("records/**/*.parquet")]
    wanted = pyarrow.concat_tables(files)
    assert len(found) == len(wanted)
    assert sorted(found["frame.time_ns"].astype("int64")) == sorted(wanted["frame.time_ns"].to_pylist())
    assert set(found["vtc.token"].dropna()) == set(wanted["vtc.token"].drop_null().to_pylist()) != set()
