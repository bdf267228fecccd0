"""Pseudo-terminals: the octets that they deliver and when, and an independent client that talks to the meter."""

import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import reduce
from operator import xor
from random import Random
from typing import Any

import pytest

from equipment import PATIENCE
from equipment.meter_port import MeterPort
from vtctap.pcap.record import Line
from vtctap.sniffer.simulated.device import Device
from vtctap.sniffer.simulated.meter import MeterMachine
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.ptys import Pty, PtyTaps
from vtctap.sniffer.simulated.session import EPOCH, play
from vtctap.sniffer.simulated.wire import Side, WireOctet

pytest.importorskip("termios")

MS = 1_000_000
ACK, NAK = b"\x06", b"\x15"


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    threads, files = threading.active_count(), len(os.listdir("/dev/fd"))
    yield
    assert threading.active_count() == threads
    assert len(os.listdir("/dev/fd")) == files


@contextlib.contextmanager
def opened(name: str) -> Iterator[int]:
    fd = os.open(name, os.O_RDWR | os.O_NOCTTY)
    yield fd
    os.close(fd)


def read(fd: int, count: int, seconds: float = PATIENCE) -> bytes:
    """Reads up to ``count`` octets that arrive within some seconds."""
    octets, end = b"", time.monotonic() + seconds
    while len(octets) < count and select.select([fd], [], [], max(0, end - time.monotonic()))[0]:
        octets += os.read(fd, count - len(octets))
    return octets


def octets(side: Side, values: bytes, start: int, each: int) -> list[WireOctet]:
    return [WireOctet(side, value, start + at * each, start + at * each + each) for at, value in enumerate(values)]


def test_a_tap_a_direction() -> None:
    request, answer = bytes(range(128)), bytes(range(128, 256))
    script = octets("client", request, 7, MS) + octets("server", answer, 200 * MS, MS)
    with PtyTaps() as taps, opened(taps.client) as client, opened(taps.server) as server:
        assert not taps.playing
        assert taps.client != taps.server
        before = time.time_ns()
        taps.start(script, beginning=0)
        assert before <= taps.offset_ns <= time.time_ns()
        assert taps.playing
        assert read(client, 128) == request
        assert read(server, 128) == answer
        assert taps.wait(PATIENCE)
        assert not taps.playing


def test_one_tap_for_both() -> None:
    script = octets("client", b"/?!\r\n", 0, MS) + octets("server", b"/ABC\r\n", 50 * MS, MS)
    with PtyTaps(merged=True) as taps, opened(taps.client) as tap:
        assert taps.client == taps.server
        taps.start(script, beginning=0)
        assert read(tap, 11) == b"/?!\r\n/ABC\r\n"


