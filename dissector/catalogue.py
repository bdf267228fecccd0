"""The field catalogue: every field's name, type, unit and meaning, once.

The Lua dissector's fields and the reference in docs/fields.md are generated from it; ``read --json``, ``--filter`` and
the Scapy layer are checked against it. Names are Wireshark's form, ``vtc.id.speed``; in Python and Scapy the same field
is ``id_speed`` (:attr:`Field.attribute`).
"""

from dataclasses import dataclass
from typing import Final

from vtctap.dissector.protocol.rules import MessageName


@dataclass(frozen=True, slots=True)
class Field:
    """One field. ``type``: ``s`` string, ``e`` enumeration shown as one of ``words``, ``u`` unsigned number, ``n``
    number, ``b`` boolean (present only where true), ``t`` seconds, ``f`` record number. ``repeats``: a list, one item
    an occurrence. ``generated``: not in the octets of the message but said by the tap or concluded. ``context``:
    concluded from the records before, so that a record by itself has none. ``later``: concluded from the records after,
    which Wireshark alone shows, in a second pass. ``wide``: an unsigned number of more than 32
    bits."""

    name: str
    type: str
    description: str
    words: tuple[str, ...] = ()
    repeats: bool = False
    generated: bool = False
    context: bool = False
    later: bool = False
    wide: bool = False

    @property
    def attribute(self) -> str:
        """The field's name in Python and Scapy."""
        return self.name.removeprefix("vtc.").replace(".", "_")


MESSAGES: Final = tuple(MessageName)
"""The words of ``vtc.message``."""

CONFIDENCES: Final = ("confirmed", "derived", "assumed")
"""From the surest to the least sure."""


def _tap(name: str, type: str, description: str, **more: object) -> Field:
    return Field(name, type, description, generated=True, **more)  # type: ignore[arg-type]


