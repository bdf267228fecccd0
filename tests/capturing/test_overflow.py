"""A pipe whose reader stalls: octets without room are counted, reported, and marked where they are missing."""

from collections import Counter

import pytest

from equipment.outlets import event
from vtctap.capturing.overflow import Overflow
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender

E71 = Line(7, "E", 1)


class Room:
    """A recording that has room for a given number of octets."""

    def __init__(self) -> None:
        self.drops: Counter[int] = Counter()
        self.room = 1 << 30

    def has_room(self, octets: int) -> bool:
        return octets <= self.room


@pytest.fixture
def room() -> Room:
    return Room()


def heard(second: int, octets: bytes, tap: int = 0) -> Record:
    sender = (Sender.CLIENT, Sender.SERVER)[tap]
    return Record(second * 10**9, octets, sender=sender, link=3, tap=tap, line=E71, speed=9600)


def test_with_room_everything_passes(room: Room) -> None:
    said: list[str] = []
    records = [heard(1, b"x"), event(2, "opened")]
    assert Overflow(room, said.append).feed(records, 0) == records
    assert (said, room.drops) == ([], {})


def test_a_loss_is_an_event_and_a_flag(room: Room) -> None:
    said: list[str] = []
    overflow = Overflow(room, said.append)
    room.room = 0
    lost = [heard(1, b"abc"), heard(2, b"de", 1), heard(3, b"fg"), heard(4, b"")]
    assert [one for record in lost for one in overflow.feed([record], 0)] == []
    assert len(said) == 1
    assert room.drops == {0: 5, 1: 2}
    room.room = 1 << 30
    assert overflow.feed((), 0) == []
    passed = list(overflow.feed([heard(5, b"h"), heard(6, b"i"), heard(7, b"j", 1)], 0))
    assert [(one.time // 10**9, one.tap, one.event, one.octets, one.flags & Flag.OVERRUN) for one in passed] == [
        (1, 0, "overrun unread=5", b"", 0),
        (2, 1, "overrun unread=2", b"", 0),
        (5, 0, "", b"h", Flag.OVERRUN),
        (6, 0, "", b"i", 0),
        (7, 1, "", b"j", Flag.OVERRUN),
    ]
    first = passed[1]
    assert (first.kind, first.sender, first.link, first.line, first.speed) == (Kind.EVENT, Sender.SERVER, 3, E71, 9600)
    assert len(said) == 2
    assert overflow.feed([heard(8, b"k")], 0) == [heard(8, b"k")]


def test_the_last_events_close_the_account_though_there_is_no_room(room: Room) -> None:
    overflow = Overflow(room, lambda text: None)
    room.room = 0
    overflow.feed([heard(1, b"abc")], 0)
    closed = event(2, "closed octets=3")
    assert [one.event for one in overflow.feed([closed], 0)] == ["overrun unread=3", "closed octets=3"]


def test_an_event_while_the_reader_stalls_does_not_say_that_it_reads(room: Room) -> None:
    said: list[str] = []
    overflow = Overflow(room, said.append)
    room.room = 0
    for second in range(1, 9, 2):
        overflow.feed([heard(second, b"abc"), event(second + 1, "mark")], 0)
    assert [text.partition(":")[0] for text in said] == ["the reader of the trace stalls and the buffer is full"]
    room.room = 1 << 30
    (passed,) = overflow.feed([heard(9, b"d")], 0)
    assert (passed.flags, said[1:]) == (Flag.OVERRUN, ["the trace is read again"])


def test_every_octet_is_passed_or_counted_whatever_the_room_is(room: Room) -> None:
    overflow = Overflow(room, lambda text: None)
    passed: list[Record] = []
    sent = 0
    for number in range(1000):
        room.room = (number * 7919) % 1000
        octets = bytes(number % 50)
        sent += len(octets)
        passed += overflow.feed([heard(number, octets, number % 2)], 0)
    passed += overflow.feed([event(1001, "closed")], 0)
    told = sum(int(one.event.partition("=")[2]) for one in passed if one.event.startswith("overrun"))
    assert 0 < told == room.drops.total()
    assert sum(len(one.octets) for one in passed) + told == sent
