"""Profiles: what they state, how their faults are reported, inheritance, and the shipped ones."""

import re
import tomllib
from pathlib import Path

import pytest

from vtctap.dissector.catalogue import CONFIDENCES, MESSAGES
from vtctap.dissector.meaning import interpret
from vtctap.dissector.profiles.encodings import Encoding
from vtctap.dissector.profiles.files import load, parse, text
from vtctap.dissector.profiles.manufacturers import manufacturer, manufacturers
from vtctap.dissector.profiles.model import Profile, ProfileError, Provenance, Register
from vtctap.dissector.profiles.names import DEFAULT, shipped, user_directory, users
from vtctap.dissector.protocol.messages import decode
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
    assert (timing.gap_limit_ns, timing.reaction_min_ns, timing.reaction_max_ns) == (
        1_000_000_000,
        20_000_000,
        1_500_000_000,
    )
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


# A part of the good profile, its replacement, and the error after the file's name.
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
        "profile.speed: is not known here; known are name, title, inherits, source, confidence",
    ),
    (
        "[profile]",
        "[extra]\n[profile]",
        "extra: is not known here; known are profile, line, timing, identification, syntax, messages",
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
    ('name = "two"', 'name = "two", volt = "V"', 'registers.entries."0002".volt: is not known here'),
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
    (
        "[registers.entries]",
        "[registers.entry]",
        "registers.entry: is not known here; known are numbering, entries, source",
    ),
    ('1 = "yes"', '"1a" = "yes"', "tables.words.values.1a: must be a whole number with a text"),
    ('1 = "yes"', "1 = 1", "tables.words.values.1: must be a whole number with a text"),
    ('1 = "yes"', '"-1" = "yes"', "tables.words.values.-1: must be a whole number with a text"),
    ('1 = "yes"', "1 = {}", "tables.words.values.1.name: is missing"),
    ('1 = "yes"', "1 = { name = 3 }", "tables.words.values.1.name: must be a text, not 3"),
    (
        '1 = "yes"',
        '1 = { name = "a", colour = 2 }',
        "tables.words.values.1.colour: is not known here",
    ),
    ('1 = "yes"', '1 = { name = "a", confidence = "sure" }', "tables.words.values.1.confidence: 'sure' is none of"),
    (
        '1 = "yes"',
        '1 = { name = "a", outcome = "accepted" }',
        "tables.words.values.1.outcome: goes with the table",
    ),
    (
        '1 = "yes"',
        '1 = { name = "a", meaning = "b" }',
        "tables.words.values.1.meaning: goes with the table",
    ),
    ('source = "page 8"', "source = 8", "tables.words.source: must be a text, not 8"),
    ('source = "page 8"', "width = 8", "tables.words.width: is not known here; known are values, source, confidence"),
]


@pytest.mark.parametrize(("part", "instead", "message"), FAULTS, ids=[message[:50] for *_, message in FAULTS])
def test_a_fault_is_refused_with_its_place_and_reason(part: str, instead: str, message: str) -> None:
    assert part in GOOD
    with pytest.raises(ProfileError) as caught:
        parse(GOOD.replace(part, instead, 1), "folder/mine.toml")
    place, _, rest = str(caught.value).partition(": ")
    assert re.fullmatch(r"folder/mine\.toml(:[0-9]+)?", place)
    assert rest.startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("section", ["profile", "line", "timing", "messages", "registers", "tables"])
def test_a_section_that_is_no_table_is_refused(section: str) -> None:
    others = [part for part in re.split(r"^(?=\[)", GOOD, flags=re.MULTILINE) if not part.startswith(f"[{section}")]
    with pytest.raises(ProfileError, match=rf"^mine\.toml:1: {section}: must be a table$"):
        parse(f"{section} = 3\n{''.join(others)}", "mine.toml")


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"^mine\.toml: profile\.source: is missing$"):
        parse("", "mine.toml")


