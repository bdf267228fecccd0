"""Tokens over mode E: Gurux encodes the frames of both sides, and the decoded values are compared with those given to
Gurux."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("gurux_dlms", reason="gurux-dlms is not installed")
pytest.importorskip("dlms_cosem", reason="the extra dlms is not installed")

from scapy.sendrecv import sniff

from equipment.dlms_meter import Optical
from vtctap.__main__ import main
from vtctap.dissector import dlms
from vtctap.dissector.analysis.flows import TokenFlow, token_flows
from vtctap.dissector.catalogue import FIELDS
from vtctap.dissector.dissect import Dissection, Dissector
from vtctap.dissector.dlms import apdu
from vtctap.dissector.framing.reframe import assemble
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.names import DEFAULT
from vtctap.dissector.protocol.checksums import fcs16
from vtctap.dissector.scapy import VTCSession
from vtctap.pcap import Kind, Record, Sender, create_trace
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import Flag

START, MS = 1_767_225_600_000_000_000, 1_000_000
TOKEN, ENCRYPTED = "00000000000150997584", "01062065899601840219"
"""A published test token of class 1, and digits that are a token of class 0."""
PACKED, ENCRYPTED_PACKED = bytes.fromhex(TOKEN), bytes.fromhex(ENCRYPTED)


def records(said: Iterable[tuple[str, bytes]]) -> list[Record]:
    return [
        Record(
            START + 40 * MS * number,
            octets,
            Kind.FRAME,
            Sender.CLIENT if side == "C" else Sender.SERVER,
            duration=10 * MS,
        )
        for number, (side, octets) in enumerate(said)
    ]


def dissected(said: Iterable[tuple[str, bytes]]) -> list[Dissection]:
    return list(map(Dissector(load(DEFAULT)).dissect, records(said)))


def flow(optical: Optical) -> TokenFlow:
    (only,) = token_flows(records(optical.said))
    return only


def of_mode_e(fields: Iterable[str]) -> set[str]:
    """Returns the fields that only a decoded APDU gives."""
    return {name for name in fields if name.startswith(("vtc.dlms", "vtc.token", "vtc.status"))}


def frame(apdu: bytes, control: int = 0x10, llc: bytes = b"\xe6\xe6\x00", segmented: int = 0) -> bytes:
    """Returns an HDLC frame, encoded by this file."""
    head = (0xA000 | segmented | 10 + len(llc + apdu) - 1).to_bytes(2, "big") + b"\x03\x21" + bytes([control])
    head += fcs16(head).to_bytes(2, "little")
    body = head + llc + apdu
    return b"~" + body + fcs16(body).to_bytes(2, "little") + b"~"


# Tokens that are written, and their outcome.


def test_a_token_written_to_the_data_object() -> None:
    optical = Optical()
    optical.write(PACKED)
    *_, request, answer = dissected(optical.said)
    fields = request.fields()
    assert {name: fields[name] for name in fields if name.startswith("vtc.dlms")} == {
        "vtc.dlms.service": "set-request",
        "vtc.dlms.invoke_id": 1,
        "vtc.dlms.class": 1,
        "vtc.dlms.obis": "1-0:129.129.2.255",
        "vtc.dlms.attribute": 2,
    }
    assert (fields["vtc.token"], fields["vtc.token.encoding"], fields["vtc.token.class"]) == (TOKEN, "bcd", 1)
    assert fields["vtc.token.crc.status"] == "good"
    assert fields["vtc.confidence"] == "derived"
    assert request.json_text() == json.dumps(request.as_json())
    told = answer.fields()
    assert told["vtc.request_in"] == request.number
    assert {name: told[name] for name in told if name.startswith("vtc.dlms")} == {
        "vtc.dlms.service": "set-response",
        "vtc.dlms.invoke_id": 1,
        "vtc.dlms.result": 0,
        "vtc.dlms.result.name": "success",
    }


def test_a_token_entered_at_the_gateway() -> None:
    optical = Optical()
    optical.enter(ENCRYPTED_PACKED, result=2)
    *_, request, answer = (each.fields() for each in dissected(optical.said))
    assert (request["vtc.dlms.service"], request["vtc.dlms.class"]) == ("action-request", 115)
    assert (request["vtc.dlms.obis"], request["vtc.dlms.method"]) == ("0-0:19.40.0.255", 1)
    assert (request["vtc.token"], request["vtc.token.crc.status"]) == (ENCRYPTED, "encrypted")
    assert (answer["vtc.dlms.service"], answer["vtc.dlms.result"]) == ("action-response", 2)
    assert answer["vtc.dlms.result.name"] == "temporary-failure"


@pytest.mark.parametrize("write", [Optical.write, Optical.enter], ids=["data", "gateway"])
def test_what_becomes_of_it(write: Callable[..., None]) -> None:
    """Success means that the meter has received the token; the verdict is the gateway's status."""
    for result, outcome in ((0, "unknown"), (3, "refused"), (10, "refused"), (250, "refused"), (None, "unanswered")):
        optical = Optical()
        write(optical, PACKED, result)
        assert (flow(optical).token, flow(optical).outcome) == (TOKEN, outcome), result
    for polls, outcome, status in (
        ((8,), "pending", 8),
        ((8, 0, 3), "accepted", 3),
        ((8, 7), "rejected", 7),
        ((9,), "unknown", None),
    ):
        optical = Optical()
        write(optical, PACKED)
        for poll in polls:
            optical.poll(poll)
        assert (flow(optical).outcome, flow(optical).status) == (outcome, status), polls
        last = dissected(optical.said)[-1].fields()
        assert last.get("vtc.status.token_in") == (3 if status is not None else None)
    optical = Optical()
    write(optical, PACKED, 3)
    optical.poll(3)
    assert flow(optical).outcome == "refused"  # The status belongs to an earlier token.
    assert "vtc.status.token_in" not in dissected(optical.said)[-1].fields()


