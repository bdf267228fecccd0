"""The interface between a simulated device and its wire.

A device is a state machine without I/O and clock: it is fed octets with their time, and returns actions. So the same
device runs in virtual and in real time, fed octet by octet or in bursts. Times are ns from any origin, and never go
back.
"""

from dataclasses import dataclass
from typing import Protocol

MS = 1_000_000
"""Nanoseconds in a millisecond."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send these octets after ``delay_ns``, with ``gap_ns`` between each two. They have seven bits each, except in mode
    E."""

    octets: bytes
    delay_ns: int
    gap_ns: int = 0


@dataclass(frozen=True, slots=True)
class ChangeSpeed:
    """Continue at this speed (bit/s) when the current octets have been sent. ``binary``: with eight bits and no parity
    (mode E of IEC 62056-21), otherwise with the wire's own character format."""

    speed: int
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """The device has finished its script."""


Action = Send | ChangeSpeed | Done


class Machine(Protocol):
    """A device on the wire. The caller carries out the returned actions in their order."""

    def feed(self, octet: int, now: int) -> list[Action]:
        """Feeds the data bits of an octet that ended at ``now``; NUL after a parity or framing error, as from a UART's
        driver."""
        ...

    def sent(self, now: int) -> list[Action]:
        """States that the last octet of :class:`Send` was sent at ``now``."""
        ...

    def wake_at(self) -> int | None:
        """Returns when to call :meth:`timeout` if nothing happens before; None for never."""
        ...

    def timeout(self, now: int) -> list[Action]:
        """States that the time of :meth:`wake_at` has come."""
        ...
