"""Ports in virtual time: the work of other programs does not change a capture's results.

A :class:`Machine` replaces the clock and ``poll`` for :mod:`vtctap.sniffer.reader`. Time passes only while the reader
waits; octets reach a :class:`VirtualPort` when they end on the line.
"""

from collections import deque
from collections.abc import Iterable

import pytest

from vtctap.sniffer.adapter import Adapter
from vtctap.sniffer.clock import Clock
from vtctap.sniffer.counters import Counters
from vtctap.sniffer.port import PortError, Settings

START = 1_700_000_000_000_000_000
WAKE_UP = 20_000
"""Delay with which a waiting program is woken, ns."""


class VirtualPort:
    """A port that receives octets. ``waiting`` holds each octet and its time of arrival (ns), in order."""

    marks_errors = False

    def __init__(self, machine: "Machine", name: str, descriptor: int) -> None:
        self.name = name
        self.waiting: deque[tuple[int, int]] = deque()
        self.settings: list[Settings] = []
        self._machine = machine
        self._descriptor = descriptor

    def fileno(self) -> int:
        return self._descriptor

    def read(self) -> list[tuple[int, int]]:
        octets = []
        while self.waiting and self.waiting[0][1] <= self._machine.now:
            octets.append((self.waiting.popleft()[0], 0))
        return octets

    def set(self, settings: Settings) -> None:
        self.settings.append(settings)

    def counters(self) -> Counters | None:
        return None

    def close(self) -> None:
        self.waiting.clear()


class Machine:
    """A clock that advances only while a program waits, and its ports. It replaces the parts of ``time`` and ``select``
    that the reader uses.

    ``late`` holds the delays (ns) of the next waits that find octets, one each; later waits have the delay
    :data:`WAKE_UP`. ``counts``: the system counts how long the program was ready to run but did not run.
    """

    def __init__(self) -> None:
        self.now = START
        self.ports: dict[str, VirtualPort] = {}
        self.late: deque[int] = deque()
        self.counts = True
        self.not_run = 0
        self.clock = Clock(self.monotonic_ns, self.monotonic_ns)
        self._polled: dict[int, VirtualPort] = {}

    def port(self, name: str) -> VirtualPort:
        """Returns the port of this name."""
        return self.ports.setdefault(name, VirtualPort(self, name, len(self.ports)))

    def say(self, name: str, octets: Iterable[tuple[int, int]]) -> None:
        """Delivers octets to a port, each at a time (ns after START)."""
        self.port(name).waiting += [(octet, START + time) for octet, time in octets]

    def monotonic_ns(self) -> int:
        return self.now

    def monotonic(self) -> float:
        return self.now / 1e9

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * 1e9)

    def register(self, descriptor: int, events: int) -> None:
        self._polled[descriptor] = next(port for port in self.ports.values() if port.fileno() == descriptor)

    def unregister(self, descriptor: int) -> None:
        del self._polled[descriptor]

    def wait(self, milliseconds: float) -> list[tuple[int, int]]:
        """Replaces ``poll``: returns the ports that have octets, or none after a timeout in ms."""
        until = self.now + round(milliseconds * 1e6)
        due = min((port.waiting[0][1] for port in self._polled.values() if port.waiting), default=until)
        if due > self.now:
            late = self.late.popleft() if self.late and due <= until else WAKE_UP
            self.now = min(due, until) + late * (milliseconds > 0)
            self.not_run += late * self.counts
        ready = [number for number, port in self._polled.items() if port.waiting and port.waiting[0][1] <= self.now]
        return [(number, 1) for number in ready]


class _Poll:
    """The object that ``select.poll()`` returns."""

    def __init__(self, machine: Machine) -> None:
        self.register = machine.register
        self.unregister = machine.unregister
        self.poll = machine.wait


class _Select:
    POLLIN = 1

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def poll(self) -> _Poll:
        return _Poll(self._machine)


class _RunDelay:
    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def since_last_ns(self) -> int:
        delay, self._machine.not_run = self._machine.not_run, 0
        return delay

    def close(self) -> None:
        """Does nothing: it holds no resources."""


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine for the readers and captures of one test. A capture needs its ``clock``."""
    machine = Machine()

    def open_port(name: str, settings: Settings, *, power: bool = False) -> VirtualPort:
        if name not in machine.ports:
            raise PortError(f"{name}: there is no such port")
        return machine.ports[name]

    monkeypatch.setattr("vtctap.sniffer.reader.time", machine)
    monkeypatch.setattr("vtctap.sniffer.reader.select", _Select(machine))
    monkeypatch.setattr("vtctap.sniffer.reader.RunDelay", lambda: _RunDelay(machine))
    monkeypatch.setattr("vtctap.sniffer.opening.open_port", open_port)
    monkeypatch.setattr("vtctap.sniffer.opening.find_adapter", lambda name: Adapter())
    return machine
