"""Merges the taps of one link into one stream, in the order sent.

Each tap's clock may be off by the uncertainty of its records. Where two frames of different taps are so close that this
matters, their timestamps do not tell which was sent first:

- The order is certain if the starts are further apart than both uncertainties together, or if the frames do not overlap
  and the later one could not have ended before the other began (the link is half-duplex).
- Otherwise the protocol decides (:func:`_protocol_first`): a server sends only when asked, so an answer follows its
  request, and a frame that cannot answer a request was sent before it. An echo follows its original.
- Where neither the protocol nor the wiring decides, the order of the timestamps stays.
- An unknown uncertainty counts as :data:`~vtctap.pcap.record.MAX_UNCERTAINTY_NS` on a tap whose timestamps have no
  bound (a network). On any other tap the order of the timestamps stays: that of a recording, or of octets received
  before a port was opened. A record waits that much longer than its own uncertainty for another tap's record, whose
  uncertainty is unknown until it arrives.

Where the protocol or the timestamps decide, both frames are flagged ORDER_UNCERTAIN, except an echo and its original,
whose order is known. Timestamps stay unchanged, so in the merged stream they may go back by less than the uncertainty.
Records of one tap are never reordered. This module has no clock and no I/O.
"""

import heapq
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Final, NamedTuple

from vtctap.dissector.framing.framed import message_of
from vtctap.dissector.framing.senders import hdlc_sender, natural_sender
from vtctap.dissector.protocol import hdlc
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import MAY_ANSWER, NEEDS_NO_ANSWER, MessageName
from vtctap.pcap.record import MAX_UNCERTAINTY_NS, Flag, Kind, Record, Sender

_NO_MESSAGE: Final = Message(None)
_KEY: Final = attrgetter("key")


@dataclass(slots=True)
class _Waiting:
    """A waiting record, and its position by its timestamp alone: its time, and its number as it arrived."""

    record: Record
    key: tuple[int, int]
    unsure_ns: int | None = None
    """The uncertainty of the timestamp for merging, ns; None: the timestamp is trusted."""
    uncertain: bool = False

    @property
    def message(self) -> Message:
        """The message of a frame, an empty one for noise."""
        return message_of(self.record) if self.record.kind is Kind.FRAME else _NO_MESSAGE


class Bound(NamedTuple):
    """What a tap may still deliver: octets from ``start_ns`` on, with at most ``uncertainty_ns``. The octets that it is
    receiving now end no earlier than ``end_ns`` (0: it receives nothing)."""

    start_ns: int
    uncertainty_ns: int = MAX_UNCERTAINTY_NS
    end_ns: int = 0


