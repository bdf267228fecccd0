"""The differential test: on the same traces, the generated dissector in tshark and ``vtctap read --json`` agree in
every field of the catalogue, and no octets cause an error of the script.

The records are the corpus and every prefix of its records, the examples, the demonstration with its faults,
conversations that the grammar makes and that are then damaged, and random octets. They are made without either decoder,
except for the check characters of good frames. A quick part runs with the other tests, all of it by
``make test-wireshark``; what was compared is printed when the tests have ended.
"""

import contextlib
import json
import random
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from equipment.recordings import RECORDINGS, bursts_of
from equipment.sampling import sizes
from vtctap.__main__ import main
from vtctap.dissector.catalogue import FIELDS, MESSAGES
from vtctap.dissector.framing.reframe import assemble
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.names import DEFAULT
from vtctap.dissector.protocol.checksums import bcc_sum, bcc_xor, crc16, fcs16
from vtctap.dissector.tokens.number import crc, join
from vtctap.pcap import Kind, Line, Record, Sender, create_capture, create_trace
from vtctap.pcap.capture_file import Interface, Packet
from vtctap.pcap.record import RecordError, decode, encode

ROOT = Path(__file__).parents[3]
START = 1_767_225_600_000_000_000
BETWEEN = "\x1f"
"""Separates the values of a field in tshark's columns; no displayed text contains it."""
WITH_KEYS = set(list(FIELDS)[list(FIELDS).index("vtc.token.pan") : list(FIELDS).index("vtc.token.nkmo1") + 1])
"""The fields that need a key file; Wireshark has none."""
WITH_EXTRAS = {name for name, field in FIELDS.items() if field.extra}
"""The fields that an optional Python library decodes."""
OF_EXTRAS = {"vtc.token.encoding": {"bcd"}}
"""Words of other fields that only such a library returns."""

EVERY_ENCODING = """
[profile]
name = "every-encoding"
title = "A register of each encoding"
inherits = "iec62055-52"
source = "here"
confidence = "derived"
[identification]
manufacturer = "FLAG"
fields = [{ name = "version", length = 2 }, { name = "type", length = 5 }]
[registers]
numbering = "obis"
[registers.entries]
"d" = { name = "decimal", scale = -3, unit = "kWh", confidence = "confirmed" }
"D" = { name = "decimal", scale = 4 }
"h" = { name = "hexadecimal", type = "hexadecimal", scale = -1, unit = "V" }
"a" = { name = "ascii", type = "ascii" }
"7" = { name = "packed7", type = "packed7" }
"t" = { name = "date", type = "date", format = "YYMMDDhhmmss" }
"T" = { name = "date", type = "date", format = "?DD.MM.YYYY hh:mm", confidence = "assumed" }
"s" = { name = "seconds", type = "date", since = "1993-01-01" }
"m" = { name = "minutes", type = "date", since = "2035-01-01", step = "minutes" }
"b" = { name = "bits", type = "bits", bits = { 0 = "open", 3 = "cover", 51 = "last" } }
"B" = { name = "bits", type = "bits", base = 10, bits = { 1 = "one" } }
"e" = { name = "Zähler ☃ \\\\", type = "enumeration", base = 16, table = "words" }
"k" = { name = "token", type = "token", encodings = ["packed", "hexadecimal", "decimal"] }
"1.8.0" = { name = "energy", unit = "kWh" }
"" = { name = "nameless" }
[tables.words.values]
0 = ""
5 = "five"
18 = "zwölf"
[tables.tokenStatus]
confidence = "assumed"
[tables.tokenStatus.values]
12 = { name = "twelve", outcome = "locked out" }
99 = "ninety-nine"
"""
PROFILES = (DEFAULT, "iec62056-21", "every-encoding")


# The grammar ---------------------------------------------------------------------------------------------------------

