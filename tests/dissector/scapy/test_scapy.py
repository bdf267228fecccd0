"""The Scapy layer keeps every octet, has the fields of the dissector, and builds packets."""

import contextlib
import copy
import importlib.util
import io
import json
import pickle
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scapy")

from scapy.config import conf
from scapy.fields import RawVal
from scapy.packet import Packet, Padding, Raw, fuzz
from scapy.plist import PacketList
from scapy.utils import EDecimal

import vtctap.dissector.scapy as layer
from equipment.recordings import REAL, RECORDINGS, octets_of
from equipment.sampling import sizes
from vtctap.dissector.catalogue import BOOLEAN, CATALOGUE, FIELDS, MESSAGES
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.fields import Value
from vtctap.dissector.framing.reframe import assemble
from vtctap.dissector.profiles import files as profile
from vtctap.dissector.protocol import messages
from vtctap.dissector.protocol.characters import SEVEN_BITS, carries_even_parity, show
from vtctap.dissector.scapy import (
    ACK,
    HDLC,
    NAK,
    VTC,
    BreakCommand,
    Continuation,
    Data,
    DataSet,
    Error,
    ExecuteCommand,
    IDRequest,
    IDResponse,
    Noise,
    OptionSelect,
    PartialData,
    PasswordCommand,
    ReadCommand,
    Telegram,
    UndefinedCommand,
    VTCOption,
    VTCSession,
    WakeUp,
    WriteCommand,
)
from vtctap.pcap import Flag, Kind, Line, Record, Sender, create_trace
from vtctap.pcap import record as codec
from vtctap.pcap.burst import Burst

ROOT = Path(__file__).resolve().parents[3]
LINE = Line(7, "E", 1)
PROFILE = profile.load()
ALL = [each for name in layer.__all__ if issubclass(type(each := getattr(layer, name)), type(Packet))]
MESSAGE_LAYERS = [cls for cls in ALL if cls not in (VTC, VTCOption, DataSet, Noise)]

TELEGRAM = b"/ISK5\\2MT382-1000\r\n\r\n0-0:96.1.1(4B38)\r\n1-0:1.8.1(123456.789*kWh)\r\n!"

SNRM = b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e"
INFORMATION = b"\x7e\xa0\x0b\x23\x03\x73" + b"\x8d\x62" + b"ab\xff\xff\x7e"
FRAMES: list[tuple[type[Packet], bytes, dict[str, Any]]] = [
    (IDRequest, b"/?!\r\n", {"address": b"", "rest": b"\r\n"}),
    (IDRequest, b"/?12345678!\r\n", {"address": b"12345678", "text": None}),
    (IDRequest, b"/?12", {"address": b"12", "mark": b"", "rest": b""}),
    (IDRequest, b"/?12\r\n", {"address": b"12", "mark": b"", "rest": b"\r\n"}),
    (IDRequest, b"/?1!x\r\n", {"rest": b"x\r\n", "text": "x"}),
    (
        IDResponse,
        b"/EMH5\\@D4EM4\r\n",
        {"id_manufacturer": b"EMH", "id_speed": b"5", "id_text": b"\\@D4EM4", "line_end": b"\r\n"},
    ),
    (IDResponse, b"/EM", {"id_manufacturer": b"EM", "id_speed": b"", "id_text": b"", "line_end": b""}),
    (OptionSelect, b"\x06051\r\n", {"option_protocol": b"0", "option_speed": b"5", "option_mode": b"1"}),
    (OptionSelect, b"\x060", {"option_protocol": b"0", "option_speed": b"", "option_mode": b"", "rest": b""}),
    (ACK, b"\x06", {"start": b"\x06", "register": [], "bcc": None, "bcc_status": "none"}),
    (NAK, b"\x15", {"start": b"\x15"}),
    (NAK, b"\x15abc", {"load": b"abc"}),
    (PasswordCommand, b"\x01P0\x02(00000000)\x03\x60", {"cmd": b"P0", "bcc": 0x60, "bcc_status": "good"}),
    (PasswordCommand, b"\x01P1\x02(00000000)\x03\x61", {"cmd": b"P1", "bcc": 0x61, "bcc_rule": "xor"}),
    (BreakCommand, b"\x01B0\x03\x71", {"cmd": b"B0", "stx": None, "data_sets": [], "bcc": 0x71}),
    (BreakCommand, b"\x01B0\x03\x75", {"bcc": 0x75, "bcc_status": "good", "bcc_rule": "sum"}),
    (BreakCommand, b"\x01B0\x03\x00", {"bcc": 0, "bcc_status": "bad", "bcc_expected": 0x71}),
    (BreakCommand, b"\x01B0\x03", {"end": b"\x03", "bcc": b"", "bcc_status": "missing"}),
    (BreakCommand, b"\x01B0\x02\x03\x73", {"stx": b"\x02", "bcc_status": "good"}),
    (ReadCommand, b"\x01R1\x0200000034()\x03\x64", {"cmd": b"R1", "register": ["00000034"], "value": [""]}),
    (ReadCommand, b"\x01R10034()\x03\x16", {"stx": b"", "register": ["0034"]}),
    (ReadCommand, b"\x01R1\x02FFFE()", {"end": b"", "bcc": b"", "register_name": ["tokenStatus"]}),
    (WriteCommand, b"\x01W2\x02C003(910324092239)\x03\x1b", {"cmd": b"W2", "value": ["910324092239"]}),
    (ExecuteCommand, b"\x01E2\x020001(1)\x03\x00", {"cmd": b"E2"}),
    (UndefinedCommand, b"\x01X1\x02()\x03\x00", {"cmd": b"X1"}),
    (UndefinedCommand, b"\x01", {"cmd": b"", "end": b""}),
    (Data, b"\x02()\x03\x02", {"register": [""], "message": "Data"}),
    (
        Data,
        b"\x021.8.0(0012.5*kWh)\r\nF.F(00)(01)\r\n!\r\n\x03\x00tail",
        {"register": ["1.8.0", "F.F", ""], "value": ["0012.5", "00", "01"], "unit": ["kWh", "", ""], "text": "tail"},
    ),
    (Data, b"\x02P.01(1;(a*b);2)(3*)\x03\x00", {"value": ["1;(a*b);2", "3"], "unit": ["", ""]}),
    (Data, b"\x02x(1\r\ny(2)\x03\x00", {"register": ["x", "y"], "value": ["1", "2"]}),
    (Data, b"\x02some text\x03\x00", {"data_sets": [], "rest": b"some text", "text": "some text"}),
    (Data, b"\x02a(1)\x03\x04", {"end": b"\x03", "bcc": 4}),
    (PartialData, b"\x02a(1)\x04\x03", {"end": b"\x04", "bcc": 3}),
    (PartialData, b"\x02a(1)\x04\x00", {"end": b"\x04", "message": "PartialData"}),
    (Error, b"\x02(ER07)\x03\x00", {"error_code": "ER07", "message": "Error"}),
    (
        Telegram,
        TELEGRAM + b"ABCD\r\n",
        {"id_speed": b"5", "crc": 0xABCD, "crc_status": "bad", "unit": ["", "kWh"], "tail": b"\r\n"},
    ),
    (Telegram, TELEGRAM + b"abcd\r\n", {"crc": b"abcd", "crc_status": "bad"}),
    (Telegram, TELEGRAM + b"\r\n", {"crc": b"", "crc_status": "missing"}),
    (Telegram, TELEGRAM[:-1], {"crc": b"", "end": b"", "rest": b"\r\n", "crc_status": "missing"}),
    (WakeUp, b"\0\0\0", {"octets": b"\0\0\0", "message": "WakeUp"}),
    (HDLC, b"~\xa0\x07\x03~", {"message": "HDLC", "fcs": b"", "fcs_status": "missing"}),
    (HDLC, SNRM, {"addresses": b"\x03\x21", "control": b"\x93", "hcs": None, "fcs": 0x010F, "fcs_status": "good"}),
    (HDLC, SNRM[:-1], {"fcs": 0x010F, "fcs_status": "good", "end": b""}),
    (
        HDLC,
        INFORMATION,
        {
            "frame_format": None,
            "hcs": 0x628D,
            "hcs_status": "good",
            "information": b"ab",
            "fcs": 0xFFFF,
            "fcs_status": "bad",
        },
    ),
    (HDLC, INFORMATION[:7], {"hcs": b"", "information": INFORMATION[6:7], "fcs": b"", "fcs_status": "missing"}),
    (Continuation, b"2345)\r\n", {"octets": b"2345)\r\n", "text": "2345)<CR><LF>"}),
]
FRAME_IDS = [f"{cls.__name__}-{show(octets)[:20]}" for cls, octets, _ in FRAMES]


