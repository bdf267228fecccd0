"""A driver's totals of a port's octets and errors: Linux's TIOCGICOUNT.

Overruns leave no mark in the octets; only these totals show them. They also show octets that another program has read
from the port, which the driver counted and no read returned. Pseudo-terminals and some USB drivers have no totals;
others count only errors (docs/wiring.md lists them).
"""

import struct
from typing import Final, NamedTuple

_STRUCT: Final = struct.Struct("20i")
"""struct serial_icounter_struct of <linux/serial.h>: eleven totals since the port was made, and nine reserved."""
_RX: Final = 4
"""The position of ``rx``, after cts, dsr, rng and dcd."""
_ERRORS: Final = 6
"""The position of the first error, after ``rx`` and tx."""


class Counters(NamedTuple):
    """Totals with the kernel's names: errors by kind, and ``rx``, the octets received (always 0 where the driver counts
    only errors). Each ``overrun`` lost one octet or more in a full receiver; ``buf_overrun`` counts octets for which
    the kernel had no room."""

    frame: int = 0
    overrun: int = 0
    parity: int = 0
    brk: int = 0
    buf_overrun: int = 0
    rx: int = 0

    @property
    def lost(self) -> int:
        """Octets lost, at least."""
        return self.overrun + self.buf_overrun

    def since(self, before: "Counters") -> "Counters":
        """Returns the differences from earlier totals; 0 where a total is lower, because the driver restarted."""
        return Counters(*(max(now - then, 0) for now, then in zip(self, before, strict=True)))

    def plus(self, other: "Counters") -> "Counters":
        """Returns the sums of both."""
        return Counters(*(one + another for one, another in zip(self, other, strict=True)))

    def words(self, *names: str) -> str:
        """Returns the named totals, or those of all errors, as ``key=value`` words of an event."""
        return " ".join(f"{name}={getattr(self, name)}" for name in names or self._fields[:-1])


class Balance:
    """Compares the octets that a driver counted with those that were read. Sans-IO.

    The driver counts an octet some time before it can be read. So octets counted up to one check must have been read by
    the next check, a second later. Octets that had come before the first check are read without being counted; this
    surplus is dropped when the line is quiet.
    """

    def __init__(self) -> None:
        self._due = self._counted = 0

    def feed(self, counted: int, read: int) -> int:
        """Feeds the octets counted and read since the last check; returns how many that were counted earlier are
        missing."""
        self._due += self._counted - read
        self._counted = counted
        if self._due > 0 or not (counted or read):
            missing, self._due = max(self._due, 0), 0
            return missing
        return 0


class Losses:
    """Finds the octets that a tap lost, by the totals of its driver, over every port that it had. Sans-IO."""

    def __init__(self) -> None:
        self.errors: Counters | None = None
        """The errors added to the totals while a port was open; None while no driver has kept any."""
        self.missed = 0
        """Octets that a driver counted and no read returned."""
        self._totals: Counters | None = None
        self._octets = 0
        self._balance = Balance()

    @property
    def lost(self) -> int | None:
        """Octets known to be lost, at least; None while no driver has kept totals."""
        return self.errors.lost + self.missed if self.errors else None

    def open(self, totals: Counters | None, octets: int) -> None:
        """Begins with a port: its totals (None where its driver keeps none), and the octets that the tap has
        received."""
        self._totals, self._octets, self._balance = totals, octets, Balance()
        if totals:
            self.errors = self.errors or Counters()

    def feed(self, totals: Counters | None, octets: int) -> tuple[Counters, int]:
        """Feeds the totals, and the octets that the tap has received; returns the errors since the last check, and how
        many octets another program has read."""
        if totals is None or self._totals is None:
            return Counters(), 0
        added, self._totals = totals.since(self._totals), totals
        read, self._octets = octets - self._octets, octets
        self.errors = added.plus(self.errors or Counters())
        missed = self._balance.feed(added.rx, read + added.buf_overrun)
        self.missed += missed
        return added, missed


def read(descriptor: int) -> Counters | None:
    """Reads a terminal's totals; None where the driver keeps none."""
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
