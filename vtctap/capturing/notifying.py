"""Tells a service manager that a capture runs. The part is the last of the chain, so a sign of life means that the loop
runs and that the disk has taken all records."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vtctap.capturing.parts import Passive
from vtctap.command_line.service_manager import ServiceManager

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record


class Notifying(Passive):
    """Says when the capture begins, that it runs, and when it ends."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._manager = ServiceManager(environment)

    def open(self, taps: "Sequence[Interface]") -> None:
        """See :meth:`~vtctap.capturing.parts.Part.open`."""
        self._manager.ready()

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        self._manager.alive(now)
        return records

    def close(self) -> None:
        """See :meth:`~vtctap.capturing.parts.Part.close`."""
        self._manager.stopping()
