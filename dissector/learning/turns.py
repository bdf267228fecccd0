"""Turns: exchanges, with the facts that questions need.

A :class:`Turn` states what was requested, if that is certain, and the outcome. The content of a damaged request is
unknown, and so is the meaning of its answer. After the client's NAK, the meter answers the previous request once more.
If the order of two taps is uncertain, it is unknown which request an answer belongs to.

Memory is constant: a few values for each link.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from vtctap.dissector.analysis.cases import unordered
from vtctap.dissector.analysis.exchanges import Exchange
from vtctap.dissector.dissect import Frame
from vtctap.dissector.learning.evidence import RecordPlace
from vtctap.dissector.protocol.characters import EOT, ETX, LF
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import READOUT, MessageName
from vtctap.pcap.record import Flag, Sender

MAX_VALUES: Final = 5000
"""Most registers of a link whose last value is kept."""
HABIT: Final = 2
"""A side omits check characters by habit from this many messages without one on, if none before had one."""


class Fate(StrEnum):
    """The outcome of a request: the kind of its first answer."""

    ANSWERED = "data"
    ACKNOWLEDGED = "ACK"
    REFUSED = "NAK"
    ERROR = "error message"
    IDENTIFIED = "identification"
    BROKEN_OFF = "break"
    SILENT = "silence"
    OTHER = "another message"
    DAMAGED = "damaged"
    """The answer is damaged, so its kind is not certain."""
    DOUBTFUL = "data or an error message"
    """The answer to a read is a text such as ``E11``, which may be a value or an error code."""
    UNKNOWN = "unknown"
    """It is not certain which frame answers, or the capture ends."""


_FATES: Final = {
    MessageName.ACK: Fate.ACKNOWLEDGED,
    MessageName.NAK: Fate.REFUSED,
    MessageName.Error: Fate.ERROR,
    MessageName.IDResponse: Fate.IDENTIFIED,
    MessageName.BreakCommand: Fate.BROKEN_OFF,
    **dict.fromkeys(READOUT, Fate.ANSWERED),
}
CERTAIN: Final = frozenset(Fate) - {Fate.DAMAGED, Fate.UNKNOWN, Fate.DOUBTFUL}
"""The fates that show what the meter did."""
_ERROR_TEXT: Final = re.compile(r"E[0-9]{2}|E(?=[A-Z]?[G-Z])[A-Z]{1,2}[0-9]{1,3}")
"""Matches what may be an error code although the standard has another form for these (``ER`` and two characters), and
no octets in hexadecimal."""


SAME, UP, RISEN, DOWN, FALLEN = "same", "up", "up after a write", "down", "down after a write"
CLIMBS, DROPS, OTHER = "up while polled", "down while polled", "other"
"""How a value may differ from the previous one. After a write: the meter accepted a write in between. While polled: the
client's previous request was the same read. Other: at least one of the values is no number."""


class SentValue(NamedTuple):
    """A value that the meter sent: its register, the read's count in ``limit`` (0 without one), and its change since
    the last read with that count; empty the first time, and if what was asked in between is not certain."""

    register: str
    value: str
    unit: str
    limit: int
    change: str

    @property
    def subject(self) -> str:
        """The register, with the count if it limits the value."""
        return f"{self.register} count {self.limit}" if self.limit else self.register


def count_of(message: Message) -> int | None:
    """Returns the count of a read: the digit without brackets, or the number within them; None if there is none."""
    if message.count is not None:
        return message.count
    values = [value for value in message.value if value]
    return int(values[0], 16) if len(values) == 1 and _COUNT.fullmatch(values[0]) else None


_COUNT: Final = re.compile(r"[0-9A-Fa-f]{1,3}")


@dataclass(frozen=True, slots=True)
class Turn:
    """An exchange as questions see it.

    - ``place`` is the record of the request, or of the first answer.
    - ``asks`` is the undamaged message that the meter had to answer, ``asked`` is its name; None if it is not known.
    - ``answer`` is the first undamaged answer; ``fate`` is its kind.
    - ``omits_checks``: the client has sent messages without a check character, and none with a good one.
    - ``position`` counts the turns of a session, from 1. ``signed_on``: the session has had a sign-on before this turn;
      ``password`` and ``selected``: it has had a password or an option select. ``certainly_unsigned``: it has had no
      sign-on, and a break or a long silence ended the session before it.
    - ``rest_ns`` is the silence before the request, None if it is unknown.
    - ``before`` is the previous turn of the link; that turn's own ``before`` is None.
    - ``data`` are the values that the meter sent in an undamaged answer. Data sets without an id belong to the
      requested registers, in their order; if that is not certain, there are none, and none after a damaged request,
      whose count is unknown.
    """

    trace: int
    place: RecordPlace
    exchange: Exchange
    asks: Message | None
    asked: MessageName | None
    answer: Frame | None
    fate: Fate
    omits_checks: bool
    position: int
    signed_on: bool
    password: bool
    selected: bool
    certainly_unsigned: bool
    rest_ns: int | None
    before: "Turn | None"
    data: tuple[SentValue, ...] = ()

    @property
    def opening(self) -> bool:
        """Whether this is the first turn of its session."""
        return self.position == 1

    @property
    def is_certain(self) -> bool:
        """Whether the request is what the client sent: it has a check character, or the same was read before."""
        ids = self.asks.register if self.asks else ()
        return not self.omits_checks or any(data.change and data.register in ids for data in self.data)

    @property
    def is_new(self) -> bool:
        """Whether the request is neither a repeat nor a NAK."""
        request = self.exchange.request
        return request is not None and request.place.repeat_of is None and request.name != MessageName.NAK

    @property
    def request(self) -> Frame | None:
        """The client's frame, which may be damaged; None if the server sent without a request."""
        return self.exchange.request

    @property
    def undamaged(self) -> tuple[Frame, ...]:
        """The request and the first answer, each only if it is undamaged."""
        request = self.request if self.request and self.request.message is self.asks else None
        return tuple(frame for frame in (request, self.answer) if frame)

    @property
    def link(self) -> int:
        """The number of the link."""
        return self.exchange.link

    def at(self, frame: Frame) -> RecordPlace:
        """Returns the place of a frame."""
        return RecordPlace(self.trace, frame.number)


