"""Profiles: those that are shipped, and what is wrong with others."""

import re
import tomllib
from pathlib import Path

import pytest

from vtctap.dissector.catalogue import CONFIDENCES, MESSAGES
from vtctap.dissector.profile import DEFAULT, Profile, ProfileError, Provenance, load, parse, shipped, text
from vtctap.pcap.record import Line

GOOD = """
[profile]
name = "mine"
title = "My meters"
source = "the maker"
confidence = "derived"

[line]
format = "7E1"
speed = 2400
source = "the plate"
confidence = "confirmed"

[timing]
gap_limit = 1
reaction_min = 0.02
reaction_max = 1.5

[messages]
ACK = {}
NAK = { confidence = "assumed" }

[registers]
source = "a log"
confidence = "assumed"

[registers.entries]
"0001" = { name = "one", access = "read", table = "words", source = "page 7", confidence = "confirmed" }
"0002" = { name = "two" }

[tables.words]
source = "page 8"
[tables.words.values]
0 = "no"
1 = "yes"
"""


def test_what_a_profile_says() -> None:
    profile = parse(GOOD, "mine.toml")
    assert (profile.name, profile.title) == ("mine", "My meters")
    assert profile.provenance == Provenance("the maker", "derived")
    assert (profile.line, profile.speed) == (Line(7, "E", 1), 2400)
    timing = profile.timing
    assert (timing.gap_limit, timing.reaction_min, timing.reaction_max) == (1_000_000_000, 20_000_000, 1_500_000_000)
    assert profile.messages["ACK"] == profile.messages["Data"] == Provenance("the maker", "derived")
    assert profile.messages["NAK"] == Provenance("the maker", "assumed")
    assert set(profile.messages) == set(MESSAGES)
    one, two = profile.registers["0001"], profile.registers["0002"]
    assert (one.id, one.name, one.access, one.provenance) == ("0001", "one", "read", Provenance("page 7", "confirmed"))
    assert (two.name, two.access, two.table, two.provenance) == (
        "two", "read and write", None, Provenance("a log", "assumed"),
    )  # fmt: skip
    assert one.table is not None
    assert (one.table.name, one.table.values, one.table.provenance) == (
        "words", {0: "no", 1: "yes"}, Provenance("page 8", "derived"),
    )  # fmt: skip


def test_registers_and_tables_may_be_left_out() -> None:
    head = GOOD.partition("[messages]")[0]
    profile = parse(head, "mine.toml")
    assert (profile.registers, set(profile.messages)) == ({}, set(MESSAGES))


# What is changed in the good profile, and what the error says behind the file's name.
FAULTS = [
    ("[profile]", "[profile", "Expected ']'"),
    ('name = "mine"', "", "profile.name: is missing"),
    ('name = "mine"', "name = 7", "profile.name: must be a text, not 7"),
    ('title = "My meters"', "", "profile.title: is missing"),
    ('source = "the maker"', "", "profile.source: is missing"),
    ('source = "the maker"', "source = []", "profile.source: must be a text, not []"),
    ('confidence = "derived"', "", "profile.confidence: is missing"),
    (
        'confidence = "derived"',
        'confidence = "sure"',
        "profile.confidence: 'sure' is none of confirmed, derived, assumed",
    ),
    (
        "[profile]",
        "[profile]\nspeed = 1",
        "profile.speed: is not known here; known are name, title, source, confidence",
    ),
    (
        "[profile]",
        "[extra]\n[profile]",
        "extra: is not known here; known are profile, line, timing, messages, registers, tables",
    ),
    ("[line]", "[lines]", "lines: is not known here"),
    ('format = "7E1"', "", "line.format: is missing"),
    ('format = "7E1"', 'format = "7X1"', "line.format: "),
    ('format = "7E1"', 'format = "9N1"', "line.format: "),
    ('format = "7E1"', 'format = ""', "line.format: '' is not a character format such as 7E1 or 8N1"),
    ('format = "7E1"', "format = 71", "line.format: must be a text, not 71"),
    ("speed = 2400", "", "line.speed: is missing"),
    ("speed = 2400", "speed = 0", "line.speed: must be a number of bit/s, not 0"),
    ("speed = 2400", "speed = -300", "line.speed: must be a number of bit/s, not -300"),
    ("speed = 2400", "speed = 2400.0", "line.speed: must be a whole number, not 2400.0"),
    ("speed = 2400", "speed = true", "line.speed: must be a whole number, not True"),
    ('confidence = "confirmed"\n\n[timing]', 'confidence = ""\n\n[timing]', "line.confidence: '' is none of"),
    ("gap_limit = 1", "", "timing.gap_limit: is missing"),
    ("gap_limit = 1", "gap_limit = 0", "timing.gap_limit: must be seconds, more than 0, not 0.0"),
    ("gap_limit = 1", "gap_limit = 1500.0e6", "timing.gap_limit: must be seconds"),
    ("gap_limit = 1", "gap_limit = nan", "timing.gap_limit: must be seconds, more than 0, not nan"),
    ("gap_limit = 1", "gap_limit = inf", "timing.gap_limit: must be seconds"),
    ("gap_limit = 1", 'gap_limit = "1"', "timing.gap_limit: must be a number, not '1'"),
    ("gap_limit = 1", "gap_limit = 1\ngap = 2", "timing.gap: is not known here; known are gap_limit, reaction_min"),
    ("reaction_min = 0.02", "reaction_min = -1", "timing.reaction_min: must be seconds, more than 0, not -1.0"),
    ("reaction_max = 1.5", "reaction_max = true", "timing.reaction_max: must be a number, not True"),
    ("ACK = {}", "Ack = {}", "messages.Ack: is not known here; known are IDRequest, IDResponse, "),
    ("ACK = {}", "ACK = 1", "messages.ACK: must be a table"),
    ("ACK = {}", "ACK = { sauce = 1 }", "messages.ACK.sauce: is not known here; known are source, confidence"),
    ("ACK = {}", "ACK = { source = 1 }", "messages.ACK.source: must be a text, not 1"),
    ("[messages]\nACK = {}\nNAK", "[timing.messages]\nNAK", "timing.messages: is not known here"),
    ('name = "two"', "", 'registers.entries."0002".name: is missing'),
    ('name = "two"', "name = 2", 'registers.entries."0002".name: must be a text, not 2'),
    ('name = "two"', 'name = "two", unit = "V"', 'registers.entries."0002".unit: is not known here'),
    (
        'access = "read"',
        'access = "execute"',
        "registers.entries.\"0001\".access: 'execute' is none of read, write, read and write",
    ),
    ('access = "read"', "access = 1", 'registers.entries."0001".access: must be a text, not 1'),
    ('table = "words"', 'table = "verbs"', 'registers.entries."0001".table: there is no [tables.verbs]'),
    ('table = "words"', "table = 1", 'registers.entries."0001".table: must be a text, not 1'),
    ('"0002" = { name = "two" }', '"0002" = "two"', 'registers.entries."0002": must be a table'),
    ('"0002" = { name = "two" }', '"0002" = { name = "two", confidence = "x" }', 'registers.entries."0002".confidence'),
    ("[registers.entries]", "[registers.entry]", "registers.entry: is not known here; known are entries, source"),
    ('1 = "yes"', '"1a" = "yes"', "tables.words.values.1a: must be a whole number with a text"),
    ('1 = "yes"', "1 = 1", "tables.words.values.1: must be a whole number with a text"),
    ('1 = "yes"', '"-1" = "yes"', "tables.words.values.-1: must be a whole number with a text"),
    ('source = "page 8"', "source = 8", "tables.words.source: must be a text, not 8"),
    ('source = "page 8"', "width = 8", "tables.words.width: is not known here; known are values, source, confidence"),
]


