"""Reads logs line by line, in constant memory, and recognises their form.

Lines that cannot be used are counted in the account, with the reason. After a damaged line that stated octets, the next
burst is marked: octets were lost before it. Lines with the same time and sender form one burst.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import chain, islice
from typing import Final

from vtctap.base.nouns import count
from vtctap.pcap.burst import Burst, ImportFormatError
from vtctap.pcap.importers.account import Account
from vtctap.pcap.importers.forms import FORMS, MARKED, WORDS, Form
from vtctap.pcap.importers.hexadecimal import Unreadable
from vtctap.pcap.importers.lines import lines_of
from vtctap.pcap.importers.refusals import SEEN, refusal
from vtctap.pcap.importers.sides import FirstCome
from vtctap.pcap.importers.stamps import LogClock
from vtctap.pcap.record import Flag, Sender
from vtctap.pcap.streams import Source, name_of

MAX_BURST: Final = 1 << 14
"""Longest burst that lines are joined to, in octets, approximately."""
MAX_HELD: Final = 16
SAMPLE: Final = 1000
"""Number of lines in which a form is searched."""
_COLOURS: Final = re.compile(r"\x1b\[[0-9;]*m")
_ANY: Final = "|".join(map(re.escape, sorted(WORDS, key=len, reverse=True)))
_WORD: Final = re.compile(rf"(?<![\w<>=-])(?:{_ANY})(?![\w<>=])", re.IGNORECASE)


def read(source: Source, form: Form, account: Account) -> Iterator[Burst]:
    """Yields the bursts of a log. Raises ImportFormatError where it does not state its octets, OSError and
    TraceError."""
    lines = lines_of(source, account)
    first = list(islice(lines, SEEN))
    if reason := refusal(first, form):
        raise ImportFormatError(f"{name_of(source, 'standard input')}: {reason}")
    yield from LogReader(form, account).bursts(chain(first, lines))


class LogReader:
    """Reads one log by its form."""

    def __init__(self, form: Form, account: Account) -> None:
        self._form = form
        self._account = account
        self._clock = LogClock(padded=form.padded)
        self._sides = _Sides(form)
        self._ports = _Ports()
        self._rows = _Offsets()
        self._ends = _LineEnds()
        self._open = bytearray()
        self._time: int | None = None
        self._sender = Sender.UNKNOWN
        self._flags = 0
        self._foreign = False
        """Whether the lines after the last octets may have held some. Above the first octets and below the last ones
        there is often a text about the log."""
        self._missing: int | None = None
        """Number of octets that the last head stated and that have not come; None where it stated none."""
        self.stated = 0
        """Number of lines that stated octets."""

    @property
    def rank(self) -> int:
        """How certainly the form is recognised: offsets that count the octets are marks of their own."""
        return MARKED if self._rows.met > 0 else self._form.rank

    def bursts(self, lines: Iterable[str]) -> Iterator[Burst]:
        """Yields the bursts of lines, which include their ends. Bursts before the first time get that time."""
        held: list[Burst] = []
        for burst in self._read(lines):
            if burst.time is None and len(held) < MAX_HELD:
                held.append(burst)
                continue
            if held and burst.time is not None:
                self._account.note("octets before the first time of the log are given that time")
            yield from (replace(before, time=burst.time) for before in held)
            held.clear()
            yield burst
        yield from held

    def _read(self, lines: Iterable[str]) -> Iterator[Burst]:
        form, account = self._form, self._account
        used = 0
        for number, whole in enumerate(lines, 1):
            account.lines = number
            line = whole.rstrip("\r\n")
            if "\x1b[" in line:
                line = _COLOURS.sub("", line)
            found = None
            try:
                found = form.line.fullmatch(line)
                if not found and form.head and (head := form.head.fullmatch(line)):
                    yield from self._begin(head)
                elif (not found and not line.strip()) or (form.rest and form.rest.fullmatch(line)):
                    pass
                elif found and self._ports.is_read(found):
                    octets, partial = self._octets(found, whole)
                    yield from self._add(found, octets)
                    if partial:
                        account.use_in_part(str(partial), number, partial.omitted)
                        yield from self._end()
                        self._flags |= Flag.OVERRUN
                        continue
                elif not found:
                    account.skip("no octets in it that this form knows", number)
                    yield from self._end()
                    if form.head:  # Whose octets follow is not known.
                        self._sender = Sender.UNKNOWN
                    elif form.rank != MARKED:  # Other lines than those with octets are not in such a log.
                        self._foreign = self.stated > 0
                    continue
                used += 1
            except Unreadable as error:
                account.skip(str(error), number)
                yield from self._end()
                self._flags |= Flag.OVERRUN
            account.used = used
        yield from self._end()
        self._conclude()

    def _octets(self, found: re.Match[str], whole: str) -> tuple[bytes, Unreadable | None]:
        """Returns the octets that a line states, and why they are not all. Raises Unreadable if there are none."""
        groups = found.re.groupindex
        if "offset" in groups:
            octets = self._form.octets(found["octets"]) if found["octets"] else b""
            return self._rows.feed(found["offset"], octets), None
        try:
            octets = self._form.octets(found["octets"])
        except Unreadable as error:
            if not error.octets:
                raise
            return error.octets, error
        return octets + self._ends.octets(whole) if self._form.line_ends else octets, None

    def _begin(self, head: re.Match[str]) -> Iterator[Burst]:
        """Begins a burst whose octets are on the following lines."""
        yield from self._end()
        self._time = self._stamp(head["time"])
        self._sender = self._sides.of(head["side"])
        self._missing = int(head["length"]) if "length" in head.re.groupindex else None

    def _add(self, found: re.Match[str], octets: bytes) -> Iterator[Burst]:
        """Joins octets to the open burst if they have its time and sender; otherwise that burst ends."""
        groups = found.re.groupindex
        time, sender = self._time, self._sender
        if "time" in groups and found["time"]:
            time = self._stamp(found["time"])
        if "side" in groups:
            sender = self._sides.of(found["side"])
        if (time, sender) != (self._time, self._sender) or len(self._open) >= MAX_BURST or self._rows.gap:
            yield from self._close()
            self._time, self._sender = time, sender
        if self._rows.gap:
            self._account.fault(self._rows.gap)
            self._flags, self._rows.gap = Flag.OVERRUN, ""
        if self._foreign:
            self._flags, self._foreign = self._flags | Flag.OVERRUN, False
        self.stated += bool(octets)
        self._open += octets
        if self._missing is not None:
            self._missing -= len(octets)

    def _stamp(self, text: str) -> int | None:
        time = self._clock.read(text)
        if time is None:
            raise Unreadable(f"{text!r} is no time")
        return time

    def _end(self) -> Iterator[Burst]:
        """Ends the open burst, and the block that a head began."""
        self._rows.forget()
        if self._missing:
            self._account.skip("the number of octets differs from the number that the line states", self._account.lines)
            self._flags |= Flag.OVERRUN
        self._missing = None
        yield from self._close()

    def _close(self) -> Iterator[Burst]:
        if self._open:
            yield Burst(bytes(self._open), self._sender, self._time, self._flags)
            self._open.clear()
            self._flags = 0

    def _conclude(self) -> None:
        """Notes what was assumed."""
        account = self._account
        for note in (*self._ports.notes(), *self._sides.notes(swapped=account.swapped), *self._ends.notes()):
            account.note(note)
        if self._flags & Flag.OVERRUN:
            account.fault("octets are missing at the end")
        if self._clock.backwards:
            account.note(f"times go back {count(self._clock.backwards, 'time')}; the order of the lines is kept")


@lru_cache(maxsize=1024)
def _sender_in(text: str) -> Sender:
    """Returns who sent, by the last word of a text that tells."""
    words = _WORD.findall(text)
    return WORDS[words[-1].lower()] if words else Sender.UNKNOWN


class _Sides:
    """Assigns senders to a log's names of the sides."""

    def __init__(self, form: Form) -> None:
        self._names = WORDS if form.sides is None else form.sides
        self._in_words = form.in_words
        self._unnamed = FirstCome()

    def of(self, name: str | None) -> Sender:
        if not name:
            return Sender.UNKNOWN
        if self._in_words:
            return _sender_in(name)
        return self._names.get(name) or WORDS.get(name.lower()) or self._unnamed.of(name)

    def notes(self, *, swapped: bool) -> Iterator[str]:
        """Yields which side was taken for which."""
        return self._unnamed.notes(swapped=swapped)


