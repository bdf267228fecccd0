"""The draft of a profile: what is shown becomes an entry with its evidence, and nothing else does."""

import tomllib
from typing import Any

import pytest

from equipment.conversation import ACK, Frames, data, learn, read, records, write
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.learning.contradictions import Contradictions
from vtctap.dissector.learning.draft import Learned, draft, parent_of
from vtctap.dissector.learning.learner import Learner
from vtctap.dissector.profiles.files import load, parse
from vtctap.pcap.record import Record

TOKENS = [f"{10**19 + number * (1 << 29) - (10**19 % (1 << 29)):020}" for number in range(8)]
"""Tokens of class 0."""


def poll(*statuses: str) -> list[tuple[str, bytes]]:
    return [turn for status in statuses for turn in (read("0F01"), data(f"({status})"))]


def sold() -> list[Record]:
    """Returns a session with four tokens that raise a credit, and four that do not; register 0F01 is the status."""
    frames: list[tuple[str, bytes] | float] = []
    credit = 1000
    for number in range(4):
        frames += [read("0A10"), data(f"({credit:04X})"), write("0F02", TOKENS[2 * number]), ("M", ACK)]
        credit += 200
        frames += [*poll("10", "A1"), read("0A10"), data(f"({credit:04X})"), 60.0, read("0A11"), data("(31)")]
        credit -= 1
        frames += [read("0A10"), data(f"({credit:04X})"), write("0F02", TOKENS[2 * number + 1]), ("M", ACK)]
        frames += poll("10", "B2")
    return records(frames)


def drafted(learner: Learner, base: str = "iec62055-52") -> tuple[str, dict[str, Any]]:
    profile = load(base)
    parent = parent_of(Learned(learner.answers()), profile)
    text = draft(learner, load(parent), parent=parent, name="mine", traces=["a.pcapng"])
    parse(text, "mine.toml")
    return text, tomllib.loads(text)


def test_tokens_and_statuses_become_entries() -> None:
    text, document = drafted(learn(sold()))
    entries = document["registers"]["entries"]
    assert entries["0F02"]["type"] == "token"
    assert entries["0F02"]["encodings"] == ["decimal"]
    assert (entries["0F01"]["table"], entries["0F01"]["base"]) == ("tokenStatus", 16)
    values = document["tables"]["tokenStatus"]["values"]
    assert {number: (value["outcome"], value["confidence"]) for number, value in values.items()} == {
        "16": ("pending", "derived"),
        "161": ("accepted", "derived"),
        "178": ("rejected", "derived"),
    }
    assert values["161"]["source"] == "seen 4 times, records 10, 30, 50, 70", "where the credit has risen"
    assert not any(token in text for token in TOKENS)
    profile = parse(text, "mine.toml")
    assert profile.registers["0F01"].table
    assert profile.registers["0F01"].table.outcomes == {16: "pending", 161: "accepted", 178: "rejected"}


def test_another_status_register_does_not_inherit_the_numbers_of_the_port() -> None:
    _, document = drafted(learn(sold()))
    assert document["profile"]["inherits"] == "iec62056-21"
    port = [
        turn
        for _ in range(3)
        for turn in (write("FFFF", TOKENS[0]), ("M", ACK), read("FFFE"), data("(10)"), read("FFFE"), data("(01)"))
    ]
    _, document = drafted(learn(records(port)))
    assert document["profile"]["inherits"] == "iec62055-52"
    assert document["registers"]["entries"]["FFFE"]["name"] == "tokenStatus"


def test_a_status_whose_outcome_is_open_has_a_number_and_a_name() -> None:
    frames = [turn for token in TOKENS for turn in (write("0F02", token), ("M", ACK), read("0F01"), data("(A1)"))]
    for base in ("iec62055-52", "iec62056-21"):
        text, document = drafted(learn(records(frames)), base)
        assert document["registers"]["entries"]["0F01"]["table"] == "tokenStatus"
        values = document["tables"]["tokenStatus"]["values"]
        assert {number: value["name"] for number, value in values.items()} == {"161": "status A1"}
        assert "outcome" not in values["161"]
        profile = parse(text, "mine.toml")
        assert not list(Contradictions(profile).all(map(Dissector(profile).dissect, records(frames))))


def test_an_inherited_status_whose_outcome_is_open_stays() -> None:
    turns = [turn for token in TOKENS for turn in (write("FFFF", token), ("M", ACK), read("FFFE"), data("(01)"))]
    text, document = drafted(learn(records(turns)))
    assert document["registers"]["entries"]["FFFE"]["table"] == "tokenStatus"
    assert "tables" not in document
    table = parse(text, "mine.toml").registers["FFFE"].table
    assert table
    assert (table.values[1], table.outcomes[1]) == ("Accept", "accepted")


def test_what_is_refused_or_open_is_a_comment() -> None:
    frames: Frames = [*[read("2099"), data("(ER01)")] * 2, *[read("7001"), data("(12)")] * 2]
    text, document = drafted(learn(records(frames)))
    assert set(document["registers"]["entries"]) == {"7001"}
    assert '# "2099": ' in text
    assert "# It was refused.\n" in text
    assert "type" not in document["registers"]["entries"]["7001"]
    assert "# - value coding: values with a letter or a point among them" in text


def test_an_inherited_register_is_a_comment_with_its_number() -> None:
    """Without an entry of its own, too, a reader finds the register that the comment is about."""
    frames: Frames = [read("2010"), data("(00000B93)")] * 2
    text, document = drafted(learn(records(frames)))
    assert document["registers"]["entries"] == {}
    (line,) = (line for line in text.splitlines() if "readable" in line)
    assert line.startswith('# "2010": readable 2 times; 8 characters; ')


@pytest.mark.parametrize(("times", "confidence"), [(4, "derived"), (5, "confirmed")])
def test_what_stands_on_the_wire_is_confirmed_if_it_was_seen_five_times(times: int, confidence: str) -> None:
    _, document = drafted(learn(records([read("7001"), data("(12)")] * times)))
    for entry in ("read", "brackets"):
        assert document["syntax"][entry]["confidence"] == confidence


def test_limits_of_times_that_were_exceeded_are_widened() -> None:
    slow = [turn for _ in range(2) for turn in (read("7001"), 1.9, data("(12)"))]
    text, document = drafted(learn(records(slow)))
    assert document["timing"] == {"reaction_max": 2.0}
    assert "# reaction: 2.0000 to 2.0000 s +-0.0000, seen 2 times, records 2, 4" in text
    _, document = drafted(learn(records([read("7001"), data("(12)")] * 2)))
    assert document["timing"] == {}


def test_no_value_of_a_customer_is_in_the_draft() -> None:
    """A register that always has the same value may hold a PIN."""
    frames = [turn for _ in range(10) for turn in (read("C.90"), data("C.90(7391)"), write("C.91", "7391"), ("M", ACK))]
    text, _ = drafted(learn(records(frames)))
    assert "C.90" in text
    assert "7391" not in text