def with_parity(octets: bytes) -> bytes:
    return bytes(octet | (octet.bit_count() & 1) << 7 for octet in octets)


def rebuilt(packet: Packet) -> bytes:
    """Returns the packet's octets as built from its fields, not from Scapy's cache of the dissected ones."""
    packet.clear_cache()
    return bytes(packet)


def assert_exact(cls: type[Packet], octets: bytes) -> Any:
    """Asserts that a class keeps the octets, also if built from the fields, and dissects them the same each time."""
    packet = cls(octets)
    assert bytes(packet) == octets
    assert rebuilt(packet) == octets
    assert cls(octets) == packet
    return packet


def shown(octets: bytes, frame: bytes) -> str:
    """Returns a field's octets as the decoder shows them: without parity bits if the frame clearly has even parity."""
    return show(octets.translate(SEVEN_BITS) if carries_even_parity(frame) else octets)


def alone(record: Record) -> dict[str, Value]:
    """Returns the fields that the decoder finds in a record without the records before it."""
    fields = Dissector(PROFILE).dissect(record).fields()
    return {name: value for name, value in fields.items() if not FIELDS[name].context}


def assert_as_decoded(octets: bytes) -> Any:
    """Asserts that a frame's layer keeps the octets and has the decoder's fields; returns the record's packet."""
    record = Record(0, octets, line=LINE, speed=9600, sender=Sender.CLIENT)
    packet = assert_exact(VTC, codec.encode(record))
    assert packet.fields_vtc() == alone(record)
    message = messages.decode(octets)
    below = packet.payload
    assert type(below).__name__ == (message.message or "Continuation")
    assert below.fields_vtc() == {k: v for k, v in packet.fields_vtc().items() if k in MESSAGE_FIELDS}
    own = {field.name for field in below.fields_desc}
    for name in ("cmd", "address", "id_manufacturer", "id_speed", "id_text", *OPTIONS):
        if name in own:
            assert shown(getattr(below, name), octets) == (getattr(message, name) or ""), name
    if "data_sets" in own:
        for name in ("register", "value", "unit"):
            assert [shown(getattr(each, name), octets) for each in below.data_sets] == list(getattr(message, name))
    if "bcc" in own:
        assert (None if below.bcc == b"" else below.bcc & 0x7F) == message.bcc
    if "crc" in own and isinstance(below.crc, int):
        assert below.crc == message.crc
    return packet