def test_the_error_of_an_unknown_name_lists_the_profiles() -> None:
    with pytest.raises(ProfileError, match=r"no profile 'iec': name one of iec62055-52, iec62056-21, or the path of"):
        load("iec")


def test_a_profile_is_loaded_from_a_path(tmp_path: Path) -> None:
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


# The shipped profiles.


def test_the_shipped_profiles() -> None:
    assert shipped() == ("iec62055-52", "iec62056-21")
    assert shipped()[0] == DEFAULT
    assert load() == load(DEFAULT)


@pytest.fixture(params=["iec62055-52", "iec62056-21"])
def profile(request: pytest.FixtureRequest) -> Profile:
    return load(request.param)


def test_shipped_profiles_state_the_source_of_everything(profile: Profile) -> None:
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
    assert profile.timing.reaction_min_ns < profile.timing.reaction_max_ns


def test_registers_state_their_confidence() -> None:
    """What two programs use is confirmed, what one uses derived, what follows from its place assumed."""
    registers = load("iec62055-52").registers
    known = {id: register.provenance.confidence for id, register in registers.items()}
    assert known == {
        **dict.fromkeys(("2000", "2002", "2006", "2009", "200A", "2010", "2011", "FFFE", "FFFF"), "derived"),
        **dict.fromkeys(("200C", "2014", "2016"), "confirmed"),
        "200D": "assumed",
    }
    assert len({register.provenance.source for register in registers.values()}) > 4


@pytest.mark.parametrize(
    ("id", "value", "read"),
    [
        ("2000", "01", "1"),
        ("2006", "00123456782", "00123456782"),
        ("2006", "000123456782", "00123456782"),
        ("2006", "100123456782", None),
        ("2006", "0012345678A", None),
        ("200A", "12", "KRN 1, KT 2"),
        ("200A", "1", None),
        ("200C", "1F40", "8000 W"),
        ("200C", "1F4000", None),
        ("2010", "04D2", "123.4 kWh"),
        ("2016", "01E240", "123456"),
        ("FFFE", "10", "status not ready"),
        ("FFFE", "0110", None),
        ("FFFE", "1", None),
    ],
)
def test_values_of_the_port_are_read(id: str, value: str, read: str | None) -> None:
    """Values are read as the prepayment meters' port encodes them; a value of another length has no reading."""
    data = decode(f"\x02{id}({value})\x03".encode())
    assert interpret(data, load("iec62055-52")).value_decoded == ((read,) if read else ())


def test_statuses_that_were_seen_on_the_wire_are_confirmed() -> None:
    profile = load("iec62055-52")
    seen = {
        value for value in range(17) if profile.tables["tokenStatus"].provenance_of(value).confidence == "confirmed"
    }
    assert seen == {0x01, 0x08, 0x0A, 0x0D, 0x10}
    assert "tokenStatus" not in load("iec62056-21").tables  # Other carriers use other numbers.


def test_the_table_of_token_statuses() -> None:
    """The table has every status from 0 to 16, with the names of the table that Conlog prints."""
    table = load("iec62055-52").registers["FFFE"].table
    assert table is not None
    assert sorted(table.values) == list(range(17))
    assert (table.values[1], table.values[13], table.values[16]) == ("Accept", "CRCError", "status not ready")


def test_outcomes_of_the_shipped_statuses() -> None:
    """By their names, 1 to 3 accept a token or a part of a key, and 4 to 14 are errors; 0 is reserved."""
    outcomes = load("iec62055-52").tables["tokenStatus"].outcomes
    assert outcomes == {
        **dict.fromkeys((1, 2, 3), "accepted"),
        **dict.fromkeys(range(4, 15), "rejected"),
        15: "locked out",
        16: "pending",
    }