def test_a_result_that_the_standard_does_not_list() -> None:
    optical = Optical()
    optical.write(PACKED, result=10)
    fields = dissected(optical.said)[-1].fields()
    assert fields["vtc.dlms.result"] == 10
    assert "vtc.dlms.result.name" not in fields


def test_an_answer_to_another_request() -> None:
    """The invoke id shows that the answer is not about the token."""
    optical = Optical()
    optical.write(PACKED)
    optical.said[-1] = "S", frame(b"\xc5\x01\xc2\x03", llc=b"\xe6\xe7\x00")
    assert flow(optical).outcome == "unknown"
    optical.said[-1] = "S", frame(b"", 0x11, b"")
    assert flow(optical).outcome == "unknown"


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (PACKED, TOKEN),
        (TOKEN.encode(), TOKEN),
        (b"\x0a" + PACKED[1:], None),
        (PACKED[:-1], None),
        (PACKED + b"\0", None),
        (b"\x99" * 10, None),
        (b"", None),
        (b"1234567890123456789x", None),
        (b"99999999999999999999", None),
    ],
)
def test_forms_of_tokens(value: bytes, token: str | None) -> None:
    optical = Optical()
    optical.write(value)
    assert dissected(optical.said)[-2].fields().get("vtc.token") == token


def test_other_objects_take_no_tokens() -> None:
    value = b"\x09\x0a" + PACKED
    for named in ("0001 0100600100ff 02", "0003 0100818102ff 02", "0001 0100818102ff 03", "0001 0100818102fe 02"):
        fields = dissected([("C", frame(b"\xc1\x01\xc1" + bytes.fromhex(named) + b"\0" + value))])[0].fields()
        assert fields["vtc.dlms.service"] == "set-request"
        assert "vtc.token" not in fields


def test_ciphered() -> None:
    optical = Optical(ciphered=True)
    optical.write(PACKED)
    optical.enter(PACKED)
    found = [each.fields() for each in dissected(optical.said)[2:]]
    services = ["glo-set-request", "glo-set-response", "glo-action-request", "glo-action-response"]
    assert [fields["vtc.dlms.service"] for fields in found] == services
    for fields in found:
        assert fields["vtc.dlms.ciphered"] is True
        assert of_mode_e(fields) == {"vtc.dlms.service", "vtc.dlms.ciphered"}
    assert list(token_flows(records(optical.said))) == []


# Incomplete and damaged frames.


