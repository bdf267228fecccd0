"""The framer: where each message on one wire begins and ends.

Octets with their times go in, pieces come out; there is no I/O and no clock. Fed one octet at a time or a megabyte, the
result is the same, for it depends on nothing but the octets and their times.

Theory
======

The messages of IEC 62056-21 (and, as far as is publicly known, of IEC 62055-52) have no length field and no common
delimiter. A message is known by its first octet, and each kind ends in its own way::

    /?...! CR LF              IDRequest         ends after LF, or after ! where no line end follows
    /XXXZ... CR LF            IDResponse        ends after LF, unless an empty line follows:
    /XXXZ... CR LF CR LF      Telegram          ends after ! with up to four hexadecimal digits and LF
    SOH ... ETX BCC           commands          ends after the octet that follows ETX or EOT, whatever it is
    STX ... ETX BCC           Data and Error    (that octet, the check character, may be any code)
    ACK                       ACK               ends at once, unless V Z Y CR LF follows: OptionSelect
    NAK                       NAK               ends at once
    NUL NUL ...               WakeUp            ends before the first other octet; fewer than eight are noise
    7E ... 7E                 HDLC              only after mode E was agreed on (:attr:`Framer.binary`)

All else is noise. Noise is collected until a frame, a long pause or the other side's message follows it.

A grammar that looks back. Some beginnings turn out not to be what they looked like: a slash in the noise, an ACK with a
digit behind it that is no OptionSelect. So the octets since a beginning are kept, and where the grammar fails, what was
already a message in itself (the ACK, the identification) becomes a frame, or else the first octet becomes noise, and
the rest is looked at again. Such candidates are short (:data:`MAX_IDENTIFICATION`), so this stays linear.

Soft ends. After an ACK, an identification, a request's ``!`` or an ETX, a message may be whole, and only what comes
next tells. What tells is the next octet, a pause (:meth:`Framer.silence`) or the other side's beginning to speak
(:meth:`Framer.turn`). No other timing enters the grammar, but for one case: some clients send no check character. On a
wire that carries both directions the next octet is then the other side's SOH or STX, and would be taken for a
wrong check character. It is the beginning of a new message if it is no right check character and it came after a
reaction's pause - or, where the times are synthetic and pauses unknown, in any case.

Cut frames. A pause longer than the protocol allows between two characters ends whatever is open; a frame that was open
in its middle is marked as cut. If what follows begins no message, though, the sender has but paused for too long, and
the frame goes on, unless the pause is :data:`PATIENCE` times as long as allowed. Data blocks may hold any octet before
their ETX: real damaged frames hold STX and SOH. Requests and Telegram lines do not: there SOH or STX begins a new
message, and the old one is cut.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Final, NamedTuple

from vtctap.dissector.characters import ACK, CR, EOT, ETX, LF, NAK, NUL, SOH, STX
from vtctap.pcap.record import MAX_OCTETS, Flag, Sender

MAX_IDENTIFICATION: Final = 96
"""A slash that is not followed by a line end within so many octets begins no identification, and empty lines that make
it longer begin no Telegram. The standard allows 22 octets and an IDRequest's 37; real meters send up to 40."""
MIN_WAKE_UP: Final = 8
"""Fewer NULs than this are noise. IEC 62056-21 clause 6.3.14 asks for 2.1 s of them, 63 at 300 bit/s."""
PATIENCE: Final = 2
"""After so many times the longest pause a frame is given up."""
MIN_REACTION: Final = 15_000_000
"""ns; the shortest pause that can be a change of sides. IEC 62056-21 clause 6.5 allows 20 ms at the least; a tap sees
some of that pause blurred."""


