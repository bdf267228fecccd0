"""The field catalogue: the name, type, unit and meaning of every field.

The Lua dissector's fields and docs/fields.md are generated from this table; ``read --json``, ``--filter`` and the Scapy
layer are checked against it. Names have Wireshark's form (``vtc.id.speed``); Python and Scapy call the same field
``id_speed`` (:attr:`Field.attribute`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vtctap.dissector.protocol.dlms import SERVICES
from vtctap.dissector.protocol.rules import MessageName


class FieldType(StrEnum):
    """The type of a field's values, in the words of the documentation."""

    STRING = "string"
    ENUMERATION = "enumeration"
    UNSIGNED = "unsigned number"
    NUMBER = "number"
    BOOLEAN = "boolean"
    SECONDS = "seconds"
    RECORD = "record number"


STRING, ENUMERATION, UNSIGNED, NUMBER, BOOLEAN, SECONDS, RECORD = FieldType


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the catalogue.

    - ``words`` are the values of an enumeration; ``bits`` is the width of an unsigned number. A boolean is present only
      where it is true.
    - ``repeats``: the field is a list with one item for each occurrence.
    - ``generated``: the tap reports the value or the dissector concludes it; no octets of the message hold it.
    - ``context``: the value follows from earlier records, so a single record has none.
    - ``later``: the value follows from later records; only Wireshark's second pass shows it.
    - ``extra``: the extra whose library reads the value. The Lua dissector has no such library and no such field.
    """

    name: str
    type: FieldType
    description: str
    words: tuple[str, ...] = ()
    repeats: bool = False
    generated: bool = False
    context: bool = False
    later: bool = False
    extra: str = ""
    bits: int = 32

    @property
    def attribute(self) -> str:
        """The field's name in Python and Scapy, such as ``id_speed``."""
        return self.name.removeprefix("vtc.").replace(".", "_")


MESSAGES: Final = tuple(MessageName)
"""The values of ``vtc.message``."""

CONFIDENCES: Final = ("confirmed", "derived", "assumed")
"""The confidences, the most certain first."""

TOKEN_OUTCOMES: Final = ("accepted", "rejected", "locked out", "pending")
"""The outcomes that a token status can report; "locked out" means that the meter accepts no tokens for now."""


def _dlms(name: str, type: FieldType, description: str, **more: object) -> Field:
    return Field(f"vtc.dlms.{name}", type, description, extra="dlms", **more)  # type: ignore[arg-type]


def _gen(name: str, type: FieldType, description: str, **more: object) -> Field:
    """Returns a field that no octets of the message hold: the tap reports it or the dissector concludes it."""
    return Field(name, type, description, generated=True, **more)  # type: ignore[arg-type]