class Order:
    """Merges the records of one link's taps.

    ``answer_within_ns`` is the longest response time by which an answer surely belongs to the last request.
    """

    def __init__(self, answer_within_ns: int) -> None:
        self._answer_within_ns = answer_within_ns
        self._taps: dict[int, deque[_Waiting]] = {}
        self._unbounded: set[int] = set()
        self._events: list[tuple[tuple[int, int], _Waiting]] = []
        self._count = 0
        self.waiting = 0
        """The number of waiting records."""
        self._heard: dict[int, Record] = {}
        self._said: _Waiting | None = None
        self._echoed = False
        """Whether another tap has heard the last frame."""
        self._echoing: set[Sender] = set()
        """The sides whose taps have heard everything that the other side sent last."""

    def add(self, tap: int, *, bounded: bool = True) -> None:
        """Adds a tap of the link. ``bounded``: its timestamps have a limited error."""
        self._taps[tap] = deque()
        if not bounded:
            self._unbounded.add(tap)

    def push(self, record: Record) -> None:
        """Queues a record; an event may belong to any tap."""
        self._count += 1
        self.waiting += 1
        waiting = _Waiting(record, (record.time, self._count), self._uncertainty_ns(record))
        if record.kind is Kind.EVENT:
            heapq.heappush(self._events, (waiting.key, waiting))
        else:
            self._taps[record.tap].append(waiting)

    def _uncertainty_ns(self, record: Record) -> int | None:
        if record.uncertainty is None:
            return MAX_UNCERTAINTY_NS if record.tap in self._unbounded else None
        return min(record.uncertainty, MAX_UNCERTAINTY_NS)

    def pop(self, bounds: Mapping[int, Bound] | None, held_since_ns: int | None) -> Record | None:
        """Returns the next record; None where there is none yet.

        ``bounds`` says what each tap may still deliver; None: no tap delivers anything more. A record that ended before
        ``held_since_ns`` (None: no limit) waits no longer.
        """
        heads = sorted((row[0] for row in self._taps.values() if row), key=_KEY)
        if self._events and (not heads or self._events[0][0] < heads[0].key):
            event = self._events[0][1]
            rivals = [bound for bound in (bounds or {}).values() if bound.start_ns <= event.record.time]
            event.uncertain = bool(rivals)
            return None if _may_wait(event, rivals, held_since_ns) else self._leave(event)
        if not heads:
            return None
        next_ = self._first(heads)
        rivals = self._rivals(next_, bounds or {})
        if _may_wait(next_, rivals, held_since_ns):
            return None
        self._doubt(next_, heads, rivals)
        return self._leave(next_)

    def _rivals(self, next_: _Waiting, bounds: Mapping[int, Bound]) -> list[Bound]:
        """Returns the bounds of other taps that may still deliver an earlier frame."""
        empty = [bound for tap, bound in bounds.items() if tap != next_.record.tap and not self._taps[tap]]
        return [bound for bound in empty if bound.start_ns <= _reach(next_, bound)]

    def _doubt(self, next_: _Waiting, heads: list[_Waiting], rivals: list[Bound]) -> None:
        """Flags the next record, and those of other taps, whose order is uncertain."""
        if any(next_.record.end > bound.start_ns or bound.end_ns <= _reach(next_, bound) for bound in rivals):
            next_.uncertain = True
        for other in heads:
            if other is not next_ and not _is_certain(next_, other) and not _echo_pair(next_, other):
                next_.uncertain = other.uncertain = True

    def _first(self, heads: list[_Waiting]) -> _Waiting:
        """Returns the next of the taps' first records, which are given in the order of their times."""
        first = heads[0]
        for other in heads[1:]:
            if not _is_certain(first, other) and self._precedes(other, first):
                first = other
        return first

    def _precedes(self, later: _Waiting, earlier: _Waiting) -> bool:
        """Whether the record with the later timestamp was sent first."""
        if _echo_pair(earlier, later):
            return self._is_original(later)
        sides = {earlier.record.sender: earlier, later.record.sender: later}
        if Sender.UNKNOWN in sides or len(sides) < 2:
            return False
        client, server = sides[Sender.CLIENT], sides[Sender.SERVER]
        return self._protocol_first(client, server) is later

    def _protocol_first(self, client: _Waiting, server: _Waiting) -> _Waiting | None:
        """Returns which of the two the protocol puts first; None where it does not decide."""
        asked, answer = client.message.message, server.message.message
        if asked is None or answer is None:
            return None
        if self._said is not None and self._said.record.sender is Sender.CLIENT:
            before = self._said.message.message
            in_time = server.record.time - self._said.record.end <= self._answer_within_ns
            if before is not None and in_time and _may_answer(before, answer):
                return server
        if asked in NEEDS_NO_ANSWER and answer in MAY_ANSWER[MessageName.IDRequest]:
            return client  # The request that it answers is still to come.
        return client if _may_answer(asked, answer) else server

    def _leave(self, waiting: _Waiting) -> Record:
        """Removes the record from its queue and returns it with its flags."""
        record = waiting.record
        self.waiting -= 1
        if record.kind is Kind.EVENT:
            heapq.heappop(self._events)
        else:
            self._taps[record.tap].popleft()
        if waiting.uncertain:
            record = _flagged(record, Flag.ORDER_UNCERTAIN)
        if record.kind is not Kind.FRAME:
            return record
        original = self._original(record, waiting.message)
        if original is not None:
            del self._heard[original]
            self._echoed = True
            self._echoing.add(record.sender)
            return _flagged(record, Flag.ECHO)
        if self._said is not None and self._said.record.sender is not record.sender and not self._echoed:
            self._echoing.discard(record.sender)
        self._heard[record.tap], self._said, self._echoed = record, waiting, False
        return record

    def _original(self, record: Record, message: Message) -> int | None:
        """Returns the other tap that has just heard the frame of which this record is the echo."""
        for tap, heard in self._heard.items():
            if tap != record.tap and (heard.octets == record.octets or _is_lossy_echo(record, heard)):
                natural = _natural_sender(record, message)
                if natural is heard.sender or (natural is Sender.UNKNOWN and self._may_echo(record, heard)):
                    return tap
        return None

    def _may_echo(self, record: Record, heard: Record) -> bool:
        """Whether a frame that either side may send is an echo: it came at the same time, or next on a tap that has
        echoed the other side's previous frame."""
        said_last = self._said is not None and self._said.record is heard
        return _overlap(record, heard) or (said_last and record.sender in self._echoing)

    def _is_original(self, waiting: _Waiting) -> bool:
        """Whether this record is the original of its echo.

        The original comes from the side that sends such a message. Where either side may, it comes from the client,
        since echoes occur on the meter's side of an optical head; but where the client's tap also hears the server, it
        comes from the side that did not send last.
        """
        speaker = _natural_sender(waiting.record, waiting.message)
        if speaker is Sender.UNKNOWN and self._said is not None and Sender.CLIENT in self._echoing:
            speaker = self._said.record.sender.other
        return waiting.record.sender is (speaker or Sender.CLIENT)


