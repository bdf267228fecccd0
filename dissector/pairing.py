"""Pairing: finds the request of each answer, the original of each repeat, and the session of each frame.

A :class:`Pairing` is fed the frames of a trace in order and keeps a few values per link. The Lua dissector follows the
same rules:

- Every frame of the client except a WakeUp is a request; its response is the server's first frame after it. Further
  frames of the server answer nothing (modes A and B send the readout unasked).
- A frame is a repeat when the other side did not get it. The client repeats a request with the same octets while
  nothing, a NAK or a damaged answer answered it. The server repeats a frame after the client's NAK, or with the same
  octets when the client repeats its request. After a NAK, a damaged frame may be repeated with other octets. ACK, NAK
  and WakeUp repeat nothing. The record named is the first of the series.
- A session begins with an IDRequest or the WakeUp before it, and ends with a BreakCommand or by silence. Frames without
  a sign-on before them (the capture began late, or the meter sends by itself) form a session of their own. Sessions
  count through the trace, from 1.

- A data set that names no register is of the register that its request named, one for one where the request named
  several, and in Data alone: only if each data set that names its own names the same one, and if the request is an
  undamaged ReadCommand, or a NAK that asks once more for its answer.

- After an outage of a tap (:mod:`vtctap.dissector.outages`), no frame answers or repeats one before it; while a tap is
  away, no frame does.

An echo only belongs to its session; the original counts for everything else. Frames of an unknown sender, and the later
records of a message that did not fit into one, pair with nothing.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from vtctap.dissector.dlms import Object
from vtctap.dissector.outages import Outages
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import ENDING, NOT_REPEATED, NOT_REQUESTS, OPENING, MessageName
from vtctap.pcap.record import Flag, Record, Sender

SESSION_TIMEOUT_NS: Final = 120_000_000_000
"""A session has ended after a longer silence (IEC 62056-21: a meter gives up after 60 to 120 s)."""

_CLIENT, _UNKNOWN = Sender.CLIENT, Sender.UNKNOWN
_NAK, _DATA, _READ = MessageName.NAK, MessageName.Data, MessageName.ReadCommand
_TURNS: Final = OPENING | ENDING
_SYNTHETIC, _ECHO = Flag.SYNTHETIC, Flag.ECHO
DAMAGE: Final = Flag.PARITY | Flag.FRAMING | Flag.CUT


class Place(NamedTuple):
    """A frame's place among the others; None means that an attribute does not apply.

    Attributes are fields of the catalogue; ``response_time_ns`` is ``vtc.response_time``, and ``object_asked`` is the
    COSEM object that the request of a DLMS answer named. This is a tuple because one
    is made for each frame.
    """

    session: int
    request_in: int | None = None
    response_time_ns: int | None = None
    repeat_of: int | None = None
    status_token_in: int | None = None
    register_asked: tuple[str, ...] = ()
    object_asked: Object | None = None


@dataclass(slots=True)
class _Frame:
    """What is kept of a side's last frame; ``number`` is that of the original where the frame was a repeat, and 0 where
    there was no frame."""

    number: int = 0
    octets: bytes = b""
    damaged: bool = False
    repeats: bool = False

    def keep(self, repeat_of: int | None, number: int, record: Record, damaged: bool) -> None:
        """Takes the next frame of the side."""
        self.number, self.octets = repeat_of or number, record.octets
        self.damaged, self.repeats = damaged, repeat_of is not None


@dataclass(slots=True)
class _Request:
    """The client's last request; ``answer`` is '' (none yet), ``good``, ``damaged`` or ``NAK``; ``registers`` are those
    that it reads."""

    number: int = 0
    end_ns: int = 0
    synthetic: bool = False
    is_nak: bool = False
    registers: tuple[str, ...] = ()
    answer: str = ""


@dataclass(slots=True)
class _LinkPairing:
    """A link's state. ``opening``: the session has only had calls so far; ``over``: a break ended it."""

    session: int = 0
    opening: bool = False
    over: bool = False
    end_ns: int = 0
    request: _Request | None = None
    client: _Frame = field(default_factory=_Frame)
    server: _Frame = field(default_factory=_Frame)


