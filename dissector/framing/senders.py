"""Senders: infers who sent a message on a wire that carries both directions.

Most messages identify their sender. A message that either side may send (ACK, NAK, the confirmation of mode E) comes
from the side that did not send last. An HDLC frame shows its sender by its control octet, or else by its destination:
the same destination as in the previous frame means the same side. Two cases stay unknown: an ACK or NAK with nothing
before it is UNKNOWN, and after a missed message the inference is wrong.
"""

from typing import Final

from vtctap.dissector.protocol import hdlc
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import SENDERS, MessageName
from vtctap.pcap.record import Sender


def natural_sender(message: Message) -> Sender:
    """Returns the side that sends such a message (IEC 62056-21 clause 6.3); UNKNOWN where either side does (ACK, NAK,
    HDLC)."""
    if message.cmd == "P0":
        return Sender.SERVER  # P0 carries the operand for the password's algorithm.
    if selects_binary(message):
        return Sender.UNKNOWN  # The server confirms mode E with the same message.
    return SENDERS[message.message] if message.message else Sender.UNKNOWN


def selects_binary(message: Message) -> bool:
    """Whether the message is ``ACK 2 Z 2``, which begins HDLC, mode E (IEC 62056-21 annex E)."""
    return (message.message, message.option_protocol, message.option_mode) == (MessageName.OptionSelect, "2", "2")


_POLL_FINAL: Final = 0x10
_HDLC_SENDERS: Final = {
    0x83: Sender.CLIENT,  # SNRM
    0x43: Sender.CLIENT,  # DISC
    0x63: Sender.SERVER,  # UA
    0x0F: Sender.SERVER,  # DM
    0x87: Sender.SERVER,  # FRMR
}
"""Control octets, without their poll/final bit, that only one side sends (IEC 62056-46 clause 6.4.3)."""


def hdlc_sender(octets: bytes) -> Sender:
    """Returns the side that sends such an HDLC frame; UNKNOWN where its control octet does not show it."""
    header = hdlc.header_end(octets[: hdlc.MAX_HEADER])
    return _HDLC_SENDERS.get(octets[header - 1] & ~_POLL_FINAL, Sender.UNKNOWN) if header else Sender.UNKNOWN


class Senders:
    """Infers the sender of each frame of one link, in order."""

    def __init__(self) -> None:
        self._last = Sender.UNKNOWN
        self._destination = b""

    def tell(self, sender: Sender) -> None:
        """Notes a frame whose sender is known."""
        self._last = sender

    def infer(self, octets: bytes, message: Message, *, later: bool) -> Sender:
        """Infers the sender of a frame; ``later`` says that it continues the previous frame."""
        if not later:
            self._last = self._hdlc(octets) if message.message == MessageName.HDLC else self._spoken(message)
        return self._last

    def _spoken(self, message: Message) -> Sender:
        self._destination = b""
        return natural_sender(message) or self._last.other

    def _hdlc(self, octets: bytes) -> Sender:
        destination = hdlc.address(octets, hdlc.ADDRESSES)
        known = hdlc_sender(octets)
        same, self._destination = destination == self._destination, destination
        return known or (self._last if same else self._last.other)