CATALOGUE: Final = (
    _gen("vtc.kind", ENUMERATION, "What the record holds", words=("frame", "noise", "event")),
    _gen("vtc.sender", ENUMERATION, "Who sent the octets", words=("client", "server", "unknown")),
    _gen("vtc.sender.inferred", BOOLEAN, "The sender is concluded from the protocol, not from the wiring"),
    _gen("vtc.link", UNSIGNED, "Link number"),
    _gen("vtc.tap", UNSIGNED, "Tap number"),
    _gen("vtc.speed", UNSIGNED, "Speed of the line, bit/s"),
    _gen("vtc.line", STRING, "Character format of the line, such as 7E1"),
    _gen("vtc.duration", SECONDS, "From the first start bit to the last stop bit"),
    _gen("vtc.uncertainty", SECONDS, "How far the true time may be from the timestamp"),
    _gen("vtc.gap", SECONDS, "Since the end of the link's previous frame", context=True),
    _gen("vtc.pause", SECONDS, "Silence before an octet that did not follow back to back", repeats=True),
    _gen("vtc.event", STRING, "Name of the event"),
    _gen("vtc.event.detail", STRING, "Details of the event"),
    _gen("vtc.error.parity", UNSIGNED, "Position of an octet with wrong parity", repeats=True),
    _gen("vtc.error.framing", UNSIGNED, "Position of an octet with a framing error", repeats=True),
    _gen("vtc.error.break", BOOLEAN, "A break was on the line"),
    _gen("vtc.error.overrun", BOOLEAN, "Octets were lost before they could be read"),
    _gen("vtc.cut", BOOLEAN, "The frame is incomplete, or continues in the next record"),
    _gen("vtc.echo", BOOLEAN, "The other side's octets, heard on this tap"),
    _gen("vtc.order.uncertain", BOOLEAN, "The order against the other tap's records is uncertain"),
    _gen("vtc.time.synthetic", BOOLEAN, "The timestamp is invented: the octets were imported without times"),
    _gen("vtc.chain", STRING, "Id of the hash chain, hexadecimal"),
    _gen("vtc.chain.number", UNSIGNED, "Number of the record in the hash chain, from 1"),
    _gen("vtc.chain.hash", STRING, "First eight octets of the record's hash, hexadecimal"),
    Field("vtc.message", ENUMERATION, "Message", words=MESSAGES),
    Field("vtc.cmd", STRING, "Command letter and type, such as R1"),
    Field("vtc.address", STRING, "Address of the meter that an IDRequest calls"),
    Field("vtc.register", STRING, "Register of a data set; empty where the data set names none", repeats=True),
    _gen(
        "vtc.register.asked",
        STRING,
        "Register that the request named, of a data set that names none; empty where it names its own",
        repeats=True,
        context=True,
    ),
    Field("vtc.value", STRING, "Value of a data set", repeats=True),
    Field("vtc.unit", STRING, "Unit of a data set; empty where it has none", repeats=True),
    Field("vtc.count", UNSIGNED, "Count in a read without brackets, of registers or octets (which is open)", bits=8),
    _gen("vtc.register.name", STRING, "The register's name in the profile; empty where it has none", repeats=True),
    _gen("vtc.value.decoded", STRING, "The value's meaning in the profile; empty where it has none", repeats=True),
    Field("vtc.error.code", STRING, "Error code of the answer"),
    Field("vtc.text", STRING, "Other text of the message"),
    Field("vtc.id.manufacturer", STRING, "FLAG manufacturer letters of the identification"),
    _gen("vtc.id.manufacturer.name", STRING, "Manufacturer that the FLAG letters stand for"),
    Field("vtc.id.speed", STRING, "Speed character of the identification"),
    Field("vtc.id.text", STRING, "The rest of the identification"),
    _gen("vtc.id.field", STRING, "Field of the identification's text by the profile, name=characters", repeats=True),
    Field("vtc.option.protocol", STRING, "Protocol control character of the option select"),
    Field("vtc.option.speed", STRING, "Speed character of the option select"),
    Field("vtc.option.mode", STRING, "Mode control character of the option select"),
    Field("vtc.bcc", UNSIGNED, "Check character received", bits=8),
    _gen("vtc.bcc.expected", UNSIGNED, "Check character computed from the frame", bits=8),
    _gen("vtc.bcc.status", ENUMERATION, "Verdict on the check character", words=("good", "bad", "missing", "none")),
    _gen("vtc.bcc.rule", ENUMERATION, "Rule that the good check character follows", words=("xor", "sum")),
    Field("vtc.crc", UNSIGNED, "CRC16 of a Telegram", bits=16),
    _gen("vtc.crc.status", ENUMERATION, "Verdict on the CRC16", words=("good", "bad", "missing")),
    Field("vtc.hcs", UNSIGNED, "Header check sequence of an HDLC frame", bits=16),
    _gen("vtc.hcs.status", ENUMERATION, "Verdict on the header check sequence", words=("good", "bad")),
    Field("vtc.fcs", UNSIGNED, "Frame check sequence of an HDLC frame", bits=16),
    _gen("vtc.fcs.status", ENUMERATION, "Verdict on the frame check sequence", words=("good", "bad", "missing")),
    _dlms("service", ENUMERATION, "Service of the DLMS APDU in an HDLC frame", words=tuple(SERVICES.values())),
    _dlms("ciphered", BOOLEAN, "The APDU is ciphered, so its content is unknown"),
    _dlms("invoke_id", UNSIGNED, "Invoke id, the same in a request and its answer", bits=8),
    _dlms("class", UNSIGNED, "Class of the COSEM object that a request names", bits=16),
    _dlms("obis", STRING, "OBIS code of the COSEM object that a request names"),
    _dlms("attribute", UNSIGNED, "Attribute that a request reads or writes", bits=8),
    _dlms("method", UNSIGNED, "Method that a request calls", bits=8),
    _dlms("result", UNSIGNED, "Result of the request; 0: success", bits=8),
    _dlms("result.name", STRING, "Name of the result in IEC 62056-5-3"),
    _gen("vtc.status.token", UNSIGNED, "Token status"),
    _gen("vtc.status.token.name", STRING, "Name of the token status"),
    _gen("vtc.status.token.meaning", STRING, "What the token status means, in a sentence"),
    _gen("vtc.status.token.outcome", ENUMERATION, "What the token status says of the token", words=TOKEN_OUTCOMES),
    _gen("vtc.token", STRING, "Token, as its 20 digits"),
    _gen("vtc.token.encoding", ENUMERATION, "Form of the token", words=("decimal", "hexadecimal", "packed", "bcd")),
    _gen("vtc.token.class", UNSIGNED, "Class of the token"),
    _gen("vtc.token.subclass", UNSIGNED, "Subclass of the token"),
    _gen("vtc.token.name", STRING, "Name of the token; of an encrypted token, name of its class"),
    _gen("vtc.token.crc", UNSIGNED, "CRC of the token", bits=16),
    _gen("vtc.token.crc.status", ENUMERATION, "Verdict on the token's CRC", words=("good", "bad", "encrypted")),
    _gen("vtc.token.control", UNSIGNED, "Control field of a test token", bits=64),
    _gen("vtc.token.control.name", STRING, "Test that a bit of the control field requests", repeats=True),
    _gen("vtc.token.manufacturer", UNSIGNED, "Manufacturer code of a test token"),
    _gen("vtc.token.payload", STRING, "Payload whose layout is not public, hexadecimal"),
    _gen("vtc.token.pan", STRING, "Number (PAN) of the meter whose key in the key file decrypts the token"),
    _gen("vtc.token.rnd", UNSIGNED, "Random number"),
    _gen("vtc.token.tid", UNSIGNED, "Token identifier: minutes since the base date"),
    _gen("vtc.token.issued", STRING, "Minute of issue, if the base date is 1993, 2014, 2035", repeats=True),
    _gen("vtc.token.amount", NUMBER, "Credit, in units"),
    _gen("vtc.token.unit", STRING, "Unit of the credit or limit"),
    _gen("vtc.token.mpl", UNSIGNED, "Maximum power limit, W"),
    _gen("vtc.token.mppul", UNSIGNED, "Maximum phase power unbalance limit, W"),
    _gen("vtc.token.register", UNSIGNED, "Register that the token clears; 65535: all"),
    _gen("vtc.token.rate", UNSIGNED, "Tariff rate"),
    _gen("vtc.token.wmf", UNSIGNED, "Water meter factor"),
    _gen("vtc.token.pad", UNSIGNED, "Padding of a token that carries no value"),
    _gen("vtc.token.kenho", UNSIGNED, "Key expiry number, high order (4 bits)"),
    _gen("vtc.token.kenlo", UNSIGNED, "Key expiry number, low order (4 bits)"),
    _gen("vtc.token.krn", UNSIGNED, "Key revision number"),
    _gen("vtc.token.ro", UNSIGNED, "Rollover of the base date"),
    _gen("vtc.token.3kct", BOOLEAN, "Further key change tokens follow"),
    _gen("vtc.token.kt", UNSIGNED, "Key type"),
    _gen("vtc.token.ti", UNSIGNED, "Tariff index"),
    _gen("vtc.token.sgcho", UNSIGNED, "Supply group code, high order (12 bits)"),
    _gen("vtc.token.sgclo", UNSIGNED, "Supply group code, low order (12 bits)"),
    _gen("vtc.token.nkho", STRING, "New decoder key, section of the first token; 'vtctap token' alone shows it"),
    _gen("vtc.token.nklo", STRING, "New decoder key, section of the second token; 'vtctap token' alone shows it"),
    _gen("vtc.token.nkmo2", STRING, "New decoder key, section of the third token; 'vtctap token' alone shows it"),
    _gen("vtc.token.nkmo1", STRING, "New decoder key, section of the fourth token; 'vtctap token' alone shows it"),
    _gen("vtc.request_in", RECORD, "The request that this frame answers", context=True),
    _gen("vtc.response_in", RECORD, "The answer to this request (in a second pass only)", context=True, later=True),
    _gen("vtc.response_time", SECONDS, "From the end of the request to the start of its answer", context=True),
    _gen("vtc.repeat_of", RECORD, "The record that this one repeats, the first of its series", context=True),
    _gen("vtc.status.token_in", RECORD, "The token that this token status is about", context=True),
    _gen(
        "vtc.token.status_in",
        RECORD,
        "The verdict on this token (in a second pass only)",
        context=True,
        later=True,
    ),
    _gen("vtc.session", UNSIGNED, "Session number, counted through the trace from 1", context=True),
    _gen("vtc.confidence", ENUMERATION, "Confidence of the least certain source of the decoding", words=CONFIDENCES),
    _gen("vtc.assumed", STRING, "Name of a field whose decoding is assumed", repeats=True),
)