ALPHABETS = (b"0123456789", b"0123456789ABCDEFabcdef", b"abcXYZ.:-*&", bytes(range(32, 127)), bytes(range(256)))
SYNTAX = b"\x00\x80\xff()()()*\r\n\x01\x02\x03\x04\x06\x15\x7e!!/?.:&5\\<>%"
FORMATS = ("%y%m%d%H%M%S", "%y%m%d%H%M%S", "1%d.%m.%Y %H:%M", "%y%m%d", "%H:%M:%S")
PUBLISHED_TOKENS = (150997584, 1152921509036054672, 18446744073843772416, 36893488147553322496, 56493153725450313471)
LETTERS = (b"ISK", b"KAM", b"LGZ", b"XMX", b"zpa", b"CON", b"Q1\x00")
MARKS = ("speed from=300 to=9600 why=told", "mark Zähler ☃ \\ %s", " x", "")
EVENTS = (*MARKS * 6, *["opened profile=x speed=300"] * 6, "lost", "missed octets=3", "overrun unread=3")
"""Few are outages, and most of them are over soon: no frame relates to one before."""

Chance = random.Random
Registers = Sequence[bytes]


def text(chance: Chance, most: int) -> bytes:
    return bytes(chance.choices(chance.choice(ALPHABETS), k=chance.randrange(most + 1)))


def token(chance: Chance) -> int:
    match chance.randrange(4):
        case 0:
            return chance.choice(PUBLISHED_TOKENS)
        case 1:
            block = (chance.randrange(16) << 44 | chance.randrange(1 << 44) >> chance.choice((0, 8, 36))) << 16
            return join(1, block | crc(1, block))
        case 2:
            return 1 << chance.randrange(67)
    return chance.randrange(1 << 66)


def digits(chance: Chance) -> bytes:
    """Returns digits of base 10 or 16, in lengths around the decoders' limits."""
    size = chance.choice((*range(20), 13, 14, 63, 64, 65, 256, 257, 512, 514))
    return bytes(chance.choices(chance.choice(ALPHABETS[:2]), k=size))


def moment(chance: Chance) -> bytes:
    """Returns a date or a time, sometimes with a number that no calendar or clock has."""
    time = datetime(2000, 1, 1) + timedelta(seconds=chance.randrange(3_000_000_000))
    shown = time.strftime(chance.choice(FORMATS)).encode()
    if chance.random() < 0.6:
        at = chance.randrange(0, len(shown) - 1, chance.choice((1, 2)))
        limit = chance.choice((b"00", b"13", b"24", b"29", b"31", b"32", b"60"))
        shown = shown[:at] + limit + shown[at + 2 :]
    return shown


VALUES: dict[str, Callable[[Chance], bytes]] = {
    "count": lambda chance: b"%d" % chance.randrange(10 ** chance.randrange(1, 24)),
    "decimal": lambda chance: b"%s%s%s%s" % (
        chance.choice((b"", b"", b"-", b"+")), digits(chance), chance.choice((b"", b".", b".5")), digits(chance)
    ),
    "hexadecimal": digits,
    "date": moment,
    "token": lambda chance: chance.choice((b"%020d", b"%017X")) % token(chance),
    "packed": lambda chance: bytes(token(chance) >> at & 0x7F for at in range(63, -1, -7)),
    "word": lambda chance: b"%d" % chance.randrange(20),
    "error": lambda chance: b"ER%02d" % chance.randrange(100),
    "nested": lambda chance: b"%s(%s)%s" % (text(chance, 3), value(chance), text(chance, 3)),
    "long": lambda chance: text(chance, 600),
    "text": lambda chance: text(chance, 12),
}  # fmt: skip
FITTING = {b"FFFE": "word", b"FFFF": "token", b"k": "token", b"d": "decimal", b"D": "decimal", b"h": "hexadecimal",
           b"a": "hexadecimal", b"t": "date", b"T": "date", b"s": "count", b"m": "count", b"b": "hexadecimal",
           b"B": "word", b"e": "word"}  # fmt: skip
"""The kind of value that a register mostly has; all other registers have any kind."""


def value(chance: Chance, register: bytes = b"") -> bytes:
    fits = register in FITTING and chance.random() < 0.6
    return VALUES[FITTING[register] if fits else chance.choice(tuple(VALUES))](chance)


