"""Waits for octets on several ports at once.

On POSIX one ``poll`` waits for all ports. Ports without a descriptor to poll, and all ports on other systems, are read
in turn every few milliseconds. The arrival time is the monotonic time immediately after the read.

A read may be late; its octets may then have been there before. The reader states for how long no read had been made:

- because the caller was busy between two calls, writing to a slow disk or a full pipe;
- because the reader rested, or reads its ports in turn;
- because the system ran something else. Linux counts how long a thread was ready but not running in
  ``/proc/thread-self/schedstat``; on other systems only a wait that took longer than asked for shows it.

Limits: the reader does not notice that a signal or a debugger stopped the program, that a virtual machine was halted,
or that the kernel itself was late. It does not state a delay of less than a millisecond, which the uncertainty covers.
"""

import contextlib
import io
import os
import select
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from vtctap.sniffer.port import Port, PortError

MANY: Final = 8
"""With more ports than this, the reader rests after each read."""
REST_NS: Final = 2_000_000
"""The length of this rest, so that one wake-up reads several busy ports."""
_TURN: Final = 0.002
"""The pause between two rounds of reading ports that cannot be polled."""
_ABSENT_NS: Final = 1_000_000
"""A delay longer than this is stated, and octets that are already there are read as late."""
_SCHEDSTAT: Final = "/proc/thread-self/schedstat"
"""Holds three numbers: ns running, ns ready but not running, and how often the thread was run."""
_BACKLOG: Final = 64
"""Most reads that empty a port after a delay: enough for any system's buffer."""


class PortRead(NamedTuple):
    """The result of reading one port: its index, octets with their flags, and the monotonic time (ns) after the read.

    ``lost`` states why the port is gone; it is not read again. ``late_ns`` is how long the octets may have been there
    before ``arrival``, while no read was made.
    """

    port: int
    octets: list[tuple[int, int]]
    arrival: int
    lost: str = ""
    late_ns: int = 0


class RunDelay:
    """Measures how long the thread that creates it was ready but not running. Linux; always 0 elsewhere."""

    def __init__(self, path: str = _SCHEDSTAT) -> None:
        self._total = 0
        self._file: int | None = None
        with contextlib.suppress(OSError):
            self._file = os.open(path, os.O_RDONLY)
        self.since_last_ns()

    def since_last_ns(self) -> int:
        """Returns the time ready but not running since the last call, ns."""
        before = self._total
        if self._file is not None:
            with contextlib.suppress(OSError, ValueError, IndexError):
                self._total = int(os.pread(self._file, 64, 0).split()[1])
        return self._total - before

    def close(self) -> None:
        """Closes the file; the delay is 0 from now on."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)


class Reader:
    """Reads several ports, each as soon as it has octets. Ports are numbered in the order of ``ports``."""

    def __init__(self, ports: Sequence[Port]) -> None:
        self._ports: dict[int, Port] = {}
        self._poll = select.poll() if hasattr(select, "poll") else None
        self._descriptors: dict[int, int] = {}
        self._polled: dict[int, int] = {}
        self._busy = False
        self._delay = RunDelay()
        self._looked = time.monotonic_ns()
        """The monotonic time (ns) of the last look at all ports."""
        for index, port in enumerate(ports):
            self.add(index, port)

    def add(self, index: int, port: Port) -> None:
        """Adds a port, or replaces one that was lost."""
        self._ports[index] = port
        with contextlib.suppress(io.UnsupportedOperation, OSError, AttributeError):
            descriptor = port.fileno()
            if self._poll is not None:
                self._poll.register(descriptor, select.POLLIN)
                self._descriptors[index] = descriptor
                self._polled[descriptor] = index

    def close(self) -> None:
        """Closes the reader's own files; the ports belong to the caller."""
        self._delay.close()

    @property
    def live(self) -> int:
        """How many ports are not lost."""
        return len(self._ports)

    def wait(self, timeout: float) -> list[PortRead]:
        """Waits for the first octets, at most ``timeout`` seconds; returns all reads, or none."""
        if self._poll is not None and len(self._polled) == len(self._ports):
            return self._wait_polling(timeout)
        deadline = time.monotonic() + timeout
        while True:
            looked, self._looked = self._looked, time.monotonic_ns()
            chunks = [chunk for index in list(self._ports) for chunk in self._read(index, looked)]
            if chunks or time.monotonic() >= deadline:
                return chunks
            time.sleep(_TURN)

    def drain(self, most: int) -> list[PortRead]:
        """Returns all that the ports hold: reads each port until a read finds nothing or it gave ``most`` octets.

        It never rests, and reads no port again that was empty, so what the lines go on sending cannot prolong it.
        """
        looked, self._looked = self._looked, time.monotonic_ns()
        since = looked if self._looked - looked > _ABSENT_NS else None
        drained: list[PortRead] = []
        for index in list(self._ports):
            left = most
            while left > 0 and index in self._ports and (chunks := self._read(index, since)):
                left -= sum(len(chunk.octets) for chunk in chunks)
                drained += chunks
        return drained

    def _wait_polling(self, timeout: float) -> list[PortRead]:
        assert self._poll is not None
        if self._busy and len(self._ports) > MANY:
            time.sleep(REST_NS / 1e9)
        began = time.monotonic_ns()
        ready = self._poll.poll(0) if began - self._looked > _ABSENT_NS else []
        since = self._looked if ready else None
        if not ready:
            ready = self._poll.poll(timeout * 1000)
        self._looked = time.monotonic_ns()
        stopped = self._delay.since_last_ns()
        if since is None and self._looked - began > timeout * 1e9 + _ABSENT_NS:
            since = began  # The wait took longer than asked for, so the program was stopped.
        elif since is None and stopped > _ABSENT_NS:
            since = self._looked - stopped
        self._busy = bool(ready)
        return [chunk for descriptor, _ in ready for chunk in self._read(self._polled[descriptor], since)]

    def _read(self, index: int, since: int | None) -> list[PortRead]:
        """Reads one port: once, or until it is empty if no port has been read ``since`` (monotonic ns)."""
        octets: list[tuple[int, int]] = []
        lost = ""
        try:
            for _ in range(1 if since is None else _BACKLOG):
                more = self._ports[index].read()
                octets += more
                if not more:
                    break
        except PortError as error:
            self._drop(index)
            lost = str(error)
        now = time.monotonic_ns()
        if since is None and now - self._looked > _ABSENT_NS:
            since = self._looked - _ABSENT_NS  # The program was stopped since, and may have been woken late.
        chunks = [PortRead(index, octets, now, late_ns=0 if since is None else now - since)] if octets else []
        return [*chunks, PortRead(index, [], now, lost)] if lost else chunks

    def _drop(self, index: int) -> None:
        del self._ports[index]
        descriptor = self._descriptors.pop(index, None)
        if descriptor is not None and self._poll is not None:
            self._poll.unregister(descriptor)
            del self._polled[descriptor]
