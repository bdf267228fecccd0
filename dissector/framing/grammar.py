"""The grammar of the framer: for each state, what an octet does to what is open.

:mod:`~vtctap.dissector.framing.framer` defines the messages and walks this table. The table knows no times and no
octets, only kinds of octets. In each state the first rule with the octet's kind applies.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum, auto
from typing import Final

from vtctap.dissector.protocol.characters import ACK, CR, EOT, ETX, LF, NAK, NUL, SOH, STX
from vtctap.dissector.protocol.rules import HDLC_FLAG


class Class(IntEnum):
    """The kind of an octet, by its low seven bits; an HDLC flag by all eight."""

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
    FLAG = auto()
    DIGIT = auto()
    HEX_LETTER = auto()
    LETTER = auto()
    PRINTABLE = auto()
    OTHER = auto()


_C = Class
_ALL = frozenset(_C)
_HEX = {_C.DIGIT, _C.HEX_LETTER}
_LETTERS = {_C.HEX_LETTER, _C.LETTER}
_PRINTABLE = _HEX | _LETTERS | {_C.PRINTABLE, _C.FLAG, _C.SLASH, _C.QUERY, _C.BANG, _C.BRACKET}
_LINE_END = {_C.CR, _C.LF}
_MARKS = {_C.SLASH, _C.BANG, _C.BRACKET}
"""An identification has none of them in its first five characters."""
_MAKER = _LETTERS | {_C.DIGIT}


class FramingState(IntEnum):
    """How far what is open has come. IDLE: nothing is open."""

    IDLE = 0
    NULS = auto()
    SLASH = auto()
    REQUEST = auto()
    REQUEST_BANG = auto()
    REQUEST_CR = auto()
    MARK = auto()
    MARK_BANG = auto()
    DIGIT_1 = auto()
    DIGIT_2 = auto()
    MAKER_1 = auto()
    MAKER_2 = auto()
    MAKER_3 = auto()
    IDENT = auto()
    IDENT_SLASH = auto()
    IDENT_MAKER_1 = auto()
    IDENT_MAKER_2 = auto()
    IDENT_MAKER_3 = auto()
    IDENT_CR = auto()
    IDENT_END = auto()
    BLANK_CR = auto()
    BLANK = auto()
    TELEGRAM = auto()
    TELEGRAM_CR = auto()
    TELEGRAM_LINE = auto()
    TELEGRAM_BLANK = auto()
    CRC_0 = auto()
    CRC_1 = auto()
    CRC_2 = auto()
    CRC_3 = auto()
    CRC_4 = auto()
    CRC_CR = auto()
    SOFT_BANG = auto()
    SOFT_CR = auto()
    SOFT_END = auto()
    ACK = auto()
    OPTION_V = auto()
    OPTION_Z = auto()
    OPTION_Y = auto()
    OPTION_CR = auto()
    BLOCK = auto()
    BLOCK_LINE = auto()
    BLOCK_BLANK = auto()
    CHECK = auto()
    BLOCK_FLAG = auto()
    HDLC = auto()
    HDLC_END = auto()
    FOREIGN = auto()
    SML = auto()


_S = FramingState


class Step(IntEnum):
    """What an octet does to what is open."""

    ADD = 0  # the octet belongs to what is open
    END = auto()  # it is the frame's last octet
    BEFORE = auto()  # the frame was whole before it
    CUT = auto()  # the frame was not, yet another begins here
    FALL = auto()  # what is open is not what it looked like
    BLANK_LINE = auto()  # an empty line ends: perhaps what comes before it is a Telegram's identification
    NOISE = auto()
    CHECK = auto()  # it is the check character, or there is none
    HDLC = auto()  # the framer looks at an HDLC frame by itself
    WITHIN = auto()  # perhaps an HDLC frame begins within what is open
    FOREIGN = auto()  # the framer looks at a frame of another protocol by itself
    SML = auto()
    SML_BEGINS = auto()  # perhaps what is open was SML
    SHARED = auto()  # perhaps the flag that closed a frame opens another


_T = Step
_Rule = tuple[Iterable[Class], Step, FramingState]

_IDENT: Final[Sequence[_Rule]] = [
    ({_C.CR}, _T.ADD, _S.IDENT_CR),
    ({_C.LF}, _T.ADD, _S.IDENT_END),
    # Neither occurs in an identification; both occur in data sets that noise has cut, and in the next message where the
    # line end was lost.
    ({_C.BANG, _C.BRACKET}, _T.FALL, _S.IDLE),
    ({_C.SLASH}, _T.ADD, _S.IDENT_SLASH),
    (_ALL, _T.ADD, _S.IDENT),
]
_NEW_LINE: Final[Sequence[_Rule]] = [
    ({_C.BANG}, _T.ADD, _S.CRC_0),
    ({_C.SLASH, _C.SOH, _C.STX}, _T.CUT, _S.IDLE),
    (_ALL, _T.ADD, _S.TELEGRAM),
]
_BLOCK: Final[Sequence[_Rule]] = [
    ({_C.END}, _T.ADD, _S.CHECK),
    ({_C.LF}, _T.ADD, _S.BLOCK_LINE),
    ({_C.FLAG}, _T.ADD, _S.BLOCK_FLAG),
    ({_C.SOH}, _T.SML_BEGINS, _S.BLOCK),
    (_ALL, _T.ADD, _S.BLOCK),
]

_GRAMMAR: Final[dict[FramingState, Sequence[_Rule]]] = {
    _S.IDLE: [
        ({_C.SOH, _C.STX}, _T.ADD, _S.BLOCK),
        ({_C.SLASH}, _T.ADD, _S.SLASH),
        ({_C.ACK}, _T.ADD, _S.ACK),
        ({_C.NAK}, _T.END, _S.IDLE),
        ({_C.NUL}, _T.ADD, _S.NULS),
        ({_C.FLAG}, _T.ADD, _S.HDLC),
        (_ALL, _T.NOISE, _S.IDLE),
    ],
    _S.NULS: [({_C.NUL}, _T.ADD, _S.NULS), (_ALL, _T.BEFORE, _S.IDLE)],
    _S.SLASH: [
        ({_C.QUERY}, _T.ADD, _S.REQUEST),
        (_LETTERS, _T.ADD, _S.MAKER_1),
        ({_C.DIGIT}, _T.ADD, _S.DIGIT_1),
        (_PRINTABLE - _MARKS, _T.ADD, _S.MARK),
        (_ALL, _T.FALL, _S.IDLE),
    ],
    _S.REQUEST: [
        ({_C.BANG}, _T.ADD, _S.REQUEST_BANG),
        ({_C.CR}, _T.ADD, _S.REQUEST_CR),
        ({_C.LF}, _T.END, _S.IDLE),
        ({_C.SLASH, _C.SOH, _C.STX}, _T.CUT, _S.IDLE),
        (_ALL, _T.ADD, _S.REQUEST),
    ],
    _S.REQUEST_BANG: [({_C.CR}, _T.ADD, _S.REQUEST_CR), ({_C.LF}, _T.END, _S.IDLE), (_ALL, _T.BEFORE, _S.IDLE)],
    _S.REQUEST_CR: [({_C.LF}, _T.END, _S.IDLE), (_ALL, _T.BEFORE, _S.IDLE)],
    _S.MARK: [({_C.BANG}, _T.ADD, _S.MARK_BANG), (_ALL, _T.FALL, _S.IDLE)],
    _S.MARK_BANG: [({_C.CR}, _T.ADD, _S.REQUEST_CR), ({_C.LF}, _T.END, _S.IDLE), (_ALL, _T.FALL, _S.IDLE)],
    # A manufacturer's three characters are letters; some have digits among them.
    _S.DIGIT_1: [
        (_LETTERS, _T.ADD, _S.MAKER_2),
        ({_C.DIGIT}, _T.ADD, _S.DIGIT_2),
        ({_C.BANG}, _T.ADD, _S.MARK_BANG),
        (_ALL, _T.FALL, _S.IDLE),
    ],
    _S.DIGIT_2: [(_LETTERS, _T.ADD, _S.MAKER_3), (_ALL, _T.FALL, _S.IDLE)],
    _S.MAKER_1: [(_MAKER, _T.ADD, _S.MAKER_2), ({_C.BANG}, _T.ADD, _S.MARK_BANG), (_ALL, _T.FALL, _S.IDLE)],
    _S.MAKER_2: [(_MAKER, _T.ADD, _S.MAKER_3), (_ALL, _T.FALL, _S.IDLE)],
    _S.MAKER_3: [(_MARKS, _T.FALL, _S.IDLE), (_PRINTABLE, _T.ADD, _S.IDENT), (_ALL, _T.FALL, _S.IDLE)],
    _S.IDENT: _IDENT,
    # A slash is text here, unless it begins a complete message: then this one's line end was lost.
    _S.IDENT_SLASH: [({_C.QUERY}, _T.FALL, _S.IDLE), (_LETTERS, _T.ADD, _S.IDENT_MAKER_1), *_IDENT],
    _S.IDENT_MAKER_1: [(_LETTERS, _T.ADD, _S.IDENT_MAKER_2), *_IDENT],
    _S.IDENT_MAKER_2: [(_LETTERS, _T.ADD, _S.IDENT_MAKER_3), *_IDENT],
    _S.IDENT_MAKER_3: [(_PRINTABLE, _T.FALL, _S.IDLE), *_IDENT],
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
        ({_C.CR}, _T.ADD, _S.TELEGRAM_CR),
        ({_C.LF}, _T.ADD, _S.TELEGRAM_LINE),
        ({_C.BANG}, _T.ADD, _S.SOFT_BANG),
        (_ALL, _T.ADD, _S.TELEGRAM),
    ],
    _S.TELEGRAM_CR: [({_C.LF}, _T.ADD, _S.TELEGRAM_LINE), ({_C.CR}, _T.ADD, _S.TELEGRAM_CR), *_NEW_LINE],
    _S.TELEGRAM_LINE: [
        ({_C.LF}, _T.BLANK_LINE, _S.TELEGRAM_LINE),
        ({_C.CR}, _T.ADD, _S.TELEGRAM_BLANK),
        *_NEW_LINE,
    ],
    _S.TELEGRAM_BLANK: [
        ({_C.LF}, _T.BLANK_LINE, _S.TELEGRAM_LINE),
        ({_C.CR}, _T.ADD, _S.TELEGRAM_CR),
        *_NEW_LINE,
    ],
    # A ! inside a line may be a damaged bracket: where the line goes on, it ends nothing.
    _S.SOFT_BANG: [
        (_HEX, _T.ADD, _S.CRC_1),
        ({_C.CR}, _T.ADD, _S.SOFT_CR),
        ({_C.LF}, _T.ADD, _S.SOFT_END),
        ({_C.BANG}, _T.ADD, _S.SOFT_BANG),
        ({_C.SLASH, _C.SOH, _C.STX}, _T.BEFORE, _S.IDLE),
        (_ALL, _T.ADD, _S.TELEGRAM),
    ],
    _S.SOFT_CR: [({_C.LF}, _T.ADD, _S.SOFT_END), (_ALL, _T.BEFORE, _S.IDLE)],
    _S.SOFT_END: [
        ({_C.BANG}, _T.ADD, _S.CRC_0),
        (_PRINTABLE - {_C.SLASH}, _T.ADD, _S.TELEGRAM),
        (_ALL, _T.BEFORE, _S.IDLE),
    ],
    **{
        state: [
            *([(_HEX, _T.ADD, FramingState(state + 1))] if state < _S.CRC_4 else []),
            ({_C.CR}, _T.ADD, _S.CRC_CR),
            ({_C.LF}, _T.END, _S.IDLE),
            ({_C.BANG}, _T.ADD, _S.SOFT_BANG),
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
    _S.BLOCK: _BLOCK,
    _S.BLOCK_LINE: [
        ({_C.LF}, _T.BLANK_LINE, _S.BLOCK_LINE),
        ({_C.CR}, _T.ADD, _S.BLOCK_BLANK),
        *_BLOCK,
    ],
    _S.BLOCK_BLANK: [({_C.LF}, _T.BLANK_LINE, _S.BLOCK_LINE), *_BLOCK],
    _S.BLOCK_FLAG: [(_ALL, _T.WITHIN, _S.BLOCK)],
    _S.CHECK: [(_ALL, _T.CHECK, _S.IDLE)],
    _S.HDLC: [(_ALL, _T.HDLC, _S.HDLC)],
    _S.FOREIGN: [(_ALL, _T.FOREIGN, _S.FOREIGN)],
    _S.SML: [(_ALL, _T.SML, _S.SML)],
    _S.HDLC_END: [(_ALL, _T.SHARED, _S.IDLE)],
}

_IDENTS: Final = (_S.IDENT, _S.IDENT_SLASH, _S.IDENT_MAKER_1, _S.IDENT_MAKER_2, _S.IDENT_MAKER_3)
_TELEGRAMS: Final = (_S.TELEGRAM, _S.TELEGRAM_CR, _S.TELEGRAM_LINE, _S.TELEGRAM_BLANK)
BLOCKS: Final = frozenset({_S.BLOCK, _S.BLOCK_LINE, _S.BLOCK_BLANK, _S.BLOCK_FLAG})
"""The states in which an octet counts for the check character."""
HDLC: Final = (_S.HDLC, _S.HDLC_END)
"""The states of HDLC, in which all eight bits are data."""
WHOLE: Final = frozenset(
    {_S.REQUEST_BANG, _S.REQUEST_CR, _S.IDENT_CR, _S.IDENT_END, _S.ACK, _S.OPTION_CR, _S.CHECK, _S.CRC_CR}
    | {_S.CRC_0, _S.CRC_1, _S.CRC_2, _S.CRC_3, _S.CRC_4, _S.NULS, _S.SOFT_BANG, _S.SOFT_CR, _S.SOFT_END}
    | {_S.HDLC_END}
)
"""The states in which silence ends a whole frame."""
OPEN: Final = frozenset({_S.REQUEST, *_IDENTS, _S.OPTION_V, _S.OPTION_Z, _S.OPTION_Y, *BLOCKS, *_TELEGRAMS, _S.HDLC})
"""The states in which silence ends a cut frame. In any other state, what is open is not (yet) what it looks like."""
SOFT: Final = frozenset({_S.SOFT_END, _S.HDLC_END})
"""The states after which a message continues without a pause."""
STREAMS: Final = SOFT | {*_TELEGRAMS}
"""The states in which a sender makes no pause that is long for its speed."""
BOUNDED: Final = frozenset({_S.REQUEST, *_IDENTS, _S.BLANK})
"""The states in which the candidate's length is limited."""
SETTLED: Final = frozenset({_S.ACK, _S.IDENT_END})
"""The states in which the octets so far are a message, whatever follows."""


def _classify(value: int) -> Class:
    named = {
        NUL: _C.NUL, SOH: _C.SOH, STX: _C.STX, ETX: _C.END, EOT: _C.END, ACK: _C.ACK, NAK: _C.NAK, CR: _C.CR,
        LF: _C.LF, ord("/"): _C.SLASH, ord("?"): _C.QUERY, ord("!"): _C.BANG, ord("("): _C.BRACKET,
        ord(")"): _C.BRACKET,
    }  # fmt: skip
    character = chr(value & 0x7F)
    if value == HDLC_FLAG:
        return _C.FLAG
    value &= 0x7F
    if value in named:
        return named[value]
    if character.isdigit():
        return _C.DIGIT
    if character in "abcdefABCDEF":
        return _C.HEX_LETTER
    if character.isalpha():
        return _C.LETTER
    return _C.PRINTABLE if character.isprintable() else _C.OTHER


CLASSES: Final = [_classify(value) for value in range(256)]
"""The kind of each octet."""
TABLE: Final[list[list[tuple[Step, FramingState]]]] = [
    [next((step, then) for classes, step, then in _GRAMMAR[state] if kind in classes) for kind in Class]
    for state in FramingState
]
"""The step for each state and kind of octet, and the next state where the octet is added."""
