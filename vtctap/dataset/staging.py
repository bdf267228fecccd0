"""The staging folders of a set: where the files of a trace are written, and how they come into the set.

Each addition has a staging folder of its own, so threads, processes and machines can add copies of one trace at the
same time. In the set, the files of all copies have the same names: a lock lets only one addition at a time move its
files. On Windows, and on file systems without locks, only the threads of a process exclude each other.
"""

import os
import secrets
import shutil
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from vtctap.base.running import has_ended
from vtctap.command_line.outputs import private
from vtctap.dataset.entries import ID, Entry, entry_of, remove_files, write_entry
from vtctap.dataset.writing import move

__all__ = ["clean", "commit", "make", "staging_folder"]

_PARTS: Final = ".parts"
_LOCK: Final = ".lock"
_ATTEMPTS: Final = 100
"""How often a staging folder is made, at most."""
_ONE_THREAD: Final = threading.Lock()


@contextmanager
def staging_folder(folder: Path, id: str) -> Iterator[Path]:
    """Yields the path for a staging folder of the trace with that id, and removes the folder at the end. The name is
    that of no other addition."""
    staging = folder / _PARTS / f"{id}.{os.getpid()}.{secrets.token_hex(4)}.{socket.gethostname()}"
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        with suppress(OSError):
            staging.parent.rmdir()


def make(staging: Path) -> None:
    """Makes a staging folder. Raises OSError."""
    for _ in range(_ATTEMPTS - 1):
        # Another addition may just end, and remove the empty folder above.
        with suppress(FileNotFoundError, FileExistsError):
            staging.mkdir(parents=True)
            return
    staging.mkdir(parents=True)


def commit(
    folder: Path, staging: Path, entry: Entry, grown: Iterable[Entry], enough: Callable[[Entry], bool]
) -> Entry | None:
    """Moves a trace's files and its entry into the set, and removes the entries that it replaces: its own, and those of
    the trace before it had ``grown``. Raises OSError.

    No file replaces one that an entry names: the trace is as it was until the new entry is there, and then as it is
    now. If another addition of the same trace came first and its entry is ``enough``, that is returned, and stays.
    """
    with _locked(folder):
        before = entry_of(folder, entry.id)
        if before and enough(before):
            return _finished(folder, before, staging)
        targets = _free_names(entry, before)
        replaced = [each for each in (before, *(entry_of(folder, each.id) for each in grown)) if each]
        digests = {digest for each in replaced for digest in (each.digest, *each.replaces)}
        files = {table: [targets[name] for name in names] for table, names in entry.files.items()}
        entry = replace(entry, files=files, replaces=sorted(digests - {entry.digest}))
        try:
            move(staging, folder, targets)
            write_entry(folder, entry, staging)
        finally:  # Also where a signal ends the program: no file may go that the entry names which is there now.
            there = entry_of(folder, entry.id)
            if there == entry:
                remove_files(folder, replaced, [entry])
            else:
                remove_files(folder, [entry], [there] if there else [])
        _finished(folder, entry, staging)
    return None


def _free_names(entry: Entry, before: Entry | None) -> dict[str, str]:
    """Returns the names in the set for the files of an entry: their own, unless the entry ``before`` has those."""
    names = [name for names in entry.files.values() for name in names]
    taken = {name for names in before.files.values() for name in names} if before else set()
    if taken.isdisjoint(names):
        return dict(zip(names, names, strict=True))
    return {name: f"{name.removesuffix('.parquet')}-b.parquet" for name in names}


def _finished(folder: Path, entry: Entry, staging: Path) -> Entry:
    """Removes what an entry replaces and is still there; returns the entry that then replaces nothing."""
    if not entry.replaces:
        return entry
    left = (entry_of(folder, digest[:ID]) for digest in entry.replaces)
    remove_files(folder, [each for each in left if each], [entry])
    alone = replace(entry, replaces=[])
    write_entry(folder, alone, staging)
    return alone


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Excludes all other threads that would change the set, also those of other processes and machines."""
    with _ONE_THREAD, open(folder / _LOCK, "ab", opener=private) as file:
        with suppress(ImportError, OSError):  # The system, or the file system, knows no locks.
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def clean(folder: str, done: Iterable[str] = ()) -> None:
    """Removes the staging folders that killed processes of this machine left behind, and those of other machines for
    traces with the ids ``done``: whether those machines still use them cannot be asked."""
    ids, here = set(done), socket.gethostname()
    for staging in Path(folder).glob(f"{_PARTS}/*.*.*.*"):
        id, process, _, host = staging.name.split(".", 3)
        if has_ended(process, host) or (host != here and id in ids):
            shutil.rmtree(staging, ignore_errors=True)
    with suppress(OSError):
        (Path(folder) / _PARTS).rmdir()
