"""Questions about the beginning and the end of a session.

Whether a meter answers without a sign-on is seen only where the session before is certainly over: after a break, or
after a long silence. A capture that begins late shows nothing of it.
"""

from typing import Final

from vtctap.dissector.learning.evidence import Notes
from vtctap.dissector.learning.question import Question
from vtctap.dissector.learning.turns import CERTAIN, Fate, Turn
from vtctap.dissector.protocol.rules import MessageName

_COMMANDS: Final = frozenset((MessageName.ReadCommand, MessageName.WriteCommand))
YES, NO = "yes", "no"


def _signs_on(turn: Turn, notes: Notes) -> None:
    if turn.asked in _COMMANDS and turn.fate is not Fate.SILENT:
        if turn.signed_on:
            notes.feed(turn.place, (YES,))
        elif turn.certainly_unsigned:
            notes.feed(turn.place, (NO,))


def _required(turn: Turn, notes: Notes) -> None:
    """Notes that the meter answers without a sign-on, or that it is silent until the client signs on. Silence before a
    repeat may be a fault of the line."""
    before = turn.before
    if turn.asked in _COMMANDS and turn.certainly_unsigned and turn.fate in CERTAIN and turn.fate is not Fate.SILENT:
        notes.feed(turn.place, (NO,))
    elif before and turn.asked == MessageName.IDRequest and _unanswered(before):
        notes.feed(before.place, (YES,))


def _unanswered(turn: Turn) -> bool:
    return turn.certainly_unsigned and turn.asked in _COMMANDS and turn.fate is Fate.SILENT


def _addressed(turn: Turn, notes: Notes) -> None:
    if turn.asks and turn.asked == MessageName.IDRequest:
        notes.feed(turn.place, (YES,) if turn.asks.address else (NO,))


def _option(turn: Turn, notes: Notes) -> None:
    if turn.asks and turn.asked == MessageName.OptionSelect:
        option = (turn.asks.option_protocol, turn.asks.option_speed, turn.asks.option_mode)
        notes.feed(turn.place, ("".join(part or "" for part in option),))
    elif turn.asked in _COMMANDS and turn.signed_on and not turn.selected and turn.position <= _EARLY:
        notes.feed(turn.place, ("none",))


_EARLY: Final = 5
"""The first commands of a session are among this many turns."""


def _password(turn: Turn, notes: Notes) -> None:
    if turn.asked == MessageName.PasswordCommand:
        notes.feed(turn.place, (YES,))
    elif _is_first(turn) and not turn.password and turn.fate in CERTAIN and _is_under_way(turn):
        notes.feed(turn.place, (NO,))


def _is_under_way(turn: Turn) -> bool:
    """Whether a session has begun, with or without a sign-on."""
    return turn.signed_on or (turn.certainly_unsigned and turn.position > _SHORT)


def _is_first(turn: Turn) -> bool:
    """Whether this is the first command of a session that counts: one damaged password is one observation."""
    follows = turn.before is not None and turn.before.asked in _COMMANDS and turn.position != _SHORT + 1
    return turn.asked in _COMMANDS and not follows


_SHORT: Final = 3
"""A session with this few turns is an attempt before the sign-on."""


def _break(turn: Turn, notes: Notes) -> None:
    before = turn.before
    if turn.opening and before is not None and before.position > _SHORT and before.asks is not None:
        notes.feed(before.place, (YES,) if before.asked == MessageName.BreakCommand else (NO,))


QUESTIONS: Final = (
    Question(
        "sign-on",
        "Does the client sign on before it reads and writes?",
        _signs_on,
        "whole sessions, from the first octet to the last",
        damage=4,
    ),
    Question(
        "sign-on required",
        "Is the meter silent without a sign-on?",
        _required,
        "a read without a sign-on, after a break",
        read=False,
    ),
    Question("addressed", "Does the sign-on name the meter?", _addressed, "a capture with sign-ons"),
    Question("option", "What does the client select after the identification?", _option, "a capture with sign-ons"),
    Question(
        "password", "Does the client send a password?", _password, "whole sessions, from the sign-on on", damage=4
    ),
    Question("break", "Does the client end a session with a break?", _break, "several sessions in one capture"),
)
