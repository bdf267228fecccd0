"""Waiting for octets on several ports at once.

On POSIX one ``poll`` waits for all; ports without a descriptor that can be polled, and all ports on other systems, are
asked in turn every few milliseconds. Arrival times are taken from the monotonic clock at once after each read.

Between two calls the caller is busy: it writes to a slow disk or a pipe that is full. What is there when it comes back
may have come at any time since: such chunks say how long nobody had looked.
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
_ABSENT: Final = 1_000_000
"""ns; whoever has not looked for longer looks first what is there already."""
_BACKLOG: Final = 64
"""Reads that empty a port to which nobody has looked: more than any system's buffer takes."""


class Chunk(NamedTuple):
    """What one read of one port gave: the port's index, octets with their flags, and the monotonic time (ns) after the
    read. ``lost``: the port is gone, and why; it is not read again. ``late`` (ns): so long before ``arrival`` the
    octets may have been there, because nobody looked."""

    port: int
    octets: list[tuple[int, int]]
    arrival: int
    lost: str = ""
    late: int = 0


class Reader:
    """Reads several ports, each as soon as it has octets. They are numbered as they come in ``ports``."""

    def __init__(self, ports: Sequence[Port]) -> None:
        self._ports: dict[int, Port] = {}
        self._poll = select.poll() if hasattr(select, "poll") else None
        self._descriptors: dict[int, int] = {}
        self._polled: dict[int, int] = {}
        self._busy = False
        self._looked = time.monotonic_ns()
        """When all ports were last looked at."""
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
            return self._wait_polling(timeout)
        deadline = time.monotonic() + timeout
        while True:
            looked, self._looked = self._looked, time.monotonic_ns()
            chunks = [chunk for index in list(self._ports) for chunk in self._read(index, looked)]
            if chunks or time.monotonic() >= deadline:
                return chunks
            time.sleep(_TURN)

    def _wait_polling(self, timeout: float) -> list[Chunk]:
        assert self._poll is not None
        began = time.monotonic_ns()
        absent = began - self._looked > _ABSENT
        rest = REST if self._busy and len(self._ports) > MANY else 0
        if rest:
            time.sleep(rest / 1e9)
        ready = self._poll.poll(0) if absent else []
        since = self._looked + rest if ready else None
        if not ready:
            ready = self._poll.poll(timeout * 1000)
            # Longer than asked for: the program was stopped.
            if time.monotonic_ns() - began > timeout * 1e9 + rest + _ABSENT:
                since = began + rest
        self._busy = bool(ready)
        self._looked = time.monotonic_ns()
        return [chunk for descriptor, _ in ready for chunk in self._read(self._polled[descriptor], since)]

    def _read(self, index: int, since: int | None) -> list[Chunk]:
        """Reads one port, to its end where nobody has looked ``since`` (monotonic ns)."""
        octets: list[tuple[int, int]] = []
        try:
            for _ in range(1 if since is None else _BACKLOG):
                more = self._ports[index].read()
                octets += more
                if not more:
                    break
        except PortError as error:
            self._drop(index)
            now = time.monotonic_ns()
            lost = Chunk(index, [], now, str(error))
            return [Chunk(index, octets, now, late=now - since), lost] if octets and since is not None else [lost]
        now = time.monotonic_ns()
        return [Chunk(index, octets, now, late=0 if since is None else now - since)] if octets else []

    def _drop(self, index: int) -> None:
        del self._ports[index]
        descriptor = self._descriptors.pop(index, None)
        if descriptor is not None and self._poll is not None:
            self._poll.unregister(descriptor)
            del self._polled[descriptor]
