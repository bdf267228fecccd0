"""Divides the octets of a frame into pieces, each with the kind of its content.

Only structure is kept without a look at its content: control characters at their places, brackets, line ends, letters
of commands, check characters. Octets that belong to no known part are :data:`Kind.TEXT`. Positions are those of the
frame; the structure is read from the low seven bits, as in :mod:`vtctap.dissector.protocol.messages`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from vtctap.dissector.protocol import hdlc
from vtctap.dissector.protocol.characters import STX
from vtctap.dissector.protocol.messages import (
    DATA_SET,
    LINE_END,
    TELEGRAM_END,
    bare_read,
    block_end,
    closing_bracket,
    command_end,
    name_of,
    readings,
)
from vtctap.dissector.protocol.rules import MessageName
from vtctap.dissector.redaction.rules import COMMAND


class PieceKind(Enum):
    """What a piece holds."""

    REGISTER = auto()
    VALUE = auto()
    UNIT = auto()
    ADDRESS = auto()
    IDENTIFICATION = auto()
    TEXT = auto()
    PAYLOAD = auto()
    """Octets of any values."""
    HDLC_ADDRESS = auto()
    """The lower half of a long HDLC address: two octets, of which bit 0 is the structure."""


EIGHT_BITS: Final = frozenset({PieceKind.PAYLOAD, PieceKind.HDLC_ADDRESS})
"""Kinds in which bit 7 is data."""


@dataclass(frozen=True, slots=True)
class FramePiece:
    """A piece of a frame, and of a value its register and unit."""

    start: int
    end: int
    kind: PieceKind
    register: str = ""
    unit: str = ""


_ALONE: Final = frozenset({MessageName.ACK, MessageName.NAK, MessageName.WakeUp})
_COMMANDS: Final = frozenset(
    {
        *(MessageName.ReadCommand, MessageName.WriteCommand, MessageName.BreakCommand, MessageName.PasswordCommand),
        *(MessageName.ExecuteCommand, MessageName.UndefinedCommand),
    }
)
_ERROR_HEAD: Final = re.compile(rb"ER(R(OR)?)?(?![A-Za-z])")
"""The letters that make an answer an error message. Others, such as those of a name, are part of its text."""
_IDENTIFICATION_HEAD: Final = re.compile(rb"/[A-Za-z]{3}[0-9A-I]")
"""The maker's letters and the character of the speed (IEC 62056-21 clause 6.3.2). Other letters may begin a name."""


def pieces(octets: bytes) -> list[FramePiece]:
    """Returns the pieces of a frame that are not structure, in order."""
    name = name_of(octets)
    structure, _ = readings(octets)
    kept = bytearray(len(octets))
    found = [piece for piece in _parts(name, structure, kept) if piece.end > piece.start]
    for piece in found:
        kept[piece.start : piece.end] = b"\1" * (piece.end - piece.start)
    return sorted([*found, *_rest(kept)], key=lambda piece: piece.start)


def _rest(kept: bytearray) -> Iterator[FramePiece]:
    """Yields the octets that no part names."""
    at = 0
    while (start := kept.find(0, at)) >= 0:
        at = kept.find(1, start)
        at = at if at >= 0 else len(kept)
        yield FramePiece(start, at, PieceKind.TEXT)


def _keep(kept: bytearray, start: int, end: int) -> None:
    kept[start:end] = b"\1" * len(kept[start:end])


def _parts(name: MessageName | None, structure: bytes, kept: bytearray) -> Iterator[FramePiece]:
    if name in _ALONE:
        _keep(kept, 0, len(structure) - len(structure.lstrip(structure[:1])))
    elif name == MessageName.OptionSelect:
        _keep(kept, 0, 4)
        _line_end(structure, kept, 4)
    elif name == MessageName.HDLC:
        yield from _hdlc(structure, kept)
    elif name == MessageName.IDRequest:
        yield from _request(structure, kept)
    elif name in (MessageName.IDResponse, MessageName.Telegram):
        yield from _identification(structure, kept, name)
    elif name in _COMMANDS:
        end = block_end(structure)
        body = command_end(structure, end)
        _keep(kept, 0, body if COMMAND.fullmatch(structure[1:body]) else 2)
        after = body + (structure[body : body + 1] == bytes([STX]))
        _keep(kept, body, after)
        yield from _block(name, structure, kept, after, end)
    elif name is not None:
        _keep(kept, 0, 1)
        yield from _block(name, structure, kept, 1, block_end(structure))