def register(chance: Chance, registers: Registers) -> bytes:
    """Returns a register, mostly one of the profile, as it is or extended like an OBIS code."""
    if chance.random() < 0.2:
        return text(chance, 6)
    known = chance.choice(registers)
    if chance.random() < 0.3:
        before = chance.choice((b"", b"1-0:", b"0-0:", b"1-1:", b"0-1:", b"1-0:1-1:", b"1-1:1-0:"))
        return before + known + chance.choice((b"", b"*255", b"*05", b"&7", b"*", b"*1234", b"*01*02", b"&1&", b"*0"))
    return known


def data_sets(chance: Chance, registers: Registers) -> bytes:
    names = [register(chance, registers) for _ in range(chance.choice((0, 1, 1, 1, 1, 2, 3, 7)))]
    units = (b"", b"", b"*kWh", b"*", b"*a*b")
    sets = (b"%s(%s%s)" % (name, value(chance, name), chance.choice(units)) for name in names)
    return chance.choice((b"", b"", b"\r\n", b"\n", b" ")).join(sets)


def block(chance: Chance, octets: bytes, end: bytes = b"\x03") -> bytes:
    """Ends a frame that begins with SOH or STX, with a check character of either rule, a wrong one or none."""
    octets += end
    by_xor, by_sum = bytes([bcc_xor(octets[1:])]), bytes([bcc_sum(octets[1:])])
    return octets + chance.choice((by_xor, by_xor, by_xor, by_sum, by_sum, b"", b"U", by_xor + text(chance, 3)))


def command(letters: bytes, types: bytes) -> Callable[[Chance, Registers], bytes]:
    def make(chance: Chance, registers: Registers) -> bytes:
        head = bytes([1, chance.choice(letters), chance.choice(types)])
        return block(chance, head + b"\x02" + data_sets(chance, registers) if chance.random() < 0.9 else head)

    return make


def read(chance: Chance, registers: Registers) -> bytes:
    """Returns a read with brackets, or one of register and count alone."""
    bare = chance.choice((b"", b"", b"", b"1", b"5")) + b"\x02" + chance.choice((b"FFFE1", b"FFFF0", b"2010", b"2006F"))
    return chance.choice((command(b"R", b"0123456")(chance, registers), block(chance, b"\x01R" + bare)))


def with_names(chance: Chance, registers: Registers) -> bytes:
    return block(chance, b"\x02" + data_sets(chance, registers))


def nameless(chance: Chance, registers: Registers) -> bytes:
    """Returns an answer that names none of its registers, or all but the first."""
    sets = data_sets(chance, registers)
    return block(chance, b"\x02" + re.sub(rb"[^()]*\(", b"(", sets, count=chance.choice((0, 0, 1))))


def identification(chance: Chance) -> bytes:
    return b"/%s%s%s" % (chance.choice(LETTERS), text(chance, 1), text(chance, 14).translate(None, b"\r\n"))


def telegram(chance: Chance, registers: Registers) -> bytes:
    octets = identification(chance) + b"\r\n\r\n" + data_sets(chance, registers) + b"\r\n!"
    return octets + chance.choice((b"%04X\r\n" % crc16(octets), b"\r\n", b"12aF\r\n", b"%x\n" % crc16(octets), b""))


def hdlc(chance: Chance, _: Registers) -> bytes:
    """Returns a frame whose check sequences and length may be wrong, and which may be cut."""
    head = chance.choice((b"\x03\x21", b"\x02\x23\x21", b"\x00\x02\x04\x07\x03", b"\x02\x02\x02\x02\x03\x21")) + b"\x93"
    information = chance.choice((b"", text(chance, 20)))
    length = 2 + len(head) + (2 + len(information) if information else 0) + 2 + chance.choice((0, 0, 0, 1, -1, -3))
    octets = bytes([0xA0 | length >> 8 & 7, length & 0xFF]) + head

    def sequence() -> bytes:
        return (fcs16(octets) ^ chance.choice((0, 0, 0, 1))).to_bytes(2, "little")

    if information:
        octets += sequence()
        octets += information
    octets += sequence()
    octets = b"\x7e" + octets + chance.choice((b"\x7e", b"\x7e", b""))
    return octets[: chance.choice((None, None, None, chance.randrange(1, len(octets))))]


