"""Waiting for octets on several ports at once.

On POSIX one ``poll`` waits for all; ports without a descriptor that can be polled, and all ports on other systems, are
asked in turn every few milliseconds. Arrival times are taken from the monotonic clock at once after each read.

A read may be late, and then its octets may have been there before. The reader says how long nobody had looked:

- because the caller was busy between two calls: it writes to a slow disk, or to a pipe that is full;
- because the reader rested, or asks its ports in turn;
- because the system ran something else. Linux counts how long a thread was ready to run but was not, in
  ``/proc/thread-self/schedstat``; elsewhere this is seen only where a wait took longer than asked for.

What stays unseen: a program stopped by a signal or a debugger, a virtual machine that is halted, and a kernel that is
late itself. A pause of less than a millisecond is not said; the uncertainty allows for it.
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
"""Of more ports than this, ..."""
REST_NS: Final = 2_000_000
"""... which deliver every moment, so many ns of octets are read together: a wake-up for several ports, not one each."""
_TURN_S: Final = 0.002
"""Seconds between two rounds of asking ports that cannot be polled."""
_ABSENT_NS: Final = 1_000_000
"""ns; whoever has not looked for longer looks first what is there already, and who was not run for longer says so."""
_SCHEDSTAT: Final = "/proc/thread-self/schedstat"
"""Three numbers: ns on a processor, ns ready but not on one, and how often it was put on one."""
_BACKLOG: Final = 64
"""Reads that empty a port to which nobody has looked: more than any system's buffer takes."""


class PortRead(NamedTuple):
    """What one read of one port gave: the port's index, octets with their flags, and the monotonic time (ns) after the
    read. ``lost``: the port is gone, and why; it is not read again. ``late_ns`` (ns): so long before ``arrival`` the
    octets may have been there, because nobody looked."""

    port: int
    octets: list[tuple[int, int]]
    arrival: int
    lost: str = ""
    late_ns: int = 0


class RunDelay:
    """How long the thread that makes it was ready to run but was not. Linux; 0 elsewhere."""

    def __init__(self, path: str = _SCHEDSTAT) -> None:
        self._total = 0
        self._file: int | None = None
        with contextlib.suppress(OSError):
            self._file = os.open(path, os.O_RDONLY)
        self.since_last_ns()

    def since_last_ns(self) -> int:
        """Since this was asked last, ns."""
        before = self._total
        if self._file is not None:
            with contextlib.suppress(OSError, ValueError, IndexError):
                self._total = int(os.pread(self._file, 64, 0).split()[1])
        return self._total - before

    def close(self) -> None:
        """It is 0 from now on."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


class Reader:
    """Reads several ports, each as soon as it has octets. They are numbered as they come in ``ports``."""

    def __init__(self, ports: Sequence[Port]) -> None:
        self._ports: dict[int, Port] = {}
        self._poll = select.poll() if hasattr(select, "poll") else None
        self._descriptors: dict[int, int] = {}
        self._polled: dict[int, int] = {}
        self._busy = False
        self._delay = RunDelay()
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

    def close(self) -> None:
        """Gives back what the reader itself holds; its ports are whoever's made them."""
        self._delay.close()

    @property
    def live(self) -> int:
        """How many ports are still there."""
        return len(self._ports)

    def wait(self, timeout: float) -> list[PortRead]:
        """What arrives within ``timeout`` seconds: returns at the first octets, or empty."""
        if self._poll is not None and len(self._polled) == len(self._ports):
            return self._wait_polling(timeout)
        deadline = time.monotonic() + timeout
        while True:
            looked, self._looked = self._looked, time.monotonic_ns()
            chunks = [chunk for index in list(self._ports) for chunk in self._read(index, looked)]
            if chunks or time.monotonic() >= deadline:
                return chunks
            time.sleep(_TURN_S)

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
            since = began  # Longer than asked for: the program was stopped.
        elif since is None and stopped > _ABSENT_NS:
            since = self._looked - stopped
        self._busy = bool(ready)
        return [chunk for descriptor, _ in ready for chunk in self._read(self._polled[descriptor], since)]

    def _read(self, index: int, since: int | None) -> list[PortRead]:
        """Reads one port, to its end where nobody has looked ``since`` (monotonic ns)."""
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
            since = self._looked - _ABSENT_NS  # It was stopped since, and woken up to that late before.
        chunks = [PortRead(index, octets, now, late_ns=0 if since is None else now - since)] if octets else []
        return [*chunks, PortRead(index, [], now, lost)] if lost else chunks

    def _drop(self, index: int) -> None:
        del self._ports[index]
        descriptor = self._descriptors.pop(index, None)
        if descriptor is not None and self._poll is not None:
            self._poll.unregister(descriptor)
            del self._polled[descriptor]
