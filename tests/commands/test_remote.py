"""Taps on other machines (docs/remote.md): through a pipe, as SSH provides it, and through servers on this machine."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import serial
import serial.rfc2217

from vtctap.command_line.parsers import command_parser
from vtctap.pcap import Flag, Kind, Record

pytest.importorskip("termios")


Start = Callable[..., "subprocess.Popen[bytes]"]
Records = Callable[[Path | str], list[Record]]
PATIENCE = 60
MESSAGE = b"/?!\r\n"
ON_THE_WIRE = b"\xaf\x3f\x21\x8d\x0a"


def heard(records: list[Record]) -> list[Record]:
    return [record for record in records if record.kind is not Kind.EVENT]


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ``ssh`` that runs its command on this machine: a pipe in between, and no terminal."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh").write_text('#!/bin/sh\nshift\nexec cat /dev/null | exec "$@"\n')
    (tmp_path / "bin" / "vtctap").write_text(f'#!/bin/sh\nexec {sys.executable} -m vtctap "$@"\n')
    for program in (tmp_path / "bin").iterdir():
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_over_ssh(ssh: Path, taps: Any, until: Callable[..., None]) -> None:
    """The reader gets each record as soon as it is complete. Its timestamp and uncertainty are those of the host."""
    command = f"ssh host vtctap capture -i {taps.names[0]} -w - | vtctap read --follow --json -"
    reading = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, cwd=ssh, process_group=0)
    try:
        assert reading.stdout
        assert b'"opened"' in reading.stdout.readline()
        before = time.time()
        taps.say(0, MESSAGE)
        line = reading.stdout.readline().decode()
        assert f'"vtc.octets": "{MESSAGE.hex()}"' in line
        assert '"vtc.uncertainty": ' in line
        stamp = float(line.partition('"frame.time_epoch": "')[2].partition('"')[0])
        assert before - 0.1 < stamp < time.time()
    finally:
        os.killpg(reading.pid, signal.SIGINT)
        reading.communicate(timeout=PATIENCE)


class Terminal(serial.Serial):
    """A pseudo-terminal as a serial port without modem lines."""

    cts = dsr = ri = cd = False

    def _update_dtr_state(self) -> None:
        pass

    def _update_rts_state(self) -> None:
        pass


@contextmanager
def rfc2217_server(device: str, asked: list[int]) -> Iterator[str]:
    """An RFC 2217 server for a device. It serves one connection, and lists the speeds that the client requests."""
    with socket.create_server(("127.0.0.1", 0)) as listening, Terminal(device, timeout=0.02) as port:
        closed = threading.Event()

        def serve() -> None:
            listening.settimeout(PATIENCE)
            connection, _ = listening.accept()
            lock = threading.Lock()

            class Out:
                def write(self, octets: bytes) -> None:
                    with lock:
                        connection.sendall(octets)

            manager = serial.rfc2217.PortManager(port, Out())

            def forward() -> None:
                while not closed.is_set():
                    octets = port.read(256)
                    if octets:
                        connection.sendall(b"".join(manager.escape(octets)))

            with connection:
                forwarding = threading.Thread(target=forward)
                forwarding.start()
                connection.settimeout(0.05)
                while not closed.is_set():
                    try:
                        octets = connection.recv(1024)
                    except TimeoutError:
                        continue
                    if not octets:
                        break
                    assert b"".join(manager.filter(octets)) == b"", "a tap writes nothing"
                    asked.append(port.baudrate)
                closed.set()
                forwarding.join(PATIENCE)

        serving = threading.Thread(target=serve)
        serving.start()
        try:
            yield f"rfc2217://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            closed.set()
            serving.join(PATIENCE)


def test_rfc2217(start: Start, taps: Any, records: Records, listening: Callable[..., None], tmp_path: Path) -> None:
    asked: list[int] = []
    with rfc2217_server(taps.names[0], asked) as url:
        capture = start("capture", "-i", url, "--speed", "2400", "-w", "t.pcapng", "-a", "packets:1")
        listening(tmp_path / "t.pcapng", 1)
        taps.put(0, ON_THE_WIRE)
        assert capture.wait(PATIENCE) == 0
    opened, record, _ = records(tmp_path / "t.pcapng")
    assert "latency=unknown latency_source=network" in opened.event
    assert (record.octets, record.parity_errors, record.uncertainty) == (MESSAGE, (), None)
    assert asked[-1] == 2400


@pytest.mark.parametrize(("latency", "known"), [([], False), (["--latency", "40"], True)])
def test_two_raw_sockets(
    start: Start, records: Records, listening: Callable[..., None], tmp_path: Path, latency: list[str], known: bool
) -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        for server in servers:
            server.settimeout(PATIENCE)
        urls = [f"socket://127.0.0.1:{server.getsockname()[1]}" for server in servers]
        capture = start(
            *("capture", "--client", urls[0], "--server", urls[1], *latency),
            *("-w", "t.pcapng", "-a", "packets:2"),
        )
        ends = [stack.enter_context(server.accept()[0]) for server in servers]
        listening(tmp_path / "t.pcapng")
        ends[0].sendall(ON_THE_WIRE)
        time.sleep(0.3)
        ends[1].sendall(b"\xaf\xc9\x53\x4b\x35\xd8\x8d\x0a")
        assert capture.wait(PATIENCE) == 0
    held = heard(records(tmp_path / "t.pcapng"))
    assert [record.octets for record in held] == [MESSAGE, b"/ISK5X\r\n"]
    assert [record.uncertainty is not None for record in held] == [known, known]
    assert [bool(record.flags & Flag.ORDER_UNCERTAIN) for record in held] == [not known, not known]
    if known:
        assert all((record.uncertainty or 0) + 45_000_000 >= 40_000_000 for record in held)


def test_a_connection_that_breaks_ends_the_capture(ssh: Path, taps: Any, tmp_path: Path) -> None:
    """When the reader has gone, the capture on the host ends properly, even if the line is silent."""
    command = f"ssh host vtctap capture -i {taps.names[0]} -w - ; echo $? >&2"
    capture = subprocess.Popen(
        ["sh", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, process_group=0
    )
    assert capture.stdout
    assert capture.stderr
    assert capture.stdout.read(4) == b"\x0a\x0d\x0d\x0a"
    capture.stdout.close()
    assert capture.stderr.read().splitlines()[-1] == b"0"
    capture.stderr.close()
    assert capture.wait(PATIENCE) == 0


@pytest.mark.parametrize("page", ["remote", "replay"])
def test_the_pages_commands_are_understood(page: str) -> None:
    """Running them would need a host or a second terminal; the other tests here and those of replay do that."""
    text = (Path(__file__).parents[2] / "docs" / f"{page}.md").read_text("utf-8")
    shown = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    commands = re.findall(r"vtctap ([^|>#\n]+)", "".join(shown))
    assert len(commands) > 3
    for name, *words in map(shlex.split, commands):
        command_parser(name).parse(words)
