"""The meaning of a message: what a profile says about its registers, values, identification and token.

:func:`interpret` takes one decoded message. Of the records around it, only the registers that its request named count.
Each field depends on entries of the profile, each entry states its confidence, and a field is as certain as the least
certain of its entries.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from vtctap.dissector.catalogue import CONFIDENCES, POSITIONS
from vtctap.dissector.dlms import Apdu, Object, status_of, token_of
from vtctap.dissector.profiles.encodings import number, reading, reads
from vtctap.dissector.profiles.manufacturers import manufacturer
from vtctap.dissector.profiles.model import TOKEN_STATUS, Identification, Profile, Register
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.tokens import Keys, Token
from vtctap.dissector.tokens.recognise import LENGTHS, proven, recognise
from vtctap.pcap.construction import fast_init, variants

SUREST, CONCLUDED, ASSUMED = CONFIDENCES


@fast_init
@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a message by a profile.

    Attributes are fields of the catalogue. The lists run parallel to the message's data sets and are empty where the
    profile knows none of the registers. ``apdu`` is the APDU of an HDLC frame.
    """

    register_name: tuple[str, ...] = ()
    value_decoded: tuple[str, ...] = ()
    id_manufacturer_name: str | None = None
    id_field: tuple[str, ...] = ()
    status_token: int | None = None
    status_token_name: str | None = None
    status_token_meaning: str | None = None
    status_token_outcome: str | None = None
    token: Token | None = None
    apdu: Apdu | None = None
    confidence: str = SUREST
    assumed: tuple[str, ...] = ()


_NOTHING = Meaning()
_Key: TypeAlias = tuple[str | None, tuple[str, ...], tuple[str, ...]]
"""A message's name, its registers, and those that the request named."""


class _Doubts:
    """The confidence of each field of one message."""

    def __init__(self) -> None:
        self._confidence: dict[str, str] = {}

    def lean(self, confidence: str, *fields: str) -> None:
        """Records that the fields depend on a source of this confidence."""
        for field in fields:
            self._confidence[field] = weakest(confidence, self._confidence.get(field, confidence))

    @property
    def weakest(self) -> str:
        """The confidence of the least certain field."""
        return weakest(*self._confidence.values())

    @property
    def assumed(self) -> tuple[str, ...]:
        """The assumed fields, in catalogue order."""
        fields = [field for field, confidence in self._confidence.items() if confidence == ASSUMED]
        return tuple(sorted(fields, key=POSITIONS.__getitem__))


@fast_init
@dataclass(frozen=True, slots=True)
class _Reading:
    """A value's meaning and its confidence; of a token status also its number, outcome and meaning in a sentence."""

    word: str
    confidence: str
    status: int | None = None
    outcome: str | None = None
    meaning: str | None = None