OPTIONS = ("option_protocol", "option_speed", "option_mode")
MESSAGE_FIELDS = [field.name for field in CATALOGUE][[field.name for field in CATALOGUE].index("vtc.message") :]


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    """Lets a dissector's exceptions pass, which Scapy otherwise turns into a Raw layer."""
    before, conf.debug_dissector = conf.debug_dissector, True
    yield
    conf.debug_dissector = before


# --- Names


@pytest.mark.parametrize("field", CATALOGUE, ids=lambda field: field.attribute)
def test_no_field_of_the_catalogue_is_an_attribute_of_packet(field: Any) -> None:
    assert field.attribute not in dir(Packet)
    assert field.attribute not in Packet.__slots__


def test_no_field_of_a_layer_is_an_attribute_of_packet() -> None:
    for cls in ALL:
        for field in cls.fields_desc:
            assert field.name not in {*dir(Packet), *Packet.__slots__, *dir(cls)}, (cls, field)


def test_every_message_has_its_layer_and_every_field_of_a_record_can_be_read() -> None:
    """Fields that depend on other records raise AttributeError on a packet by itself."""
    assert set(MESSAGES) == {cls.__name__ for cls in MESSAGE_LAYERS} - {"Continuation"}
    for cls in MESSAGE_LAYERS:
        packet = VTC() / cls()
        for field in CATALOGUE:
            if not field.context:
                getattr(packet, field.attribute)
                assert field.attribute in {*dir(packet), *dir(packet.payload)}
                continue
            with pytest.raises(AttributeError):
                getattr(packet, field.attribute)


# --- Octets to fields


@pytest.mark.parametrize(("cls", "octets", "fields"), FRAMES, ids=FRAME_IDS)
def test_a_frame_has_its_layer_and_its_fields(cls: type[Packet], octets: bytes, fields: dict[str, Any]) -> None:
    packet = assert_as_decoded(octets)
    assert type(packet.payload) is cls
    for name, value in fields.items():
        assert getattr(packet, name) == value, name


@pytest.mark.parametrize(("cls", "octets", "fields"), FRAMES, ids=FRAME_IDS)
def test_prefixes_and_parity_bits_are_decoded_as_by_the_decoder(
    cls: type[Packet], octets: bytes, fields: dict[str, Any]
) -> None:
    for end in range(1, len(octets)):
        assert_as_decoded(octets[:end])
    assert_as_decoded(with_parity(octets))


def test_parity_bits_stay_in_the_octets_and_are_removed_from_derived_fields() -> None:
    packet = assert_as_decoded(with_parity(b"\x01R1\x0200000034()\x03\x64"))
    assert packet.cmd == b"\xd2\xb1"
    assert packet.fields_vtc()["vtc.cmd"] == "R1"
    assert packet.register == ["00000034"]
    assert packet.bcc == 0xE4
    assert packet.bcc_status == "good"


@sizes
@pytest.mark.parametrize(("cls", "octets", "fields"), FRAMES, ids=FRAME_IDS)
def test_frames_with_a_changed_octet_are_decoded_as_by_the_decoder(
    cls: type[Packet], octets: bytes, fields: dict[str, Any], whole: bool
) -> None:
    for at in range(min(len(octets), 24)):
        for octet in b"\x00\x01\x02\x03\x04\x06\x0d!()*/\xa8\xaa\xff"[0 if whole else at % 4 :: 1 if whole else 4]:
            assert_as_decoded(octets[:at] + bytes([octet]) + octets[at + 1 :])


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_every_class_keeps_every_frame(cls: type[Packet]) -> None:
    for _, octets, _ in FRAMES:
        assert_exact(cls, octets)
        assert_exact(cls, with_parity(octets))


PIECES = [b"\r\n", b"R1", b"W", b"ER01", b"FFFE", b"kWh", *(bytes([octet]) for octet in b"\0\1\2\3\4\6\x15/?!()*\r\n~")]
MIXED = st.lists(st.sampled_from(PIECES) | st.binary(max_size=3))
OCTETS = st.binary(min_size=1, max_size=60) | MIXED.map(b"".join).filter(len)


@settings(max_examples=300)
@given(OCTETS, st.sampled_from(ALL))
def test_any_class_keeps_any_octets(octets: bytes, cls: type[Packet]) -> None:
    assert_exact(cls, octets)


@settings(max_examples=200)
@given(OCTETS)
def test_any_octets_are_decoded_as_by_the_decoder(octets: bytes) -> None:
    assert_as_decoded(octets)
    assert_as_decoded(with_parity(octets))


@settings(max_examples=200)
@given(st.binary(max_size=80), st.integers(0, 3), st.integers(0, 64))
def test_any_header_is_kept(octets: bytes, kind: int, length: int) -> None:
    """The packet has no fields if the record reader refuses the header, and otherwise those of the decoder."""
    packet = assert_exact(VTC, b"VT\x01" + bytes([kind]) + length.to_bytes(4, "big") + octets)
    if isinstance(packet, VTC):
        try:
            record = codec.decode(bytes(packet), 0)
        except codec.RecordError:
            assert packet.fields_vtc() == {}
        else:
            assert packet.fields_vtc() == alone(record)


