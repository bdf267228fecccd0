"""Adds a trace to a set: the unit of work of ``vtctap export -o DIR.parquet``.

The trace is decoded once, with constant memory, into files of a staging folder. They are moved into the set when all
are complete, and the entry is written last. An interruption before that leaves the set unchanged.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from vtctap.base.surrogates import encodable
from vtctap.command_line.inputs import Traces
from vtctap.command_line.messages import reason
from vtctap.command_line.outputs import APPLICATION, FULL, output_errors
from vtctap.dataset.entries import ID, Entry, TraceContent, begun, content, entries, entry_of
from vtctap.dataset.staging import commit, make, staging_folder
from vtctap.dataset.tokens import TokenRows
from vtctap.dataset.writing import DAY_NS, TRACE, TRACE_ID, TableFiles, columns, day_of
from vtctap.dissector.analysis.check import check
from vtctap.dissector.dissect import Dissection, Dissector
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.profiles.stated import settled
from vtctap.dissector.tables.arrow import INT64
from vtctap.dissector.tables.findings import finding_cells
from vtctap.dissector.tables.model import Cells
from vtctap.dissector.tokens import load_keys
from vtctap.errors import CommandError, Error, MissingExtra, OutputError
from vtctap.pcap.record import Record
from vtctap.pcap.skipped import Skipped
from vtctap.pcap.streams import Source
from vtctap.pcap.trace import TraceReader

if TYPE_CHECKING:
    from vtctap.dissector.columns.batches import BatchDissector
    from vtctap.pcap.batch import Batch

__all__ = ["Added", "Options", "add", "add_or_skip"]


@dataclass(frozen=True, slots=True)
class Options:
    """How traces are added: the set's folder, the names of the profile (None: the one that the trace states) and of the
    key file, whether findings and octets are written, whether a trace that is there is decoded again, whether a second
    thread encodes what the first decodes, and whether a bar shows how far it is."""

    folder: str
    profile: str | None = None
    keys: str | None = None
    findings: bool = False
    octets: bool = True
    force: bool = False
    threaded: bool = False
    bar: bool = False


@dataclass(frozen=True, slots=True)
class Added:
    """The result for a trace: ``added``, or already ``there``, or else ``why`` it was skipped.

    ``id`` names its files; it is empty where the trace could not be read. ``skipped`` counts its damaged and missing
    parts, which are not in the set.
    """

    trace: str
    state: str
    id: str = ""
    records: int = 0
    skipped: int = 0
    why: str = ""


def add_or_skip(names: tuple[str, ...], options: Options, known: Mapping[str, Entry] | None = None) -> Added:
    """Adds a trace; one that cannot be read is skipped. Raises OutputError where the set cannot be written, and
    MissingExtra. See :func:`add`."""
    try:
        return add(names, options, known)
    except (OutputError, MissingExtra):
        raise
    except (Error, OSError) as error:
        return Added(names[0], "skipped", why=reason(error, names[0]))


def add(names: tuple[str, ...], options: Options, known: Mapping[str, Entry] | None = None) -> Added:
    """Adds a trace, given as its file or ring files, unless the set holds it as wanted. Raises Error and OSError.

    ``known`` are the entries that the trace may replace because it has grown; None: those that there are now.
    """
    folder = Path(options.folder)
    found = content(names, (entries(folder) if known is None else known).values())
    there = entry_of(folder, found.digest[:ID])
    if there and _is_enough(there, options) and not there.replaces:
        return _added(names[0], "there", there)
    with staging_folder(folder, found.digest[:ID]) as staging:
        entry = _decoded(names, found, options, staging)
        with output_errors(options.folder):
            grown = _grown(names, found, entries(folder))
            other = commit(folder, staging, entry, grown, partial(_is_enough, options=options))
    return _added(names[0], "there", other) if other else _added(names[0], "added", entry)


def _grown(names: tuple[str, ...], found: TraceContent, now: Mapping[str, Entry]) -> list[Entry]:
    """Returns the entries of a set ``now`` that a trace has grown from: those that were there when it was read, and
    those that another program has added meanwhile from the same file."""
    grown = [now[entry.digest] for entry in found.grown if entry.digest in now]
    path = os.path.abspath(names[0])
    same = [each for each in now.values() if each.size < found.size and os.path.abspath(each.trace) == path]
    with suppress(OSError):  # The file was moved away meanwhile.
        grown += begun(names, [each for each in same if each not in grown])
    return grown


def _added(name: str, state: str, entry: Entry) -> Added:
    return Added(name, state, entry.id, entry.records, entry.skipped)


def _is_enough(entry: Entry, options: Options) -> bool:
    """Returns whether an entry's trace needs not be decoded again: it is as wanted, and all its files are there."""
    folder = Path(options.folder)
    if options.force or not all((folder / name).is_file() for names in entry.files.values() for name in names):
        return False
    if options.profile is not None and load(options.profile).name != entry.profile:
        return False
    return (
        ("findings" in entry.files or not options.findings)
        and (entry.octets or not options.octets)
        and (entry.keys or not options.keys)
    )


