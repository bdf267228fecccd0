"""Queries a set in SQL, with DuckDB inside this process (the extra ``query``).

The views of records, tokens and findings show the set's files; those of exchanges and sessions are in
``questions/views.sql``. Columns have the names that fields have in Python. Only files of traces that have an entry are
read. Where an export replaces a trace meanwhile, the set is opened again.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from vtctap.base.extras import extra
from vtctap.base.nouns import count
from vtctap.dataset.entries import Entry, entries, entry_of
from vtctap.dataset.questions import views
from vtctap.dataset.writing import columns
from vtctap.dissector.catalogue import FIELDS
from vtctap.dissector.tables.model import Column, ColumnType
from vtctap.errors import CommandError

__all__ = ["FORMS", "QueryResult", "Set"]

_FINDINGS: Final = "findings"
_TABLES: Final = ("records", "tokens", _FINDINGS)
FORMS: Final = {"csv": "format csv, header", "jsonl": "format json", "parquet": "format parquet, compression zstd"}
"""The formats that an answer is written in, as DuckDB's options."""
_Result = TypeVar("_Result")


class QueryResult:
    """The rows of an answer: the names of its columns, and an iterator over its rows, which raises CommandError.

    ``errors`` raises it for an error of DuckDB.
    """

    def __init__(self, result: Any, errors: Callable[[], AbstractContextManager[None]]) -> None:
        self._result = result
        self._errors = errors
        self.columns: list[str] = [column[0] for column in result.description or ()]

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while rows := self._fetched():
            yield from rows

    def _fetched(self) -> list[tuple[Any, ...]]:
        with self._errors():
            return list(self._result.fetchmany(1000))


