"""Lines on standard output have the record numbers of the trace; lines without room are left out, counted and
reported."""

import errno
from collections.abc import Callable
from io import StringIO

import pytest

from equipment.outlets import TAPS, Memory, event
from vtctap.capturing.printing import Printing
from vtctap.capturing.screen import Screen
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.text import Printer
from vtctap.errors import OutputError

Dissectors = Callable[[], Dissector]


@pytest.fixture
def out() -> Memory:
    return Memory()


@pytest.fixture
def printing(out: Memory, screen: Screen, dissector: Dissectors) -> Printing:
    printer = Printer()
    printing = Printing(out, screen, dissector(), printer, printer.line)
    printing.open(TAPS)
    return printing


def test_lines_are_numbered_and_name_the_links(printing: Printing, out: Memory) -> None:
    records = [event(1, "one"), event(2, "two", tap=1)]
    assert printing.feed(records, 0) == records
    assert out.lines == ["    1     0.000000 A ?? one", "    2     1.000000 B ?? two"]


def test_lines_without_room(printing: Printing, out: Memory, memory: Memory) -> None:
    printing.feed([event(1, "one")], 0)
    out.room = 0
    printing.feed([event(2, "two"), event(3, "three")], 0)
    assert memory.lines == [
        "vtctap: the reader of standard output stalls: records are not printed until it reads again"
    ]
    out.room = 1000
    printing.feed([event(4, "four")], 0)
    assert [line.split()[0] for line in out.lines] == ["1", "4"]
    assert memory.lines[1:] == ["vtctap: standard output is read again: 2 records before the last not printed"]
    out.room = 0
    printing.feed([event(5, "five")], 0)
    assert printing.dropped == 3


def test_nobody_reads_any_more(printing: Printing, out: Memory) -> None:
    printing.feed((), 0)
    assert not printing.unread
    out.gone = True
    printing.feed((), 0)
    assert printing.unread
    assert printing.feed([event(1, "one")], 0) == [event(1, "one")]
    assert out.lines == []


@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_closed_pipe_is_no_error(printing: Printing, out: Memory, at_the_end: bool) -> None:
    out.error = BrokenPipeError(errno.EPIPE, "Broken pipe")
    if at_the_end:
        out.finish = lambda patience: out.write(b"")  # type: ignore[method-assign]
        printing.close()
    else:
        printing.feed([event(1, "one")], 0)
    assert printing.unread


def test_a_full_disk_is_one(printing: Printing, out: Memory) -> None:
    out.error = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OutputError, match="standard output: No space left on device"):
        printing.feed([event(1, "one")], 0)


def test_the_status_line_makes_way(out: Memory, dissector: Dissectors) -> None:
    screen = Screen(StringIO(), out, rewrites=True, shared=True)
    printer = Printer()
    printing = Printing(out, screen, dissector(), printer, printer.line)
    screen.show("status", 0)
    printing.feed([event(1, "one")], 0)
    assert out.octets == b"\rstatus\r      \r    1     0.000000 ?? one\n"