@settings(max_examples=100)
@given(
    st.builds(
        Record,
        st.just(0),
        st.sampled_from([octets for _, octets, _ in FRAMES]),
        st.just(Kind.FRAME),
        st.sampled_from(Sender),
        st.booleans(),
        st.integers(0, 255),
        st.integers(0, 255),
        st.none() | st.just(LINE) | st.just(Line(8, "N", 2)),
        st.integers(0, 0xFFFF),
        st.integers(0, 0xFFFFFFFF),
        st.none() | st.integers(0, 0xFFFFFFFE),
        st.integers(0, 2**64 - 1),
        st.lists(st.integers(0, 9), max_size=3).map(tuple),
        st.lists(st.integers(0, 9), max_size=3).map(tuple),
        st.lists(st.tuples(st.integers(0, 9), st.integers(0, 10**6)), max_size=3).map(tuple),
    )
)
def test_any_record_has_the_fields_of_the_decoder(record: Record) -> None:
    packet = assert_exact(VTC, codec.encode(record))
    assert packet.fields_vtc() == alone(record)
    for field in CATALOGUE:
        if field.attribute in VTC.derived and not field.context:
            absent = [] if field.repeats else False if field.type is BOOLEAN else None
            assert getattr(packet, field.attribute) == packet.fields_vtc().get(field.name, absent)


def test_recordings_have_the_fields_of_the_decoder() -> None:
    frames = 0
    for entry in RECORDINGS:
        session, dissector = VTCSession(), Dissector(PROFILE)
        for record in assemble([Burst(octets_of(entry))], speed=9600, gap_limit_ns=1_500_000_000):
            packet = assert_exact(VTC, codec.encode(record))
            assert packet.fields_vtc() == alone(record)
            packet.time = EDecimal(record.time).scaleb(-9)
            assert session.process(packet).fields_vtc() == dissector.dissect(record).fields()
            if record.kind is Kind.FRAME:
                frames += 1
                assert_as_decoded(record.octets)
    assert frames > (200 if REAL else 30)


# --- The record

HEADER = bytes.fromhex(
    "5654 01 00 00000034  81 02 03 72  0091 0000  00002580  0000c350  0000000000989680"
    "0001 0004 00000002   0003 0008 0002 0000 000004d2"
)


def test_a_hand_made_header_is_read() -> None:
    packet = assert_exact(VTC, HEADER + b"\x06")
    assert (packet.magic, packet.version, packet.kind, packet.length) == (b"VT", 1, 0, 52)
    assert (packet.sender, packet.sender_inferred, packet.link, packet.tap, packet.line) == (1, 1, 2, 3, "7E1")
    assert packet.sprintf("%VTC.kind% %VTC.sender% %VTC.flags%") == "frame client parity+cut+echo"
    assert (packet.flags, packet.speed, packet.uncertainty, packet.duration) == (0x91, 9600, 50e-6, 0.01)
    assert packet.fields["duration"] == 10_000_000
    assert [(each.number, each.value) for each in packet.options] == [
        (1, bytes(3) + b"\2"),
        (3, bytes.fromhex("00020000000004d2")),
    ]
    assert (packet.error_parity, packet.pause, packet.cut, packet.echo) == ([0, 2], [0.001234], True, True)
    assert (packet.error_framing, packet.event, packet.error_break) == ([], None, False)
    assert type(packet.payload) is ACK
    assert packet.record() == codec.decode(HEADER + b"\x06", int(packet.time * 1_000_000_000))


def test_a_header_is_built() -> None:
    packet = VTC(
        sender="client",
        sender_inferred=1,
        link=2,
        tap=3,
        line="7E1",
        flags="parity+cut+echo",
        speed=9600,
        uncertainty=50e-6,
        duration=0.01,
        options=[
            VTCOption(number="parity", value=bytes(3) + b"\2"),
            VTCOption(number="pauses", value=bytes.fromhex("00020000000004d2")),
        ],
    )
    assert bytes(packet / ACK()) == HEADER + b"\x06"
    assert bytes(VTC()) == bytes.fromhex("5654 01 00 00000020 00000000 0000 0000 00000000 ffffffff 0000000000000000")


def test_an_option_is_padded_and_an_event_is_read() -> None:
    packet = VTC(kind="event", options=[VTCOption(value="opened speed=9600 x")])
    octets = bytes(packet)
    assert octets[32:] == b"\0\4\0\x13opened speed=9600 x\0"
    assert len(octets) == int.from_bytes(octets[4:8], "big")
    event = assert_exact(VTC, octets)
    assert (event.event, event.event_detail) == ("opened", "speed=9600 x")
    assert event.summary() == "VTC 0 ?? opened speed=9600 x"


def test_odd_headers_lose_nothing() -> None:
    for length in (0, 4, 31, 33, 34, 36, 40, 64, 0xFFFFFFFC):
        for body in (b"", b"\x06", b"\0\1\0\2abcd", b"\0\1\xff\xffabcd", bytes(40)):
            assert_exact(VTC, HEADER[:4] + length.to_bytes(4, "big") + HEADER[8:32] + body)
    odd_padding = HEADER[:4] + (40).to_bytes(4, "big") + HEADER[8:32] + b"\0\4\0\1aXYZ" + b"\x06"
    packet = assert_exact(VTC, odd_padding)
    assert packet.options[0].padding == b"XYZ"
    assert packet.event == "a"
    damaged = VTC(HEADER[:4] + (36).to_bytes(4, "big") + HEADER[8:32] + b"\0\1\0\2" + b"\x06")
    assert damaged.remainder == b"\0\1\0\2"
    assert damaged.fields_vtc() == {}
    assert "ACK" in damaged.summary()


