"""Ports: the interface that a tap needs. :mod:`~vtctap.sniffer.opening` opens one by name; nothing is ever written.

A line with seven data bits and parity is received as eight bits without parity, which is the same frame on the wire.
The parity bit arrives in bit 7, and software checks it exactly, on any adapter. On any other line with parity the
adapter checks it.
"""

import errno
from dataclasses import dataclass
from typing import Final, Protocol

from vtctap.errors import NO_PORT, Error
from vtctap.pcap.record import Line
from vtctap.sniffer.counters import Counters

PSEUDO_TERMINALS: Final = range(136, 144)
"""Linux's major numbers of pseudo-terminals, which accept every character format and always report the same one."""


class PortError(Error):
    """A port cannot be opened, cannot be set, or was lost; the message says what to do."""

    status = NO_PORT


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a port: speed in bit/s, and the line's character format."""

    speed: int
    line: Line


class Port(Protocol):
    """An open port."""

    name: str
    marks_errors: bool
    """False: framing errors and breaks are never flagged. True: it depends on the adapter."""

    def fileno(self) -> int:
        """Returns the descriptor to poll."""

    def read(self) -> list[tuple[int, int]]:
        """Reads the octets that have arrived, if any: values and :class:`~vtctap.pcap.record.Flag` bits. Raises
        PortError when the port is lost."""

    def set(self, settings: Settings) -> None:
        """Sets speed and line, without losing octets. Raises PortError; the port then keeps its old settings."""

    def counters(self) -> Counters | None:
        """Returns the driver's totals; None where the driver keeps none."""

    def close(self) -> None:
        """Closes the port."""


_NO_PERMISSION: Final = "no permission; join the port's group (usually: sudo usermod -aG dialout $USER), log in again"
_IN_USE: Final = "the port is in use by another program"
_REASONS: Final = {
    errno.ENOENT: "there is no such port; 'vtctap ports' lists the ports",
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
    """Converts an operating system's error to one that tells the user what to do."""
    return PortError(f"{name}: {_REASONS.get(error.errno or 0, error.strerror or str(error))}")
