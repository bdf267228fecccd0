"""Pseudo-terminals in the place of a real line, at its true pace.

:class:`PtyTaps` gives a capture something to listen to; :class:`MeterPort` gives a client program a meter to talk to.
Neither ever waits for its reader: what nobody reads in time is lost, as on a line.

Limits: POSIX only. A pseudo-terminal has no speed, parity or break: octets carry the parity bit in bit 7, as a tap set
to 8N1 reads it, and a break arrives as NUL (:mod:`vtctap.sniffer.simulated.garbling` has taps that do better). Pace is
kept to about a millisecond.
"""

import os
import select
import threading
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from vtctap.pcap.record import Line
from vtctap.sniffer.simulated.meter import MeterMachine
from vtctap.sniffer.simulated.wire import Side, Wire, WireOctet, received

SEVEN_EVEN: Final = Line(7, "E", 1)
_PATIENCE: Final = 5.0
"""Seconds for a thread to end; it is woken and has nothing to wait for."""


class Pty:
    """One pseudo-terminal in raw mode. ``name`` is what another program opens; both ends stay open until :meth:`close`,
    so that programs may come and go; ``terminal`` is the other program's end. Raises OSError where there are none."""

    def __init__(self) -> None:
        try:
            import pty
            import termios
            import tty
        except ImportError:
            raise OSError("this system has no pseudo-terminals: use the virtual wire (demo --fast)") from None
        self.fd, self.terminal = pty.openpty()
        try:
            tty.setraw(self.terminal, termios.TCSANOW)
            os.set_blocking(self.fd, False)
            self.name = os.ttyname(self.terminal)
        except BaseException:
            self.close()
            raise

    def write(self, octets: bytes) -> None:
        """Sends octets to whoever reads; drops them where the buffer is full."""
        try:
            os.write(self.fd, octets)
        except BlockingIOError:
            return

    def read(self) -> bytes:
        """What was sent to us, without waiting."""
        try:
            return os.read(self.fd, 4096)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        """Closes both ends."""
        os.close(self.fd)
        os.close(self.terminal)


class PtyTaps:
    """The simulated line, for a capture: a tap a direction, or with ``merged`` one that hears both.

    ``client`` and ``server`` are the names to open; open them, then :meth:`start`. Close only after the capture has
    read to the end: closing takes with it what was not read.
    """

    def __init__(self, *, merged: bool = False) -> None:
        client = Pty()
        try:
            server = client if merged else Pty()
        except BaseException:
            client.close()
            raise
        self._ptys: dict[Side, Pty] = {"client": client, "server": server}
        self.client = client.name
        self.server = server.name
        self.offset = 0
        """What is to be added to a virtual time for the time (ns since 1970) at which it happens here."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, octets: Iterable[WireOctet], *, beginning: int) -> None:
        """Plays ``octets`` from now on, each when it ends; ``beginning`` (ns) is the virtual time that it is now."""
        self.offset = time.time_ns() - beginning
        shift = time.monotonic_ns() - beginning
        self._thread = threading.Thread(target=self._play, args=(octets, shift), name="simulated line", daemon=True)
        self._thread.start()

    @property
    def playing(self) -> bool:
        """Whether there is more to come."""
        return self._thread is not None and self._thread.is_alive()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits (s) until all has been played, and says whether it has."""
        if self._thread:
            self._thread.join(timeout)
        return not self.playing

    def close(self) -> None:
        """Stops playing and closes the pseudo-terminals."""
        self._stop.set()
        self.wait(_PATIENCE)
        for pty in set(self._ptys.values()):
            pty.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _play(self, octets: Iterable[WireOctet], shift: int) -> None:
        for octet in octets:
            wait = octet.end + shift - time.monotonic_ns()
            if self._stop.wait(max(wait, 0) / 1e9):
                return
            self._ptys[octet.side].write(bytes([octet.octet]))


class MeterPort:
    """A simulated meter on a pseudo-terminal of its own, for a client program to talk to.

    ``port`` is the name to open; octets there have seven bits and no parity bit. The meter hears and sends at the pace
    of a line, beginning at ``speed`` bit/s. With ``taps`` (the line whose parity bit the copies carry) there are two
    more pseudo-terminals, ``client_tap`` and ``server_tap``, on which each direction can be captured.
    """

    def __init__(self, meter: MeterMachine, *, speed: int = 9600, taps: Line | None = None) -> None:
        self._line = taps
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
        self._thread.join(_PATIENCE)
        self._close_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wired(self, meter: MeterMachine, speed: int) -> Wire:
        return Wire({"server": meter}, speed=speed, line=SEVEN_EVEN, now=time.monotonic_ns())

    def _close_all(self) -> None:
        for pty in self._ptys:
            pty.close()
        os.close(self._wake_end)
        os.close(self._wake)

    def _serve(self) -> None:
        port = self._ptys[0]
        while True:
            now = time.monotonic_ns()
            for octet in self._wire.advance(now):
                self._pass_on(octet)
            due = self._due(now)
            wait = None if due is None else max(due - time.monotonic_ns(), 0) / 1e9
            ready, _, _ = select.select([port.fd, self._wake_end], [], [], wait)
            if self._wake_end in ready:
                return
            if port.fd in ready:
                self._hear(bytes(octet & 0x7F for octet in port.read()))

    def _due(self, now: int) -> int | None:
        """When there is something to do next, ns."""
        return self._wire.next_due()

    def _hear(self, octets: bytes) -> None:
        self._wire.put("client", octets, time.monotonic_ns())

    def _pass_on(self, octet: WireOctet) -> None:
        bits = octet.octet & 0x7F
        if octet.side == "server":
            self._ptys[0].write(bytes([bits]))
        if self._line:
            tap = self._ptys[1 if octet.side == "client" else 2]
            tap.write(bytes([received(bits, self._line)]))
