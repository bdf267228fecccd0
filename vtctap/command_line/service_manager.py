"""Tells a service manager that the program runs: systemd's notification protocol (sd_notify(3)).

systemd names a datagram socket in ``NOTIFY_SOCKET``, and the time within which it expects signs of life in
``WATCHDOG_USEC``. Without these variables nothing is sent.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

__all__ = ["ServiceManager"]


class ServiceManager:
    """The service manager that started this program, if one did."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)  # @: Linux's abstract names.
        addressed = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        expected_us = environment.get("WATCHDOG_USEC", "") if addressed else ""
        self._period = int(expected_us) / 2e6 if expected_us.isdecimal() else None
        self._due = 0.0

    def ready(self) -> None:
        """Says that the program does its work from now on."""
        self._send("READY=1")

    def alive(self, now: float) -> None:
        """Gives a sign of life, at most twice in the expected time. ``now`` is in seconds, of a monotonic clock."""
        if self._period is not None and now >= self._due:
            self._due = now + self._period
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Says that the program ends."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), self._address)