def test_an_outcome_is_one_of_four() -> None:
    statuses = GOOD.replace("tables.words", "tables.tokenStatus").replace('table = "words"', 'table = "tokenStatus"')
    lines = statuses.splitlines()
    wrong = statuses.replace('1 = "yes"', '1 = { name = "yes", outcome = "refused" }')
    number = lines.index('1 = "yes"') + 1
    with pytest.raises(ProfileError) as caught:
        parse(wrong, "mine.toml")
    reason = "'refused' is none of accepted, rejected, locked out, pending"
    assert str(caught.value) == f"mine.toml:{number}: tables.tokenStatus.values.1.outcome: {reason}"
    assert parse(wrong.replace("refused", "locked out"), "mine.toml").tables["tokenStatus"].outcomes == {
        1: "locked out"
    }


# Line numbers, types of values, inheritance, the user's profiles.


def test_errors_name_the_line() -> None:
    lines = GOOD.splitlines()
    for part, instead, key in [
        ("speed = 2400", "speed = 0", "line.speed"),
        ('access = "read"', 'access = "x"', 'registers.entries."0001".access'),
        ('1 = "yes"', "1 = 1", "tables.words.values.1"),
        ('name = "two"', "nme = 2", 'registers.entries."0002".nme'),
    ]:
        number = next(at for at, line in enumerate(lines, 1) if part in line)
        with pytest.raises(ProfileError) as caught:
            parse(GOOD.replace(part, instead), "mine.toml")
        assert str(caught.value).startswith(f"mine.toml:{number}: {key}: ")
    # For a missing key, the line of its table.
    with pytest.raises(ProfileError, match=rf"^mine\.toml:{lines.index('[line]') + 1}: line\.speed: is missing$"):
        parse(GOOD.replace("speed = 2400", ""), "mine.toml")
    with pytest.raises(ProfileError, match=r"^mine\.toml: .*line 3"):
        parse("[profile]\na = 1\na = = 2", "mine.toml")


def entry(keys: str) -> Register:
    return parse(GOOD.replace('name = "two"', f'name = "two", {keys}'), "mine.toml").registers["0002"]


