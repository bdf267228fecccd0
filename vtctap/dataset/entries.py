"""The entries of a set: which traces it holds, known by their content.

An entry is the last file of a trace to be written and the first to be read, so a trace is in the set whole or not at
all. A trace that has grown since (a capture that went on) begins with the octets of its entry: it replaces that entry.
The new entry names those that it replaces until they are removed, so no reader ever counts both.
"""

import hashlib
import json
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from vtctap.command_line.outputs import private
from vtctap.errors import CommandError

__all__ = [
    "ID",
    "Entry",
    "TraceContent",
    "begun",
    "content",
    "entries",
    "entry_of",
    "remove_files",
    "sync",
    "write_entry",
]

_FOLDER: Final = "traces"
_FORM: Final = 1
"""The version of the set's layout."""
_PIECE: Final = 1 << 20
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_MOST: Final = 1 << 63
ID: Final = 16
"""Hexadecimal digits of the digest that name a trace's files."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A trace in the set.

    ``digest`` and ``size`` are those of its octets (of ring files that are joined: one after the other), ``trace`` its
    name. ``skipped`` counts its damaged and missing parts. ``start_ns`` and ``end_ns`` are those of its first and last
    record, since 1970; None without records. ``files`` are paths in the set by table. ``octets`` and ``keys`` say
    whether its records hold their octets, and whether a key file decrypted its tokens. ``replaces`` are the digests of
    the entries that it replaces and that may still be there.
    """

    digest: str
    size: int
    trace: str
    profile: str
    records: int
    skipped: int
    start_ns: int | None
    end_ns: int | None
    application: str
    files: dict[str, list[str]]
    octets: bool = True
    keys: bool = False
    replaces: list[str] = field(default_factory=list)
    form: int = _FORM

    @property
    def id(self) -> str:
        """The name of the trace's files."""
        return self.digest[:ID]


@dataclass(frozen=True, slots=True)
class TraceContent:
    """The digest of a trace's octets, and the entries whose octets it begins with."""

    digest: str
    size: int
    grown: tuple[Entry, ...]


def entries(folder: Path) -> dict[str, Entry]:
    """Returns the entries of a set by digest, as they were at one time. Raises CommandError for a set that this release
    cannot read."""
    while True:
        ids = _ids(folder)
        read = [entry for id in ids if (entry := entry_of(folder, id))]
        if ids == _ids(folder):  # Else a trace may have been replaced, of which neither entry was read.
            break
    replaced = {digest for entry in read for digest in entry.replaces}
    return {entry.digest: entry for entry in read if entry.digest not in replaced}


def _ids(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob(f"{_FOLDER}/*.json"))


def entry_of(folder: Path, id: str) -> Entry | None:
    """Returns the entry that a set has now for the trace with that id. Raises CommandError as :func:`entries`."""
    path = folder / _FOLDER / f"{id}.json"
    with suppress(FileNotFoundError):  # Another process may have replaced it since it was seen.
        state = path.stat()
        return _entry(str(path), state.st_ino, state.st_size, state.st_mtime_ns)
    return None


@lru_cache(maxsize=1 << 17)
def _entry(path: str, *state: int) -> Entry:
    """Reads an entry; once, as long as its file keeps its ``state``, because each new trace is compared with all."""
    try:
        entry = Entry(**json.loads(Path(path).read_text("utf-8")))
        if _is_sound(entry) and all(_is_of_a_set(name) for names in entry.files.values() for name in names):
            return entry
        raise ValueError
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise CommandError(f"{path} is no entry of this release: remove it and export its trace again") from None


def _is_sound(entry: Entry) -> bool:
    """Whether an entry has this release's form, and its values the types of its fields."""
    texts = (entry.trace, entry.profile, entry.application)
    counts = (entry.size, entry.records, entry.skipped)
    times = (time for time in (entry.start_ns, entry.end_ns) if time is not None)
    return (
        entry.form == _FORM
        and all(_DIGEST.fullmatch(digest) for digest in (entry.digest, *entry.replaces))
        and all(isinstance(text, str) for text in texts)
        and all(isinstance(wanted, bool) for wanted in (entry.octets, entry.keys))
        and all(type(number) is int and abs(number) < _MOST for number in (*counts, *times))
    )


def _is_of_a_set(name: str) -> bool:
    """Whether a file of that name, relative to the set's folder, lies in it. A set may come from a stranger, and files
    of entries are removed."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.suffix == ".parquet" and "\0" not in name


def content(names: Sequence[str], known: Iterable[Entry]) -> TraceContent:
    """Reads a trace's files and returns what they hold. Raises OSError."""
    *begins, (digest, size) = _digests(names, _sizes(known))
    before = {digest for digest, _ in begins} - {digest}
    return TraceContent(digest, size, tuple(entry for entry in known if entry.digest in before))


def begun(names: Sequence[str], known: Sequence[Entry]) -> list[Entry]:
    """Returns the entries whose octets a trace begins with; reads no more octets than the longest of them has. Raises
    OSError."""
    sizes = _sizes(known)
    before = {digest for digest, _ in islice(_digests(names, sizes), len(sizes))}
    return [entry for entry in known if entry.digest in before]


def _sizes(known: Iterable[Entry]) -> list[int]:
    return sorted({entry.size for entry in known if entry.size})


def _digests(names: Sequence[str], sizes: Sequence[int]) -> Iterator[tuple[str, int]]:
    """Yields the digest of a trace's first octets and their number: for each of the ascending sizes that it has, and
    for all octets. Raises OSError."""
    digest, size, left = hashlib.sha256(), 0, deque(sizes)
    for name in names:
        with open(name, "rb") as file:
            while octets := file.read(min(_PIECE, left[0] - size) if left else _PIECE):
                digest.update(octets)
                size += len(octets)
                if left and size == left[0]:
                    yield digest.hexdigest(), left.popleft()
    yield digest.hexdigest(), size


def write_entry(folder: Path, entry: Entry, staging: Path) -> None:
    """Writes an entry: from now on, the trace is in the set. Raises OSError."""
    final = folder / _FOLDER / f"{entry.id}.json"
    partial = staging / final.name
    with open(partial, "w", encoding="utf-8", opener=private) as file:
        json.dump(asdict(entry), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    final.parent.mkdir(exist_ok=True)
    os.replace(partial, final)
    sync(final.parent)


def remove_files(folder: Path, old: Iterable[Entry], kept: Sequence[Entry]) -> None:
    """Removes entries and their files, except files that other entries have, too. An entry goes after its files: as
    long as one is left, it is known."""
    ids = {entry.id for entry in kept}
    still = {name for entry in kept for names in entry.files.values() for name in names}
    for entry in old:
        for name in (name for names in entry.files.values() for name in names if name not in still):
            (folder / name).unlink(missing_ok=True)
        if entry.id not in ids:
            (folder / _FOLDER / f"{entry.id}.json").unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Writes a folder's renamed files through to the disk, if the system can, so that they survive a power failure."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
