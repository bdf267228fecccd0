"""Dissecting records: their fields, which are those of the catalogue."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector import catalogue
from vtctap.dissector.catalogue import (
    BOOLEAN,
    CATALOGUE,
    CONFIDENCES,
    ENUMERATION,
    FIELDS,
    RECORD,
    SECONDS,
    STRING,
    UNSIGNED,
    Field,
    FieldType,
)
from vtctap.dissector.dissect import Dissection, Dissector, Frame
from vtctap.dissector.fields import Value, epoch, field_values
from vtctap.dissector.profiles.files import load, parse
from vtctap.dissector.protocol.messages import Message
from vtctap.pcap.hash_chain import HashChain
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender

MS = 1_000_000
T0 = 1_700_000_000_123_456_789
SEVEN_EVEN = Line(7, "E", 1)
STATUS = b"\x02FFFE(10)\x03\x00"


def test_a_frame_has_a_name_and_knows_whether_it_is_damaged() -> None:
    parts = ((b"\x02FFFE(01)\x03\x00", 0), (b"\x02FFFE(10)", Flag.CUT), (b"4(16)", Flag.CUT))
    dissections = [Dissector(load()).dissect(Record(T0, octets, flags=flags)) for octets, flags in parts]
    frames = [frame for frame in dissections if isinstance(frame, Frame)]
    assert [(frame.name, frame.damaged) for frame in frames] == [("Data", False), ("Data", True), ("", True)]


def dissect(record: Record, profile: str = "iec62055-52") -> Dissection:
    return Dissector(load(profile)).dissect(record)


def frame(octets: bytes, **more: object) -> Record:
    return Record(T0, octets, line=SEVEN_EVEN, speed=9600, duration=9 * MS, **more)  # type: ignore[arg-type]


# The catalogue itself.


def test_the_catalogue_is_consistent() -> None:
    names = [field.name for field in CATALOGUE]
    assert len(set(names)) == len({field.attribute for field in CATALOGUE}) == len(names)
    for field in CATALOGUE:
        assert field.name.startswith("vtc.")
        assert field.attribute.isidentifier()
        assert bool(field.words) == (field.type is ENUMERATION)
        assert field.description
        assert not field.description.endswith(".")
    assert list(FIELDS.values()) == list(CATALOGUE)
    assert Field("vtc.id.speed", STRING, "").attribute == "id_speed"


def test_every_attribute_of_a_message_is_a_field() -> None:
    attributes = {field.attribute: field for field in CATALOGUE}
    for name in Message.__slots__:
        assert attributes[name].repeats == isinstance(getattr(Message(None), name), tuple)


def test_the_reference_is_made_from_the_catalogue() -> None:
    written = Path(__file__).parents[2] / "docs" / "fields.md"
    assert written.read_text("utf-8") == catalogue.reference(), "docs/fields.md: make pages"


# Fields.


def fits(field: Field, value: Value) -> bool:
    if field.repeats:
        assert isinstance(value, list)
        assert value
        items: list[object] = list(value)
    else:
        items = [value]
    kinds = dict(zip(FieldType, (str, str, int, float, bool, float, int), strict=True))
    return all(
        (type(item) is kinds[field.type] or (field.type is ENUMERATION and isinstance(item, str)))
        and (field.type is not ENUMERATION or item in field.words)
        and (field.type is not BOOLEAN or item is True)
        and (field.type not in (UNSIGNED, SECONDS, RECORD) or item >= 0)  # type: ignore[operator]
        and (field.type is not UNSIGNED or item < 1 << field.bits)  # type: ignore[operator]
        and (not isinstance(item, str) or item == "" or (item.isascii() and item.isprintable()))
        for item in items
    )


def check(fields: Mapping[str, Value]) -> None:
    """Asserts that names, their order and the types of values are those of the catalogue."""
    assert [name for name in FIELDS if name in fields] == list(fields)
    for name, value in fields.items():
        assert fits(FIELDS[name], value), (name, value)


def test_all_that_a_tap_can_state_is_in_the_fields() -> None:
    record = Record(
        T0,
        b"\x02FFFE(10)\x03\x00",
        sender=Sender.SERVER,
        inferred=True,
        link=3,
        tap=1,
        line=SEVEN_EVEN,
        flags=0xFF,
        speed=2400,
        uncertainty=1500,
        duration=50_000_000,
        parity_errors=(1, 2),
        framing_errors=(0,),
        pauses_us=((3, 1500), (4, 2_000_000)),
    )
    fields = dissect(record).fields()
    check(fields)
    assert fields == {
        "vtc.kind": "frame",
        "vtc.sender": "server",
        "vtc.sender.inferred": True,
        "vtc.link": 3,
        "vtc.tap": 1,
        "vtc.speed": 2400,
        "vtc.line": "7E1",
        "vtc.duration": 0.05,
        "vtc.uncertainty": 0.0000015,
        "vtc.pause": [0.0015, 2.0],
        "vtc.error.parity": [1, 2],
        "vtc.error.framing": [0],
        "vtc.error.break": True,
        "vtc.error.overrun": True,
        "vtc.cut": True,
        "vtc.echo": True,
        "vtc.order.uncertain": True,
        "vtc.time.synthetic": True,
        "vtc.message": "Data",
        "vtc.register": ["FFFE"],
        "vtc.value": ["10"],
        "vtc.unit": [""],
        "vtc.register.name": ["tokenStatus"],
        "vtc.value.decoded": ["status not ready"],
        "vtc.bcc": 0,
        "vtc.bcc.expected": 0,
        "vtc.bcc.status": "good",
        "vtc.bcc.rule": "xor",
        "vtc.status.token": 16,
        "vtc.status.token.name": "status not ready",
        "vtc.status.token.meaning": "the last token is still being processed: read the status again",
        "vtc.status.token.outcome": "pending",
        "vtc.session": 1,
        "vtc.confidence": "derived",
    }
    doubted = dissect(Record(T0, b"\x02200D(0001)\x03\x00")).fields()
    check(doubted)
    assert doubted["vtc.confidence"] == "assumed"
    assert doubted["vtc.assumed"] == ["vtc.register.name", "vtc.value.decoded"]


def test_what_does_not_apply_is_absent() -> None:
    assert dissect(Record(T0, b"\x06")).fields() == {
        "vtc.kind": "frame",
        "vtc.sender": "unknown",
        "vtc.link": 0,
        "vtc.tap": 0,
        "vtc.duration": 0.0,
        "vtc.message": "ACK",
        "vtc.bcc.status": "none",
        "vtc.session": 1,
        "vtc.confidence": "derived",
    }
    assert dissect(Record(T0, b"xyz", Kind.NOISE)).fields() == {
        "vtc.kind": "noise",
        "vtc.sender": "unknown",
        "vtc.link": 0,
        "vtc.tap": 0,
        "vtc.duration": 0.0,
    }


@pytest.mark.parametrize(
    ("event", "name", "detail"),
    [
        ("mark", "mark", None),
        ("speed from=300 to=9600", "speed", "from=300 to=9600"),
        ("mark  two", "mark", " two"),
        ("", None, None),
        ("mark \udcff", "mark", "<FF>"),
        ("mark \udcff\ud800", "mark", "??"),
    ],
)
def test_an_event_has_a_name_and_a_detail(event: str, name: str | None, detail: str | None) -> None:
    dissection = dissect(Record(T0, kind=Kind.EVENT, event=event))
    fields = dissection.fields()
    check(fields)
    assert (fields.get("vtc.event"), fields.get("vtc.event.detail")) == (name, detail)
    assert type(dissection) is Dissection
    assert "vtc.gap" not in fields


RECORDS = st.builds(
    Record,
    time=st.integers(0, 2**63),
    octets=st.one_of(
        st.binary(max_size=40),
        st.tuples(st.sampled_from([b"/", b"\x01", b"\x02", b"\x06", b"/?"]), st.binary(max_size=30)).map(b"".join),
        st.sampled_from([STATUS, b"/ABC5x\r\n\r\na(1)\r\n!12\r\n"]),
    ),
    kind=st.sampled_from(Kind),
    sender=st.sampled_from(Sender),
    inferred=st.booleans(),
    link=st.integers(0, 255),
    tap=st.integers(0, 255),
    line=st.sampled_from([None, SEVEN_EVEN, Line(8, "N", 2)]),
    flags=st.integers(0, 0xFF),
    speed=st.integers(0, 2**32 - 1),
    uncertainty=st.none() | st.integers(0, 2**32 - 2),
    duration=st.integers(0, 2**64 - 1),
    parity_errors=st.lists(st.integers(0, 99), max_size=2).map(tuple),
    framing_errors=st.lists(st.integers(0, 99), max_size=2).map(tuple),
    pauses_us=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 2**32 - 1)), max_size=2).map(tuple),
    event=st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=9),
)


@given(st.lists(RECORDS, max_size=4))
def test_any_trace_gives_fields_of_the_catalogue_and_json(records: list[Record]) -> None:
    dissector = Dissector(load())
    for number, record in enumerate(records, 1):
        dissection = dissector.dissect(record)
        fields = dissection.fields()
        check(fields)
        assert dissection.number == number
        for names in ("vtc.register.name", "vtc.value.decoded"):
            assert names not in fields or len(field_values(fields, names)) == len(field_values(fields, "vtc.register"))
        written = dissection.as_json()
        assert list(written) == ["frame.number", "frame.time_epoch", "frame.time_relative", *fields, "vtc.octets"]
        assert json.loads(json.dumps(written, allow_nan=False)) == written
        assert dissection.json_text() == json.dumps(written)
        assert bytes.fromhex(str(written["vtc.octets"])) == record.octets


@pytest.mark.parametrize(
    ("time", "shown"),
    [
        (T0, "1700000000.123456789"),
        (0, "0.000000000"),
        (1, "0.000000001"),
        (2**64 - 1, "18446744073.709551615"),
        (-500_000_000, "-0.500000000"),
    ],
)
def test_times_are_seconds_since_1970_to_the_nanosecond(time: int, shown: str) -> None:
    assert epoch(time) == shown


def test_time_and_number_in_json() -> None:
    written = dissect(frame(b"\x06")).as_json()
    assert written["frame.number"] == 1
    assert written["frame.time_epoch"] == "1700000000.123456789"
    assert written["vtc.octets"] == "06"


def test_json_begins_with_the_trace_if_it_is_named() -> None:
    dissection = dissect(frame(b"\x06"))
    named = '"\u00e9".pcapng'
    assert dissection.json_text(named) == json.dumps({"trace": named, **dissection.as_json()})


def test_json_of_records_with_rare_fields() -> None:
    """The text is that of :mod:`json`, with a place in a hash chain, a token, and characters that JSON escapes."""
    told = HashChain().feed(Record(T0, b"", Kind.EVENT, event='mark "\u20ac\x01" \udc80'))
    token = frame(b'\x01W1\x02FFFF(12345678901234567890*"\\\x7f)\x03\x00', pauses_us=((1, 7), (2, 500_000)))
    for dissection in (dissect(told), dissect(token)):
        assert dissection.json_text() == json.dumps(dissection.as_json())
    assert dissect(told).fields()["vtc.chain.number"] == 1
    assert dissect(token).fields()["vtc.token.class"]


def test_time_since_the_first_record() -> None:
    """Timestamps of two taps may go backwards; the relative time is then negative."""
    times = (T0, T0 + 1_250_000_001, T0 - 2_000_000)
    dissector = Dissector(load())
    written = [dissector.dissect(Record(time, b"\x06")).as_json()["frame.time_relative"] for time in times]
    assert written == ["0.000000000", "1.250000001", "-0.002000000"]


def test_the_values_of_a_field_are_a_list() -> None:
    fields: dict[str, Value] = {"vtc.register": ["a", "b"], "vtc.cmd": "R1", "vtc.link": 0}
    assert field_values(fields, "vtc.register") == ["a", "b"]
    assert field_values(fields, "vtc.cmd") == ["R1"]
    assert field_values(fields, "vtc.link") == [0]
    assert field_values(fields, "vtc.cut") == []


# The gap.


def gaps(*records: Record) -> list[float | None]:
    dissector = Dissector(load())
    return [dissector.dissect(record).fields().get("vtc.gap") for record in records]  # type: ignore[misc]


def at(time: int, **more: object) -> Record:
    return Record(T0 + time * MS, b"\x06", duration=10 * MS, **more)  # type: ignore[arg-type]


def test_the_gap_before_a_frame() -> None:
    """The gap is from the end of the link's previous frame, of any tap, to the start of this one."""
    assert gaps(at(0), at(30), at(40, tap=1), at(100, link=1), at(300, link=1), at(310)) == [
        None, 0.02, 0.0, None, 0.19, 0.26,
    ]  # fmt: skip


