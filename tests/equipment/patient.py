"""Pseudo-terminals on which a busy machine is not seen: the line stands still while its listeners have not read it."""

import struct
import time
from collections.abc import Iterable

from vtctap.sniffer.simulated.ptys import PtyTaps
from vtctap.sniffer.simulated.wire import WireOctet


def unread(terminal: int) -> int:
    """How many octets wait in a terminal for whoever reads it."""
    import fcntl
    import termios

    (count,) = struct.unpack("i", fcntl.ioctl(terminal, termios.FIONREAD, bytes(4)))
    return int(count)


class PatientTaps(PtyTaps):
    """See :class:`PtyTaps`: the pauses of the line begin when all that was said before is read, so what a tap makes of
    them, and what it has time for in them, does not depend on what else the machine does."""

    stood_still = 0
    """For how long the line has stood still, ns."""

    def wait_for_readers(self) -> None:
        """The line stands still until all that it was given is read."""
        began = time.monotonic_ns()
        while any(unread(pty.terminal) for pty in self._ptys.values()) and not self._stop.wait(0.001):
            pass
        self.stood_still += time.monotonic_ns() - began

    def _play(self, octets: Iterable[WireOctet], shift: int) -> None:
        for octet in octets:
            self.wait_for_readers()
            if self._stop.is_set():
                return
            super()._play([octet], shift + self.stood_still)
