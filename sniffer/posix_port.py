"""A serial device on POSIX, opened so that a tap cannot disturb the line.

The device is opened for reading only; nothing is ever written. While the kernel opens a terminal, it enables echo and
raises DTR and RTS. A program cannot prevent this, only end it soon. So everything needed is imported and looked up
before the device is opened, and between opening and setting it there are only checks that the port is free.
docs/wiring.md states the remaining disturbance and how to prevent it.

The driver marks breaks and framing errors (:mod:`~vtctap.sniffer.marks`). Some drivers mark none, and some mark a whole
packet; docs/wiring.md lists them.
"""

import contextlib
import errno
import fcntl
import os
import struct
import sys
import termios
from collections import deque
from typing import Any, Final, NamedTuple

from vtctap.sniffer import counters as driver
from vtctap.sniffer.counters import Counters
from vtctap.sniffer.marks import PortMarks
from vtctap.sniffer.port import PSEUDO_TERMINALS, PortError, Settings, port_error

_READ_SIZE: Final = 4096
_LINUX: Final = sys.platform == "linux"
_FLAGS: Final = os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
_CMSPAR: Final = 0x40000000 if _LINUX else 0
"""The flag of mark and space parity, where the system has it; :mod:`termios` does not define it."""
_TIOCGEXCL: Final = 0x80045440
"""Linux's request that tells whether TIOCEXCL was set; :mod:`termios` does not define it either."""
_FORMAT: Final = termios.CSIZE | termios.PARENB | termios.PARODD | _CMSPAR
_REPLACED: Final = _FORMAT | termios.CSTOPB | getattr(termios, "CRTSCTS", 0)
_PARITY: Final = {
    "N": 0,
    "E": termios.PARENB,
    "O": termios.PARENB | termios.PARODD,
    "M": termios.PARENB | termios.PARODD | _CMSPAR,
    "S": termios.PARENB | _CMSPAR,
}
_SPEEDS: Final = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdecimal()
}
_DTR: Final = struct.pack("I", termios.TIOCM_DTR)
_RTS: Final = struct.pack("I", termios.TIOCM_RTS)
_BOTH: Final = struct.pack("I", termios.TIOCM_DTR | termios.TIOCM_RTS)


class _Wanted(NamedTuple):
    """Settings, and their values in termios."""

    settings: Settings
    speed: int
    format: int

    @classmethod
    def of(cls, name: str, settings: Settings) -> "_Wanted":
        """Converts settings. Raises PortError for a speed that this system does not have."""
        speed = getattr(termios, f"B{settings.speed}", None)
        if speed is None:
            raise PortError(f"{name}: {settings.speed} bit/s is not a speed that this system can set")
        line = settings.line
        bits = 8 if line.has_parity else line.data_bits
        return cls(settings, speed, getattr(termios, f"CS{bits}") | _PARITY["N" if line.has_parity else line.parity])

    def raw(self, attributes: list[Any]) -> list[Any]:
        """Makes attributes of a raw line with marks for breaks and framing errors; HUPCL is kept."""
        cflag = attributes[2] & ~_REPLACED | self.format | termios.CREAD | termios.CLOCAL
        control = list(attributes[6])
        # With VMIN 0, a read without octets would look like a device that is gone.
        control[termios.VMIN], control[termios.VTIME] = 1, 0
        return [termios.INPCK | termios.PARMRK, 0, cflag, 0, self.speed, self.speed, control]


