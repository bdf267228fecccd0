"""Sides: whether a recording states truly who sent what.

Some tools write one direction for everything, whichever wire they listened to (a logger of Rust's serialport marks all
that it reads as transmitted). Who sent a message is told by most messages themselves; a side of which only the other
side's messages are known is not what it is stated to be. Then the recording is that of one wire, whose senders are
inferred.

Limits: HDLC, ACK and NAK tell nothing. A meter's side that holds the client's messages, too, is believed while it is
beside a client's side: heads echo.
"""

from collections.abc import Iterable, Iterator, Sequence

from vtctap.dissector.framing.framer import Framer
from vtctap.dissector.framing.pieces import Octet, Piece
from vtctap.dissector.framing.senders import natural_sender
from vtctap.dissector.protocol.characters import SEVEN_BITS
from vtctap.dissector.protocol.messages import decode
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import Sender


class Sides:
    """Whether the messages of a recording contradict the sides that it states; takes its bursts in their order."""

    def __init__(self, gap_limit_ns: int) -> None:
        self._gap_limit = gap_limit_ns
        self._framers: dict[Sender, Framer] = {}
        self._said: dict[Sender, set[Sender]] = {}

    def feed(self, burst: Burst) -> None:
        """The next burst. Where it can change nothing any more, it is not looked at."""
        for side, framer in self._framers.items():
            if side is not burst.sender:
                self._hear(side, framer.turn())
        if burst.sender is Sender.UNKNOWN:
            return
        if burst.sender not in self._framers:
            self._said[burst.sender] = set()
            self._framers[burst.sender] = Framer(
                sender=Sender.UNKNOWN, character_time_ns=0, gap_limit_ns=self._gap_limit, synthetic=True
            )
        if not self._settled(burst.sender):
            framer = self._framers[burst.sender]
            self._hear(burst.sender, framer.feed(Octet(value, 0, None, 0) for value in burst.octets))

    def _settled(self, side: Sender) -> bool:
        both = len(self._said) == 2
        return len(self._said[side]) == 2 or (both and any(one in said for one, said in self._said.items()))

    def _hear(self, side: Sender, pieces: Sequence[Piece]) -> None:
        self._said[side].update(_senders(pieces))

    @property
    def contradicted(self) -> bool:
        """After the last burst: whether the only side holds what the other would say, or of both neither holds
        anything of its own. Messages of which either side might be the sender are left out."""
        for side, framer in self._framers.items():
            self._hear(side, framer.close())
        if len(self._said) == 1:
            ((side, said),) = self._said.items()
            return side.other in said
        return bool(self._said) and all(said == {side.other} for side, said in self._said.items())


def contradicted(bursts: Iterable[Burst], *, gap_limit_ns: int) -> bool:
    """Whether the messages of a recording contradict the sides that it states."""
    sides = Sides(gap_limit_ns)
    for burst in bursts:
        sides.feed(burst)
    return sides.contradicted


def _senders(pieces: Sequence[Piece]) -> Iterator[Sender]:
    for piece in pieces:
        if piece.is_frame and not (piece.cut or piece.later):
            message = decode(piece.values.translate(SEVEN_BITS))
            sender = natural_sender(message)
            if sender and "bad" not in (message.bcc_status, message.crc_status):
                yield sender
