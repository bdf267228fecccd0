"""The survey of a recording: what must be known of all of it before its first octet is framed.

A recording may be longer than memory. So it is read twice: once for the survey, which is kept in a few numbers, and
once to be framed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vtctap.dissector.framing.assembler import EIGHT_BITS, Tap
from vtctap.dissector.framing.sides import Sides
from vtctap.dissector.protocol.characters import is_even_parity, odd_count
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import Line, Sender

SEVEN_EVEN: Final = Line(7, "E", 1)


@dataclass(slots=True)
class _Side:
    """What must be known of all that one side sent before its first octet is framed."""

    octets: int = 0
    odd: int = 0
    ascii: bool = True

    @property
    def line(self) -> Line:
        """7E1 where the octets plainly carry even parity."""
        return SEVEN_EVEN if is_even_parity(self.octets, self.odd, ascii=self.ascii) else EIGHT_BITS


class Survey:
    """What must be known of a recording."""

    def __init__(self, bursts: Iterable[Burst], *, gap_limit_ns: int) -> None:
        stated = Sides(gap_limit_ns)
        self._sides: dict[Sender, _Side] = {}
        self.synthetic = False
        """Whether a burst has no time."""
        self.states_speed = False
        """Whether the recording knows the speed."""
        for burst in bursts:
            self.synthetic |= burst.time is None
            side = self._sides.setdefault(burst.sender, _Side())
            self.states_speed |= burst.speed > 0
            side.octets += len(burst.octets)
            side.odd += odd_count(burst.octets)
            side.ascii &= burst.octets.isascii()
            stated.feed(burst)
        self.contradicted = stated.contradicted
        """Whether its messages contradict the sides that it states."""

    @property
    def senders(self) -> list[Sender]:
        """Whose octets there are."""
        return sorted(self._sides)

    def taps(self, speed: int, line: Line | None) -> dict[Sender, Tap]:
        """A tap a side; its number is 0 for the client or where nobody is known, 1 for the server, 2 for the others."""
        numbers = {Sender.CLIENT: 0, Sender.SERVER: 1, Sender.UNKNOWN: 2 if len(self._sides) > 1 else 0}
        return {side: Tap(numbers[side], side, line or self._sides[side].line, speed) for side in self.senders}
