"""The fields of a dissection: as a dictionary by name, and as the text of a JSON object, in catalogue order.

Theory
======

A frame has some 25 of the catalogue's fields. To find out which, and to write them, took most of the time of every
display as long as it was done by loops. So :func:`_made` writes the function that a patient person would write, one
statement per field in the order of the catalogue, and compiles it. Of the dictionary::

    values["vtc.link"] = record.link
    if message.cmd is not None:
        values["vtc.cmd"] = message.cmd

and of the text, which is what :func:`json.dumps` makes of the dictionary, octet for octet::

    text += f'"vtc.session": {session!r}, '
    if repeat_of is not None:
        text += f'"vtc.repeat_of": {repeat_of!r}, '

Fields that take few values on a link, such as those of the tap's settings, are written by functions of these values,
which remember the texts that they returned.

What is known of a field is known once: its name, its place in the order and its type, which says how JSON writes it, in
the catalogue; where its value comes from, and when it applies, in the tables of sources here.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from json import dumps
from json.encoder import encode_basestring_ascii
from typing import Any, Final, TypeAlias

from vtctap.dissector.catalogue import CATALOGUE, MESSAGES, Field, FieldType
from vtctap.dissector.meaning import Meaning
from vtctap.dissector.pairing import Place
from vtctap.dissector.protocol.characters import show_text
from vtctap.dissector.protocol.messages import Message
from vtctap.pcap.hash_chain import HashLink
from vtctap.pcap.record import Flag, Kind, Sender

Value: TypeAlias = str | int | float | bool | list[str] | list[int] | list[float]
"""The value of a field in JSON."""
Fields: TypeAlias = dict[str, Value]
"""Fields by name."""

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
    digits = str(time_ns)
    if time_ns < 1_000_000_000:
        digits = digits.zfill(11 if time_ns < 0 else 10)
    return f"{digits[:-9]}.{digits[-9:]}"


def field_values(fields: Mapping[str, Value], name: str) -> list[Value]:
    """Returns the values of one of a record's fields as a list, whether it repeats, is single or is absent."""
    value = fields.get(name)
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


_NAMES: Final = {field.attribute: field.name for field in CATALOGUE}


def _by_name(values: Mapping[str, Any]) -> Fields:
    """Turns values by attribute into values by name."""
    return {_NAMES[attribute]: value for attribute, value in values.items()}


# Where the values come from.


@dataclass(frozen=True, slots=True)
class _Source:
    """An expression of a field's value, and the condition on which the field applies.

    The value of a ``group`` is a dictionary of the field and of those behind it. Of a ``plain`` string, JSON escapes
    nothing. A ``steady`` field takes few values on a link, so that its text is remembered.
    """

    value: str
    condition: str = "True"
    group: bool = False
    plain: bool = False
    steady: bool = False


_Sources: TypeAlias = dict[str, _Source]
"""Sources by the field's name in Python."""

_RECORD: Final[_Sources] = {
    "kind": _Source("KINDS[record.kind]", plain=True, steady=True),
    "sender": _Source("SENDERS[record.sender]", plain=True, steady=True),
    "sender_inferred": _Source("True", "record.inferred", steady=True),
    "link": _Source("record.link", steady=True),
    "tap": _Source("record.tap", steady=True),
    "speed": _Source("record.speed", "record.speed", steady=True),
    "line": _Source("str(record.line)", "record.line", plain=True, steady=True),
    "duration": _Source("record.duration / 1e9", steady=True),
    "uncertainty": _Source("record.uncertainty / 1e9", "record.uncertainty is not None", steady=True),
    "pause": _Source("[pause / 1e6 for _, pause in record.pauses_us]", "record.pauses_us"),
    "event": _Source("event[0]", "event"),
    "event_detail": _Source("event[2]", "event and event[2]"),
    "error_parity": _Source("record.parity_errors", "record.parity_errors"),
    "error_framing": _Source("record.framing_errors", "record.framing_errors"),
    **{attribute: _Source("True", f"record.flags & {flag}", steady=True) for flag, attribute in FLAG_FIELDS},
    "chain": _Source("chain.id.hex()", "chain", plain=True),
    "chain_number": _Source("chain.number", "chain"),
    "chain_hash": _Source("chain.start.hex()", "chain", plain=True),
}
_RECORD_TERMS: Final = (
    "record = self.record",
    "event = record.event and show_text(record.event).partition(' ')",
    "chain = HashLink.decode(record.chain) if record.chain else None",
)
"""Statements of the names that the sources use."""