CATALOGUE: Final = (
    _tap("vtc.kind", "e", "What the record holds", words=("frame", "noise", "event")),
    _tap("vtc.sender", "e", "Who sent the octets", words=("client", "server", "unknown")),
    _tap("vtc.sender.inferred", "b", "The sender is concluded from the protocol, not from the wiring"),
    _tap("vtc.link", "u", "Link number"),
    _tap("vtc.tap", "u", "Tap number"),
    _tap("vtc.speed", "u", "Speed of the line, bit/s"),
    _tap("vtc.line", "s", "Character format of the line, such as 7E1"),
    _tap("vtc.duration", "t", "From the first start bit to the last stop bit"),
    _tap("vtc.uncertainty", "t", "How far the true time may lie from the time stamp"),
    _tap("vtc.gap", "t", "Since the end of the link's previous frame", context=True),
    _tap("vtc.pause", "t", "Silence inside the record, before an octet that did not follow back to back", repeats=True),
    _tap("vtc.event", "s", "Name of the event"),
    _tap("vtc.event.detail", "s", "What the event says"),
    _tap("vtc.error.parity", "u", "Position of an octet with wrong parity", repeats=True),
    _tap("vtc.error.framing", "u", "Position of an octet with a framing error", repeats=True),
    _tap("vtc.error.break", "b", "A break was on the line"),
    _tap("vtc.error.overrun", "b", "Octets were lost before they could be read"),
    _tap("vtc.cut", "b", "The frame did not reach its end, or goes on in the next record"),
    _tap("vtc.echo", "b", "The other side's octets, heard on this tap"),
    _tap("vtc.order.uncertain", "b", "The order against the other tap's records is uncertain"),
    _tap("vtc.time.synthetic", "b", "The time is made up: the octets were imported without times"),
    Field("vtc.message", "e", "Message", words=MESSAGES),
    Field("vtc.cmd", "s", "Command letter and type, such as R1"),
    Field("vtc.address", "s", "Address of the meter that an IDRequest calls"),
    Field("vtc.register", "s", "Register of a data set; empty where the data set names none", repeats=True),
    Field("vtc.value", "s", "Value of a data set", repeats=True),
    Field("vtc.unit", "s", "Unit of a data set; empty where it has none", repeats=True),
    _tap("vtc.register.name", "s", "The register's name in the profile; empty where it has none", repeats=True),
    _tap("vtc.value.decoded", "s", "The value's meaning in the profile; empty where it has none", repeats=True),
    Field("vtc.error.code", "s", "Error code of the answer"),
    Field("vtc.text", "s", "What else the message carries"),
    Field("vtc.id.manufacturer", "s", "FLAG manufacturer letters of the identification"),
    _tap("vtc.id.manufacturer.name", "s", "Maker that the FLAG manufacturer letters stand for"),
    Field("vtc.id.speed", "s", "Speed character of the identification"),
    Field("vtc.id.text", "s", "The rest of the identification"),
    _tap("vtc.id.field", "s", "Field of the identification's text by the profile, name=characters", repeats=True),
    Field("vtc.option.protocol", "s", "Protocol control character of the option select"),
    Field("vtc.option.speed", "s", "Speed character of the option select"),
    Field("vtc.option.mode", "s", "Mode control character of the option select"),
    Field("vtc.bcc", "u", "Check character received"),
    _tap("vtc.bcc.expected", "u", "Check character that the frame asks for"),
    _tap("vtc.bcc.status", "e", "Verdict on the check character", words=("good", "bad", "missing", "none")),
    _tap("vtc.bcc.rule", "e", "Rule by which the check character is good", words=("xor", "sum")),
    Field("vtc.crc", "u", "CRC16 of a Telegram"),
    _tap("vtc.crc.status", "e", "Verdict on the CRC16", words=("good", "bad", "missing")),
    _tap("vtc.status.token", "u", "Token status"),
    _tap("vtc.status.token.name", "s", "Meaning of the token status"),
    _tap("vtc.token", "s", "Token, as its 20 digits"),
    _tap("vtc.token.encoding", "e", "Form of the token in the value", words=("decimal", "hexadecimal", "packed")),
    _tap("vtc.token.class", "u", "Class of the token"),
    _tap("vtc.token.subclass", "u", "Subclass of the token"),
    _tap("vtc.token.name", "s", "What the token is; of an encrypted one, what its class is"),
    _tap("vtc.token.crc", "u", "CRC of the token"),
    _tap("vtc.token.crc.status", "e", "Verdict on the token's CRC", words=("good", "bad", "encrypted")),
    _tap("vtc.token.control", "u", "Control field of a test token", wide=True),
    _tap("vtc.token.control.name", "s", "What a bit of the control field asks for", repeats=True),
    _tap("vtc.token.manufacturer", "u", "Manufacturer code of a test token"),
    _tap("vtc.token.payload", "s", "Payload whose layout is not public, hexadecimal"),
    _tap("vtc.token.pan", "s", "Number (PAN) of the meter whose key of the key file reads the token"),
    _tap("vtc.token.rnd", "u", "Random number"),
    _tap("vtc.token.tid", "u", "Token identifier: minutes since the base date"),
    _tap("vtc.token.issued", "s", "Minute of issue, if the base date is 1993, 2014, 2035", repeats=True),
    _tap("vtc.token.amount", "n", "Credit, in units"),
    _tap("vtc.token.unit", "s", "Unit of the credit or limit"),
    _tap("vtc.token.mpl", "u", "Maximum power limit, W"),
    _tap("vtc.token.mppul", "u", "Maximum phase power unbalance limit, W"),
    _tap("vtc.token.register", "u", "Register that is cleared; 65535: all"),
    _tap("vtc.token.rate", "u", "Tariff rate"),
    _tap("vtc.token.wmf", "u", "Water meter factor"),
    _tap("vtc.token.pad", "u", "Filling of a token that carries no value"),
    _tap("vtc.token.kenho", "u", "Key expiry number, high order (4 bits)"),
    _tap("vtc.token.kenlo", "u", "Key expiry number, low order (4 bits)"),
    _tap("vtc.token.krn", "u", "Key revision number"),
    _tap("vtc.token.ro", "u", "Rollover of the base date"),
    _tap("vtc.token.3kct", "b", "Further key change tokens follow"),
    _tap("vtc.token.kt", "u", "Key type"),
    _tap("vtc.token.ti", "u", "Tariff index"),
    _tap("vtc.token.sgcho", "u", "Supply group code, high order (12 bits)"),
    _tap("vtc.token.sgclo", "u", "Supply group code, low order (12 bits)"),
    _tap("vtc.token.nkho", "s", "New decoder key, section of the first token; 'vtctap token' alone shows it"),
    _tap("vtc.token.nklo", "s", "New decoder key, section of the second token; 'vtctap token' alone shows it"),
    _tap("vtc.token.nkmo2", "s", "New decoder key, section of the third token; 'vtctap token' alone shows it"),
    _tap("vtc.token.nkmo1", "s", "New decoder key, section of the fourth token; 'vtctap token' alone shows it"),
    _tap("vtc.request_in", "f", "The request that this answers", context=True),
    _tap("vtc.response_in", "f", "The answer to this request (in a second pass only)", context=True, later=True),
    _tap("vtc.response_time", "t", "From the end of the request to the start of its answer", context=True),
    _tap("vtc.repeat_of", "f", "The record that this one repeats, the first of a row", context=True),
    _tap("vtc.status.token_in", "f", "The token that this token status is about", context=True),
    _tap("vtc.token.status_in", "f", "The verdict on this token (in a second pass only)", context=True, later=True),
    _tap("vtc.session", "u", "Session number, through the trace, from 1", context=True),
    _tap("vtc.confidence", "e", "The weakest source that the record's decoding leans on", words=CONFIDENCES),
    _tap("vtc.assumed", "s", "Name of a field that is assumed", repeats=True),
)

