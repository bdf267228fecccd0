"""What a driver counts of a port's octets and errors: Linux's TIOCGICOUNT.

Overruns have no mark in the octets, so that these totals are all that tells of them. The same is true of octets that
another program reads from the port: the driver counted them, and they never came. A pseudo-terminal counts nothing, nor
do some USB drivers; then there are no totals at all. Others count errors alone (docs/wiring.md says which).
"""

import struct
from typing import Final, NamedTuple

_STRUCT: Final = struct.Struct("20i")
"""struct serial_icounter_struct of <linux/serial.h>: eleven totals since the port was made, and nine reserved."""
_RX: Final = 4
"""After cts, dsr, rng and dcd; then tx, and ..."""
_ERRORS: Final = 6
"""... the errors."""


class Counters(NamedTuple):
    """Totals, named as the kernel does: errors by kind, and ``rx``, the octets received (always 0 where the driver
    counts errors alone). ``overrun``: the receiver was full, one octet or more lost each time; ``buf_overrun``: octets
    that the kernel had no room for."""

    frame: int = 0
    overrun: int = 0
    parity: int = 0
    brk: int = 0
    buf_overrun: int = 0
    rx: int = 0

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
        """Totals as an event's words: those named, or those of all errors."""
        return " ".join(f"{name}={getattr(self, name)}" for name in names or self._fields[:-1])


class Balance:
    """Octets that a driver counted, against those that were read. Sans-IO.

    An octet is counted some time before it can be read, so that what was counted up to one look must have been read at
    the next, a second later. Octets read too many (they had come before the first look) are forgotten when the line is
    quiet.
    """

    def __init__(self) -> None:
        self._due = self._counted = 0

    def feed(self, counted: int, read: int) -> int:
        """Octets counted and read since the last look: how many, counted before that, never came."""
        self._due += self._counted - read
        self._counted = counted
        if self._due > 0 or not (counted or read):
            missing, self._due = max(self._due, 0), 0
            return missing
        return 0


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
    totals = _STRUCT.unpack(answer)
    return Counters._make((*totals[_ERRORS : _ERRORS + len(Counters._fields) - 1], totals[_RX]))
