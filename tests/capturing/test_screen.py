"""Standard error during a capture: nothing waits for it, and the status line garbles no other line."""

import errno
from io import StringIO

from equipment.outlets import TAPS, Memory, event
from vtctap.capturing.counts import Counts
from vtctap.capturing.screen import Screen
from vtctap.capturing.status import StatusLine, status
from vtctap.capturing.telling import Advice, OutageMessages
from vtctap.dissector.profiles.files import load
from vtctap.pcap.record import Line, Record, Sender

REQUEST = Record(10**9, b"/?!\r\n", sender=Sender.CLIENT, line=Line(7, "E", 1), speed=9600)


def terminal(memory: Memory) -> Screen:
    return Screen(StringIO(), memory, rewrites=True)


def test_a_line_is_said_above_the_status_line(memory: Memory) -> None:
    screen = terminal(memory)
    screen.show("a status", 0)
    screen.say("a line")
    screen.show("status", 1)
    screen.clear()
    assert memory.octets == b"\ra status\r        \rvtctap: a line\n\rstatus\r      \r"


def test_a_shorter_status_line_covers_a_longer(memory: Memory) -> None:
    screen = terminal(memory)
    screen.show("abcd", 0)
    screen.show("ab", 1)
    assert memory.octets == b"\rabcd\rab  "


def test_quiet(memory: Memory) -> None:
    screen = Screen(StringIO(), memory, rewrites=True, quiet=True)
    screen.say("a line")
    assert not screen.due(1e9)
    screen.insist("what must be said")
    assert memory.lines == ["vtctap: what must be said"]


def test_the_status_line_is_due_four_times_a_second_and_only_where_it_can_be_seen(memory: Memory) -> None:
    screen = terminal(memory)
    screen.show("a", 100)
    assert [screen.due(now) for now in (100.24, 100.25)] == [False, True]
    memory.room = 0
    assert not screen.due(101)
    assert not Screen(StringIO(), memory).due(101)


def test_a_terminal_that_takes_nothing_or_is_gone_is_no_error(memory: Memory) -> None:
    screen = terminal(memory)
    memory.room = 0
    screen.show("a", 0)
    screen.say("a line")
    memory.room, memory.error = 1000, OSError(errno.EIO, "the terminal is gone")
    screen.say("a line")
    screen.finish()
    assert memory.octets == b""


def test_messages_that_were_dropped_are_counted(memory: Memory) -> None:
    screen = Screen(StringIO(), memory)
    memory.room = 0
    screen.say("a line")
    screen.say("another")
    memory.room = 1000
    screen.say("a third")
    assert memory.lines == ["vtctap: 2 messages not shown, because standard error was not read", "vtctap: a third"]
    memory.room = 0
    screen.say("a fourth")
    memory.room = 1000
    screen.finish()
    assert memory.lines[2:] == ["vtctap: 1 message not shown, because standard error was not read"]


def test_what_the_status_line_says(memory: Memory) -> None:
    counts = Counts()
    counts.open(TAPS)
    line = StatusLine(terminal(memory), counts, load(), lambda: 1234, lambda: "a note")
    for part in (counts, line):
        part.feed([REQUEST, event(2, "lost octets=5", tap=1)], 0)
    line.feed((), 1)
    assert memory.octets.decode() == "\r1 frame | 5 octets | 9600 7E1 | 1.2 kB | lost: B:/dev/b | a note | C> IDRequest"


def test_status_line_fits() -> None:
    counts = Counts()
    whole = status(counts, speed="9600 7E1", last="M> Data " + "x" * 100, size=12345, width=500)
    assert whole == "0 frames | 0 octets | 9600 7E1 | 12.3 kB | M> Data " + "x" * 100
    for width in range(len(whole) + 2):
        line = status(counts, speed="9600 7E1", last="M> Data " + "x" * 100, size=12345, width=width)
        assert len(line) == min(width, len(whole))
        assert whole.startswith(line.removesuffix("..."[:width]))


def test_outages() -> None:
    said: list[str] = []
    outages = OutageMessages(said.append)
    outages.open(TAPS)
    outages.feed([event(0, "opened x"), event(1, "lost octets=5", tap=1)], 0)
    outages.feed([event(2, "lost octets=0"), event(3, "opened x", tap=1), event(4, "opened x", tap=1)], 0)
    assert [(text.split()[0], text.split()[2]) for text in said] == [
        ("B:/dev/b", "lost"),
        ("A:/dev/a", "lost"),
        ("B:/dev/b", "back"),
    ]


def test_advice_comes_with_time() -> None:
    said: list[str] = []
    advice = Advice(said.append)
    advice.open(TAPS)
    for now in (100, 109.9):
        advice.feed((), now)
    assert said == []
    advice.feed((), 110)
    advice.feed((), 120)
    assert [text.partition(": nothing")[0] for text in said] == ["hint: A:/dev/a", "hint: B:/dev/b"]