class Pairing:
    """Pairs the frames of one trace, fed in order."""

    def __init__(self, session_timeout_ns: int = SESSION_TIMEOUT_NS) -> None:
        self._session_timeout_ns = session_timeout_ns
        self._links: dict[int, _LinkPairing] = {}
        self._sessions = 0
        self._outages = Outages()

    def interrupted(self, record: Record) -> bool:
        """Takes an event; returns whether it is an outage, after which no frame of its link relates to one before."""
        interrupted = self._outages.feed(record)
        link = self._links.get(record.link)
        if interrupted and link:
            _forget(link)
        return interrupted

    def place(self, number: int, record: Record, message: Message) -> Place:
        """Returns the place of frame ``number``."""
        link = self._links.get(record.link)
        if link is None:
            link = self._links[record.link] = _LinkPairing()
            self._outages.feed(record)
        if self._outages.away(record.link):
            _forget(link)
        time_ns, name, sender = record.time, message.message, record.sender
        if not link.session or time_ns - link.end_ns > self._session_timeout_ns:
            self._begin(link)
        link.end_ns = time_ns + record.duration
        if name is None or sender is _UNKNOWN or record.flags & _ECHO:
            if name is None and sender is _CLIENT and link.request:
                link.request.end_ns = link.end_ns
            return Place(link.session)
        of_side = self._of_client if sender is _CLIENT else _of_server
        return of_side(link, number, record, message, is_damaged(record, message))

    def _of_client(self, link: _LinkPairing, number: int, record: Record, message: Message, damaged: bool) -> Place:
        """Returns the place of a client's frame."""
        request, before, name = link.request, link.client, message.message
        assert name is not None
        repeats = (
            request is not None
            and request.answer != "good"
            and before.number != 0
            and name not in NOT_REPEATED
            and (record.octets == before.octets or (before.damaged and request.answer == "NAK"))
        )
        if link.over or name in _TURNS:
            self._turn(link, name, anew=not repeats)
        link.opening = link.opening and name in OPENING
        repeat_of = before.number if repeats else None
        if name not in NOT_REQUESTS:
            reads = () if damaged else _reads(link.request, message)
            request = link.request = link.request or _Request()
            request.number, request.end_ns, request.synthetic = number, link.end_ns, record.flags & _SYNTHETIC != 0
            request.is_nak, request.registers, request.answer = name == _NAK, reads, ""
        if name not in NOT_REPEATED:
            link.client.keep(repeat_of, number, record, damaged)
        return _new(Place, (link.session, None, None, repeat_of, None, (), None))

    def settled(self, number: int) -> int | None:
        """Returns the session of a link where the next request, with a good answer behind it, relates to no earlier
        frame, nor does the server's next frame; None where one might."""
        link = self._links.get(number)
        if link is None or link.over or self._outages.away(number):
            return None
        if link.request and link.request.answer != "good":
            return None
        return link.session

    def leave_out(self, number: int, end_ns: int) -> None:
        """Passes over such requests with their answers, and such frames of the server, of a settled link, up to one
        that ended at ``end_ns``. The next frames to be placed are of the same kind."""
        self._links[number].end_ns = end_ns

    def _turn(self, link: _LinkPairing, name: MessageName, *, anew: bool) -> None:
        """Begins a session at a new call, or at anything after a break; a repeat begins none."""
        calls, breaks = name in OPENING, name in ENDING
        if anew and ((calls and not link.opening) or (link.over and not breaks)):
            self._begin(link)
        link.over = breaks

    def _begin(self, link: _LinkPairing) -> None:
        self._sessions += 1
        link.session, link.opening, link.over = self._sessions, True, False
        _forget(link)


def _forget(link: _LinkPairing) -> None:
    """Forgets the frames that a link's next frames might answer or repeat."""
    link.request, link.client, link.server = None, _Frame(), _Frame()


def is_damaged(record: Record, message: Message) -> bool:
    """Whether octets of a frame are known to be wrong or missing."""
    return bool(record.flags & DAMAGE) or message.bad_check


_new: Final = tuple.__new__
"""Faster than Place(...), which is a function in Python."""


def _of_server(link: _LinkPairing, number: int, record: Record, message: Message, damaged: bool) -> Place:
    """Returns the place of a server's frame."""
    request, before, name = link.request, link.server, message.message
    request_in = response_time_ns = repeat_of = None
    asked: tuple[str, ...] = ()
    link.opening = False
    if request is not None and not request.answer:
        if before.number and name not in NOT_REPEATED and (request.is_nak or _asked_again(link, record)):
            repeat_of = before.number
        request.answer = "NAK" if name == _NAK else "damaged" if damaged else "good"
        request_in, response_time_ns = request.number, _response_time_ns(request, record)
        if name == _DATA and "" in message.register:
            asked = _asked(request.registers, message.register)
    if name not in NOT_REPEATED:
        before.keep(repeat_of, number, record, damaged)
    return _new(Place, (link.session, request_in, response_time_ns, repeat_of, None, asked, None))


def _response_time_ns(request: _Request, record: Record) -> int | None:
    """Returns the time from a request to the frame that answers it, if both are known."""
    if request.end_ns > record.time or request.synthetic or record.flags & _SYNTHETIC:
        return None
    return record.time - request.end_ns


def _reads(before: _Request | None, message: Message) -> tuple[str, ...]:
    """Returns the registers that a client's message reads; a NAK asks once more for what the request ``before`` did."""
    if message.message == _NAK and before:
        return before.registers
    return message.register if message.message == _READ else ()


def _asked(registers: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the registers that a request named, of an answer's data sets that name none (``own``)."""
    if len(registers) != len(own):
        return ()
    if any(each and each != asked for each, asked in zip(own, registers, strict=True)):
        return ()
    asked = tuple("" if each else register for each, register in zip(own, registers, strict=True))
    return asked if any(asked) else ()


def _asked_again(link: _LinkPairing, record: Record) -> bool:
    """Whether a server's frame is the answer that it gave before, and the client repeated its request."""
    asked, before = link.client, link.server
    return asked.repeats and asked.number < before.number and record.octets == before.octets
