"""Plays the simulated line on pseudo-terminals, in real time.

A capture can listen to :class:`PtyTaps`. As on a real line, the sender never waits: octets that nobody reads in time
are lost.

Limits: POSIX only. A pseudo-terminal has no speed, parity or break. Octets carry the parity bit in bit 7, as a tap set
to 8N1 reads it, and a break arrives as NUL. Times are kept to about a millisecond.
"""

import errno
import os
import select
import struct
import threading
import time
from collections.abc import Iterable
from typing import Final

from vtctap.base.closing import Closing
from vtctap.sniffer.simulated.wire import Side, WireOctet

PATIENCE: Final = 5.0
"""The longest wait for a thread to end, which is woken and has nothing else to wait for."""

_LONGEST_NS: Final = 50_000_000
"""An octet that is later than this is not the system's: the program did not run."""


class Pty:
    """A pseudo-terminal in raw mode. Another program opens ``name``, whose descriptor here is ``terminal``. Both ends
    stay open until :meth:`close`, so programs may open and close it. Raises OSError on systems without
    pseudo-terminals."""

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
        except BaseException as error:
            self.close()
            if isinstance(error, termios.error):
                raise OSError(*error.args) from None
            raise

    def write(self, octets: bytes) -> int:
        """Sends octets to whoever reads; drops those for which the buffer has no room, and says how many it took."""
        try:
            return os.write(self.fd, octets)
        except BlockingIOError:
            return 0

    def read(self) -> bytes:
        """Reads octets that the other program sent, without waiting."""
        try:
            return os.read(self.fd, 4096)
        except BlockingIOError:
            return b""

    def release(self) -> None:
        """Closes the other program's end, until :meth:`hold`: whether a program has it open can be seen then."""
        terminal, self.terminal = self.terminal, -1
        _close(terminal)

    def hold(self) -> None:
        """Opens the other program's end again. A program that has it exclusively, as a capture does, keeps it alone."""
        try:
            self.terminal = os.open(self.name, os.O_RDWR | os.O_NOCTTY)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise

    def close(self) -> None:
        """Closes both ends. A second call does nothing, also where a signal ended the first one."""
        descriptor, self.fd = self.fd, -1
        _close(descriptor)
        self.release()


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


def unread(terminal: int) -> int:
    """Returns the number of octets in a terminal that its reader has not read yet. The system hands octets on in the
    background, late if it is busy, but at once to a program that asks whether there are any."""
    import fcntl
    import termios

    select.select([terminal], [], [], 0)
    (count,) = struct.unpack("i", fcntl.ioctl(terminal, termios.FIONREAD, bytes(4)))
    return int(count)


class PtyTaps(Closing):
    """The simulated line, for a capture: one tap for each direction, or with ``merged`` one tap for both.

    The line stands still while the system does not run the program. Open the ports ``client`` and ``server``, then call
    :meth:`start`. Closing discards octets that were not read, so
    close after the capture has read to the end.
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
        self.offset_ns = 0
        """Converts the virtual time of the beginning to real time: the ns to add to get the time since 1970 UTC."""
        self._stood_still: list[tuple[int, int]] = [(0, 0)]
        """For how long the line has stood still until a virtual time; both ns."""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, octets: Iterable[WireOctet], *, beginning: int) -> None:
        """Starts to play ``octets``, each at its end; ``beginning`` (ns) is the virtual time of this moment."""
        self.offset_ns = time.time_ns() - beginning
        shift = time.monotonic_ns() - beginning
        self._thread = threading.Thread(target=self._play, args=(octets, shift), name="simulated line", daemon=True)
        self._thread.start()

    def real_ns(self, virtual: int) -> int:
        """Returns when the line was at a virtual time (ns), in ns since 1970 UTC."""
        stood_still = next((total for since, total in reversed(self._stood_still) if since <= virtual), 0)
        return virtual + self.offset_ns + stood_still

    @property
    def playing(self) -> bool:
        """Whether more octets are to come."""
        return self._thread is not None and self._thread.is_alive()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits up to ``timeout`` seconds for the end; returns whether all has been played."""
        if self._thread:
            self._thread.join(timeout)
        return not self.playing

    def close(self) -> None:
        """Stops playing and closes the pseudo-terminals."""
        self._stop.set()
        self.wait(PATIENCE)
        for pty in set(self._ptys.values()):
            pty.close()

    def _play(self, octets: Iterable[WireOctet], shift: int) -> None:
        for octet in octets:
            stood_still = self._stood_still[-1][1]
            wait = octet.end + shift + stood_still - time.monotonic_ns()
            if wait < -_LONGEST_NS:
                self._stood_still.append((octet.start, stood_still - wait))
            if self._stop.wait(max(wait, 0) / 1e9):
                return
            self._ptys[octet.side].write(bytes([octet.octet]))
