"""The rules of the link: which messages there are, who says each, and what may follow it.

Theory
======

IEC 62055-52 clause 6.4 names eight messages and shares the syntax of IEC 62056-21, which has more of them; a tap hears
either. The link is half-duplex and the client leads: it asks, and the server answers once, or sends a readout by
itself in the modes that know no request.

All that other modules need to know of a message, apart from how its octets are taken apart, stands in one row of
:data:`RULES`. The sets and tables below the rows are what the senders, the merge of two taps, the pairing, the
analysis, the Scapy layer and the Lua dissector look up; each is made from the rows. Only the names are public of
IEC 62055-52: what a row says of an answer is IEC 62056-21's (clause 6.3 and annex A).
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
    """The words of ``vtc.message``: the first eight are those of IEC 62055-52, the others those of IEC 62056-21.
    They are plain strings to whoever prints, compares or stores them."""

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
    """What is true of one message.

    ``standard`` names it; ``first`` is its first octet; ``sender`` says it (UNKNOWN: either side does). ``letter`` is
    the letter of a command, and ``alone`` means that the first octet is all that is read of the message.

    ``answers`` are the messages that may come next from the other side, a NAK among them where the message may be
    refused; None: any may. ``waits``: the sender waits for an answer. ``repeats``: the message is sent again where it
    was not understood. ``opens`` and ``ends`` are said of a session. ``unasked``: a server sends it by itself, or more
    than one of it. ``readout``: it carries data that a server sends after its identification.
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
"""One row a message, in the order of :class:`MessageName`."""


def _which(column: str) -> frozenset[MessageName]:
    return frozenset(rule.name for rule in RULES if getattr(rule, column))


COMMANDS: Final = {rule.letter: rule.name for rule in RULES if rule.letter}
"""Command letters (IEC 62056-21 clause 6.3.4) and the messages they make; any other makes an UndefinedCommand."""
ALONE: Final = {rule.first: rule.name for rule in RULES if rule.alone}
"""First octets that tell all of their messages."""
SENDERS: Final = {rule.name: rule.sender for rule in RULES}
"""Who says a message; UNKNOWN where either side does."""
MAY_FOLLOW: Final[Mapping[str, frozenset[MessageName]]] = {
    rule.name: frozenset(MessageName if rule.answers is None else rule.answers) for rule in RULES
}
"""What the other side may say next to a message, whoever said it."""
MAY_ANSWER: Final[Mapping[str, frozenset[MessageName]]] = {
    name: MAY_FOLLOW[name] for name, sender in SENDERS.items() if sender is not Sender.SERVER
}
"""What a server may answer to what a client may say."""
NEEDS_NO_ANSWER: Final = frozenset(MessageName) - _which("waits")
"""After these nobody waits for an answer."""
NOT_REQUESTS: Final = frozenset(name for name, answers in MAY_ANSWER.items() if not answers)
"""What a client says and no server answers."""
NOT_REPEATED: Final = frozenset(MessageName) - _which("repeats")
"""What comes again is new, not a repetition."""
OPENING: Final = _which("opens")
"""The client's calls, with which a session begins."""
ENDING: Final = _which("ends")
"""What ends a session."""
UNASKED: Final = _which("unasked")
"""What a server sends by itself, or more than one of."""
READOUT: Final = _which("readout")
"""What may follow an identification unasked (modes A and B, and mode C where the client selects nothing)."""
