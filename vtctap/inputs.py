"""The traces that commands read."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from vtctap.arguments import STANDARD
from vtctap.messages import warn

if TYPE_CHECKING:
    from vtctap.pcap.record import Record
    from vtctap.pcap.trace import TraceReader

__all__ = ["input_trace", "joined"]


@contextmanager
def input_trace(name: str | IO[bytes]) -> Iterator["TraceReader"]:
    """The trace of that name (``-`` for standard input) or file; warns at the end if it ends cut."""
    from vtctap.pcap.trace import open_trace

    with open_trace(sys.stdin.buffer if name == STANDARD else name) as reader:
        yield reader
        if reader.cut:
            warn(reader.cut)


def joined(traces: "Sequence[str]") -> "Iterator[Record]":
    """The records of traces that are one, one after the other; warns of those that end cut.

    On a terminal a bar shows how much of a file has been read; not of a pipe, whose end nobody knows."""
    from vtctap.pcap.streams import is_special
    from vtctap.progress import with_bar

    for trace in traces:
        if trace == STANDARD or is_special(trace):
            with input_trace(trace) as reader:
                yield from reader
            continue
        with open(trace, "rb") as file, input_trace(file) as reader:
            yield from with_bar(reader, file, trace)
