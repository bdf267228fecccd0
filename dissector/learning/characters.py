"""Questions about characters: their format and speed.

A tap that checks parity shows the format: other formats would give parity errors in about half of the characters. A
recording that was imported shows only what its octets still hold. Parity bits that were removed, or never recorded,
leave 7E1, 7O1 and 8N1 alike. A second stop bit cannot be told from a short pause.
"""

from typing import Final

from vtctap.dissector.learning.evidence import Explaining, Notes
from vtctap.dissector.learning.question import Question
from vtctap.dissector.learning.turns import Turn
from vtctap.dissector.protocol.characters import carries_even_parity, carries_odd_parity
from vtctap.dissector.protocol.rules import MessageName
from vtctap.pcap.record import Flag, Record

_ALIKE: Final = ("7E1", "7O1", "8N1")
_SIGN_ON: Final = frozenset((MessageName.IDRequest, MessageName.IDResponse, MessageName.OptionSelect))
_SHORT: Final = 4
"""Shorter frames have too few characters to tell a format."""


def _format(turn: Turn, notes: Notes) -> None:
    for frame in turn.exchange.frames:
        if len(frame.record.octets) >= _SHORT and frame.name != MessageName.HDLC:
            notes.feed(turn.at(frame), _formats(frame.record))


def _formats(record: Record) -> Explaining:
    """Returns the formats that explain a record: those in which its parity bits are right."""
    line = record.line
    if record.parity_errors or record.framing_errors or record.flags & (Flag.PARITY | Flag.FRAMING):
        return ()
    if carries_even_parity(record.octets):
        return ("7E1",)
    if carries_odd_parity(record.octets):
        return ("7O1",)
    if not record.octets.isascii():
        return ("8N1",)
    if record.uncertainty is None or line is None:
        return _ALIKE
    return (str(line),)


def _speed(turn: Turn, notes: Notes) -> None:
    for frame in turn.exchange.frames:
        record = frame.record
        if record.speed and record.uncertainty is not None and not record.flags & Flag.SYNTHETIC:
            phase = "sign-on" if frame.name in _SIGN_ON else "messages"
            wrong = bool(record.framing_errors) or bool(record.flags & Flag.FRAMING)
            notes.feed(turn.at(frame), () if wrong else (str(record.speed),), phase)


QUESTIONS: Final = (
    Question(
        "character format",
        "In which format are characters sent?",
        _format,
        "a capture by a tap of one's own, which checks parity",
        damage=5,
    ),
    Question(
        "speed",
        "At which speed, bit/s?",
        _speed,
        "a capture by a tap of one's own; an imported recording states its speed but does not show it",
        damage=5,
    ),
)