def _line_end(structure: bytes, kept: bytearray, at: int) -> None:
    """Keeps line ends from a position on."""
    for position in range(at, len(structure)):
        if structure[position] in b"\r\n":
            kept[position] = 1


def _block(name: MessageName, structure: bytes, kept: bytearray, body: int, end: int) -> Iterator[FramePiece]:
    """The body of a message, its last character and its check character."""
    _keep(kept, end, end + 2)
    bare = bare_read(structure, structure, body, end) if name == MessageName.ReadCommand else None
    if bare:
        _keep(kept, body, end)
    else:
        yield from _data_sets(name, structure, kept, body, end)


def _data_sets(name: MessageName | None, structure: bytes, kept: bytearray, at: int, end: int) -> Iterator[FramePiece]:
    text = structure[:end]
    while at < end and (found := DATA_SET.match(text, at)):
        start, at = at, found.end()
        if found[2] is None:
            if found[4] is None:
                _keep(kept, start, at)
            continue
        first, last = found.span(2)
        kept[first - 1] = 1
        if not found[3] and text[at : at + 1] == b"(":
            last = closing_bracket(text, at)
            at = last + (text[last : last + 1] == b")")
            star = last
        else:
            star = text.find(b"*", first, last)
            star = star if star >= 0 else last
        _keep(kept, last, at)
        register, unit = structure[start : first - 1].decode("latin-1"), structure[star + 1 : last].decode("latin-1")
        yield FramePiece(start, first - 1, PieceKind.REGISTER)
        error = _ERROR_HEAD.match(structure, first, star) if name == MessageName.Error and not register else None
        if error:
            _keep(kept, first, error.end())
        yield FramePiece(error.end() if error else first, star, PieceKind.VALUE, register, unit)
        if star < last:
            kept[star] = 1
            yield FramePiece(star + 1, last, PieceKind.UNIT)


def _request(structure: bytes, kept: bytearray) -> Iterator[FramePiece]:
    _keep(kept, 0, 2)
    mark = structure.find(b"!", 2)
    end = mark if mark >= 0 else len(structure.rstrip(b"\r\n"))
    if mark >= 0:
        kept[mark] = 1
    _line_end(structure, kept, end)
    yield FramePiece(2, end, PieceKind.ADDRESS)


def _identification(structure: bytes, kept: bytearray, name: MessageName) -> Iterator[FramePiece]:
    line = LINE_END.search(structure)
    end = line.start() if line else len(structure)
    head = _IDENTIFICATION_HEAD.match(structure, 0, end)
    start = head.end() if head else 1
    _keep(kept, 0, start)
    yield FramePiece(start, end, PieceKind.IDENTIFICATION)
    if line:
        _keep(kept, end, line.end())
    if name == MessageName.Telegram:
        last = TELEGRAM_END.search(structure)
        if last:
            _keep(kept, last.start(), len(structure))
        yield from _data_sets(name, structure, kept, end, last.start() if last else len(structure))


def _hdlc(octets: bytes, kept: bytearray) -> Iterator[FramePiece]:
    """An HDLC frame: its header stays but for the low half of long addresses, which meters make of their number."""
    header = hdlc.header_end(octets[: hdlc.MAX_HEADER])
    end = hdlc.end_of(octets) if header else 0
    if header is None or end < header + 2:  # A length that contradicts the addresses.
        _keep(kept, 0, hdlc.ADDRESSES)
        yield FramePiece(hdlc.ADDRESSES, len(octets), PieceKind.PAYLOAD)
        return
    _keep(kept, 0, header)
    at = hdlc.ADDRESSES
    for _ in ("destination", "source"):
        start, at = at, at + len(hdlc.address(octets, at))
        if at - start == hdlc.MAX_ADDRESS:
            yield FramePiece(at - 2, at, PieceKind.HDLC_ADDRESS)
    _keep(kept, end - 2, end + 1)
    if header + 4 <= end:
        _keep(kept, header, header + 2)
        yield FramePiece(header + 2, min(end - 2, len(octets)), PieceKind.PAYLOAD)
    yield FramePiece(end + 1, len(octets), PieceKind.PAYLOAD)
