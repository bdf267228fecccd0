"""The traces that arrive in a folder: finds those that are complete.

A trace is complete if nothing about its file has changed since the scan before, and no program of this machine has it
locked, as a capture locks the file that it writes. So the time between two scans must be longer than a copy may
pause. Programs such as rsync write under a hidden name, and rename the file when it is complete.

The folder is scanned, because network file systems do not report what other machines write.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vtctap.pcap.streams import is_being_written

__all__ = ["SUFFIXES", "Arrivals"]

SUFFIXES: Final = tuple(f".{form}{packed}" for form in ("pcapng", "pcap") for packed in ("", ".gz", ".zst", ".lz4"))
"""The endings of the names of traces."""

_State = tuple[int, int, int, int]
"""What changes with a file: number, size, time of its content, time of its entry in the folder."""


class Arrivals:
    """The traces in a folder and its folders. Hidden files, and folders that are sets, are left out."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._seen: dict[str, _State] = {}
        self._given: dict[str, _State] = {}

    def scan(self) -> list[str]:
        """Returns the traces that are complete now, and were not returned before as they are; the oldest first."""
        before, self._seen = self._seen, dict(_files(self._folder))
        self._given = {name: state for name, state in self._given.items() if name in self._seen}
        arrived = {
            name: state
            for name, state in self._seen.items()
            if before.get(name) == state != self._given.get(name) and not is_being_written(name)
        }
        self._given |= arrived
        return sorted(arrived, key=lambda name: (arrived[name][2], name))


def _files(folder: str) -> Iterator[tuple[str, _State]]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and Path(name).suffix != ".parquet"]
        for name in names:
            if name.endswith(SUFFIXES) and not name.startswith("."):
                path = os.path.join(place, name)
                try:
                    found = os.stat(path)
                except OSError:
                    continue  # It was moved away meanwhile.
                if stat.S_ISREG(found.st_mode):
                    yield path, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
