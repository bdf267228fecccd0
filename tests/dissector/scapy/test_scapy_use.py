"""The Scapy layer in use: sessions, live captures, settings, misuse, and the examples of docs/scapy.md."""

import copy
import itertools
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("scapy")

from scapy.config import conf
from scapy.fields import RawVal
from scapy.packet import Raw, bind_layers, fuzz, split_layers
from scapy.sendrecv import sniff
from scapy.sessions import DefaultSession
from scapy.utils import rdpcap, wrpcap

from vtctap.dissector.catalogue import BOOLEAN, CATALOGUE
from vtctap.dissector.dissect import Dissector, Frame
from vtctap.dissector.profiles import files as profile
from vtctap.dissector.profiles.model import ProfileError
from vtctap.dissector.scapy import (
    ACK,
    VTC,
    BreakCommand,
    Data,
    DataSet,
    Error,
    IDResponse,
    Noise,
    ReadCommand,
    Telegram,
    VTCOption,
    VTCSession,
    WriteCommand,
    exchanges,
)
from vtctap.dissector.scapy.derived import marked
from vtctap.dissector.tokens import KeyFileError, load_keys
from vtctap.pcap import Kind, Record, Sender, open_trace
from vtctap.pcap.record import encode

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = sorted((ROOT / "examples").glob("*.pcapng"))
SESSION = ROOT / "examples" / "session.pcapng"
CONTEXT = [field for field in CATALOGUE if field.context and not field.later]


@pytest.fixture(autouse=True)
def _strict() -> Iterator[None]:
    before, conf.debug_dissector = conf.debug_dissector, True
    yield
    conf.debug_dissector = before


def dissected(path: Path) -> list[Any]:
    dissector = Dissector(profile.load())
    with open_trace(path) as reader:
        return [dissector.dissect(record) for record in reader]


# --- Sessions


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_session_gives_every_field_of_every_record(path: Path) -> None:
    expected = dissected(path)
    packets = sniff(offline=str(path), session=VTCSession)
    assert [packet.fields_vtc() for packet in packets] == [dissection.fields() for dissection in expected]
    assert [list(packet.fields_vtc()) for packet in packets] == [list(each.fields()) for each in expected]
    assert any(packet.request_in for packet in packets) == (path.stem != "telegram")
    for packet, dissection in zip(packets, expected, strict=True):
        assert packet.dissection == dissection
        for field in CONTEXT:
            absent = [] if field.repeats else None
            assert getattr(packet, field.attribute) == dissection.fields().get(field.name, absent), field


def test_a_session_changes_and_holds_back_nothing(tmp_path: Path) -> None:
    packets = sniff(offline=str(SESSION), session=VTCSession)
    assert [(p.time, bytes(p)) for p in packets] == [(p.time, bytes(p)) for p in rdpcap(str(SESSION))]
    session = VTCSession()
    for packet in rdpcap(str(SESSION)):
        assert session.process(packet) is packet
    damaged = VTC(bytes(VTC(length=99)) + b"\x06")
    assert session.process(damaged) is damaged
    assert (damaged.dissection, damaged.fields_vtc()) == (None, {})
    raw = Raw(b"x")
    assert session.process(raw) is raw
    assert session.process(None) is None


def test_a_session_takes_the_packets_of_another_session() -> None:
    """Only the client's packets reach the session, which numbers them from 1."""

    class Half(DefaultSession):  # type: ignore[misc]
        def process(self, pkt: Any) -> Any:
            return pkt if pkt.sender == 1 else None

    packets = sniff(offline=str(SESSION), session=VTCSession(Half))
    assert {packet.sender for packet in packets} == {1}
    assert packets[-1].dissection.number == len(packets)


def test_without_a_session_the_error_says_so() -> None:
    packet = rdpcap(str(SESSION))[3]
    with pytest.raises(AttributeError, match="request_in needs the records before: read with session=VTCSession"):
        packet.request_in  # noqa: B018
    assert not hasattr(packet, "response_time")
    attributes = {field.attribute for field in CONTEXT}
    assert not attributes.intersection(dir(packet))
    assert [name for name in sorted(attributes) if hasattr(packet.payload, name)] == []
    VTCSession().process(packet)
    assert attributes < set(dir(packet))
    assert (packet.session, packet.repeat_of) == (1, None)


