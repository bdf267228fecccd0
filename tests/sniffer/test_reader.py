"""Waiting on several ports, some of which can be polled while others must be asked in turn."""

import contextlib
import os
import pty
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from equipment.virtual_time import Machine
from vtctap.pcap.record import Line
from vtctap.sniffer.opening import open_port
from vtctap.sniffer.port import Port, PortError, Settings
from vtctap.sniffer.reader import MANY, REST_NS, PortRead, Reader, RunDelay

MS = 1_000_000
SETTINGS = Settings(9600, Line(7, "E", 1))


class Wire:
    """A pseudo-terminal with a port on it. Octets that are sent to ``far`` arrive at the port."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.far, near = pty.openpty()
        self.name = os.ttyname(near)
        self.port = open_port(self.name, SETTINGS)
        os.close(near)
        stack.callback(self.hang_up)
        stack.callback(self.port.close)

    def send(self, octets: bytes) -> None:
        os.write(self.far, octets)

    def hang_up(self) -> None:
        if self.far >= 0:
            os.close(self.far)
        self.far = -1


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


@pytest.fixture
def wires(stack: contextlib.ExitStack) -> list[Wire]:
    return [Wire(stack) for _ in range(3)]


def gather(reader: Reader, count: int, seconds: float = 60) -> list[PortRead]:
    """Returns the chunks until they have ``count`` octets and losses."""
    chunks: list[PortRead] = []
    end = time.monotonic() + seconds
    while sum(len(chunk.octets) + bool(chunk.lost) for chunk in chunks) < count and time.monotonic() < end:
        chunks += reader.wait(0.1)
    return chunks


def octets_of(chunks: list[PortRead], port: int) -> bytes:
    return bytes(value for chunk in chunks if chunk.port == port for value, _ in chunk.octets)


class Unpollable:
    """A port without a descriptor, as a URL may give."""

    def __init__(self, port: Port) -> None:
        self.name = port.name
        self.read = port.read
        self.close = port.close

    def fileno(self) -> int:
        raise OSError("no descriptor")


@pytest.fixture(params=["polled", "asked", "mixed"])
def ports(request: pytest.FixtureRequest, wires: list[Wire]) -> list[Any]:
    """The wires' ports. The reader can poll all, none or some of them."""
    hidden = {"polled": (), "asked": (0, 1, 2), "mixed": (2,)}[request.param]
    return [Unpollable(wire.port) if number in hidden else wire.port for number, wire in enumerate(wires)]


def test_each_port_by_itself(ports: list[Any], wires: list[Wire]) -> None:
    reader = Reader(ports)
    assert reader.live == 3
    for wire, octets in zip(wires, (b"first\xff", b"", b"third"), strict=True):
        wire.send(octets)
    chunks = gather(reader, 11)
    assert [octets_of(chunks, port) for port in range(3)] == [b"first\xff", b"", b"third"]
    assert not any(chunk.lost for chunk in chunks)
    assert all(chunk.octets for chunk in chunks)


def test_arrival_is_taken_between_sending_and_having(ports: list[Any], wires: list[Wire]) -> None:
    reader = Reader(ports)
    before = time.monotonic_ns()
    wires[1].send(b"x")
    (chunk,) = gather(reader, 1)
    assert before < chunk.arrival <= time.monotonic_ns()


def test_waits_as_long_as_asked_when_nothing_comes(ports: list[Any]) -> None:
    reader = Reader(ports)
    for seconds in (0.0, 0.15):
        start = time.monotonic()
        assert reader.wait(seconds) == []
        assert seconds - 0.01 <= time.monotonic() - start


def test_returns_at_the_first_octets(ports: list[Any], wires: list[Wire]) -> None:
    reader = Reader(ports)
    timer = threading.Timer(0.1, wires[2].send, (b"x",))
    timer.start()
    assert octets_of(reader.wait(600), 2) == b"x"
    timer.join()


def test_a_lost_port_is_told_of_once_and_the_others_go_on(ports: list[Any], wires: list[Wire]) -> None:
    reader = Reader(ports)
    wires[0].hang_up()
    lost = gather(reader, 1)
    assert [(chunk.port, chunk.octets) for chunk in lost] == [(0, [])]
    assert lost[0].lost == f"{wires[0].name}: the device is gone"
    assert reader.live == 2
    wires[1].send(b"still")
    wires[2].send(b"here")
    chunks = gather(reader, 9)
    assert octets_of(chunks, 1) == b"still"
    assert octets_of(chunks, 2) == b"here"
    assert not any(chunk.lost for chunk in chunks)
    assert reader.wait(0.05) == []


def test_all_lost(ports: list[Any], wires: list[Wire]) -> None:
    reader = Reader(ports)
    for wire in wires:
        wire.hang_up()
    assert sorted(chunk.port for chunk in gather(reader, 3)) == [0, 1, 2]
    assert reader.live == 0
    assert reader.wait(0.05) == []


def test_socket_and_terminal_together(stack: contextlib.ExitStack, wires: list[Wire]) -> None:
    """A socket has a descriptor, so all ports are polled."""
    listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    port = open_port(f"socket://127.0.0.1:{listening.getsockname()[1]}", SETTINGS)
    stack.callback(port.close)
    connection, _ = listening.accept()
    with connection:
        reader = Reader([port, wires[0].port])
        connection.sendall(bytes(range(256)))
        wires[0].send(b"terminal")
        chunks = gather(reader, 264)
        assert octets_of(chunks, 0) == bytes(range(256))
        assert octets_of(chunks, 1) == b"terminal"
        connection.sendall(b"last")
    chunks = gather(reader, 5)
    assert octets_of(chunks, 0) == b"last"
    assert [chunk.port for chunk in chunks if chunk.lost] == [0]
    assert reader.live == 1
    wires[0].send(b"on")
    assert octets_of(gather(reader, 2), 1) == b"on"


