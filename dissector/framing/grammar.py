"""The grammar by which the framer reads a line: for each state, what an octet does to what is open.

:mod:`~vtctap.dissector.framing.framer` says what the messages are, and walks this table; the table knows no times and
no octets, only kinds of octets. In each state the first rule that names the octet's kind holds.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum, auto
from typing import Final

from vtctap.dissector.protocol.characters import ACK, CR, EOT, ETX, LF, NAK, NUL, SOH, STX


class Class(IntEnum):
    """What the grammar distinguishes in an octet's low seven bits."""

    NUL = 0
    SOH = auto()
    STX = auto()
    END = auto()  # ETX, EOT
    ACK = auto()
    NAK = auto()
    CR = auto()
    LF = auto()
    SLASH = auto()
    QUERY = auto()
    BANG = auto()
    BRACKET = auto()
    DIGIT = auto()
    HEX_LETTER = auto()
    LETTER = auto()
    PRINTABLE = auto()
    OTHER = auto()


_C = Class
_ALL = frozenset(_C)
_HEX = {_C.DIGIT, _C.HEX_LETTER}
_LETTERS = {_C.HEX_LETTER, _C.LETTER}
_PRINTABLE = _HEX | _LETTERS | {_C.PRINTABLE, _C.SLASH, _C.QUERY, _C.BANG, _C.BRACKET}
_LINE_END = {_C.CR, _C.LF}


class State(IntEnum):
    """How far what is open has come. IDLE: nothing is open."""

    IDLE = 0
    NULS = auto()
    SLASH = auto()
    REQUEST = auto()
    REQUEST_BANG = auto()
    REQUEST_CR = auto()
    MAKER_1 = auto()
    MAKER_2 = auto()
    MAKER_3 = auto()
    IDENT = auto()
    IDENT_CR = auto()
    IDENT_END = auto()
    BLANK_CR = auto()
    BLANK = auto()
    TELEGRAM = auto()
    TELEGRAM_LINE = auto()
    CRC_0 = auto()
    CRC_1 = auto()
    CRC_2 = auto()
    CRC_3 = auto()
    CRC_4 = auto()
    CRC_CR = auto()
    ACK = auto()
    OPTION_V = auto()
    OPTION_Z = auto()
    OPTION_Y = auto()
    OPTION_CR = auto()
    BLOCK = auto()
    CHECK = auto()
    HDLC = auto()


_S = State


class Step(IntEnum):
    """What an octet does to what is open."""

    ADD = 0  # the octet belongs to what is open
    END = auto()  # it is the frame's last octet
    BEFORE = auto()  # the frame was whole before it
    CUT = auto()  # the frame was not, yet another begins here
    FALL = auto()  # what is open is not what it looked like
    NOISE = auto()
    CHECK = auto()  # it is the check character, or there is none
    HDLC = auto()


_T = Step
_Rule = tuple[Iterable[Class], Step, State]