def test_copies_and_pickles_keep_their_place() -> None:
    packet = sniff(offline=str(SESSION), session=VTCSession)[3]
    for other in (packet.copy(), copy.deepcopy(packet), pickle.loads(pickle.dumps(packet))):
        assert other == packet
        assert other.time == packet.time
        assert (other.request_in, other.response_time) == (3, 0.244597252)


def test_a_changed_packet_has_the_fields_of_its_new_octets() -> None:
    """Its place among the other records stays that of the record that was read."""
    packet = sniff(offline=str(SESSION), session=VTCSession)[5]
    assert (packet.bcc_status, packet.value) == ("good", ["00"])
    packet.data_sets[0].value = b"02"
    packet.link = 7
    fields = packet.fields_vtc()
    assert (fields["vtc.value"], fields["vtc.bcc.status"], fields["vtc.link"]) == (["02"], "bad", 7)
    assert fields["vtc.request_in"] == 5


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_exchanges_are_the_pairs_that_request_in_names(path: Path) -> None:
    """The pairs are the same for packets that were read without a session and in one."""
    expected = [
        (each.place.request_in, each.number)
        for each in dissected(path)
        if isinstance(each, Frame) and each.place.request_in
    ]
    packets = rdpcap(str(path))
    pairs, others = exchanges(packets)
    numbers = {id(packet): number for number, packet in enumerate(packets, 1)}
    assert sorted((numbers[id(pair.query)], numbers[id(pair.answer)]) for pair in pairs) == sorted(expected)
    paired = set(itertools.chain.from_iterable(expected))
    assert [numbers[id(packet)] for packet in others] == [n for n in numbers.values() if n not in paired]
    assert bool(pairs) == (path.stem != "telegram")
    again, _ = exchanges(sniff(offline=str(path), session=VTCSession))
    assert [tuple(map(bytes, pair)) for pair in again] == [tuple(map(bytes, pair)) for pair in pairs]


def test_exchanges_of_a_part_and_of_other_packets() -> None:
    """Exchanges are found in any part of a trace; packets without a counterpart are left over."""
    packets = sniff(offline=str(SESSION), session=VTCSession)
    pairs, others = exchanges(packet for packet in packets if packet.sender == 1)
    assert (len(pairs), len(others)) == (0, sum(packet.sender == 1 for packet in packets))
    pairs, others = exchanges([Raw(b"x"), *packets[2:4]])
    assert (len(pairs), others.res) == (1, [Raw(b"x")])
    assert packets[3].request_in == 3  # The number in the trace, not in this list.
    fresh = rdpcap(str(SESSION))
    pairs, _ = exchanges([packets[2], *fresh[3:5]])
    assert [pair.answer for pair in pairs] == [fresh[3]]
    assert fresh[3].request_in == 1
    request, other = VTC(bytes(VTC(sender="client") / ReadCommand())), VTC(bytes(VTC() / Data()))
    pairs, others = exchanges([request, other])
    assert (len(pairs), others.res) == (0, [request, other])
    assert [len(each) for each in exchanges([])] == [0, 0]


# --- Live captures

EXTCAP = """#!/bin/sh
case "$*" in
*--extcap-interfaces*)
    echo 'extcap {version=1.0}'
    echo 'interface {value=vtctap-demo}{display=Simulated link}' ;;
*--extcap-config*)
    echo 'arg {number=0}{call=--speed}{display=Speed}{type=string}{default=9600}' ;;
*"--extcap-interface vtctap-demo --capture --fifo "*"--speed 2400"* | *"--fifo "*"--speed 9600"*)
    while [ "$1" != --fifo ]; do shift; done
    exec cat TRACE > "$2" ;;
*) exit 1 ;;
esac
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Returns a home folder with a capture program in Wireshark's folder of extcap programs."""
    folder = tmp_path / "home" / ".local" / "lib" / "wireshark" / "extcap"
    folder.mkdir(parents=True)
    program = folder / "vtctap"
    program.write_text(EXTCAP.replace("TRACE", str(SESSION)))
    program.chmod(0o755)
    return tmp_path / "home"


