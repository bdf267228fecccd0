"""What a driver counts of a port's errors: Linux's TIOCGICOUNT.

Overruns have no mark in the octets, so that these totals are all that tells of them. A pseudo-terminal counts nothing,
nor do some USB drivers; then there are no totals at all.
"""

import struct
from typing import Final, NamedTuple

_STRUCT: Final = struct.Struct("20i")
"""struct serial_icounter_struct of <linux/serial.h>: eleven totals since the port was made, and nine reserved."""
_FIRST: Final = 6
"""cts, dsr, rng, dcd, rx and tx come first."""


class Counters(NamedTuple):
    """Errors by kind, named as the kernel does. ``overrun``: the receiver was full, one octet or more lost each time;
    ``buf_overrun``: octets that the kernel had no room for."""

    frame: int = 0
    overrun: int = 0
    parity: int = 0
    brk: int = 0
    buf_overrun: int = 0

    @property
    def lost(self) -> int:
        """Octets that were lost at the least."""
        return self.overrun + self.buf_overrun

    def since(self, before: "Counters") -> "Counters":
        """What was added; nothing where a total went back (a driver that began anew)."""
        return Counters(*(max(now - then, 0) for now, then in zip(self, before, strict=True)))

    def plus(self, other: "Counters") -> "Counters":
        """The sums."""
        return Counters(*(one + another for one, another in zip(self, other, strict=True)))

    def words(self, *names: str) -> str:
        """Totals as an event's words: those named, or all."""
        return " ".join(f"{name}={getattr(self, name)}" for name in names or self._fields)


def read(descriptor: int) -> Counters | None:
    """A terminal's totals; None where none are kept."""
    import fcntl
    import termios

    request = getattr(termios, "TIOCGICOUNT", None)
    if request is None:
        return None
    try:
        answer = fcntl.ioctl(descriptor, request, bytes(_STRUCT.size))
    except OSError:
        return None
    return Counters(*_STRUCT.unpack(answer)[_FIRST : _FIRST + len(Counters._fields)])
