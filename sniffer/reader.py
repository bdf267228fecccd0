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
    """Reads several ports, each as soon as it has octets."""

    def __init__(self, ports: Sequence[Port]) -> None:
        self._ports = dict(enumerate(ports))
        self._poll = select.poll() if hasattr(select, "poll") else None
        self._polled: dict[int, int] = {}
        for index, port in self._ports.items():
            descriptor = None
            with contextlib.suppress(io.UnsupportedOperation, OSError, AttributeError):
                descriptor = port.fileno()
            if self._poll is None or descriptor is None:
                self._poll = None
                break
            self._poll.register(descriptor, select.POLLIN)
            self._polled[descriptor] = index

    @property
    def live(self) -> int:
        """How many ports are still there."""
        return len(self._ports)

    def wait(self, timeout: float) -> list[Chunk]:
        """What arrives within ``timeout`` seconds: returns at the first octets, or empty."""
        if self._poll is not None:
            ready = self._poll.poll(timeout * 1000)
            return [chunk for descriptor, _ in ready for chunk in self._read(self._polled[descriptor])]
        deadline = time.monotonic() + timeout
        while True:
            chunks = [chunk for index in list(self._ports) for chunk in self._read(index)]
            if chunks or time.monotonic() >= deadline:
                return chunks
            time.sleep(_TURN)

    def _read(self, index: int) -> list[Chunk]:
        port = self._ports.get(index)
        if port is None:
            return []
        try:
            octets = port.read()
        except PortError as error:
            self._drop(index)
            return [Chunk(index, [], time.monotonic_ns(), str(error))]
        return [Chunk(index, octets, time.monotonic_ns())] if octets else []

    def _drop(self, index: int) -> None:
        del self._ports[index]
        if self._poll is not None:
            for descriptor in [fd for fd, polled in self._polled.items() if polled == index]:
                self._poll.unregister(descriptor)
                del self._polled[descriptor]