GRAMMAR: dict[str, Callable[[Chance, Registers], bytes]] = {
    "IDRequest": lambda chance, _: b"/?%s!%s" % (text(chance, 8), chance.choice((b"\r\n", b"\r\n", b"\n", b""))),
    "IDResponse": lambda chance, _: identification(chance) + b"\r\n",
    "ReadCommand": read,
    "WriteCommand": command(b"W", b"0123456"),
    "BreakCommand": command(b"B", b"0"),
    "ACK": lambda *_: b"\x06",
    "NAK": lambda *_: b"\x15",
    "Data": lambda chance, registers: chance.choice((nameless, with_names))(chance, registers),
    "OptionSelect": lambda chance, _: b"\x06" + text(chance, 4) + b"\r\n",
    "PasswordCommand": command(b"P", b"012"),
    "ExecuteCommand": command(b"E", b"2"),
    "UndefinedCommand": command(b"ACDXrw\xff", b"0129x\x02"),
    "Error": lambda chance, _: block(chance, b"\x02(ER%s)" % text(chance, 4)),
    "PartialData": lambda chance, registers: block(chance, b"\x02" + data_sets(chance, registers), b"\x04"),
    "Telegram": telegram,
    "WakeUp": lambda chance, _: bytes(chance.randrange(1, 30)),
    "HDLC": hdlc,
}
ASKED = [name for name in MESSAGES if name.endswith(("Request", "Command", "Select", "Up", "K"))]
ANSWERED = [name for name in MESSAGES if name not in ASKED or name.endswith("K")]


def damaged(octets: bytes, chance: Chance) -> bytes:
    """Changes, inserts, removes, doubles or cuts octets, and may then set parity bits or bit 7 of some octets."""
    changed = bytearray(octets)
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 4))):
        at = chance.randrange(len(changed) + 1)
        piece = changed[at : at + chance.randrange(5)]
        octet = bytes([chance.choice((chance.randrange(256), chance.choice(SYNTAX)))])
        changed[at : at + chance.choice((0, 1, len(piece)))] = chance.choice((octet, octet, b"", piece + piece))
    if chance.random() < 0.1:
        del changed[chance.randrange(len(changed) + 1) :]
    match chance.randrange(10):
        case 0 | 1:
            wrong = chance.choice((0, 0.05, 0.15))
            changed = bytearray(octet ^ (octet.bit_count() & 1 ^ (chance.random() < wrong)) << 7 for octet in changed)
        case 2:
            changed = bytearray(octet ^ (chance.random() < 0.1) << 7 for octet in changed)
    return bytes(changed)


def header(chance: Chance) -> dict[str, Any]:
    """Returns what a tap may state of a record."""
    often = chance.random() < 0.5
    positions = tuple(chance.choices((0, 1, 5, 65535), k=chance.choice((0, 0, 0, 1, 3))))
    return {
        "inferred": chance.random() < 0.2,
        "tap": chance.choice((0, 1, 255)),
        "line": None if often else Line(chance.randrange(5, 9), chance.choice("NEOMS"), chance.randrange(1, 3)),
        "flags": 0 if often else chance.choice((1, 2, 4, 8, 16, 32, 64, 128, chance.randrange(1 << 16))),
        "speed": chance.choice((0, 300, 9600, (1 << 32) - 1)),
        "uncertainty": chance.choice((None, 0, 1, 123_456, (1 << 32) - 2)),
        "duration": chance.choice((0, chance.randrange(10**8), chance.randrange(3 * 10**9))),
        "parity_errors": positions,
        "framing_errors": positions[1:],
        "pauses_us": tuple((at, chance.choice((1, 1_500_001, (1 << 32) - 1))) for at in positions[:2]),
    }


