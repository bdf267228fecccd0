"""The traces that commands read, and the profile for decoding them."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TYPE_CHECKING, Final

from vtctap.base.nouns import count
from vtctap.command_line.arguments import STANDARD
from vtctap.command_line.messages import warn
from vtctap.errors import DONE, FOUND, CommandError, Error

if TYPE_CHECKING:
    from vtctap.dissector.profiles.model import Profile
    from vtctap.pcap.record import Record
    from vtctap.pcap.skipped import Skipped
    from vtctap.pcap.streams import Source
    from vtctap.pcap.trace import TraceReader

__all__ = ["Reading", "Traces", "is_read_once", "one_link"]

_SHOWN: Final = 20
"""Most damaged parts of a trace that are shown one by one."""
_PAUSE: Final = 0.1
"""Seconds between two looks for the next ring file."""


def is_read_once(name: str) -> bool:
    """Returns whether a file that a command reads is standard input, a pipe or a device, which can be read only once
    and by this process alone."""
    from vtctap.pcap.streams import is_stream

    return name == STANDARD or is_stream(name)


class Traces:
    """The records of several traces that are read as one, in order, and the damaged parts between them.

    Damage is reported on standard error when the reader meets it; :attr:`Reading.status` is the resulting exit status.
    ``bar`` shows on a terminal how much of a file has been read; a pipe has no bar, because its length is unknown.
    ``follow`` waits at the end of the last trace for more records, and goes on with the next ring file; a pipe still
    ends when its writer closes it. With ``told`` False nothing is reported: the caller does it.
    """

    def __init__(self, names: Sequence[str], *, bar: bool = True, follow: bool = False, told: bool = True) -> None:
        self._names = names
        self._bar = bar
        self._follow = follow
        self._told = told
        self.reader: TraceReader | None = None
        """The trace of the latest record; None before the first record."""
        self.skipped = 0
        """Damaged and missing parts so far."""
        self.empty: list[str] = []
        """What is said of each trace so far that has no record."""

    @property
    def profile(self) -> str | None:
        """The name of the profile that the trace states; None if it states none."""
        return self.reader.profile if self.reader else None

    def ahead(self) -> "Iterator[Record]":
        """Yields the records that the files hold now, for a look before the traces are read. Pipes are read only once,
        and have none; nor has what follows an error, which is reported when the traces are read."""
        from vtctap.pcap.record import Record

        if any(map(is_read_once, self._names)):
            return
        with suppress(Error, OSError):
            yield from (item for item in Traces(self._names, bar=False, told=False) if isinstance(item, Record))

    def __iter__(self) -> "Iterator[Record | Skipped]":
        from vtctap.pcap.skipped import Skipped

        for number, name in enumerate(self._names, 1):
            before = self.skipped
            following = self._follow and number == len(self._names)
            for item in self._followed(name) if following else self._items(name):
                if isinstance(item, Skipped):
                    self._tell(item, self.skipped - before)
                yield item
            more = self.skipped - before - _SHOWN
            if more > 0 and self._told:
                warn(f"{name}: {count(more, 'more part')} damaged or missing")

    def _followed(self, name: str) -> "Iterator[Record | Skipped]":
        """Yields the items of a trace as it grows, and of the ring files that are begun after it."""
        from vtctap.pcap.ring import file_after
        from vtctap.pcap.skipped import Skipped

        if is_read_once(name):
            yield from self._items(name)
            return
        file: IO[bytes] = open(name, "rb")  # noqa: SIM115  closed below
        missing = 0
        while True:
            with file:
                if missing:
                    yield Skipped(0, 0, f"the ring lacks {count(missing, 'file')} before it", name)
                yield from self._read(file, name, partial(file_after, name))
            file, missing = _opened_after(name)
            name = file.name

    def _items(self, name: str) -> "Iterator[Record | Skipped]":
        """Yields the items of one trace (``-``: standard input)."""
        if is_read_once(name):
            with self._open(sys.stdin.buffer if name == STANDARD else name) as self.reader:
                yield from self.reader.items()
                yield from self._end()
            return
        with open(name, "rb") as file:
            yield from self._read(file, name)

    def _read(
        self, file: IO[bytes], name: str, complete: "Callable[[], object] | None" = None
    ) -> "Iterator[Record | Skipped]":
        """Yields the items of an open file. With ``complete`` it is followed; see
        :meth:`~vtctap.pcap.trace.TraceReader.follow`."""
        from vtctap.command_line.progress import with_bar

        with self._open(file) as self.reader:
            items = self.reader.follow(complete=complete) if complete else self.reader.items()
            yield from with_bar(items, file, name) if self._bar else items
            yield from self._end()

    def _open(self, source: "Source") -> "TraceReader":
        from vtctap.pcap.trace import open_trace

        return open_trace(source)

    def _end(self) -> "Iterator[Skipped]":
        """Yields the record that the end of the trace cuts, if any. Reports a trace without a record."""
        assert self.reader
        yield from (torn := list(self.reader.torn()))
        if self.reader.cut and not torn:
            self.empty.append(self.reader.cut)
            if self._told:
                warn(self.reader.cut)

    def _tell(self, skipped: "Skipped", before: int) -> None:
        self.skipped += 1
        if before < _SHOWN and self._told:
            warn(str(skipped))


def _opened_after(name: str) -> tuple[IO[bytes], int]:
    """Opens the ring file after a complete one, and returns it with the number of files that are missing before it.

    A ring of few files may have deleted the next one by now, and not have begun the one after that.
    """
    from vtctap.pcap.ring import file_after

    while True:
        if after := file_after(name):
            with suppress(FileNotFoundError):
                return open(after[0], "rb"), after[1]
        time.sleep(_PAUSE)


@dataclass(slots=True)
class Reading:
    """How a command reads traces, and what became of them; :attr:`status` is the resulting exit status.

    - ``profile`` is the name of the profile that the user chose by ``option``; None: the one that a trace states.
    - ``no_secrets`` says that stand-ins under a random key replace the secrets of the records.
    - ``number`` is the number of the trace, from 1, where each of several is read by itself.
    - ``traces`` are those that were read here. ``damaged`` says that a trace, or a part of one, was skipped elsewhere.
    """

    profile: str | None = None
    no_secrets: bool = False
    number: int = 1
    traces: list[Traces] = field(default_factory=list)
    damaged: bool = False
    option: str = "--profile"

    @property
    def skipped(self) -> bool:
        """Whether a trace, or a part of one, was damaged or missing."""
        return self.damaged or any(traces.skipped for traces in self.traces)

    @property
    def status(self) -> int:
        """FOUND if a part of a trace was damaged or missing."""
        return FOUND if self.skipped else DONE

    def require_profile(self) -> None:
        """Raises ProfileError if the profile that the user chose cannot be read: that is no fault of the traces."""
        from vtctap.dissector.profiles.files import load

        if self.profile:
            load(self.profile)

    def settle(self, trace: Traces, name: str = "") -> "tuple[Iterator[Record | Skipped], Profile]":
        """Returns the records of a trace, and the profile for decoding them.

        A line on standard error states a profile that the user did not choose, if it is not the default profile.
        ``name`` is the name of the trace if there are several, and "" otherwise.
        """
        from vtctap.dissector.profiles.files import load
        from vtctap.dissector.profiles.names import DEFAULT
        from vtctap.dissector.profiles.stated import settled

        self.traces.append(trace)
        if self.profile:
            each, profile = settled(trace, load(self.profile))
            return self._shown(trace, each, profile), profile
        each, profile = settled(trace)
        stated, of = trace.profile, f"{name}: " if name else ""
        if stated not in (None, profile.name):
            warn(
                f"{of}the trace states the profile {stated}, which is not here; using {profile.name}: "
                "add --profile FILE"
            )
        elif profile.name != DEFAULT:
            warn(f"{of}using the profile {profile.name}, which the trace states; {self.option} chooses another")
        return self._shown(trace, each, profile), profile

    def _shown(
        self, trace: Traces, items: "Iterator[Record | Skipped]", profile: "Profile"
    ) -> "Iterator[Record | Skipped]":
        """Returns the items of a trace, without secrets if so wished."""
        return _without_secrets(trace, items, profile) if self.no_secrets else items


def _without_secrets(
    trace: Traces, items: "Iterator[Record | Skipped]", profile: "Profile"
) -> "Iterator[Record | Skipped]":
    """Yields the items with stand-ins for all secrets of the files, or of a pipe for those that have come so far."""
    from vtctap.dissector.profiles.names import shipped
    from vtctap.dissector.redaction.redact import Redactor
    from vtctap.dissector.redaction.standins import StandIns
    from vtctap.pcap.record import Record

    redactor = Redactor(profile, StandIns(os.urandom(32)), profiles=shipped())
    redactor.learn_ahead(trace.ahead())
    for item in items:
        if isinstance(item, Record):
            redactor.learn(item)
            item = redactor.redact(item)
        yield item


def one_link(records: "Iterator[Record]") -> "Iterator[Record]":
    """Yields the records. Raises CommandError if they come from several links, where only one can be handled."""
    link: int | None = None
    for record in records:
        link = record.link if link is None else link
        if record.link != link:
            raise CommandError("only one link is possible here and the trace has several: add -Y 'vtc.link == 0'")
        yield record
