r"""The ``.exchange`` text format: the octets of client and meter, one line per burst.

``C> hex`` was sent by the client, ``M> hex`` by the meter (the server), ``?> hex`` by an unknown sender. Text in quotes
may replace the hexadecimal octets, with the escapes of C and Python: ``C> "/?!\r\n"``. ``#`` begins a comment.
``# t=SECONDS`` or ``# t=HH:MM:SS[.fff]`` states the time of the next line of octets, to the nanosecond. A time of day
counts from 1970-01-01; where it goes back by more than half a day, midnight has passed.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from vtctap.base.nouns import count
from vtctap.pcap.burst import Burst, ImportFormatError
from vtctap.pcap.importers.account import Account
from vtctap.pcap.importers.escapes import only_literal, unescape
from vtctap.pcap.importers.hexadecimal import Unreadable
from vtctap.pcap.importers.lines import lines_of
from vtctap.pcap.record import SECOND_NS, Sender
from vtctap.pcap.streams import Source, name_of

_LINE_END: Final = re.compile(r"\r\n|\r|\n")
"""str.splitlines would also split at other characters, which comments may contain."""
_SIDES: Final = {"C>": Sender.CLIENT, "M>": Sender.SERVER, "?>": Sender.UNKNOWN}
_SIGNS: Final = {sender: sign for sign, sender in _SIDES.items()}
_TIME: Final = re.compile(r"#\s*t=")
_SECONDS: Final = re.compile(r"(\d{1,15})(?:\.(\d{1,9}))?", re.ASCII)
_TIME_OF_DAY: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?", re.ASCII)
_DAY_NS: Final = 86_400 * SECOND_NS


def read(source: Source, account: Account) -> Iterator[Burst]:
    """Reads the bursts of a file. Raises ImportFormatError, which names the file and the line, and OSError."""
    yield from _parse(lines_of(source, account), name_of(source, "standard input"), account)


def parse(text: str, name: str) -> Iterator[Burst]:
    """Reads the bursts of a text; ``name`` is the file's name in error messages."""
    yield from _parse(_LINE_END.split(text), name, Account())


def _parse(lines: Iterable[str], name: str, account: Account) -> Iterator[Burst]:
    last = backwards = 0
    time: int | None = None
    days = before = 0
    for number, whole in enumerate(lines, 1):
        line = whole.strip()
        mark = _TIME.match(line)
        if mark:
            said = line[mark.end() :].strip()
            of_day = _time_of_day(said)
            time = _seconds(said) if of_day is None else of_day
            if time is None:
                raise ImportFormatError(f"{name}, line {number}: a time is t=SECONDS or t=HH:MM:SS.fff, not {said!r}")
            if of_day is not None:
                days += of_day < before - _DAY_NS // 2
                before = of_day
                time += days * _DAY_NS
            backwards += time < last
            last = time
        elif line and not line.startswith("#"):
            sender = _SIDES.get(line[:2])
            if sender is None:
                raise ImportFormatError(f"{name}, line {number}: must begin with C>, M>, ?> or #, not {line[:12]!r}")
            try:
                octets = _octets(line[2:].strip())
            except ValueError:
                raise ImportFormatError(
                    f"{name}, line {number}: hexadecimal octets must follow {line[:2]}, or text in quotes"
                ) from None
            yield Burst(octets, sender, time)
            time = None
    if backwards:
        account.note(f"times go back {count(backwards, 'time')}; the order of the lines is kept")


def _octets(text: str) -> bytes:
    """Reads the octets of a line, in hexadecimal or in quotes. Raises ValueError."""
    if not text.startswith('"'):
        return bytes.fromhex(text)
    octets = only_literal(text, unescape)
    if not text.endswith('"'):
        raise Unreadable("text behind the string in quotes")
    return octets


def sign(sender: Sender) -> str:
    """Returns the sign that begins a sender's lines, such as ``C>``."""
    return _SIGNS[sender]


def written(burst: Burst) -> str:
    """Formats a burst: a line with its time, if it has one, and a line with its octets."""
    lines = f"{_SIGNS[burst.sender]} {burst.octets.hex(' ')}\n"
    if burst.time is None:
        return lines
    seconds, nanoseconds = divmod(burst.time, SECOND_NS)
    return f"# t={seconds}.{nanoseconds:09d}\n{lines}"


def comment(text: str) -> str:
    """Formats a comment line; characters that cannot be printed become question marks."""
    return f"# {''.join(sign if sign.isprintable() else '?' for sign in text)}\n"


def _seconds(text: str) -> int | None:
    found = _SECONDS.fullmatch(text)
    return int(found[1]) * SECOND_NS + _fraction(found[2]) if found else None


def _time_of_day(text: str) -> int | None:
    found = _TIME_OF_DAY.fullmatch(text)
    if not found:
        return None
    hours, minutes, seconds = (int(found[part]) for part in (1, 2, 3))
    return ((hours * 60 + minutes) * 60 + seconds) * SECOND_NS + _fraction(found[4])


def _fraction(digits: str | None) -> int:
    """Converts the digits after the decimal point to ns."""
    return int((digits or "").ljust(9, "0"))