@pytest.mark.parametrize("write", [Optical.write, Optical.enter], ids=["data", "gateway"])
def test_damage_and_cuts(write: Callable[..., None]) -> None:
    """No token is claimed if any octet is changed, or if the beginning or the end is missing."""
    optical = Optical()
    write(optical, PACKED)
    for side, octets in optical.said[2:]:
        damaged = [
            octets[:at] + bytes([octets[at] ^ bits]) + octets[at + 1 :]
            for at in range(1, len(octets) - 1)
            for bits in (1, 0x80, 0xFF)
        ]
        parts = [part for at in range(1, len(octets) - 1) for part in (octets[:at], octets[at:])]
        for each in damaged + parts:
            assert not of_mode_e(dissected([(side, each)])[0].fields()), each.hex()


def test_several_frames_of_one_apdu() -> None:
    """HDLC split the APDU. Its service is not known before the end, and it is not put together."""
    optical = Optical()
    optical.write(b"x" * 300)
    segments = [octets for side, octets in optical.said[2:] if side == "C"]
    assert len(segments) > 2
    assert not any(of_mode_e(each.fields()) for each in dissected(("C", octets) for octets in segments))
    whole = b"\xc1\x01\xc1\0\1\1\0\x81\x81\2\xff\2\0\x09\x0a" + PACKED
    assert of_mode_e(dissected([("C", frame(whole))])[0].fields())
    assert not of_mode_e(dissected([("C", frame(whole, segmented=0x800))])[0].fields())


def test_blocks_and_lists_show_their_service() -> None:
    for choice in (0, 2, 3, 4, 5, 6):
        fields = dissected([("C", frame(bytes((0xC1, choice)) + bytes(range(40))))])[0].fields()
        assert of_mode_e(fields) == {"vtc.dlms.service"}


@pytest.mark.parametrize("write", [Optical.write, Optical.enter], ids=["data", "gateway"])
def test_an_echo_changes_nothing(write: Callable[..., None]) -> None:
    """The second tap hears what the client sends, too."""
    for result, polls, outcome in ((3, (), "refused"), (0, (8, 3), "accepted"), (0, (7,), "rejected")):
        optical = Optical()
        write(optical, PACKED, result)
        for poll in polls:
            optical.poll(poll)
        heard: list[Record] = []
        for record in records(optical.said):
            heard.append(record)
            if record.sender is Sender.CLIENT:
                heard.append(replace(record, sender=Sender.SERVER, tap=1, flags=Flag.ECHO))
        (found,) = token_flows(heard)
        assert found.outcome == outcome


def test_data_that_is_nested_deeply_hides_nothing() -> None:
    good = frame(bytes.fromhex("c001c100010000600100ff0200"))
    nested = frame(bytes.fromhex("c001c100010000600100ff0201 01") + b"\1\1" * 900)
    found = dissected([("C", good), ("C", nested), ("C", good)])
    assert [each.fields().get("vtc.fcs.status") for each in found] == ["good"] * 3
    assert found[0].fields()["vtc.dlms.service"] == found[2].fields()["vtc.dlms.service"]


@given(
    st.sampled_from([0x0E, 0x60, *range(0xC0, 0xC8), 0xD8, 0xDB, 0xE0, 0xFF]), st.integers(0, 3), st.binary(max_size=40)
)
def test_any_apdu(tag: int, choice: int, rest: bytes) -> None:
    (dissection,) = dissected([("C", frame(bytes((tag, choice)) + rest))])
    for name, value in dissection.fields().items():
        words = FIELDS[name].words
        assert not words or value in words
        assert FIELDS[name].type != "unsigned number" or 0 <= value < 1 << FIELDS[name].bits  # type: ignore[operator]


# The commands, Scapy, and the way from the wire.


@pytest.fixture
def optical() -> Optical:
    optical = Optical()
    optical.enter(PACKED)
    optical.poll(8)
    optical.poll(3)
    optical.write(ENCRYPTED_PACKED, 3)
    return optical


def written(optical: Optical, folder: Path) -> Path:
    path = folder / "trace.pcapng"
    with create_trace(path) as writer:
        for record in records(optical.said):
            writer.write(record)
    return path


@pytest.fixture
def trace(optical: Optical, tmp_path: Path) -> Path:
    return written(optical, tmp_path)