def conversations(chance: Chance, registers: Registers, count: int) -> Iterator[Record]:
    """Yields requests and answers on several links, mostly in turn; some are repeated, joined or damaged."""
    time = START
    before: dict[object, Any] = {}
    for _ in range(count):
        link = chance.choice((0, 0, 0, 1, 2, 255))
        asks = before.get(link) is not Sender.CLIENT if chance.random() < 0.85 else chance.random() < 0.5
        sender = before[link] = Sender.CLIENT if asks else Sender.SERVER
        names = chance.choice((ASKED if asks else ANSWERED, ASKED if asks else ANSWERED, MESSAGES))
        octets = damaged(GRAMMAR[chance.choice(names)](chance, registers), chance)
        if chance.random() < 0.06:
            octets += GRAMMAR[chance.choice(MESSAGES)](chance, registers)
        if chance.random() < 0.2:
            octets = before.get((link, sender), octets)
        before[link, sender] = octets
        said = header(chance)
        time += chance.choice(
            (0, 1, 10**7, 2 * 10**7, 1_500_000_000, 1_500_000_001, *chance.choices(range(10**9), k=9))
        )
        time += chance.choice((0,) * 30 + (120 * 10**9, 120 * 10**9 + 1, -chance.randrange(3 * 10**9)))
        kind = chance.choice((Kind.FRAME,) * 18 + (Kind.NOISE, Kind.EVENT))
        event = chance.choice(EVENTS) if kind is Kind.EVENT or chance.random() < 0.02 else ""
        shown = chance.choice((sender,) * 9 + (Sender.UNKNOWN,))
        said |= {"tap": 0} if kind is Kind.EVENT else {}  # Else a tap that was lost would rarely come back.
        yield Record(time, octets, kind, shown, link=link, event=event, **said)
        if chance.random() < 0.7:
            time += said["duration"]


# The proof -----------------------------------------------------------------------------------------------------------


def later_links(records: Iterable[dict[str, Any]]) -> dict[int, dict[str, int]]:
    """Returns the fields that a second pass adds to earlier records, by their numbers: the answer to a request, and the
    verdict on a token."""
    links: dict[int, dict[str, int]] = {}
    for record in records:
        number = record["frame.number"]
        if "vtc.request_in" in record:
            links.setdefault(record["vtc.request_in"], {})["vtc.response_in"] = number
        if record.get("vtc.status.token.outcome") != "pending" and "vtc.status.token_in" in record:
            links.setdefault(record["vtc.status.token_in"], {})["vtc.token.status_in"] = number
    return links


class Difference:
    """Compares traces of one source, decoded with one profile."""

    def __init__(self, tool: Any, profile: str) -> None:
        self.tool, self.profile = tool, profile
        self.records = self.values = 0
        self.found: list[object] = []
        self.seen: dict[str, set[str]] = {}

    def read(self, trace: Path) -> Iterator[dict[str, Any]]:
        """Yields what ``vtctap read --json`` prints for each record."""
        path = self.tool.folder / "read.jsonl"
        with path.open("w") as output, contextlib.redirect_stdout(output):
            assert main(["read", "--json", "--profile", self.profile, str(trace)]) == 0
        with path.open() as lines:
            yield from map(json.loads, lines)

    def compare(self, trace: Path, *, twice: bool = True) -> None:
        """Compares in one pass and, if ``twice``, in two, in which each request names its answer, too."""
        links = later_links(self.read(trace))
        for passes in ((), ("-2",)) if twice else ((),):
            for ours, shown in zip(self.read(trace), self.tool.each(trace, *passes), strict=True):
                number = ours["frame.number"]
                ours |= links.get(number, {}) if passes else {}
                expected = self.tool.comparable({name: ours[name] for name in ours if name in FIELDS})
                self.records += not passes
                self.values += sum(map(len, expected.values()))
                for name in expected.keys() | shown.keys():
                    if expected.get(name) != shown.get(name):
                        self.found.append((number, name, expected.get(name), shown.get(name), ours["vtc.octets"]))
                for name in expected:
                    self.seen.setdefault(name, set()).update(map(str, expected[name]) if FIELDS[name].words else ())

    def write(self, records: Iterable[Record]) -> Path:
        path = self.tool.folder / "trace.pcapng"
        with create_trace(path, force=True) as writer:
            for record in records:
                writer.write(record)
        return path

    def same(self, proof: Callable[..., None], source: str) -> None:
        """Reports what was compared, and fails if anything differs."""
        proof(source, self.records, self.values, len(self.found))
        assert self.found[:3] == [], "record, field, vtctap, tshark, octets"


