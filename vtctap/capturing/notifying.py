"""Tells a service manager that a capture runs: systemd's notification protocol (sd_notify(3)).

systemd names a datagram socket in ``NOTIFY_SOCKET``, and the time within which it expects signs of life in
``WATCHDOG_USEC``. Without these variables the part does nothing. It is the last of the chain, so a sign of life means
that the loop runs and that the disk has taken all records.
"""

import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from vtctap.capturing.parts import Passive

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record


class Notifying(Passive):
    """Sends ``READY=1`` when the capture begins, ``WATCHDOG=1`` twice in the expected time, and ``STOPPING=1`` at its
    end."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "").replace("@", "\0", 1)  # @: Linux's abstract names.
        addressed = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        expected_us = environment.get("WATCHDOG_USEC", "") if addressed else ""
        self._period = int(expected_us) / 2e6 if expected_us.isdecimal() else None
        self._due = 0.0

    def open(self, taps: "Sequence[Interface]") -> None:
        """See :meth:`~vtctap.capturing.parts.Part.open`."""
        self._send("READY=1")

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        if self._period is not None and now >= self._due:
            self._due = now + self._period
            self._send("WATCHDOG=1")
        return records

    def close(self) -> None:
        """See :meth:`~vtctap.capturing.parts.Part.close`."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), self._address)