@pytest.mark.parametrize(
    "octets",
    [b"V", b"VT", HEADER[:31], b"XX" + HEADER[2:], b"VT\x02" + HEADER[3:]],
    ids=["short", "magic", "cut", "foreign", "later version"],
)
def test_what_is_no_record_is_declined(octets: bytes) -> None:
    assert VTC(octets) == Raw(octets)


def test_only_frames_are_dissected() -> None:
    noise = VTC(bytes(VTC(kind="noise")) + b"\x06")
    assert type(noise.payload) is Noise
    assert noise.octets == b"\x06"
    assert "vtc.message" not in noise.fields_vtc()
    assert type(VTC(bytes(VTC(kind="event")) + b"\x06").payload) is Raw
    assert type(VTC(bytes(VTC(kind=7)) + b"\x06").payload) is Raw


# --- Fields to octets


def test_commands_are_built() -> None:
    assert bytes(ReadCommand(cmd="R1", data_sets=[DataSet(register="00000034")])) == b"\x01R1\x0200000034()\x03\x64"
    assert bytes(ReadCommand(data_sets=DataSet(register="00000000"))) == b"\x01R1\x0200000000()\x03\x63"
    assert bytes(BreakCommand()) == b"\x01B0\x03\x71"
    assert bytes(PasswordCommand(data_sets=[DataSet(value="00000000")])) == b"\x01P1\x02(00000000)\x03\x61"
    write = WriteCommand(cmd="W2", data_sets=[DataSet(register="C003", value="910324092239")])
    assert bytes(write) == b"\x01W2\x02C003(910324092239)\x03\x1b"
    assert bytes(ExecuteCommand(stx="\x02", bcc=0x21)) == b"\x01E2\x02\x03\x21"


def test_data_is_built() -> None:
    sets = [DataSet(register="1.8.0", value="12.5", unit="kWh"), DataSet(before="\r\n", register="F.F", value="0")]
    assert bytes(Data(data_sets=sets, rest="\r\n!\r\n", bcc=7)) == b"\x021.8.0(12.5*kWh)\r\nF.F(0)\r\n!\r\n\x03\x07"
    assert bytes(PartialData(data_sets=[DataSet()])) == b"\x02()\x04" + bytes([0x28 ^ 0x29 ^ 0x04])
    assert bytes(Error(data_sets=[DataSet(value="ER01")], bcc=0)) == b"\x02(ER01)\x03\x00"


def test_identifications_are_built() -> None:
    assert bytes(IDRequest(address="123")) == b"/?123!\r\n"
    assert bytes(IDResponse(id_manufacturer="EMH", id_speed="5", id_text="D4")) == b"/EMH5D4\r\n"
    assert bytes(OptionSelect(option_speed="5", option_mode="1")) == b"\x06051\r\n"
    assert (bytes(ACK()), bytes(NAK()), bytes(WakeUp()), bytes(HDLC())) == (b"\x06", b"\x15", bytes(84), SNRM)
    assert HDLC(bytes(HDLC(addresses=b"\x23\x03", control=b"\x73", information=b"ab"))).fcs_status == "good"
    assert HDLC(bytes(HDLC(information=b"ab"))).hcs_status == "good"


def reference_crc(octets: bytes) -> int:
    """CRC16 bit by bit, most significant bit first over mirrored octets, and mirrored at the end."""
    value = 0
    for octet in octets:
        value ^= int(f"{octet:08b}"[::-1], 2) << 8
        for _ in range(8):
            value = (value << 1 ^ (0x8005 if value & 0x8000 else 0)) & 0xFFFF
    return int(f"{value:016b}"[::-1], 2)


def test_a_telegram_is_built() -> None:
    assert reference_crc(b"123456789") == 0xBB3D
    sets = [
        DataSet(before="\r\n", register="0-0:96.1.1", value="4B38"),
        DataSet(before="\r\n", register="1-0:1.8.1", value="123456.789", unit="kWh"),
    ]
    telegram = Telegram(id_manufacturer="ISK", id_speed="5", id_text="\\2MT382-1000", data_sets=sets, rest="\r\n")
    assert bytes(telegram) == TELEGRAM + b"%04X\r\n" % reference_crc(TELEGRAM)
    assert telegram.crc_status == "good"
    telegram.crc = b""
    assert bytes(telegram) == TELEGRAM + b"\r\n"


def test_a_given_value_is_built_and_empty_octets_leave_a_field_out() -> None:
    assert bytes(ReadCommand(bcc=b"")) == b"\x01R1\x03"
    assert bytes(ReadCommand(end=b"")) == b"\x01R1"
    assert bytes(ReadCommand(bcc=RawVal(b"xy"))) == b"\x01R1\x03xy"
    assert bytes(DataSet(register="a", value="1", separator="*", closing="")) == b"a(1*"
    assert bytes(DataSet(unit="V", separator="")) == b"(V)"


def test_a_packet_without_arguments_is_built_as_its_own_message() -> None:
    for cls in MESSAGE_LAYERS:
        octets = bytes(cls())
        if octets and cls not in (Error, Telegram, UndefinedCommand):
            assert messages.decode(octets).message == cls.__name__
            assert cls(octets).bcc_status in ("good", "none")