@pytest.mark.parametrize(("part", "instead", "message"), FAULTS, ids=[message[:50] for *_, message in FAULTS])
def test_faults(part: str, instead: str, message: str) -> None:
    assert part in GOOD
    with pytest.raises(ProfileError) as caught:
        parse(GOOD.replace(part, instead, 1), "folder/mine.toml")
    assert str(caught.value).startswith(f"folder/mine.toml: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("section", ["profile", "line", "timing", "messages", "registers", "tables"])
def test_sections_are_tables(section: str) -> None:
    others = [part for part in re.split(r"^(?=\[)", GOOD, flags=re.MULTILINE) if not part.startswith(f"[{section}")]
    with pytest.raises(ProfileError, match=rf"^mine\.toml: {section}: must be a table$"):
        parse(f"{section} = 3\n{''.join(others)}", "mine.toml")


def test_an_empty_file() -> None:
    with pytest.raises(ProfileError, match=r"^mine\.toml: profile\.source: is missing$"):
        parse("", "mine.toml")


def test_no_such_profile() -> None:
    with pytest.raises(ProfileError, match=r"no profile 'iec': name one of iec62055-52, iec62056-21, or the path of"):
        load("iec")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    with pytest.raises(ProfileError, match="No such file") as caught:
        load(str(path))
    assert str(path) in str(caught.value)
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(ProfileError, match="Is a directory"):
        load(str(tmp_path / "folder.toml"))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ProfileError, match="not UTF-8 text"):
        load(str(path))
    path.write_text(GOOD, "utf-8")
    assert load(str(path)) == parse(GOOD, "mine.toml")
    assert text(str(path)) == GOOD


# Those that are shipped.


def test_shipped() -> None:
    assert shipped() == ("iec62055-52", "iec62056-21")
    assert shipped()[0] == DEFAULT
    assert load() == load(DEFAULT)


@pytest.fixture(params=["iec62055-52", "iec62056-21"])
def profile(request: pytest.FixtureRequest) -> Profile:
    return load(request.param)


def test_shipped_profiles_say_where_everything_comes_from(profile: Profile) -> None:
    document = tomllib.loads(text(profile.name))
    everything = [
        profile.provenance,
        *profile.messages.values(),
        *(register.provenance for register in profile.registers.values()),
        *(register.table.provenance for register in profile.registers.values() if register.table),
    ]
    assert all(found.source.strip() and found.confidence in CONFIDENCES for found in everything)
    # The tables that set numbers name a source of their own, not the whole profile's.
    for section in ("line", "timing"):
        assert document[section]["source"]
    assert set(document["messages"]) == set(MESSAGES)
    assert profile.timing.reaction_min < profile.timing.reaction_max


def test_what_is_not_public_is_assumed() -> None:
    """Register numbers and speed of IEC 62055-52 are guesses, and say so."""
    document = tomllib.loads(text("iec62055-52"))
    assert document["line"]["confidence"] == document["registers"]["confidence"] == "assumed"
    registers = load("iec62055-52").registers
    assert registers
    assert {register.provenance.confidence for register in registers.values()} == {"assumed"}


def test_token_status_table() -> None:
    """Conlog's printed table, 0 to 16 without a hole."""
    table = load("iec62055-52").registers["0004"].table
    assert table is not None
    assert sorted(table.values) == list(range(17))
    assert (table.values[1], table.values[13], table.values[16]) == ("Accept", "CRCError", "status not ready")
