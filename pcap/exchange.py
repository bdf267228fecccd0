"""The ``.exchange`` text form: what two devices said, a line a side and time.

``C> hex`` is from client to server, ``M> hex`` from server to client; ``#`` begins a comment, and ``# t=SECONDS`` or
``# t=HH:MM:SS[.fff]`` gives the time of the line that follows. A time of day that goes back by more than half a day has
passed midnight.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from vtctap.pcap.record import Sender
from vtctap.pcap.run import ImportFormatError, Run

_SIDES: Final = {"C>": Sender.CLIENT, "M>": Sender.SERVER}
_TIME: Final = re.compile(r"#\s*t=(?:(\d{1,2}):(\d{2}):)?(\d{1,15}(?:\.\d{1,9})?)\s*")
_TIME_MARK: Final = re.compile(r"#\s*t=")
_DAY: Final = 86_400_000_000_000


def read(name: str) -> Iterator[Run]:
    """The runs of a file. Raises ImportFormatError, which names the file and the line, and OSError."""
    with open(name, encoding="utf-8", errors="replace") as file:
        yield from parse(file.read(), name)


def parse(text: str, name: str) -> Iterator[Run]:
    """The runs of a text; ``name`` is the file's, for errors."""
    time: int | None = None
    days = 0
    before = 0
    for number, whole in enumerate(text.splitlines(), 1):
        line = whole.strip()
        if not line:
            continue
        if line.startswith("#"):
            if _TIME_MARK.match(line):
                time, of_day = _time(line, name, number)
                if of_day:
                    if time + days < before - _DAY // 2:
                        days += _DAY
                    time += days
                before = time
            continue
        sender = _SIDES.get(line[:2])
        if sender is None:
            raise ImportFormatError(f"{name}, line {number}: must begin with C>, M> or #, not {line[:12]!r}")
        try:
            octets = bytes.fromhex(line[2:])
        except ValueError:
            raise ImportFormatError(f"{name}, line {number}: hexadecimal octets must follow {line[:2]}") from None
        yield Run(octets, sender, time)
        time = None


def _time(line: str, name: str, number: int) -> tuple[int, bool]:
    """Nanoseconds, and whether they are of a day."""
    found = _TIME.fullmatch(line)
    if not found:
        raise ImportFormatError(f"{name}, line {number}: a time is t=SECONDS or t=HH:MM:SS.fff")
    hours, minutes, seconds = found.groups()
    nanoseconds = int(Decimal(seconds) * 1_000_000_000)
    if hours is None:
        return nanoseconds, False
    return (int(hours) * 3600 + int(minutes) * 60) * 1_000_000_000 + nanoseconds, True
