"""Ports: what a tap needs of one. :mod:`~vtctap.sniffer.opening` opens one by name; nothing is ever written to it.

A line with seven data bits and parity is received as eight bits without: the same frame on the wire. The parity bit
arrives in bit 7 and is checked in software, exactly and on any adapter; on any other line with parity the adapter
checks it.
"""

import errno
from dataclasses import dataclass
from typing import Final, Protocol

from vtctap.errors import NO_PORT, Error
from vtctap.pcap.record import Line
from vtctap.sniffer.counters import Counters


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
    """False: octets with framing errors, and breaks, are surely not flagged. True: it depends on the adapter."""

    def fileno(self) -> int:
        """The descriptor to poll."""

    def read(self) -> list[tuple[int, int]]:
        """What has arrived: values and :class:`~vtctap.pcap.record.Flag` bits. Raises PortError when it is lost."""

    def set(self, settings: Settings) -> None:
        """Sets speed and line anew; what was received stays. Raises PortError, and then the port is set as before."""

    def counters(self) -> Counters | None:
        """The driver's totals; None where it keeps none."""

    def close(self) -> None:
        """Gives the port back."""


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