_GRAMMAR: Final[dict[State, Sequence[_Rule]]] = {
    _S.IDLE: [
        ({_C.SOH, _C.STX}, _T.ADD, _S.BLOCK),
        ({_C.SLASH}, _T.ADD, _S.SLASH),
        ({_C.ACK}, _T.ADD, _S.ACK),
        ({_C.NAK}, _T.END, _S.IDLE),
        ({_C.NUL}, _T.ADD, _S.NULS),
        (_ALL, _T.NOISE, _S.IDLE),
    ],
    _S.NULS: [({_C.NUL}, _T.ADD, _S.NULS), (_ALL, _T.BEFORE, _S.IDLE)],
    _S.SLASH: [({_C.QUERY}, _T.ADD, _S.REQUEST), (_LETTERS, _T.ADD, _S.MAKER_1), (_ALL, _T.FALL, _S.IDLE)],
    _S.REQUEST: [
        ({_C.BANG}, _T.ADD, _S.REQUEST_BANG),
        ({_C.CR}, _T.ADD, _S.REQUEST_CR),
        ({_C.LF}, _T.END, _S.IDLE),
        ({_C.SLASH, _C.SOH, _C.STX}, _T.CUT, _S.IDLE),
        (_ALL, _T.ADD, _S.REQUEST),
    ],
    _S.REQUEST_BANG: [({_C.CR}, _T.ADD, _S.REQUEST_CR), ({_C.LF}, _T.END, _S.IDLE), (_ALL, _T.BEFORE, _S.IDLE)],
    _S.REQUEST_CR: [({_C.LF}, _T.END, _S.IDLE), (_ALL, _T.BEFORE, _S.IDLE)],
    _S.MAKER_1: [(_LETTERS, _T.ADD, _S.MAKER_2), (_ALL, _T.FALL, _S.IDLE)],
    _S.MAKER_2: [(_LETTERS, _T.ADD, _S.MAKER_3), (_ALL, _T.FALL, _S.IDLE)],
    _S.MAKER_3: [
        ({_C.SLASH, _C.BANG, _C.BRACKET}, _T.FALL, _S.IDLE),
        (_PRINTABLE, _T.ADD, _S.IDENT),
        (_ALL, _T.FALL, _S.IDLE),
    ],
    _S.IDENT: [
        ({_C.CR}, _T.ADD, _S.IDENT_CR),
        ({_C.LF}, _T.ADD, _S.IDENT_END),
        # None of these stands in an identification; text in the noise has them (m3/hour), and so has the message that
        # follows where the line end was lost.
        ({_C.SLASH, _C.BANG, _C.BRACKET}, _T.FALL, _S.IDLE),
        (_ALL, _T.ADD, _S.IDENT),
    ],
    _S.IDENT_CR: [({_C.LF}, _T.ADD, _S.IDENT_END), (_ALL, _T.BEFORE, _S.IDLE)],
    _S.IDENT_END: [({_C.CR}, _T.ADD, _S.BLANK_CR), ({_C.LF}, _T.ADD, _S.BLANK), (_ALL, _T.BEFORE, _S.IDLE)],
    _S.BLANK_CR: [({_C.LF}, _T.ADD, _S.BLANK), (_ALL, _T.FALL, _S.IDLE)],
    _S.BLANK: [
        (_LINE_END, _T.ADD, _S.BLANK),
        ({_C.BANG}, _T.ADD, _S.CRC_0),
        ({_C.SLASH, _C.SOH, _C.STX, _C.ACK, _C.NAK}, _T.FALL, _S.IDLE),
        (_ALL, _T.ADD, _S.TELEGRAM),
    ],
    _S.TELEGRAM: [
        (_LINE_END, _T.ADD, _S.TELEGRAM_LINE),
        ({_C.BANG}, _T.ADD, _S.CRC_0),
        (_ALL, _T.ADD, _S.TELEGRAM),
    ],
    _S.TELEGRAM_LINE: [
        (_LINE_END, _T.ADD, _S.TELEGRAM_LINE),
        ({_C.BANG}, _T.ADD, _S.CRC_0),
        ({_C.SLASH, _C.SOH, _C.STX}, _T.CUT, _S.IDLE),
        (_ALL, _T.ADD, _S.TELEGRAM),
    ],
    **{
        state: [
            *([(_HEX, _T.ADD, State(state + 1))] if state < _S.CRC_4 else []),
            ({_C.CR}, _T.ADD, _S.CRC_CR),
            ({_C.LF}, _T.END, _S.IDLE),
            ({_C.BANG}, _T.ADD, _S.CRC_0),
            ({_C.SLASH, _C.SOH, _C.STX}, _T.BEFORE, _S.IDLE),
            (_ALL, _T.ADD, _S.TELEGRAM),
        ]
        for state in (_S.CRC_0, _S.CRC_1, _S.CRC_2, _S.CRC_3, _S.CRC_4)
    },
    _S.CRC_CR: [({_C.LF}, _T.END, _S.IDLE), (_ALL, _T.BEFORE, _S.IDLE)],
    _S.ACK: [({_C.DIGIT}, _T.ADD, _S.OPTION_V), (_ALL, _T.BEFORE, _S.IDLE)],
    _S.OPTION_V: [(_PRINTABLE, _T.ADD, _S.OPTION_Z), (_ALL, _T.FALL, _S.IDLE)],
    _S.OPTION_Z: [(_PRINTABLE, _T.ADD, _S.OPTION_Y), (_ALL, _T.FALL, _S.IDLE)],
    _S.OPTION_Y: [({_C.CR}, _T.ADD, _S.OPTION_CR), ({_C.LF}, _T.END, _S.IDLE), (_ALL, _T.FALL, _S.IDLE)],
    _S.OPTION_CR: [({_C.LF}, _T.END, _S.IDLE), (_ALL, _T.BEFORE, _S.IDLE)],
    _S.BLOCK: [({_C.END}, _T.ADD, _S.CHECK), (_ALL, _T.ADD, _S.BLOCK)],
    _S.CHECK: [(_ALL, _T.CHECK, _S.IDLE)],
    _S.HDLC: [(_ALL, _T.HDLC, _S.HDLC)],
}

WHOLE: Final = frozenset(
    {_S.REQUEST_BANG, _S.REQUEST_CR, _S.IDENT_CR, _S.IDENT_END, _S.ACK, _S.OPTION_CR, _S.CHECK, _S.CRC_CR}
    | {_S.CRC_0, _S.CRC_1, _S.CRC_2, _S.CRC_3, _S.CRC_4, _S.NULS}
)
"""Silence in one of these states ends a whole frame; ..."""
OPEN: Final = frozenset(
    {_S.REQUEST, _S.IDENT, _S.OPTION_V, _S.OPTION_Z, _S.OPTION_Y, _S.BLOCK, _S.TELEGRAM, _S.TELEGRAM_LINE, _S.HDLC}
)
"""... in one of these a frame that is cut. In any other, what is open is not (yet) what it looks like."""
BOUNDED: Final = frozenset({_S.REQUEST, _S.IDENT, _S.BLANK})
"""In these the candidate's length is bounded."""
SETTLED: Final = frozenset({_S.ACK, _S.IDENT_END})
"""On reaching one of these, the octets so far are a message whatever follows."""


def _classify(value: int) -> Class:
    named = {
        NUL: _C.NUL, SOH: _C.SOH, STX: _C.STX, ETX: _C.END, EOT: _C.END, ACK: _C.ACK, NAK: _C.NAK, CR: _C.CR,
        LF: _C.LF, ord("/"): _C.SLASH, ord("?"): _C.QUERY, ord("!"): _C.BANG, ord("("): _C.BRACKET,
        ord(")"): _C.BRACKET,
    }  # fmt: skip
    character = chr(value)
    if value in named:
        return named[value]
    if character.isdigit():
        return _C.DIGIT
    if character in "abcdefABCDEF":
        return _C.HEX_LETTER
    if character.isalpha():
        return _C.LETTER
    return _C.PRINTABLE if character.isprintable() else _C.OTHER


CLASSES: Final = [_classify(value & 0x7F) for value in range(256)]
"""The kind of each octet."""
TABLE: Final[list[list[tuple[Step, State]]]] = [
    [next((step, then) for classes, step, then in _GRAMMAR[state] if kind in classes) for kind in Class]
    for state in State
]
"""For each state and kind of octet: the step, and the state it leads to where the octet is added."""
