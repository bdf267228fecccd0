"""Opens a port by its name.

On POSIX, :mod:`~vtctap.sniffer.posix_port` opens devices itself, because pyserial raises DTR and RTS and discards
waiting octets. pyserial opens its URLs (``socket://...``, ``rfc2217://...``) and all ports of other systems, with this
switched off as far as possible (:mod:`~vtctap.sniffer.pyserial_port`). DTR is raised only on request, to power an
optical head.
"""

import sys

from vtctap.sniffer.port import Port, Settings


def is_url(name: str) -> bool:
    """Whether the name of a port is a pyserial URL."""
    return "://" in name


def open_port(name: str, settings: Settings, *, power: bool = False) -> Port:
    """Opens a device or pyserial URL for listening. ``power`` raises DTR, which is otherwise low, to power an optical
    head. Raises PortError."""
    if is_url(name) or sys.platform == "win32":
        from vtctap.sniffer.pyserial_port import PyserialPort

        return PyserialPort(name, settings, power=power)
    from vtctap.sniffer.posix_port import PosixPort

    return PosixPort(name, settings, power=power)