def test_the_gap_ignores_noise_and_events() -> None:
    noise = Record(T0 + 15 * MS, b"xx", Kind.NOISE, duration=10 * MS)
    event = Record(T0 + 16 * MS, kind=Kind.EVENT, event="mark")
    assert gaps(at(0), noise, event, at(30)) == [None, None, None, 0.02]


def test_a_gap_that_cannot_be_known_is_absent() -> None:
    assert gaps(at(0), at(5)) == [None, None]  # The frames overlap.
    assert gaps(at(0), at(30, flags=Flag.SYNTHETIC)) == [None, None]
    assert gaps(at(30), at(0), at(30)) == [None, None, 0.02]  # Time goes backwards.


# Meaning.


@pytest.mark.parametrize(
    ("value", "number", "name"),
    [
        ("1", None, None),
        ("01", 1, "Accept"),
        ("0D", 13, "CRCError"),
        ("0d", 13, "CRCError"),
        ("10", 16, "status not ready"),
        ("11", None, None),
        ("", None, None),
        ("x", None, None),
        ("-1", None, None),
        ("1.0", None, None),
        ("9" * 5000, None, None),
    ],
)
def test_a_token_status_has_its_number_and_name(value: str, number: int | None, name: str | None) -> None:
    fields = dissect(frame(b"\x02FFFE(" + value.encode() + b")\x03")).fields()
    assert fields.get("vtc.status.token") == number
    assert fields.get("vtc.status.token.name") == name
    assert fields.get("vtc.value.decoded") == (None if name is None else [name])
    assert fields["vtc.register.name"] == ["tokenStatus"]