@pytest.fixture
def difference(wireshark: Callable[..., Any], tmp_path: Path) -> Callable[..., Difference]:
    def make(profile: str = DEFAULT) -> Difference:
        if profile == "every-encoding":
            profile = str(tmp_path / "every-encoding.toml")
            Path(profile).write_text(EVERY_ENCODING, "utf-8")
        return Difference(wireshark(load(profile)), profile)

    return make


@pytest.mark.slow
def test_examples(difference: Callable[..., Difference], proof: Callable[..., None]) -> None:
    compared = difference()
    for trace in sorted((ROOT / "examples").glob("*.pcapng")):
        compared.compare(trace)
    compared.same(proof, "examples")


@pytest.mark.slow
def test_demonstration(difference: Callable[..., Difference], proof: Callable[..., None], tmp_path: Path) -> None:
    compared = difference()
    for seed in range(10):
        trace = tmp_path / f"{seed}.pcapng"
        assert main(["demo", "--fast", "--faults", "--seed", str(seed), "-q", "-w", str(trace)]) == 0
        compared.compare(trace)
    compared.same(proof, "demonstration with its faults, ten seeds")


def corpus() -> Iterator[Record]:
    """Yields the records of all recordings, each recording on a link of its own."""
    for number, entry in enumerate(RECORDINGS):
        for record in assemble(bursts_of(entry), speed=9600, gap_limit_ns=1_500_000_000):
            yield replace(record, link=number)


@pytest.mark.slow
@pytest.mark.parametrize("profile", PROFILES)
def test_corpus(profile: str, difference: Callable[..., Difference], proof: Callable[..., None]) -> None:
    compared = difference(profile)
    compared.compare(compared.write(corpus()))
    compared.same(proof, f"corpus, {profile}")


@sizes
def test_prefixes_of_the_corpus(whole: bool, difference: Callable[..., Difference], proof: Callable[..., None]) -> None:
    """Every prefix of every record agrees; a prefix that several records share is compared once."""
    records = sorted({(record.octets, record.sender, record.line) for record in corpus()}, key=repr)
    if not whole:
        records = random.Random(4).sample([each for each in records if len(each[0]) < 50], 15)
    prefixes = dict.fromkeys((octets[:end], *rest) for octets, *rest in records for end in range(len(octets) + 1))
    compared = difference("iec62056-21")
    trace = compared.write(
        Record(START + number * 10**9, octets, sender=sender, line=line)
        for number, (octets, sender, line) in enumerate(prefixes)
    )
    compared.compare(trace, twice=False)
    compared.same(proof, "every prefix of every record of the corpus" if whole else "prefixes of the corpus's records")


@sizes
@pytest.mark.parametrize("profile", PROFILES)
def test_conversations(
    profile: str, whole: bool, difference: Callable[..., Difference], proof: Callable[..., None]
) -> None:
    compared = difference(profile)
    registers = [number.encode() for number in load(compared.profile).registers]
    compared.compare(compared.write(conversations(random.Random(profile), registers, 20_000 if whole else 200)))
    compared.same(proof, f"damaged conversations, {profile}")
    if whole and profile == "every-encoding":
        compared.compare(ROOT / "examples" / "session.pcapng")  # It has verdicts on tokens, and a hash chain.
        assert compared.seen.keys() == FIELDS.keys() - WITH_KEYS - WITH_EXTRAS
        for name, words in compared.seen.items():
            assert words == set(FIELDS[name].words) - OF_EXTRAS.get(name, set()), name