_STEADY: Final = ("message", "cmd", "register", "bcc", "bcc_expected", "bcc_status", "bcc_rule")
"""The steady fields of a message."""


def _present(owner: str, attributes: tuple[str, ...]) -> dict[str, _Source]:
    """Returns the sources of the attributes that are fields. One applies unless it is None, or an empty tuple.

    The words of an enumeration are plain strings; the name of a message is none, and is faster escaped than formatted.
    """
    return {
        field.attribute: _Source(
            value,
            value if field.repeats else f"{value} is not None",
            plain=field.words not in ((), MESSAGES),
            steady=field.attribute in _STEADY,
        )
        for field in CATALOGUE
        if field.attribute in attributes and (value := owner + field.attribute)
    }


_CONTENT: Final[_Sources] = {
    **_present("message.", Message.__slots__),
    "value": _Source("message.value", "message.register"),
    "unit": _Source("message.unit", "message.register", steady=True),
    **_present("meaning.", Meaning.__slots__),
    "confidence": _Source("meaning.confidence", plain=True),
    "dlms_service": _Source("by_name(meaning.apdu.attributes())", "meaning.apdu", group=True),
    "token": _Source("by_name(meaning.token.attributes())", "meaning.token", group=True),
}
_FRAME: Final[_Sources] = {
    **_RECORD,
    **_CONTENT,
    **_present("", Place._fields),
    "session": _Source("session"),
    "gap": _Source("gap_ns / 1e9", "gap_ns is not None"),
    "response_time": _Source("response_time_ns / 1e9", "response_time_ns is not None"),
}
_FRAME_TERMS: Final = (
    *_RECORD_TERMS,
    "message, meaning, gap_ns = self.message, self.meaning, self.gap_ns",
    f"{', '.join(Place._fields)} = self.place",
)

_BEFORE: Final = (
    Field("frame.number", FieldType.RECORD, "Number of the record"),
    Field("frame.time_epoch", FieldType.STRING, "Its time"),
    Field("frame.time_relative", FieldType.STRING, "Its time since the first record"),
)
_BEHIND: Final = (Field("vtc.octets", FieldType.STRING, "Its octets"),)
"""What JSON says before and behind the fields."""
_AROUND: Final[_Sources] = {
    "frame_number": _Source("self.number"),
    "frame_time_epoch": _Source("epoch(record.time)", plain=True),
    "frame_time_relative": _Source("epoch(self.since_first_ns)", plain=True),
    "octets": _Source("record.octets.hex()", plain=True),
}


def _listed(texts: tuple[str, ...]) -> str:
    """Writes a list of texts as JSON does; most have one."""
    if len(texts) == 1:
        return f"[{encode_basestring_ascii(texts[0])}]"
    return f"[{', '.join(map(encode_basestring_ascii, texts))}]"


_WORDS: Final[Mapping[str, object]] = {
    "KINDS": {kind: kind.name.lower() for kind in Kind},
    "SENDERS": {sender: sender.name.lower() for sender in Sender},
    "HashLink": HashLink,
    "by_name": _by_name,
    "epoch": epoch,
    "show_text": show_text,
    "quoted": encode_basestring_ascii,
    "listed": _listed,
    "members": lambda fields: dumps(fields)[1:-1],
}
"""The names that the functions use and do not state."""


# What is done with them.


_Run: TypeAlias = list[tuple[Field, _Source]]
"""Fields that apply on the same condition, one behind the other."""


def _into_dictionary(run: _Run) -> str:
    """Returns the statements that add fields to ``values``."""
    return "; ".join(
        f"values.update({source.value})"
        if source.group
        else f"values[{field.name!r}] = {f'list({source.value})' if field.repeats else source.value}"
        for field, source in run
    )


def _into_text(run: _Run) -> str:
    """Returns the statement that adds fields to ``text``."""
    return "text += " + " ".join(
        f"f'{{members({source.value})}}, '" if source.group else f"f'\"{field.name}\": {_json(field, source)}, '"
        for field, source in run
    )