def said(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    assert main([str(each) for each in arguments]) in (0, 1)
    return capsys.readouterr().out


def test_commands(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys, "read", trace).splitlines()
    assert lines[2].endswith("C> HDLC action-request 0-0:19.40.0.255 method 1 token: InitiateMeterTest/Display1")
    assert lines[3].endswith("M> HDLC action-response success")
    assert lines[7].endswith("M> HDLC get-response token status ExecutionOK")
    (found,) = said(capsys, "read", "--json", "--filter", f'vtc.token == "{TOKEN}"', trace).splitlines()
    assert json.loads(found)["frame.number"] == 3
    rows = list(
        csv.DictReader(io.StringIO(said(capsys, "export", trace, "--table", "tokens", "--format", "csv", "-o", "-")))
    )
    assert [(row["vtc.token"], row["outcome"], row["polls"]) for row in rows] == [
        (TOKEN, "accepted", "2"),
        (ENCRYPTED, "refused", "0"),
    ]
    assert "token 01062065899601840219: the meter answers read-write-denied (3)" in said(capsys, "check", trace)
    assert "token statuses: Received, ExecutionOK" in said(capsys, "stats", trace)


def test_a_rejected_token_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    optical = Optical()
    optical.enter(PACKED)
    optical.poll(7)
    trace = written(optical, tmp_path)
    (line,) = [line for line in said(capsys, "check", trace).splitlines() if "token" in line]
    assert f"token {TOKEN}: the meter says ExecutionFailure (7)" in line
    assert "server-state" not in said(capsys, "check", trace)


def test_scapy(trace: Path, optical: Optical) -> None:
    packets = sniff(offline=str(trace), session=VTCSession, quiet=True)
    expected = dissected(optical.said)
    assert [packet.fields_vtc() for packet in packets] == [each.fields() for each in expected]
    assert (packets[2].token, packets[2].dlms_obis, packets[2].dlms_method) == (TOKEN, "0-0:19.40.0.255", 1)
    assert (packets[7].status_token_outcome, packets[9].dlms_result) == ("accepted", 3)
    assert packets[0].dlms_service is None


def test_from_one_wire(optical: Optical) -> None:
    """Both directions share a wire, and the sign-on is missing. Frames, senders and tokens are found."""
    bursts = [
        Burst(octets, Sender.UNKNOWN, START + 60 * MS * number) for number, (_, octets) in enumerate(optical.said)
    ]
    found = list(assemble(bursts, speed=9600, gap_limit_ns=1500 * MS))
    assert [record.octets for record in found] == [octets for _, octets in optical.said]
    assert [flow.outcome for flow in token_flows(found)] == ["accepted", "refused"]


def test_wireshark(optical: Optical, wireshark: Callable[..., Any]) -> None:
    """Wireshark has vtctap's fields without those of the APDU. Its own dissector, if it has one, decodes the same
    values."""
    tool = wireshark()
    trace = tool.trace(records(optical.said))
    for dissection, items in zip(dissected(optical.said), tool.items(trace), strict=True):
        fields = dissection.fields()
        hidden = {*of_mode_e(fields), "vtc.confidence", "vtc.status.token_in"}
        expected = tool.comparable({name: value for name, value in fields.items() if name not in hidden})
        shown = tool.values(items)
        assert shown.pop("vtc.confidence") == ["confirmed"]
        assert shown == expected
    protocols = subprocess.run(["tshark", "-G", "protocols"], capture_output=True, text=True, check=True).stdout
    if "\tdlms\t" in protocols:
        lines = tool.run(trace).splitlines()
        assert "Action-Request-Normal token_gateway.enter 0.0.19.40.0.255" in lines[2]
        assert "Set-Request-Normal data.value 1.0.129.129.2.255" in lines[8]
        assert "Set-Response-Normal (read-write-denied)" in lines[9]


def test_without_the_library(trace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Frames are shown as HDLC, and one line names the extra that shows more."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "dlms_cosem"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "dlms_cosem", None)
    apdu._library.cache_clear()
    try:
        assert main(["read", "--json", str(trace)]) == 0
        out, err = capsys.readouterr()
        assert not any(of_mode_e(json.loads(line)) for line in out.splitlines())
        (line,) = err.splitlines()
        assert line.startswith("vtctap: DLMS in HDLC frames (tokens over mode E) needs dlms-cosem: ")
        assert line.endswith("'vtctap[dlms]'")
        assert dlms.missing() is None
    finally:
        apdu._library.cache_clear()
