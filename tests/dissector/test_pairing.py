"""Requests, answers, repeats and sessions: stories written by hand, with the expected place of each frame."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from equipment.sampling import sizes
from vtctap.dissector.pairing import SESSION_TIMEOUT_NS, Pairing, Place
from vtctap.dissector.protocol.messages import decode
from vtctap.pcap import Flag, Kind, Record, Sender

MS = 1_000_000
SECOND = 1000 * MS
START = 1_767_225_600 * SECOND

CALL = b"/?!\r\n"
IDENT = b"/LGZ5vtc\r\n"
READ = b"\x01R1\x020004()\x03g"
OTHER = b"\x01R1\x020005()\x03f"
DATA = b"\x020004(1)\x037"
DATA_BAD = DATA.replace(b"(1)", b"(7)")
READ_BAD = READ.replace(b"4(", b"5(")
WRITE = b"\x01W1\x020010(1)\x03V"
BREAK = b"\x01B0\x03q"
PART = b"\x02P(1)\x04d"
ACK, NAK, NULS = b"\x06", b"\x15", bytes(9)


def places(story: Sequence[tuple[str, bytes] | tuple[str, bytes, dict[str, Any]]]) -> list[Place]:
    """Returns the places of a story's frames: ``C`` or ``S`` (``?``: unknown), octets, and special attributes of the
    record. Each frame lasts 10 ms, and the next one begins 30 ms later unless ``after`` (ns) says otherwise."""
    pairing = Pairing()
    time = START
    found = []
    for number, (side, octets, *more) in enumerate(story, 1):
        special: dict[str, Any] = dict(more[0]) if more else {}
        time += special.pop("after", 30 * MS)
        sender = {"C": Sender.CLIENT, "S": Sender.SERVER, "?": Sender.UNKNOWN}[side]
        record = Record(time, octets, sender=sender, duration=10 * MS, **special)
        if record.event:
            pairing.interrupted(replace(record, kind=Kind.EVENT))
        found.append(pairing.feed(number, record, decode(octets))[0] if octets else Place(0))
        time += 10 * MS
    return found


def answers(story: Sequence[Any]) -> dict[int, int]:
    return {number: place.request_in for number, place in enumerate(places(story), 1) if place.request_in}


def repeats(story: Sequence[Any]) -> dict[int, int]:
    return {number: place.repeat_of for number, place in enumerate(places(story), 1) if place.repeat_of}


def sessions(story: Sequence[Any]) -> list[int]:
    return [place.session for place in places(story)]


def event(text: str, tap: int = 0) -> tuple[str, bytes, dict[str, Any]]:
    return "?", b"", {"event": text, "tap": tap}


LOST, BACK = event("lost octets=1"), event("opened port=x")


OUTAGES = [[LOST, BACK], [LOST], [BACK], [event("missed octets=1")], [event("overrun unread=1")]]


@pytest.mark.parametrize("outage", OUTAGES)
def test_after_an_outage_nothing_is_answered_or_repeated(outage: list[Any]) -> None:
    assert answers([("C", READ), *outage, ("S", DATA)]) == {}
    assert repeats([("C", READ), *outage, ("C", READ)]) == {}
    assert repeats([("C", READ), ("S", DATA), *outage, ("C", NAK), ("S", DATA)]) == {}


def test_while_a_tap_is_away_nothing_is_answered_or_repeated() -> None:
    story = [("C", CALL), ("S", IDENT), LOST, ("C", READ), ("C", READ), ("S", DATA), ("C", READ), ("S", DATA)]
    assert (answers(story), repeats(story)) == ({2: 1}, {})
    assert answers([*story, BACK, ("C", READ), ("S", DATA)]) == {2: 1, 11: 10}
    assert answers([*story, event("opened", 1), ("C", READ), ("S", DATA)]) == {2: 1}


@pytest.mark.parametrize("other", ["closed", "speed to=300", "mark lost", "lostoctets", ""])
def test_other_events_change_nothing(other: str) -> None:
    assert answers([("C", READ), event(other), ("S", DATA)]) == {3: 1}


def test_request_and_answer() -> None:
    story = [("C", CALL), ("S", IDENT), ("C", READ), ("S", DATA), ("C", WRITE), ("S", ACK), ("C", BREAK)]
    assert answers(story) == {2: 1, 4: 3, 6: 5}
    assert repeats(story) == {}
    assert sessions(story) == [1] * 7
    assert [place.response_time_ns for place in places(story)] == [None, 30 * MS, None, 30 * MS, None, 30 * MS, None]


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ([("C", READ), ("C", OTHER), ("S", DATA)], {3: 2}),
        ([("C", READ), ("S", DATA), ("S", DATA)], {2: 1}),
        ([("S", DATA), ("C", READ), ("S", DATA)], {3: 2}),
        ([("C", CALL), ("S", IDENT), ("S", DATA)], {2: 1}),
        ([("C", NULS), ("S", DATA)], {}),
        ([("C", NULS), ("C", CALL), ("S", IDENT)], {3: 2}),
        ([("C", READ), ("S", PART), ("C", ACK), ("S", DATA)], {2: 1, 4: 3}),
        ([("C", READ), ("S", DATA_BAD), ("C", NAK), ("S", DATA)], {2: 1, 4: 3}),
        ([("C", BREAK), ("S", ACK)], {2: 1}),
        ([("C", READ), ("?", DATA), ("S", DATA)], {3: 1}),
        ([("C", READ), ("S", READ, {"flags": Flag.ECHO}), ("S", DATA)], {3: 1}),
        ([("C", READ), ("C", OTHER, {"link": 1}), ("S", DATA), ("S", DATA, {"link": 1})], {3: 1, 4: 2}),
    ],
)
def test_who_answers_whom(story: Sequence[Any], expected: dict[int, int]) -> None:
    assert answers(story) == expected


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        # The client repeats after silence, a NAK or a damaged answer. Damage of the repeat itself excuses different
        # octets after a NAK.
        ([("C", READ), ("C", READ), ("C", READ), ("S", DATA), ("C", READ)], {2: 1, 3: 1}),
        ([("C", READ), ("C", OTHER)], {}),
        ([("C", READ), ("S", NAK), ("C", READ)], {3: 1}),
        ([("C", READ), ("S", NAK), ("C", OTHER)], {}),
        ([("C", READ_BAD), ("S", NAK), ("C", READ)], {3: 1}),
        ([("C", READ_BAD), ("C", READ)], {}),
        ([("C", READ), ("S", DATA_BAD), ("C", READ), ("S", DATA)], {3: 1}),
        ([("C", READ), ("S", DATA, {"flags": Flag.CUT}), ("C", READ)], {3: 1}),
        ([("C", READ), ("S", DATA, {"flags": Flag.ORDER_UNCERTAIN}), ("C", READ)], {}),
        ([("C", READ), ("S", DATA), ("C", READ), ("S", DATA)], {}),
        ([("C", CALL), ("C", CALL), ("S", IDENT)], {2: 1}),
        # The server repeats: after a NAK whatever it sends, after a repeated request the same octets.
        ([("C", READ), ("S", DATA_BAD), ("C", NAK), ("S", DATA)], {4: 2}),
        ([("C", READ), ("S", DATA_BAD), ("C", NAK), ("S", DATA_BAD), ("C", NAK), ("S", DATA)], {4: 2, 6: 2}),
        ([("C", READ), ("S", DATA, {"flags": Flag.PARITY}), ("C", READ), ("S", DATA)], {3: 1, 4: 2}),
        ([("C", READ), ("S", DATA), ("C", NAK), ("S", DATA), ("S", DATA)], {4: 2}),
        ([("C", READ), ("S", DATA), ("C", READ), ("C", READ), ("S", DATA)], {4: 3}),
        ([("C", NAK), ("S", DATA)], {}),
        ([("C", READ), ("S", NAK), ("S", NAK), ("C", NAK), ("C", NAK)], {}),
        # A break, or a long time, separates equal messages.
        ([("C", READ), ("C", BREAK), ("C", CALL), ("C", READ)], {}),
        ([("C", BREAK), ("C", BREAK)], {2: 1}),
        ([("C", READ), ("C", READ, {"after": SESSION_TIMEOUT_NS + 1})], {}),
        ([("C", READ), ("C", READ, {"after": SESSION_TIMEOUT_NS})], {2: 1}),
    ],
)
def test_what_is_a_repeat(story: Sequence[Any], expected: dict[int, int]) -> None:
    assert repeats(story) == expected


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ([("C", NULS), ("C", CALL), ("C", CALL), ("S", IDENT)], [1, 1, 1, 1]),
        ([("C", CALL), ("S", IDENT), ("C", READ), ("C", CALL), ("S", IDENT)], [1, 1, 1, 2, 2]),
        ([("C", CALL), ("S", IDENT), ("C", BREAK), ("C", CALL)], [1, 1, 1, 2]),
        ([("C", CALL), ("S", IDENT), ("C", BREAK), ("C", READ)], [1, 1, 1, 2]),
        ([("C", CALL), ("C", BREAK), ("S", ACK), ("C", NULS), ("C", CALL)], [1, 1, 1, 2, 2]),
        ([("C", BREAK), ("C", BREAK), ("C", CALL)], [1, 1, 2]),
        ([("S", DATA), ("C", READ), ("S", DATA)], [1, 1, 1]),
        ([("S", DATA), ("C", CALL)], [1, 2]),
        ([("?", DATA), ("C", READ)], [1, 1]),
        ([("C", CALL), ("S", IDENT, {"flags": Flag.CUT}), ("C", CALL), ("S", IDENT)], [1, 1, 1, 1]),
        ([("C", CALL), ("C", CALL, {"link": 7}), ("S", IDENT), ("S", IDENT, {"link": 7})], [1, 2, 1, 2]),
        (
            [("S", DATA), ("S", DATA, {"after": SESSION_TIMEOUT_NS}), ("S", DATA, {"after": SESSION_TIMEOUT_NS + 1})],
            [1, 1, 2],
        ),
    ],
)
def test_where_sessions_begin(story: Sequence[Any], expected: list[int]) -> None:
    assert sessions(story) == expected


def test_response_times_that_cannot_be_known() -> None:
    made_up = {"flags": Flag.SYNTHETIC}
    assert places([("C", READ, made_up), ("S", DATA, made_up)])[1] == Place(1, request_in=1)
    assert places([("C", READ), ("S", DATA, {"after": -5 * MS})])[1] == Place(1, request_in=1)


def test_a_request_in_two_records_ends_with_the_second() -> None:
    found = places([("C", b"\x01W1\x02(", {"flags": Flag.CUT}), ("C", b"1)\x03\x11", {"after": 0}), ("S", ACK)])
    assert found[2] == Place(1, request_in=1, response_time_ns=30 * MS)
    assert found[1] == Place(1)


@sizes
def test_tshark_agrees(whole: bool, wireshark: Callable[..., Any]) -> None:
    """Random stories of several links, in one pass and in two; in two passes the request links to its answer."""
    chance = random.Random(21)
    octets = (CALL, IDENT, READ, READ_BAD, OTHER, DATA, DATA_BAD, WRITE, BREAK, PART, ACK, NAK, NULS, b"1)\x03\x11")
    time, records, count = START, [], 3000 if whole else 1000
    for _ in range(count):
        time += chance.choice((0, 30 * MS, 30 * MS, 30 * MS, 2 * SECOND, SESSION_TIMEOUT_NS))
        records.append(
            Record(
                time,
                chance.choice(octets),
                sender=chance.choice((Sender.CLIENT,) * 5 + (Sender.SERVER,) * 4 + (Sender.UNKNOWN,)),
                link=chance.choice((0, 0, 0, 1)),
                flags=chance.choice((0,) * 12 + (Flag.PARITY, Flag.CUT, Flag.ECHO, Flag.SYNTHETIC)),
                duration=chance.choice((0, 10 * MS, 40 * MS)),
            )
        )
    tool = wireshark()
    assert tool.differences(records) == []
    expected: dict[int, int] = {}
    pairing = Pairing()
    for number, record in enumerate(records, 1):
        place, _ = pairing.feed(number, record, decode(record.octets))
        if place.request_in:
            expected[place.request_in] = number
    assert len(expected) > 0.1 * count
    shown = {}
    for number, items in enumerate(tool.items(tool.trace(records), "-2"), 1):
        for item in items:
            if item.name == "vtc.response_in":
                shown[number] = int(item.shown)
    assert shown == expected
