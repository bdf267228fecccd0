"""Ports: opened so that a tap cannot disturb the line it listens to.

On POSIX a device is opened for reading only, and its settings are made on the descriptor by us: pyserial raises DTR and
RTS, and throws away what is waiting. Nothing is ever written. DTR and RTS are lowered at once; that the kernel itself
may raise them while it opens the device is not in a program's hands (so: connect RX only). pyserial URLs
(``socket://...``, ``rfc2217://...``), and all ports elsewhere, go through pyserial with its flushing and raising
switched off. Only who asks for it gets DTR raised, to power an optical head.

A line with seven data bits and parity is received as eight bits without: the same frame on the wire. The parity bit
arrives in bit 7 and is checked in software, exactly and on any adapter; on any other line with parity the adapter
checks it. Breaks and framing errors (and the parity errors that an adapter finds, which look the same) come as the
driver's in-band marks (:class:`Marks`).
"""

import contextlib
import errno
import os
import sys
from dataclasses import dataclass
from typing import Any, Final, Protocol

from vtctap.errors import NO_PORT, Error
from vtctap.pcap.record import Flag, Line
from vtctap.sniffer import counters

_READ_SIZE: Final = 4096
_CMSPAR: Final = 0x40000000
"""Mark or space parity, where there is such a thing (Linux); :mod:`termios` does not name it."""


class PortError(Error):
    """A port cannot be opened, or was lost; the message says what to do."""

    status = NO_PORT


@dataclass(frozen=True, slots=True)
class Settings:
    """How a port is set: speed in bit/s and the line's character format."""

    speed: int
    line: Line


class Port(Protocol):
    """An open port. ``read`` gives octets with the flags the driver put on each (empty: none are there now)."""

    name: str
    marks_errors: bool
    """Whether octets with framing errors, and breaks, are flagged."""

    def fileno(self) -> int:
        """The descriptor to poll."""

    def read(self) -> list[tuple[int, int]]:
        """What has arrived: values and :class:`~vtctap.pcap.record.Flag` bits. Raises PortError when it is lost."""

    def set(self, settings: Settings) -> None:
        """Sets speed and line anew; what was received stays. Raises PortError."""

    def counters(self) -> counters.Counters | None:
        """The driver's totals of errors; None where it keeps none."""

    def close(self) -> None:
        """Gives the port back."""


def is_url(name: str) -> bool:
    """Whether the name of a port is a pyserial URL."""
    return "://" in name


def open_port(name: str, settings: Settings, *, power: bool = False) -> Port:
    """Opens a device or pyserial URL for listening. ``power`` raises DTR, to feed an optical head, where it would be
    lowered. Raises PortError."""
    if is_url(name) or sys.platform == "win32":
        from vtctap.sniffer.pyserial_port import PyserialPort

        return PyserialPort(name, settings, power=power)
    return PosixPort(name, settings, power=power)


class Marks:
    """Takes the driver's in-band marks out of what a POSIX port delivers (termios PARMRK).

    FFh 00h x is an octet x with a framing error, FFh 00h 00h a break, FFh FFh the octet FFh. A mark may be split
    between two reads.
    """

    def __init__(self) -> None:
        self._pending = b""

    def take(self, received: bytes) -> list[tuple[int, int]]:
        """The octets with their flags."""
        if not self._pending and 0xFF not in received:
            return [(value, 0) for value in received]
        received = self._pending + received
        self._pending = b""
        octets = []
        at = 0
        while at < len(received):
            value, flags, size = received[at], 0, 1
            if value == 0xFF:
                if received[at + 1 : at + 2] == b"\xff":
                    size = 2
                elif at + 2 < len(received) and received[at + 1] == 0:
                    value, size = received[at + 2], 3
                    flags = Flag.FRAMING if value else Flag.FRAMING | Flag.BREAK
                elif at + 1 == len(received) or received[at + 1] == 0:
                    self._pending = received[at:]
                    break
            octets.append((value, flags))
            at += size
        return octets


_NO_PERMISSION: Final = "no permission; join the port's group (usually: sudo usermod -aG dialout $USER), log in again"
_IN_USE: Final = "the port is in use by another program"
_REASONS: Final = {
    errno.ENOENT: "there is no such port; 'vtctap ports' lists those that there are",
    errno.EACCES: _NO_PERMISSION,
    errno.EPERM: _NO_PERMISSION,
    errno.EBUSY: _IN_USE,
    errno.EWOULDBLOCK: _IN_USE,
    errno.ENXIO: "there is no device behind this port",
    errno.ENODEV: "there is no device behind this port",
    errno.ENOTTY: "that is not a serial port",
    errno.EIO: "the device is gone",
}