def _fate(answer: Message, asks: Message | None) -> Fate:
    """Returns the kind of an undamaged answer."""
    fate = _FATES.get(answer.message, Fate.OTHER) if answer.message else Fate.OTHER
    if fate is Fate.ANSWERED and answer.register == ("",) and _ERROR_TEXT.fullmatch(answer.value[0]):
        reads = asks is None or asks.message == MessageName.ReadCommand
        return Fate.DOUBTFUL if reads else Fate.ERROR
    return fate


def _values(asks: Message | None, answer: Frame | None) -> Iterator[tuple[str, str, str]]:
    """Yields register, value and unit of each data set of an answer, if the registers are certain."""
    if answer is None or answer.message.message not in READOUT:
        return
    message = answer.message
    registers = message.register if asks is None else answer.registers
    if all(registers):
        yield from zip(registers, message.value, message.unit, strict=True)


@dataclass(slots=True)
class _Link:
    """What is kept of a link. ``over``: a break ended the session; ``fresh``: the session began after another's end;
    ``values``: the last value of each register and count, and how many writes the meter had taken then; ``doubts``
    counts the requests that may have been writes, or of which it is not known whether the meter took them, and
    ``values`` keeps their number as well."""

    session: int = 0
    position: int = 0
    end_ns: int | None = None
    over: bool = False
    fresh: bool = False
    signed_on: bool = False
    password: bool = False
    selected: bool = False
    before: Turn | None = None
    writes: int = 0
    doubts: int = 0
    values: dict[tuple[str, int], tuple[str, int, int]] = field(default_factory=dict)
    unchecked: Counter[Sender] = field(default_factory=Counter)
    checking: set[Sender] = field(default_factory=set)


_SIGN_ON: Final = frozenset((MessageName.IDRequest, MessageName.IDResponse, MessageName.Telegram))


