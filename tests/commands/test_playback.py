"""Recordings of real meters and clients are played at true pace through pseudo-terminals into ``vtctap capture``.

The corpus is not part of the project; without it these tests are skipped. An independent scanner made its index. By
default a few short recordings are played, and all of them with ``-m corpus_playback``.
"""

import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from equipment import PATIENCE
from equipment.patient import PatientTaps
from equipment.recordings import REAL, RECORDINGS, bursts_of
from vtctap.dissector.framing.reframe import assemble
from vtctap.dissector.protocol.characters import received
from vtctap.dissector.protocol.messages import decode
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender
from vtctap.sniffer.simulated.wire import WireOctet

pytest.importorskip("termios")

SHORT = [
    "readout",
    "telegram",
    "neva_mt324_session",
    "energomera_ce102m_session",
    "pozyton_seab_register",
    "peer_iec6205621_tcp_badbcc_nak",
]

MS = 1_000_000
SPEED = 9600
CHARACTER = Line(7, "E", 1).character_time_ns(SPEED)
PAUSES = (50, 80, 120, 200)
"""Pauses between lines, in ms, used in turn."""

WORDS = {
    "IDRequest": "idreq", "IDResponse": "ident", "OptionSelect": "ackopt", "Data": "data", "WakeUp": "wakeup",
    "PartialData": "data-partial", "Error": "data-error", "Telegram": "telegram", "ACK": "ACK", "NAK": "NAK",
}  # fmt: skip
CHECKS = {"xor+sum7": "xor", "sum7": "sum"}
"""If both rules fit, vtctap reports xor."""


def on_the_wire(octets: bytes) -> bytes:
    """Adds even parity, except to recordings with octets of eight bits."""
    if any(octet > 0x7F for octet in octets):
        return octets
    return bytes(octet | (octet.bit_count() & 1) << 7 for octet in octets)


def played(bursts: Sequence[Burst]) -> list[WireOctet]:
    octets, at = [], 50 * MS
    for number, burst in enumerate(bursts):
        for value in on_the_wire(burst.octets):
            octets.append(WireOctet("server" if burst.sender is Sender.SERVER else "client", value, at, at + CHARACTER))
            at += CHARACTER
        at += PAUSES[number % len(PAUSES)] * MS
    return octets


def counts(records: Sequence[Record]) -> tuple[Counter[str], Counter[str]]:
    """Counts frames and checks under the index's names."""
    frames: Counter[str] = Counter()
    checks: Counter[str] = Counter()
    for record in records:
        if record.kind is Kind.NOISE:
            frames["junk"] += 1
            continue
        message, cut = decode(record.octets), bool(record.flags & Flag.CUT)
        word = WORDS.get(message.message or "", f"cmd:{message.cmd}")
        frames["unterminated" if cut and word == "data" else word] += 1
        if message.bcc_status in ("good", "bad"):
            checks[str(message.bcc_rule) if message.bcc_status == "good" else "BAD"] += 1
        elif message.bcc_status == "missing" and not cut:
            checks["no-bcc"] += 1
        if message.crc_status:
            checks[{"good": "crc-ok", "bad": "crc-BAD", "missing": "no-crc"}[message.crc_status]] += 1
    return frames, checks


def expected(entry: dict[str, Any]) -> tuple[Counter[str], Counter[str]]:
    """Returns the index's counts, corrected where vtctap decides otherwise."""
    frames, checks = Counter(entry["frames"]), Counter[str]()
    for word, count in entry["checks"].items():
        checks[CHECKS.get(word, word)] += count
    # A request without a line end is an IDRequest, even if SOH follows at once.
    frames["idreq"] += frames.pop("fastreq", 0)
    # The index has no name for the NULs that wake a battery-powered meter.
    if entry["name"] in ("peer_iec6205621_pty_wakeup", "peer_ultraheat_pty_modeB"):
        frames["wakeup"] += frames.pop("junk")
    # The recording ends inside a second Telegram; the index has an identification and junk.
    if entry["name"] == "kamstrup_kmp5_midstart":
        frames, checks = Counter({"junk": 1, "telegram": 2}), Counter({"no-crc": 2})
    return +frames, checks


def pieces(record: Record, known: bool) -> tuple[Any, ...]:
    """Returns the parts in which a capture and an import of the same octets must agree."""
    octets = bytes(octet & 0x7F for octet in record.octets)
    return record.kind, octets, record.flags & Flag.CUT, record.sender if known else None


def play(
    entry: dict[str, Any],
    folder: Path,
    start: Callable[..., "subprocess.Popen[bytes]"],
    listening: Callable[..., None],
    records: Callable[[Path], list[Record]],
) -> None:
    bursts = bursts_of(entry)
    known = entry["direction_known"]
    path = folder / "trace.pcapng"
    with PatientTaps(merged=not known) as taps:
        ports = ["--client", taps.client, "--server", taps.server] if known else ["-i", taps.client]
        process = start("capture", "-q", *ports, "--speed", str(SPEED), "--line", "7E1", "-w", path)
        listening(path, 2 if known else 1)
        taps.start(played(bursts), beginning=0)
        assert taps.wait(60)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, b"")
    heard = [record for record in records(path) if record.kind is not Kind.EVENT]
    for sender in {burst.sender for burst in bursts}:
        own = [record for record in heard if not known or record.sender is sender]
        wire = b"".join(on_the_wire(burst.octets) for burst in bursts if burst.sender is sender)
        assert b"".join(received(record) for record in own) == wire
    assert counts(heard) == expected(entry)
    imported = assemble(bursts, speed=SPEED, gap_limit_ns=1_500 * MS)
    assert [pieces(record, known) for record in heard] == [pieces(record, known) for record in imported]


def named(names: Sequence[str]) -> list[Any]:
    return [pytest.param(entry, id=entry["name"]) for entry in RECORDINGS if entry["name"] in names]


@pytest.mark.parametrize("entry", named(SHORT))
def test_short_recordings(entry: dict[str, Any], tmp_path: Path, start: Any, listening: Any, records: Any) -> None:
    play(entry, tmp_path, start, listening, records)


@pytest.mark.slow
@pytest.mark.corpus_playback
@pytest.mark.parametrize("entry", named([entry["name"] for entry in REAL] or SHORT))
def test_every_recording(entry: dict[str, Any], tmp_path: Path, start: Any, listening: Any, records: Any) -> None:
    play(entry, tmp_path, start, listening, records)