TEXT = st.text("0123456789ABCdef.:-", max_size=8).map(str.encode)
NAMED = TEXT.filter(len)
SETS = st.lists(
    st.builds(DataSet, before=st.sampled_from([b"", b"\r\n", b"x\r\n"]), register=TEXT, value=TEXT, unit=TEXT),
    max_size=4,
)
CHECK = st.none() | st.integers(0, 127) | st.just(b"")


def digits(letter: bytes) -> st.SearchStrategy[bytes]:
    return st.integers(0, 9).map(lambda digit: letter + b"%d" % digit)


def commands(layer: type[Packet], cmd: st.SearchStrategy[bytes]) -> st.SearchStrategy[Packet]:
    return st.builds(layer, cmd=cmd, data_sets=SETS, bcc=CHECK)


GRAMMAR = st.one_of(
    commands(ReadCommand, digits(b"R")),
    commands(WriteCommand, digits(b"W")),
    commands(ExecuteCommand, digits(b"E")),
    commands(PasswordCommand, digits(b"P")),
    commands(BreakCommand, digits(b"B")),
    commands(UndefinedCommand, digits(b"X")),
    st.builds(Data, data_sets=SETS, rest=st.sampled_from([b"", b"\r\n!\r\n"]), bcc=CHECK),
    st.builds(PartialData, data_sets=SETS, bcc=CHECK),
    st.builds(lambda code: Error(value=b"ER" + code), TEXT),
    st.builds(IDRequest, address=TEXT),
    st.builds(OptionSelect, option_protocol=st.sampled_from([b"0", b"2"]), option_mode=st.sampled_from([b"0", b"1"])),
    st.builds(IDResponse, id_manufacturer=st.just(b"EMH"), id_speed=st.just(b"5"), id_text=TEXT),
    st.builds(
        Telegram,
        id_manufacturer=st.just(b"EMH"),
        id_speed=st.just(b"5"),
        id_text=TEXT,
        data_sets=SETS.filter(len),
        rest=st.just(b"\r\n"),
        crc=st.none() | st.integers(0, 0xFFFF) | st.just(b""),
    ),
    st.just(ACK()),
    st.just(NAK()),
    st.builds(WakeUp, octets=st.integers(1, 90).map(bytes)),
    st.builds(HDLC, addresses=st.sampled_from([b"\x03\x21", b"\x02\x23\x21"]), information=TEXT),
    st.builds(Continuation, octets=NAMED),
)
RECORDS = st.builds(
    VTC,
    sender=st.integers(0, 2),
    sender_inferred=st.integers(0, 1),
    link=st.integers(0, 255),
    tap=st.integers(0, 255),
    line=st.sampled_from(["7E1", "8N1", 0, 255]),
    flags=st.integers(0, 0xFFFF),
    speed=st.integers(0, 0xFFFFFFFF),
    uncertainty=st.none() | st.integers(0, 4_000_000).map(lambda micros: micros / 1e6),
    duration=st.integers(0, 10**9).map(lambda micros: micros / 1e6),
    options=st.lists(st.builds(VTCOption, number=st.integers(0, 0xFFFF), value=TEXT), max_size=3),
)


def assert_dissected_as_built(record: Any, message: Any) -> None:
    """Asserts that a built packet is dissected as an equal packet, which builds the same octets."""
    octets = bytes(message)
    assert type(message)(octets) == message
    again = VTC(bytes(record / message))
    assert again == record / message
    assert again.payload == message
    assert type(again.payload) is type(message)
    assert not again.payload.payload
    for one, other in zip(again.payload.fields_desc, message.fields_desc, strict=True):
        if other.name not in ("bcc", "crc", "stx", "hcs", "fcs"):
            assert again.payload.getfieldval(one.name) == message.getfieldval(other.name)
    if "bcc" in message.fieldtype and message.bcc is None:
        assert again.bcc_status == "good"
    if "crc" in message.fieldtype and message.crc is None:
        assert again.crc_status == "good"
    assert rebuilt(again)[-len(octets) :] == octets


@settings(max_examples=200)
@given(RECORDS, GRAMMAR)
def test_built_packets_are_dissected_as_equal_packets(record: Any, message: Any) -> None:
    assert_dissected_as_built(record, message)


@pytest.mark.slow
@settings(max_examples=50_000)
@given(RECORDS, GRAMMAR)
def test_built_packets_are_dissected_as_equal_packets_in_many_cases(record: Any, message: Any) -> None:
    assert_dissected_as_built(record, message)


@pytest.mark.slow
@settings(max_examples=50_000)
@given(OCTETS, st.sampled_from(ALL))
def test_any_class_keeps_any_octets_in_many_cases(octets: bytes, cls: type[Packet]) -> None:
    assert_exact(cls, octets)


def test_an_unset_field_equals_the_value_that_is_built_for_it() -> None:
    assert ReadCommand() == ReadCommand(bcc=0x60)
    assert ReadCommand(bcc=0x60) == ReadCommand()
    assert ReadCommand() != ReadCommand(bcc=0x61)
    assert ReadCommand() != ReadCommand(cmd="R2")
    assert ReadCommand() != WriteCommand(cmd="R1")
    assert VTC() / ACK() == VTC(length=32) / ACK() != VTC() / NAK()
    assert VTC() / Raw(b"\x06") != VTC(length=32) / ACK()
    assert Data(rest="a(1)") != Data(register="a", value="1")


# --- What Scapy does with packets


