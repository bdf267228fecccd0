"""Tells a service manager that a capture runs. The part is the last of the chain, so a sign of life means that the loop
runs and that the disk has taken all records."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vtctap.capturing.parts import Passive
from vtctap.command_line.service_manager import ServiceManager

if TYPE_CHECKING:
    from vtctap.pcap.record import Record


class Notifying(Passive):
    """Says when the capture begins, that it runs, and when it ends. It begins with the first turn of the loop: a signal
    would end the program before that, and a service manager may send one as soon as it is told."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._manager = ServiceManager(environment)
        self._begun = False

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        if not self._begun:
            self._begun = True
            self._manager.ready()
        self._manager.alive(now)
        return records

    def close(self) -> None:
        """See :meth:`~vtctap.capturing.parts.Part.close`."""
        self._manager.stopping()