FIELDS: Final = {field.name: field for field in CATALOGUE}
POSITIONS: Final = {name: at for at, field in enumerate(CATALOGUE) for name in (field.attribute, field.name)}
"""Where a field stands in the catalogue, by either of its names."""


def reference() -> str:
    """The reference of all fields, as Markdown: docs/fields.md."""
    rows = []
    for field in CATALOGUE:
        marks = ", ".join(word for word, holds in (("repeats", field.repeats), ("generated", field.generated)) if holds)
        words = f"; one of {', '.join(f'`{word}`' for word in field.words)}" if field.words else ""
        rows.append(
            f"| `{field.name}` | `{field.attribute}` | {TYPES[field.type]} | {field.description}{words} | {marks} |"
        )
    return _REFERENCE.format(rows="\n".join(rows))


TYPES: Final = {
    "s": "string",
    "e": "enumeration",
    "u": "unsigned number",
    "n": "number",
    "b": "boolean",
    "t": "seconds",
    "f": "record number",
}

_REFERENCE: Final = """# Fields

Made from `dissector/catalogue.py` by `make docs`; do not edit.

The first name is that in Wireshark and in `vtctap read --json`, the second that in Python and Scapy. A field that does
not apply is absent; a boolean is there only where it is true. A field that repeats is a list in JSON; of
`vtc.register`, `vtc.value`, `vtc.unit`, `vtc.register.name` and `vtc.value.decoded` item *i* belongs to data set *i*,
and what is absent there is an empty string. A generated field is not in the octets of the message: the tap says it, or
it is concluded. JSON objects also carry `frame.number`, `frame.time_epoch` and `frame.time_relative` (seconds since
1970, and since the trace's first record, with nine decimals, as strings) and `vtc.octets` (the record's octets,
hexadecimal).

In text, octets that are no printable ASCII character are shown as `<NUL>`, `<STX>`, `<80>`.

| Wireshark, JSON | Python, Scapy | Type | Meaning | |
|---|---|---|---|---|
{rows}
"""

if __name__ == "__main__":
    print(reference(), end="")