def test_a_changed_field_is_built_without_a_new_check_character() -> None:
    """After a change the old check character stays, and is bad, until it is deleted."""
    packet = VTC(bytes(VTC()) + b"\x01R1\x0200000034()\x03\x64")
    packet[ReadCommand].data_sets[0].register = b"00000000"
    assert bytes(packet)[32:] == b"\x01R1\x0200000000()\x03\x64"
    assert packet.bcc_status == "bad"
    del packet[ReadCommand].bcc
    assert bytes(packet)[32:] == b"\x01R1\x0200000000()\x03\x63"
    packet[ReadCommand].data_sets.append(DataSet(register="1"))
    assert packet.register == ["00000000", "1"]


def test_flags_and_options_are_changed_in_place() -> None:
    packet = VTC(HEADER)
    packet.flags.cut = False
    assert bytes(packet)[12:14] == b"\x00\x81"
    del packet.options[1]
    del packet.length
    assert bytes(packet)[:12] + bytes(packet)[32:] == b"VT\x01\x00\x00\x00\x00\x28" + HEADER[8:12] + HEADER[32:40]


def test_a_list_item_leaves_the_octets_after_it_as_padding() -> None:
    first = DataSet(b"\r\na(1)b(2)")
    assert (first.before, first.register, first.value) == (b"\r\n", b"a", b"1")
    assert first.payload == Padding(b"b(2)")
    assert VTCOption(b"\0\1\0\2\0\0\0\0\0\4").payload == Padding(b"\0\4")


@pytest.mark.parametrize(("cls", "octets", "fields"), FRAMES, ids=FRAME_IDS)
def test_command_pickle_copy_and_json(cls: type[Packet], octets: bytes, fields: dict[str, Any]) -> None:
    """command(), pickle and deepcopy give the packet back; json() has its speed, show2() its layer."""
    packet = VTC(HEADER + octets)
    names = {each.__name__: each for each in (*ALL, Raw)}
    typed = eval(packet.command(), names)
    assert bytes(typed) == bytes(packet)
    for other in (pickle.loads(pickle.dumps(packet)), copy.deepcopy(packet)):
        assert other == packet
        assert rebuilt(other) == HEADER + octets
    assert json.loads(packet.json())["speed"] == 9600
    with contextlib.redirect_stdout(io.StringIO()) as out:
        packet.show2()
    assert cls.__name__ in out.getvalue()


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_fuzzed_packets_keep_their_octets(cls: type[Packet]) -> None:
    """Packets with random fields are built, and dissecting what was built keeps every octet."""
    for _ in range(10):
        assert_exact(cls, bytes(fuzz(cls())) or b"x")


def test_an_answer_is_known_by_link_sender_and_message() -> None:
    """An answer has the link of its request, the other sender, and a message that may answer it."""
    request = VTC(sender="client") / ReadCommand()
    answer = VTC(sender="server") / Data()
    assert answer.answers(request)
    assert answer > request or request > answer
    assert answer.hashret() == request.hashret()
    assert (VTC(sender="server", link=1) / Data()).hashret() != request.hashret()
    assert not (VTC(sender="server", link=1) / Data()).answers(request)
    assert not (VTC(sender="client") / Data()).answers(request)
    assert (VTC() / Data()).answers(VTC() / ReadCommand())
    assert not (VTC(sender="server") / ACK()).answers(request)
    write = VTC(sender="client") / WriteCommand()
    assert not answer.answers(write)  # what `vtctap check` calls an unexpected answer
    assert (VTC(sender="server") / NAK()).answers(write)
    assert not request.answers(answer)
    assert not VTC(sender="server").answers(VTC(sender="client"))
    assert not (VTC(sender="server") / Noise(octets=b"x")).answers(request)
    assert not answer.answers(Raw(b"x"))


def test_requests_and_answers_of_a_session_are_matched() -> None:
    client, server = (VTC(sender=sender) for sender in ("client", "server"))
    session = [
        client / IDRequest(),
        server / IDResponse(),
        client / OptionSelect(),
        server / PasswordCommand(cmd="P0"),
        client / PasswordCommand(),
        server / ACK(),
        client / ReadCommand(),
        server / NAK(),
        client / ReadCommand(),
        server / Error(data_sets=[DataSet(value="ER01")]),
        client / ReadCommand(cmd="R3"),
        server / PartialData(),
        client / ACK(),
        server / Data(),
        client / WriteCommand(),
        server / ACK(),
        client / BreakCommand(),
    ]
    matched, left = PacketList([VTC(bytes(packet)) for packet in session]).sr(lookahead=1)
    assert [(type(q.payload).__name__, type(a.payload).__name__) for q, a in matched] == [
        ("IDRequest", "IDResponse"),
        ("OptionSelect", "PasswordCommand"),
        ("PasswordCommand", "ACK"),
        ("ReadCommand", "NAK"),
        ("ReadCommand", "Error"),
        ("ReadCommand", "PartialData"),
        ("ACK", "Data"),
        ("WriteCommand", "ACK"),
    ]
    assert [type(packet.payload) for packet in left] == [BreakCommand]


def test_summaries() -> None:
    read = VTC(bytes(VTC(sender="client", link=2, flags="cut")) + b"\x01R1\x02FFFE()\x03\x00")
    expected = "VTC 2 C> / ReadCommand R1 FFFE() tokenStatus [cut] [bad check character 00h, not 60h]"
    assert read.summary() == expected
    assert ReadCommand(b"\x01R1\x02FFFE()\x03`").summary() == "ReadCommand R1 FFFE() tokenStatus"
    assert VTC(bytes(VTC(kind="noise")) + b"\xff").summary() == "VTC 0 ?? / noise <FF>"
    assert Noise(b"\xff").summary() == "noise <FF>"
    assert VTC(bytes(VTC(sender=77)) + b"\x06").summary() == "VTC 0 ?? / ACK"


