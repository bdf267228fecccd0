"""Answers that name no register: each decoder takes the registers from the request, and from nothing else.

The port of prepayment meters, as two public programs use it, answers so, and so do meters of IEC 62056-21 (ISKRA ME162,
ELVIN). A session must mean the same with and without the names, to each decoder.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import reduce
from operator import xor
from typing import Any

import pytest
from scapy.sendrecv import sniff

from equipment.recordings import REAL, bursts_of
from vtctap.dissector.analysis.check import check
from vtctap.dissector.analysis.flows import token_flows
from vtctap.dissector.analysis.statistics import statistics
from vtctap.dissector.dissect import Dissection, Dissector, Frame
from vtctap.dissector.framing.reframe import assemble
from vtctap.dissector.pairing import Pairing
from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol.messages import decode
from vtctap.dissector.scapy import VTCSession
from vtctap.dissector.scapy.messages import ReadCommand
from vtctap.dissector.text import summary
from vtctap.pcap import Flag, Record, Sender

START = 1_767_225_600_000_000_000
TOKEN = b"56493153725450313471"
"""The test token of IEC 62055-41 that starts all tests."""


def checked(octets: bytes) -> bytes:
    return octets + bytes([reduce(xor, octets[1:])])


VECTORS = {
    b"\x01R\x0220060\x03": 0x67,
    b"\x01R\x0220020\x03": 0x63,
    b"\x01R\x0220140\x03": 0x64,
    b"\x01R\x0220160\x03": 0x66,
    b"\x01R\x02200C0\x03": 0x12,
    b"\x01R\x02FFFE1\x03": 0x61,
    b"\x01W\x02FFFF(" + TOKEN + b")\x03": 0x5F,
    b"\x02(10)\x03": 0x03,
}
"""Messages of the port with their check characters, those of the first five from a client's source."""

ASKED = [
    (b"2006", b"00123456782"),
    (b"2002", b"01"),
    (b"200A", b"12"),
    (b"2016", b"01E240"),
    (b"2010", b"04D2"),
]


def records(said: list[tuple[str, bytes, Any]]) -> list[Record]:
    """Returns the frames of client (C) and server (S) as records, a quarter of a second apart."""
    senders = {"C": Sender.CLIENT, "S": Sender.SERVER}
    return [
        Record(START + at * 250_000_000, octets, sender=senders[side], duration=10_000_000, uncertainty=0, flags=flags)
        for at, (side, octets, flags) in enumerate(said)
    ]


def session(named: bool, *, brackets: bool) -> list[Record]:
    """Returns reads, a token, its status until it is accepted, and a read of two registers at once."""

    def read(*registers: bytes) -> tuple[str, bytes, int]:
        if brackets or len(registers) > 1:
            return "C", checked(b"\x01R1\x02" + b"".join(register + b"()" for register in registers) + b"\x03"), 0
        return "C", checked(b"\x01R\x02" + registers[0] + b"1\x03"), 0

    def answer(*sets: tuple[bytes, bytes]) -> tuple[str, bytes, int]:
        texts = (b"%s(%s)" % (register if named else b"", value) for register, value in sets)
        return "S", checked(b"\x02" + b"".join(texts) + b"\x03"), 0

    said = [each for register, value in ASKED for each in (read(register), answer((register, value)))]
    said += [("C", checked(b"\x01W\x02FFFF(" + TOKEN + b")\x03"), 0), ("S", b"\x06", 0)]
    said += [each for value in (b"10", b"10", b"01") for each in (read(b"FFFE"), answer((b"FFFE", value)))]
    said += [read(b"2010", b"2011"), answer((b"2010", b"04D7"), (b"2011", b"0001"))]
    return records(said)


OWN = {"vtc.register", "vtc.register.asked", "vtc.bcc", "vtc.bcc.expected", "vtc.octets"}
"""The fields that may differ with and without names."""


def dissected(records: Iterable[Record], profile: str = "iec62055-52") -> list[Dissection]:
    dissector = Dissector(load(profile))
    return [dissector.dissect(record) for record in records]


@pytest.mark.parametrize("octets", VECTORS)
def test_the_vectors_are_decoded_and_built(octets: bytes) -> None:
    whole = octets + bytes([VECTORS[octets]])
    message = decode(whole)
    assert (message.bcc_status, message.bcc_rule, message.text) == ("good", "xor", None)
    if octets[:2] == b"\x01R":
        assert (message.message, message.cmd, message.register) == ("ReadCommand", "R", (octets[3:7].decode(),))
        assert (message.value, message.unit, message.count) == (("",), ("",), int(octets[7:8], 16))
        packet = ReadCommand(whole)
        assert (packet.count, packet.rest, packet.bcc_status) == (message.count, b"", "good")
        assert bytes(ReadCommand(register=octets[3:7], count=message.count)) == bytes(packet) == whole
        (damaged,) = (each for each in [decode(whole[:-1] + b"\x00")])
        assert (damaged.register, damaged.count, damaged.bcc_status) == (message.register, message.count, "bad")


