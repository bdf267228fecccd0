"""The rules of the link: its messages, who sends each, and what may follow it.

Theory
======

IEC 62055-52 clause 6.4 names eight messages and shares the syntax of IEC 62056-21, which has more of them; a tap hears
either. The link is half-duplex and the client leads: it sends a request, and the server answers once, or sends a
readout unasked in the modes without requests.

Each row of :data:`RULES` holds all that other modules need to know about a message, except how its octets are decoded.
The sets and tables below the rows are derived from them for the senders, the merge of two taps, the pairing, the
analysis, the Scapy layer and the Lua dissector. IEC 62055-52 publishes only the names; the answers in a row are those
of IEC 62056-21 (clause 6.3 and annex A).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from vtctap.dissector.protocol.characters import ACK, NAK, NUL, SOH, STX
from vtctap.pcap.record import Sender

SLASH: Final = 0x2F
HDLC_FLAG: Final = 0x7E


class MessageName(StrEnum):
    """The values of ``vtc.message``: the first eight come from IEC 62055-52, the others from IEC 62056-21. They print,
    compare and serialize as plain strings."""

    def __repr__(self) -> str:
        return str.__repr__(self)

    IDRequest = "IDRequest"
    IDResponse = "IDResponse"
    ReadCommand = "ReadCommand"
    WriteCommand = "WriteCommand"
    BreakCommand = "BreakCommand"
    ACK = "ACK"
    NAK = "NAK"
    Data = "Data"
    OptionSelect = "OptionSelect"
    PasswordCommand = "PasswordCommand"
    ExecuteCommand = "ExecuteCommand"
    UndefinedCommand = "UndefinedCommand"
    Error = "Error"
    PartialData = "PartialData"
    Telegram = "Telegram"
    WakeUp = "WakeUp"
    HDLC = "HDLC"


_M = MessageName
VTC: Final = "IEC 62055-52 clause 6.4"
METERS: Final = "IEC 62056-21"


@dataclass(frozen=True, slots=True)
class Rule:
    """The properties of one message.

    - ``standard`` names it; ``first`` is its first octet; ``sender`` is the side that sends it (UNKNOWN: either side).
      ``letter`` is the letter of a command; ``alone`` says that the first octet identifies the message.
    - ``answers`` are the messages that the other side may send next, including NAK if it may refuse the message; None:
      any message.
    - ``waits``: the sender waits for an answer. ``repeats``: the message is repeated when it was not understood.
    - ``opens`` and ``ends``: the message begins or ends a session.
    - ``unasked``: a server sends it without a request, or several in a row. ``readout``: a server sends it with data
      after its identification.
    """

    name: MessageName
    standard: str
    first: int
    sender: Sender = Sender.UNKNOWN
    answers: tuple[MessageName, ...] | None = ()
    letter: str = ""
    alone: bool = False
    waits: bool = True
    repeats: bool = True
    opens: bool = False
    ends: bool = False
    unasked: bool = False
    readout: bool = False


_DATA: Final = (_M.Data, _M.PartialData, _M.Error)
_CHOSEN: Final = (*_DATA, _M.PasswordCommand, _M.ACK, _M.OptionSelect, _M.HDLC, _M.NAK)
_CLIENT, _SERVER = Sender.CLIENT, Sender.SERVER

RULES: Final = (
    Rule(_M.IDRequest, VTC, SLASH, _CLIENT, (_M.IDResponse, _M.Telegram, _M.NAK), opens=True),
    Rule(_M.IDResponse, VTC, SLASH, _SERVER),
    Rule(_M.ReadCommand, VTC, SOH, _CLIENT, (*_DATA, _M.NAK), letter="R"),
    Rule(_M.WriteCommand, VTC, SOH, _CLIENT, (_M.ACK, _M.Error, _M.NAK), letter="W"),
    Rule(_M.BreakCommand, VTC, SOH, _CLIENT, (_M.ACK, _M.BreakCommand, _M.NAK), letter="B", waits=False, ends=True),
    Rule(_M.ACK, VTC, ACK, answers=(*_DATA, _M.NAK), repeats=False),
    Rule(_M.NAK, VTC, NAK, answers=None, alone=True, repeats=False),
    Rule(_M.Data, VTC, STX, _SERVER, (_M.NAK,), readout=True),
    Rule(_M.OptionSelect, METERS, ACK, _CLIENT, _CHOSEN),
    Rule(_M.PasswordCommand, METERS, SOH, _CLIENT, (_M.ACK, _M.Error, _M.BreakCommand, _M.NAK), letter="P"),
    Rule(_M.ExecuteCommand, METERS, SOH, _CLIENT, (_M.ACK, *_DATA, _M.NAK), letter="E"),
    Rule(_M.UndefinedCommand, VTC, SOH, _CLIENT, answers=None),
    Rule(_M.Error, METERS, STX, _SERVER),
    Rule(_M.PartialData, METERS, STX, _SERVER, (_M.ACK, _M.NAK), readout=True),
    Rule(_M.Telegram, METERS, SLASH, _SERVER, unasked=True, readout=True),
    Rule(_M.WakeUp, METERS, NUL, _CLIENT, alone=True, waits=False, repeats=False, opens=True),
    Rule(_M.HDLC, METERS, HDLC_FLAG, answers=(_M.HDLC, _M.NAK), unasked=True),
)
"""One row per message, in the order of :class:`MessageName`."""


def _which(column: str) -> frozenset[MessageName]:
    return frozenset(rule.name for rule in RULES if getattr(rule, column))


COMMANDS: Final = {rule.letter: rule.name for rule in RULES if rule.letter}
"""Command letters (IEC 62056-21 clause 6.3.4) and their messages; any other letter makes an UndefinedCommand."""
ALONE: Final = {rule.first: rule.name for rule in RULES if rule.alone}
"""First octets that identify a message by themselves."""
SENDERS: Final = {rule.name: rule.sender for rule in RULES}
"""The sender of each message; UNKNOWN where either side sends it."""
MAY_FOLLOW: Final[Mapping[str, frozenset[MessageName]]] = {
    rule.name: frozenset(MessageName if rule.answers is None else rule.answers) for rule in RULES
}
"""The messages that the other side may send after a message of either side."""
MAY_ANSWER: Final[Mapping[str, frozenset[MessageName]]] = {
    name: MAY_FOLLOW[name] for name, sender in SENDERS.items() if sender is not Sender.SERVER
}
"""The messages that a server may send in answer to a client's message."""
NEEDS_NO_ANSWER: Final = frozenset(MessageName) - _which("waits")
"""The messages after which nobody waits for an answer."""
NOT_REQUESTS: Final = frozenset(name for name, answers in MAY_ANSWER.items() if not answers)
"""The client's messages that no server answers."""
NOT_REPEATED: Final = frozenset(MessageName) - _which("repeats")
"""The messages that are new each time they occur, never repeats."""
OPENING: Final = _which("opens")
"""The client's calls, which begin a session."""
ENDING: Final = _which("ends")
"""The messages that end a session."""
UNASKED: Final = _which("unasked")
"""The messages that a server sends without a request, or several in a row."""
READOUT: Final = _which("readout")
"""The messages that may follow an identification unasked (modes A and B, and mode C where the client selects
nothing)."""