def test_derived_fields_in_filters_and_formats() -> None:
    """Derived fields can be formatted and searched for, but not set."""
    packet = VTC(bytes(VTC(flags="cut")) + b"\x01B0\x03\x75")
    assert packet.sprintf("%BreakCommand.cmd% %BreakCommand.bcc_rule% %VTC.cut%") == "b'B0' sum True"
    assert packet.getlayer(BreakCommand, bcc_rule="sum") is packet.payload
    assert packet.getlayer(BreakCommand, bcc_rule="xor") is None
    for name in ("bcc_rule", "cut"):
        with pytest.raises(TypeError, match=f"{name} is read"):
            setattr(packet, name, "xor")


def test_the_profile_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    packet = VTC(bytes(VTC()) + b"\x02FFFE(10)\x03\x00")
    assert (packet.register_name, packet.status_token, packet.confidence) == (["tokenStatus"], 16, "derived")
    monkeypatch.setitem(conf.contribs["vtctap"], "profile", "iec62056-21")
    assert (packet.register_name, packet.status_token, packet.confidence) == ([], None, "confirmed")


# --- Loading

SESSION = [
    Record(1_700_000_000_123_456_789, b"", Kind.EVENT, event="opened speed=9600"),
    Record(1_700_000_000_200_000_001, b"/?!\r\n", sender=Sender.CLIENT, line=LINE, speed=9600, duration=5_208_333),
    Record(1_700_000_000_300_000_002, b"\x06", sender=Sender.SERVER, line=LINE, tap=1, flags=Flag.ECHO),
    Record(1_700_000_000_300_000_003, b"\xff", Kind.NOISE),
]


def python(code: str, folder: Path, *options: str) -> str:
    """Returns what a new interpreter prints that runs the code in a folder."""
    done = subprocess.run(
        [sys.executable, *options, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("suffix", [".pcap", ".pcapng"])
def test_rdpcap_of_a_trace(tmp_path: Path, suffix: str) -> None:
    with create_trace(tmp_path / f"t{suffix}") as trace:
        for record in SESSION:
            trace.write(record)
    code = f"""
import vtctap.dissector.scapy
from scapy.utils import rdpcap, wrpcap
packets = rdpcap("t{suffix}")
for packet in packets: print(packet.record().time, packet.summary(), sep=" | ")
wrpcap("again.pcap", packets, nano=True)
assert [bytes(p) for p in rdpcap("again.pcap")] == [bytes(p) for p in packets]
assert [p.__class__.__name__ for p in rdpcap("again.pcap")] == ["VTC"] * 4
"""
    assert python(code, tmp_path).splitlines() == [
        "1700000000123456789 | VTC 0 ?? opened speed=9600",
        "1700000000200000001 | VTC 0 C> / IDRequest",
        "1700000000300000002 | VTC 0 M> / ACK [echo]",
        "1700000000300000003 | VTC 0 ?? / noise <FF>",
    ]


def test_import_vtctap_does_not_import_scapy_and_the_layer_not_all_of_it(tmp_path: Path) -> None:
    assert python("import sys, vtctap; print('scapy' in sys.modules)", tmp_path) == "False\n"
    code = "import sys, vtctap.dissector.scapy; print([m for m in sys.modules if m in ('scapy.all', 'scapy.layers')])"
    assert python(code, tmp_path) == "[]\n"


EXTENSION = """
from scapy.config import conf
conf.exts.load("vtctap")
conf.exts.load("vtctap")
from scapy.main import load_contrib
found = {}
load_contrib("vtctap", globals_dict=found)
import scapy.contrib.vtctap
import vtctap.dissector.scapy
from vtctap.dissector.scapy import VTC
assert scapy.contrib.vtctap is vtctap.dissector.scapy
assert found["VTC"] is VTC and "_HEADER" not in found
assert conf.l2types[147] is VTC
assert [layer.__name__ for layer in conf.layers].count("VTC") == 1
print(vtctap.dissector.scapy.__file__)
"""


def test_scapys_extension_manager_loads_the_layer(tmp_path: Path) -> None:
    """The extension manager finds the layer by a distribution's metadata, which are written by hand here."""
    metadata = tmp_path / "vtctap-0.dist-info"
    metadata.mkdir()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.4\nName: vtctap\nVersion: 0\nLicense-Expression: {project['license']}\n"
    )
    (metadata / "top_level.txt").write_text("vtctap\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{EXTENSION}"
    assert Path(python(code, tmp_path).strip()).resolve() == Path(layer.__file__).resolve()


def test_scapys_extension_manager_loads_the_layer_from_a_wheel(tmp_path: Path, wheel: Path) -> None:
    site = tmp_path / "site"
    shutil.unpack_archive(wheel, site, "zip")
    scapy = Path(importlib.util.find_spec("scapy").origin).parent  # type: ignore[union-attr, arg-type]
    (site / "scapy").symlink_to(scapy, target_is_directory=True)
    code = f"import sys; sys.path.insert(0, {str(site)!r})\n{EXTENSION}"
    assert python(code, tmp_path, "-S", "-I").strip().startswith(str(site))


def test_the_campaign_of_utscapy_passes(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scapy.tools.UTscapy", "-t", ROOT / "tests/dissector/scapy/vtctap.uts", "-f", "text"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED=0" in done.stdout + done.stderr