@pytest.mark.parametrize(
    ("keys", "encoding"),
    [
        ('type = "text"', Encoding("text")),
        ('unit = "kWh"', Encoding("decimal", unit="kWh")),
        ("scale = -1", Encoding("decimal", scale=-1)),
        ('type = "hexadecimal", scale = 3, unit = "V"', Encoding("hexadecimal", scale=3, unit="V")),
        ('type = "hexadecimal", octets = 2', Encoding("hexadecimal", octets=2)),
        ('type = "bcd", octets = 5, scale = -1', Encoding("bcd", octets=5, scale=-1)),
        ('type = "digits", digits = 11', Encoding("digits", digits=11)),
        (
            'type = "fields", fields = [{ name = "a", bits = 1 }, { name = "b", bits = 51 }]',
            Encoding("fields", fields=(("a", 1), ("b", 51))),
        ),
        ('type = "ascii"', Encoding("ascii")),
        ('type = "packed7"', Encoding("packed7")),
        ('type = "date", format = "YYMMDD"', Encoding("date", format="YYMMDD")),
        ('type = "date", since = "1993-01-01", step = "minutes"', Encoding("date", epoch=8401, step=60)),
        ('type = "date", since = "1969-12-31"', Encoding("date", epoch=-1, step=1)),
        ('type = "bits", bits = { 0 = "a", 51 = "b" }', Encoding("bits", base=16, bits={0: "a", 51: "b"})),
        ('type = "bits", base = 10, bits = {}', Encoding("bits", base=10)),
        ('table = "words"', Encoding("enumeration")),
        ('type = "enumeration", table = "words", base = 16', Encoding("enumeration", base=16)),
        (
            'type = "token", encodings = ["packed", "decimal"]',
            Encoding("token", tokens=("packed", "decimal")),
        ),
    ],
)
def test_the_keys_of_a_register_state_its_encoding(keys: str, encoding: Encoding) -> None:
    assert entry(keys).encoding == encoding
    assert entry(keys).token_encodings == encoding.tokens


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ('type = "float"', "type: 'float' is none of text, decimal, "),
        ("type = 1", "type: must be a text, not 1"),
        ('type = "text", unit = "V"', "unit: does not go with type 'text'"),
        ('type = "text", table = "words"', "table: does not go with type 'text'"),
        ('table = "words", scale = 1', "scale: does not go with type 'enumeration'"),
        ('type = "enumeration"', "table: is missing"),
        ("scale = 19", "scale: must be a power of ten"),
        ("scale = 0.5", "scale: must be a whole number"),
        ('unit = "\\u0007"', "unit: must be one line of printable text"),
        ('type = "date"', "format: is missing"),
        ('type = "date", format = "xyz"', "format: must have some of"),
        ('type = "date", format = "???"', "format: must have some of"),
        ('type = "date", format = "YYYYYY"', "format: must have some of"),
        ('type = "date", format = "MM.MM"', "format: must have some of"),
        ('type = "date", format = "YYé"', "format: must have some of"),
        ('type = "date", format = "YY", step = "days"', "step: goes with 'since' alone"),
        ('type = "date", since = "1993-01-01", format = "YY"', "format: is not for a date that counts"),
        ('type = "date", since = "1993"', "since: must be a day such as '1993-01-01', not '1993'"),
        ('type = "date", since = "1993-01-01", step = "weeks"', "step: 'weeks' is none of"),
        ('type = "hexadecimal", octets = 0', "octets: must be 1 to 32, not 0"),
        ('type = "bcd", octets = true', "octets: must be a whole number"),
        ('type = "text", octets = 1', "octets: does not go with type 'text'"),
        ('table = "words", octets = 1', "octets: goes with base 16 alone"),
        ('type = "digits", digits = 65', "digits: must be 1 to 64, not 65"),
        ('type = "fields"', "fields: is missing"),
        ('type = "fields", fields = []', "fields: must have 4 to 52 bits together"),
        ('type = "fields", fields = [{ name = "a", bits = 3 }]', "fields: must have 4 to 52 bits together"),
        ('type = "fields", fields = [{ name = "a", bits = 56 }]', "fields: must have 4 to 52 bits together"),
        ('type = "fields", fields = [{ name = "a", bits = 0 }]', "fields.1.bits: must be 1 or more, not 0"),
        ('type = "fields", fields = [{ bits = 4 }]', "fields.1.name: is missing"),
        ('type = "fields", fields = [4]', "fields.1: must be a table"),
        ('type = "bits"', "bits: is missing"),
        ('type = "bits", bits = { 52 = "x" }', "bits.52: must be the number of a bit, 0 to 51"),
        ('type = "bits", bits = { a = "x" }', "bits.a: must be the number of a bit"),
        ('type = "bits", bits = { 1 = 2 }', "bits.1: must be one line of printable text"),
        ('type = "bits", base = 8, bits = {}', "base: must be 10 or 16, not 8"),
        ('type = "token"', "encodings: is missing"),
        ('type = "token", encodings = []', "encodings: must be some of decimal, hexadecimal, packed"),
        ('type = "token", encodings = ["morse"]', "encodings: must be some of"),
        ('type = "token", encodings = [["decimal"]]', "encodings: must be some of"),
    ],
)
def test_faults_of_an_encoding_are_refused(keys: str, reason: str) -> None:
    with pytest.raises(ProfileError) as caught:
        entry(keys)
    assert f'registers.entries."0002".{reason}' in str(caught.value)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ('manufacturer = "STS"', "manufacturer: 'STS' is none of FLAG, none"),
        ("fields = 1", "fields: must be a list, not 1"),
        ("fields = [1]", "fields.1: must be a table"),
        ('fields = [{ name = "a", length = 0 }]', "fields.1.length: must be 1 to 64 characters, not 0"),
        ("fields = [{ length = 1 }]", "fields.1.name: is missing"),
        ('fields = [{ name = "a", length = 1 }, { name = "b", size = 1 }]', "fields.2.size: is not known here"),
    ],
)
def test_faults_of_the_identification_are_refused(keys: str, reason: str) -> None:
    with pytest.raises(ProfileError) as caught:
        parse(f"{GOOD}\n[identification]\n{keys}\n", "mine.toml")
    assert f"identification.{reason}" in str(caught.value)


