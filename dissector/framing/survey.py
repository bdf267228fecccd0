"""The survey of a recording: what must be known of the whole before its first octet is framed.

A recording may not fit into memory, so it is read twice: once for the survey, which keeps a few numbers, and once for
framing.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from vtctap.dissector.framing.assembler import Tap
from vtctap.dissector.framing.sides import Sides
from vtctap.dissector.protocol.characters import is_even_parity, odd_count
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import EIGHT_BITS, SEVEN_EVEN, Line, Sender


@dataclass(slots=True)
class _Side:
    """What must be known of one side's octets before the first is framed."""

    octets: int = 0
    odd: int = 0
    ascii: bool = True
    stated: Counter[Line] = field(default_factory=Counter)
    """The number of octets for each character format that the recording states."""

    @property
    def line(self) -> Line:
        """The character format: the one that the recording states for most octets; 7E1 where the octets clearly have
        even parity."""
        ((line, count),) = self.stated.most_common(1) or [(EIGHT_BITS, 0)]
        if count * 2 > self.octets:
            return line
        return SEVEN_EVEN if is_even_parity(self.octets, self.odd, ascii=self.ascii) else EIGHT_BITS


class Survey:
    """What must be known of a recording before it is framed."""

    def __init__(self, bursts: Iterable[Burst], *, gap_limit_ns: int) -> None:
        stated = Sides(gap_limit_ns)
        self._sides: dict[Sender, _Side] = {}
        self.synthetic = False
        """Whether a burst has no time."""
        self.states_speed = False
        """Whether the recording states the speed."""
        for burst in bursts:
            self.synthetic |= burst.time is None
            side = self._sides.setdefault(burst.sender, _Side())
            self.states_speed |= burst.speed > 0
            side.octets += len(burst.octets)
            side.odd += odd_count(burst.octets)
            side.ascii &= burst.octets.isascii()
            if burst.line:
                side.stated[burst.line] += len(burst.octets)
            stated.feed(burst)
        self.contradicted = stated.contradicted
        """Whether its messages contradict the stated sides."""

    @property
    def senders(self) -> list[Sender]:
        """The senders with octets in the recording."""
        return sorted(self._sides)

    def taps(self, speed: int, line: Line | None) -> dict[Sender, Tap]:
        """Returns one tap per side; its number is 0 for the client or for an unknown sender alone, 1 for the server, 2
        for the rest."""
        numbers = {Sender.CLIENT: 0, Sender.SERVER: 1, Sender.UNKNOWN: 2 if len(self._sides) > 1 else 0}
        return {side: Tap(numbers[side], side, line or self._sides[side].line, speed) for side in self.senders}
