"""Negotiation: what the messages of a session say of the line's speed. Sans-IO.

Theory
======

IEC 62056-21 (clause 6.3, annex E) changes the speed within a session: the client's option select chooses it in modes C
and E, the meter's identification states it in mode B. A break ends the session, and with it the speed; so does a
readout, unless a NAK asks for it again or a break follows.

Whatever a session's phase is, each message leads to one phase (:data:`_NEXT`): sessions are joined in the middle, and
messages are lost. Only two things need the phase that was: an identification is one of mode B where it was asked for
(telegrams begin with one, too), and what ends a readout does so in a readout.

A choice is no fact. A meter may not take the speed that was chosen: it answers at the one that it offered, or stays at
that of the sign-on. So each step names the speeds that the line may have instead.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import MessageName
from vtctap.dissector.protocol.speeds import MODE_B, MODE_C

_READOUT_END: Final = b"!"


class Phase(Enum):
    """Where a session is. APART: in none that was heard to begin; OPEN: in programming mode, or before it."""

    APART = auto()
    CALLED = auto()
    OPEN = auto()
    READOUT = auto()


class Said(Enum):
    """What a message is to the speed."""

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
"""What is said at the speed at which sessions begin."""


@dataclass(frozen=True, slots=True)
class SpeedStep:
    """What a message changes. ``begins``: a session begins at the speed at which it was said; ``ends``: one is over.
    ``speed`` (bit/s; None: as before) is what the line is to have now, in eight bits where ``binary``. ``why`` is the
    message's name."""

    why: str
    begins: bool = False
    ends: bool = False
    speed: int | None = None
    binary: bool = False


class Negotiation:
    """Follows one link's sessions. ``one_sided``: no tap hears the client, so that the meter's identification must
    do."""

    def __init__(self, *, one_sided: bool) -> None:
        self._one_sided = one_sided
        self.phase = Phase.APART
        self.offered: int | None = None
        """The speed that the meter of this session offered, bit/s."""

    def forget(self) -> None:
        """The session is over, or nobody knows where it is."""
        self.phase = Phase.APART
        self.offered = None

    def feed(self, message: Message) -> SpeedStep | None:
        """What a message changes, received without an error; None where it changes nothing."""
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
        binary = (message.option_protocol, message.option_mode) == ("2", "2")
        return SpeedStep(message.message or "", said in _BEGINS, said is Said.BREAK, speed, binary)

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
        """Whether a block is the last one of the readout that the session is for."""
        whole = message.message == MessageName.Data and message.bcc_status == "good"
        return whole and self.phase is Phase.READOUT and _READOUT_END in octets
