# mypy: disallow-subclassing-any=False
"""The messages as Scapy packets, with one class per message.

The patterns of :mod:`vtctap.dissector.protocol.messages` locate a message's parts, and its decoder gives their meaning,
so the two cannot disagree; this module only splits the octets.
"""

from collections.abc import Sequence
from typing import Any, Final

from vtctap.dissector.protocol import hdlc
from vtctap.dissector.protocol.checksums import crc16, fcs16
from vtctap.dissector.protocol.messages import LINE_END, TELEGRAM_END, bare_read, block_end
from vtctap.dissector.scapy.data_sets import DataSet, data_set, data_sets
from vtctap.dissector.scapy.exact import Exact
from vtctap.dissector.scapy.fields import (
    CheckField,
    CountField,
    ImpliedField,
    MarkField,
    MeantField,
    OctetsField,
    PacketsField,
    SequenceField,
)
from vtctap.dissector.scapy.message_layer import Block, MessageLayer, Split, summary_of
from vtctap.pcap.record import Kind

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

_BODY: Final = (PacketsField("data_sets", [], DataSet), OctetsField("rest", b""))
_CHECK: Final = (MarkField("end", b"\x03"), CheckField("bcc", b"%c", 0xFF))
_CHECKED: Final = (*_BODY, *_CHECK)
_HEAD: Final = (
    MarkField("start", b"\x01"),
    OctetsField("cmd", b""),
    ImpliedField("stx", lambda command: b"\x02" if command.data_sets or command.rest else b""),
)


class _Command(Block):
    """A message that begins with SOH, a command letter and a type."""

    fields_desc: Sequence[Any] = (*_HEAD, *_CHECKED)

    def split(self, octets: bytes, structure: bytes, text: bytes) -> Split:
        end = block_end(structure, 1)
        stx = structure.find(b"\x02", 1, end)
        cmd = min(3, end if stx < 0 else stx)
        body = cmd + (structure[cmd : cmd + 1] == b"\x02")
        fields, rest = self.checked(octets, text, body, end)
        mark = octets[cmd:body]
        implied = b"\x02" if body < end else b""
        head = {"start": octets[:1], "cmd": octets[1:cmd], "stx": None if mark == implied else mark}
        return head | fields, rest


class ReadCommand(_Command):
    """Reads registers: ``SOH R1 STX register() ETX BCC``; with a ``count`` there are no brackets:
    ``SOH R STX register count ETX BCC``."""

    cmd = b"R1"
    fields_desc = (*_HEAD, *_BODY, CountField("count"), *_CHECK)

    def from_keywords(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Returns the fields of a packet's keyword arguments; a count leaves out type and brackets."""
        made = super().from_keywords(fields)
        if made.get("count") is not None:
            made.setdefault("cmd", b"R")
            for data_set in made.get("data_sets", ()):
                data_set.opening = data_set.closing = b""
        return made

    def split(self, octets: bytes, structure: bytes, text: bytes) -> Split:
        """Splits octets."""
        fields, rest = super().split(octets, structure, text)
        end = block_end(structure)
        bare = bare_read(structure, text, end - 5, end) if len(fields["rest"]) == 5 else None
        if bare:
            register = {"register": octets[end - 5 : end - 1], "opening": b"", "closing": b""}
            fields |= {"data_sets": [data_set(register, self)], "count": int(bare[2], 16), "rest": b""}
        return fields, rest


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


class Data(Block):
    """Data sets, as a readout or an answer: ``STX register(value*unit) ETX BCC``."""

    fields_desc = (
        MarkField("start", b"\x02"),
        *_CHECKED,
    )

    def split(self, octets: bytes, structure: bytes, text: bytes) -> Split:
        """Splits octets."""
        fields, rest = self.checked(octets, text, 1, block_end(structure, 1))
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


class Telegram(Block):
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
        header = hdlc.header_end(octets[: hdlc.MAX_HEADER]) or size + 1
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
        return summary_of(self, Kind.NOISE)


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