class _Ports:
    """The port whose octets are read, where lines name theirs: the first one."""

    def __init__(self) -> None:
        self._name = ""
        self._others = 0

    def is_read(self, found: re.Match[str]) -> bool:
        """Whether a line is of the port that is read, or names none."""
        if "port" not in found.re.groupindex:
            return True
        self._name = self._name or found["port"]
        self._others += found["port"] != self._name
        return found["port"] == self._name

    def notes(self) -> Iterator[str]:
        """Yields which port was read, and how many lines of others were not."""
        if self._name:
            others = f"; {count(self._others, 'line')} of others left out" if self._others else ""
            yield f"{self._name} is taken for the port{others}"


class _LineEnds:
    """Line ends as octets: CR is restored before LF if the log has lost all of them."""

    def __init__(self) -> None:
        self._lost: bool | None = None
        self._restored = 0

    def octets(self, whole: str) -> bytes:
        """Returns the end of a line as octets."""
        end = whole[len(whole.rstrip("\r\n")) :]
        if self._lost is None and end:
            self._lost = end == "\n"
        if end == "\n" and self._lost:
            self._restored += 1
            return b"\r\n"
        return end.encode()

    def notes(self) -> Iterator[str]:
        """Yields how many CRs were restored."""
        if self._restored:
            yield f"CR was lost and is restored at the end of {count(self._restored, 'line')}"