def registers_of(message: Message, asked: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the register of each data set: its own, or the one that the request named (``asked``)."""
    if len(asked) != len(message.register):
        return message.register
    return tuple(own or named for own, named in zip(message.register, asked, strict=True))


def interpret(
    message: Message,
    profile: Profile,
    keys: Keys | None = None,
    asked: tuple[str, ...] = (),
    apdu: Apdu | None = None,
) -> Meaning:
    """Looks up the meaning of a message in the profile; ``keys`` decrypt its token; ``asked`` are the registers of data
    sets that name none; ``apdu`` is the APDU of an HDLC frame."""
    stated = profile.messages.get(message.message or "")
    if stated is None:
        return _NOTHING
    doubts = _Doubts()
    doubts.lean(stated.confidence, "vtc.message")
    if asked:
        doubts.lean(CONCLUDED, "vtc.register.asked")
    registers = [profile.register(register) for register in registers_of(message, asked)]
    readings = _readings(registers, message)
    for read in filter(None, readings):
        doubts.lean(read.confidence, "vtc.value.decoded")
    status = _status(readings, doubts)
    return Meaning(
        register_name=_names(registers, doubts),
        value_decoded=_words(readings),
        id_manufacturer_name=_maker(message, profile.identification, doubts),
        id_field=_identification(message, profile.identification, doubts),
        status_token=status.status if status else None,
        status_token_name=status.word if status else None,
        status_token_meaning=status.meaning if status else None,
        status_token_outcome=status.outcome if status else None,
        token=_entered(apdu, keys, doubts) if apdu else _token(message, registers, keys, doubts),
        apdu=apdu,
        confidence=doubts.weakest,
        assumed=doubts.assumed,
    )


def answered(meaning: Meaning, asked: Object) -> Meaning:
    """Adds the token status, if the APDU answers a request for it; ``asked`` is the object that the request named."""
    status = status_of(meaning.apdu, asked) if meaning.apdu else None
    if status is None:
        return meaning
    return replace(
        meaning,
        status_token=status.code,
        status_token_name=status.name,
        status_token_meaning=status.meaning,
        status_token_outcome=status.outcome,
    )


_worded, _all_but_words = variants(Meaning, "value_decoded")


class Meanings:
    """Looks up the meanings of one trace's messages, and remembers what of them does not follow from the values."""

    def __init__(self, profile: Profile, keys: Keys | None = None) -> None:
        self._profile = profile
        self._keys = keys
        self._known: dict[_Key, Meaning] = {}
        self._known_but_words: dict[tuple[_Key, tuple[str | None, ...]], tuple[Any, ...]] = {}
        """What meanings are but for the words of their values, by the confidence of each word."""

    def of(self, message: Message, asked: tuple[str, ...] = (), apdu: Apdu | None = None) -> Meaning:
        """Returns what :func:`interpret` does."""
        if apdu or message.id_text or message.id_manufacturer or not TOKEN_LENGTHS.isdisjoint(map(len, message.value)):
            return interpret(message, self._profile, self._keys, asked, apdu)
        key = message.message, message.register, asked
        meaning = self._known.get(key)
        return self._of_values(key, message, asked) if meaning is None else meaning

    def _of_values(self, key: _Key, message: Message, asked: tuple[str, ...]) -> Meaning:
        """Returns the meaning of a message whose values may have one."""
        ids = registers_of(message, asked)
        readings = _readings([self._profile.register(id) for id in ids], message)
        confidences = tuple([reading.confidence if reading else None for reading in readings])
        same = self._known_but_words.get((key, confidences))
        if same is not None:
            return _worded(same, _words(readings))
        meaning = interpret(message, self._profile, self._keys, asked)
        if len(self._known) + len(self._known_but_words) == _MANY:
            self._known.clear()
            self._known_but_words.clear()
        if meaning is _NOTHING or not any(map(self.reads, ids)):
            self._known[key] = meaning
        elif not any(map(self.concerns_tokens, ids)):
            self._known_but_words[key, confidences] = _all_but_words(meaning)
        return meaning

    def reads(self, id: str) -> bool:
        """Whether what a register means depends on its value."""
        register = self._profile.register(id)
        return register is not None and bool(register.table or register.token_encodings or reads(register.encoding))

    def reading(self, id: str, value: str, unit: str) -> tuple[str, str] | None:
        """Returns the meaning of a register's value, and its confidence; None where it has none."""
        read = _read(self._profile.register(id), value, unit)
        return (read.word, read.confidence) if read else None

    def concerns_tokens(self, id: str) -> bool:
        """Whether a register may hold a token or the status of one."""
        register = self._profile.register(id)
        table = register.table if register else None
        return register is not None and bool(register.token_encodings or (table and table.name == TOKEN_STATUS))


_MANY = 4096
"""Most meanings that are remembered."""
TOKEN_LENGTHS = frozenset(LENGTHS)
"""Where the profile names no token, a value of another length has no meaning without its register."""


def weakest(*confidences: str) -> str:
    """Returns the least certain of the confidences."""
    return max(confidences, key=CONFIDENCES.index)


def _readings(registers: Sequence[Register | None], message: Message) -> list[_Reading | None]:
    return [_read(*each) for each in zip(registers, message.value, message.unit, strict=True)]


def _read(register: Register | None, value: str, unit: str) -> _Reading | None:
    """Reads a value by its register's table or encoding; None where neither applies."""
    if register is None:
        return None
    confidence, table = register.provenance.confidence, register.table
    if table is None:
        word = reading(register.encoding, value, unit)
        return None if word is None else _Reading(word, confidence)
    code = number(value, register.encoding.base, register.encoding.octets)
    if code is None or code not in table.values:
        return None
    confidence = weakest(confidence, table.provenance_of(code).confidence)
    status = code if table.name == TOKEN_STATUS else None
    return _Reading(table.values[code], confidence, status, table.outcomes.get(code), table.meanings.get(code))


def _names(registers: Sequence[Register | None], doubts: _Doubts) -> tuple[str, ...]:
    known = [register for register in registers if register]
    for register in known:
        doubts.lean(register.provenance.confidence, "vtc.register.name")
    return tuple(register.name if register else "" for register in registers) if known else ()


def _words(readings: Sequence[_Reading | None]) -> tuple[str, ...]:
    words = tuple([reading.word if reading else "" for reading in readings])
    return words if any(words) else ()


def _status(readings: Sequence[_Reading | None], doubts: _Doubts) -> _Reading | None:
    """Returns the first token status among the readings."""
    status = next((read for read in readings if read and read.status is not None), None)
    if status:
        doubts.lean(status.confidence, "vtc.status.token", "vtc.status.token.name")
        if status.meaning:
            doubts.lean(status.confidence, "vtc.status.token.meaning")
        if status.outcome:
            doubts.lean(status.confidence, "vtc.status.token.outcome")
    return status


def _token(message: Message, registers: Sequence[Register | None], keys: Keys | None, doubts: _Doubts) -> Token | None:
    """Finds the first token in a message's values."""
    for register, value in zip(registers, message.value, strict=True):
        encodings = register.token_encodings if register else ()
        if not encodings and len(value) not in LENGTHS:
            continue
        token = recognise(value, encodings, keys)
        if token:
            form = register.provenance.confidence if register and not proven(token) else token.confidence
            doubts.lean(form, "vtc.token", "vtc.token.encoding")
            doubts.lean(token.confidence, "vtc.token")
            return token
    return None


def _entered(apdu: Apdu, keys: Keys | None, doubts: _Doubts) -> Token | None:
    """Finds the token that an APDU writes."""
    found = token_of(apdu, keys)
    if found is None:
        return None
    token, confidence = found
    doubts.lean(confidence, "vtc.token", "vtc.token.encoding")
    doubts.lean(token.confidence, "vtc.token")
    return token


def _maker(message: Message, layout: Identification, doubts: _Doubts) -> str | None:
    """Returns the manufacturer that an identification's letters stand for, if the profile expects FLAG letters
    there."""
    maker = manufacturer(message.id_manufacturer) if layout.flag and message.id_manufacturer else None
    if maker:
        doubts.lean(layout.provenance.confidence, "vtc.id.manufacturer.name")
    return maker


def _identification(message: Message, layout: Identification, doubts: _Doubts) -> tuple[str, ...]:
    """Returns the fields that the profile finds in an identification's text, each ``name=characters``."""
    parts = []
    rest = message.id_text or ""
    for name, length in layout.fields:
        if len(rest) < length:
            break
        parts.append(f"{name}={rest[:length]}")
        rest = rest[length:]
    if parts:
        doubts.lean(layout.provenance.confidence, "vtc.id.field")
    return tuple(parts)
