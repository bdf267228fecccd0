# mypy: disallow-subclassing-any=False
"""The messages as Scapy packets, with one class per message.

The patterns of :mod:`vtctap.dissector.protocol.messages` locate a message's parts, and its decoder gives their meaning,
so the two cannot disagree; this module only splits the octets.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final

from vtctap.dissector.dissect import Value
from vtctap.dissector.meaning import Meaning
from vtctap.dissector.protocol import hdlc
from vtctap.dissector.protocol.characters import SEVEN_BITS, carries_even_parity
from vtctap.dissector.protocol.checksums import bcc_xor, crc16, fcs16
from vtctap.dissector.protocol.messages import LINE_END, TELEGRAM_END, Message, block_end
from vtctap.dissector.protocol.rules import MAY_FOLLOW
from vtctap.dissector.scapy.data_sets import DataSet, data_sets
from vtctap.dissector.scapy.derived import BY_ATTRIBUTE, Derived
from vtctap.dissector.scapy.exact import Exact
from vtctap.dissector.scapy.fields import (
    CheckField,
    ImpliedField,
    MarkField,
    MeantField,
    OctetsField,
    PacketsField,
    SequenceField,
)
from vtctap.dissector.scapy.settings import dissect
from vtctap.dissector.text import summary
from vtctap.pcap.record import Kind, Record, RecordError

__all__ = [
    "ACK",
    "HDLC",
    "NAK",
    "BreakCommand",
    "Continuation",
    "Data",
    "Error",
    "ExecuteCommand",
    "IDRequest",
    "IDResponse",
    "Noise",
    "OptionSelect",
    "PartialData",
    "PasswordCommand",
    "ReadCommand",
    "Telegram",
    "UndefinedCommand",
    "WakeUp",
    "WriteCommand",
]

_TOKEN_FIELDS: Final = [attribute for attribute in BY_ATTRIBUTE if attribute.startswith("token_")]
_MESSAGE_FIELDS: Final = frozenset((*Message.__slots__, *Meaning.__slots__, *_TOKEN_FIELDS))
_MESSAGE_NAMES: Final = frozenset(BY_ATTRIBUTE[attribute].name for attribute in _MESSAGE_FIELDS)

Split = tuple[dict[str, Any], bytes]
"""The fields of a message, and the octets after it."""


def _summary(packet: Any, kind: Kind) -> tuple[str, list[Any]]:
    """Returns one line as ``read`` prints it, and the lower layer that the line already includes."""
    below = packet.underlayer
    of_below = getattr(below, "record", None)
    try:
        record = of_below() if of_below else Record(0, bytes(packet), kind)
    except RecordError:
        return type(packet).__name__, [type(below)]
    return summary(dissect(record)), [type(below)]


class MessageLayer(Derived):
    """A message. Its fields come from :meth:`split`, or else one field holds all of its octets."""

    fields_desc: Sequence[Any] = (OctetsField("octets", b""),)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.derived = _MESSAGE_FIELDS.difference(field.name for field in cls.fields_desc)

    def split(self, octets: bytes, structure: bytes, text: bytes) -> Split:
        """Splits octets; ``structure`` is their lower seven bits, ``text`` the octets without parity bits, where they
        have any."""
        return {"octets": octets}, b""

    def do_dissect(self, s: bytes) -> bytes:
        """Splits the octets; the rest goes into a Raw."""
        structure = text = s
        if not s.isascii():
            structure = s.translate(SEVEN_BITS)
            text = structure if carries_even_parity(s) else s
        fields, rest = self.split(s, structure, text)
        self.keep(s[: len(s) - len(rest)], fields)
        return rest

    def fields_vtc(self) -> dict[str, Value]:
        """Returns the catalogue's fields of the message and of its meaning by the profile, by name."""
        fields = dissect(Record(0, bytes(self))).fields()
        return {name: value for name, value in fields.items() if name in _MESSAGE_NAMES}

    def meaning_of(self, name: str) -> str:
        """Returns the manufacturer that an identification's letters stand for."""
        return self.derive(f"{name}_name") or ""

    def hashret(self) -> bytes:
        """Returns nothing, since a message does not identify its request."""
        return b""

    def answers(self, other: Any) -> int:
        """Whether this message may answer the other one."""
        return int(type(self).__name__ in MAY_FOLLOW.get(type(other).__name__, ()))

    def mysummary(self) -> tuple[str, list[Any]]:
        """Returns the line of ``vtctap read``, after the record's."""
        return _summary(self, Kind.FRAME)