def port_error(name: str, error: OSError) -> PortError:
    """What an operating system's error means for the person who named the port."""
    return PortError(f"{name}: {_REASONS.get(error.errno or 0, error.strerror or str(error))}")


class PosixPort:
    """A serial device, opened for reading only."""

    marks_errors = True

    def __init__(self, name: str, settings: Settings, *, power: bool = False) -> None:
        import termios

        self.name = name
        self._marks = Marks()
        try:
            self._fd = os.open(name, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise port_error(name, error) from None
        try:
            self._prepare(settings, power=power)
        except termios.error as error:
            os.close(self._fd)
            raise port_error(name, OSError(*error.args)) from None
        except OSError as error:
            os.close(self._fd)
            raise port_error(name, error) from None
        except BaseException:
            os.close(self._fd)
            raise

    def _prepare(self, settings: Settings, *, power: bool) -> None:
        import fcntl
        import struct
        import termios

        # First, since it tells a terminal from any other file.
        attributes = self._raw(termios.tcgetattr(self._fd), settings)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lowered = termios.TIOCM_RTS if power else termios.TIOCM_DTR | termios.TIOCM_RTS
        with contextlib.suppress(OSError):  # A pseudo-terminal has no such lines.
            fcntl.ioctl(self._fd, termios.TIOCMBIC, struct.pack("I", lowered))
        if power:
            try:
                fcntl.ioctl(self._fd, termios.TIOCMBIS, struct.pack("I", termios.TIOCM_DTR))
            except OSError:
                raise PortError(f"{self.name}: this port has no DTR to power a head from") from None
        termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
        fcntl.ioctl(self._fd, termios.TIOCEXCL)  # Last: it outlives the descriptor while others have the port open.

    def set(self, settings: Settings) -> None:
        """Sets speed and line anew; what was received stays. Raises PortError."""
        import termios

        try:
            termios.tcsetattr(self._fd, termios.TCSANOW, self._raw(termios.tcgetattr(self._fd), settings))
        except termios.error as error:
            raise port_error(self.name, OSError(*error.args)) from None

    def _raw(self, attributes: list[Any], settings: Settings) -> list[Any]:
        """The attributes of a raw line as wanted, with breaks and framing errors marked; HUPCL stays as it was."""
        import termios

        speed = getattr(termios, f"B{settings.speed}", None)
        if speed is None:
            raise PortError(f"{self.name}: {settings.speed} bit/s is not a speed that this system can set")
        cflag: int = attributes[2]
        control: list[Any] = list(attributes[6])
        # With a VMIN of 0, nothing there would look like a device that is gone.
        control[termios.VMIN], control[termios.VTIME] = 1, 0
        line = settings.line
        bits = 8 if line.has_parity else line.data_bits
        even, odd, stick = termios.PARENB, termios.PARENB | termios.PARODD, _CMSPAR if sys.platform == "linux" else 0
        parity = "N" if line.has_parity else line.parity
        cflag &= ~(termios.CSIZE | termios.CSTOPB | getattr(termios, "CRTSCTS", 0) | odd | stick)
        cflag |= termios.CREAD | termios.CLOCAL | getattr(termios, f"CS{bits}")
        cflag |= {"N": 0, "E": even, "O": odd, "M": odd | stick, "S": even | stick}[parity]
        return [termios.INPCK | termios.PARMRK, 0, cflag, 0, speed, speed, control]

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._fd

    def read(self) -> list[tuple[int, int]]:
        """What has arrived. Raises PortError when the device is gone."""
        try:
            received = os.read(self._fd, _READ_SIZE)
        except BlockingIOError:
            return []
        except OSError as error:
            raise port_error(self.name, error) from None
        if not received:
            raise PortError(f"{self.name}: the device is gone")
        return self._marks.take(received)

    def counters(self) -> counters.Counters | None:
        """The driver's totals of errors; None where it keeps none."""
        return counters.read(self._fd)

    def close(self) -> None:
        """Gives the port back."""
        import fcntl
        import termios

        with contextlib.suppress(OSError):  # A device that is gone.
            fcntl.ioctl(self._fd, termios.TIOCNXCL)
        os.close(self._fd)
