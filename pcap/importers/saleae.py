"""Imports the table of an Async Serial analyser that Saleae Logic exports as CSV: one octet a row, with its start
time."""

import csv
import re
from collections.abc import Iterator
from typing import Final

from vtctap.pcap.burst import Burst, ImportFormatError
from vtctap.pcap.importers.account import Account
from vtctap.pcap.importers.levels import nanoseconds
from vtctap.pcap.importers.lines import lines_of
from vtctap.pcap.importers.wires import sender_of
from vtctap.pcap.record import Flag, Sender
from vtctap.pcap.streams import Source, name_of

_COLUMNS: Final = ("name", "type", "start_time", "duration", "data")
HEAD: Final = re.compile(",".join(f'"?{column}"?' for column in _COLUMNS) + ".*", re.IGNORECASE)
"""The first line of such a table."""


def read(source: Source, account: Account) -> Iterator[Burst]:
    """Yields the bursts of such a table. Raises ImportFormatError, OSError and TraceError."""
    rows = _cells(lines_of(source, account))
    head = [cell.lower() for cell in next(rows, [])]
    name = name_of(source, "standard input")
    if tuple(head[: len(_COLUMNS)]) != _COLUMNS:
        raise ImportFormatError(f"{name}: the columns must be {', '.join(_COLUMNS)}")
    account.lines = account.used = 1
    analysers: list[str] = []
    for number, row in enumerate(rows, 2):
        account.lines = number
        cells = dict(zip(head, row, strict=False))
        try:
            octets = bytes((int(cells["data"], 16),))
            time = nanoseconds(cells["start_time"])
        except (KeyError, ValueError, OverflowError):
            account.skip("damaged: not a start time and an octet", number)
            continue
        if cells["name"] not in analysers:
            analysers.append(cells["name"])
        account.used += 1
        sender = sender_of(cells["name"])
        if not sender and len(analysers) > 1:
            sender = (Sender.CLIENT, Sender.SERVER, Sender.UNKNOWN)[min(analysers.index(cells["name"]), 2)]
        error = cells.get("error", "").lower()
        flags = (Flag.PARITY if "parity" in error else 0) | (Flag.FRAMING if "framing" in error else 0)
        yield Burst(octets, sender, max(time, 0), flags)


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
