"""The numbers that a capture counts and prints at its end."""

import json
from pathlib import Path

import pytest

from equipment.outlets import TAPS, event
from vtctap.capturing.counts import Counts
from vtctap.pcap.record import Line, Record
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.wire import WireOctet

CASE = Path(__file__).parents[3] / "shared" / "cases" / "15-p1-live-tail-lost" / "bad3.json"
"""Three Telegrams of a smart meter, each with a wrong CRC. The file is not part of the project."""

BODY = b"/ZZZ5vtctap\r\n\r\n1-0:1.8.0(000050.100*kWh)\r\n!"


def crc16(octets: bytes) -> int:
    """Computes CRC-16/ARC bit by bit: polynomial A001h, reflected, start 0 (DSMR 5.0.2, 6.2)."""
    crc = 0
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def test_crc16_is_that_of_the_catalogue() -> None:
    assert crc16(b"123456789") == 0xBB3D


def telegram(wrong: int) -> Record:
    return Record(0, BODY + b"%04X\r\n" % (crc16(BODY) ^ wrong))


def test_bad_crcs_are_counted_and_said() -> None:
    counts = Counts()
    counts.feed([telegram(0), telegram(1), telegram(0x8000), Record(0, BODY + b"\r\n")], 0)
    assert counts.crcs["bad"] == 2
    assert counts.as_json()["crcs"] == {"good": 1, "bad": 2, "missing": 1}
    assert counts.errors() == {"CRC": 2}
    assert counts.summary().startswith("4 frames, 0 with a bad check character, 2 with a bad CRC; ")


def test_without_bad_crcs_nothing_is_said_of_them() -> None:
    counts = Counts()
    counts.feed([telegram(0)], 0)
    assert counts.errors() == {}
    assert counts.summary() == "1 frame, 0 with a bad check character; 0 pieces of noise; 84 octets received".replace(
        "84", str(len(BODY) + 6)
    )


@pytest.mark.skipif(not CASE.exists(), reason="needs the cases beside the project")
def test_three_telegrams_with_bad_crcs() -> None:
    octets, now = [], 0
    for part in json.loads(CASE.read_text()):
        now += round(part["pause"] * 1e9)
        for octet in bytes.fromhex(part["hex"]):
            octets.append(WireOctet("server", octet, now, now + 86_805))
            now += 86_805
    records = virtual.capture(
        octets, start=0, speed=115200, line=Line(8, "N", 1), gap_limit_ns=1_500_000_000, profile="iec62056-21"
    )
    counts = Counts()
    counts.open(TAPS)
    for record in records:
        counts.feed([record], 0)
    assert (counts.kinds["frame"], counts.crcs["bad"]) == (3, 3)


def test_lost_ports() -> None:
    counts = Counts()
    counts.open(TAPS)
    counts.feed([event(1, "opened"), event(2, "lost octets=0"), event(3, "lost octets=1", tap=1)], 0)
    assert counts.lost == {0: "A:/dev/a", 1: "B:/dev/b"}
    counts.feed([event(4, "opened")], 0)
    assert counts.lost == {1: "B:/dev/b"}
