"""Messages: decodes the octets of one frame by the syntax of IEC 62056-21 clause 6.3, which IEC 62055-52 shares.

:func:`decode` takes the octets of a frame record and returns a :class:`Message`. It ignores times, links and profiles,
and it never raises: of a cut or damaged frame it returns what is there.

Structure is read from the low seven bits, so a line recorded with its parity bits still decodes. Text loses bit 7 only
where the octets clearly have even parity (:func:`.carries_even_parity`).

A data set is ``register(value*unit)``. The Lua dissector and the Scapy layer share these rules:

- a register is the text before ``(``, after the last ``)``, line end or ``!``; it may be empty;
- a value runs to its closing bracket, including inner pairs of brackets; a line end also closes it;
- the unit follows the first ``*`` of a value without inner brackets;
- text outside of data sets is the message's ``text``, as is another mark in place of a request's ``?``.

A read may have no brackets, ``SOH R STX rrrr n ETX BCC``: register and count, four and one hexadecimal digits. So the
clients of prepayment meters send it; whether the count is of registers or of octets is not known.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from vtctap.dissector.protocol import hdlc
from vtctap.dissector.protocol.characters import (
    ACK,
    CR,
    EOT,
    ETX,
    LF,
    SEVEN_BITS,
    SOH,
    STX,
    carries_even_parity,
    show,
)
from vtctap.dissector.protocol.checksums import bcc_sum, bcc_xor, crc16
from vtctap.dissector.protocol.rules import ALONE, COMMANDS, HDLC_FLAG, SLASH, MessageName
from vtctap.pcap.construction import fast_init


@fast_init
@dataclass(frozen=True, slots=True)
class Message:
    """One message. Attributes are the fields of the catalogue without ``vtc.``; None or () is absent.

    ``message`` is None only for octets that begin like no message: the later part of a frame that did not fit into one
    record. ``register``, ``value`` and ``unit`` run parallel, with one item per data set.
    """

    message: MessageName | None
    cmd: str | None = None
    address: str | None = None
    register: tuple[str, ...] = ()
    value: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()
    count: int | None = None
    error_code: str | None = None
    text: str | None = None
    id_manufacturer: str | None = None
    id_speed: str | None = None
    id_text: str | None = None
    option_protocol: str | None = None
    option_speed: str | None = None
    option_mode: str | None = None
    bcc: int | None = None
    bcc_expected: int | None = None
    bcc_status: str | None = "none"
    bcc_rule: str | None = None
    crc: int | None = None
    crc_status: str | None = None
    hcs: int | None = None
    hcs_status: str | None = None
    fcs: int | None = None
    fcs_status: str | None = None

    @property
    def bad_check(self) -> bool:
        """Whether any check of the message is wrong."""
        if self.bcc_rule:  # It is good, and the only one.
            return False
        bcc, crc = self.bcc_status == "bad", self.crc_status == "bad"
        return bcc or crc or self.hcs_status == "bad" or self.fcs_status == "bad"


DATA_SET = re.compile(rb"([^(\r\n!]*)\(([^()\r\n]*)(\)?)|([^(\r\n!]+)|[\r\n!]+")
"""Matches the next data set of a body (register, value up to a bracket, its end), text outside of data sets, or
separators."""


_PLAIN_DATA_SET = re.compile(DATA_SET.pattern.decode())
"""Matches as :data:`DATA_SET` does, in text."""
_BARE_READ = re.compile(rb"([0-9A-F]{4})([0-9A-F])")


def bare_read(structure: bytes, text: bytes, body: int, end: int) -> re.Match[bytes] | None:
    """Matches the body of a read without brackets, after its STX: register and count."""
    return _BARE_READ.fullmatch(text, body, end) if structure[body - 1 : body] == b"\x02" else None


def data_sets(text: bytes) -> tuple[list[str], list[str], list[str], list[str]]:
    """Returns the registers, values, units and other texts of a message's body."""
    registers: list[str] = []
    values: list[str] = []
    units: list[str] = []
    rest: list[str] = []
    at, end = 0, len(text)
    plain = text.isascii() and text.translate(None, b"\r\n").decode().isprintable() and b"<" not in text
    if plain and (sets := _plain_sets(text.decode())):
        return sets
    shown = bytes.decode if plain else show  # The same for plain text, which most is, and faster.
    while at < end and (found := DATA_SET.match(text, at)):
        register, value, closed, other = found.groups()
        at = found.end()
        if value is None:
            if other is not None:
                rest.append(shown(other))
            continue
        if not closed and text[at : at + 1] == b"(":
            stop = closing_bracket(text, at)
            value = text[found.start(2) : stop]
            at = stop + (text[stop : stop + 1] == b")")
            unit = b""
        else:
            value, _, unit = value.partition(b"*")
        registers.append(shown(register))
        values.append(shown(value))
        units.append(shown(unit))
    return registers, values, units, rest