class PosixPort:
    """A serial device, opened for reading only."""

    marks_errors = True

    def __init__(self, name: str, settings: Settings, *, power: bool = False) -> None:
        self.name = name
        self._marks = PortMarks(self._is_break)
        wanted = _Wanted.of(name, settings)
        try:
            self._fd = _open(name)
        except OSError as error:
            raise port_error(name, error) from None
        try:
            self._prepare(wanted, power=power)
        except termios.error as error:
            os.close(self._fd)
            raise port_error(name, OSError(*error.args)) from None
        except OSError as error:
            os.close(self._fd)
            raise port_error(name, error) from None
        except BaseException:
            os.close(self._fd)
            raise
        self._looks = deque([self._count()], maxlen=2)
        """The driver's totals at the last two checks, the older first."""

    def _prepare(self, wanted: _Wanted, *, power: bool) -> None:
        if _is_exclusive(self._fd):
            raise OSError(errno.EBUSY, "")
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._apply(wanted, termios.tcgetattr(self._fd))
        with contextlib.suppress(OSError):  # A pseudo-terminal has no such lines.
            fcntl.ioctl(self._fd, termios.TIOCMBIC, _RTS if power else _BOTH)
        self._verify(wanted)
        if power:
            try:
                fcntl.ioctl(self._fd, termios.TIOCMBIS, _DTR)
            except OSError:
                raise PortError(f"{self.name}: this port has no DTR to power a head from") from None
        # Last, because it outlasts the descriptor while others have the port open.
        fcntl.ioctl(self._fd, termios.TIOCEXCL)

    def set(self, settings: Settings) -> None:
        """Sets speed and line, without losing octets. Raises PortError; the port then keeps its old settings."""
        wanted = _Wanted.of(self.name, settings)
        try:
            before = termios.tcgetattr(self._fd)
            try:
                self._apply(wanted, before)
                self._verify(wanted)
            except PortError:
                termios.tcsetattr(self._fd, termios.TCSANOW, before)
                raise
        except termios.error as error:
            raise port_error(self.name, OSError(*error.args)) from None

    def _apply(self, wanted: _Wanted, before: list[Any]) -> None:
        """Applies settings. Raises PortError where the system reports that the driver did not (as glibc does)."""
        try:
            termios.tcsetattr(self._fd, termios.TCSANOW, wanted.raw(before))
        except termios.error as error:
            if error.args[0] == errno.EINVAL:
                raise self._refuses(wanted) from None
            raise

    def _refuses(self, wanted: _Wanted) -> PortError:
        return PortError(f"{self.name}: this port cannot be set to {wanted.settings.line}")

    def _verify(self, wanted: _Wanted) -> None:
        """Reads the settings back, because a driver may silently set something else. Raises PortError."""
        reached = termios.tcgetattr(self._fd)
        if reached[4] != wanted.speed or reached[5] != wanted.speed:
            instead = _SPEEDS.get(reached[5])
            but = f", it chose {instead}" if instead else ""
            raise PortError(f"{self.name}: this port does not reach {wanted.settings.speed} bit/s{but}")
        if reached[2] & _FORMAT != wanted.format and not _is_pseudo_terminal(self._fd):
            raise self._refuses(wanted)

    def fileno(self) -> int:
        """Returns the descriptor to poll."""
        return self._fd

    def read(self) -> list[tuple[int, int]]:
        """Reads octets with their flags. Raises PortError when the device is gone."""
        try:
            received = os.read(self._fd, _READ_SIZE)
        except BlockingIOError:
            return []
        except OSError as error:
            raise port_error(self.name, error) from None
        if not received:
            raise PortError(f"{self.name}: the device is gone")
        return self._marks.feed(received)

    def counters(self) -> Counters | None:
        """Returns the driver's totals; None where it keeps none. Call it about every second: the totals tell breaks
        from NULs."""
        self._looks.append(self._count())
        return self._looks[-1]

    def _count(self) -> Counters | None:
        return driver.read(self._fd)

    def _is_break(self) -> bool:
        """Whether a marked break can be one, by the driver's totals.

        The driver counts an octet some time before it can be read, so the totals since the check before the last count.
        If they show other errors and no break, the mark was no break.
        """
        before, now = self._looks[0], self._count()
        if before is None or now is None:
            return True
        added = now.since(before)
        return added.brk > 0 or not (added.frame or added.parity)

    def close(self) -> None:
        """Closes the port and ends its exclusive use."""
        with contextlib.suppress(OSError):  # A device that is gone.
            fcntl.ioctl(self._fd, termios.TIOCNXCL)
        os.close(self._fd)


def check_free(name: str) -> None:
    """Raises PortError if another program has a port in exclusive use, as a capture has."""
    try:
        descriptor = _open(name)
    except OSError as error:
        raise port_error(name, error) from None
    try:
        if _is_exclusive(descriptor):
            raise OSError(errno.EBUSY, "")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise port_error(name, error) from None
    finally:
        os.close(descriptor)


def _open(name: str) -> int:
    if _LINUX and os.geteuid() == 0:
        from vtctap.sniffer.exclusive import open_unprivileged

        return open_unprivileged(name, _FLAGS)
    return os.open(name, _FLAGS)


def _is_exclusive(descriptor: int) -> bool:
    """Whether another program has the port in exclusive use although the kernel let this one open it."""
    try:
        return _LINUX and any(fcntl.ioctl(descriptor, _TIOCGEXCL, bytes(4)))
    except OSError:  # No terminal, or a kernel without this request.
        return False


def _is_pseudo_terminal(descriptor: int) -> bool:
    return not _LINUX or os.major(os.fstat(descriptor).st_rdev) in PSEUDO_TERMINALS