def test_limits_that_contradict_each_other_or_are_out_of_range_are_refused() -> None:
    with pytest.raises(ProfileError, match=r"timing\.reaction_min: must not be more than reaction_max, 1\.5"):
        parse(GOOD.replace("reaction_min = 0.02", "reaction_min = 2"), "mine.toml")
    parse(GOOD.replace("reaction_min = 0.02", "reaction_min = 1.5"), "mine.toml")
    with pytest.raises(ProfileError, match=r"line\.speed: must be a number of bit/s, not 4294967296"):
        parse(GOOD.replace("speed = 2400", "speed = 4294967296"), "mine.toml")
    with pytest.raises(ProfileError, match=r"timing\.gap_limit: must be seconds, more than 0, not 1e-10"):
        parse(GOOD.replace("gap_limit = 1", "gap_limit = 1e-10"), "mine.toml")


def test_the_session_timeout_is_120_seconds_unless_stated() -> None:
    assert parse(GOOD, "mine.toml").timing.session_timeout_ns == 120_000_000_000
    timed = GOOD.replace("gap_limit = 1", "gap_limit = 1\nsession_timeout = 60")
    assert parse(timed, "mine.toml").timing.session_timeout_ns == 60_000_000_000
    assert {load(name).timing.session_timeout_ns for name in shipped()} == {120_000_000_000}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Returns the user's folder of profiles, here a temporary one."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "vtctap" / "profiles"
    folder.mkdir(parents=True)
    return folder


CHILD = """
[profile]
name = "child"
inherits = "parent"
source = "my notes"
confidence = "confirmed"
[line]
speed = 300
[messages]
NAK = {}
[registers.entries]
"0002" = { name = "zwei", table = "words" }
"0003" = { name = "three", confidence = "assumed" }
[tables.words.values]
1 = "ja"
2 = "vielleicht"
"""


def test_inheritance_is_by_entry_and_keeps_provenance(folder: Path) -> None:
    (folder / "parent.toml").write_text(GOOD.replace('"mine"', '"parent"'))
    (folder / "child.toml").write_text(CHILD)
    parent, child = load("parent"), load("child")
    theirs, mine = Provenance("the maker", "derived"), Provenance("my notes", "confirmed")
    assert (child.name, child.title, child.inherits) == ("child", "My meters", "parent")
    assert (child.line, child.speed) == (parent.line, 300)
    assert child.timing == parent.timing
    assert child.timing.provenance == theirs
    assert (child.messages["NAK"], child.messages["ACK"]) == (mine, theirs)
    assert child.registers["0001"].provenance == parent.registers["0001"].provenance
    assert (child.registers["0002"].name, child.registers["0002"].provenance) == ("zwei", mine)
    assert child.registers["0003"].provenance == Provenance("my notes", "assumed")
    # The inherited register uses the changed table, too.
    table = child.registers["0001"].table
    assert table is not None
    assert table is child.registers["0002"].table
    assert table.values == {0: "no", 1: "ja", 2: "vielleicht"}
    assert [table.provenance_of(value) for value in (0, 1, 2)] == [Provenance("page 8", "derived"), mine, mine]
    assert parent.tables["words"].values == {0: "no", 1: "yes"}


