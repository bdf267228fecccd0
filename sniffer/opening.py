"""Opens a port by its name, and finds what holds its octets back.

On POSIX, :mod:`~vtctap.sniffer.posix_port` opens devices itself, because pyserial raises DTR and RTS and discards
waiting octets. pyserial opens its URLs (``socket://...``, ``rfc2217://...``) and all ports of other systems, with this
switched off as far as possible (:mod:`~vtctap.sniffer.pyserial_port`). DTR is raised only on request, to power an
optical head.
"""

import contextlib
import os
import stat
import sys
from dataclasses import dataclass
from typing import Final, NamedTuple

from vtctap.sniffer.adapter import Adapter, LowLatency, ask_low_latency, find_adapter, is_pseudo_terminal, is_url
from vtctap.sniffer.port import Port, PortError, Settings

_WAITING_READS: Final = 16
"""Most reads that empty a port on opening. A port that still has octets is receiving them now, not holding old ones."""


def one_port(*names: str) -> bool:
    """Whether any two names, of devices or URLs, are those of one port: a device and a link to it, for instance."""
    return len({name if is_url(name) else os.path.realpath(name) for name in names}) < len(names)


def open_port(name: str, settings: Settings, *, power: bool = False) -> Port:
    """Opens a device or pyserial URL for listening. ``power`` raises DTR, which is otherwise low, to power an optical
    head. Raises PortError."""
    if is_url(name) or sys.platform == "win32":
        from vtctap.sniffer.pyserial_port import PyserialPort

        return PyserialPort(name, settings, power=power)
    from vtctap.sniffer.posix_port import PosixPort

    return PosixPort(name, settings, power=power)


def waiting_octets(port: Port) -> list[tuple[int, int]]:
    """Reads the octets that were waiting in a port when it was opened."""
    waiting: list[tuple[int, int]] = []
    with contextlib.suppress(PortError):  # The next read raises the same error.
        for _ in range(_WAITING_READS):
            octets = port.read()
            if not octets:
                break
            waiting += octets
    return waiting


class Opened(NamedTuple):
    """A port that was opened with ``settings``, and the octets that were ``waiting`` in it. ``low_latency`` is what the
    driver did, where low latency was asked for. ``linked_ns`` is when the link was made that the port was opened by (ns
    since 1970 UTC), None without one."""

    port: Port
    settings: Settings
    waiting: list[tuple[int, int]]
    adapter: Adapter
    low_latency: LowLatency | None = None
    linked_ns: int | None = None

    def close(self) -> None:
        """Restores the port's latency and closes it."""
        if self.low_latency:
            self.low_latency.put_back()
        self.port.close()


@dataclass(frozen=True, slots=True)
class Opening:
    """How the ports of a capture are opened.

    ``latency_ns``, if given, is how long the adapters keep an octet, stated by the user. ``low_latency`` asks the
    drivers for their shortest latency; closing the port restores the old one. ``power`` raises DTR.
    """

    latency_ns: int | None = None
    low_latency: bool = False
    power: bool = False

    def open(self, name: str, settings: Settings) -> Opened:
        """Opens a port; safe to call in another thread. Raises PortError."""
        port = open_port(name, settings, power=self.power)
        opened = Opened(port, settings, waiting_octets(port), Adapter(), None, _linked_ns(name))
        try:
            if self.low_latency and not is_url(name):
                opened = opened._replace(low_latency=ask_low_latency(name, port.fileno()))
            return opened._replace(adapter=self.adapter(name))
        except BaseException:  # A signal may come at any time; the driver keeps its latency for other programs.
            opened.close()
            raise

    def open_again(self, name: str, settings: Settings, before: Opened) -> Opened:
        """Opens a port that was lost. Raises PortError.

        The number of a pseudo-terminal that is gone may be another's by now, that of a person's terminal for instance.
        So a pseudo-terminal is opened again only by a link that was made since.
        """
        if is_pseudo_terminal(name) and _linked_ns(name) in (None, before.linked_ns):
            raise PortError(f"{name} was a pseudo-terminal that is gone")
        return self.open(name, settings)

    def adapter(self, name: str) -> Adapter:
        """Returns what is known of a port's adapter."""
        return find_adapter(name).stated(self.latency_ns)


def _linked_ns(name: str) -> int | None:
    try:
        found = os.lstat(name)
    except OSError:
        return None
    return found.st_ctime_ns if stat.S_ISLNK(found.st_mode) else None