class Octet(NamedTuple):
    """An octet as a tap received it: its eight bits (the parity bit in bit 7 on a line with seven data bits), the start
    of its start bit (ns since 1970 UTC), how far the truth may lie from that (ns, None = unknown), and
    :class:`~vtctap.pcap.record.Flag` bits of what the driver said of it."""

    value: int
    start: int
    uncertainty: int | None = None
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive octets of one wire: a frame, or noise. ``cut``: the frame did not reach its end, or is one of several
    pieces, of which all but the first are ``later`` ones. ``binary``: all eight bits are data (HDLC)."""

    octets: tuple[Octet, ...]
    is_frame: bool
    cut: bool = False
    binary: bool = False
    later: bool = False

    @property
    def values(self) -> bytes:
        """The octets as received."""
        return bytes([octet.value for octet in self.octets])


class _Class(IntEnum):
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


_C = _Class
_ALL = frozenset(_C)
_HEX = {_C.DIGIT, _C.HEX_LETTER}
_LETTERS = {_C.HEX_LETTER, _C.LETTER}
_PRINTABLE = _HEX | _LETTERS | {_C.PRINTABLE, _C.SLASH, _C.QUERY, _C.BANG, _C.BRACKET}
_LINE_END = {_C.CR, _C.LF}


class _State(IntEnum):
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


_S = _State


class _Step(IntEnum):
    ADD = 0  # the octet belongs to what is open
    END = auto()  # it is the frame's last octet
    BEFORE = auto()  # the frame was whole before it
    CUT = auto()  # the frame was not, yet another begins here
    FALL = auto()  # what is open is not what it looked like
    NOISE = auto()
    CHECK = auto()  # it is the check character, or there is none
    HDLC = auto()


_T = _Step
_Rule = tuple[Iterable[_Class], _Step, _State]

# In each state the first rule that names the octet's class holds.
_GRAMMAR: Final[dict[_State, Sequence[_Rule]]] = {
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
            *([(_HEX, _T.ADD, _State(state + 1))] if state < _S.CRC_4 else []),
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

# Silence in one of these states ends a whole frame; ...
_WHOLE: Final = frozenset(
    {_S.REQUEST_BANG, _S.REQUEST_CR, _S.IDENT_CR, _S.IDENT_END, _S.ACK, _S.OPTION_CR, _S.CHECK, _S.CRC_CR}
    | {_S.CRC_0, _S.CRC_1, _S.CRC_2, _S.CRC_3, _S.CRC_4, _S.NULS}
)
# ... in one of these a frame that is cut. In any other, what is open is not (yet) what it looks like.
_OPEN: Final = frozenset(
    {_S.REQUEST, _S.IDENT, _S.OPTION_V, _S.OPTION_Z, _S.OPTION_Y, _S.BLOCK, _S.TELEGRAM, _S.TELEGRAM_LINE, _S.HDLC}
)
# In these the candidate's length is bounded, and ...
_BOUNDED: Final = frozenset({_S.REQUEST, _S.IDENT, _S.BLANK})
# ... on reaching one of these, the octets so far are a message whatever follows.
_SETTLED: Final = frozenset({_S.ACK, _S.IDENT_END})


def _classify(value: int) -> _Class:
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


_CLASSES: Final = [_classify(value & 0x7F) for value in range(256)]
_TABLE: Final[list[list[tuple[_Step, _State]]]] = [
    [next((step, then) for classes, step, then in _GRAMMAR[state] if kind in classes) for kind in _Class]
    for state in _State
]

_HDLC_FLAG: Final = 0x7E
_HDLC_HEADER: Final = 3


class Framer:
    """Finds the frames on one wire.

    ``sender`` is whose octets the wire carries, UNKNOWN where it carries both sides'. ``gap_limit`` (ns) is the longest
    pause inside a message. ``synthetic``: the times are made up, so that pauses say nothing. ``character_time`` (ns)
    and ``binary`` (mode E was agreed on) may be set at any time.
    """

    def __init__(self, *, sender: Sender, character_time: int, gap_limit: int, synthetic: bool = False) -> None:
        self.character_time = character_time
        self.binary = False
        self._sender = sender
        self._gap_limit = gap_limit
        self._patience = gap_limit * PATIENCE
        self._synthetic = synthetic
        self._state = _S.IDLE
        self._noise: list[Octet] = []
        self._open: list[Octet] = []
        self._settled = 0
        self._continues = False
        self._xor = 0
        self._sum = 0
        self._end = 0
        self._pieces: list[Piece] = []

    @property
    def open_since(self) -> int | None:
        """The start of the earliest octet that is in no piece yet, ns; None where there is none."""
        first = self._noise or self._open
        return first[0].start if first else None

    @property
    def end(self) -> int:
        """The end of the last octet that came in, ns."""
        return self._end

    def feed(self, octets: Iterable[Octet]) -> list[Piece]:
        """The pieces that these octets complete. Octets come in the order in which they were received."""
        for octet in octets:
            pause = octet.start - self._end
            if pause > self._gap_limit and (pause > self._patience or self._begins_message(octet)):
                self._flush()
            self._take(octet)
            self._end = octet.start + self.character_time
        return self._collect()

    def silence(self, until: int) -> list[Piece]:
        """The pieces that are complete because no octet has begun before ``until`` (ns)."""
        if until - self._end > self._patience:
            self._flush()
        return self._collect()

    def turn(self, start: int | None = None) -> list[Piece]:
        """The pieces that are complete because the other side of a half-duplex link begins to speak, at ``start`` (ns;
        None where times say nothing)."""
        late = start is not None and start - self._end > self._gap_limit
        if self._synthetic or late or self._state in _WHOLE or not self._open:
            self._flush()
        return self._collect()

    def close(self) -> list[Piece]:
        """The rest: no more octets will come."""
        self._flush()
        return self._collect()

    def _begins_message(self, octet: Octet) -> bool:
        step, _ = _TABLE[_S.IDLE][_CLASSES[octet.value]]
        return not self._open or step is not _T.NOISE

    def _collect(self) -> list[Piece]:
        pieces, self._pieces = self._pieces, []
        return pieces

    def _take(self, octet: Octet) -> None:
        """One octet through the grammar, and again what falls back out of it."""
        again = deque((octet,))
        while again:
            octet = again.popleft()
            value = octet.value
            if self._state is _S.IDLE and self.binary and value == _HDLC_FLAG:
                self._add(octet, _S.HDLC)
                continue
            step, then = _TABLE[self._state][_CLASSES[value]]
            if step is _T.ADD:
                self._add(octet, then)
                if self._state in _BOUNDED and len(self._open) > MAX_IDENTIFICATION:
                    self._fall(again)
            elif step is _T.END:
                self._keep(octet)
                self._emit(cut=False)
            elif step is _T.NOISE:
                self._add_noise(octet)
            elif step is _T.CHECK and not self._lacks_check(octet):
                self._keep(octet)
                self._emit(cut=False)
            elif step is _T.HDLC:
                self._hdlc(octet, again)
            elif step is _T.FALL or self._too_few():
                again.appendleft(octet)
                self._fall(again)
            else:
                self._emit(cut=step is _T.CUT)
                again.appendleft(octet)

    def _add(self, octet: Octet, then: _State) -> None:
        self._keep(octet)
        if self._state is _S.BLOCK:
            self._xor ^= octet.value
            self._sum += octet.value & 0x7F
        self._state = then
        if then in _SETTLED:
            self._settled = len(self._open)

    def _keep(self, octet: Octet) -> None:
        """The octet joins what is open; a frame that is as long as a piece may be goes on in a further one."""
        if len(self._open) == MAX_OCTETS:
            self._put(tuple(self._open), cut=True)
            self._open.clear()
            self._continues = True
        self._open.append(octet)

    def _too_few(self) -> bool:
        """Whether what is open are NULs, and too few for a WakeUp."""
        return self._state is _S.NULS and len(self._open) < MIN_WAKE_UP and not self._continues

    def _add_noise(self, octet: Octet) -> None:
        self._noise.append(octet)
        if len(self._noise) == MAX_OCTETS:
            self._pieces += self._take_noise()

    def _take_noise(self) -> list[Piece]:
        if not self._noise:
            return []
        noise = Piece(tuple(self._noise), is_frame=False)
        self._noise.clear()
        return [noise]

    def _emit(self, *, cut: bool, length: int | None = None) -> None:
        """What is open, or its first ``length`` octets, is a frame."""
        self._put(tuple(self._open[:length]), cut=cut or self._continues)
        self._reset()

    def _put(self, octets: tuple[Octet, ...], *, cut: bool) -> None:
        self._pieces += self._take_noise()
        self._pieces.append(Piece(octets, True, cut, self._state is _S.HDLC, self._continues))

    def _reset(self) -> None:
        self._open.clear()
        self._state = _S.IDLE
        self._settled = self._xor = self._sum = 0
        self._continues = False

    def _fall(self, again: deque[Octet]) -> None:
        """What is open is not what it looked like: its settled part is a frame, or its first octet noise."""
        rest = self._open[self._settled or 1 :]
        if self._settled:
            self._emit(cut=False, length=self._settled)
        else:
            self._add_noise(self._open[0])
            self._reset()
        again.extendleft(reversed(rest))

    def _lacks_check(self, octet: Octet) -> bool:
        """Whether the octet after ETX is not the check character but begins the next message."""
        value = octet.value & 0x7F
        if value in (self._xor & 0x7F, self._sum & 0x7F) or self._sender is not Sender.UNKNOWN:
            return False
        if self._synthetic:
            return value in (SOH, STX)
        pause = octet.start - self._open[-1].start - self.character_time
        return pause >= MIN_REACTION and value in (SOH, STX, ACK, NAK) and not octet.flags & Flag.PARITY

    def _hdlc(self, octet: Octet, again: deque[Octet]) -> None:
        """HDLC as mode E has it (IEC 62056-46): flag, format type 3 with an 11-bit length, ..., flag."""
        at = len(self._open)
        last = at + 1
        if at >= _HDLC_HEADER:
            last = 1 + ((self._open[1].value & 7) << 8 | self._open[2].value)
        if at == 1 and octet.value == _HDLC_FLAG:
            self._add_noise(self._open.pop())  # One flag may close a frame and another open the next.
            self._open.append(octet)
        elif (at == 1 and octet.value >> 4 != 0xA) or at > last or (at == last and octet.value != _HDLC_FLAG):
            again.appendleft(octet)
            self._fall(again)
        else:
            self._open.append(octet)
            if at == last:
                self._emit(cut=False)

    def _flush(self) -> None:
        """Ends all that is open."""
        again: deque[Octet] = deque()
        while self._open:
            if self._state in _WHOLE and not self._too_few():
                self._emit(cut=False)
            elif self._state in _OPEN:
                self._emit(cut=True)
            else:
                self._fall(again)
                while again:
                    self._take(again.popleft())
        self._pieces += self._take_noise()
