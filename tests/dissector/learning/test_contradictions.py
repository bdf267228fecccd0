"""Contradictions: each statement of a profile can be contradicted by a record, but never by a damaged one."""

from dataclasses import replace

import pytest

from equipment.conversation import (
    ACK,
    CALL,
    NAK,
    Frames,
    answers,
    block,
    data,
    identification,
    learn,
    read,
    records,
    write,
)
from vtctap.dissector.dissect import Dissector, Frame
from vtctap.dissector.learning.contradictions import Contradictions
from vtctap.dissector.learning.draft import draft
from vtctap.dissector.profiles.files import load, parse
from vtctap.dissector.profiles.model import Profile
from vtctap.pcap.record import EIGHT_BITS, Record, Sender

PROFILE = """
[profile]
name = "ours"
title = "ours"
inherits = "iec62056-21"
source = "test"
confidence = "assumed"

[line]
format = "7E1"
speed = 9600

[timing]
reaction_min = 0.05
reaction_max = 0.2

[identification]
manufacturer = "FLAG"
fields = [{ name = "model", length = 4 }]

[syntax]
read = "R1"
brackets = "yes"
count = "no"
ids = { is = "no", source = "seen", confidence = "confirmed" }
client_check = "xor"
meter_check = "xor"

[registers.entries]
"2006" = { name = "number", access = "read", type = "decimal" }
"2010" = { name = "token", access = "write", type = "token", encodings = ["decimal"] }
"2011" = { name = "state", access = "read", table = "states", base = 16 }

[tables.states.values]
1 = "on"
"""


def contradictions(made: list[Record], profile: Profile | None = None) -> list[tuple[int, str, str]]:
    profile = profile or parse(PROFILE, "ours.toml")
    found = Contradictions(profile).all(map(Dissector(profile).dissect, made))
    return [(contradiction.record, contradiction.about, contradiction.shows) for contradiction in found]


GOOD: Frames = [
    CALL,
    identification("ABC5 meter"),
    read("2006"),
    data("(1234)"),
    write("2010", "56493153725450313471"),
    ("M", ACK),
    read("2011"),
    data("(01)"),
]


def test_what_fits_contradicts_nothing() -> None:
    assert contradictions(records(GOOD)) == []


@pytest.mark.parametrize(
    ("frames", "found"),
    [
        ([read("2006", command="R5"), data("(1)")], (1, "syntax", "read: R5, not R1")),
        ([read("2006"), data("2006(1)")], (2, "syntax", "ids: yes, not no")),
        ([read("2006", rule="sum"), data("(1)")], (1, "syntax", "client_check: sum, not xor")),
        ([read("2006"), data("(1A)")], (2, "registers", "number: the value has not the form of decimal")),
        ([read("2011"), data("(02)")], (2, "registers", "state: the value has not the form of enumeration")),
        ([read("2011"), data("(x)")], (2, "registers", "state: the value has not the form of enumeration")),
        ([read("2010"), data("(1)")], (2, "registers", "token can be read, not only write")),
        ([write("2006", "1"), ("M", ACK)], (2, "registers", "number can be written, not only read")),
        ([read("2006"), data("(ER01)")], (2, "registers", "number cannot be read here")),
        ([write("2010", "1234"), ("M", ACK)], (1, "registers", "token: no token in decimal")),
        (
            [CALL, identification("ABC5X")],
            (2, "identification", "1 character, fewer than its fields"),
        ),
        ([read("2006"), 0.3, data("(1)")], (2, "timing", "the meter reacts after 0.400 s")),
    ],
)
def test_what_does_not_fit_is_named(frames: Frames, found: tuple[int, str, str]) -> None:
    assert contradictions(records(frames)) == [found]


def test_a_bare_read_contradicts_brackets_and_no_count() -> None:
    frames = [("C", block("\x01R\x0220060")), data("(1)")]
    assert [about[2] for about in contradictions(records(frames))] == [
        "read: R, not R1",
        "brackets: no, not yes",
        "count: yes, not no",
    ]


def test_a_nak_contradicts_only_if_it_is_repeated() -> None:
    assert contradictions(records([read("2006"), ("M", NAK), read("2006"), data("(1)")])) == []
    twice = contradictions(records([read("2006"), ("M", NAK), read("2006"), ("M", NAK)]))
    assert twice == [(4, "registers", "number cannot be read here")]


def test_a_line_is_compared_only_if_a_tap_shows_it() -> None:
    """Records without an uncertainty, as from an import, contradict no line."""
    made = [replace(record, speed=2400) for record in records([read("2006"), data("(1)")])]
    assert contradictions(made) == [(1, "line", "2400 bit/s, 7E1"), (2, "line", "2400 bit/s, 7E1")]
    assert contradictions([replace(record, uncertainty=None) for record in made]) == []


def test_what_is_damaged_contradicts_nothing() -> None:
    for side, octets in (data("2006(1A)"), read("2006", command="R5")):
        bad = (side, octets[:-1] + bytes([octets[-1] ^ 1]))
        frames = [read("2006"), bad] if side == "M" else [bad, data("(1)")]
        assert contradictions(records(frames)) == []


def test_a_learned_profile_is_not_contradicted_by_its_own_trace() -> None:
    made = records([*GOOD * 3, *[read("2006"), data("(12A4)")] * 3, *[read("2099"), data("(ER02)")] * 3])
    text = draft(learn(made), load("iec62056-21"), parent="iec62056-21", name="n", traces=["t"])
    profile = parse(text, "n.toml")
    assert profile.syntax["ids"].value == "no"
    assert contradictions(made, profile) == []
    assert {
        about
        for _, about, _ in contradictions(records([read("2006", rule="sum"), data("2006(-)", rule="sum")]), profile)
    } == {"syntax", "registers"}


def test_hdlc_has_a_format_and_limits_of_its_own() -> None:
    """SNRM and UA of mode E, 5 ms apart, at 8N1: neither contradicts the profile, nor teaches it a reaction time."""
    snrm, answer = (bytes.fromhex(text) for text in ("7ea0070321930f017e", "7ea00721037301407e"))
    made: list[Record] = []
    for number in range(8):
        octets, sender = ((snrm, Sender.CLIENT), (answer, Sender.SERVER))[number % 2]
        time = 10**18 + number // 2 * 10**9 + number % 2 * (9 * 1_041_666 + 5_000_000)
        made.append(
            Record(
                time,
                octets,
                sender=sender,
                tap=number % 2,
                line=EIGHT_BITS,
                speed=9600,
                uncertainty=100_000,
                duration=9 * 1_041_666,
            )
        )
    assert {frame.name for frame in map(Dissector(load()).dissect, made) if isinstance(frame, Frame)} == {"HDLC"}
    assert contradictions(made) == []
    assert answers(made)["reaction", ""].verdict == "not seen"
