"""The dissector: what each record of a trace says, as the fields of the catalogue.

A :class:`Dissector` reads a trace's records in order, since some fields need what came before on the same link. It
decodes the message (:mod:`vtctap.dissector.protocol.messages`), looks up its meaning in a profile, and states how sure
that is. Memory is constant: a few values a link.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vtctap.dissector.catalogue import CATALOGUE, CONFIDENCES
from vtctap.dissector.pairing import Pairing, Place
from vtctap.dissector.profiles.encodings import number, reading
from vtctap.dissector.profiles.files import Profile, Register, load
from vtctap.dissector.profiles.manufacturers import manufacturer
from vtctap.dissector.protocol.characters import show_text
from vtctap.dissector.protocol.messages import Message, decode
from vtctap.dissector.tokens import Keys, Token
from vtctap.dissector.tokens.recognise import LENGTHS, proven, recognise
from vtctap.pcap.record import Flag, Kind, Record

Value = str | int | float | bool | list[str] | list[int] | list[float]
"""What a field holds in JSON."""

TOKEN_STATUS: Final = "tokenStatus"
"""The table whose values are token statuses (IEC 62055-52 clause 7.8)."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a profile makes of a message. Attributes are fields of the catalogue; the lists are parallel to the
    message's data sets, and empty where the profile knows none of the registers."""

    register_name: tuple[str, ...] = ()
    value_decoded: tuple[str, ...] = ()
    id_manufacturer_name: str | None = None
    id_field: tuple[str, ...] = ()
    status_token: int | None = None
    status_token_name: str | None = None
    token: Token | None = None
    confidence: str = CONFIDENCES[0]
    assumed: tuple[str, ...] = ()


_NOTHING = Meaning()


@dataclass(frozen=True, slots=True)
class Dissection:
    """A record with its decoding. ``number`` counts the trace's records from 1; ``message``, ``meaning`` and ``place``
    are None but for frames; ``gap`` (ns) is the time since the end of the link's previous frame, None where there is
    none or it cannot be known."""

    number: int
    record: Record
    message: Message | None
    meaning: Meaning | None
    gap: int | None
    place: Place | None = None

    def fields(self) -> dict[str, Value]:
        """The fields of the catalogue that apply, by name, in its order."""
        values = _record_fields(self.record)
        if self.gap is not None:
            values["gap"] = self.gap / 1e9
        for part in (self.message, self.meaning):
            if part is not None:
                for attribute in part.__slots__:
                    value = getattr(part, attribute)
                    if value is not None and value != ():
                        values[attribute] = list(value) if isinstance(value, tuple) else value
        if self.meaning and self.meaning.token:
            values |= self.meaning.token.attributes()
        if self.place:
            values |= {name: value for name, value in self.place._asdict().items() if value is not None}
            if self.place.response_time is not None:
                values["response_time"] = self.place.response_time / 1e9
        attributes = sorted(filter(_NAMES.__contains__, values), key=_PLACES.__getitem__)
        return {_NAMES[attribute]: values[attribute] for attribute in attributes}

    def as_json(self) -> dict[str, Value]:
        """The fields with ``frame.number``, ``frame.time_epoch`` and ``vtc.octets``, as ``read --json`` prints them."""
        return {
            "frame.number": self.number,
            "frame.time_epoch": epoch(self.record.time),
            **self.fields(),
            "vtc.octets": self.record.octets.hex(),
        }


_NAMES: Final = {field.attribute: field.name for field in CATALOGUE}
_PLACES: Final = {key: place for place, field in enumerate(CATALOGUE) for key in (field.attribute, field.name)}
"""Where a field stands in the catalogue, by either of its names."""

_FLAGS: Final = (
    (Flag.BREAK, "error_break"),
    (Flag.OVERRUN, "error_overrun"),
    (Flag.CUT, "cut"),
    (Flag.ECHO, "echo"),
    (Flag.ORDER_UNCERTAIN, "order_uncertain"),
    (Flag.SYNTHETIC, "time_synthetic"),
)


def epoch(time: int) -> str:
    """Nanoseconds since 1970 as seconds with nine decimals."""
    sign, time = ("-", -time) if time < 0 else ("", time)
    return f"{sign}{time // 1_000_000_000}.{time % 1_000_000_000:09d}"


def _record_fields(record: Record) -> dict[str, Value]:
    values: dict[str, Value] = {
        "kind": record.kind.name.lower(),
        "sender": record.sender.name.lower(),
        "link": record.link,
        "tap": record.tap,
        "duration": record.duration / 1e9,
    }
    if record.inferred:
        values["sender_inferred"] = True
    if record.speed:
        values["speed"] = record.speed
    if record.line:
        values["line"] = str(record.line)
    if record.uncertainty is not None:
        values["uncertainty"] = record.uncertainty / 1e9
    if record.pauses:
        values["pause"] = [pause / 1e6 for _, pause in record.pauses]
    if record.event:
        values["event"], _, detail = show_text(record.event).partition(" ")
        if detail:
            values["event_detail"] = detail
    if record.parity_errors:
        values["error_parity"] = list(record.parity_errors)
    if record.framing_errors:
        values["error_framing"] = list(record.framing_errors)
    for flag, name in _FLAGS:
        if record.flags & flag:
            values[name] = True
    return values


_SHORT: Final = 128
_MANY: Final = 4096
"""So many messages of at most so many octets are kept decoded."""


