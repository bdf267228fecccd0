"""Asks a set of traces in SQL ('vtctap export -o DIR.parquet' makes one).

The views are records, exchanges, sessions, tokens, findings and traces; 'vtctap help query' lists their columns.

vtctap query DIR "select * from tokens"       ask in DuckDB's SQL
vtctap query DIR --file QUESTION.sql          ask what a file asks
vtctap query DIR --ask NAME                   ask a question that is ready:
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import chain, islice
from itertools import count as count_from
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vtctap.base.nouns import count
from vtctap.command_line.arguments import STANDARD
from vtctap.command_line.messages import warn
from vtctap.command_line.outputs import output_errors, private, whole_path
from vtctap.errors import DONE, CommandError

if TYPE_CHECKING:
    from vtctap.dataset.querying import QueryResult, Set

_MEASURED: Final = 200
"""Rows that the widths of columns are taken from."""
_WIDEST: Final = 60
_FORMS: Final = ("csv", "jsonl", "parquet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    from vtctap.dataset.questions import questions

    ready = questions()
    lines = (f"  {name:20}{asks}" for name, asks in ready.items())
    parser.description = f"{__doc__.rstrip()}\n\n" + "\n".join(lines)
    parser.add_argument("folder", metavar="DIR", help="the folder of the set")
    parser.add_argument("sql", nargs="?", metavar="SQL", help="the question")
    parser.add_argument("--file", metavar="FILE", help="a file with the question; - is standard input")
    parser.add_argument("--ask", choices=ready, metavar="NAME", help=f"a ready question: {', '.join(ready)}")
    parser.add_argument("--since", type=_day, metavar="DAY", help="for --ask: the day it looks from, as in 2026-01-31")
    parser.add_argument("--json", action="store_true", help="print one JSON object per row and line")
    parser.add_argument("-o", dest="output", metavar="OUT", help="write the answer to a .csv, .jsonl or .parquet file")
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")
    parser.add_argument("-q", dest="quiet", action="store_true", help="print no summary at the end")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2026-01-31") from None


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dataset.querying import Set

    sql = _question(arguments)
    form = _form(arguments.output) if arguments.output else ""
    traces = Set(Path(arguments.folder))
    if arguments.since:
        traces.since(arguments.since)
    if lacks := traces.lacks(sql):
        warn(lacks)
    if form:
        rows = _write(traces, sql, arguments, form)
        if not arguments.quiet:
            warn(f"{count(rows, 'row')} in {arguments.output}")
        return DONE
    answer = traces.ask(sql)
    for line in (_objects if arguments.json else _lines)(answer):
        print(line)
    return DONE


def _question(arguments: argparse.Namespace) -> str:
    """Returns the SQL to ask. Raises CommandError and OSError."""
    given = [each for each in (arguments.sql, arguments.file, arguments.ask) if each is not None]
    if len(given) != 1:
        raise CommandError("ask one question: SQL, --file FILE or --ask NAME")
    if arguments.since and not arguments.ask:
        raise CommandError("--since is for --ask")
    if arguments.ask:
        from vtctap.dataset.questions import question

        return question(arguments.ask)
    try:
        sql = _read(arguments.file) if arguments.file is not None else str(arguments.sql)
        sql.encode()
    except UnicodeError:
        name = "standard input" if arguments.file == "-" else arguments.file or "the question"
        raise CommandError(f"{name} is no text in UTF-8: write it in that encoding") from None
    return sql


def _read(name: str) -> str:
    """Returns the text of a file; - is standard input. Raises OSError and UnicodeError."""
    return sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")


def _form(output: str) -> str:
    if output == STANDARD:
        raise CommandError("-o - names no file: leave -o out to print the answer, with --json as one object per row")
    form = os.path.splitext(output)[1].lower().removeprefix(".")
    if form not in _FORMS:
        raise CommandError(f"{output}: its format is not known: choose a suffix of {', '.join(_FORMS)}")
    return form


def _write(traces: "Set", sql: str, arguments: argparse.Namespace, form: str) -> int:
    """Writes the answer to a file that appears when it is complete; returns its number of rows."""
    from vtctap.pcap.streams import is_stream

    with whole_path(arguments.output, force=arguments.force) as path:
        if not is_stream(path):  # Who reads a fifo would see it end.
            with output_errors(arguments.output):
                open(path, "wb", opener=private).close()
        return traces.write(sql, path, form)


def _lines(answer: "QueryResult") -> Iterator[str]:
    """Yields the answer as a table: columns are as wide as the first rows need."""
    each = iter(answer)
    rows = [answer.columns, *(list(map(_text, row)) for row in islice(each, _MEASURED))]
    widths = [min(max(map(len, cells)), _WIDEST) for cells in zip(*rows, strict=True)]
    yield from (_aligned(row, widths) for row in rows)
    yield from (_aligned(map(_text, row), widths) for row in each)


def _aligned(cells: Iterable[str], widths: list[int]) -> str:
    return "  ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return _time(value) if isinstance(value, datetime) else " ".join(str(value).split())


def _time(value: datetime) -> str:
    return value.isoformat(" ", "microseconds").removesuffix("+00:00")


def _objects(answer: "QueryResult") -> Iterator[str]:
    names = _distinct(answer.columns)
    for row in answer:
        yield json.dumps(dict(zip(names, map(_finite, row), strict=True)), default=_plain)


def _distinct(names: Iterable[str]) -> list[str]:
    """Returns names of columns of which no two are equal: a join gives equal ones, and an object holds each once."""
    taken: dict[str, None] = {}
    for name in names:
        numbered = (f"{name}_{number}" for number in count_from(1))
        taken[next(each for each in chain([name], numbered) if each not in taken)] = None
    return list(taken)


def _finite(value: Any) -> Any:
    """Returns a value of an answer with None for each number that JSON lacks: infinity, and 0/0."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return {key: _finite(each) for key, each in value.items()} if isinstance(value, dict) else value


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)