class _Block(MessageLayer):
    """A message with data sets, which can be built from ``register``, ``value`` and ``unit``, each a text or a list."""

    def from_keywords(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Returns the fields of a packet's keyword arguments."""
        parts = [(name, fields.pop(name)) for name in ("register", "value", "unit") if name in fields]
        if parts:
            if "data_sets" in fields:
                raise TypeError(f"{type(self).__name__} takes data_sets or {parts[0][0]}, not both")
            rows = zip_longest(*(_texts(value) for _, value in parts))
            names = [name for name, _ in parts]
            sets = [{name: text for name, text in zip(names, row, strict=True) if text is not None} for row in rows]
            fields["data_sets"] = [DataSet(**each) for each in sets]
        return super().from_keywords(fields)

    def copies(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"data_sets": self.copies_of("data_sets", fields["data_sets"])}

    def _checked(self, octets: bytes, text: bytes, body: int, end: int) -> Split:
        """Splits a message with a check character, from its body on."""
        sets, rest = data_sets(octets[body:end], text[body:end], self)
        bcc = octets[end + 1 : end + 2]
        fields = {"data_sets": sets, "rest": rest, "end": octets[end : end + 1], "bcc": bcc[0] if bcc else b""}
        return fields, octets[end + 2 :]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Fills in the check character."""
        if self.getfieldval("bcc") is None and self.getfieldval("end"):
            pkt += bytes([bcc_xor(pkt[1:])])
        return bytes(pkt + pay)


def _texts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)


_BODY: Final = (PacketsField("data_sets", [], DataSet), OctetsField("rest", b""))
_CHECKED: Final = (*_BODY, MarkField("end", b"\x03"), CheckField("bcc", b"%c", 0xFF))


class _Command(_Block):
    """A message that begins with SOH, a command letter and a type."""

    fields_desc = (
        MarkField("start", b"\x01"),
        OctetsField("cmd", b""),
        ImpliedField("stx", lambda command: b"\x02" if command.data_sets or command.rest else b""),
        *_CHECKED,
    )

    def split(self, octets: bytes, structure: bytes, text: bytes) -> Split:
        end = block_end(structure, 1)
        stx = structure.find(b"\x02", 1, end)
        cmd = min(3, end if stx < 0 else stx)
        body = cmd + (structure[cmd : cmd + 1] == b"\x02")
        fields, rest = self._checked(octets, text, body, end)
        mark = octets[cmd:body]
        implied = b"\x02" if body < end else b""
        head = {"start": octets[:1], "cmd": octets[1:cmd], "stx": None if mark == implied else mark}
        return head | fields, rest


class ReadCommand(_Command):
    """Reads registers: ``SOH R1 STX register() ETX BCC``."""

    cmd = b"R1"


class WriteCommand(_Command):
    """Writes registers: ``SOH W1 STX register(value) ETX BCC``."""

    cmd = b"W1"


class ExecuteCommand(_Command):
    """Executes the function that the meter has under that register."""

    cmd = b"E2"


class PasswordCommand(_Command):
    """A password, or the operand that the meter sends (P0): ``SOH P1 STX (value) ETX BCC``."""

    cmd = b"P1"


class BreakCommand(_Command):
    """Ends the session: ``SOH B0 ETX BCC``."""

    cmd = b"B0"


class UndefinedCommand(_Command):
    """Any other frame that begins with SOH."""


class Data(_Block):
    """Data sets, as a readout or an answer: ``STX register(value*unit) ETX BCC``."""

    fields_desc = (
        MarkField("start", b"\x02"),
        *_CHECKED,
    )

    def split(self, octets: bytes, structure: bytes, text: bytes) -> Split:
        """Splits octets."""
        fields, rest = self._checked(octets, text, 1, block_end(structure, 1))
        return {"start": octets[:1]} | fields, rest


class PartialData(Data):
    """A part of a longer answer; it ends in EOT."""

    end = b"\x04"


class Error(Data):
    """An error answer, one data set without a register: ``STX (ER01) ETX BCC``."""


class IDRequest(MessageLayer):
    """Calls a meter: ``/?address!``; ``rest`` follows the ``!``."""

    fields_desc = (
        MarkField("start", b"/?"),
        OctetsField("address", b""),
        MarkField("mark", b"!"),
        OctetsField("rest", b"\r\n"),
    )

    def split(self, octets: bytes, structure: bytes, text: bytes) -> Split:
        """Splits octets."""
        mark = text.find(b"!", 2)
        end = mark if mark >= 0 else max(2, len(text.rstrip(b"\r\n")))
        rest = end + (mark >= 0)
        return {"start": octets[:2], "address": octets[2:end], "mark": octets[end:rest], "rest": octets[rest:]}, b""


_IDENTIFICATION: Final = (
    MarkField("start", b"/"),
    MeantField("id_manufacturer", b""),
    OctetsField("id_speed", b""),
    OctetsField("id_text", b""),
    MarkField("line_end", b"\r\n"),
)


def _identification(octets: bytes, end: int, line_end: int) -> dict[str, Any]:
    return {
        "start": octets[:1],
        "id_manufacturer": octets[1 : min(4, end)],
        "id_speed": octets[4 : min(5, end)],
        "id_text": octets[5:end],
        "line_end": octets[end:line_end],
    }


class IDResponse(MessageLayer):
    """The meter's identification: ``/XXXZtext``."""

    fields_desc = (*_IDENTIFICATION,)

    def split(self, octets: bytes, structure: bytes, text: bytes) -> Split:
        """Splits octets."""
        line = LINE_END.search(structure, 1)
        return _identification(octets, line.start() if line else len(octets), len(octets)), b""


class Telegram(_Block):
    """An identification, lines and ``!`` in one; ``crc=b""`` omits the CRC16."""

    fields_desc = (
        *_IDENTIFICATION,
        *_BODY,
        MarkField("end", b"!"),
        CheckField("crc", b"%04X", 0xFFFF),
        MarkField("tail", b"\r\n"),
    )

    def split(self, octets: bytes, structure: bytes, text: bytes) -> Split:
        """Splits octets."""
        line = LINE_END.search(structure, 1)
        line_at, body = line.span() if line else (len(octets), len(octets))
        last = TELEGRAM_END.search(structure, body)
        end, tail = (last.start(), last.end(1)) if last else (len(octets), len(octets))
        sets, rest = data_sets(octets[body:end], text[body:end], self)
        crc = octets[end + 1 : tail]
        usual = len(crc) == 4 and crc.isascii() and crc == crc.upper()
        return _identification(octets, line_at, body) | {
            "data_sets": sets,
            "rest": rest,
            "end": octets[end : end + 1],
            "crc": int(crc, 16) if usual else crc,
            "tail": octets[tail:],
        }, b""

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Fills in the CRC16."""
        if self.getfieldval("crc") is None and self.getfieldval("end"):
            tail = len(pkt) - len(self.getfieldval("tail"))
            pkt = pkt[:tail] + b"%04X" % crc16(pkt[:tail]) + pkt[tail:]
        return bytes(pkt + pay)


class OptionSelect(MessageLayer):
    """The client's choice of protocol, speed and mode: ``ACK 0 5 1``."""

    fields_desc = (
        MarkField("start", b"\x06"),
        OctetsField("option_protocol", b"0"),
        OctetsField("option_speed", b"0"),
        OctetsField("option_mode", b"0"),
        OctetsField("rest", b"\r\n"),
    )

    def split(self, octets: bytes, structure: bytes, text: bytes) -> Split:
        """Splits octets."""
        head = {"start": octets[:1], "option_protocol": octets[1:2], "option_speed": octets[2:3]}
        return head | {"option_mode": octets[3:4], "rest": octets[4:]}, b""


class _Character(MessageLayer):
    """A message of one character."""

    fields_desc = (MarkField("start", b""),)

    def split(self, octets: bytes, structure: bytes, text: bytes) -> Split:
        return {"start": octets[:1]}, octets[1:]


class ACK(_Character):
    """Accepts a message, or requests the next one."""

    start = b"\x06"


class NAK(_Character):
    """Refuses a message, or requests it again."""

    start = b"\x15"


class WakeUp(MessageLayer):
    """NULs that wake a battery-powered meter."""

    octets = bytes(84)


def _frame_format(addresses: bytes, control: bytes, information: bytes) -> bytes:
    """Returns the format field of an unsegmented frame: type 3, and the length of everything between the flags."""
    length = 2 + len(addresses) + len(control) + (len(information) + 2 if information else 0) + 2
    return (0xA000 | length & 0x7FF).to_bytes(2, "big")


class HDLC(MessageLayer):
    """A frame of mode E; its ``information`` is not dissected."""

    fields_desc = (
        MarkField("start", b"~"),
        ImpliedField("frame_format", lambda frame: _frame_format(frame.addresses, frame.control, frame.information)),
        OctetsField("addresses", b"\x03\x21"),
        OctetsField("control", b"\x93"),
        SequenceField("hcs"),
        OctetsField("information", b""),
        SequenceField("fcs"),
        MarkField("end", b"~"),
    )

    def split(self, octets: bytes, structure: bytes, text: bytes) -> Split:
        """Splits octets."""
        size = len(octets)
        header = hdlc.header_end(octets[: hdlc.MOST_HEADER]) or size + 1
        at, end = hdlc.places(octets)
        body = header + 2 if at is not None and at + 2 <= size else header
        body_end, tail = (end - 2, end) if end is not None and end <= size else (size, size)
        parts = octets[3 : header - 1], octets[header - 1 : header], octets[body:body_end]
        return {
            "start": octets[:1],
            "frame_format": None if octets[1:3] == _frame_format(*parts) else octets[1:3],
            "addresses": parts[0],
            "control": parts[1],
            "hcs": int.from_bytes(octets[header:body], "little") if body > header else (b"" if parts[2] else None),
            "information": parts[2],
            "fcs": int.from_bytes(octets[body_end:tail], "little") if tail > body_end else b"",
            "end": octets[tail:],
        }, b""

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Fills in the check sequences."""
        header = 3 + len(self.addresses) + len(self.control)
        if self.getfieldval("hcs") is None and self.information:
            pkt = pkt[:header] + fcs16(pkt[1:header]).to_bytes(2, "little") + pkt[header:]
        if self.getfieldval("fcs") is None:
            tail = len(pkt) - len(self.end)
            pkt = pkt[:tail] + fcs16(pkt[1:tail]).to_bytes(2, "little") + pkt[tail:]
        return bytes(pkt + pay)


class Continuation(MessageLayer):
    """A later part of a frame that did not fit into one record."""


class Noise(Exact):
    """Octets that belong to no frame."""

    fields_desc = (OctetsField("octets", b""),)

    def mysummary(self) -> tuple[str, list[Any]]:
        """Returns the line of ``vtctap read``, after the record's."""
        return _summary(self, Kind.NOISE)


LAYERS: Final[dict[str | None, type[MessageLayer]]] = {
    None: Continuation,
    **{
        layer.__name__: layer
        for layer in (
            *(IDRequest, IDResponse, OptionSelect, ACK, NAK, WakeUp, HDLC, Telegram, Data, PartialData, Error),
            *(ReadCommand, WriteCommand, ExecuteCommand, PasswordCommand, BreakCommand, UndefinedCommand),
        )
    },
}
"""The class of each message of :func:`vtctap.dissector.protocol.messages.decode`."""