def test_loop_and_terminal_together(stack: contextlib.ExitStack, wires: list[Wire]) -> None:
    """A loop has no descriptor, so all ports are asked in turn. A silent terminal is not taken for lost."""
    loop: Any = open_port("loop://", SETTINGS)
    stack.callback(loop.close)
    reader = Reader([loop, wires[0].port])
    assert reader.wait(0.05) == []
    loop._serial.write(b"loop")
    wires[0].send(b"terminal")
    chunks = gather(reader, 12)
    assert octets_of(chunks, 0) == b"loop"
    assert octets_of(chunks, 1) == b"terminal"
    assert reader.live == 2


def test_flags_are_passed_on() -> None:
    class Marked:
        name = "marked"

        def fileno(self) -> int:
            raise AttributeError("fileno")

        def __init__(self) -> None:
            self.waiting = [(0x41, 2), (0, 6)]

        def read(self) -> list[tuple[int, int]]:
            waiting, self.waiting = self.waiting, []
            return waiting

        def close(self) -> None:
            raise PortError("a reader closes nothing")

    (chunk,) = Reader([Marked()]).wait(1)
    assert (chunk.port, chunk.octets, chunk.lost) == (0, [(0x41, 2), (0, 6)], "")


def test_what_came_while_nobody_looked_says_so(ports: list[Any], wires: list[Wire]) -> None:
    reader = Reader(ports)
    assert reader.wait(0) == []
    before = time.monotonic_ns()
    wires[0].send(b"x" * 5000)
    time.sleep(0.05)
    after = time.monotonic_ns()
    chunks = gather(reader, 5000)
    assert octets_of(chunks, 0) == b"x" * 5000
    for chunk in chunks:
        assert chunk.arrival >= after
        assert chunk.arrival - chunk.late_ns <= before


# The delay of a read, in virtual time.


def late(machine: Machine, *, ports: int = 1, wait: float = 1.0) -> list[int]:
    """Returns the delay that the reader states for an octet 50 ms after the start, in ns, on the last of several
    ports."""
    machine.say(f"port {ports}", [(0x41, 50 * MS)])
    reader = Reader([machine.port(f"port {number}") for number in range(1, ports + 1)])
    return [chunk.late_ns for chunk in reader.wait(wait)]


def test_what_is_waited_for_is_not_late(machine: Machine) -> None:
    assert late(machine) == [0]


def test_a_little_late_is_not_said(machine: Machine) -> None:
    machine.late.append(1 * MS)
    assert late(machine) == [0]


def test_the_system_says_that_the_program_was_not_run(machine: Machine) -> None:
    machine.late.append(7 * MS)
    assert late(machine) == [7 * MS]


@pytest.mark.parametrize("wait", [0.05, 1])
def test_a_wait_that_took_too_long_says_so(machine: Machine, wait: float) -> None:
    """Here the system does not count delays. A wait that ends in time hides a delay."""
    machine.counts = False
    machine.late.append(7 * MS)
    assert late(machine, wait=wait) == [57 * MS if wait < 1 else 0]


def test_a_program_that_was_not_run_between_the_wait_and_the_read(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = machine.port("port 1")
    read = port.read

    def stopped() -> list[tuple[int, int]]:
        machine.sleep(0.005)
        return read()

    monkeypatch.setattr(port, "read", stopped)
    assert late(machine) == [6 * MS]  # And the millisecond that nothing reports.


def test_many_ports_are_read_after_a_rest(machine: Machine) -> None:
    """The chunk that arrived meanwhile states since when the port was not read."""
    ports = [machine.port(f"port {number}") for number in range(MANY + 1)]
    machine.say("port 0", [(0x41, 50 * MS), (0x42, 51 * MS), (0x43, 60 * MS)])
    reader = Reader(ports)
    first, second, third = (chunk for _ in range(3) for chunk in reader.wait(1))
    assert [len(chunk.octets) for chunk in (first, second, third)] == [1] * 3
    assert (first.late_ns, third.late_ns) == (0, 0)
    assert second.arrival - first.arrival == second.late_ns == REST_NS


def test_what_the_system_counts(tmp_path: Path) -> None:
    path = tmp_path / "schedstat"
    path.write_text("100 2000 7\n")
    delay = RunDelay(str(path))
    assert delay.since_last_ns() == 0
    path.write_text("200 9000 8\n")
    assert (delay.since_last_ns(), delay.since_last_ns()) == (7000, 0)
    delay.close()
    delay.close()
    assert delay.since_last_ns() == 0


@pytest.mark.parametrize("text", ["", "1\n", "a b c\n", None])
def test_a_system_that_does_not_count(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "schedstat"
    if text is not None:
        path.write_text(text)
    delay = RunDelay(str(path))
    assert delay.since_last_ns() == 0
    delay.close()


def test_this_system() -> None:
    delay = RunDelay()
    time.sleep(0.001)
    assert delay.since_last_ns() >= 0
    delay.close()