class Set:
    """A set that is open for questions. Raises CommandError where the folder is no set or a file of it cannot be read,
    and MissingExtra."""

    def __init__(self, folder: Path) -> None:
        with extra("query", "'vtctap query'"):
            import duckdb

        self._folder = folder
        self._found = _entries(folder)
        if not self._found:
            name = folder if folder.suffix == ".parquet" and not folder.is_file() else "SET.parquet"
            raise CommandError(f"{folder} is no set of traces: 'vtctap export TRACE... -o {name}' makes one")
        self._error = duckdb.Error
        self._base = duckdb.connect()
        self._base.execute("set timezone = 'UTC'")
        self._repeated(self._show)

    def since(self, day: date) -> None:
        """Sets the first day for the ready questions that have one."""
        self._base.execute(f"set variable since = date '{day.isoformat()}'")

    def ask(self, sql: str) -> QueryResult:
        """Returns the answer to one SQL statement. Raises CommandError if there is none, or several, or a wrong one."""
        self._check(sql)
        return self._repeated(partial(self._answer, sql))

    def write(self, sql: str, path: Path, form: str) -> int:
        """Writes the answer to a file of one of :data:`FORMS`; returns its number of rows. Raises CommandError."""
        self._check(sql)
        statement = (
            f"copy ({sql.rstrip().removesuffix(';')}\n) to '{_quoted(path)}' ({FORMS[form]}, use_tmp_file false)"
        )
        return int(next(iter(self._answer(statement)))[0])

    def lacks(self, sql: str) -> str:
        """Returns a message if a question asks for findings that were not exported, and an empty text otherwise."""
        every, having = len(self._found), sum(_FINDINGS in entry.files for entry in self._found)
        if having == every or not re.search(rf"\b{_FINDINGS}\b", sql, re.IGNORECASE):
            return ""
        which = f"only {having} of the {count(every, 'trace')}" if having else "no trace"
        verb = "were" if having > 1 else "was"
        return f"{which} of this set {verb} exported with --findings; repeat the export with it"

    def close(self) -> None:
        """Closes the set."""
        self._base.close()

    def _show(self) -> None:
        """Makes the views."""
        with self._errors():
            for table in _TABLES:
                self._base.execute(_view(self._base, self._folder, table, self._found))
            _add_traces(self._base, self._found)
            self._base.execute(views())

    def _answer(self, sql: str) -> QueryResult:
        with self._errors():
            return QueryResult(self._base.execute(sql), self._errors)

    def _repeated(self, do: Callable[[], _Result]) -> _Result:
        """Returns what ``do`` returns; where it fails because traces were replaced, makes the views again and repeats
        it."""
        try:
            return do()
        except CommandError:
            now = _entries(self._folder)
            if now == self._found:
                raise
        self._found = now
        self._repeated(self._show)
        return self._repeated(do)

    def _check(self, sql: str) -> None:
        """Raises CommandError for a question that is not one statement: of several, only the last would be answered."""
        with self._errors():
            statements = len(self._base.extract_statements(sql))
        if not statements:
            raise CommandError('the question is empty: ask in SQL, such as "select * from tokens"')
        if statements > 1:
            raise CommandError(f"the question has {statements} statements: ask one after the other")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raises an error of DuckDB as CommandError."""
        try:
            yield
        except self._error as error:
            raise CommandError(self._repair(error) or self._unknown(error) or _said(error)) from None
        except (OverflowError, UnicodeError, ValueError) as error:  # A value that Python cannot have, such as a year.
            raise CommandError(f"a value of the question or its answer is out of range: {error}") from None

    def _repair(self, error: Exception) -> str:
        """Returns a message for an error about a file of the set: one that it names, or else the first that cannot be
        read. (DuckDB's own class of error stands for damage where DuckDB did not expect it, in no named file.)"""
        said = str(error).partition("\n")[0]
        searched = type(error) is self._error
        for entry in self._found:
            for file in (self._folder / name for names in entry.files.values() for name in names):
                if str(file) in said or (searched and not self._is_readable(file)):
                    if entry_of(self._folder, entry.id) != entry:
                        return f"{entry.trace} was exported again meanwhile: ask again"
                    state = "cannot be read" if file.exists() else "is missing"
                    command = f"vtctap export --force {shlex.quote(entry.trace)} -o {shlex.quote(str(self._folder))}"
                    return f"{file} {state}: '{command}' writes it again (joined traces: all of them, with --join)"
        return ""

    def _is_readable(self, file: Path) -> bool:
        try:
            self._base.execute(f"select sum(hash(records)) from read_parquet('{_quoted(file)}') as records").fetchall()
        except self._error:
            return False
        return True

    def _unknown(self, error: Exception) -> str:
        """Returns a message for an error that names a view which there is not."""
        found = re.match(r'Catalog Error: Table with name "?(.+?)"? does not exist', str(error))
        if not found:
            return ""
        rows = self._base.execute("select table_name from information_schema.tables order by 1").fetchall()
        return f"there is no view {found[1]}; the views of a set are {', '.join(name for (name,) in rows)}"


def _said(error: Exception) -> str:
    """Returns the first line of an error of DuckDB, with its suggestion."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    hints = [line for line in lines[1:] if line.startswith(("Candidate", "Did you mean", "LINE"))]
    return "; ".join([lines[0], *hints])


def _quoted(path: Path) -> str:
    """Returns a path as it stands between quotes in SQL. Raises CommandError for one that is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise CommandError(f"{path} is no name in UTF-8, and DuckDB takes no other: choose another name") from None
    return str(path).replace("'", "''")


def _entries(folder: Path) -> list[Entry]:
    return list(entries(folder).values())


def name_of(column: str) -> str:
    """Returns the name of a column in SQL: that of the field in Python."""
    if column in FIELDS:
        return FIELDS[column].attribute
    return column.removeprefix("frame.").removeprefix("vtc.").replace(".", "_")


_SQL_TYPES: Final = {
    ColumnType.TEXT: "varchar",
    ColumnType.INTEGER: "bigint",
    ColumnType.NUMBER: "double",
    ColumnType.BOOLEAN: "boolean",
    ColumnType.SECONDS: "double",
    ColumnType.SPAN: "decimal(20, 9)",
    ColumnType.TIME: "timestamptz",
}


def _view(base: Any, folder: Path, table: str, found: Sequence[Entry]) -> str:
    """Returns the statement that makes a view of a table of the set. Columns that no file has are null."""
    files = [folder / name for entry in found for name in entry.files.get(table, ())]
    listed = ", ".join(f"'{_quoted(file)}'" for file in files)
    source = (
        f"read_parquet([{listed}], union_by_name = true, hive_partitioning = false)" if files else "(select 1) limit 0"
    )
    there = {row[0] for row in base.execute(f"describe from {source}").fetchall()}
    selected = ", ".join(_selected(column, there) for column in columns(table))
    return f"create or replace view {table} as select {selected} from {source}"


def _selected(column: Column, there: set[str]) -> str:
    kind = _SQL_TYPES[column.type] + ("[]" if column.repeats else "")
    value = f'"{column.name}"' if column.name in there else f"null::{kind}"
    return f'{value} as "{name_of(column.name)}"'


def _add_traces(base: Any, found: Sequence[Entry]) -> None:
    """Adds the table of traces."""
    base.execute(
        "create or replace table traces (trace varchar, trace_id varchar, profile varchar, records bigint, "
        "skipped bigint, octets bigint, begins timestamptz, ends timestamptz, application varchar)"
    )
    statement = "insert into traces values (?, ?, ?, ?, ?, ?, make_timestamptz(?), make_timestamptz(?), ?)"
    rows = [
        (each.trace, each.id, each.profile, each.records, each.skipped, each.size, *_times_us(each), each.application)
        for each in found
    ]
    base.executemany(statement, rows)


def _times_us(entry: Entry) -> list[int | None]:
    """Returns when a trace begins and ends, rounded down as the times of its records are."""
    return [None if time_ns is None else time_ns // 1000 for time_ns in (entry.start_ns, entry.end_ns)]
