"""Pairing: finds the request of each answer, the original of each repeat, and each frame's session and gap.

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

from dataclasses import dataclass
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


class _Sent(NamedTuple):
    """A frame that a side sent; ``repeat_of`` is the number of the original where it was a repeat."""

    number: int
    record: Record
    name: MessageName
    damaged: bool
    repeat_of: int | None

    @property
    def original(self) -> int:
        """The number of the first frame of the series of repeats."""
        return self.repeat_of or self.number


@dataclass(slots=True)
class _LinkPairing:
    """A link's state. ``opening``: the session has only had calls so far; ``over``: a break ended it.

    ``request`` is the client's last request, which ends at ``request_end_ns`` and reads the registers ``reads``; its
    ``answer`` is '' (none yet), ``good``, ``damaged`` or ``NAK``. ``client`` and ``server`` are the last frames that
    may be repeated.
    """

    session: int = 0
    opening: bool = False
    over: bool = False
    end_ns: int = 0
    request: _Sent | None = None
    request_end_ns: int = 0
    reads: tuple[str, ...] = ()
    answer: str = ""
    client: _Sent | None = None
    server: _Sent | None = None


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

    def feed(self, number: int, record: Record, message: Message) -> tuple[Place, int | None]:
        """Takes frame ``number``; returns its place, and the time since the end of its link's previous frame, ns, None
        where there is none or it is unknown."""
        link = self._links.get(record.link)
        if link is None:
            link = self._links[record.link] = _LinkPairing()
            self._outages.feed(record)
        if record.link in self._outages.away:
            _forget(link)
        name, sender, since_ns = message.message, record.sender, record.time - link.end_ns
        gap_ns = since_ns if link.session and since_ns >= 0 and not record.flags & _SYNTHETIC else None
        if not link.session or since_ns > self._session_timeout_ns:
            self._begin(link)
        link.end_ns = record.time + record.duration
        if name is None or sender is _UNKNOWN or record.flags & _ECHO:
            if name is None and sender is _CLIENT:
                link.request_end_ns = link.end_ns
            return Place(link.session), gap_ns
        damaged = is_damaged(record, message)
        if sender is _CLIENT:
            return self._of_client(link, number, record, message, damaged), gap_ns
        return _of_server(link, number, record, message, damaged), gap_ns

    def _of_client(self, link: _LinkPairing, number: int, record: Record, message: Message, damaged: bool) -> Place:
        """Returns the place of a client's frame."""
        name, before, repeat_of = message.message, link.client, None
        assert name is not None
        if before and link.answer != "good" and name not in NOT_REPEATED and _asks_again(link, before, record):
            repeat_of = before.original
        if link.over or name in _TURNS:
            self._turn(link, name, anew=repeat_of is None)
        link.opening = link.opening and name in OPENING
        sent = _new(_Sent, (number, record, name, damaged, repeat_of))
        if name not in NOT_REQUESTS:
            if damaged or name is not _NAK:  # A NAK asks once more for what the request before it did.
                link.reads = message.register if name is _READ and not damaged else ()
            link.request, link.request_end_ns, link.answer = sent, link.end_ns, ""
        if name not in NOT_REPEATED:
            link.client = sent
        return _new(Place, (link.session, None, None, repeat_of, None, (), None))

    def ended(self, number: int) -> int | None:
        """Returns when the last frame of a link ended, ns; None where there was none."""
        link = self._links.get(number)
        return link.end_ns if link else None

    def settled(self, number: int) -> int | None:
        """Returns the session of a link where the next request, with a good answer behind it, relates to no earlier
        frame, nor does the server's next frame; None where one might."""
        link = self._links.get(number)
        if link is None or link.over or number in self._outages.away:
            return None
        if link.request and link.answer != "good":
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
    link.request = link.client = link.server = None
    link.reads = ()


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
    if request and not link.answer:
        if before and name not in NOT_REPEATED and (request.name is _NAK or _asked_again(link, record)):
            repeat_of = before.original
        link.answer = "NAK" if name is _NAK else "damaged" if damaged else "good"
        request_in = request.number
        if link.request_end_ns <= record.time and not (request.record.flags | record.flags) & _SYNTHETIC:
            response_time_ns = record.time - link.request_end_ns
        if name is _DATA and "" in message.register:
            asked = _asked(link.reads, message.register)
    if name not in NOT_REPEATED:
        link.server = _new(_Sent, (number, record, name, damaged, repeat_of))
    return _new(Place, (link.session, request_in, response_time_ns, repeat_of, None, asked, None))


def _asked(registers: tuple[str, ...], own: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the registers that a request named, of an answer's data sets that name none (``own``)."""
    if len(registers) != len(own):
        return ()
    if any(each and each != asked for each, asked in zip(own, registers, strict=True)):
        return ()
    asked = tuple("" if each else register for each, register in zip(own, registers, strict=True))
    return asked if any(asked) else ()


def _asks_again(link: _LinkPairing, before: _Sent, record: Record) -> bool:
    """Whether a client's frame repeats the one ``before``, which has no good answer."""
    return record.octets == before.record.octets or (before.damaged and link.answer == "NAK")


def _asked_again(link: _LinkPairing, record: Record) -> bool:
    """Whether a server's frame is the answer that it gave before, and the client repeated its request."""
    asked, before = link.client, link.server
    if asked is None or asked.repeat_of is None or before is None:
        return False
    return asked.repeat_of < before.original and record.octets == before.record.octets
