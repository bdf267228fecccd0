"""Records, tshark, pyshark and Scapy agree on every field of the catalogue, record by record.

The traces are the examples, the demo with its faults, the corpus of real recordings (if present), and frames
generated from the grammar and then damaged. tshark runs the generated dissector, and the tests compare its JSON.
"""

import json
import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from scapy.config import conf
from scapy.sendrecv import sniff

from equipment.recordings import REAL, bursts_of
from equipment.sampling import sampled, sizes
from vtctap.__main__ import main
from vtctap.dissector.catalogue import FIELDS, SECONDS
from vtctap.dissector.dissect import Dissection, Dissector, Frame, dissections
from vtctap.dissector.fields import Value
from vtctap.dissector.framing.reframe import assemble
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.names import DEFAULT
from vtctap.dissector.scapy import VTCSession
from vtctap.dissector.wireshark import pyshark
from vtctap.pcap import Kind, Line, Record, Sender, create_trace, open_trace
from vtctap.pcap.capture_file import Interface
from vtctap.pcap.record import LINKTYPE_USER0

ROOT = Path(__file__).parent.parent

GRAMMAR = (
    b"/?!\r\n", b"/2!\r\n", b"/?0012!\r\n", b"/?0012!", b"/?\r\n", b"/?12\r\n",
    b"/ISK5\\2MT174\r\n", b"/KAM MC\r\n", b"\x06051\r\n", b"\x06", b"\x15",
    bytes(9), b"\x7e\xa0\x03\x7e",
    b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e", b"\x7e\xa0\x07\x03\x21\x93\x0f\x01",
    b"\x7e\xa0\x0b\x23\x03\x73\x8d\x62ab\xff\xff\x7e", b"\x7e\xa0\x0b\x23\x03\x73\x8d\x63ab",
    b"\x7e\xa0\x0a\x23\x03\x73\x8d\x62ab\xff\xff\x7e", b"\x7e\xa7\xff\x02\x04\x06\x08\x0b\xff\xff\xff",
    b"\x01P0\x02(1234)\x03\x60", b"\x01R1\x02FFFE()\x03\x60", b"\x01R1\x02T()\x03",
    b"\x01R\x02FFFE1\x03\x61", b"\x02(10)\x03\x03",
    b"\x01W1\x02FFFF(12345678901234567890)\x03\x11", b"\x01B0\x03q", b"\x01B0\x03u", b"\x01E2\x020040(1)\x03\x15",
    b"\x01X9\x02a(1)\x03\x11", b"\x02FFFE(10)\x03\x00", b"\x02FFFE(05)FFFF(1)\x03\x04", b"\x02(ER01)\x03\x05",
    b"\x02a(b*c)(d)\r\ne(f*g*h)\r\n!\r\n\x03x", b"\x02P(1)(2)\x04\x03", b"\x02G(1(2)3(4))x\x03y", b"\x02()\x03\x02",
    b"/ISK5X\r\n\r\n1.8(1*k)\r\n!\r\n", b"/ISK5X\r\n\r\n1.8(1*k)\r\n!12aF\r\n", b"/ISK5X\n\n1.8(1*k)\n!7\n", b"xyz",
)  # fmt: skip
HOSTILE = b"\x00\x80\xff()*\r\n\x01\x02\x03\x04!/?"


@pytest.fixture(scope="session")
def dissector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lua") / "vtctap.lua"
    assert main(["wireshark", "lua", "-o", str(path)]) == 0
    return path


def tshark(trace: Path, dissector: Path) -> list[dict[str, list[str]]]:
    """Returns vtctap's fields of each packet as tshark shows them: all values of each, in order."""
    command = ["tshark", "-r", str(trace), "-X", f"lua_script:{dissector}", "-T", "json", "--no-duplicate-keys"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line for line in done.stderr.splitlines() if not line.startswith("Running as user")] == []
    return [collect(packet["_source"]["layers"], {}) for packet in json.loads(done.stdout)]


