"""The ends of a scene that are not the capture's: ports that are given octets, and readers of what it writes."""

import contextlib
import fcntl
import os
import pty
import struct
import termios
from pathlib import Path
from typing import Final

from vtctap.sniffer.simulated.ptys import Pty, unread

QUIET: Final = 0.02
"""Seconds for which nothing has been waiting in a port that is quiet."""
_SURE: Final = 2048
"""Most octets waiting in a terminal by which it surely counts all of them; more wait uncounted behind 4095."""


class Port:
    """A port that a capture opens, and what it was given. ``name`` is a link, as in /dev/serial/by-id."""

    def __init__(self, name: Path) -> None:
        self.name = name
        self.sent = bytearray()
        self._read = 0
        self.ends: list[int] = [0]
        """Where the messages in ``sent`` end."""
        self._pty = self._plug()

    def _plug(self) -> Pty:
        made = Pty()
        self.name.symlink_to(made.name)
        return made

    def write(self, octets: bytes) -> int:
        """Writes as much as the port takes, and returns how much that was."""
        taken = self._pty.write(octets)
        self.sent += octets[:taken]
        return taken

    @property
    def waiting(self) -> int:
        """Number of octets that nobody has read yet."""
        return unread(self._pty.terminal)

    @property
    def read(self) -> int:
        """Number of octets that have been read, at least."""
        waiting = self.waiting
        if waiting < _SURE:
            self._read = max(self._read, len(self.sent) - waiting)
        return self._read

    def left(self) -> bytes:
        """Takes the octets that the capture did not read before it ended."""
        left = b""
        while self.waiting:
            left += os.read(self._pty.terminal, 4096)
        return left.replace(b"\xff\xff", b"\xff")  # A tap's settings double this octet (PARMRK).

    def unplug(self) -> None:
        """Ends the port, as an adapter does that is pulled out. What was not read by then was never received."""
        self.name.unlink()
        self._pty.close()

    def plug_in(self) -> None:
        """Makes the port again, under the same name."""
        self._pty = self._plug()

    def close(self) -> None:
        """Closes both ends."""
        self._pty.close()


class Reader:
    """Reads a pipe, a fifo or a terminal of the capture, unless it is ``stuck``."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.octets = b""
        self.stuck = False
        os.set_blocking(descriptor, False)

    def read(self) -> None:
        """Takes what is there."""
        with contextlib.suppress(BlockingIOError, OSError):
            while not self.stuck and (octets := os.read(self.descriptor, 65536)):
                self.octets += octets

    def close(self) -> None:
        """Goes away."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def open_terminal() -> tuple[int, int]:
    """Opens a terminal for a person: the person's end, and the program's."""
    far, near = pty.openpty()
    fcntl.ioctl(near, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    return far, near
