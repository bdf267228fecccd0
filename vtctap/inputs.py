"""The traces that commands read, and the profile that they are read with."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from vtctap.arguments import STANDARD
from vtctap.messages import warn

if TYPE_CHECKING:
    from vtctap.dissector.profiles.files import Profile
    from vtctap.pcap.record import Record
    from vtctap.pcap.trace import TraceReader

__all__ = ["Traces", "input_trace", "settle"]


@contextmanager
def input_trace(name: str | IO[bytes]) -> Iterator["TraceReader"]:
    """The trace of that name (``-`` for standard input) or file; warns at the end if it ends cut."""
    from vtctap.pcap.trace import open_trace

    with open_trace(sys.stdin.buffer if name == STANDARD else name) as reader:
        yield reader
        if reader.cut:
            warn(reader.cut)


class Traces:
    """The records of traces that are one, one after the other; warns of those that end cut.

    With ``bar`` a terminal shows how much of a file has been read; not of a pipe, whose end nobody knows. With
    ``follow`` the end of the last trace is waited for for ever; but a pipe has an end of its own."""

    def __init__(self, names: Sequence[str], *, bar: bool = True, follow: bool = False) -> None:
        self._names = names
        self._bar = bar
        self._follow = follow
        self.reader: TraceReader | None = None
        """The trace whose record was given last; None before the first."""

    @property
    def profile(self) -> str | None:
        """The name of the profile that this trace states."""
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
    """The records of a trace, and the profile to read them with: that of ``--profile``, or else the one that the trace
    states; a line on standard error says so where that is not the default one.

    ``name`` is the trace's, where there are several."""
    from vtctap.dissector.profiles.files import DEFAULT, load
    from vtctap.dissector.profiles.stated import settled

    if arguments.profile:
        return settled(trace, load(arguments.profile))
    each, profile = settled(trace)
    stated, of = trace.profile, f"{name}: " if name else ""
    if stated not in (None, profile.name):
        warn(f"{of}its profile {stated} is not here, {profile.name} is taken: --profile FILE says where it is")
    elif profile.name != DEFAULT:
        warn(f"{of}the trace states the profile {profile.name}, which is taken; --profile chooses another")
    return each, profile