def test_meaning_of_several_data_sets() -> None:
    """Of several statuses the first one counts; unknown registers have empty names."""
    fields = dissect(frame(b"\x02x(1)FFFE(09)2002(5)FFFE(01)\x03")).fields()
    assert fields["vtc.register.name"] == ["", "tokenStatus", "meterStatus", "tokenStatus"]
    assert fields["vtc.value.decoded"] == ["", "OldError", "", "Accept"]
    assert fields["vtc.status.token"] == 9


PROFILE = """
[profile]
name = "test"
title = "Test"
source = "here"
confidence = "{whole}"
[line]
format = "7E1"
speed = 300
[timing]
gap_limit = 1.5
reaction_min = 0.02
reaction_max = 1.5
[messages]
Data = {{ confidence = "{message}" }}
[registers]
confidence = "{register}"
[registers.entries]
"1" = {{ name = "one", table = "words" }}
[tables.words]
confidence = "{table}"
[tables.words.values]
1 = "yes"
"""


@pytest.mark.parametrize("message", CONFIDENCES)
@pytest.mark.parametrize("register", CONFIDENCES)
@pytest.mark.parametrize("table", CONFIDENCES)
def test_confidence_is_the_weakest(message: str, register: str, table: str) -> None:
    """The confidence is the weakest of the message, the register if known, and the table that names its value."""
    profile = parse(PROFILE.format(whole="confirmed", message=message, register=register, table=table), "test.toml")

    def confidence(octets: bytes) -> tuple[Value, Value]:
        fields = Dissector(profile).dissect(frame(octets)).fields()
        return fields["vtc.confidence"], fields.get("vtc.assumed", [])

    def weakest(*words: str) -> str:
        return next(word for word in ("assumed", "derived", "confirmed") if word in words)

    def assumed(**fields: str) -> list[str]:
        return [f"vtc.{name.replace('_', '.')}" for name, word in fields.items() if word == "assumed"]

    assert confidence(b"\x02x(1)\x03") == (message, assumed(message=message))
    assert confidence(b"\x021(2)\x03") == (
        weakest(message, register),
        assumed(message=message, register_name=register),
    )
    assert confidence(b"\x021(1)\x03") == (
        weakest(message, register, table),
        assumed(message=message, register_name=register, value_decoded=weakest(register, table)),
    )
    assert confidence(b"\x15") == ("confirmed", [])