def test_faults_of_inheritance_are_refused(folder: Path) -> None:
    (folder / "a.toml").write_text(CHILD.replace('"parent"', '"b"'))
    (folder / "b.toml").write_text(CHILD.replace('"parent"', '"a"'))
    with pytest.raises(ProfileError, match=r"a\.toml: profile\.inherits: .*inherit each other"):
        load("a")
    for parent, reason in [
        ('"nosuch"', "there is no profile 'nosuch'"),
        ("7", "must be the name of a profile, not 7"),
        ('"../b.toml"', "must be the name of a profile"),
        ('"../profiles/b"', "there is no profile '../profiles/b'"),
    ]:
        with pytest.raises(ProfileError) as caught:
            parse(CHILD.replace('"parent"', parent), "c.toml")
        assert str(caught.value).startswith("c.toml: profile.inherits: ")
        assert reason in str(caught.value)
    (folder / "b.toml").write_text("[profile]\nname = 1")
    with pytest.raises(ProfileError, match=r"a\.toml: profile\.inherits: .*b\.toml:1: profile\.source: is missing"):
        load("a")


def test_profiles_are_loaded_from_the_users_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile there does not replace a shipped one; one with a fault is refused with its path."""
    (folder / "mine.toml").write_text(GOOD)
    (folder / "iec62055-52.toml").write_text(GOOD)
    (folder / "notes.txt").write_text("")
    assert users() == ("mine",)
    assert load("mine").title == "My meters"
    assert load("iec62055-52").name == "iec62055-52"
    with pytest.raises(ProfileError, match="name one of iec62055-52, iec62056-21, mine, or the path"):
        load("yours")
    (folder / "mine.toml").write_text("[profile")
    with pytest.raises(ProfileError) as caught:
        load("mine")
    assert str(caught.value).startswith(f"{folder / 'mine.toml'}: ")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nosuch"))
    assert users() == ()


def test_the_path_of_the_users_folder_on_each_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/me"))
    for variable in ("XDG_CONFIG_HOME", "APPDATA"):
        monkeypatch.delenv(variable, raising=False)
    places = {
        "linux": "/home/me/.config/vtctap/profiles",
        "darwin": "/home/me/Library/Application Support/vtctap/profiles",
        "win32": "/home/me/AppData/Roaming/vtctap/profiles",
    }
    for system, place in places.items():
        monkeypatch.setattr("sys.platform", system)
        assert user_directory() == Path(place)
    monkeypatch.setenv("APPDATA", "/roaming")
    assert user_directory() == Path("/roaming/vtctap/profiles")


@pytest.mark.parametrize(
    ("id", "name"),
    [
        ("1.8.0", "active energy import"),
        ("1-0:1.8.0*255", "active energy import"),
        ("1-1:1.8.0", "active energy import"),
        ("1.8.1*05", "active energy import, tariff 1, historic value 05"),
        ("1-0:1.8.2&12", "active energy import, tariff 2, historic value 12"),
        ("32.7", "voltage L1"),
        ("0.9.1", "current time"),
        ("F.F", "error code"),
        ("0-0:C.1.0*255", "meter serial number"),
        # Another channel, another medium, and a code of heat meters.
        ("0-1:1.8.0", None),
        ("7-0:1.8.0", None),
        ("6.8", None),
        ("1.8.1*0512", None),
        ("1.8.1*", None),
        ("1.8.0,5", None),
        ("", None),
    ],
)
def test_registers_are_found_by_each_form_of_their_obis_codes(id: str, name: str | None) -> None:
    register = load("iec62056-21").register(id)
    assert (register and register.name) == name
    # The ids of the other profile are no OBIS codes.
    assert load().register(id) is None


def test_shipped_registers_have_names_of_their_own_and_use_their_tables(profile: Profile) -> None:
    names = [register.name for register in profile.registers.values() if profile.numbering != "obis"]
    assert len(names) == len(set(names))
    assert all(
        register.table is None or register.encoding.type == "enumeration" for register in profile.registers.values()
    )


def test_manufacturers_are_found_by_their_codes() -> None:
    assert manufacturer("ISK") == manufacturer("isK") == "Iskraemeco, Slovenia"
    assert manufacturer("CON") == "Conlog"
    assert manufacturer("QQQ") is None
    assert len(manufacturers()) > 200
    for code, name in manufacturers().items():
        assert re.fullmatch("[A-Z]{3}", code)
        assert name.isprintable()
        assert name == name.strip()
