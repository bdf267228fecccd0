"""The assembler: turns the octets of a link's taps into the records of its trace, in order.

One assembler serves one link. It has a framer for each tap and turns the framers' pieces into records: it checks and
removes the parity bit, lists pauses and errors, and takes the sender from the wiring or infers it from the protocol.
Records leave in the order sent (:mod:`~vtctap.dissector.framing.merge`), with echoes marked. It has no clock;
:meth:`Assembler.advance` tells it the time.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vtctap.dissector.framing.framed import FramedRecord, decode
from vtctap.dissector.framing.framer import MIN_REACTION_NS, Framer
from vtctap.dissector.framing.merge import Bound, Order
from vtctap.dissector.framing.pieces import Octet, Piece, Run
from vtctap.dissector.framing.senders import Senders, selects_binary
from vtctap.dissector.protocol.characters import SEVEN_BITS, wrong_parity
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import MessageName
from vtctap.pcap.record import EIGHT_BITS, MAX_UNCERTAINTY_NS, SECOND_NS, Flag, Kind, Line, Record, Sender

MAX_HOLD_NS: Final = SECOND_NS
"""Longest time, in ns, that a record waits for the other tap; then it is written and flagged."""

MAX_PAUSES: Final = 20_000
"""Most pauses of a record; a frame with more is split into several, marked as cut. Wireshark rejects a file with a
packet of more than 262 144 octets, and each pause takes eight."""

_Others = Sequence[tuple[int, Framer]]


@dataclass(slots=True)
class Tap:
    """A receiver on one wire: its number, the sender whose octets it hears (UNKNOWN: both), and its line settings.

    All attributes but the first two may change at any time. A change applies to octets fed later, and ends what was
    open. ``spacing_ns`` is the duration of a character where the speed is unknown (0); a change of it ends nothing.
    """

    number: int
    sender: Sender
    line: Line
    speed: int
    without_parity: frozenset[Sender] = frozenset()
    """Senders whose octets have no parity bit, although others on this line have one."""
    spacing_ns: int = field(default=0, compare=False)
    bounded: bool = True
    """Whether an unknown uncertainty of its timestamps still has a limit."""
    doubt_ns: int = field(default=MAX_UNCERTAINTY_NS, compare=False)
    """The largest uncertainty, in ns, that a timestamp usually has; how long other taps' records wait for this tap."""

    def character_time_ns(self, line: Line | None = None) -> int:
        """Returns the duration of one character, ns, with the tap's line settings or others at its speed."""
        return (line or self.line).character_time_ns(self.speed) or self.spacing_ns