def _flagged(record: Record, flag: int) -> Record:
    return replace(record, flags=record.flags | flag)


def _may_wait(waiting: _Waiting, rivals: list[Bound], held_since_ns: int | None) -> bool:
    """Whether a record must still wait for its rivals."""
    return bool(rivals) and (held_since_ns is None or waiting.record.end >= held_since_ns)


def _echo_pair(one: _Waiting, other: _Waiting) -> bool:
    """Whether one is the other's echo: the same octets at the same time on the two sides' taps."""
    return (
        one.record.kind is other.record.kind is Kind.FRAME
        and one.record.octets == other.record.octets
        and one.record.sender is not other.record.sender
        and _overlap(one.record, other.record)
    )


def _overlap(one: Record, other: Record) -> bool:
    return one.time < other.end and other.time < one.end


def _reach(waiting: _Waiting, bound: Bound) -> int:
    """Returns the latest timestamp of another tap's record that may have been sent first, ns."""
    time = waiting.record.time
    return time if waiting.unsure_ns is None else time + waiting.unsure_ns + bound.uncertainty_ns


def _is_certain(one: _Waiting, other: _Waiting) -> bool:
    """Whether the timestamps tell which of two taps' records was sent first. An unknown uncertainty leaves only the
    timestamps, so they decide."""
    if one.unsure_ns is None or other.unsure_ns is None:
        return True
    early, late = sorted((one.record, other.record), key=lambda record: record.time)
    joint = one.unsure_ns + other.unsure_ns
    return late.time - early.time > joint or (early.end <= late.time and late.end > early.time + joint)


def _may_answer(asked: MessageName, answer: MessageName) -> bool:
    return asked not in MAY_ANSWER or answer in MAY_ANSWER[asked]


def _natural_sender(record: Record, message: Message) -> Sender:
    """Returns the side that sends such a message, or such an HDLC frame; UNKNOWN where either side does."""
    return hdlc_sender(record.octets) if message.message == MessageName.HDLC else natural_sender(message)


def _is_lossy_echo(record: Record, heard: Record) -> bool:
    """Whether a damaged HDLC frame has the header of one that was heard, since an optical head's echo loses octets."""
    header = hdlc.header_end(record.octets[: hdlc.MAX_HEADER])
    if header is None or record.octets[:1] != heard.octets[:1] or record.octets[0] != hdlc.FLAG:
        return False
    damaged = bool(record.flags & Flag.CUT) or message_of(record).bad_check
    return damaged and record.octets[:header] == heard.octets[:header]
