"""Sides: whether a recording states truly who sent what.

Some tools write one direction for everything, whichever wire they listened to (a logger of Rust's serialport marks all
that it reads as transmitted). Who sent a message is told by most messages themselves; a side of which only the other
side's messages are known is not what it is stated to be. Then the recording is that of one wire, whose senders are
inferred.

Limits: HDLC, ACK and NAK tell nothing. A meter's side that holds the client's messages, too, is believed while it is
beside a client's side: heads echo.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from vtctap.dissector.framing.framer import Framer, Octet, Piece
from vtctap.dissector.framing.senders import natural_sender
from vtctap.dissector.protocol.characters import SEVEN_BITS
from vtctap.dissector.protocol.messages import decode
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import Sender


def contradicted(bursts: Sequence[Burst], *, gap_limit_ns: int) -> bool:
    """Whether the messages of a recording contradict the sides that it states: the only one holds what the other would
    say, or of both neither holds anything of its own."""
    stated = {burst.sender for burst in bursts} - {Sender.UNKNOWN}
    if len(stated) == 1:
        (side,) = stated
        return any(said is side.other for said in _said(bursts, side, gap_limit_ns))
    sides = [(side, set(_said(bursts, side, gap_limit_ns))) for side in sorted(stated)]
    return bool(sides) and all(said == {side.other} for side, said in sides)


def as_one_wire(bursts: Sequence[Burst]) -> list[Burst]:
    """The same bursts, of which nobody knows who sent them."""
    return [replace(burst, sender=Sender.UNKNOWN) for burst in bursts]


def _said(bursts: Sequence[Burst], side: Sender, gap_limit_ns: int) -> Iterator[Sender]:
    """Who says such messages as are whole on a side; messages of which either side might be the sender are left out."""
    framer = Framer(sender=Sender.UNKNOWN, character_time=0, gap_limit_ns=gap_limit_ns, synthetic=True)
    for sender, run in groupby(bursts, key=lambda burst: burst.sender):
        if sender is side:
            values = b"".join(burst.octets for burst in run)
            pieces = framer.feed(Octet(value, 0, None, 0) for value in values)
        else:
            pieces = framer.turn()
        yield from _senders(pieces)
    yield from _senders(framer.close())


def _senders(pieces: Sequence[Piece]) -> Iterator[Sender]:
    for piece in pieces:
        if piece.is_frame and not (piece.cut or piece.later):
            message = decode(piece.values.translate(SEVEN_BITS))
            sender = natural_sender(message)
            if sender and "bad" not in (message.bcc_status, message.crc_status):
                yield sender
