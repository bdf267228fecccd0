"""What is fuzzed: one function per parser. Each takes octets, and asserts what must hold for any.

A target raises nothing for bad input but vtctap's own errors, which it catches itself; anything else is a finding.
Beyond that it asserts invariants: octets in are octets out, positions rise, what was written is read.
"""

import io
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from vtctap.dissector.analysis.check import check
from vtctap.dissector.analysis.report.page import embedded
from vtctap.dissector.analysis.statistics import statistics
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.filter import FilterError, compile_filter
from vtctap.dissector.framing.framer import Framer
from vtctap.dissector.framing.pieces import Octet
from vtctap.dissector.framing.reframe import assemble
from vtctap.dissector.profiles.files import load, parse
from vtctap.dissector.profiles.model import ProfileError
from vtctap.dissector.protocol.messages import decode
from vtctap.dissector.text import summary
from vtctap.dissector.tokens import Token
from vtctap.dissector.tokens.keys import KeyFileError, parse_keys
from vtctap.dissector.tokens.recognise import recognise
from vtctap.errors import Error
from vtctap.pcap import Kind, Packet, Record, RecordError, Sender, Skipped, open_capture, open_trace, record
from vtctap.pcap.burst import Burst
from vtctap.pcap.importers.account import Account
from vtctap.pcap.imports import IMPORTERS

_PROFILE: Final = load()
_CHARACTER_NS: Final = 1_041_666
_GAP_NS: Final = 1_500_000_000
_SENDERS: Final = tuple(Sender)


def framer(data: bytes) -> None:
    """The framer keeps every octet in order, in whatever parts and with whatever pauses they arrive."""
    if not data:
        return
    sender, parts, octets = _SENDERS[data[0] % 3], 1 + data[0] // 3 % 7, data[1:]
    new = Framer(sender=sender, character_time_ns=_CHARACTER_NS, gap_limit_ns=_GAP_NS, synthetic=data[0] > 200)
    timed, start = [], 1_700_000_000_000_000_000
    for at, value in enumerate(octets):
        start += _GAP_NS * 2 if value == 0xFE and at % 5 == 0 else _CHARACTER_NS
        timed.append(Octet(value, start))
    pieces = []
    for at in range(0, len(timed), parts):
        pieces += new.feed(timed[at : at + parts])
    pieces += new.close()
    assert b"".join(piece.values for piece in pieces) == octets


def assembler(data: bytes) -> None:
    """Assembled records hold as many octets as went in, and each record, once encoded, is decoded as it was."""
    if not data:
        return
    bursts, at, time = [], 1, 1_700_000_000_000_000_000
    while at < len(data):
        size = 1 + data[at] % 40
        octets = data[at + 1 : at + 1 + size]
        time += (data[at] >> 5) * 20_000_000
        if octets:
            bursts.append(Burst(octets, _SENDERS[data[at] % 3 if data[0] % 2 else 0], time if data[0] & 2 else None))
        at += 1 + size
    held: dict[Sender, bytes] = {}
    for burst in bursts:
        held[burst.sender] = held.get(burst.sender, b"") + burst.octets
    made = list(assemble(bursts, speed=9600, gap_limit_ns=_GAP_NS))
    octets = b"".join(each.octets for each in made)
    assert len(octets) == sum(map(len, held.values()))
    for each in made:
        assert record.decode(record.encode(each), each.time) == each


def messages(data: bytes) -> None:
    """Any octets are decoded and dissected, and summarised in one line."""
    decode(data)
    recorded = Record(1_700_000_000_000_000_000, data[:65535], Kind.FRAME, _SENDERS[len(data) % 3])
    dissection = Dissector(_PROFILE).dissect(recorded)
    dissection.as_json()
    assert "\n" not in summary(dissection, full=True)


def records(data: bytes) -> None:
    """A record that was decoded, and is encoded again, is decoded as the same record."""
    try:
        decoded = record.decode(data, 7)
    except RecordError:
        return
    if decoded.event.encode(errors="surrogateescape").decode(errors="replace") == decoded.event:
        try:
            again = record.encode(decoded)
        except RecordError:
            return
        assert record.decode(again, 7) == decoded


