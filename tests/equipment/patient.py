"""Pseudo-terminals that hide a busy machine: the line pauses until its taps have read it."""

import time
from collections.abc import Iterable

from vtctap.sniffer.simulated.ptys import PtyTaps, unread
from vtctap.sniffer.simulated.wire import WireOctet


class PatientTaps(PtyTaps):
    """:class:`PtyTaps` whose line begins a pause only when the taps have read everything before it. So the work of
    other programs changes neither the timestamps nor what a tap can do during a pause."""

    stood_still = 0
    """Total time for which the line has paused, ns."""

    def wait_for_readers(self) -> None:
        """Waits until the taps have read everything that they were given."""
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
