"""Redaction: planted secrets do not survive, and data that are no secret stay."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from equipment.planted import Planter, command, data, fcs, survivors
from vtctap.dissector.framing.framed import message_of
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.names import shipped
from vtctap.dissector.redaction.pieces import pieces
from vtctap.dissector.redaction.proof import forms, places_of
from vtctap.dissector.redaction.proof import survivors as proved
from vtctap.dissector.redaction.redact import Redactor
from vtctap.dissector.redaction.standins import StandIns
from vtctap.dissector.tokens.decode import decode
from vtctap.dissector.tokens.luhn import luhn_digit
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender

KEY = bytes(range(32))
NOON = 1_767_268_800_000_000_000
TOKEN = "43726482673694618345"
TEST_TOKEN = "00000000000150997584"


def redacted(*records: Record, profile: str = "iec62055-52", **options: bool) -> list[Record]:
    """Returns the records redacted, with the proof that no secret survived."""
    test_tokens = options.pop("test_tokens", False)
    redactor = Redactor(load(profile), StandIns(KEY, test_tokens=test_tokens), profiles=shipped(), **options)
    for record in records:
        redactor.learn(record)
    made = [redactor.redact(record) for record in records]
    assert list(proved(redactor.secrets, places_of(made))) == []
    return made


def frame(octets: bytes, **more: object) -> Record:
    return Record(NOON, octets, line=Line(7, "E", 1), **more)  # type: ignore[arg-type]


def of(octets: bytes, **options: bool) -> bytes:
    """Returns the octets of a frame as redacted."""
    (made,) = redacted(frame(octets), **options)
    return made.octets


@pytest.mark.parametrize("values", [False, True])
@pytest.mark.parametrize(
    ("said", "left"),
    [("ER", ""), ("ER01", ""), ("ERR1", ""), ("ERROR", ""), ("ERROR 4711", "4711"), ("ER17 Moyo", "Moyo")],
)
def test_an_error_message_stays_one(said: str, left: str, values: bool) -> None:
    made = message_of(frame(of(data(f"({said})".encode()), values=values)))
    assert (made.message, made.bcc_status, len(made.value[0])) == ("Error", "good", len(said))
    assert left not in made.value[0] if left else made.value[0] == said


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_check_character_that_fits_both_rules_follows_its_side(place: int) -> None:
    def answer(number: int) -> bytes:
        text = b"\x022006(%011d)\x03" % number
        return text + bytes([sum(text[1:]) & 0x7F])

    def fits_both(octets: bytes) -> bool:
        exclusive = 0
        for octet in octets[1:-1]:
            exclusive ^= octet
        return exclusive == octets[-1]

    both = next(octets for number in range(73_100, 10**6) if fits_both(octets := answer(number)))
    session = [octets for number in range(10**9, 10**9 + 99) if not fits_both(octets := answer(number))][:2]
    session.insert(place, both)
    made = [record.octets for record in redacted(*(frame(octets, sender=Sender.SERVER) for octets in session))]
    assert both not in made
    assert all(octets[-1] == sum(octets[1:-1]) & 0x7F for octets in made)


@pytest.mark.parametrize(("value", "stays"), [("7", True), ("73", True), ("739", False), ("7391", False)])
def test_a_value_of_an_unknown_register_stays_up_to_two_characters(value: str, stays: bool) -> None:
    made = message_of(frame(of(data(f"C.90({value})".encode()))))
    assert len(made.value[0]) == len(value)
    assert (made.value[0] == value) == stays


def test_a_name_or_a_password_that_begins_like_an_error_is_replaced() -> None:
    assert b"ERIKA" not in of(data(b"(ERIKA)"))
    assert not of(command("P1", b"(ER4711)")).startswith(b"\x01P1\x02(ER")


@pytest.mark.parametrize("seed", range(30))
def test_planted_secrets_do_not_survive(seed: int) -> None:
    session = Planter(seed).make()
    made = redacted(*session.records, profile=shipped()[seed % 2])
    assert survivors(session, session.records)  # The search finds them where they are.
    assert survivors(session, made) == []
    for one, other in zip(session.records, made, strict=True):
        assert (one.time, one.kind, one.flags) == (other.time, other.kind, other.flags)
        assert len(one.octets) == len(other.octets)
        if one.kind is not Kind.FRAME:
            continue
        before, after = message_of(one), message_of(other)
        names = ("message", "cmd", "bcc_status", "crc_status", "hcs_status", "fcs_status")
        assert [getattr(before, name) for name in names] == [getattr(after, name) for name in names]


def test_the_search_finds_what_is_not_redacted() -> None:
    session = Planter(1).make()
    redactor = Redactor(load(), StandIns(KEY))
    for record in session.records:
        redactor.learn(record)
    found = list(proved(redactor.secrets, places_of(session.records)))
    assert {each.form for each in found} >= {"as it was", "hexadecimal", "digits alone"}


@pytest.mark.parametrize(
    "octets",
    [
        b"/?!\r\n", b"\x06050\r\n", b"\x06", b"\x15", bytes(20), b"/ISK5\\2MT174\r\n", b"\x01B0\x03q",
        command("R1", b"2010()"), command("R1", b"1.8.0()"), data(b"2010(000004D2)"), data(b"FFFE(0A)"),
        data(b"1.8.0(000123.45*kWh)"), data(b"32.7(230.1*V)"), data(b"(ER01)"), data(b"0.9.1(123456)"),
        command("W1", f"FFFF({TEST_TOKEN})".encode()), b"\x01R\x0220001\x03\x52",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(octets: bytes) -> None:
    assert of(octets) == octets


@pytest.mark.parametrize(
    "octets",
    [
        b"/?12345678!\r\n", b"/ISK5\\1234567890\r\n", command("P1", b"(1234)"), command("P0", b"(ABCDEF)"),
        command("W1", f"FFFF({TOKEN})".encode()), data(b"2006(12345678901)"), data(b"0.0.0(1234567)"),
        data(b"1.8.0(12345678901)"), data(b"XYZ(secret)"), data(b"1.8.0(1*secret)"), command("R1", b"1234567890()"),
        data(b"2016(ABCDEF)"), b"\x15secret", b"xyzzy",
    ],
)  # fmt: skip
def test_what_may_be_a_secret_is_replaced(octets: bytes) -> None:
    made = of(octets)
    assert made != octets
    assert len(made) == len(octets)
    assert message_of(frame(made)).bcc_status == message_of(frame(octets)).bcc_status


def test_every_value_is_replaced_on_request() -> None:
    assert of(data(b"2010(000004D2)"), values=True) != data(b"2010(000004D2)")


def test_tokens_keep_their_class_and_test_tokens_their_check() -> None:
    made = message_of(frame(of(command("W1", f"FFFF({TOKEN})".encode())))).value[0]
    assert made != TOKEN
    assert decode(made).token_class == decode(TOKEN).token_class
    other = message_of(frame(of(command("W1", f"FFFF({TEST_TOKEN})".encode()), test_tokens=True))).value[0]
    assert other != TEST_TOKEN
    assert (decode(other).token_class, decode(other).crc_status) == (1, "good")


@given(st.integers(0, 2**66 - 1))
def test_every_token_becomes_one_of_its_class(number: int) -> None:
    made = StandIns(KEY, test_tokens=True).text(f"{number:020}".encode()).decode()
    assert int(made) < 2**66
    assert decode(made).token_class == decode(number).token_class
    assert decode(made).crc_status == decode(number).crc_status


@given(st.text("0123456789", min_size=11, max_size=19))
def test_a_luhn_digit_stays_right_or_wrong(number: str) -> None:
    octets = number.encode()
    made = StandIns(KEY).text(octets)
    assert made.isdigit()
    assert len(made) == len(octets)
    right = [luhn_digit(each[:-1].decode()) == each[-1] - 48 for each in (octets, made)]
    assert right[0] == right[1]


def test_the_luhn_digit_of_a_published_number() -> None:
    assert luhn_digit("7992739871") == 3  # ISO/IEC 7812-1, the usual example.


@given(st.binary(max_size=40))
def test_stand_ins_keep_length_and_are_stable(octets: bytes) -> None:
    standins, again = StandIns(KEY), StandIns(KEY)
    seven = bytes(octet & 0x7F for octet in octets)
    for make in (StandIns.text, StandIns.token, StandIns.noise, StandIns.payload):
        made = make(standins, seven)
        assert len(made) == len(seven)
        assert made == make(again, seven)
    assert StandIns.payload(standins, octets).count(0x7E) == 0


def test_equal_secrets_stay_equal_and_another_key_gives_other_stand_ins() -> None:
    one, other = redacted(frame(data(b"2006(12345678903)")), frame(b"/?12345678903!\r\n"))
    assert message_of(one).value[0] == message_of(other).address
    assert StandIns(b"another key").text(b"12345678903") != StandIns(KEY).text(b"12345678903")


def test_text_that_comes_octet_by_octet_becomes_no_substitution_cipher() -> None:
    made = redacted(*(Record(NOON, b"5", Kind.NOISE) for _ in range(200)))
    assert {record.octets for record in made} == {bytes([digit]) for digit in b"012346789"}
    again = redacted(*(Record(NOON, b"5", Kind.NOISE) for _ in range(200)))
    assert made == again


def test_a_meter_number_inside_a_pan_is_the_same_number() -> None:
    meter = b"12345678903"
    pan = b"600727" + meter
    pan += bytes([48 + luhn_digit(pan.decode())])
    standins = StandIns(KEY)
    made = standins.text(pan)
    assert made[:6] == b"600727"
    assert made[6:17] == standins.text(meter)
    assert luhn_digit(made[:-1].decode()) == made[-1] - 48


@given(st.binary(min_size=1, max_size=60))
def test_pieces_never_overlap(octets: bytes) -> None:
    at = 0
    for piece in pieces(octets):
        assert at <= piece.start < piece.end <= len(octets)
        at = piece.end


@given(st.sampled_from([b"\x01W1\x02", b"\x02", b"/ABC5", b"/?", b"\x7e\xa0", b"\x06"]), st.binary(max_size=40))
@example(b"/?", b"\0\0\0\0\0(")
def test_any_frame_keeps_its_length_and_name(start: bytes, rest: bytes) -> None:
    octets = start + rest
    (made,) = redacted(Record(NOON, octets, line=Line(8, "N", 1)))
    assert len(made.octets) == len(octets)
    before, after = message_of(Record(NOON, octets)), message_of(made)
    assert before.bcc_status == after.bcc_status or before.bcc is None


@pytest.mark.parametrize("error", [0, 1, 0x55])
def test_check_characters_keep_their_error(error: int) -> None:
    good = data(b"2006(12345678901)")
    made = of(good[:-1] + bytes([good[-1] ^ error]))
    assert made[-1] == data(made[1:-2])[-1] ^ error


def test_a_frame_with_parity_bits_keeps_them_right() -> None:
    octets = data(b"2006(12345678901)")
    even = bytes(octet | 0x80 * (octet.bit_count() % 2) for octet in octets)
    (made,) = redacted(Record(NOON, even, line=Line(8, "N", 1)))
    assert all(octet.bit_count() % 2 == 0 for octet in made.octets)
    assert message_of(made).bcc_status == "good"
    assert message_of(made).value != message_of(Record(NOON, even)).value


def test_hdlc_keeps_good_and_bad_sequences() -> None:
    payload = b"secret payload 1234567890"
    head = bytes([0xA0, 4 + 2 + 1 + 2 + len(payload)]) + b"\x23\x03\x13"
    body = head + fcs(head) + payload
    octets = b"\x7e" + body + fcs(body) + b"\x7e"
    assert message_of(frame(octets)).fcs_status == "good"
    for octets_, status in ((octets, "good"), (octets[:-2] + bytes([octets[-2] ^ 3]) + b"\x7e", "bad")):
        made = of(octets_)
        assert (message_of(frame(made)).hcs_status, message_of(frame(made)).fcs_status) == ("good", status)
        assert payload not in made


def mode_e(destination: bytes, source: bytes, payload: bytes = b"") -> bytes:
    """Returns a frame of mode E with good check sequences."""
    addresses = destination + source + b"\x93"
    length = 2 + len(addresses) + 2 + (len(payload) + 2 if payload else 0)
    head = bytes([0xA0, length]) + addresses
    body = head + fcs(head) + payload if payload else head
    return b"\x7e" + body + fcs(body) + b"\x7e"


def test_a_number_in_a_payload_is_a_secret_elsewhere() -> None:
    """A time of day may stay, unless its digits are those of a number in a payload, with parity bits or not."""
    for number in (b"123456", bytes(octet | 0x80 for octet in b"123456")):
        payload = b"\xc0\x01\x09\x06" + number + b"\x00"
        _, read = redacted(frame(mode_e(b"\x03", CLIENT, payload)), frame(data(b"0.9.1(123456)")))
        assert b"123456" not in read.octets


@given(st.lists(st.sampled_from(b"\0\r\n() *!/?-.\x7d\x7f\xff"), min_size=8, max_size=60).map(bytes))
def test_punctuation_in_a_payload_is_data(payload: bytes) -> None:
    """None of it shows what the payload was, and none of the stand-in ends the frame."""
    made = of(mode_e(b"\x03", CLIENT, payload))[8:-3]
    assert len(made) == len(payload)
    assert 0x7E not in made
    assert sum(new == old for new, old in zip(made, payload, strict=True)) < len(payload) / 2


STATION = bytes.fromhex("0002682d")
CLIENT = b"\x21"


@pytest.mark.parametrize("payload", [b"", b"secret payload 1234567890"])
def test_the_meters_number_leaves_long_hdlc_addresses(payload: bytes) -> None:
    there, back = frame(mode_e(STATION, CLIENT, payload)), frame(mode_e(CLIENT, STATION, payload))
    one, other = (record.octets for record in redacted(there, back))
    assert STATION[2:] not in one + other
    assert (one[3:5], one[5] & 1, one[6] & 1, one[7:9]) == (STATION[:2], 0, 1, CLIENT + b"\x93")
    assert (other[3:4], other[4:6], other[8:9]) == (CLIENT, STATION[:2], b"\x93")
    assert one[5:7] == other[6:8]  # Equal addresses stay equal.
    for made in (one, other):
        assert message_of(frame(made)).fcs_status == "good"
        assert message_of(frame(made)).hcs_status == (message_of(there).hcs_status)


def test_reserved_and_short_hdlc_addresses_stay() -> None:
    for octets in (b"\x00\x02\xfe\xff", b"\x00\x02\xfe\xfd", b"\x00\x02\x00\x03", b"\x02\x23", b"\x03"):
        made = of(mode_e(octets, CLIENT))
        assert made == mode_e(octets, CLIENT)


@given(st.integers(0x10, 0x3FFD), st.integers(0, 0x3FFF))
def test_every_long_hdlc_address_becomes_another_of_a_device(lower: int, upper: int) -> None:
    made = of(mode_e(bytes([upper >> 6 & 0xFE, upper << 1 & 0xFE, lower >> 6 & 0xFE, lower << 1 & 0xFE | 1]), CLIENT))
    assert (made[5] & 1, made[6] & 1) == (0, 1)
    assert 0x10 <= made[5] << 6 | made[6] >> 1 <= 0x3FFD
    assert made[5] << 6 | made[6] >> 1 != lower
    assert 0x7E not in made[5:7]


@pytest.mark.parametrize("length", [0, 3, 9, 60])
def test_an_hdlc_length_that_is_wrong_keeps_no_more(length: int) -> None:
    octets = bytearray(mode_e(STATION, CLIENT, b"secret payload 1234567890"))
    octets[2] = length
    made = of(bytes(octets))
    assert STATION[2:] not in made
    assert b"7890" not in made
    assert not any(octets[at : at + 4] == made[at : at + 4] for at in range(9, len(octets) - 3))


def test_events_keep_their_measures_alone() -> None:
    texts = {
        "opened profile=iec62055-52 speed=9600 line=7E1 octets=5 adapter=ftdi_sio port=/dev/ttyUSB0 chain=01020304": (
            "opened profile=iec62055-52 speed=9600 line=7E1 octets=5 redacted=yes"
        ),
        "opened profile=customers-own speed=9600": "opened speed=9600 redacted=yes",
        "closed octets=10 hashed=7 hash=00ff": "closed octets=10",
        "speed from=300 to=9600 line=7E1 why=negotiated": "speed from=300 to=9600 line=7E1 why=negotiated",
        "clock step=1.5s ahead=2s": "clock step=1.5s ahead=2s",
        "somebody's 12345678": "redacted",
    }
    made = redacted(*(Record(NOON, kind=Kind.EVENT, event=event) for event in texts))
    assert [record.event for record in made] == list(texts.values())
    (mark,) = redacted(Record(NOON, kind=Kind.EVENT, event=f"mark note=token_{TOKEN}"))
    assert mark.event.startswith("mark note=")
    assert TOKEN not in mark.event


def test_an_event_whose_kind_is_damage_holds_no_secret() -> None:
    """One wrong bit makes an event of a frame."""
    octets = command("W1", f"FFFF({TOKEN})".encode())
    (made,) = redacted(Record(NOON, octets, Kind.EVENT))
    assert len(made.octets) == len(octets)
    assert TOKEN.encode() not in made.octets


def test_the_text_of_a_mark_is_a_secret_without_its_key() -> None:
    """A short value may stay, unless a mark names it."""
    noted, read = redacted(Record(NOON, kind=Kind.EVENT, event="mark 123456"), frame(data(b"0.9.1(123456)")))
    assert "123456" not in noted.event
    assert b"123456" not in read.octets


def test_a_record_keeps_everything_but_its_octets() -> None:
    record = Record(
        NOON, b"12345678", Kind.NOISE, Sender.CLIENT, True, 3, 4, Line(7, "E", 1), Flag.PARITY, 9600, 5, 6, (1,), (2,),
        ((3, 4),),
    )  # fmt: skip
    (made,) = redacted(record)
    assert made == Record(
        NOON, made.octets, Kind.NOISE, Sender.CLIENT, True, 3, 4, Line(7, "E", 1), Flag.PARITY, 9600, 5, 6, (1,), (2,),
        ((3, 4),),
    )  # fmt: skip


def test_the_forms_in_which_a_token_is_searched_for() -> None:
    found = dict(forms(TOKEN.encode()))
    number = int(TOKEN)
    assert found["spaced"] == b"4372 6482 6736 9461 8345"
    assert found["packed"] == bytes.fromhex(TOKEN)
    assert int(found["token, hexadecimal"], 16) == number
    assert sum(octet << 7 * at for at, octet in enumerate(reversed(found["token, ten septets"]))) == number


Run = Callable[..., int]


def test_the_command_redacts_reproducibly_and_keeps_the_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from vtctap.__main__ import main

    monkeypatch.setenv("VTCTAP_REDACT_KEY", "a key for tests alone")
    monkeypatch.delattr(os, "environb", raising=False)  # Windows has none.
    trace, shared, again = (str(tmp_path / f"{name}.pcapng") for name in ("t", "r", "s"))
    assert main(["demo", "--fast", "-q", "--faults", "--seed", str(random.Random(1).randrange(9)), "-w", trace]) == 0
    assert main(["redact", trace, "-w", shared, "--prove"]) == 0
    assert "none survived" in capsys.readouterr().err
    assert main(["redact", trace, "-w", again, "-q"]) == 0
    assert Path(again).read_bytes() == Path(shared).read_bytes()
    assert b"redacted" in Path(shared).read_bytes()[:300]
    findings = []
    for path in (trace, shared):
        capsys.readouterr()
        main(["check", "--json", path])
        findings.append([(each["code"], each["frames"]) for each in json.loads(capsys.readouterr().out)["findings"]])
    assert findings[0] == findings[1]
    assert main(["redact", "-", "-w", again]) == 2
    monkeypatch.setenv("VTCTAP_REDACT_KEY", "short")
    assert main(["redact", trace, "-w", again, "--force"]) == 2