def traces(data: bytes) -> None:
    """A trace is read to its end; skipped parts are inside the file, at rising positions."""
    reader = None
    try:
        reader = open_trace(io.BytesIO(data))
        items = [*reader.items(), *reader.torn()]
    except Error:
        return
    skipped = [item for item in items if isinstance(item, Skipped) and item.octets]
    assert all(before.offset <= after.offset for before, after in pairwise(skipped))
    if data[:2] != b"\x1f\x8b":
        assert all(item.offset >= 0 and item.offset + item.octets <= len(data) for item in skipped)
    list(check(iter(items), _PROFILE))


def captures(data: bytes) -> None:
    """Packets and skipped parts together have no more octets than the file."""
    try:
        items = list(open_capture(io.BytesIO(data)).items())
    except Error:
        return
    if data[:2] != b"\x1f\x8b":
        held = sum(len(item.data) if isinstance(item, Packet) else item.octets for item in items)
        assert held <= len(data)


def analysis(data: bytes) -> None:
    """Check and statistics accept any frames; findings name records that exist, and no octet is counted twice."""
    made, time = [], 1_700_000_000_000_000_000
    for number, octets in enumerate(data.split(b"\xff")):
        time += len(octets) * _CHARACTER_NS + (number % 3) * 100_000_000
        made.append(Record(time, octets[:65535], Kind(number % 7 == 6), _SENDERS[1 + number % 2], speed=9600))
    findings = list(check(iter(made), _PROFILE))
    assert all(1 <= number <= len(made) for each in findings for number in each.frames)
    counted = statistics(iter(made), _PROFILE).as_json()
    assert sum(sum(link["octets"].values()) for link in counted["links"]) <= sum(len(each.octets) for each in made)


def _text(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


def profiles(data: bytes) -> None:
    """A profile is read, or refused with the file's name."""
    said = "fuzz.toml"
    try:
        parse(_text(data), "fuzz.toml")
    except ProfileError as error:
        said = str(error)
    assert said.startswith("fuzz.toml")


def keys(data: bytes) -> None:
    """A key file is read, or refused with the file's name."""
    said = "fuzz.toml"
    try:
        parse_keys(_text(data), "fuzz.toml")
    except KeyFileError as error:
        said = str(error)
    except Error:
        return
    assert said.startswith("fuzz.toml")


_FORMS: Final = tuple(sorted(IMPORTERS))


def imports(data: bytes) -> None:
    """Each importer, chosen by the first octet, refuses the rest or imports it: raw octets unchanged, and of text no
    more octets than it can hold."""
    if not data:
        return
    form = _FORMS[data[0] % len(_FORMS)]
    try:
        bursts = list(IMPORTERS[form].read(io.BytesIO(data[1:]), Account()))
    except Error:
        return
    if form == "raw" and data[1:2] != b"\x1f":
        assert b"".join(burst.octets for burst in bursts) == data[1:]
    if form not in ("logic", "sigrok") and not (form == "hexdump" and b"*" in data):  # A star stands for many rows.
        assert sum(len(burst.octets) for burst in bursts) <= 2 * len(data)  # a lost CR is put back


_FIELDS: Final = Dissector(_PROFILE).dissect(Record(1, b"\x020004(1)\x037", Kind.FRAME, Sender.SERVER)).as_json()


def filters(data: bytes) -> None:
    """A filter is true or false, or is refused at a position inside it."""
    text, position = _text(data), 0
    try:
        assert compile_filter(text)(_FIELDS) in (True, False)
    except FilterError as error:
        position = error.position
    assert 0 <= position <= len(text)


def tokens(data: bytes) -> None:
    """Any text is recognised as a token or as none."""
    token = recognise(_text(data))
    assert token is None or isinstance(token, Token)


def page(data: bytes) -> None:
    """Text in the report's script cannot end the script, and is read back unchanged."""
    text = _text(data)
    written = embedded({"text": text, text: [text]})
    assert not set("<>&\u2028\u2029") & set(written)
    assert json.loads(written) == {"text": text, text: [text]}


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    target.__name__: target
    for target in (
        framer,
        assembler,
        messages,
        records,
        traces,
        captures,
        analysis,
        profiles,
        keys,
        imports,
        filters,
        tokens,
        page,
    )
}


def seeds(target: str) -> Iterator[bytes]:
    """The kept seeds of a target: files of ``seeds/TARGET``."""
    for path in sorted((Path(__file__).parent / "seeds" / target).glob("*")):
        yield path.read_bytes()
