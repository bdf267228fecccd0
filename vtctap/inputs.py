"""The traces that commands read, and the profile for decoding them."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from vtctap.arguments import STANDARD
from vtctap.errors import CommandError
from vtctap.messages import warn

if TYPE_CHECKING:
    from vtctap.dissector.profiles.files import Profile
    from vtctap.pcap.record import Record
    from vtctap.pcap.trace import TraceReader

__all__ = ["Traces", "input_trace", "one_link", "settle"]


@contextmanager
def input_trace(name: str | IO[bytes]) -> Iterator["TraceReader"]:
    """Opens the trace with that name (``-``: standard input) or file, and warns at the end if it is truncated."""
    from vtctap.pcap.trace import open_trace

    with open_trace(sys.stdin.buffer if name == STANDARD else name) as reader:
        yield reader
        if reader.cut:
            warn(reader.cut)


class Traces:
    """The records of several traces that are read as one, in order, with a warning for each truncated trace.

    ``bar`` shows on a terminal how much of a file has been read; a pipe has no bar, because its length is unknown.
    ``follow`` waits at the end of the last trace for more records; a pipe still ends when its writer closes it.
    """

    def __init__(self, names: Sequence[str], *, bar: bool = True, follow: bool = False) -> None:
        self._names = names
        self._bar = bar
        self._follow = follow
        self.reader: TraceReader | None = None
        """The trace of the latest record; None before the first record."""

    @property
    def profile(self) -> str | None:
        """The name of the profile that the trace states; None if it states none."""
        return self.reader.profile if self.reader else None

    def __iter__(self) -> "Iterator[Record]":
        from vtctap.pcap.streams import is_special
        from vtctap.progress import with_bar

        for name in self._names:
            if name == STANDARD or is_special(name):
                with input_trace(name) as self.reader:
                    yield from self.reader
                continue
            with open(name, "rb") as file, input_trace(file) as self.reader:
                yield from with_bar(self.reader, file, name) if self._bar else self.reader
                if self._follow and name == self._names[-1]:
                    yield from self.reader.follow()


def settle(
    arguments: argparse.Namespace, trace: "TraceReader | Traces", name: str = ""
) -> "tuple[Iterator[Record], Profile]":
    """Returns the records of a trace, and the profile for decoding them.

    The profile is that of ``--profile``, or else the one that the trace states. A line on standard error says so if it
    is not the default profile. ``name`` is the name of the trace if there are several, and "" otherwise.
    """
    from vtctap.dissector.profiles.files import DEFAULT, load
    from vtctap.dissector.profiles.stated import settled

    if arguments.profile:
        return settled(trace, load(arguments.profile))
    each, profile = settled(trace)
    stated, of = trace.profile, f"{name}: " if name else ""
    if stated not in (None, profile.name):
        warn(f"{of}the trace states the profile {stated}, which is not here; using {profile.name}: add --profile FILE")
    elif profile.name != DEFAULT:
        warn(f"{of}using the profile {profile.name}, which the trace states; --profile chooses another")
    return each, profile


def one_link(records: "Iterator[Record]") -> "Iterator[Record]":
    """Yields the records. Raises CommandError if they come from several links, where only one can be handled."""
    link: int | None = None
    for record in records:
        link = record.link if link is None else link
        if record.link != link:
            raise CommandError("only one link is possible here and the trace has several: add -Y 'vtc.link == 0'")
        yield record
