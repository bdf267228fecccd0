"""Writes traces as tables, or their octets in the format of another program.

  .parquet   a set, for data frames and databases ('vtctap[parquet]'); with --table, -e or -Y, one table in one file
  .csv       for spreadsheets       .pcap      link type RTAC serial, for a Wireshark without vtctap's dissector
  .jsonl     JSON Lines             .exchange  text: lines "C> hex" and "M> hex", which 'vtctap import' reads

A set is a folder to which traces are added, each once, whatever its name; 'vtctap query' asks it. A file appears under
its name when it is complete. 'vtctap help export' says how to read both back.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import IO, TYPE_CHECKING, Final

from vtctap.base.nouns import count
from vtctap.base.surrogates import encodable
from vtctap.command_line.arguments import (
    STANDARD,
    STATED,
    add_join,
    add_keys,
    add_profile,
    add_traces,
    groups_of,
    keys_of,
    profile_of,
    seconds,
)
from vtctap.command_line.inputs import Reading, Traces, is_read_once, one_link
from vtctap.command_line.messages import warn
from vtctap.command_line.outputs import whole_file
from vtctap.command_line.parsers import suggested
from vtctap.command_line.places import placed, placed_profile
from vtctap.errors import DONE, FOUND, WRONG_USE, CommandError
from vtctap.parallel.jobs import add_jobs

if TYPE_CHECKING:
    from vtctap.dataset.adding import Options
    from vtctap.dissector.dissect import Dissection
    from vtctap.dissector.filter import Predicate
    from vtctap.dissector.profiles.model import Profile
    from vtctap.dissector.tables.model import Cells, Column, OutputTable, Row
    from vtctap.pcap.record import Record

    Writer = Callable[[Iterator[Cells], Sequence[Column], IO[bytes]], int]

_DEFAULT_TABLE: Final = "records"
_FORMS: Final = ("csv", "jsonl", "parquet", "pcap", "exchange")
_OF_OCTETS: Final = ("pcap", "exchange")
"""All output formats, and those that hold the octets of one link."""
_EVERY: Final = 5
"""Seconds between scans of ``--watch``, unless ``--every`` is given."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    from vtctap.dissector.tables import TABLES

    add_traces(parser)
    add_join(parser)
    parser.add_argument(
        "-o", dest="output", metavar="OUT", required=True, help="the file to write; - is standard output"
    )
    parser.add_argument("--format", choices=_FORMS, help="the output format (default: by the suffix of OUT)")
    parser.add_argument("--table", choices=TABLES, help=f"the table to write (default: {_DEFAULT_TABLE})")
    parser.add_argument(
        "-e",
        dest="fields",
        action="append",
        default=[],
        metavar="FIELD",
        help="write only this column; repeat it for more columns",
    )
    parser.add_argument(
        "-Y",
        "--filter",
        metavar="EXPR",
        help="display filter: write only rows from records that match ('vtctap help filters')",
    )
    parser.add_argument("--findings", action="store_true", help="set: also write what 'vtctap check' finds")
    parser.add_argument("--no-octets", action="store_true", help="set: leave out the records' octets")
    parser.add_argument(
        "--force", action="store_true", help="overwrite the file if it exists; set: decode a trace that is there again"
    )
    add_jobs(parser)
    parser.add_argument(
        "--watch", metavar="DIR", help="set: add the traces in this folder, and those that arrive there"
    )
    parser.add_argument(
        "--every", type=seconds, metavar="S", help=f"seconds between scans of --watch (default: {_EVERY})"
    )
    parser.add_argument("-q", dest="quiet", action="store_true", help="print no summary at the end")
    add_profile(parser, default=STATED)
    add_keys(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    groups = _groups(arguments)
    form = _form(arguments)
    if _is_set(arguments, form):
        return _export_set(arguments, groups)
    if arguments.findings or arguments.no_octets or arguments.cluster or arguments.watch:
        raise CommandError(
            "--findings, --no-octets, --cluster and --watch are for a set (.parquet without --table, -e, -Y)"
        )
    passes = _passes(arguments.filter)
    reading = Reading(arguments.profile)
    export = _export_octets if form in _OF_OCTETS else _export_table
    written, noun = export(arguments, reading, form, groups, passes)
    if not arguments.quiet and arguments.output != STANDARD:
        warn(f"{count(written, noun)} in {arguments.output}")
    return reading.status


def _groups(arguments: argparse.Namespace) -> list[list[str]]:
    """Returns the names of the traces, in groups that are read as one; none with ``--watch``. Raises CommandError."""
    if not arguments.watch:
        if arguments.every:
            raise CommandError("--every is for --watch")
        return groups_of(arguments)
    if arguments.traces or arguments.read or arguments.join or arguments.force:
        raise CommandError("--watch takes each trace of its folder once: leave out TRACE, -r, --join and --force")
    return []


def _form(arguments: argparse.Namespace) -> str:
    """Returns the format of the output. Raises CommandError."""
    suffix = os.path.splitext(arguments.output)[1].lower().removeprefix(".")
    form: str = arguments.format or suffix
    if form == "pcapng":
        raise CommandError("a .pcapng file is a trace: 'vtctap read TRACE -Y EXPR -w OUT' writes one")
    if form not in _FORMS:
        raise CommandError(f"{arguments.output}: its format is not known: add --format, one of {', '.join(_FORMS)}")
    if form in _OF_OCTETS and (arguments.table or arguments.fields):
        raise CommandError(f"a .{form} file holds octets, not tables: leave out --table and -e")
    return form


def _is_set(arguments: argparse.Namespace, form: str) -> bool:
    """Returns whether the output is a set. Raises CommandError if a file is in its place."""
    if form != "parquet" or arguments.table or arguments.fields or arguments.filter or arguments.output == STANDARD:
        return False
    if os.path.isfile(arguments.output):
        raise CommandError(f"{arguments.output} is a file: name another folder, or --table {_DEFAULT_TABLE} for a file")
    return os.path.isdir(arguments.output) or not os.path.exists(arguments.output)


def _passes(text: str | None) -> "Predicate | None":
    if text is None:
        return None
    from vtctap.dissector.filter import compile_filter

    return compile_filter(text)


def _dissected(
    arguments: argparse.Namespace, reading: Reading, names: list[str], name: str = ""
) -> "tuple[Iterator[Dissection], Profile]":
    """Returns the dissections of a trace, and their profile. ``name`` is the trace's name if there are several."""
    from vtctap.dissector.dissect import Dissector

    records, profile = reading.settle(Traces(names), name)
    return Dissector(profile, keys_of(arguments)).each(records), profile


# Sets.


def _export_set(arguments: argparse.Namespace, groups: list[list[str]]) -> int:
    from vtctap.dataset.exporting import Exporting, watch

    for stream in (name for names in groups for name in names if is_read_once(name)):
        raise CommandError(f"a set takes files, since it knows traces by their content; {stream} is none")
    exporting = Exporting(
        _options(arguments, bar=len(groups) == 1), arguments.jobs, arguments.cluster, quiet=arguments.quiet
    )
    profile_of(arguments)  # Where one of the two cannot be read, that is no fault of the traces.
    keys_of(arguments)
    if arguments.watch:
        watch(arguments.watch, exporting, every=arguments.every or _EVERY)
    else:
        exporting.export(groups)
        if not exporting.read:
            return WRONG_USE
    return FOUND if exporting.skipped else DONE


def _options(arguments: argparse.Namespace, *, bar: bool) -> "Options":
    """Returns how traces are added. The workers of a cluster may have another working folder, so names are whole."""
    from vtctap.dataset.adding import Options

    return Options(
        folder=placed(arguments.output, arguments.cluster),
        profile=placed_profile(arguments.profile, arguments.cluster),
        keys=placed(arguments.keys, arguments.cluster) if arguments.keys else None,
        findings=arguments.findings,
        octets=not arguments.no_octets,
        force=arguments.force,
        bar=bar and not arguments.cluster,
    )


# Tables.


def _export_table(
    arguments: argparse.Namespace, reading: Reading, form: str, groups: list[list[str]], passes: "Predicate | None"
) -> tuple[int, str]:
    from vtctap.dissector.tables import TABLES
    from vtctap.dissector.tables.model import TRACE

    table = TABLES[arguments.table or _DEFAULT_TABLE]
    columns = (TRACE, *table.columns)
    if arguments.fields:
        columns = _selected(columns, arguments.fields, table)
    rows = _all_rows(arguments, reading, table, groups, passes)
    if arguments.fields:
        rows = _only(rows, columns)
    with whole_file(arguments.output, force=arguments.force) as file:
        return _writer(form, arguments.jobs)(rows, columns, file), "row"


def _all_rows(
    arguments: argparse.Namespace,
    reading: Reading,
    table: "OutputTable",
    groups: list[list[str]],
    passes: "Predicate | None",
) -> "Iterator[Cells]":
    """Yields the rows of all traces, each with the name of its trace."""
    from vtctap.dissector.tables.model import TRACE

    for names in groups:
        name, shown = names[0] if len(groups) > 1 else "", encodable(names[0])
        for row in _rows(table, *_dissected(arguments, reading, names, name), passes):
            row.cells[TRACE.name] = shown  # The row is nobody else's; a copy would take longer than the rest.
            yield row.cells


def _writer(form: str, processors: int) -> "Writer":
    from vtctap.dissector.tables import parquet, text

    if form == "parquet":
        return partial(parquet.write_parquet, threaded=processors > 1)
    return {"csv": text.write_csv, "jsonl": text.write_json_lines}[form]


def _selected(columns: "Sequence[Column]", names: Sequence[str], table: "OutputTable") -> "tuple[Column, ...]":
    by_name = {column.name: column for column in columns}
    for name in names:
        if name not in by_name:
            raise CommandError(f"the table {table.name} has no column {name}{suggested(name, by_name)}")
    return tuple(by_name[name] for name in dict.fromkeys(names))


def _only(rows: "Iterable[Cells]", columns: "Sequence[Column]") -> "Iterator[Cells]":
    """Yields the rows with the cells of these columns only, in this order."""
    names = [column.name for column in columns]
    for row in rows:
        yield {name: row[name] for name in names if name in row}


def _rows(
    table: "OutputTable", dissections: "Iterator[Dissection]", profile: "Profile", passes: "Predicate | None"
) -> "Iterator[Row]":
    """Yields the rows that come from a record that passes the filter."""
    return table.rows(dissections, profile) if passes is None else _passing(table, dissections, profile, passes)


def _passing(
    table: "OutputTable", dissections: "Iterator[Dissection]", profile: "Profile", passes: "Predicate"
) -> "Iterator[Row]":
    """Yields the rows that come from a record that passes. This takes one octet of memory per record."""
    matched = bytearray()

    def noted() -> "Iterator[Dissection]":
        for dissection in dissections:
            matched.extend(bytes(dissection.number - 1 - len(matched)))  # What was skipped may have numbers, too.
            matched.append(passes(dissection.as_json()))
            yield dissection

    for row in table.rows(noted(), profile):
        if any(matched[number - 1] for number in row.records):
            yield row


# Octets.


def _export_octets(
    arguments: argparse.Namespace, reading: Reading, form: str, groups: list[list[str]], passes: "Predicate | None"
) -> tuple[int, str]:
    if len(groups) > 1:
        raise CommandError(f"a .{form} file holds one trace: name one, or add --join for ring files")
    dissections, _ = _dissected(arguments, reading, groups[0])
    records = (each.record for each in dissections if passes is None or passes(each.as_json()))
    with whole_file(arguments.output, force=arguments.force) as file:
        return (_write_exchange if form == "exchange" else _write_rtac)(one_link(records), file), "record"


def _write_exchange(records: "Iterator[Record]", file: IO[bytes]) -> int:
    """Writes octets as received, with the parity bit in bit 7, and events and port settings as comments."""
    from vtctap.dissector.framing.reframe import bursts
    from vtctap.pcap.exchange import comment, sign, written
    from vtctap.pcap.record import Kind

    settings: dict[str, str] = {}
    number = 0
    for record in records:
        if record.kind is Kind.EVENT:
            file.write(comment(f"event: {record.event}").encode(errors="replace"))
            continue
        number += 1
        side, now = sign(record.sender), f"{record.speed or '?'} bit/s, {record.line or 'character format unknown'}"
        if settings.get(side) != now:
            settings[side] = now
            file.write(comment(f"{side} {now}").encode())
        file.write("".join(map(written, bursts(record))).encode())
    return number


def _write_rtac(records: "Iterator[Record]", file: IO[bytes]) -> int:
    """Writes octets without the parity bit, so that people can read them, and no events."""
    from vtctap.pcap import rtac
    from vtctap.pcap.burst import Burst
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.classic import PcapWriter
    from vtctap.pcap.record import Kind, Sender
    from vtctap.pcap.streams import Output

    writer = PcapWriter(Output(file), linktype=rtac.LINKTYPE_RTAC_SERIAL)
    writer.add_interface(Interface(rtac.LINKTYPE_RTAC_SERIAL))
    number = unsaid = 0
    for record in records:
        if record.kind is Kind.EVENT:
            continue
        number += 1
        unsaid += record.sender is Sender.CLIENT and bool(record.flags & rtac.STATED)
        for packet in rtac.written(Burst(record.octets, record.sender, record.time, record.flags)):
            writer.write(packet)
    if unsaid:
        left = count(unsaid, "record")
        warn(f"this format cannot hold errors of the client's octets: those of {left} are left out")
    return number
