"""Waiting for octets on several ports at once.

On POSIX one ``poll`` waits for all; ports without a descriptor that can be polled, and all ports on other systems, are
asked in turn every few milliseconds. Arrival times are taken from the monotonic clock at once after each read.
"""

import contextlib
import io
import select
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from vtctap.sniffer.port import Port, PortError

MANY: Final = 8
"""Of more ports than this, ..."""
REST: Final = 2_000_000
"""... which deliver every moment, so many ns of octets are read together: one wake-up for several ports, not one each.
It adds to how late octets are read."""
_TURN: Final = 0.002
"""Seconds between two rounds of asking ports that cannot be polled."""


class Chunk(NamedTuple):
    """What one read of one port gave: the port's index, octets with their flags, and the monotonic time (ns) after the
    read. ``lost``: the port is gone, and why; it is not read again."""

    port: int
    octets: list[tuple[int, int]]
    arrival: int
    lost: str = ""


class Reader:
    """Reads several ports, each as soon as it has octets. They are numbered as they come in ``ports``."""

    def __init__(self, ports: Sequence[Port]) -> None:
        self._ports: dict[int, Port] = {}
        self._poll = select.poll() if hasattr(select, "poll") else None
        self._descriptors: dict[int, int] = {}
        self._polled: dict[int, int] = {}
        self._busy = False
        for index, port in enumerate(ports):
            self.add(index, port)

    def add(self, index: int, port: Port) -> None:
        """Reads one port more, or one that was lost again."""
        self._ports[index] = port
        with contextlib.suppress(io.UnsupportedOperation, OSError, AttributeError):
            descriptor = port.fileno()
            if self._poll is not None:
                self._poll.register(descriptor, select.POLLIN)
                self._descriptors[index] = descriptor
                self._polled[descriptor] = index

    @property
    def live(self) -> int:
        """How many ports are still there."""
        return len(self._ports)

    def wait(self, timeout: float) -> list[Chunk]:
        """What arrives within ``timeout`` seconds: returns at the first octets, or empty."""
        if self._poll is not None and len(self._polled) == len(self._ports):
            if self._busy and len(self._ports) > MANY:
                time.sleep(REST / 1e9)
            ready = self._poll.poll(timeout * 1000)
            self._busy = bool(ready)
            return [chunk for descriptor, _ in ready for chunk in self._read(self._polled[descriptor])]
        deadline = time.monotonic() + timeout
        while True:
            chunks = [chunk for index in list(self._ports) for chunk in self._read(index)]
            if chunks or time.monotonic() >= deadline:
                return chunks
            time.sleep(_TURN)

    def _read(self, index: int) -> list[Chunk]:
        try:
            octets = self._ports[index].read()
        except PortError as error:
            self._drop(index)
            return [Chunk(index, [], time.monotonic_ns(), str(error))]
        return [Chunk(index, octets, time.monotonic_ns())] if octets else []

    def _drop(self, index: int) -> None:
        del self._ports[index]
        descriptor = self._descriptors.pop(index, None)
        if descriptor is not None and self._poll is not None:
            self._poll.unregister(descriptor)
            del self._polled[descriptor]
