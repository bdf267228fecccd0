"""What a simulated device is to the wire that it is on.

A device is a state machine without I/O and without a clock: it is told of octets and of the time, and answers with
actions. So the same devices play in virtual time and in real time, fed octet by octet or in bursts. Times are in
nanoseconds; they need no common beginning with any clock, but they never go back.
"""

from dataclasses import dataclass
from typing import Protocol

MS = 1_000_000
"""Nanoseconds in a millisecond."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send these octets (seven bits each, but in mode E) after a delay of so many nanoseconds."""

    octets: bytes
    delay_ns: int


@dataclass(frozen=True, slots=True)
class ChangeSpeed:
    """Go on at this speed (bit/s), once what is being sent has gone; ``binary``: with eight bits and no parity (mode
    E of IEC 62056-21), otherwise with the wire's own line."""

    speed: int
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The device has played its part."""


Action = Send | ChangeSpeed | Done


class Machine(Protocol):
    """A device on the wire. Each call but :meth:`wake_at` may bring actions, to be carried out in their order."""

    def feed(self, octet: int, now: int) -> list[Action]:
        """An octet has ended at ``now``: its data bits, NUL where parity or stop bit were wrong (as a UART's driver
        hands it over)."""
        ...

    def sent(self, now: int) -> list[Action]:
        """The last octet of what was to be sent has gone at ``now``."""
        ...

    def wake_at(self) -> int | None:
        """When :meth:`timeout` is to be called if nothing else happens first; None for never."""
        ...

    def timeout(self, now: int) -> list[Action]:
        """The time of :meth:`wake_at` has come."""
        ...
