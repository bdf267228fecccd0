"""The assembler: from the octets of a link's taps to the records of its trace, in order.

One assembler serves one link. It gives each tap a framer, and makes the framers' pieces records: the parity bit checked
and removed, pauses and errors listed, the sender known from the wiring or inferred from the protocol. Records leave in
the order in which they were said (:mod:`~vtctap.dissector.framing.merge`), echoes marked. Like the framer it has no
clock: :meth:`Assembler.advance` tells it the time.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vtctap.dissector.framing.framed import FramedRecord
from vtctap.dissector.framing.framer import MIN_REACTION, Framer
from vtctap.dissector.framing.merge import Bound, Order
from vtctap.dissector.framing.pieces import Octet, Piece
from vtctap.dissector.framing.senders import Senders, selects_binary
from vtctap.dissector.protocol.characters import SEVEN_BITS, wrong_parity
from vtctap.dissector.protocol.messages import Message, decode
from vtctap.dissector.protocol.rules import MessageName
from vtctap.pcap.record import MAX_UNCERTAINTY_NS, Flag, Kind, Line, Record, Sender

MAX_HOLD: Final = 1_000_000_000
"""ns; a record that waited so long for the other tap is written all the same, and flagged."""

MAX_PAUSES: Final = 20_000
"""A frame with more pauses is split, cut, into several records: Wireshark gives up on a file that has a packet of more
than 262 144 octets, and each pause takes eight."""

EIGHT_BITS: Final = Line(8, "N", 1)


@dataclass(slots=True)
class Tap:
    """A receiver on one wire: its number, whose octets it hears (UNKNOWN: both sides'), and how its line is set.

    All but the first two may change while the assembler works. They hold for what is fed afterwards, and end what was
    open. ``spacing`` (ns) is how long a character lasts where the speed is unknown (0); it ends nothing.
    """

    number: int
    sender: Sender
    line: Line
    speed: int
    without_parity: frozenset[Sender] = frozenset()
    """Senders whose octets carry no parity bit, though those of others on this line do."""
    spacing: int = field(default=0, compare=False)
    bounded: bool = True
    """Whether its time stamps are not off by any amount where their uncertainty is unknown."""

    def character_time_ns(self, line: Line | None = None) -> int:
        """How long one character of the tap's line, or of another at its speed, lasts, ns."""
        return (line or self.line).character_time_ns(self.speed) or self.spacing


class Assembler:
    """Makes the records of link number ``link`` from the octets of its taps.

    ``gap_limit_ns`` is the longest pause inside a message; ``synthetic``: the octets' times are made up;
    ``max_hold`` (ns): how long a record waits for the other tap, None: as long as it takes, where nobody looks on.
    ``decode`` decodes a message, or remembers it where somebody else has decoded it already. Frames leave as
    :class:`~vtctap.dissector.framing.framed.FramedRecord`.
    """

    def __init__(
        self,
        link: int,
        taps: Sequence[Tap],
        *,
        gap_limit_ns: int,
        synthetic: bool = False,
        max_hold: int | None = MAX_HOLD,
        decode: Callable[[bytes], Message] = decode,
    ) -> None:
        self._link = link
        self._decode = decode
        self._gap_limit = gap_limit_ns
        self._synthetic = synthetic
        self._max_hold = max_hold
        self._taps: dict[int, Tap] = {}
        self._settings: dict[int, Tap] = {}
        self._framers: dict[int, Framer] = {}
        self._horizon: dict[int, int] = {}
        self._now = 0
        self._order = Order(gap_limit_ns)
        self._senders = Senders()
        self._commands: Counter[str | None] = Counter()
        """How many of the client's commands had a check character of each status."""
        for tap in taps:
            self.add(tap)

    def add(self, tap: Tap) -> None:
        """One more tap of the link."""
        self._taps[tap.number] = tap
        self._settings[tap.number] = replace(tap)
        self._framers[tap.number] = Framer(
            sender=tap.sender,
            character_time_ns=tap.character_time_ns(),
            gap_limit_ns=self._gap_limit,
            synthetic=self._synthetic,
        )
        self._horizon[tap.number] = 0
        self._order.add(tap.number, bounded=tap.bounded)

    def feed(self, tap: int, octets: Iterable[Octet]) -> list[Record]:
        """The records that these octets of one tap complete."""
        framer = self._framers[tap]
        if self._settings[tap] != self._taps[tap]:
            self._add(tap, framer.close())
            self._settings[tap] = replace(self._taps[tap])
        self._settings[tap].spacing = self._taps[tap].spacing
        framer.character_time_ns = self._settings[tap].character_time_ns()
        others = [(number, other) for number, other in self._framers.items() if number != tap]
        for octet in octets:
            for number, other in others:
                if other.earliest and octet.start - other.end >= MIN_REACTION:
                    self._add(number, other.turn(octet.start))
            pieces = framer.feed((octet,))
            if pieces:  # Before the next octet: a message may change what those that follow mean.
                self._add(tap, pieces)
        self._horizon[tap] = max(self._horizon[tap], framer.end)
        self._now = max(self._now, framer.end)
        return self._release()

    def turn(self, tap: int) -> list[Record]:
        """The records that are complete because what follows comes from ``tap``, whatever the times say."""
        for other, framer in self._framers.items():
            if other != tap:
                self._add(other, framer.turn())
        return self._release()

    def advance(self, now: int) -> list[Record]:
        """The records that are complete because no octet will come that began before ``now`` (ns since 1970 UTC)."""
        self._now = max(self._now, now)
        for tap, framer in self._framers.items():
            self._add(tap, framer.silence(now))
            self._horizon[tap] = max(self._horizon[tap], now)
        return self._release()

    def end(self, tap: int) -> list[Record]:
        """What is open on one tap ends here: octets may be missing before what follows."""
        self._add(tap, self._framers[tap].close(torn=True))
        return self._release()

    def garbage(self, unknown: bool) -> None:
        """From now on what is fed is noise, whatever it looks like; or no longer."""
        for framer in self._framers.values():
            framer.garbage = unknown

    def event(self, record: Record) -> list[Record]:
        """An event of this link takes its place among the records."""
        self._order.push(record)
        return self._release()

    def close(self) -> list[Record]:
        """The rest: no more octets will come."""
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
        """What a record states of how a piece was received on such a line."""
        parity = wrong_parity(piece.values, line)
        flags = (
            (Flag.PARITY if parity else 0) | (Flag.CUT if piece.cut else 0) | (Flag.SYNTHETIC if self._synthetic else 0)
        )
        for octet in piece.octets:
            flags |= octet.flags
        character_time_ns = tap.character_time_ns(line)
        first, last = piece.octets[0], piece.octets[-1]
        return {
            "time": first.start,
            "link": self._link,
            "tap": tap.number,
            "line": line,
            "flags": flags,
            "speed": tap.speed,
            "uncertainty": first.uncertainty,
            "duration": last.start + character_time_ns - first.start,
            "parity_errors": parity,
            "framing_errors": tuple(at for at, octet in enumerate(piece.octets) if octet.flags & Flag.FRAMING),
            "pauses_us": _pauses(piece.octets, character_time_ns),
        }

    def _sender(self, tap: Tap, piece: Piece, octets: bytes, message: Message | None) -> tuple[Sender, bool]:
        """Who sent a piece, and whether that is inferred."""
        if message is None or tap.sender is not Sender.UNKNOWN:
            if message:
                self._senders.tell(tap.sender)
            return tap.sender, False
        sender = self._senders.infer(octets, message, later=piece.later)
        return sender, sender is not Sender.UNKNOWN

    def _follow_habit(self, message: Message) -> None:
        """Some clients never send check characters: then what follows their commands is none, on whatever wire."""
        self._commands[message.bcc_status] += 1
        for framer in self._framers.values():
            framer.omits_checks = self._commands["missing"] > 0 == self._commands["good"]

    def _follow_mode(self, message: Message) -> None:
        """HDLC frames are to be expected once mode E was selected, or one has proved itself, until a sign-on or a
        break."""
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
        held_since = None if self._max_hold is None else self._now - self._max_hold
        bounds = None if everything else {tap: self._bound(tap) for tap in self._framers}
        while (record := self._order.pop(bounds, held_since)) is not None:
            records.append(record)
        return records

    def _bound(self, tap: int) -> Bound:
        framer = self._framers[tap]
        earliest = framer.earliest
        if earliest is None:
            return Bound(self._horizon[tap])
        unknown = 0 if self._taps[tap].bounded else MAX_UNCERTAINTY_NS
        uncertainty = unknown if earliest.uncertainty is None else min(earliest.uncertainty, MAX_UNCERTAINTY_NS)
        return Bound(earliest.start, uncertainty, framer.end)


def _parts(piece: Piece, character_time_ns: int) -> list[Piece]:
    """The piece, or its halves, or theirs, so that each part has not too many pauses for a record."""
    if len(piece.octets) <= MAX_PAUSES or len(_pauses(piece.octets, character_time_ns)) <= MAX_PAUSES:
        return [piece]
    half = len(piece.octets) // 2
    first = replace(piece, octets=piece.octets[:half], cut=piece.is_frame)
    second = replace(first, octets=piece.octets[half:], later=piece.is_frame)
    return _parts(first, character_time_ns) + _parts(second, character_time_ns)


def _pauses(octets: Sequence[Octet], character_time_ns: int) -> tuple[tuple[int, int], ...]:
    """Position and length (us) of each silence of a character or more inside a piece."""
    pauses = []
    for at in range(1, len(octets)):
        pause_ns = octets[at].start - octets[at - 1].start - character_time_ns
        if pause_ns >= character_time_ns and pause_ns >= 1000:
            pauses.append((at, pause_ns // 1000))
    return tuple(pauses)
