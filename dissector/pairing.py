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

An echo only belongs to its session; the original counts for everything else. Frames of an unknown sender, and the later
records of a message that did not fit into one, pair with nothing.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from vtctap.dissector.dlms import Object
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import ENDING, NOT_REPEATED, NOT_REQUESTS, OPENING, MessageName
from vtctap.pcap.record import Flag, Record, Sender

SESSION_TIMEOUT_NS: Final = 120_000_000_000
"""A session has ended after a longer silence (IEC 62056-21: a meter gives up after 60 to 120 s)."""

_CLIENT, _UNKNOWN = Sender.CLIENT, Sender.UNKNOWN
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
    """What is kept of a side's last frame; ``number`` is that of the original where the frame was a repeat."""

    number: int = 0
    octets: bytes = b""
    damaged: bool = False
    repeats: bool = False


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
    last: dict[Sender, _Frame] = field(default_factory=dict)


class Pairing:
    """Pairs the frames of one trace, fed in order."""

    def __init__(self, session_timeout_ns: int = SESSION_TIMEOUT_NS) -> None:
        self._session_timeout_ns = session_timeout_ns
        self._links: dict[int, _LinkPairing] = {}
        self._sessions = 0

    def place(self, number: int, record: Record, message: Message) -> Place:
        """Returns the place of frame ``number``."""
        link = self._links.get(record.link)
        if link is None:
            link = self._links[record.link] = _LinkPairing()
        end_ns = record.time + record.duration
        if not link.session or record.time - link.end_ns > self._session_timeout_ns:
            self._begin(link)
        link.end_ns = end_ns
        name, sender, flags = message.message, record.sender, record.flags
        if name is None or flags & Flag.ECHO or sender is _UNKNOWN:
            if name is None and sender is _CLIENT and link.request:
                link.request.end_ns = end_ns
            return Place(link.session)
        damaged, repeatable = is_damaged(record, message), name not in NOT_REPEATED
        before = link.last.get(sender)
        repeat_of = before.number if before and repeatable and _repeats(link, sender, record, before) else None
        request_in = response_time_ns = None
        asked: tuple[str, ...] = ()
        if sender is _CLIENT:
            self._turn(link, name, anew=repeat_of is None)
            if name not in NOT_REQUESTS:
                reads = () if damaged else _reads(link.request, message)
                request = link.request = link.request or _Request()
                request.number, request.end_ns, request.synthetic = number, end_ns, bool(flags & Flag.SYNTHETIC)
                request.is_nak, request.registers, request.answer = name == MessageName.NAK, reads, ""
        else:
            link.opening = False
            answer = "NAK" if name == MessageName.NAK else "damaged" if damaged else "good"
            request_in, response_time_ns = _answer(link.request, record, answer)
            if link.request and request_in is not None and name == MessageName.Data:
                asked = _asked(link.request.registers, message.register)
        if repeatable:
            last = link.last.get(sender) or link.last.setdefault(sender, _Frame())
            last.number, last.octets = repeat_of or number, record.octets
            last.damaged, last.repeats = damaged, repeat_of is not None
        # Faster than Place(...), which is a function in Python.
        return tuple.__new__(Place, (link.session, request_in, response_time_ns, repeat_of, None, asked, None))

    def settled(self, number: int) -> int | None:
        """Returns the session of a link where the next request, with a good answer behind it, relates to no earlier
        frame, nor does the server's next frame; None where one might."""
        link = self._links.get(number)
        if link is None or link.over or (link.request and link.request.answer != "good"):
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
        link.opening = link.opening and calls
        link.over = breaks

    def _begin(self, link: _LinkPairing) -> None:
        self._sessions += 1
        link.session, link.opening, link.over = self._sessions, True, False
        link.request = None
        link.last.clear()


def is_damaged(record: Record, message: Message) -> bool:
    """Whether octets of a frame are known to be wrong or missing."""
    return bool(record.flags & DAMAGE) or message.bad_check


def _answer(request: _Request | None, record: Record, answer: str) -> tuple[int | None, int | None]:
    """Returns the number of the request that a server's frame answers, and the response time in ns."""
    if request is None or request.answer:
        return None, None
    request.answer = answer
    known = request.end_ns <= record.time and not (request.synthetic or record.flags & Flag.SYNTHETIC)
    return request.number, record.time - request.end_ns if known else None


def _reads(before: _Request | None, message: Message) -> tuple[str, ...]:
    """Returns the registers that a client's message reads; a NAK asks once more for what the request ``before`` did."""
    if message.message == MessageName.NAK and before:
        return before.registers
    return message.register if message.message == MessageName.ReadCommand else ()


def _asked(registers: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the registers that a request named, of an answer's data sets that name none (``own``)."""
    if len(registers) != len(own) or all(own):
        return ()
    if any(each and each != asked for each, asked in zip(own, registers, strict=True)):
        return ()
    asked = tuple("" if each else register for each, register in zip(own, registers, strict=True))
    return asked if any(asked) else ()


def _repeats(link: _LinkPairing, sender: Sender, record: Record, before: _Frame) -> bool:
    """Whether a frame repeats ``before``, the last one that the same side sent."""
    request = link.request
    if request is None:
        return False
    if sender is _CLIENT:
        answer = request.answer
        return answer != "good" and (record.octets == before.octets or (before.damaged and answer == "NAK"))
    if request.answer or request.is_nak:
        return not request.answer
    asked = link.last.get(_CLIENT)
    asked_again = asked is not None and asked.repeats and asked.number < before.number
    return asked_again and record.octets == before.octets