class Turns:
    """Makes turns from the exchanges of one trace, which are fed in order.

    ``trace`` is the number of the trace; a session is certainly over after a silence of ``rest_ns``.
    """

    def __init__(self, trace: int, rest_ns: int) -> None:
        self._trace = trace
        self._rest_ns = rest_ns
        self._links: dict[int, _Link] = {}

    def feed(self, exchange: Exchange, *, ends: bool = False) -> Turn:
        """Takes the next exchange. ``ends``: the trace ends with it, so an answer may be missing."""
        link = self._links.setdefault(exchange.link, _Link())
        frames = exchange.frames
        rest_ns = self._rest(link, frames[0])
        if exchange.session != link.session:
            self._open(link, exchange.session, rest_ns)
        link.position += 1
        names, request_name = {frame.name for frame in frames}, exchange.request.name if exchange.request else ""
        asks = self._asks(link, exchange)
        answer, fate = self._fate(link, exchange, asks, ends=ends)
        unsigned = link.fresh and not link.signed_on and not names & _SIGN_ON
        known = fate is not Fate.DOUBTFUL and (asks is not None or exchange.request is None)
        before = link.before
        turn = Turn(
            self._trace,
            RecordPlace(self._trace, frames[0].number),
            exchange,
            asks,
            asks.message if asks else None,
            answer,
            fate,
            link.unchecked[Sender.CLIENT] > 0 and Sender.CLIENT not in link.checking,
            link.position,
            link.signed_on,
            link.password,
            link.selected,
            unsigned,
            rest_ns,
            replace(before, before=None) if before else None,
            tuple(self._data(link, asks, answer)) if known else (),
        )
        link.writes += turn.asked == MessageName.WriteCommand and fate is Fate.ACKNOWLEDGED
        link.doubts += may_write(turn)
        link.before = turn
        link.end_ns = max(frame.record.end for frame in frames)
        link.over = turn.asked == MessageName.BreakCommand
        link.signed_on = link.signed_on or not names.isdisjoint(_SIGN_ON)
        link.password = link.password or request_name == MessageName.PasswordCommand
        link.selected = link.selected or request_name in (MessageName.OptionSelect, MessageName.ACK)
        return turn

    def _rest(self, link: _Link, first: Frame) -> int | None:
        """Returns the silence before a frame, None if it is unknown."""
        if link.end_ns is None or first.record.flags & Flag.SYNTHETIC:
            return None
        return max(first.record.time - link.end_ns, 0)

    def _open(self, link: _Link, session: int, rest_ns: int | None) -> None:
        link.session, link.position = session, 0
        link.fresh = link.over or (rest_ns or 0) > self._rest_ns
        link.signed_on = link.password = link.selected = False

    def _data(self, link: _Link, asks: Message | None, answer: Frame | None) -> Iterator[SentValue]:
        count = (count_of(asks) if asks and asks.message == MessageName.ReadCommand else None) or 0
        for register, value, unit in _values(asks, answer):
            key, change = (register, count), ""
            if key in link.values:
                was, writes, doubts = link.values[key]
                written, polled = writes < link.writes, _is_polled(link.before, key, asks)
                if was == value or (doubts == link.doubts and (written or polled is not None)):
                    change = _change(was, value, written=written, polled=bool(polled))
            if key in link.values or len(link.values) < MAX_VALUES:
                link.values[key] = value, link.writes, link.doubts
            yield SentValue(register, value, unit, count, change)

    def _asks(self, link: _Link, exchange: Exchange) -> Message | None:
        request = exchange.request
        if request is None:
            return None
        if request.name == MessageName.NAK:
            return link.before.asks if link.before else None
        return request.message if self._is_sound(link, request) else None

    def _fate(self, link: _Link, exchange: Exchange, asks: Message | None, *, ends: bool) -> tuple[Frame | None, Fate]:
        """Returns the first undamaged answer, and the outcome of the request."""
        before = link.before.exchange.frames[-2:] if link.before else ()
        if exchange.blind or unordered((*before, *exchange.frames)):
            return None, Fate.UNKNOWN
        sound = [frame for frame in exchange.responses if frame.name and self._is_sound(link, frame)]
        if not exchange.responses:
            return None, Fate.UNKNOWN if ends else Fate.SILENT
        if not sound or sound[0] is not exchange.responses[0]:
            return (sound[0] if sound else None), Fate.DAMAGED
        return sound[0], _fate(sound[0].message, asks)

    def _is_sound(self, link: _Link, frame: Frame) -> bool:
        """Whether a frame is undamaged. Without a check character it is undamaged only if its side omits them by
        habit."""
        record = frame.record
        if frame.damaged or record.parity_errors or record.flags & (Flag.OVERRUN | Flag.BREAK):
            return False
        side, status = record.sender, frame.message.bcc_status
        if status == "good":
            link.checking.add(side)
            return True
        if not _has_end(frame):
            return False
        if status != "missing":
            return True
        link.unchecked[side] += 1
        return side not in link.checking and link.unchecked[side] >= HABIT


def _is_polled(before: Turn | None, key: tuple[str, int], asks: Message | None) -> bool | None:
    """Whether the previous turn gave a value of the same, so that nothing came in between; None if it may have asked
    for it, but the value is not known."""
    if before is None:
        return False
    if any(key == (data.register, data.limit) for data in before.data):
        return True
    return None if before.request and before.asks in (None, asks) else False


def may_write(turn: Turn) -> bool:
    """Whether the client may have written a value that the meter took, without a certain sign of it. A damaged request
    that is answered with data was a read."""
    if turn.asks is None:
        return turn.request is not None and turn.fate is not Fate.ANSWERED
    return turn.asked == MessageName.WriteCommand and turn.fate not in (Fate.ACKNOWLEDGED, Fate.REFUSED, Fate.ERROR)


_LINES: Final = frozenset((MessageName.IDRequest, MessageName.IDResponse, MessageName.OptionSelect))
"""The messages that end with a line end."""


def _has_end(frame: Frame) -> bool:
    """Whether the last octet of a frame can be that of its message. The end of a frame that lost octets there is too
    early, and so are the times that count from it."""
    last = frame.record.octets[-1] & 0x7F if frame.record.octets else None
    if frame.name in _LINES:
        return last == LF
    return frame.message.bcc_status != "missing" or last in (ETX, EOT)


def _change(was: str, value: str, *, written: bool, polled: bool) -> str:
    """Returns how a value differs from the previous one. A longer number is larger; others are compared as text."""
    if value == was:
        return SAME
    if not (_NUMBER.fullmatch(value) and _NUMBER.fullmatch(was)):
        return OTHER
    down = (value.find("."), len(value), value) < (was.find("."), len(was), was)
    if polled:
        return DROPS if down else CLIMBS
    if written:
        return FALLEN if down else RISEN
    return DOWN if down else UP


_NUMBER: Final = re.compile(r"[0-9A-F]+|[0-9]+\.[0-9]*")


def sides(exchange: Exchange) -> Iterator[tuple[str, Frame]]:
    """Yields the frames of an exchange, each with the name of its side: client or server."""
    for frame in exchange.frames:
        if frame.record.sender is not Sender.UNKNOWN:
            yield frame.record.sender.name.lower(), frame
