"""Recordings, made up and of real meters (:mod:`equipment.recordings`), through import, framing and decoding.

An independent scanner counted the frames and check characters in the recordings of real meters. Where vtctap decides
otherwise, JUDGED lists the difference, and docs/judgements.md gives the reason.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import pytest

from equipment.recordings import REAL, RECORDINGS, bursts_of, octets_of
from vtctap.dissector.framing.reframe import assemble, reframe
from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol.characters import received
from vtctap.dissector.protocol.messages import decode
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import Flag, Kind, Record, Sender

GAP_LIMIT: Final = load("iec62056-21").timing.gap_limit_ns

each_recording = pytest.mark.parametrize("entry", RECORDINGS, ids=[entry["name"] for entry in RECORDINGS])

JUDGED: Final[dict[str, tuple[dict[str, int], dict[str, int], str]]] = {
    "energomera_ce303_fastgroup": (
        {"fastreq": -1, "idreq": +1},
        {},
        "a request without a line end is an IDRequest all the same",
    ),
    "kamstrup_kmp5_midstart": (
        {"ident": -1, "junk": -1, "telegram/cut": +1},
        {"no-crc": +1},
        "an identification, an empty line and data lines are a Telegram, though the recording ends in it",
    ),
    "peer_iec6205621_pty_wakeup": ({"junk": -1, "wakeup": +1}, {}, "NULs before a request are a WakeUp"),
    "peer_ultraheat_pty_modeB": ({"junk": -1, "wakeup": +1}, {}, "NULs before a request are a WakeUp"),
}
"""The recordings whose counts differ here from the index: the changes in frames and checks, and the reason."""

WORDS: Final = {
    "IDRequest": "idreq",
    "IDResponse": "ident",
    "OptionSelect": "ackopt",
    "ACK": "ACK",
    "NAK": "NAK",
    "Data": "data",
    "PartialData": "data-partial",
    "Error": "data-error",
    "Telegram": "telegram",
    "WakeUp": "wakeup",
}
"""The index's names of the messages. It names commands by their letters."""

INDEX_CHECKS: Final = {"xor": "xor", "xor+sum7": "xor", "sum7": "sum"}
"""If both rules fit, vtctap calls it the standard's rule."""


@cache
def records_of(name: str) -> list[Record]:
    (entry,) = (entry for entry in RECORDINGS if entry["name"] == name)
    return list(assemble(bursts_of(entry), speed=9600, gap_limit_ns=GAP_LIMIT))


def count(records: Sequence[Record]) -> tuple[Counter[str], Counter[str]]:
    """Counts frames and checks under the index's names."""
    frames: Counter[str] = Counter()
    checks: Counter[str] = Counter()
    for record in records:
        if record.kind is Kind.NOISE:
            frames["junk"] += 1
            continue
        message = decode(record.octets)
        cut = bool(record.flags & Flag.CUT)
        word = WORDS.get(message.message or "", f"cmd:{message.cmd}")
        frames["unterminated" if cut and word == "data" else f"{word}/cut" if cut else word] += 1
        if message.bcc_status == "good":
            assert message.bcc_rule
            checks[message.bcc_rule] += 1
        elif message.bcc_status == "bad":
            checks["BAD"] += 1
        elif message.bcc_status == "missing" and not cut:
            checks["no-bcc"] += 1
        if message.crc_status:
            checks[{"good": "crc-ok", "bad": "crc-BAD", "missing": "no-crc"}[message.crc_status]] += 1
    return frames, checks


def judged(entry: dict[str, Any]) -> tuple[Counter[str], Counter[str]]:
    """Returns the index's counts, corrected by :data:`JUDGED`."""
    frames, checks = Counter(entry["frames"]), Counter[str]()
    for word, number in entry["checks"].items():
        checks[INDEX_CHECKS.get(word, word)] += number
    more_frames, more_checks, _ = JUDGED.get(entry["name"], ({}, {}, ""))
    frames.update(more_frames)
    checks.update(more_checks)
    return +frames, +checks


@pytest.mark.skipif(not REAL, reason="the recordings are not here")
def test_the_corpus_is_whole() -> None:
    assert len(REAL) >= 70
    assert {entry["name"] for entry in REAL} > set(JUDGED)
    for entry in REAL:
        assert hashlib.sha256(octets_of(entry)).hexdigest() == entry["sha256"]


@each_recording
def test_every_octet_is_there(entry: dict[str, Any]) -> None:
    """Every octet of each side is there once, in order, and unchanged."""
    bursts, records = bursts_of(entry), records_of(entry["name"])
    for sender in {burst.sender for burst in bursts}:
        sent = b"".join(burst.octets for burst in bursts if burst.sender is sender)
        side = [record for record in records if sender is Sender.UNKNOWN or record.sender is sender]
        assert b"".join(received(record) for record in side) == sent
        assert sender is Sender.UNKNOWN or not any(record.inferred for record in side)
    assert sum(len(record.octets) for record in records) == len(octets_of(entry))


@each_recording
def test_frames_and_checks(entry: dict[str, Any]) -> None:
    frames, checks = count(records_of(entry["name"]))
    expected_frames, expected_checks = judged(entry)
    assert frames == expected_frames
    assert checks == expected_checks


@each_recording
def test_framed_again(entry: dict[str, Any]) -> None:
    records = records_of(entry["name"])
    assert list(reframe(records, gap_limit_ns=GAP_LIMIT)) == records


UNCLEAR: Final = "els5_v930_mode_ack"
"""A recording of the meter's side alone, with an ACK that answers nothing. On one wire, the ACK is the client's."""

BOTH_SIDES: Final = [entry for entry in RECORDINGS if entry["direction_known"] and entry["name"] != UNCLEAR]


@pytest.mark.parametrize("entry", BOTH_SIDES, ids=[entry["name"] for entry in BOTH_SIDES])
def test_one_wire_tells_who_spoke(entry: dict[str, Any]) -> None:
    """Both sides' octets arrive on one wire at the same times, and each frame gets its true sender."""
    wired = records_of(entry["name"])
    bursts = [Burst(burst.octets, Sender.UNKNOWN, burst.time) for burst in bursts_of(entry)]
    merged = list(assemble(bursts, speed=9600, gap_limit_ns=GAP_LIMIT))
    senders = [(record.octets, record.sender) for record in wired if record.kind is Kind.FRAME]
    inferred = [(record.octets, record.sender) for record in merged if record.kind is Kind.FRAME]
    assert inferred == senders