class _Offsets:
    """The offsets of a dump: each row states how many octets precede it, and a star stands for repetitions of the last
    row."""

    def __init__(self) -> None:
        self._count: int | None = None
        self._otherwise: int | None = None
        """The count if the last offset was wrong and no octets were missing."""
        self._last = b""
        self._starred = False
        self.met = 0
        """Number of rows, less those before which there is a gap, that continue where the last one ended."""
        self.gap = ""
        """The message if a row does not continue where the last one ended; empty otherwise."""

    def feed(self, offset: str | None, octets: bytes) -> bytes:
        """Returns the octets of a row, after those that a star stood for."""
        if offset is None:
            self._starred = True
            return b""
        said = [int(offset, base) for base in _BASES.get(len(offset), (16,)) if _is_number(offset, base)]
        for start in (self._count, self._otherwise):
            if start is not None and start + len(before := self._repeated(said, start)) in said:
                self.met += bool(start)
                self._continue(start + len(before), octets)
                return before + octets
        expected, stated = self._count, (said or [self._count or 0])[0]
        if expected is not None:
            self.gap = f"octets are missing or damaged before offset {offset}"
            self.met -= 1
        self._continue(stated, octets)
        self._otherwise = None if expected is None else expected + len(octets)
        return octets

    def forget(self) -> None:
        """Forgets the row that a star repeats, at a line that is no row and may have been one."""
        self._last, self._starred = b"", False

    def _continue(self, start: int, octets: bytes) -> None:
        """Takes a row that begins after ``start`` octets."""
        self._count, self._otherwise = start + len(octets), None
        self._last, self._starred = octets, False

    def _repeated(self, said: list[int], start: int) -> bytes:
        """Returns the octets that a star stands for if a row follows that begins at one of the stated offsets."""
        if not self._starred or not self._last:
            return b""
        more = [one - start for one in said if one >= start and not (one - start) % len(self._last)]
        return self._last * (more[0] // len(self._last)) if more and more[0] <= _MAX_REPEATED else b""


_BASES: Final = {7: (8, 10, 16)}
"""The bases that an offset may have, by its number of digits: od writes seven, octal or decimal."""
_MAX_REPEATED: Final = 1 << 24


def _is_number(text: str, base: int) -> bool:
    try:
        int(text, base)
    except ValueError:
        return False
    return True


def recognise(source: Source) -> list[Form]:
    """Returns the possible forms of a log, by its first lines: none, one, or several that read different octets.

    Forms with marks of their own come before notations, and those before plain text; of equals, the one that reads most
    lines. Raises OSError and TraceError.
    """
    lines = list(islice(lines_of(source), SAMPLE))
    fitting: dict[Form, tuple[int, int, bytes]] = {}
    for form in FORMS:
        if form.head:
            if any(form.head.fullmatch(line.rstrip("\r\n")) for line in lines):
                return [form]
            continue
        rank, stated, octets = _fit(form, lines)
        if stated:
            fitting[form] = rank, -stated, octets
    if not fitting:
        return []
    best = min((rank, unstated) for rank, unstated, _ in fitting.values())
    alike: dict[bytes, Form] = {}
    for form, (rank, unstated, octets) in fitting.items():
        if (rank, unstated) == best:
            alike.setdefault(octets, form)
    return list(alike.values())


def _fit(form: Form, lines: list[str]) -> tuple[int, int, bytes]:
    """Returns the rank of a form, how many lines state octets in it, and the octets; none if the log does not have
    this form."""
    account = Account()
    stripped = [_COLOURS.sub("", line.rstrip("\r\n")) for line in lines]
    if form.sign and not any(form.sign.fullmatch(line) for line in stripped):
        return form.rank, 0, b""
    reader = LogReader(form, account)
    octets = b"".join(burst.octets for burst in reader.bursts(lines))
    own = form.rank == MARKED and form.sign is None
    filled = sum(1 for line in stripped if line.strip() and not (form.rest and form.rest.fullmatch(line)))
    return (reader.rank, reader.stated, octets) if own or reader.stated * 2 >= filled else (form.rank, 0, b"")
