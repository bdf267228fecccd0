"""Opens a port by its name, through the driver that the name asks for.

On POSIX a device is opened by us (:mod:`~vtctap.sniffer.posix_port`): pyserial raises DTR and RTS, and throws away what
is waiting. pyserial URLs (``socket://...``, ``rfc2217://...``), and all ports elsewhere, go through pyserial with its
flushing and raising switched off (:mod:`~vtctap.sniffer.pyserial_port`). Only who asks for it gets DTR raised, to power
an optical head.
"""

import sys

from vtctap.sniffer.port import Port, Settings


def is_url(name: str) -> bool:
    """Whether the name of a port is a pyserial URL."""
    return "://" in name


def open_port(name: str, settings: Settings, *, power: bool = False) -> Port:
    """Opens a device or pyserial URL for listening. ``power`` raises DTR, to feed an optical head, where it would be
    lowered. Raises PortError."""
    if is_url(name) or sys.platform == "win32":
        from vtctap.sniffer.pyserial_port import PyserialPort

        return PyserialPort(name, settings, power=power)
    from vtctap.sniffer.posix_port import PosixPort

    return PosixPort(name, settings, power=power)
