"""A frame with its decoded message equals the record without it."""

import pickle
from dataclasses import fields, replace

import pytest

from vtctap.dissector.framing.assembler import Assembler, Tap
from vtctap.dissector.framing.framed import FramedRecord, message_of
from vtctap.dissector.framing.pieces import Octet
from vtctap.dissector.protocol.messages import Message, decode
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender

OCTETS = b"\x020004(1)\x037"
PLAIN = Record(5, OCTETS, sender=Sender.SERVER, pauses_us=((2, 3),))
FRAMED = FramedRecord(5, OCTETS, sender=Sender.SERVER, pauses_us=((2, 3),), message=decode(OCTETS))


def test_it_is_equal_to_the_record() -> None:
    assert PLAIN == FRAMED == PLAIN
    assert hash(PLAIN) == hash(FRAMED)
    assert {PLAIN, FRAMED} == {FRAMED}
    assert replace(FRAMED, message=Message(None)) == FRAMED
    assert pickle.loads(pickle.dumps(FRAMED)) == PLAIN
    assert "message" not in repr(FRAMED)


@pytest.mark.parametrize("name", [field.name for field in fields(Record)])
def test_each_field_tells_them_apart(name: str) -> None:
    other = replace(PLAIN, **{name: "another"})
    assert other != FRAMED
    assert other != FRAMED


def test_it_is_equal_to_nothing_else() -> None:
    assert FRAMED != OCTETS
    assert FRAMED is not None


def test_the_message_is_handed_on_or_decoded() -> None:
    told = replace(FRAMED, message=Message(None, text="as it was told"))
    assert message_of(replace(told, flags=Flag.ECHO)).text == "as it was told"
    assert message_of(PLAIN) == decode(OCTETS)


@pytest.mark.parametrize("without", [frozenset(), frozenset({Sender.SERVER})], ids=["parity", "no parity"])
def test_an_assembler_hands_on_what_the_records_octets_say(without: frozenset[Sender]) -> None:
    """A value in eight bits differs if bit 7 is no parity bit."""
    tap = Tap(0, Sender.SERVER, Line(7, "E", 1), 300, without_parity=without)
    assembler = Assembler(0, [tap], gap_limit_ns=1_500_000_000)
    octets = [Octet(value, at * 40_000_000) for at, value in enumerate(b"x\x020004(\xe41)\x03S")]
    noise, frame = assembler.feed(0, octets) + assembler.close()
    assert (noise.kind, frame.kind) == (Kind.NOISE, Kind.FRAME)
    assert isinstance(frame, FramedRecord)
    assert frame.message == decode(frame.octets)
    assert frame.message.value == (("<E4>1",) if without else ("d1",))