def test_the_line_stands_still_while_the_program_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows comes at its pace, and the times of the line are still known."""
    octets = [WireOctet("client", 0x41, number * MS, (number + 1) * MS) for number in range(5)]
    clock = iter([0, 1 * MS, 3_000 * MS, 3_000 * MS, 3_001 * MS])
    waits: list[float] = []
    with PtyTaps() as taps:
        monkeypatch.setattr(time, "monotonic_ns", lambda: next(clock))
        monkeypatch.setattr(taps._stop, "wait", lambda seconds: waits.append(seconds))
        taps._play(octets, 0)
        monkeypatch.undo()
        assert waits == [0.001, 0.001, 0, 0.001, 0.001]
        assert [taps.real_ns(octet.start) // MS for octet in octets] == [0, 1, 2999, 3000, 3001]


def test_true_pace() -> None:
    script = octets("client", b"abcdefgh", 2 * EPOCH, 40 * MS)
    with PtyTaps() as taps, opened(taps.client) as client:
        start = time.monotonic_ns()
        taps.start(script, beginning=2 * EPOCH)
        times = []
        for expected in b"abcdefgh":
            assert read(client, 1) == bytes([expected])
            times.append(time.monotonic_ns() - start)
    # An octet is never early; how late it is depends on the machine's other work.
    assert all(at > (number + 1) * 40 * MS - MS for number, at in enumerate(times))


def test_plays_sessions_and_stops_at_once() -> None:
    with PtyTaps() as taps, opened(taps.client) as client:
        taps.start(play(1, speed=115200, sessions=1_000), beginning=EPOCH + 990 * MS)
        assert bytes(octet & 0x7F for octet in read(client, 5)) == b"\x01R\x0220"
        start = time.monotonic()
    assert time.monotonic() - start < PATIENCE  # At a true pace, the sessions would take many minutes.


def test_never_waits_for_a_reader() -> None:
    script = octets("client", bytes(150_000), 0, 1)
    with PtyTaps() as taps:
        taps.start(script, beginning=0)
        assert taps.wait(PATIENCE)


def test_closed_without_having_played() -> None:
    PtyTaps().close()
    MeterPort(MeterMachine(Random(1), Device(GUESS))).close()


@pytest.mark.parametrize("step", [1, 3, 100])
def test_the_meter_answers_however_a_request_arrives(step: int) -> None:
    with MeterPort(MeterMachine(Random(1), Device(GUESS)), taps=Line(7, "E", 1)) as meter:
        assert meter.client_tap
        assert meter.server_tap
        with opened(meter.port) as port, opened(meter.client_tap) as client, opened(meter.server_tap) as server:
            for at in range(0, 5, step):
                os.write(port, b"/?!\r\n"[at : at + step])
            answer = b"/ZZz5vtctap-demo\r\n"
            assert read(port, len(answer)) == answer
            # With even parity, worked out by hand: / 2F has five ones, ? 3F six, ! 21 two, CR 0D three, LF 0A two.
            assert read(client, 5) == b"\xaf\x3f\x21\x8d\x0a"
            copy = read(server, len(answer))
            assert all(octet.bit_count() % 2 == 0 for octet in copy)
            assert bytes(octet & 0x7F for octet in copy) == answer


def test_the_meter_keeps_the_pace_of_its_line() -> None:
    with MeterPort(MeterMachine(Random(1), Device(GUESS), speed=300), speed=300) as meter, opened(meter.port) as port:
        start = time.monotonic()
        os.write(port, b"/?!\r\n")
        assert len(read(port, 18)) == 18
        # 5 characters, at least 20 ms, and 18 characters of 33.3 ms each
        assert time.monotonic() - start >= 23 / 30 + 0.02


def test_the_meter_follows_an_option_select() -> None:
    with MeterPort(MeterMachine(Random(1), Device(GUESS), speed=9600), speed=9600) as meter, opened(meter.port) as port:
        os.write(port, b"/?!\r\n")
        assert len(read(port, 18)) == 18
        start = time.monotonic()
        os.write(port, b"\x06010\r\n")
        answer = (
            b"\x022000(01)\r\n2002(00)\r\n2006(00123456782)\r\n200A(12)\r\n2010(000004D2)\r\n2011(0001E240)\r\n2014(0000)\r\n"
            b"2016(01E240)\r\nFFFE(00)\r\n!\r\n\x03"
        )
        assert read(port, len(answer) + 1) == answer + bytes([reduce(xor, answer[1:])])
        # At 600 bit/s the characters take 1.9 s, at the previous speed 0.1 s.
        assert time.monotonic() - start >= len(answer) / 60


def test_the_meter_takes_seven_bits() -> None:
    with MeterPort(MeterMachine(Random(1), Device(GUESS))) as meter, opened(meter.port) as port:
        os.write(port, b"\xaf\x3f\x21\x8d\x0a")
        assert read(port, 18) == b"/ZZz5vtctap-demo\r\n"


@pytest.fixture
def peer() -> Any:
    return pytest.importorskip("iec62056_21.client").Iec6205621Client


@pytest.fixture
def patient_meter() -> Iterator[MeterPort]:
    with MeterPort(
        MeterMachine(Random(1), Device(GUESS), speed=9600, patience_ns=900 * MS), taps=Line(8, "N", 1)
    ) as meter:
        yield meter


def test_independent_client_programming(peer: Any, patient_meter: MeterPort) -> None:
    from iec62056_21.messages import CommandMessage, DataSet

    meter = patient_meter
    assert meter.client_tap
    assert meter.server_tap
    with opened(meter.client_tap) as client_tap, opened(meter.server_tap) as server_tap:
        client = peer.with_serial_transport(meter.port)
        client.connect()
        try:
            challenge = client.access_programming_mode()
            assert (challenge.command, challenge.command_type) == ("P", 0)
            assert (client.manufacturer_id, client.switchover_baudrate) == ("ZZz", 9600)
            password = CommandMessage("P", 1, DataSet(address="", value="00000000"))
            client.transport.send(password.to_bytes())
            assert client.transport.recv(1) == ACK
            answer = client.read_single_value("2011")
            assert (answer.address, answer.value, answer.unit) == ("2011", "0001E240", None)
            client.write_single_value("FFFF", "56493153725450313471")
            with pytest.raises(ValueError, match="NACK"):
                client.write_single_value("2006", "1")
            client.send_break()
        finally:
            client.disconnect()
        assert read(client_tap, 200, 0.5) == (
            b"/?!\r\n"
            b"\x06051\r\n"
            b"\x01P1\x02(00000000)\x03\x61"
            b"\x01R1\x022011(1)\x03P"
            b"\x01W1\x02FFFF(56493153725450313471)\x03n"
            b"\x01W1\x022006(1)\x03S"
            b"\x01B0\x03\x71"
        )
        assert read(server_tap, 200, 0.5) == (
            b"/ZZz5vtctap-demo\r\n\x01P0\x02(00000000)\x03`\x06\x022011(0001E240)\x03r\x06\x15"
        )


def test_independent_client_readout(peer: Any, patient_meter: MeterPort) -> None:
    client = peer.with_serial_transport(patient_meter.port)
    client.connect()
    try:
        readout = client.standard_readout()
    finally:
        client.disconnect()
    assert [(item.address, item.value, item.unit) for item in readout.data] == [
        ("2000", "01", None),
        ("2002", "00", None),
        ("2006", "00123456782", None),
        ("200A", "12", None),
        ("2010", "000004D2", None),
        ("2011", "0001E240", None),
        ("2014", "0000", None),
        ("2016", "01E240", None),
        ("FFFE", "00", None),
    ]


def test_imports_without_pseudo_terminals() -> None:
    """On a system without pseudo-terminals the message says what to do, and the fast mode does not need them."""
    program = (
        "import sys\n"
        "for name in ('pty', 'tty', 'termios', 'fcntl'): sys.modules[name] = None\n"
        "from vtctap.sniffer.simulated import session, ptys\n"
        "assert any(session.play())\n"
        "assert 'vtctap.dissector' not in sys.modules\n"
        "try: ptys.PtyTaps()\n"
        "except OSError as error: print(error)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--fast" in result.stdout


def test_a_terminal_is_closed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal may end a close before it returns; by the second one another file may have the descriptor's number."""
    pty, closed = Pty(), list[int]()

    def close(descriptor: int) -> None:
        closed.append(descriptor)
        real(descriptor)
        raise KeyboardInterrupt

    real = os.close
    wanted = {pty.fd, pty.terminal}
    monkeypatch.setattr(os, "close", close)
    for _ in range(3):
        with contextlib.suppress(KeyboardInterrupt):
            pty.close()
    assert sorted(closed) == sorted(wanted)