def _plain_sets(text: str) -> tuple[list[str], list[str], list[str], list[str]] | None:
    """Returns what :func:`data_sets` does, of plain text and faster; None where a value has inner brackets or no
    end."""
    found = _PLAIN_DATA_SET.findall(text)
    sets = [each for each in found if each[2]]
    if len(sets) != text.count("("):
        return None
    values = [each[1].partition("*") for each in sets]
    rest = [each[3] for each in found if each[3]]
    return [each[0] for each in sets], [value[0] for value in values], [value[2] for value in values], rest


def closing_bracket(text: bytes, at: int) -> int:
    """Returns the end of the value that is open at ``at``: its closing bracket, a line end, or the end of the text."""
    depth = 1
    for position in range(at, len(text)):
        octet = text[position]
        depth += (octet == 0x28) - (octet == 0x29)
        if depth == 0 or octet in (CR, LF):
            return position
    return len(text)


def _block(
    name: MessageName, structure: bytes, text: bytes, start: int, body: int, end: int, cmd: str | None = None
) -> Message:
    """Decodes a message with a check character: the check begins at ``start``, the data sets at ``body``, and ETX or
    EOT is (or would be) at ``end``."""
    bare = bare_read(structure, text, body, end) if name == MessageName.ReadCommand else None
    registers, values, units, rest = ([show(bare[1])], [""], [""], []) if bare else data_sets(text[body:end])
    bcc: int | None = None
    expected: int | None = None
    status = "missing"
    rule: str | None = None
    error_code: str | None = None
    if end < len(structure):
        checked = structure[start : end + 1]
        expected = bcc_xor(checked)
        if end + 1 < len(structure):
            bcc = structure[end + 1]
            status = "good"
            if bcc == expected:
                rule = "xor"
            elif bcc == (by_sum := bcc_sum(checked)):
                rule = "sum"
                expected = by_sum
            else:
                status = "bad"
            if end + 2 < len(text):
                rest.append(show(text[end + 2 :]))
    if name == MessageName.Data:
        name = _answer_name(registers, values, structure[end : end + 1])
        if name == MessageName.Error:
            error_code = _ERROR_CODE.match(values[0])[0]  # type: ignore[index]  # ER always matches
    return Message(
        name,
        cmd,
        register=tuple(registers),
        value=tuple(values),
        unit=tuple(units),
        count=int(bare[2], 16) if bare else None,
        error_code=error_code,
        text=" ".join(rest) or None,
        bcc=bcc,
        bcc_expected=expected,
        bcc_status=status,
        bcc_rule=rule,
    )


_ERROR_CODE = re.compile("ER[0-9A-Za-z]*")


def block_end(structure: bytes, start: int = 0) -> int:
    """Returns the position of the first ETX or EOT from ``start`` on; the length where there is none."""
    etx, eot = structure.find(ETX, start), structure.find(EOT, start)
    if etx < 0 or 0 <= eot < etx:
        etx = eot
    return etx if etx >= 0 else len(structure)


def only_rule(message: Message, octets: bytes) -> str | None:
    """Returns the rule that makes a message's check character right; None where both do, or none."""
    if message.bcc_status != "good" or message.bcc is None:
        return None
    structure, _ = readings(octets)
    checked = structure[1 : block_end(structure) + 1]
    return message.bcc_rule if bcc_xor(checked) != bcc_sum(checked) else None


def _answer_name(registers: list[str], values: list[str], end: bytes) -> MessageName:
    if registers == [""] and values[0].startswith("ER"):
        return MessageName.Error
    return MessageName.PartialData if end == b"\x04" else MessageName.Data


def command_end(structure: bytes, end: int) -> int:
    """Returns the end of a command's letter and type, in a command that ends at ``end``."""
    stx = structure.find(STX, 1, end)
    return min(3, end if stx < 0 else stx)


def _command_name(cmd: str) -> MessageName:
    known = cmd[:1] in COMMANDS and (len(cmd) < 2 or cmd[1].isdecimal())
    return COMMANDS[cmd[0]] if known else MessageName.UndefinedCommand


def _command(structure: bytes, text: bytes) -> Message:
    end = block_end(structure)
    body = command_end(structure, end)
    cmd = show(text[1:body])
    body += structure[body : body + 1] == b"\x02"
    return _block(_command_name(cmd), structure, text, 1, body, end, cmd or None)


def _data(structure: bytes, text: bytes) -> Message:
    return _block(MessageName.Data, structure, text, 1, 1, block_end(structure))


LINE_END = re.compile(rb"\r\n|\r|\n")
"""The line end of an identification."""
TELEGRAM_END = re.compile(rb"!([0-9A-Fa-f]{0,4})\r?\n?\Z")
"""The end of a Telegram: its CRC, if any, and a line end."""


