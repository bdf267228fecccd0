"""Verdicts: the token that each status is about, in conversations written by hand, and compared with the token flows,
which follow whole exchanges, and with the Lua dissector in one pass and in two."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from equipment.sampling import sizes
from vtctap.dissector.analysis.flows import token_flows
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.profiles.files import load
from vtctap.pcap import Flag, Kind, Line, Record, Sender
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.octets import with_check
from vtctap.sniffer.simulated.session import EPOCH, play

MS = 1_000_000
PROFILE = load()
CALL, IDENT, ACK, NAK, NULS = b"/?!\r\n", b"/LGZ5vtc\r\n", b"\x06", b"\x15", bytes(9)
TOKEN, OTHER = (with_check(b"\x01W1\x02FFFF(%020d)\x03" % number) for number in (150997584, 18446744073709551615))
WRITE = with_check(b"\x01W1\x020005(1)\x03")
READ, BREAK = with_check(b"\x01R1\x02FFFE()\x03"), with_check(b"\x01B0\x03")
STATUS = {value: with_check(b"\x02FFFE(%02X)\x03" % value) for value in (1, 10, 15, 16)}
WAIT, TAKEN, USED = ("S", STATUS[16]), ("S", STATUS[1]), ("S", STATUS[10])
ASK, GIVE, GOOD = ("C", READ), ("C", TOKEN), ("S", ACK)
WRONG = ("S", STATUS[1][:-1] + b"x")
ECHO = {"flags": Flag.ECHO}
LOST, BACK = ("E", b"", {"event": "lost"}), ("E", b"", {"event": "opened"})

Story = Sequence[tuple[str, bytes] | tuple[str, bytes, dict[str, Any]]]


def records_of(story: Story) -> list[Record]:
    """Returns the records of a story: ``C``, ``S`` or ``E`` (event), octets, and special attributes of the record."""
    return [
        Record(EPOCH + number * 40 * MS, octets, Kind.EVENT if side == "E" else Kind.FRAME,
               Sender.SERVER if side == "S" else Sender.CLIENT, duration=10 * MS, **(more[0] if more else {}))
        for number, (side, octets, *more) in enumerate(story)
    ]  # fmt: skip


def tokens(records: Sequence[Record]) -> dict[int, int]:
    """Returns the record of the token that each status is about."""
    shown = [dissection.fields() for dissection in map(Dissector(PROFILE).dissect, records)]
    return {at: fields["vtc.status.token_in"] for at, fields in enumerate(shown, 1) if "vtc.status.token_in" in fields}  # type: ignore[misc]


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ([GIVE, GOOD, ASK, TAKEN], {4: 1}),
        ([GIVE, GOOD, ASK, WAIT, ASK, WAIT, ASK, USED, ASK, USED], {4: 1, 6: 1, 8: 1}),
        ([ASK, USED], {}),
        ([GIVE, ("S", NAK), ASK, USED], {}),
        ([GIVE, ASK, USED], {}),
        ([("C", WRITE), GOOD, ASK, TAKEN], {}),
        # Of a repeated write, the one that was answered counts.
        ([GIVE, ("S", NAK), GIVE, GOOD, ASK, TAKEN], {6: 3}),
        ([GIVE, GIVE, GOOD, ASK, TAKEN], {5: 2}),
        # Another token takes its place.
        ([GIVE, GOOD, ("C", OTHER), GOOD, ASK, TAKEN], {6: 3}),
        ([GIVE, GOOD, ("C", OTHER), ("S", NAK), ASK, TAKEN], {6: 1}),
        ([GIVE, GOOD, ("C", WRITE), GOOD, ASK, TAKEN], {6: 1}),
        # Damaged frames, unrequested ones, and an echo.
        ([GIVE, GOOD, ASK, WRONG, ASK, TAKEN], {6: 1}),
        ([GIVE, GOOD, TAKEN, ASK, USED], {5: 1}),
        ([GIVE, ("C", TOKEN, ECHO), GOOD, ("S", ACK, ECHO), ASK, ("S", *TAKEN[1:], ECHO), TAKEN], {7: 1}),
        # A session ends.
        ([GIVE, GOOD, ("C", BREAK), ("C", NULS), ("C", CALL), ("S", IDENT), ASK, TAKEN], {}),
        ([GIVE, GOOD, ("C", READ, {"link": 1}), ("S", STATUS[1], {"link": 1}), ASK, TAKEN], {6: 1}),
        ([GIVE, GOOD, ASK, ("S", STATUS[15])], {4: 1}),
        # Another token may have been entered during an outage.
        ([GIVE, GOOD, ("E", b"", {"event": "lost"}), ("E", b"", {"event": "opened"}), ASK, TAKEN], {}),
        ([GIVE, GOOD, ("E", b"", {"event": "missed octets=1"}), ASK, TAKEN], {}),
        ([GIVE, GOOD, ("E", b"", {"event": "overrun unread=9"}), ASK, TAKEN], {}),
        ([GIVE, GOOD, ("E", b"", {"event": "missed octets=1", "link": 1}), ASK, TAKEN], {5: 1}),
    ],
)
def test_a_status_is_about_the_token_that_waits_for_it(story: Story, expected: dict[int, int]) -> None:
    assert tokens(records_of(story)) == expected


@pytest.mark.parametrize("seed", range(6))
def test_token_flows_find_the_same(seed: int) -> None:
    faults = ("bcc-bad", "no-response", "cut", "noise")
    playing = play(seed, faults=faults, sessions=4, dialect=GUESS)
    line = Line(7, "E", 1)
    records = list(
        virtual.capture(playing, start=EPOCH, speed=9600, line=line, gap_limit_ns=1_500 * MS, profile="demo")
    )
    expected = {
        poll.response.number: flow.write.request.number
        for flow in token_flows(records)
        for poll in flow.polls
        if flow.write.request and poll.response
    }
    assert tokens(records) == expected
    assert len(expected) > 10


@sizes
def test_wireshark_links_both_ways(whole: bool, wireshark: Callable[..., Any]) -> None:
    """Random conversations: a status links to its token in one pass, and the token to its verdict in two."""
    chance = random.Random(7)
    steps = [(GIVE, GOOD), (ASK, WAIT), (ASK, TAKEN), (ASK, USED), (ASK, WRONG), (GIVE, ("S", NAK)),
             (("C", OTHER), GOOD), (("C", WRITE), GOOD), (("C", BREAK), ("C", CALL)), (GIVE,), (TAKEN,),
             (LOST,), (BACK,)]  # fmt: skip
    special: list[dict[str, Any]] = [{}] * 20 + [ECHO, {"link": 1}, {"flags": Flag.CUT}]
    frames = [
        frame
        for _ in range(1500 if whole else 450)
        for frame in chance.choices(steps, [4, 4, 2, 1, 1, 1, 1, 1, 1, 1, 1, 0.1, 1])[0]
    ]
    records = records_of([(*frame, chance.choice(special)) for frame in frames])
    tool = wireshark()
    assert tool.differences(records) == []
    said = tokens(records)
    expected: dict[int, int] = {}
    for number, token in said.items():
        if records[number - 1].octets != STATUS[16]:
            expected[token] = number
    assert len(expected) > len(records) // 30
    shown = {
        number: int(item.shown)
        for number, items in enumerate(tool.items(tool.trace(records), "-2"), 1)
        for item in items
        if item.name == "vtc.token.status_in"
    }
    assert shown == expected