class Assembler:
    """Makes the records of link number ``link`` from the octets of its taps.

    ``gap_limit_ns`` is the longest pause inside a message; ``synthetic``: the octets' times are invented;
    ``max_hold_ns`` is the longest time that a record waits for the other tap, None: no limit, for imports. ``decode``
    decodes a message, or returns it from a cache. Frames leave as
    :class:`~vtctap.dissector.framing.framed.FramedRecord`.
    """

    def __init__(
        self,
        link: int,
        taps: Sequence[Tap],
        *,
        gap_limit_ns: int,
        synthetic: bool = False,
        max_hold_ns: int | None = MAX_HOLD_NS,
        decode: Callable[[bytes], Message] = decode,
    ) -> None:
        self._link = link
        self._decode = decode
        self._gap_limit_ns = gap_limit_ns
        self._synthetic = synthetic
        self._max_hold_ns = max_hold_ns
        self._taps: dict[int, Tap] = {}
        self._settings: dict[int, Tap] = {}
        self._framers: dict[int, Framer] = {}
        self._horizon_ns: dict[int, int] = {}
        self._turns_ns: dict[int, int] = {}
        """By tap: from when on the other side surely sends, which ends what is open on the tap."""
        self._now_ns = 0
        self._order = Order(gap_limit_ns)
        self._senders = Senders()
        self._commands: Counter[str | None] = Counter()
        """The number of the client's commands by the status of their check characters."""
        for tap in taps:
            self.add(tap)

    def add(self, tap: Tap) -> None:
        """Adds a tap of the link."""
        self._taps[tap.number] = tap
        self._settings[tap.number] = replace(tap)
        self._framers[tap.number] = Framer(
            sender=tap.sender,
            character_time_ns=tap.character_time_ns(),
            gap_limit_ns=self._gap_limit_ns,
            synthetic=self._synthetic,
        )
        self._horizon_ns[tap.number] = 0
        self._order.add(tap.number, bounded=tap.bounded)

    def feed(self, tap: int, octets: Sequence[Octet]) -> list[Record]:
        """Takes octets of one tap, in the order of their starts, and returns the records that they complete."""
        framer = self._framers[tap]
        if self._settings[tap] != self._taps[tap]:
            self._add(tap, framer.close())
            self._settings[tap] = replace(self._taps[tap])
        self._settings[tap].spacing_ns = self._taps[tap].spacing_ns
        framer.character_time_ns = self._settings[tap].character_time_ns()
        others = [(number, other) for number, other in self._framers.items() if number != tap]
        if isinstance(octets, Run):
            self._feed_run(tap, octets, others)
        else:
            self._feed_each(tap, octets, others)
        if octets:  # Not the last one's end, since a pseudo-terminal may be faster than its line.
            self._horizon_ns[tap] = max(self._horizon_ns[tap], octets[-1].start)
        self._now_ns = max(self._now_ns, framer.end_ns)
        return self._release()

    def _feed_each(self, tap: int, octets: Iterable[Octet], others: _Others) -> None:
        framer = self._framers[tap]
        others = [(number, other) for number, other in others if other.earliest]
        for octet in octets:
            unsure_ns = octet.uncertainty or 0
            self._turn(tap, octet.start - unsure_ns)
            for number, other in others:
                if octet.start - other.end_ns >= MIN_REACTION_NS and other.earliest:
                    self._turns_ns.setdefault(number, octet.start + unsure_ns)
            pieces = framer.feed((octet,))
            if pieces:  # Before the next octet, since a message may change the meaning of those that follow.
                self._add(tap, pieces)

    def _turn(self, tap: int, now_ns: int) -> None:
        """Ends what is open on a tap, if the other side surely sends, and the tap's next octet begins at ``now_ns`` or
        later. An octet that may have come before the other side's goes on with what is open."""
        if tap in self._turns_ns and self._turns_ns[tap] <= now_ns:
            since_ns = self._turns_ns.pop(tap)
            if since_ns - self._framers[tap].end_ns >= MIN_REACTION_NS:
                self._add(tap, self._framers[tap].turn(since_ns))

    def _feed_run(self, tap: int, run: Run, others: _Others) -> None:
        """Takes a run, one octet at a time only where another tap's octets depend on its times."""
        framer, at = self._framers[tap], 0
        while at < len(run):
            if any(other.earliest for _, other in others):
                self._feed_each(tap, (run[at],), others)
                at += 1
            else:
                at, pieces = framer.feed_run(run, at)
                if pieces:
                    self._add(tap, pieces)

    def turn(self, tap: int) -> list[Record]:
        """Returns the records that are complete because ``tap`` receives next, whatever the times say."""
        for other, framer in self._framers.items():
            if other != tap:
                self._add(other, framer.turn())
        return self._release()

    def advance(self, now_ns: int) -> list[Record]:
        """Returns the records that are complete because every further octet begins at ``now_ns`` (ns since 1970 UTC) or
        later."""
        self._now_ns = max(self._now_ns, now_ns)
        for tap, framer in self._framers.items():
            self._turn(tap, now_ns)
            self._add(tap, framer.silence(now_ns))
            self._horizon_ns[tap] = max(self._horizon_ns[tap], now_ns)
        return self._release()

    def end(self, tap: int) -> list[Record]:
        """Ends what is open on one tap, since octets may be missing after it."""
        self._add(tap, self._framers[tap].close(torn=True))
        return self._release()

    def use(self, *, garbage: bool) -> None:
        """Makes everything that is fed from now on noise (``garbage``), or ends this."""
        for framer in self._framers.values():
            framer.garbage = garbage

    def event(self, record: Record) -> list[Record]:
        """Adds an event of this link to the records."""
        self._order.push(record)
        return self._release()

    def close(self) -> list[Record]:
        """Returns the remaining records; no more octets will come."""
        for tap, framer in self._framers.items():
            self._add(tap, framer.close())
        return self._release(everything=True)

    def _add(self, tap: int, pieces: list[Piece]) -> None:
        for piece in pieces:
            for part in _parts(piece, self._framers[tap].character_time_ns):
                self._order.push(self._record(self._settings[tap], part))

    def _record(self, tap: Tap, piece: Piece) -> Record:
        values = piece.values
        seven = values.translate(SEVEN_BITS) if tap.line.data_bits == 7 and not piece.binary else values
        message = self._decode(seven) if piece.is_frame else None
        sender, inferred = self._sender(tap, piece, seven, message)
        plain = sender in tap.without_parity and tap.line.data_bits == 7
        line = EIGHT_BITS if piece.binary or plain else tap.line
        octets = values if line == EIGHT_BITS else seven
        known = self._received(tap, piece, line) | {"octets": octets, "sender": sender, "inferred": inferred}
        if message is None:
            return Record(kind=Kind.NOISE, **known)
        if not piece.later:
            self._follow_mode(message)
            if sender is Sender.CLIENT and not piece.cut and octets[:1] == b"\x01":
                self._follow_habit(message)
        return FramedRecord(message=message if octets == seven else self._decode(octets), **known)

    def _received(self, tap: Tap, piece: Piece, line: Line) -> dict[str, Any]:
        """Returns the attributes of a record that say how a piece was received on a line."""
        parity = wrong_parity(piece.values, line)
        flags = piece.flags | (Flag.PARITY if parity else 0) | (Flag.CUT if piece.cut else 0)
        character_time_ns = tap.character_time_ns(line)
        first, last = piece.octets[0], piece.octets[-1]
        return {
            "time": first.start,
            "link": self._link,
            "tap": tap.number,
            "line": line,
            "flags": flags | (Flag.SYNTHETIC if self._synthetic else 0),
            "speed": tap.speed,
            "uncertainty": first.uncertainty,
            "duration": last.start + character_time_ns - first.start,
            "parity_errors": parity,
            "framing_errors": piece.framing_errors,
            "pauses_us": piece.pauses_us(character_time_ns),
        }

    def _sender(self, tap: Tap, piece: Piece, octets: bytes, message: Message | None) -> tuple[Sender, bool]:
        """Returns the sender of a piece, and whether it is inferred."""
        if message is None or tap.sender is not Sender.UNKNOWN:
            if message:
                self._senders.tell(tap.sender)
            return tap.sender, False
        sender = self._senders.infer(octets, message, later=piece.later)
        return sender, sender is not Sender.UNKNOWN

    def _follow_habit(self, message: Message) -> None:
        """Learns whether the client never sends check characters; then none follows its commands, on any wire."""
        self._commands[message.bcc_status] += 1
        for framer in self._framers.values():
            framer.omits_checks = self._commands["missing"] > 0 == self._commands["good"]

    def _follow_mode(self, message: Message) -> None:
        """Expects HDLC frames after mode E was selected, or after one has proved itself, until a sign-on or a break."""
        if message.fcs_status == "good":
            for framer in self._framers.values():
                framer.binary = True
        if message.message in (MessageName.OptionSelect, MessageName.IDRequest, MessageName.BreakCommand):
            for framer in self._framers.values():
                framer.binary = selects_binary(message)

    def _release(self, *, everything: bool = False) -> list[Record]:
        records: list[Record] = []
        if not self._order.waiting:
            return records
        held_since_ns = None if self._max_hold_ns is None else self._now_ns - self._max_hold_ns
        bounds = None if everything else {tap: self._bound(tap) for tap in self._framers}
        while (record := self._order.pop(bounds, held_since_ns)) is not None:
            records.append(record)
        return records

    def _bound(self, tap: int) -> Bound:
        framer = self._framers[tap]
        earliest = framer.earliest
        if earliest is None:
            return Bound(self._horizon_ns[tap], self._taps[tap].doubt_ns)
        unknown = 0 if self._taps[tap].bounded else MAX_UNCERTAINTY_NS
        uncertainty = unknown if earliest.uncertainty is None else min(earliest.uncertainty, MAX_UNCERTAINTY_NS)
        return Bound(earliest.start, uncertainty, framer.end_ns)


def _parts(piece: Piece, character_time_ns: int) -> list[Piece]:
    """Returns the piece, split in halves until no part has too many pauses for a record."""
    if len(piece.octets) <= MAX_PAUSES or len(piece.pauses_us(character_time_ns)) <= MAX_PAUSES:
        return [piece]
    half = len(piece.octets) // 2
    first = replace(piece, octets=piece.octets[:half], cut=piece.is_frame)
    second = replace(first, octets=piece.octets[half:], later=piece.is_frame)
    return _parts(first, character_time_ns) + _parts(second, character_time_ns)
