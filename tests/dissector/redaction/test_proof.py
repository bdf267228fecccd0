"""The proof sees: on the original of every form of capture it finds the secrets that redaction removes."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from equipment.planted import Planted, Planter, command, data, survivors
from vtctap.dissector.framing.framed import message_of
from vtctap.dissector.profiles.files import load
from vtctap.dissector.redaction.proof import places_of
from vtctap.dissector.redaction.proof import survivors as proved
from vtctap.dissector.redaction.redact import Redactor
from vtctap.dissector.redaction.standins import StandIns
from vtctap.pcap.capture_file import Interface
from vtctap.pcap.record import Kind, Line, Record, Sender
from vtctap.pcap.trace import create_trace

EIGHT = Line(8, "N", 1)


@pytest.mark.parametrize(("secret", "found"), [(b"1234567", False), (b"12345678", True)])
def test_a_secret_that_is_long_enough_is_found_reversed(secret: bytes, found: bool) -> None:
    survived = list(proved([secret], {"place": b"?" + secret[::-1] + b"?"}))
    assert [each.form for each in survived] == (["reversed"] if found else [])


@pytest.mark.parametrize(("secret", "found"), [(b"12345678901", False), (b"123456789012", True), (b"1" * 12, False)])
def test_a_number_that_is_long_enough_is_found_between_other_signs(secret: bytes, found: bool) -> None:
    place = b"(7)" + b"\r\n".join(secret[at : at + 1] for at in range(len(secret))) + b"*kWh"
    survived = list(proved([secret], {"place": place}))
    assert [each.form for each in survived] == (["digits alone"] if found else [])


TOKEN = b"43726482673694618345"
Form = Callable[[Record], Iterator[Record]]


def odd(octet: int) -> bool:
    return octet.bit_count() % 2 == 1


def with_bit_7(bit: Callable[[int], bool]) -> Form:
    """Returns a form in which each character has a parity bit in bit 7."""

    def form(record: Record) -> Iterator[Record]:
        octets = bytes(octet & 0x7F | 0x80 * bit(octet & 0x7F) for octet in record.octets)
        yield replace(record, octets=octets, line=EIGHT)

    return form


def as_noise(change: Callable[[int], int]) -> Form:
    """Returns a form in which each octet is another, so that nothing is a frame."""

    def form(record: Record) -> Iterator[Record]:
        yield replace(record, octets=bytes(map(change, record.octets)), kind=Kind.NOISE, line=EIGHT)

    return form


def octet_by_octet(record: Record) -> Iterator[Record]:
    """Makes a record of noise from each octet."""
    for octet in record.octets:
        yield replace(record, octets=bytes([octet]), kind=Kind.NOISE)


TEXT_FORMS = {
    "seven bits": with_bit_7(lambda octet: False),
    "even parity bits": with_bit_7(odd),
    "odd parity bits": with_bit_7(lambda octet: not odd(octet)),
    "mark": with_bit_7(lambda octet: True),
    "octet by octet": octet_by_octet,
    "octet by octet, even parity bits": lambda record: (
        replace(each, octets=bytes(octet | 0x80 * odd(octet) for octet in each.octets))
        for each in octet_by_octet(record)
    ),
}
FORMS = TEXT_FORMS | {
    "inverted": as_noise(lambda octet: octet ^ 0xFF),
    "bits in the other order": as_noise(lambda octet: int(f"{octet:08b}"[::-1], 2)),
}


def captured(form: str, seed: int = 1) -> tuple[Planted, list[Record], Redactor]:
    """Returns a session with planted secrets, its octets of text in a form, and what has learned their secrets."""
    session = Planter(seed).make()
    octets = [record for record in session.records if record.octets and record.octets[:1] != b"\x7e"]
    records = [each for record in octets for each in FORMS[form](record)]
    redactor = Redactor(load(), StandIns(bytes(32)))
    for record in records:
        redactor.learn(record)
    return session, records, redactor


@pytest.mark.parametrize("form", TEXT_FORMS)
def test_the_proof_finds_each_planted_number_in_the_original(form: str) -> None:
    session, records, redactor = captured(form)
    made = [redactor.redact(record) for record in records]
    before, after = places_of(records), places_of(made)
    for name in ("token", "meter", "account"):
        secret = session.secrets[name].encode()
        assert secret in redactor.secrets, name
        assert list(proved([secret], before)), name
    assert list(proved(redactor.secrets, after)) == []
    assert survivors(session, records)
    assert survivors(session, made) == []


@pytest.mark.parametrize("form", ["inverted", "bits in the other order"])
def test_the_proof_finds_noise_in_the_original(form: str) -> None:
    _, records, redactor = captured(form)
    noise = [record.octets for record in records if len(record.octets) >= 6]
    assert noise
    for octets in noise:
        assert list(proved(redactor.secrets & {octets}, places_of(records)))
    made = [redactor.redact(record) for record in records]
    assert list(proved(redactor.secrets, places_of(made))) == []


@pytest.mark.parametrize("form", [form for form in FORMS if not form.startswith("octet by octet")])
def test_the_proof_finds_the_secrets_in_the_file(form: str, tmp_path: Path) -> None:
    _, records, redactor = captured(form)
    path = tmp_path / "t.pcapng"
    with create_trace(str(path), taps=[Interface(147, "one"), Interface(147, "two")]) as writer:
        for record in records:
            writer.write(record)
    assert list(proved(redactor.secrets, {"the file": path.read_bytes()}))


def test_a_number_that_noise_spreads_over_records_is_one_secret() -> None:
    def noise(octets: bytes, sender: Sender) -> Record:
        return Record(1, octets, Kind.NOISE, sender)

    redactor = Redactor(load(), StandIns(bytes(32)))
    records = [
        *(
            noise(TOKEN[:7], Sender.CLIENT),
            noise(b"99", Sender.SERVER),
            Record(1, kind=Kind.EVENT, event="lost octets=1"),
        ),
        *(noise(TOKEN[7:], Sender.CLIENT), noise(b"x12", Sender.SERVER), Record(1, b"\x06", sender=Sender.SERVER)),
        noise(b"3456", Sender.SERVER),
    ]
    for record in records:
        redactor.learn(record)
    made = [redactor.redact(record) for record in records]
    assert TOKEN in redactor.secrets
    assert b"123456" not in redactor.secrets
    assert list(proved([TOKEN], places_of(records)))
    assert list(proved([TOKEN], places_of(made))) == []


def test_a_number_in_a_note_is_a_secret_elsewhere() -> None:
    redactor = Redactor(load(), StandIns(bytes(32)))
    records = [Record(1, kind=Kind.EVENT, event="mark note=meter_123456"), Record(2, data(b"1.8.0(123456*kWh)"))]
    for record in records:
        redactor.learn(record)
    assert b"123456" not in redactor.redact(records[1]).octets


def test_a_number_in_an_hdlc_payload_or_noise_with_parity_is_a_secret_elsewhere() -> None:
    parity = bytes(octet | 0x80 * odd(octet) for octet in b"no 123456")
    redactor = Redactor(load(), StandIns(bytes(32)))
    redactor.learn(Record(1, parity, Kind.NOISE))
    assert b"123456" not in redactor.redact(Record(2, data(b"1.8.0(123456*kWh)"))).octets


def test_odd_parity_bits_stay_right_and_tell_nothing() -> None:
    octets = bytes(octet | 0x80 * (not odd(octet)) for octet in command("W1", b"FFFF(" + TOKEN + b")"))
    redactor = Redactor(load(), StandIns(bytes(32)))
    record = Record(1, octets, line=EIGHT)
    redactor.learn(record)
    made = redactor.redact(record)
    assert all(map(odd, made.octets))
    assert made.octets != octets
    assert message_of(made).bcc_status == message_of(record).bcc_status