@pytest.mark.parametrize(
    "octets",
    [b"FFF1", b"FFFE12", b"fffe1", b"FFFG1", b"FFFE ", b"FFFE1()", b"FFFE(1)", b"", b"\r\nFFFE1"],
)
def test_a_read_of_other_than_five_digits_has_no_count(octets: bytes) -> None:
    message = decode(checked(b"\x01R\x02" + octets + b"\x03"))
    assert (message.message, message.count) == ("ReadCommand", None)
    assert decode(checked(b"\x01W\x02FFFE1\x03")).count is None
    assert decode(checked(b"\x01R1FFFE1\x03")).count is None  # There is no STX.


def test_the_vectors_in_wireshark(wireshark: Callable[..., Any]) -> None:
    """The vectors are decoded the same whole, cut, with parity bits, and (the first one) damaged."""
    whole = [octets + bytes([check]) for octets, check in VECTORS.items()]
    cut = [octets[:end] for octets in whole for end in range(1, len(octets))]
    damaged = [octets[:at] + b"\x03" + octets[at + 1 :] for octets in whole[:1] for at in range(len(octets))]
    parity = [bytes(octet | (octet.bit_count() & 1) << 7 for octet in octets) for octets in whole]
    said: list[tuple[str, bytes, Any]] = [
        ("S" if each[:1] in (b"\x02", b"\x82") else "C", each, 0) for each in (*whole, *cut, *damaged, *parity)
    ]
    assert wireshark().differences(records(said)) == []


@pytest.mark.parametrize("brackets", [False, True])
def test_a_session_means_the_same_with_and_without_names(brackets: bool) -> None:
    named, bare = (dissected(session(each, brackets=brackets)) for each in (True, False))
    for one, other in zip(named, bare, strict=True):
        first, second = one.as_json(), other.as_json()
        assert {name: first[name] for name in first if name not in OWN} == {
            name: second[name] for name in second if name not in OWN
        }
        if isinstance(other, Frame) and other.name == "Data":
            assert second["vtc.register"] == [""] * len(other.registers)
            assert second["vtc.register.asked"] == first["vtc.register"] == list(other.registers)
            assert "vtc.register.asked" not in first
    frames = [each for each in bare if isinstance(each, Frame)]
    statuses = [frame.meaning.status_token for frame in frames if frame.meaning.status_token is not None]
    assert statuses == [16, 16, 1]
    assert frames[-1].meaning.value_decoded == ("123.9 kWh", "0.1 kWh")
    assert summary(frames[1]) == "Data (00123456782) meterNumber=00123456782"


def test_the_analysis_of_a_session_is_the_same_with_and_without_names() -> None:
    """Verdicts on tokens, findings and statistics are the same with and without names."""
    named, bare = (dissected(session(each, brackets=False)) for each in (True, False))
    for analyse in (
        lambda each: [(flow.token, flow.outcome, flow.status_name, flow.duration) for flow in token_flows(each)],
        lambda each: [(finding.code, finding.frames) for finding in check(each)],
        lambda each: [link.registers for link in statistics(each).links.values()],
    ):
        assert analyse(named) == analyse(bare)
    assert [(flow.outcome, flow.recognised) for flow in token_flows(bare)] == [("accepted", True)]


@pytest.mark.parametrize("named", [True, False])
def test_scapy_and_wireshark_decode_the_same(named: bool, wireshark: Callable[..., Any]) -> None:
    """Wireshark, in one pass and in two, and Scapy's packet, message and data sets have the decoder's fields."""
    said = session(named, brackets=False)
    tool = wireshark()
    assert tool.differences(said) == []
    trace = tool.trace(said)
    first = tool.run(trace, "-T", "fields", "-e", "vtc.register.name", "-e", "vtc.status.token.name")
    assert first == tool.run(trace, "-2", "-T", "fields", "-e", "vtc.register.name", "-e", "vtc.status.token.name")
    assert len(tool.run(trace, "-Y", 'vtc.status.token.name == "Accept"').splitlines()) == 1
    ours = dissected(said)
    assert tool.run(trace).splitlines()[-1].endswith(summary(ours[-1]))
    for packet, dissection in zip(sniff(offline=str(trace), session=VTCSession, quiet=True), ours, strict=True):
        assert packet.fields_vtc() == dissection.fields()
        message = packet.payload
        assert message.register_name == dissection.fields().get("vtc.register.name", [])
        assert message.status_token == dissection.fields().get("vtc.status.token")
        names = [each.register_name for each in getattr(message, "data_sets", ())]
        assert names == [name or None for name in message.register_name]
        assert packet.register_asked == dissection.fields().get("vtc.register.asked", [])


