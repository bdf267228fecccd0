"""Swapped taps: the evidence that each tap of a link is on the other side's wire.

Most messages come from one side only (:data:`~vtctap.dissector.protocol.rules.SENDERS`). If the tap that is named
client brings answers alone, and the tap that is named server brings requests alone, the taps are swapped. One message
that comes from its own side refutes it: then the wires are right, or a tap hears both sides or an echo.
"""

from collections.abc import Mapping
from typing import Final

from vtctap.dissector.protocol.rules import ALONE, SENDERS
from vtctap.pcap.record import Sender

SWAPPED: Final = "requests come from the server's tap alone, and answers from the client's: are the taps swapped?"
"""What hints and findings say of it."""

_TELLING: Final[Mapping[str, Sender]] = {
    name: sender for name, sender in SENDERS.items() if sender is not Sender.UNKNOWN and name not in ALONE.values()
}
"""The messages that tell their sender. One octet alone, as in a wake-up, may as well be noise."""


class Swapped:
    """Collects the evidence of one link from undamaged messages of known taps."""

    def __init__(self) -> None:
        self._refuted = False
        self._contrary: set[Sender] = set()

    def feed(self, sender: Sender, name: str) -> None:
        """Takes a message and the side whose tap it came from."""
        of = _TELLING.get(name)
        if of is None or sender is Sender.UNKNOWN:
            return
        if of is sender:
            self._refuted = True
        else:
            self._contrary.add(sender)

    @property
    def holds(self) -> bool:
        """Whether both taps have brought only what the other side sends."""
        return not self._refuted and len(self._contrary) == 2