@pytest.mark.slow
def test_each_field_by_itself(difference: Callable[..., Difference], proof: Callable[..., None]) -> None:
    """If one field alone is requested, the dissector skips the others: its column in the second of two passes, and the
    records that a display filter finds by it in one pass, are right nevertheless."""
    compared = difference("every-encoding")
    registers = [number.encode() for number in load(compared.profile).registers]
    trace = compared.write(conversations(random.Random(16), registers, 1500))
    run, values = compared.tool.run, compared.tool.comparable
    records = list(compared.read(trace))
    for number, links in later_links(records).items():
        records[number - 1] |= links
    version = subprocess.run(["tshark", "--version"], capture_output=True, text=True).stdout
    # Wireshark 4.4 doubles each backslash in a column.
    backslash = "\\" if " 4.0." in version.partition("\n")[0] else "\\\\"
    for name in FIELDS.keys() - WITH_EXTRAS:
        expected = [values({name: record[name]} if name in record else {}).get(name, []) for record in records]
        column = run(trace, "-2", "-T", "fields", "-E", f"aggregator={BETWEEN}", "-e", name).splitlines()
        for number, (wanted, line) in enumerate(zip(expected, column, strict=True), 1):
            shown = line.replace(backslash, "\\").split(BETWEEN) if line or wanted == [""] else []
            shown = values({name: shown})[name]
            if wanted != shown:
                compared.found.append((number, name, wanted, shown))
        filtered = list(map(int, run(trace, "-Y", name, "-o", 'gui.column.format:"No.","%m"').split()))
        present = [number for number, wanted in enumerate(expected, 1) if wanted and not FIELDS[name].later]
        if filtered != present:
            compared.found.append((name, set(filtered) ^ set(present)))
        compared.values += sum(map(len, expected))
    compared.records = len(records)
    compared.same(proof, "each field by itself: as a column, as a filter")


@sizes
def test_random_octets(whole: bool, difference: Callable[..., Difference], proof: Callable[..., None]) -> None:
    """Random octets agree, by themselves and after the beginnings of frames; some are octets of the syntax only."""
    chance = random.Random(8)
    beginnings = (b"", b"", b"", b"\x01", b"\x01R1\x02", b"\x02", b"/", b"/?", b"/ISK5X\r\n\r\n", b"\x06", b"\x7e")
    records: list[Record] = []
    left = 1 << 20 if whole else 1 << 14
    while left > 0:
        size = min(left, chance.randrange(2 ** chance.randrange(1, 12)))
        octets = chance.randbytes(size) if chance.random() < 0.6 else bytes(chance.choices(SYNTAX, k=size))
        records.append(Record(START + len(records) * 10**7, chance.choice(beginnings) + octets, **header(chance)))
        left -= size
    compared = difference()
    compared.compare(compared.write(records), twice=False)
    compared.same(proof, "a megabyte of random octets" if whole else "random octets")


@sizes
def test_random_headers(whole: bool, difference: Callable[..., Difference], proof: Callable[..., None]) -> None:
    """Packets with changed tap headers and options, and packets of random octets, are declined if our reader refuses
    them, and decoded the same if not."""
    chance = random.Random(32)
    taken: list[Packet] = []
    refused: list[Packet] = []
    for record in conversations(chance, [b"FFFE", b"FFFF"], 5000 if whole else 200):
        data = bytearray(encode(record))
        for _ in range(chance.randrange(3)):
            data[chance.randrange(min(len(data), 60))] = chance.choice((0, 1, 4, 255, chance.randrange(256)))
        if chance.random() < 0.1:
            del data[chance.randrange(len(data)) :]
        if chance.random() < 0.1:
            data = bytearray(b"VT\x01\x00\x00\x00\x00" + bytes([32 + 4 * chance.randrange(9)]) + chance.randbytes(80))
        if len(data) > 24:
            data[24:26] = b"\x00\x1f"[: len(data) - 24]
        packet = Packet(record.time, bytes(data), 147)
        try:
            decode(packet.data, packet.time)
        except RecordError:
            refused.append(packet)
        else:
            taken.append(packet)
    compared = difference()
    for name, packets in (("taken", taken), ("refused", refused)):
        assert packets
        trace = compared.tool.folder / f"{name}.pcapng"
        with create_capture(trace, linktype=147) as writer:
            writer.add_interface(Interface(147))
            for packet in packets:
                writer.write(packet)
    compared.compare(compared.tool.folder / "taken.pcapng")
    compared.same(proof, "random tap headers")
    shown = list(compared.tool.each(compared.tool.folder / "refused.pcapng"))
    proof("random packets that are no records", len(refused), 0, len([each for each in shown if each]))
    assert shown == [{}] * len(refused)