FIELDS: Final = {field.name: field for field in CATALOGUE}
POSITIONS: Final = {name: at for at, field in enumerate(CATALOGUE) for name in (field.attribute, field.name)}
"""The field's position in the catalogue, by either of its names."""


def reference() -> str:
    """Returns the reference of all fields as Markdown, for docs/fields.md."""
    rows = []
    for field in CATALOGUE:
        marks = ", ".join(word for word, holds in _marks(field) if holds)
        words = f"; one of {', '.join(f'`{word}`' for word in field.words)}" if field.words else ""
        rows.append(f"| `{field.name}` | `{field.attribute}` | {field.type} | {field.description}{words} | {marks} |")
    return _REFERENCE.format(rows="\n".join(rows))


def _marks(field: Field) -> tuple[tuple[str, object], ...]:
    return ("repeats", field.repeats), ("generated", field.generated), (f"extra {field.extra}", field.extra)


_REFERENCE: Final = """# Fields

Generated from `dissector/catalogue.py` by `make pages`; do not edit.

The first name is that in Wireshark and in `vtctap read --json`, the second that in Python and Scapy. A field that does
not apply is absent; a boolean is there only where it is true. A field that repeats is a list in JSON; of
`vtc.register`, `vtc.register.asked`, `vtc.value`, `vtc.unit`, `vtc.register.name` and `vtc.value.decoded` item *i*
belongs to data set *i*, and what is absent there is an empty string. A generated field is not in the octets of the
message: the tap says it, or it is concluded. A field marked with an extra is present if that extra is installed, and
never in Wireshark, which has its own dissector for the same octets. JSON objects also carry `frame.number`,
`frame.time_epoch` and `frame.time_relative` (seconds since 1970, and since the trace's first record, with nine
decimals, as strings) and `vtc.octets` (the record's octets, hexadecimal).

In text, octets that are no printable ASCII character are shown as `<NUL>`, `<STX>`, `<80>`.

| Wireshark, JSON | Python, Scapy | Type | Meaning | |
|---|---|---|---|---|
{rows}
"""

if __name__ == "__main__":
    print(reference(), end="")