@pytest.mark.parametrize("octets", [b"\x02sure()unsure()\x03", b"\x02unsure()sure()\x03"])
def test_one_assumed_register_makes_the_field_assumed(octets: bytes) -> None:
    entries = '"sure" = { name = "a" }\n"unsure" = { name = "b", confidence = "assumed" }'
    text = PROFILE.format(whole="confirmed", message="confirmed", register="confirmed", table="confirmed")
    profile = parse(text.replace("[registers.entries]", f"[registers.entries]\n{entries}"), "test.toml")
    fields = Dissector(profile).dissect(frame(octets)).fields()
    assert (fields["vtc.confidence"], fields["vtc.assumed"]) == ("assumed", ["vtc.register.name"])


def test_the_later_part_of_a_frame_has_text_alone() -> None:
    fields = dissect(frame(b"later part", flags=Flag.CUT)).fields()
    check(fields)
    assert fields["vtc.text"] == "later part"
    assert "vtc.message" not in fields
    assert "vtc.bcc.status" not in fields


def test_each_profile_has_registers_and_confidences_of_its_own() -> None:
    record = frame(STATUS)
    assert dissect(record, "iec62056-21").fields()["vtc.confidence"] == "confirmed"
    assert "vtc.register.name" not in dissect(record, "iec62056-21").fields()