def python(code: str, home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


LIVE = """
from scapy.all import *
load_extcap()
packets = sniff(iface="vtctap-demo", count=6, session=VTCSession)
print(packets[5].summary(), packets[5].request_in)
from scapy.interfaces import resolve_iface
iface = resolve_iface("Simulated link")
print(iface.network_name, sniff(iface=iface, speed=2400, count=3)[2].summary())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="capture programs are shell scripts here")
def test_scapy_captures_live_through_the_capture_program(home: Path) -> None:
    shown = [
        "VTC 0 M> / Data 2002(00) meterStatus 5",
        "vtctap-demo VTC 0 C> / ReadCommand R 2000 version count 1",
    ]
    assert python(f"from vtctap.dissector.scapy import *\n{LIVE}", home).splitlines() == shown
    second = (
        "import importlib, vtctap.dissector.scapy as layer; importlib.reload(layer); print(conf.prog.extcap_folders)"
    )
    folders = python(f"from scapy.config import conf; {second}", home)
    assert folders.count(str(home / ".local/lib/wireshark/extcap")) == 1


def test_every_code_block_of_the_scapy_page_runs(home: Path) -> None:
    text = (ROOT / "docs" / "scapy.md").read_text()
    kinds = [line for line in text.splitlines() if line.startswith("```") and line != "```"]
    assert set(kinds) == {"```python", "```pycon"}
    first, second = (part.split("```")[0] for part in text.split("```python\n")[1:])
    assert python(f"{first}print(VTC, Telegram)", home).count("vtctap.dissector.scapy") == 2
    assert "conf.exts.load(" in second  # Needs an installed vtctap: test_scapy.py runs it on a wheel.
    code = "import doctest; result = doctest.testfile('docs/scapy.md', module_relative=False); print(*result)"
    failed, count = python(code, home).split()[-2:]
    assert (failed, int(count) > 30) == ("0", True)


# --- Settings

KEYS = '[[meter]]\npan = "600727000000000009"\nea = 11\ndecoder_key = "00112233445566778899aabbccddeeff"\n'


def test_unusable_settings_are_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    packet = VTC(bytes(VTC()) + b"\x02FFFE(10)\x03\x00")
    monkeypatch.setitem(conf.contribs, "vtctap", {"profile": "nonsense"})
    for look in (lambda: packet.register_name, packet.summary, lambda: packet.show(dump=True), VTCSession):
        with pytest.raises(ProfileError, match="nonsense"):
            look()
    monkeypatch.setitem(conf.contribs, "vtctap", {"keys": tmp_path / "none.toml"})
    with pytest.raises((OSError, KeyFileError), match=r"none\.toml"):
        packet.register_name  # noqa: B018
    monkeypatch.delitem(conf.contribs, "vtctap")
    assert packet.register_name == ["tokenStatus"]
    monkeypatch.setitem(conf.contribs, "vtctap", {"profile": profile.load("iec62056-21"), "keys": None})
    assert packet.register_name == []


def test_a_session_takes_the_profile_that_its_first_record_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(conf.contribs, "vtctap", {"profile": None, "keys": None})
    event = Record(10**18, b"", Kind.EVENT, event="opened profile=iec62056-21 speed=300 line=7E1")
    read = Record(10**18 + 10**9, b"\x01R1\x021.8.0()\x03\x5a", Kind.FRAME, Sender.CLIENT)
    known = profile.load("iec62056-21").register("1.8.0")
    assert known
    for records, names in (([event, read], [known.name]), ([read], []), ([event, read], [known.name])):
        session = VTCSession()
        packets = [session.process(VTC(encode(record))) for record in records]
        assert packets[-1].register_name == names
        assert packets[-1].dissection.fields().get("vtc.register.name", []) == names
    conf.contribs["vtctap"]["profile"] = "iec62055-52"
    session = VTCSession()
    packets = [session.process(VTC(encode(record))) for record in (event, read)]
    assert packets[-1].register_name == []
    assert "vtc.register.name" not in packets[-1].dissection.fields()


def test_keys_reach_the_token_decoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a key file, by its path or loaded, an encrypted token is tried with the key, which does not fit here."""
    path = tmp_path / "keys.toml"
    path.write_text(KEYS)
    packet = WriteCommand(register="FFFF", value="01062065899601840219")
    assert packet.token_crc_status == "encrypted"
    monkeypatch.setitem(conf.contribs, "vtctap", {"keys": path})
    assert packet.token_crc_status == "bad"
    monkeypatch.setitem(conf.contribs, "vtctap", {"keys": load_keys(path)})
    assert packet.data_sets[0].token_crc_status == "bad"


# --- What data sets mean


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_each_data_set_has_the_meaning_that_its_message_lists(path: Path) -> None:
    for packet in rdpcap(str(path)):
        if not hasattr(packet, "data_sets"):
            continue
        for field in ("register_name", "value_decoded"):
            single = [getattr(each, field) for each in packet.data_sets]
            assert single == [word or None for word in getattr(packet, field) or [""] * len(single)]
        tokens = [each.token for each in packet.data_sets if each.token]
        assert tokens[:1] == ([packet.token] if packet.token else [])
        statuses = [each.status_token for each in packet.data_sets if each.status_token is not None]
        assert statuses[:1] == ([] if packet.status_token is None else [packet.status_token])


def test_show_tells_the_meaning_of_fields() -> None:
    packet = Data(bytes(Data(register=["FFFE", "FFFF", "9"], value=["10", "00000000000150997584", "1"])))
    shown = packet.show(dump=True)
    assert "register  = b'FFFE' (tokenStatus)" in shown
    assert "value     = b'10' (status not ready)" in shown
    assert "value     = b'00000000000150997584' (InitiateMeterTest/Display1, good)" in shown
    assert "register  = b'9'\n" in shown
    assert f"bcc       = {packet.bcc:#04x} (good)" in shown
    packet.bcc ^= 1
    assert f"bcc       = {packet.bcc:#04x} (bad)" in packet.show(dump=True)
    assert "crc       = 0xabcd (bad)" in Telegram(b"/EMH5x\r\n\r\n1(2)\r\n!ABCD\r\n").show(dump=True)
    assert "id_manufacturer= b'ISK' (" in IDResponse(b"/ISK5x\r\n").show(dump=True)
    carried = Data(bytes(octet | (octet.bit_count() & 1) << 7 for octet in b"\x02FFFE(10)\x03\x07"))
    assert "(status not ready)" in carried.show(dump=True)
    octets = bytearray(
        octet | (octet.bit_count() & 1) << 7 for octet in b"\x02FFFE(10)\r\nFFFE(10)\r\nFFFE(10)\x03\x07"
    )
    octets[6] ^= 0x80
    octets[7] ^= 0x80  # This data set alone no longer clearly has even parity; the message has.
    carried = Data(bytes(octets))
    assert [each.value_decoded for each in carried.data_sets] == carried.value_decoded == ["status not ready"] * 3
    for layer in (Data(register="1"), VTC() / Telegram(), Error(value="ER1")):
        assert fuzz(layer).show(dump=True)
        assert fuzz(layer).show2(dump=True)


def test_show_marks_what_is_assumed() -> None:
    identification = IDResponse(b"/ISK5x\r\n")
    assert identification.fields_vtc()["vtc.assumed"] == ["vtc.id.manufacturer.name"]
    assert "id_manufacturer= b'ISK' (Iskraemeco, Slovenia?)" in identification.show(dump=True)
    said = {"vtc.assumed": ["vtc.token", "vtc.token.encoding"]}
    assert marked("TransferCredit", "vtc.token.name", said) == "TransferCredit?"
    assert marked("tokenStatus", "vtc.register.name", said) == "tokenStatus"
    assert marked("", "vtc.token.name", said) == ""


def test_a_fuzzed_packet_is_still_a_record_with_a_message() -> None:
    for _ in range(20):
        packet = VTC(bytes(fuzz(VTC(kind=0, options=[])) / fuzz(ReadCommand(cmd="R1"))))
        assert isinstance(packet, VTC)
        assert isinstance(packet.payload, ReadCommand)


@pytest.mark.parametrize(
    "record", [VTC(kind="event", options=[VTCOption(value="mark x")]), VTC(kind=1) / Noise(octets=b"x")]
)
def test_fields_of_messages_are_absent_from_other_records(record: Any) -> None:
    """Fields of messages are empty, and no errors, on records of events and noise."""
    packet = VTC(bytes(record))
    for field in CATALOGUE:
        if not field.context and field.attribute not in {*VTC.derived, *VTC().fieldtype}:
            assert getattr(packet, field.attribute) == (
                [] if field.repeats else False if field.type is BOOLEAN else None
            )
    with pytest.raises(AttributeError):
        packet.nonsense  # noqa: B018


# --- Building, and its misuse


def test_data_sets_by_keywords() -> None:
    assert bytes(ReadCommand(register="00000034")) == b"\x01R1\x0200000034()\x03\x64"
    assert bytes(ReadCommand(register=b"00000034")) == b"\x01R1\x0200000034()\x03\x64"
    built = Data(register=["1.8.0", "F.F"], value=("12.5", "00"), unit="kWh", bcc=b"")
    assert bytes(built) == b"\x021.8.0(12.5*kWh)F.F(00)\x03"
    assert built.data_sets == [DataSet(register="1.8.0", value="12.5", unit="kWh"), DataSet(register="F.F", value="00")]
    assert (built.data_sets[1].unit, bytes(BreakCommand(bcc=255))[-1:]) == (b"", b"\xff")
    assert bytes(Telegram(crc=0xFFFF)).endswith(b"!FFFF\r\n")
    assert bytes(Error(value="ER01", bcc=0)) == b"\x02(ER01)\x03\x00"
    assert bytes(Data(data_sets=DataSet(value="1"), bcc=0)) == bytes(Data(data_sets=(DataSet(value="1"),), bcc=0))


MISUSES = [
    (
        lambda: ReadCommand(registr="1"),
        AttributeError,
        "ReadCommand has no field 'registr'; its fields: start, cmd, stx,",
    ),
    (lambda: VTC(direction=1), AttributeError, "VTC has no field 'direction'"),
    (lambda: ReadCommand(register="1", data_sets=[]), TypeError, "ReadCommand takes data_sets or register, not both"),
    (
        lambda: ReadCommand(bcc_status="good"),
        TypeError,
        "bcc_status is read from the packet's octets and cannot be set",
    ),
    (lambda: BreakCommand(bcc=300), ValueError, "bcc takes a number from 0 to 0xff, or octets, not 300"),
    (lambda: Telegram(crc=-1), ValueError, "crc takes a number from 0 to 0xffff, or octets, not -1"),
    (lambda: DataSet(register=5), TypeError, "register takes text or octets, not 5"),
    (lambda: ReadCommand(register=[4]), TypeError, "register takes text or octets, not 4"),
    (lambda: ReadCommand(data_sets=[5]), TypeError, r"data_sets takes a list of DataSet, not \[5\]"),
    (lambda: ReadCommand(data_sets="FFFE"), TypeError, "data_sets takes a list of DataSet, not 'FFFE'"),
    (lambda: VTC(options=[None]), TypeError, "options takes a list of VTCOption"),
    (lambda: VTC(sender="meter"), ValueError, "sender takes a number or unknown, client, server, not 'meter'"),
    (lambda: VTC(kind="fram"), ValueError, "kind takes a number or frame, noise, event, not 'fram'"),
    (
        lambda: VTC(flags="cutt"),
        ValueError,
        "flags takes a number or parity, framing, break, overrun, cut, .*, not 'cutt'",
    ),
    (lambda: VTC(line="9X1"), ValueError, "9X1 is not a character format such as 7E1"),
    (lambda: VTC(duration="1"), ValueError, "duration takes seconds from 0 to .*, not '1'"),
    (lambda: VTC(duration=-1), ValueError, "duration takes seconds from 0"),
    (lambda: VTC(uncertainty=5), ValueError, r"uncertainty takes seconds from 0 to 4\.29497, not 5"),
    (lambda: bytes(VTC(link=300)), ValueError, "field 'link'"),
]


@pytest.mark.parametrize(("misuse", "error", "message"), MISUSES, ids=range(len(MISUSES)))
def test_misuse_raises_an_error_that_names_it(misuse: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        misuse()


def test_misuse_in_assignments_raises_an_error_that_names_it() -> None:
    packet = VTC() / ReadCommand(register="1")
    for name, value in (("sender", "meter"), ("bcc", 999), ("session", 1), ("register", ["2"])):
        with pytest.raises((TypeError, ValueError), match=name):
            setattr(packet, name, value)
    with pytest.raises(TypeError, match="value takes text"):
        packet.data_sets[0].value = 1


def test_lists_make_a_packet_for_each_combination_of_values() -> None:
    assert "(tokenStatus)" in repr(ReadCommand(data_sets=[DataSet(register=["FFFE", "FFFF"])]))
    several = [bytes(packet) for packet in ReadCommand(cmd=["R1", b"R2"], bcc=[1, "x"])]
    assert sorted(several) == [b"\x01R1\x03\x01", b"\x01R1\x03x", b"\x01R2\x03\x01", b"\x01R2\x03x"]
    many = VTC(link=[0, 9], sender=["client", "server"], line=["7E1", "8N1"], duration=[1, 2], tap=(0, 2)) / ACK()
    packets = [VTC(bytes(packet)) for packet in many]
    assert {(p.link, p.sender, p.line, p.duration, p.tap) for p in packets} == set(
        itertools.product((0, 9), (1, 2), ("7E1", "8N1"), (1.0, 2.0), (0, 1, 2))
    )


def test_raw_values_are_built_unchanged() -> None:
    assert bytes(ReadCommand(cmd=RawVal(b"x"), bcc=b"")) == b"\x01x\x03"
    assert bytes(ReadCommand(data_sets=[b"raw"], bcc=b"")) == b"\x01R1\x02raw\x03"
    assert bytes(VTC(line=0xFF, uncertainty=0, duration=1e-9))[11:32].hex() == "ff" + "00" * 19 + "01"
    assert VTC(bytes(VTC(uncertainty=None))).uncertainty is None


def test_traces_are_written_and_read_again(tmp_path: Path) -> None:
    packets = rdpcap(str(SESSION))
    wrpcap(str(tmp_path / "t.pcap"), packets, nano=True)
    with open_trace(tmp_path / "t.pcap") as reader:
        assert [(record.time, record.octets) for record in reader] == [
            (packet.record().time, packet.record().octets) for packet in packets
        ]


# --- Packets that are made by copying an empty one


def slots(packet: Any) -> dict[str, Any]:
    found = {slot: getattr(packet, slot) for slot in packet.__all_slots__ if hasattr(packet, slot)}
    found["payload"] = slots(packet.payload) if packet.payload else None
    for slot in ("underlayer", "parent"):
        found[slot] = found[slot] and type(found[slot])
    for each in found["fields"].get("data_sets", []):
        assert each.parent is packet
    found["time"] = round(float(packet.time) / 1000)
    return found


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_copied_packets_equal_those_that_scapy_makes(path: Path) -> None:
    """Scapy itself makes the packets of a bytearray, and every slot of them is the same."""

    class Carrier(Raw):
        pass

    bind_layers(Carrier, VTC, load=b"seen")
    try:
        for packet in rdpcap(str(path)):
            octets = bytes(packet)
            ours, scapys = VTC(octets), VTC(bytearray(octets))
            assert slots(ours) == slots(scapys)
            assert slots(ours)["overload_fields"] == {Carrier: {"load": b"seen"}}
            assert ours.payload.underlayer is ours or not ours.payload
            for one, other in zip(ours.getfieldval("options"), scapys.getfieldval("options"), strict=True):
                assert slots(one) == slots(other)
                assert one.parent is ours
    finally:
        split_layers(Carrier, VTC)


def test_copied_packets_share_no_mutable_state() -> None:
    first, second = (VTC(bytes(VTC() / ReadCommand())) for _ in range(2))
    for slot in ("fields", "overloaded_fields", "post_transforms"):
        assert getattr(first, slot) is not getattr(second, slot)
        assert getattr(first.payload, slot) is not getattr(second.payload, slot)
    first.flags.cut = True
    first.data_sets.append(DataSet())
    assert (second.flags, second.data_sets) == (0, [])
    assert second == VTC() / ReadCommand()