def _decoded(names: tuple[str, ...], found: TraceContent, options: Options, staging: Path) -> Entry:
    """Writes the files of a trace into the staging folder. Raises Error and OSError."""
    reads = Traces if options.findings or find_spec("numpy") is None else _Batches
    traces = reads(names, bar=options.bar, told=False)
    items, profile = settled(traces, load(options.profile) if options.profile else None)
    try:
        with output_errors(options.folder):
            make(staging)
        adding = _Adding(names[0], found, options, staging)
        adding.run(items, profile)
    except OSError as error:
        if error.filename in names or (error.filename is None and error.errno not in FULL):
            raise
        raise OutputError(f"{options.folder}: {error.strerror}") from None
    if content(names, ()).digest != found.digest:
        raise CommandError("it changed while it was read: export it again")
    return Entry(
        digest=found.digest,
        size=found.size,
        trace=encodable(names[0]),
        profile=profile.name,
        records=adding.records,
        skipped=traces.skipped,
        start_ns=adding.start_ns,
        end_ns=adding.end_ns,
        application=APPLICATION,
        files={table: files.files for table, files in adding.tables.items()},
        octets=options.octets,
        keys=options.keys is not None,
    )


class _Batches(Traces):
    """The records of traces, many at a time where they are common (:class:`~vtctap.pcap.batches.BatchReader`)."""

    def _open(self, source: Source) -> TraceReader:
        from vtctap.pcap.batches import BatchReader

        return BatchReader(source)


class _Adding:
    """Decodes a trace into its tables."""

    def __init__(self, name: str, found: TraceContent, options: Options, staging: Path) -> None:
        names = ("records", "tokens", "findings") if options.findings else ("records", "tokens")
        id = found.digest[:ID]
        common: Cells = {TRACE.name: encodable(name), TRACE_ID.name: id}
        self.columns = {table: columns(table, octets=options.octets) for table in names}
        self.tables = {
            table: TableFiles(staging, table, id, common, self.columns[table], threaded=options.threaded)
            for table in names
        }
        self.records = 0
        self.start_ns: int | None = None
        self.end_ns: int | None = None
        self._keys = load_keys(options.keys) if options.keys else None
        self._tokens = TokenRows(self.tables["tokens"].feed)
        self._batches: BatchDissector | None = None

    def run(self, items: "Iterator[Record | Skipped | Batch]", profile: Profile) -> None:
        """Writes all tables in one pass."""
        try:
            self._run(items, profile)
        except BaseException:
            for files in self.tables.values():
                files.abandon()
            raise

    def _run(self, items: "Iterator[Record | Skipped | Batch]", profile: Profile) -> None:
        decoded = self._written(items, Dissector(profile, self._keys))
        findings = self.tables.get("findings")
        if findings:
            for finding in check(decoded, profile):
                findings.feed(finding_cells(finding))
        else:
            for _ in decoded:
                pass
        self._tokens.close()
        for files in self.tables.values():
            files.close()

    def _written(
        self, items: "Iterator[Record | Skipped | Batch]", dissector: Dissector
    ) -> Iterator[Dissection | Skipped]:
        """Yields the dissected items after they have been written to the tables of records and tokens; a batch is
        written alone."""
        records = self.tables["records"]
        for item in items:
            if isinstance(item, Skipped):
                yield dissector.skip(item)
            elif isinstance(item, Record):
                dissection = dissector.dissect(item)
                records.feed(dissection.as_json(), item.link)
                self._count(1, item.time, item.end)
                self._tokens.feed(dissection)
                yield dissection
            else:
                self._write_batch(item, dissector)

    def _write_batch(self, batch: "Batch", dissector: Dissector) -> None:
        from vtctap.dissector.columns.assembly import parts

        records = self.tables["records"]
        table = self._columns_of(dissector).dissect(batch)
        for row, part in parts(table, batch.time // DAY_NS, batch.link):
            records.feed_table(part, (day_of(int(batch.time[row])), int(batch.link[row])))
        self._count(len(batch), int(batch.time.min()), int((batch.time + batch.duration).max()))

    def _columns_of(self, dissector: Dissector) -> "BatchDissector":
        from vtctap.dissector.columns.batches import BatchDissector

        if self._batches is None:
            complete = self.tables["records"].complete
            self._batches = BatchDissector(dissector, self._tokens, self.columns["records"], complete)
        return self._batches

    def _count(self, records: int, start_ns: int, end_ns: int) -> None:
        self.records += records
        if start_ns not in INT64 or end_ns not in INT64:
            return  # A damaged timestamp, which the tables do not hold either.
        self.start_ns = start_ns if self.start_ns is None else min(self.start_ns, start_ns)
        self.end_ns = end_ns if self.end_ns is None else max(self.end_ns, end_ns)