READ, ANSWER = checked(b"\x01R\x02FFFE1\x03"), checked(b"\x02(01)\x03")
TWO = checked(b"\x01R1\x02A()B()\x03")


ANSWERED: list[tuple[list[tuple[str, bytes, Any]], tuple[str, ...]]] = [
    ([("C", READ, 0), ("S", ANSWER, 0)], ("FFFE",)),
    ([("C", READ[:-1] + b"\x00", 0), ("S", ANSWER, 0)], ()),
    ([("C", READ, Flag.PARITY), ("S", ANSWER, 0)], ()),
    ([("C", READ, Flag.CUT), ("S", ANSWER, 0)], ()),
    ([("C", READ, Flag.ECHO), ("S", ANSWER, 0)], ()),
    ([("C", READ, 0), ("S", ANSWER, Flag.ECHO)], ()),
    ([("C", READ, 0), ("S", ANSWER, 0), ("S", ANSWER, 0)], ()),
    ([("C", READ, 0), ("S", b"\x15", 0), ("S", ANSWER, 0)], ()),
    ([("C", READ, 0), ("S", b"\x15", 0), ("C", READ, 0), ("S", ANSWER, 0)], ("FFFE",)),
    ([("C", READ, 0), ("S", ANSWER[:-1] + b"\x7f", 0), ("C", b"\x15", 0), ("S", ANSWER, 0)], ("FFFE",)),
    ([("C", READ, 0), ("S", ANSWER, 0), ("C", b"\x15", Flag.PARITY), ("S", ANSWER, 0)], ()),
    ([("C", b"\x15", 0), ("S", ANSWER, 0)], ()),
    ([("C", READ, 0), ("S", checked(b"\x02(ER01)\x03"), 0)], ()),
    ([("C", READ, 0), ("S", checked(b"\x02(01)\x04"), 0)], ()),
    ([("C", READ, 0), ("S", checked(b"\x02(01)(02)\x03"), 0)], ()),
    ([("C", READ, 0), ("S", checked(b"\x022010(01)\x03"), 0)], ()),
    ([("C", checked(b"\x01W\x02FFFE(1)\x03"), 0), ("S", ANSWER, 0)], ()),
    ([("C", checked(b"\x01E2\x02FFFE(1)\x03"), 0), ("S", ANSWER, 0)], ()),
    ([("C", checked(b"\x01R1\x02()\x03"), 0), ("S", ANSWER, 0)], ()),
    ([("C", TWO, 0), ("S", checked(b"\x02(1)(2)\x03"), 0)], ("A", "B")),
    ([("C", TWO, 0), ("S", checked(b"\x02A(1)(2)\x03"), 0)], ("", "B")),
    ([("C", TWO, 0), ("S", checked(b"\x02B(1)(2)\x03"), 0)], ()),
    ([("C", TWO, 0), ("S", checked(b"\x02(1)\x03"), 0)], ()),
    ([("S", ANSWER, 0)], ()),
]
"""What is said, and the registers that its last frame takes from its request."""


@pytest.mark.parametrize(("said", "asked"), ANSWERED)
def test_an_answer_takes_the_registers_of_its_request(
    said: list[tuple[str, bytes, Any]], asked: tuple[str, ...]
) -> None:
    """The last frame has the registers of the undamaged read that it answers, or none."""
    pairing = Pairing()
    places = [pairing.feed(at, record, decode(record.octets))[0] for at, record in enumerate(records(said), 1)]
    assert places[-1].register_asked == asked


def test_an_answer_in_wireshark_takes_the_registers_of_its_request(wireshark: Callable[..., Any]) -> None:
    """Each story is on a link of its own."""
    stories = [replace(record, link=link) for link, (said, _) in enumerate(ANSWERED) for record in records(said)]
    assert wireshark().differences(stories) == []


@pytest.mark.skipif(not REAL, reason="the recordings of real meters are not here")
@pytest.mark.parametrize(
    ("name", "register", "read"),
    [
        ("iskra_me162_session_part1", "1.8.0", "active energy import"),
        ("elvin_elv51234_addr1", "0010", ""),
    ],
)
def test_answers_of_real_meters_take_the_register_of_their_request(name: str, register: str, read: str) -> None:
    (entry,) = (each for each in REAL if each["name"] == name)
    frames = dissected(assemble(bursts_of(entry), speed=9600, gap_limit_ns=1_500_000_000), "iec62056-21")
    asked = [each for each in frames if isinstance(each, Frame) and each.place.register_asked]
    assert asked
    assert asked[0].place.register_asked == (register,)
    assert asked[0].message.register == ("",)
    assert asked[0].meaning.register_name == ((read,) if read else ())
