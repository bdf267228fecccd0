"""A simulated meter on a pseudo-terminal, for a client program to talk to.

Limits: those of :mod:`vtctap.sniffer.simulated.ptys`. Octets that nobody reads in time are lost, as on a line.
"""

import os
import select
import threading
import time

from vtctap.base.closing import Closing
from vtctap.pcap.record import SEVEN_EVEN, Line
from vtctap.sniffer.simulated.meter import MeterMachine
from vtctap.sniffer.simulated.ptys import PATIENCE, Pty
from vtctap.sniffer.simulated.wire import VirtualWire, WireOctet, received


class MeterPort(Closing):
    """A simulated meter on a pseudo-terminal of its own, for a client program to talk to.

    ``port`` is the name to open; octets there have seven bits and no parity bit. The meter sends and receives at the
    pace of a line that begins at ``speed`` bit/s. With ``taps`` (the format of the copies) there are two more
    pseudo-terminals, ``client_tap`` and ``server_tap``, which deliver one direction each.
    """

    def __init__(self, meter: MeterMachine, *, speed: int = 9600, taps: Line | None = None) -> None:
        self._line = taps
        self._stood_still = 0
        self._ptys: list[Pty] = []
        self._wake_end, self._wake = os.pipe()
        try:
            self._ptys += (Pty() for _ in range(3 if taps else 1))
        except BaseException:
            self._close_all()
            raise
        self.port = self._ptys[0].name
        self.client_tap = self._ptys[1].name if taps else None
        self.server_tap = self._ptys[2].name if taps else None
        self._wire = self._wired(meter, speed)
        self._thread = threading.Thread(target=self._serve, name="simulated meter", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops the meter and closes the pseudo-terminals."""
        os.write(self._wake, b".")
        self._thread.join(PATIENCE)
        self._close_all()

    def _wired(self, meter: MeterMachine, speed: int) -> VirtualWire:
        return VirtualWire({"server": meter}, speed=speed, line=SEVEN_EVEN, now=self._now())

    def _close_all(self) -> None:
        for pty in self._ptys:
            pty.close()
        os.close(self._wake_end)
        os.close(self._wake)

    def _now(self) -> int:
        """Returns the time of the line, ns."""
        return time.monotonic_ns() - self._stood_still

    def _stand_still(self) -> None:
        """Waits for the readers that the line waits for; here it waits for none."""

    def _serve(self) -> None:
        port = self._ptys[0]
        while True:
            self._stand_still()
            now = self._now()
            for octet in self._wire.advance(now):
                self._pass_on(octet)
            due = self._due(now)
            wait = None if due is None else max(due - self._now(), 0) / 1e9
            ready, _, _ = select.select([port.fd, self._wake_end], [], [], wait)
            if self._wake_end in ready:
                return
            if port.fd in ready:
                self._hear(bytes(octet & 0x7F for octet in port.read()))

    def _due(self, now: int) -> int | None:
        """Returns the time of the next action, ns."""
        return self._wire.next_due()

    def _hear(self, octets: bytes) -> None:
        self._wire.feed("client", octets, self._now())

    def _pass_on(self, octet: WireOctet) -> None:
        bits = octet.octet & 0x7F
        if octet.side == "server":
            self._ptys[0].write(bytes([bits]))
        if self._line:
            tap = self._ptys[1 if octet.side == "client" else 2]
            tap.write(bytes([received(bits, self._line)]))
