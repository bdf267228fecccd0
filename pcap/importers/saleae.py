"""Imports the table of Async Serial analysers that Saleae Logic exports as CSV: one octet a row, with its start time.

RX or TX in an analyser's name gives its sender. Of several analysers with other names, the first that sent is the
client's.
"""

import csv
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from vtctap.pcap.burst import Burst, ImportFormatError
from vtctap.pcap.importers.account import Account
from vtctap.pcap.importers.levels import nanoseconds
from vtctap.pcap.importers.lines import lines_of
from vtctap.pcap.importers.sides import FirstCome
from vtctap.pcap.importers.wires import sender_of
from vtctap.pcap.record import Flag
from vtctap.pcap.streams import Source, name_of

_COLUMNS: Final = ("name", "type", "start_time", "duration", "data")
HEAD: Final = re.compile(",".join(f'"?{column}"?' for column in _COLUMNS) + ".*", re.IGNORECASE)
"""The first line of such a table."""
_LOOK: Final = 2000
"""Number of octets from which it is found whether there are several analysers."""


def read(source: Source, account: Account) -> Iterator[Burst]:
    """Yields the bursts of such a table. Raises ImportFormatError, OSError and TraceError."""
    rows = _cells(lines_of(source, account))
    head = [cell.lower() for cell in next(rows, [])]
    name = name_of(source, "standard input")
    if tuple(head[: len(_COLUMNS)]) != _COLUMNS:
        raise ImportFormatError(f"{name}: the columns must be {', '.join(_COLUMNS)}")
    account.lines = account.used = 1
    octets = _octets(rows, head, account)
    first = list(islice(octets, _LOOK))
    names = {name for name, *_ in first}
    unnamed = FirstCome("analyser")
    for name, octet, time, flags in chain(first, octets):
        names.add(name)
        stated = sender_of(name)
        assumed = stated or unnamed.of(name)
        yield Burst(octet, assumed if len(names) > 1 else stated, time, flags)
    for note in unnamed.notes(swapped=account.swapped) if len(names) > 1 else ():
        account.note(note)


def _octets(rows: Iterator[list[str]], head: list[str], account: Account) -> Iterator[tuple[str, bytes, int, int]]:
    """Yields each octet: its analyser's name, the octet, its time (ns) and flags; skips damaged rows."""
    for number, row in enumerate(rows, 2):
        account.lines = number
        cells = dict(zip(head, row, strict=False))
        try:
            octet = bytes((int(cells["data"], 16),))
            time = nanoseconds(cells["start_time"])
        except (KeyError, ValueError, OverflowError):
            account.skip("damaged: not a start time and an octet", number)
            continue
        account.used += 1
        error = cells.get("error", "").lower()
        flags = (Flag.PARITY if "parity" in error else 0) | (Flag.FRAMING if "framing" in error else 0)
        yield cells["name"], octet, max(time, 0), flags


def _cells(lines: Iterator[str]) -> Iterator[list[str]]:
    """Yields the cells of each line; none for a line that the module csv cannot parse."""
    rows = csv.reader(lines)
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield []
