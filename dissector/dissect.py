"""The dissector: decodes each record of a trace into the fields of the catalogue.

A :class:`Dissector` reads a trace's records in order, since some fields depend on earlier records of the same link. It
decodes the message (:mod:`vtctap.dissector.protocol.messages`), looks up its meaning in a profile
(:mod:`vtctap.dissector.meaning`) and pairs it with earlier frames (:mod:`vtctap.dissector.pairing`). Memory is
constant: a few values per link.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, TypeAlias

from vtctap.dissector.catalogue import CATALOGUE, POSITIONS
from vtctap.dissector.dlms import Apdu, Requests
from vtctap.dissector.dlms import decode as decode_apdu
from vtctap.dissector.framing.framed import message_of
from vtctap.dissector.meaning import Meaning, Meanings, answered, registers_of
from vtctap.dissector.pairing import Pairing, Place, is_damaged
from vtctap.dissector.profiles.files import Profile
from vtctap.dissector.profiles.stated import settled
from vtctap.dissector.protocol.characters import show_text
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.tokens import Keys
from vtctap.dissector.verdicts import Verdicts
from vtctap.pcap.construction import fast_init
from vtctap.pcap.hash_chain import HashLink
from vtctap.pcap.record import Flag, Kind, Record, Sender
from vtctap.pcap.skipped import Skipped

Value = str | int | float | bool | list[str] | list[int] | list[float]
"""The value of a field in JSON."""


@fast_init
@dataclass(frozen=True, slots=True)
class Dissection:
    """A dissected record: a :class:`Frame`, or noise or an event, which have no content beyond the record.

    ``number`` counts the trace's records from 1; ``since_first_ns`` is the time since the start of the first record.
    """

    number: int
    record: Record
    since_first_ns: int

    def fields(self) -> dict[str, Value]:
        """Returns the fields of the catalogue that apply, by name, in catalogue order."""
        return _by_name(_record_fields(self.record))

    def as_json(self) -> dict[str, Value]:
        """Returns the fields, those of the frame and ``vtc.octets``, as ``read --json`` prints them."""
        return {
            "frame.number": self.number,
            "frame.time_epoch": epoch(self.record.time),
            "frame.time_relative": epoch(self.since_first_ns),
            **self.fields(),
            "vtc.octets": self.record.octets.hex(),
        }


@fast_init
@dataclass(frozen=True, slots=True)
class Frame(Dissection):
    """A frame: its message, its meaning by the profile, and its place among the other frames.

    ``gap_ns`` is the time since the end of the link's previous frame, None where there is none or it is unknown.
    """

    message: Message
    meaning: Meaning
    place: Place
    gap_ns: int | None = None

    @property
    def name(self) -> str:
        """The message's name, empty for a later record of a message that did not fit into one."""
        return self.message.message or ""

    @property
    def registers(self) -> tuple[str, ...]:
        """The register of each data set: its own, or the one that the request named."""
        return registers_of(self.message, self.place.register_asked)

    @property
    def damaged(self) -> bool:
        """Whether octets are known to be wrong or missing."""
        return is_damaged(self.record, self.message)

    def fields(self) -> dict[str, Value]:
        """Returns the fields of the catalogue that apply, by name, in catalogue order."""
        values = _record_fields(self.record)
        values |= _content(self.message, self.meaning)
        values |= _place_fields(self.place)
        if self.gap_ns is not None:
            values["gap"] = self.gap_ns / 1e9
        return _by_name(values)


def content(message: Message, meaning: Meaning) -> dict[str, Value]:
    """Returns the fields that follow from a message and its meaning, by name, in catalogue order."""
    return _by_name(_content(message, meaning))


_NAMES: Final = {field.attribute: field.name for field in CATALOGUE}
_KINDS: Final = {kind: kind.name.lower() for kind in Kind}
_SENDERS: Final = {sender: sender.name.lower() for sender in Sender}
_OF_BLOCKS: Final = (
    *("message", "cmd", "register", "value", "unit", "count", "error_code", "text"),
    *("bcc", "bcc_expected", "bcc_status", "bcc_rule"),
)
"""All that a message with a good check character can have."""
_Taker: TypeAlias = Callable[[Any], tuple[Any, ...]]
_take_of_blocks: Final[_Taker] = attrgetter(*_OF_BLOCKS)
_take_of_messages: Final[_Taker] = attrgetter(*Message.__slots__)
_take_of_meanings: Final[_Taker] = attrgetter(*Meaning.__slots__)

FLAG_FIELDS: Final = (
    (Flag.BREAK, "error_break"),
    (Flag.OVERRUN, "error_overrun"),
    (Flag.CUT, "cut"),
    (Flag.ECHO, "echo"),
    (Flag.ORDER_UNCERTAIN, "order_uncertain"),
    (Flag.SYNTHETIC, "time_synthetic"),
)
"""Flags of a record that are fields of their own, and their attributes."""


def epoch(time_ns: int) -> str:
    """Formats nanoseconds since 1970 as seconds with nine decimals."""
    sign, time_ns = ("-", -time_ns) if time_ns < 0 else ("", time_ns)
    return f"{sign}{time_ns // 1_000_000_000}.{time_ns % 1_000_000_000:09d}"


def _record_fields(record: Record) -> dict[str, Value]:
    values: dict[str, Value] = {
        "kind": _KINDS[record.kind],
        "sender": _SENDERS[record.sender],
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
    if record.pauses_us:
        values["pause"] = [pause / 1e6 for _, pause in record.pauses_us]
    if record.event:
        values["event"], _, detail = show_text(record.event).partition(" ")
        if detail:
            values["event_detail"] = detail
    if record.parity_errors:
        values["error_parity"] = list(record.parity_errors)
    if record.framing_errors:
        values["error_framing"] = list(record.framing_errors)
    if record.flags:
        values |= {name: True for flag, name in FLAG_FIELDS if record.flags & flag}
    if record.chain and (link := HashLink.decode(record.chain)):
        values["chain"] = link.id.hex()
        values["chain_number"] = link.number
        values["chain_hash"] = link.start.hex()
    return values


def _by_name(values: Mapping[str, Value]) -> dict[str, Value]:
    """Turns values by attribute into values by field name, in catalogue order."""
    return {name: values[attribute] for attribute, name in _ordered(tuple(values))}


@lru_cache(maxsize=1024)
def _ordered(attributes: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Returns the attributes that are fields, with the fields' names, in catalogue order; most frames have the same."""
    return tuple(
        (each, _NAMES[each]) for each in sorted(filter(_NAMES.__contains__, attributes), key=POSITIONS.__getitem__)
    )


def _content(message: Message, meaning: Meaning) -> dict[str, Value]:
    names, taken = (_OF_BLOCKS, _take_of_blocks) if message.bcc_rule else (Message.__slots__, _take_of_messages)
    values = _present(names, taken(message))
    values |= _present(Meaning.__slots__, _take_of_meanings(meaning))
    for each in (meaning.apdu, meaning.token):
        if each:
            values |= each.attributes()
    return values


def _present(names: Iterable[str], values: Iterable[Any]) -> dict[str, Value]:
    """Returns the values that are there, by name: neither None nor an empty tuple."""
    return {
        name: list(value) if value.__class__ is tuple else value
        for name, value in zip(names, values, strict=True)
        if value or (value is not None and value.__class__ is not tuple)
    }


def _place_fields(place: Place) -> dict[str, Value]:
    values = _present(Place._fields, place)
    if place.response_time_ns is not None:
        values["response_time"] = place.response_time_ns / 1e9
    return values


_FRAME: Final = Kind.FRAME
_SHORT: Final = 128
_MANY: Final = 512
"""Most messages kept decoded; only messages of at most ``_SHORT`` octets are kept. More would cost more than they save
where no message recurs: they do not fit into the processor's cache."""


class Dissector:
    """Dissects the records of one trace, in order; ``keys`` decrypt its encrypted tokens. ``passed`` is the number of
    packets before the first record."""

    def __init__(self, profile: Profile, keys: Keys | None = None, *, passed: int = 0) -> None:
        self._meanings = Meanings(profile, keys)
        self._number = passed
        self._first_ns: int | None = None
        self._frame_end: dict[int, int] = {}
        self._pairing = Pairing(profile.timing.session_timeout_ns)
        self._verdicts = Verdicts()
        self._requests = Requests()
        self._known: dict[tuple[bytes, tuple[str, ...]], tuple[Message, Meaning]] = {}

    def dissect(self, record: Record) -> Dissection:
        """Dissects the next record; a frame gives a :class:`Frame`."""
        self._number = number = self._number + 1
        if self._first_ns is None:
            self._first_ns = record.time
        since_first_ns = record.time - self._first_ns
        if record.kind is not _FRAME:
            return Dissection(number, record, since_first_ns)
        gap_ns = self._gap(record)
        message, meaning = self._known.get((record.octets, ())) or self._decode(record)
        place = self._pairing.place(number, record, message)
        if place.register_asked:
            key = record.octets, place.register_asked
            _, meaning = self._known.get(key) or self._decode(record, place.register_asked)
        if meaning.apdu:
            asked = self._requests.feed(number, record.link, meaning.apdu, place.request_in)
            if asked:
                place, meaning = place._replace(object_asked=asked), answered(meaning, asked)
        about = self._verdicts.feed(number, record, message, meaning, place)
        if about is not None:
            place = place._replace(status_token_in=about)
        return Frame(number, record, since_first_ns, message, meaning, place, gap_ns)

    def each(self, items: Iterable[Record | Skipped]) -> Iterator[Dissection]:
        """Dissects records in order. What was skipped between them only counts, so that numbers stay Wireshark's."""
        for item in items:
            if isinstance(item, Skipped):
                self.skip(item)
            else:
                yield self.dissect(item)

    def skip(self, skipped: Skipped) -> Skipped:
        """Passes over what was skipped; returns it with its number in all that was dissected."""
        if skipped.number is None:
            return skipped
        self._number += 1
        return replace(skipped, number=self._number)

    def meaning(self, message: Message, asked: tuple[str, ...] = (), apdu: Apdu | None = None) -> Meaning:
        """Returns the meaning of a message by the profile; ``asked`` are the registers of data sets that name none,
        ``apdu`` is the APDU of an HDLC frame."""
        return self._meanings.of(message, asked, apdu)

    def _gap(self, record: Record) -> int | None:
        """Returns the time since the end of the link's previous frame, ns."""
        before = self._frame_end.get(record.link)
        self._frame_end[record.link] = record.time + record.duration
        if before is None or before > record.time or record.flags & Flag.SYNTHETIC:
            return None
        return record.time - before

    def _decode(self, record: Record, asked: tuple[str, ...] = ()) -> tuple[Message, Meaning]:
        """Decodes a frame's message and its meaning. Most messages of a link recur, so short ones are cached."""
        message = message_of(record)
        apdu = decode_apdu(record.octets) if message.fcs_status == "good" and not message.bad_check else None
        decoded = message, self.meaning(message, asked, apdu)
        if len(record.octets) <= _SHORT:
            if len(self._known) == _MANY:
                self._known.clear()
            self._known[record.octets, asked] = decoded
        return decoded


Item: TypeAlias = Record | Skipped | Dissection
"""What a trace is read as: its records, dissected or not, and what was skipped between them."""


def dissections(items: Iterable[Item], profile: Profile | None = None) -> Iterator[Dissection]:
    """Dissects a trace's records in order; records that are already dissected stay as they are.

    Without ``profile``, the trace's own applies (:func:`~vtctap.dissector.profiles.stated.settled`).
    """
    for item in with_skipped(items, profile):
        if isinstance(item, Dissection):
            yield item


def with_skipped(items: Iterable[Item], profile: Profile | None = None) -> Iterator[Dissection | Skipped]:
    """Dissects as :func:`dissections`, and also yields what was skipped."""
    dissector: Dissector | None = None
    passed = 0
    each, profile = settled(items, profile)
    for item in each:
        if isinstance(item, Record):
            dissector = dissector or Dissector(profile, passed=passed)
            yield dissector.dissect(item)
        elif dissector and isinstance(item, Skipped):
            yield dissector.skip(item)
        else:
            passed += isinstance(item, Skipped) and item.number is not None
            yield item


def field_values(fields: Mapping[str, Value], name: str) -> list[Value]:
    """Returns the values of one of a record's fields as a list, whether it repeats, is single or is absent."""
    value = fields.get(name)
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