def calls(structure: bytes) -> bool:
    """Whether octets that begin with a slash are an IDRequest: ``/?``, or a service request such as ``/2!``, with
    another mark in place of ``?`` (in no standard; EMH, Elster and others list the meaning of each mark)."""
    return structure[1:2] == b"?" or structure[2:3] == b"!"


def _identification_name(structure: bytes) -> MessageName:
    if calls(structure):
        return MessageName.IDRequest
    line = LINE_END.search(structure)
    return MessageName.IDResponse if line is None or line.end() == len(structure) else MessageName.Telegram


def _identification(structure: bytes, text: bytes) -> Message:
    name = _identification_name(structure)
    if name == MessageName.IDRequest:
        return _request(structure, text)
    line = LINE_END.search(structure)
    end = line.start() if line else len(structure)
    identification = Message(
        name,
        id_manufacturer=show(text[1 : min(4, end)]) or None,
        id_speed=show(text[4 : min(5, end)]) or None,
        id_text=show(text[5:end]) or None,
    )
    if name == MessageName.IDResponse:
        return identification
    last = TELEGRAM_END.search(structure)
    registers, values, units, rest = data_sets(text[end : last.start() if last else len(text)])
    crc: int | None = None
    crc_status = "missing"
    if last and last[1]:
        crc = int(last[1], 16)
        crc_status = "good" if crc == crc16(text[: last.start() + 1]) else "bad"
    return replace(
        identification,
        register=tuple(registers),
        value=tuple(values),
        unit=tuple(units),
        text=" ".join(rest) or None,
        crc=crc,
        crc_status=crc_status,
    )


def _request(structure: bytes, text: bytes) -> Message:
    address, mark, rest = text[2:].partition(b"!")
    if not mark:
        address = address.rstrip(b"\r\n")
    asks = b"" if structure[1:2] == b"?" else text[1:2]
    texts = [show(part) for part in (asks, rest.strip(b"\r\n")) if part]
    return Message(MessageName.IDRequest, address=show(address) or None, text=" ".join(texts) or None)


def _acknowledgement(structure: bytes, text: bytes) -> Message:
    if len(structure) == 1:
        return Message(MessageName.ACK)
    protocol, speed, mode = (show(text[at : at + 1]) or None for at in (1, 2, 3))
    return Message(MessageName.OptionSelect, option_protocol=protocol, option_speed=speed, option_mode=mode)


def _hdlc(structure: bytes, text: bytes) -> Message:
    hcs, hcs_status, fcs, fcs_status = hdlc.checks(text)
    return Message(MessageName.HDLC, hcs=hcs, hcs_status=hcs_status, fcs=fcs, fcs_status=fcs_status)


def _alone(name: MessageName, structure: bytes, text: bytes) -> Message:
    return Message(name)


_DECODERS: Final[dict[int, Callable[[bytes, bytes], Message]]] = {
    SOH: _command,
    STX: _data,
    SLASH: _identification,
    ACK: _acknowledgement,
    HDLC_FLAG: _hdlc,
    **{first: partial(_alone, name) for first, name in ALONE.items()},
}


def _block_name(structure: bytes, text: bytes) -> MessageName:
    end = block_end(structure)
    body = text[1:end]
    registers, values, _, _ = data_sets(body) if b"(ER" in body else ([], [], [], [])
    return _answer_name(registers, values, structure[end : end + 1])


def _alone_name(name: MessageName, structure: bytes, text: bytes) -> MessageName:
    return name


_NAMES: Final[dict[int, Callable[[bytes, bytes], MessageName]]] = {
    SOH: lambda structure, text: _command_name(show(text[1 : command_end(structure, block_end(structure))])),
    STX: _block_name,
    SLASH: lambda structure, text: _identification_name(structure),
    ACK: lambda structure, text: MessageName.ACK if len(structure) == 1 else MessageName.OptionSelect,
    HDLC_FLAG: partial(_alone_name, MessageName.HDLC),
    **{first: partial(_alone_name, name) for first, name in ALONE.items()},
}


def readings(octets: bytes) -> tuple[bytes, bytes]:
    """Returns the octets by which a frame's structure is read (seven bits), and those by which its text is read."""
    if octets.isascii():
        return octets, octets
    structure = octets.translate(SEVEN_BITS)
    text = carries_even_parity(octets) and structure[0] != HDLC_FLAG  # In HDLC all eight bits are data.
    return structure, structure if text else octets


def name_of(octets: bytes) -> MessageName | None:
    """Returns the name of a frame's message, as :func:`decode` finds it, and nothing else."""
    structure, text = readings(octets)
    name = _NAMES.get(structure[0]) if structure else None
    return name(structure, text) if name else None


def decode(octets: bytes) -> Message:
    """Decodes a frame's octets (without the parity bit, or with it in bit 7)."""
    structure, text = readings(octets)
    decoder = _DECODERS.get(structure[0]) if structure else None
    if decoder is None:
        return Message(None, text=show(octets) or None, bcc_status=None)
    return decoder(structure, text)
