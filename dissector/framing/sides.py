"""Sides: checks whether a recording's stated senders are true.

Some tools write one direction for everything, whichever wire they listened to (a logger of Rust's serialport marks
everything it reads as transmitted). Most messages identify their sender; a stated side that has only messages of the
other side is wrong. The recording then comes from one wire, and its senders are inferred.

Limits: HDLC, ACK and NAK show no sender. A meter's side that also holds the client's messages is believed if the
recording has a client's side, since optical heads echo.
"""

from collections.abc import Iterable, Iterator, Sequence

from vtctap.dissector.framing.framer import Framer
from vtctap.dissector.framing.pieces import Piece, Run
from vtctap.dissector.framing.senders import natural_sender
from vtctap.dissector.protocol.characters import SEVEN_BITS
from vtctap.dissector.protocol.messages import decode
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import Sender


class Sides:
    """Checks a recording's messages against its stated sides, fed its bursts in order."""

    def __init__(self, gap_limit_ns: int) -> None:
        self._gap_limit_ns = gap_limit_ns
        self._framers: dict[Sender, Framer] = {}
        self._said: dict[Sender, set[Sender]] = {}

    def feed(self, burst: Burst) -> None:
        """Takes the next burst, and ignores it where it cannot change the result."""
        for side, framer in self._framers.items():
            if side is not burst.sender:
                self._hear(side, framer.turn())
        if burst.sender is Sender.UNKNOWN:
            return
        if burst.sender not in self._framers:
            self._said[burst.sender] = set()
            self._framers[burst.sender] = Framer(
                sender=Sender.UNKNOWN, character_time_ns=0, gap_limit_ns=self._gap_limit_ns, synthetic=True
            )
        if not self._settled(burst.sender):
            framer = self._framers[burst.sender]
            self._hear(burst.sender, framer.feed(Run(burst.octets, 0, 0)))

    def _settled(self, side: Sender) -> bool:
        both = len(self._said) == 2
        return len(self._said[side]) == 2 or (both and any(one in said for one, said in self._said.items()))

    def _hear(self, side: Sender, pieces: Sequence[Piece]) -> None:
        self._said[side].update(_senders(pieces))

    @property
    def contradicted(self) -> bool:
        """Whether the stated sides are wrong, after the last burst: the only side holds messages of the other, or
        neither of two sides holds any of its own. Messages that either side may send do not count."""
        for side, framer in self._framers.items():
            self._hear(side, framer.close())
        if len(self._said) == 1:
            ((side, said),) = self._said.items()
            return side.other in said
        return bool(self._said) and all(said == {side.other} for side, said in self._said.items())


def contradicted(bursts: Iterable[Burst], *, gap_limit_ns: int) -> bool:
    """Whether a recording's messages contradict its stated sides."""
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