class Dissector:
    """Dissects the records of one trace, in order. ``keys`` open its encrypted tokens."""

    def __init__(self, profile: Profile, keys: Keys | None = None) -> None:
        self._profile = profile
        self._keys = keys
        self._number = 0
        self._frame_end: dict[int, int] = {}
        self._pairing = Pairing(profile.timing.session_timeout)
        self._known: dict[bytes, tuple[Message, Meaning]] = {}

    def dissect(self, record: Record) -> Dissection:
        """The dissection of the next record."""
        self._number += 1
        if record.kind is not Kind.FRAME:
            return Dissection(self._number, record, None, None, None)
        gap = None
        before = self._frame_end.get(record.link)
        if before is not None and before <= record.time and not record.flags & Flag.SYNTHETIC:
            gap = record.time - before
        self._frame_end[record.link] = record.end
        message, meaning = self._known.get(record.octets) or self._decode(record.octets)
        place = self._pairing.place(self._number, record, message)
        return Dissection(self._number, record, message, meaning, gap, place)

    def _decode(self, octets: bytes) -> tuple[Message, Meaning]:
        """What octets say. Most of what a link says it says again and again: short messages are kept."""
        message = decode(octets)
        decoded = message, self.meaning(message)
        if len(octets) <= _SHORT:
            if len(self._known) == _MANY:
                self._known.clear()
            self._known[octets] = decoded
        return decoded

    def meaning(self, message: Message) -> Meaning:
        """What the profile makes of a message."""
        stated = self._profile.messages.get(message.message or "")
        if stated is None:
            return _NOTHING
        doubts = {"vtc.message": stated.confidence}
        registers = [self._profile.register(register) for register in message.register]
        maker, parts = self._identification(message, doubts)
        names: tuple[str, ...] = ()
        decoded: tuple[str, ...] = ()
        status: int | None = None
        status_name: str | None = None
        if any(registers):
            names = tuple(register.name if register else "" for register in registers)
            for register in registers:
                if register:
                    _doubt(doubts, "vtc.register.name", register.provenance.confidence)
            words = [_word(*each) for each in zip(registers, message.value, message.unit, strict=True)]
            for register, value, word in zip(registers, message.value, words, strict=True):
                if word is None or register is None:
                    continue
                confidence = register.provenance.confidence
                if register.table:
                    count = number(value, register.encoding.base) or 0
                    confidence = _weakest(confidence, register.table.provenance_of(count).confidence)
                    if register.table.name == TOKEN_STATUS and status is None:
                        status, status_name = count, word
                        _doubt(doubts, "vtc.status.token", confidence)
                        _doubt(doubts, "vtc.status.token.name", confidence)
                _doubt(doubts, "vtc.value.decoded", confidence)
            if any(words):
                decoded = tuple(word or "" for word in words)
        token = self._token(message, registers, doubts)
        assumed = sorted((name for name, doubt in doubts.items() if doubt == "assumed"), key=_PLACES.__getitem__)
        return Meaning(
            names, decoded, maker, parts, status, status_name, token, _weakest(*doubts.values()), tuple(assumed)
        )

    def _token(self, message: Message, registers: list[Register | None], doubts: dict[str, str]) -> Token | None:
        """The first token in a message's values."""
        for register, value in zip(registers, message.value, strict=True):
            encodings = register.token_encodings if register else ()
            if not encodings and len(value) not in LENGTHS:
                continue
            token = recognise(value, encodings, self._keys)
            if token:
                doubted = register.provenance.confidence if register and not proven(token) else token.confidence
                _doubt(doubts, "vtc.token", _weakest(doubted, token.confidence))
                _doubt(doubts, "vtc.token.encoding", doubted)
                return token
        return None

    def _identification(self, message: Message, doubts: dict[str, str]) -> tuple[str | None, tuple[str, ...]]:
        """Who made the meter, and the fields that the profile finds in the identification's text."""
        layout = self._profile.identification
        maker = manufacturer(message.id_manufacturer) if layout.flag and message.id_manufacturer else None
        if maker:
            _doubt(doubts, "vtc.id.manufacturer.name", layout.provenance.confidence)
        parts = []
        rest = message.id_text or ""
        for name, length in layout.fields:
            if len(rest) < length:
                break
            parts.append(f"{name}={rest[:length]}")
            rest = rest[length:]
        if parts:
            _doubt(doubts, "vtc.id.field", layout.provenance.confidence)
        return maker, tuple(parts)


def _word(register: Register | None, value: str, unit: str) -> str | None:
    """What a value means: the word for it in its register's table, or what its encoding reads; None for nothing."""
    if register is None:
        return None
    if register.table is None:
        return reading(register.encoding, value, unit)
    count = number(value, register.encoding.base)
    return None if count is None else register.table.values.get(count)


def _weakest(*confidences: str) -> str:
    return max(confidences, key=CONFIDENCES.index)


def _doubt(doubts: dict[str, str], name: str, confidence: str) -> None:
    doubts[name] = _weakest(doubts.get(name, confidence), confidence)


def dissections(records: Iterable[Record | Dissection], profile: Profile | None = None) -> Iterator[Dissection]:
    """The dissections of a trace's records, in order; those that are dissected already stay as they are. Without a
    ``profile`` it is the default one."""
    dissector: Dissector | None = None
    for record in records:
        if isinstance(record, Dissection):
            yield record
            continue
        if dissector is None:
            dissector = Dissector(profile or load())
        yield dissector.dissect(record)


def field_values(dissections: Mapping[str, Value], name: str) -> list[Value]:
    """A field's values as a list, whether it repeats, stands alone or is absent."""
    value = dissections.get(name)
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