def collect(layer: dict[str, object], found: dict[str, list[str]]) -> dict[str, list[str]]:
    for name, value in layer.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                collect(item, found)
            elif name in FIELDS:
                found.setdefault(name, []).append(item)
    return found


def as_tshark(name: str, value: object) -> object:
    """Returns the value of a field as tshark prints it; times become whole nanoseconds."""
    values = value if isinstance(value, list) else [value]
    if FIELDS[name].type is SECONDS:
        return [round(float(item) * 1e9) for item in values]
    return ["1" if item is True or item == "True" else str(item) for item in values]


def by_scapy(trace: Path, profile: str, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Value]]:
    """Returns the fields of each packet by Scapy's session."""
    monkeypatch.setitem(conf.contribs, "vtctap", {"profile": profile, "keys": None})
    return [packet.fields_vtc() for packet in sniff(offline=str(trace), session=VTCSession, quiet=True)]


def by_pyshark(trace: Path, profile: str) -> list[dict[str, list[str]]]:
    """Returns the fields of each packet by pyshark."""
    capture = pyshark.open_trace(trace, profile=profile, keep_packets=False)
    try:
        return [
            {
                name: [field.show for field in found.all_fields]
                for name in FIELDS
                if (found := packet.vtc.get_field(name.removeprefix("vtc."))) is not None
            }
            for packet in capture
        ]
    finally:
        capture.close()


def compare(trace: Path, dissector: Path, monkeypatch: pytest.MonkeyPatch, profile: str = DEFAULT) -> int:
    """Compares all decoders, and returns how many fields agreed."""
    dissect = Dissector(load(profile)).dissect
    with open_trace(trace) as reader:
        ours = [dissect(record) for record in reader]
    shown = tshark(trace, dissector)
    in_scapy, in_pyshark = by_scapy(trace, profile, monkeypatch), by_pyshark(trace, profile)
    assert len(ours) == len(shown) == len(in_scapy) == len(in_pyshark) > 0
    count = 0
    for dissection, theirs, scapys, pysharks in zip(ours, shown, in_scapy, in_pyshark, strict=True):
        fields = dissection.fields()
        where = (trace.name, dissection.number, dissection.record.octets)
        expected = {name: as_tshark(name, value) for name, value in fields.items() if not FIELDS[name].extra}
        assert {name: as_tshark(name, value) for name, value in theirs.items()} == expected, where
        assert {name: as_tshark(name, value) for name, value in pysharks.items()} == expected, where
        assert scapys == fields, where
        count += len(fields)
    return count