def _json(field: Field, source: _Source) -> str:
    """Returns how an f-string writes a value as JSON does. Numbers and lists of numbers look as in Python."""
    if field.type is FieldType.BOOLEAN:
        return "true"
    if source.plain:
        return f'"{{{source.value}}}"'
    if field.type in (FieldType.STRING, FieldType.ENUMERATION):
        return f"{{{'listed' if field.repeats else 'quoted'}({source.value})}}"
    return f"{{list({source.value})!r}}" if field.repeats else f"{{{source.value}!r}}"


def _present_in(sources: _Sources) -> _Run:
    """Returns the fields that have a source, in their order."""
    ordered = (*_BEFORE, *CATALOGUE, *_BEHIND)
    return [(field, sources[field.attribute]) for field in ordered if field.attribute in sources]


def _statements(present: Iterable[tuple[Field, _Source]], add: Callable[[_Run], str]) -> list[str]:
    """Returns the statements that add those of the fields that apply."""
    runs = groupby(present, key=lambda each: each[1].condition)
    return [f"if {condition}: {add(list(run))}" for condition, run in runs]


def _made(parameters: str, statements: Iterable[str], result: str, **more: object) -> Callable[..., Any]:
    """Makes the function that follows the statements, and returns the ``result``."""
    names = {**_WORDS, **more}
    exec("\n ".join((f"def made({parameters}):", *statements, f"return {result}")), names)
    made: Callable[..., Any] = names["made"]  # type: ignore[assignment]
    return made


def _dictionary(parameters: str, terms: tuple[str, ...], sources: _Sources) -> Callable[..., Fields]:
    statements = ("values = {}", *terms, *_statements(_present_in(sources), _into_dictionary))
    return _made(parameters, statements, "values")


def _text(terms: tuple[str, ...], sources: _Sources) -> Callable[[Any, str], str]:
    """Makes the function that adds one field after the other to a text, and those that are steady together."""
    statements = [*terms]
    together: dict[str, object] = {}
    for steady, run in groupby(_present_in(sources), key=lambda each: each[1].steady):
        adding = _statements(run, _into_text)
        if steady:
            name, values = f"steady_{len(together)}", [*dict.fromkeys(_VALUE.findall("\n".join(adding)))]
            together[name] = _remembering(values, adding)
            adding = [f"text += {name}({', '.join(values)})"]
        statements += adding
    return _made("self, text", statements, "text[:-2] + '}'", **together)


def _remembering(values: list[str], adding: list[str]) -> Callable[..., Any]:
    """Makes a function of the values that steady fields depend on. It returns their text, and remembers it."""
    parameters = {value: value.replace(".", "_") for value in values}
    statements = (_VALUE.sub(lambda found: parameters[found[0]], line) for line in ("text = ''", *adding))
    return lru_cache(_MANY)(_made(", ".join(parameters.values()), statements, "text"))


_VALUE: Final = re.compile(r"\b(?:record|message)\.\w+")
"""A value that a steady field depends on."""
_MANY: Final = 1024
"""Most texts that are remembered of steady fields that stand together."""


record_fields: Final[Callable[[Any], Fields]] = _dictionary("self", _RECORD_TERMS, _RECORD)
"""Returns the fields of a :class:`~vtctap.dissector.dissect.Dissection`."""
record_json: Final[Callable[[Any], Fields]] = _dictionary("self", _RECORD_TERMS, _RECORD | _AROUND)
"""Returns its JSON object."""
record_text: Final = _text(_RECORD_TERMS, _RECORD | _AROUND)
"""Returns the text of its JSON object, from what precedes the first field on (``text``)."""
frame_fields: Final[Callable[[Any], Fields]] = _dictionary("self", _FRAME_TERMS, _FRAME)
"""Returns the fields of a :class:`~vtctap.dissector.dissect.Frame`."""
frame_json: Final[Callable[[Any], Fields]] = _dictionary("self", _FRAME_TERMS, _FRAME | _AROUND)
"""Returns its JSON object."""
frame_text: Final = _text(_FRAME_TERMS, _FRAME | _AROUND)
"""Returns the text of its JSON object, from what precedes the first field on (``text``)."""
content: Final[Callable[[Message, Meaning], Fields]] = _dictionary("message, meaning", (), _CONTENT)
"""Returns the fields that follow from a message and its meaning."""
