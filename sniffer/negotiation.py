"""Negotiation: follows the messages of a session that change the line's speed. Sans-IO.

Theory
======

IEC 62056-21 (clause 6.3, annex E) changes the speed within a session. In modes C and E, the client's option select
chooses the new speed; in mode B, the meter's identification states it. A break ends the session and restores the first
speed. So does a readout, unless a NAK requests a retransmission or a break follows.

A capture may begin inside a session, and messages may be lost, so each message leads to one phase (:data:`_NEXT`)
whatever the phase before was. Only two decisions need the previous phase. An identification is one of mode B only after
a request, because telegrams begin with an identification too. The end of a readout counts only in a readout.

A meter may refuse the speed that was chosen. It may then answer at the speed that it offered, or stay at that of the
sign-on. The follower tries these speeds too (:mod:`~vtctap.sniffer.speed`).
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from vtctap.dissector.framing.senders import selects_binary
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import MessageName
from vtctap.dissector.protocol.speeds import MODE_B, MODE_C

_READOUT_END: Final = b"!"


class Phase(Enum):
    """The phase of a session. APART: no session was heard to begin. OPEN: before or in programming mode."""

    APART = auto()
    CALLED = auto()
    OPEN = auto()
    READOUT = auto()


class Said(Enum):
    """The kinds of messages that concern the speed."""

    CALL = auto()
    IDENTIFICATION = auto()
    SPEED_OF_MODE_B = auto()
    READOUT_SELECT = auto()
    SELECT = auto()
    COMMAND = auto()
    BREAK = auto()


_P, _S = Phase, Said
_NEXT: Final = {
    _S.CALL: _P.CALLED,
    _S.IDENTIFICATION: _P.OPEN,
    _S.SPEED_OF_MODE_B: _P.READOUT,
    _S.READOUT_SELECT: _P.READOUT,
    _S.SELECT: _P.OPEN,
    _S.COMMAND: _P.OPEN,
    _S.BREAK: _P.APART,
}
_BEGINS: Final = frozenset((_S.CALL, _S.IDENTIFICATION, _S.SPEED_OF_MODE_B))
"""The messages sent at the speed at which sessions begin."""


@dataclass(frozen=True, slots=True)
class SpeedStep:
    """A message's effect on the speed. ``why`` is the message's name.

    ``begins``: a session begins, at the message's own speed. ``ends``: a session is over. ``speed`` is the line's new
    speed (bit/s), None where it stays; ``binary`` states that eight bits without parity follow.
    """

    why: str
    begins: bool = False
    ends: bool = False
    speed: int | None = None
    binary: bool = False


class Negotiation:
    """Follows the sessions of one link. ``one_sided``: no tap hears the client, so the meter's identification alone
    decides."""

    def __init__(self, *, one_sided: bool) -> None:
        self._one_sided = one_sided
        self.phase = Phase.APART
        self.offered: int | None = None
        """The speed that the meter of this session offered, bit/s."""

    def forget(self) -> None:
        """Resets the phase: the session is over, or its phase is unknown."""
        self.phase = Phase.APART
        self.offered = None

    def feed(self, message: Message) -> SpeedStep | None:
        """Feeds a message that was received without errors; returns its effect, None where it has none."""
        said = self._said(message)
        if said is None:
            return None
        self.phase = _NEXT[said]
        if said in (Said.CALL, Said.BREAK):
            self.offered = None
        speed = None
        if said in (Said.IDENTIFICATION, Said.SPEED_OF_MODE_B):
            self.offered = MODE_C.get(message.id_speed or "") or MODE_B.get(message.id_speed or "")
            speed = self.offered if said is Said.SPEED_OF_MODE_B else None
        elif said in (Said.SELECT, Said.READOUT_SELECT):
            speed = MODE_C.get(message.option_speed or "")
        return SpeedStep(message.message or "", said in _BEGINS, said is Said.BREAK, speed, selects_binary(message))

    def _said(self, message: Message) -> Said | None:
        name = message.message
        if name == MessageName.IDRequest:
            return Said.CALL
        if name == MessageName.IDResponse:
            asked = self.phase is Phase.CALLED or self._one_sided
            return Said.SPEED_OF_MODE_B if asked and message.id_speed in MODE_B else Said.IDENTIFICATION
        if name == MessageName.OptionSelect:
            return Said.READOUT_SELECT if message.option_mode == "0" else Said.SELECT
        if name == MessageName.BreakCommand and message.bcc_status == "good":
            return Said.BREAK
        return Said.COMMAND if message.cmd else None

    def ends_readout(self, message: Message, octets: bytes) -> bool:
        """Whether a block is the last one of the session's readout."""
        whole = message.message == MessageName.Data and message.bcc_status == "good"
        return whole and self.phase is Phase.READOUT and _READOUT_END in octets