@pytest.mark.parametrize("name", ["session", "faults", "readout", "programming", "telegram"])
def test_examples(name: str, dissector: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compare(ROOT / "examples" / f"{name}.pcapng", dissector, monkeypatch) > 20


@pytest.mark.parametrize("seed", sampled([3, 4], 2))
def test_demonstration(seed: int, dissector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "demo.pcapng"
    assert main(["demo", "--fast", "--faults", "--seed", str(seed), "-q", "-w", str(trace)]) == 0
    assert compare(trace, dissector, monkeypatch) > 500


@pytest.mark.skipif(not REAL, reason="the recordings are not here")
@pytest.mark.parametrize(
    ("profile", "first", "step"),
    [
        (DEFAULT, 0, 2),
        ("iec62056-21", 1, 2),
        pytest.param(DEFAULT, 0, 1, marks=pytest.mark.slow),
        pytest.param("iec62056-21", 0, 1, marks=pytest.mark.slow),
    ],
)
def test_corpus(profile: str, first: int, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All recordings in one trace, each as a link of its own; with each profile half of them, or all."""
    trace, script = tmp_path / "corpus.pcapng", tmp_path / "vtctap.lua"
    with create_trace(trace) as writer:
        for number, entry in enumerate(REAL[first::step]):
            for record in assemble(bursts_of(entry), speed=9600, gap_limit_ns=1_500_000_000):
                writer.write(_on_link(record, number))
    assert main(["wireshark", "lua", "--profile", profile, "-o", str(script)]) == 0
    assert compare(trace, script, monkeypatch, profile) > 2000 / step


def _named(source: Path, target: Path, *names: str) -> None:
    """Writes a trace again as that of other ports."""
    with (
        open_trace(source) as reader,
        create_trace(target, taps=[Interface(LINKTYPE_USER0, name) for name in names]) as to,
    ):
        for record in reader:
            to.write(record)


@pytest.mark.skipif(not shutil.which("mergecap"), reason="no mergecap here")
def test_links_joined_by_mergecap(dissector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They stay apart: each has the sessions, requests and response times that it has alone."""
    paths = [tmp_path / f"{number}.pcapng" for number in range(3)]
    for number, path in enumerate(paths):
        demo = tmp_path / f"demo{number}.pcapng"
        assert main(["demo", "--fast", "--faults", "--seed", str(number), "-q", "-w", str(demo)]) == 0
        _named(demo, path, *(f"{side} {number}" for side in ("client", "server")))
    trace = tmp_path / "joined.pcapng"
    subprocess.run(["mergecap", "-w", trace, *paths], check=True)
    assert compare(trace, dissector, monkeypatch) > 1500
    with open_trace(trace) as reader:
        joined = [*dissections(reader)]
    assert {found.record.link for found in joined} == {0, 1, 2}
    for path in paths:
        with open_trace(path) as reader:
            alone = [_by_itself(found) for found in dissections(reader)]
        links = [[_by_itself(found) for found in joined if found.record.link == link] for link in range(3)]
        assert alone in links


def _by_itself(dissection: Dissection) -> tuple[bytes, str, object]:
    """What a record says in whatever trace: numbers of records and sessions are the trace's."""
    place = dissection.place if isinstance(dissection, Frame) else None
    return dissection.record.octets, dissection.record.event, place and place.response_time_ns


def _on_link(record: Record, link: int) -> Record:
    return replace(record, link=link, tap=0)


def damaged(frame: bytes, chance: random.Random) -> bytes:
    octets = bytearray(frame)
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(octets) + 1)
        match chance.randrange(4):
            case 0:
                octets[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                octets[at:at] = bytes([chance.choice(HOSTILE)])
            case 2:
                del octets[at : at + 1]
            case 3:
                octets[at:] = b""
    if chance.random() < 0.2:
        return bytes(octet | (octet.bit_count() & 1) << 7 for octet in octets)
    return bytes(octets)


@sizes
def test_damaged_frames(whole: bool, dissector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(52)
    octets = [frame[:end] for frame in GRAMMAR for end in range(len(frame) + 1)]
    octets += [damaged(chance.choice(GRAMMAR), chance) for _ in range(1500)]
    trace = tmp_path / "damaged.pcapng"
    time = 1_767_225_600_000_000_000
    with create_trace(trace) as writer:
        for frame in octets if whole else octets[::10]:
            time += chance.randrange(2_000_000_000)
            positions = tuple(sorted(chance.sample(range(len(frame)), min(len(frame), chance.randrange(3)))))
            record = Record(
                time,
                frame,
                chance.choice([Kind.FRAME] * 9 + [Kind.NOISE]),
                chance.choice(list(Sender)),
                inferred=chance.random() < 0.3,
                link=chance.randrange(3),
                tap=chance.randrange(2),
                line=chance.choice([None, Line(7, "E", 1), Line(8, "N", 1)]),
                flags=chance.choice([0, 0, chance.randrange(256)]),
                speed=chance.choice([0, 300, 9600]),
                uncertainty=chance.choice([None, 0, 123_456]),
                duration=chance.randrange(3_000_000_000),
                parity_errors=positions,
                framing_errors=positions[:1],
                pauses_us=((1, 5000), (2, 70)) if chance.random() < 0.1 else (),
            )
            writer.write(record)
    assert compare(trace, dissector, monkeypatch) > (20_000 if whole else 3000)
