"""``vtctap simulate``: each side with an independent program as the other side, or one that shares no code with it."""

import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from functools import reduce
from operator import xor
from pathlib import Path

import pytest

from equipment import PATIENCE
from vtctap.pcap.record import Line
from vtctap.sniffer.port import Settings
from vtctap.sniffer.simulated.ptys import Pty

pytest.importorskip("termios")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "subprocess.Popen[bytes]"]
Until = Callable[[Callable[[], object]], None]


def test_a_meter_for_an_independent_client(start: Start, until: Until, tmp_path: Path) -> None:
    """iec62056-21 (PyPI) signs on, sends its password, reads, writes a token and reads the result."""
    messages = pytest.importorskip("iec62056_21.messages")
    peer = pytest.importorskip("iec62056_21.client")
    meter = start("simulate", "meter", "--pty", "meter", "--dialect", "iec62056-21")
    until((tmp_path / "meter").is_symlink)
    client = peer.Iec6205621Client.with_serial_transport(str(tmp_path / "meter"))
    client.connect()
    client.access_programming_mode()
    client.transport.send(messages.CommandMessage("P", 1, messages.DataSet(address="", value="00000000")).to_bytes())
    assert client.transport.recv(1) == b"\x06"
    assert client.read_single_value("2006").value == "00123456782"
    client.write_single_value("FFFF", "56493153725450313471")
    # The meter works on the token for a second, which a busy machine may miss.
    while (status := client.read_single_value("FFFE").value) == "10":
        time.sleep(0.2)
    assert status == "01"
    with pytest.raises(ValueError, match="NACK"):
        client.write_single_value("2006", "1")
    client.send_break()
    client.disconnect()
    meter.send_signal(signal.SIGINT)
    _, said = meter.communicate(timeout=PATIENCE)
    assert meter.returncode == 0
    assert b"writes to meter: a meter of dialect iec62056-21, at 300 7E1\n" in said
    assert os.listdir(tmp_path) == []


class Server(threading.Thread):
    """A meter written from the text of IEC 62056-21 alone."""

    def __init__(self, line: Pty, values: dict[bytes, bytes]) -> None:
        super().__init__(daemon=True)
        self._line = line
        self._values = values
        self.written: list[tuple[bytes, bytes]] = []
        self.wrong: list[bytes] = []
        self.over = threading.Event()

    def run(self) -> None:
        heard = b""
        while not self.over.is_set():
            if select.select([self._line.fd], [], [], 0.05)[0]:
                heard += self._line.read()
            heard = self._answer(heard)

    def _answer(self, heard: bytes) -> bytes:
        """Answers the message in ``heard`` if it is complete, and returns the remaining octets."""
        if heard.endswith(b"!\r\n"):
            return self._say(b"/ABC5\\2independent\r\n") if heard == b"/?!\r\n" else self._refuse(heard)
        if heard[:1] == b"\x06" and heard.endswith(b"\r\n"):
            return self._say(b"\x01P0\x02(12345678)\x03\x68") if heard == b"\x06051\r\n" else self._refuse(heard)
        if heard[:1] != b"\x01" or heard[-2:-1] != b"\x03":
            return heard
        if reduce(xor, heard[1:]):
            return self._refuse(heard)
        name, _, data = heard[1:-2].partition(b"\x02")
        register, _, value = data.rstrip(b")").partition(b"(")
        if name == b"B0":
            self.over.set()
            return b""
        if name == b"R1" and register in self._values:
            body = b"\x02" + register + b"(" + self._values[register] + b")\x03"
            return self._say(body + bytes([reduce(xor, body[1:])]))
        if name in (b"W1", b"P1"):
            self.written.append((register, value))
            return self._say(b"\x06")
        return self._refuse(heard)

    def _say(self, octets: bytes) -> bytes:
        self._line.write(octets)
        return b""

    def _refuse(self, heard: bytes) -> bytes:
        self.wrong.append(heard)
        return self._say(b"\x15")


def test_a_client_for_an_independent_server(vtctap: Run) -> None:
    line = Pty()
    values = {b"2000": b"07", b"2002": b"00", b"2006": b"00999999991", b"200A": b"12", b"2010": b"00000064"}
    values |= {b"2011": b"00000A00", b"2014": b"0000", b"2016": b"01E240", b"FFFE": b"01"}
    server = Server(line, values)
    server.start()
    try:
        result = vtctap("simulate", "client", "--port", line.name, "--dialect", "iec62056-21", timeout=PATIENCE)
        assert server.over.wait(PATIENCE)
    finally:
        server.over.set()
        server.join()
        line.close()
    assert (result.returncode, result.stdout) == (0, "")
    assert server.wrong == []
    (password, code), *tokens = server.written
    assert (password, code) == (b"", b"00000000")
    assert [register for register, _ in tokens] == [b"FFFF"] * 3
    assert tokens[0] == tokens[1] != tokens[2]


def test_a_port_that_a_capture_holds(inside: Run) -> None:
    from vtctap.sniffer.posix_port import PosixPort

    line = Pty()
    held = PosixPort(line.name, Settings(2400, Line(7, "E", 1)))
    try:
        for words in (["simulate", "meter"], ["simulate", "client"]):
            result = inside(*words, "--port", line.name)
            assert result.returncode == 3
            assert "the port is in use by another program" in result.stderr
            assert len(result.stderr.splitlines()) == 1
    finally:
        held.close()
        line.close()


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["meter"], 2, "--port --pty"),
        (["meter", "--port", "x", "--pty", "y"], 2, "not allowed with"),
        (["judge", "--port", "x"], 2, "choose from"),
        (["meter", "--pty", "taken"], 2, "taken exists: choose another name, or remove it"),
        (["meter", "--pty", "nodir/x"], 4, "nodir/x: No such file or directory; create the folder nodir"),
        (["meter", "--port", "/dev/nothing"], 3, "there is no such port"),
        (["meter", "--pty", "m", "--dialect", "morse"], 2, "no such dialect: morse; there are iec62055-52, "),
    ],
)
def test_wrong_use(inside: Run, tmp_path: Path, words: list[str], status: int, says: str) -> None:
    (tmp_path / "taken").touch()
    result = inside("simulate", *words, "-q")
    assert (result.returncode, result.stdout) == (status, "")
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_faults_on_request(start: Start, until: Until, tmp_path: Path) -> None:
    """A meter that disturbs every third answer, with a client at the pace of its dialect."""
    meter = start("simulate", "meter", "--pty", "meter", "--speed", "19200", "--faults")
    until((tmp_path / "meter").is_symlink)
    port = os.open(tmp_path / "meter", os.O_RDWR | os.O_NOCTTY)
    good, other = b"\x022000(01)\x03" + bytes([reduce(xor, b"2000(01)\x03")]), 0
    for _ in range(6):
        os.write(port, b"\x01R\x0220001\x03`")
        answer, end = b"", time.monotonic() + 3
        while time.monotonic() < end and answer != good:
            if select.select([port], [], [], 0.1)[0]:
                answer += os.read(port, 100)
        other += answer != good
    os.close(port)
    meter.send_signal(signal.SIGINT)
    _, said = meter.communicate(timeout=PATIENCE)
    assert meter.returncode == 0
    assert said.count(b"vtctap: fault: ") == 2
    assert other <= 2


def test_a_demonstration_in_a_dialect(vtctap: Run, tmp_path: Path) -> None:
    words = ("demo", "--fast", "--dialect", "17", "--sessions", "2", "-q", "-w", "t.pcapng")
    assert vtctap(*words).returncode == 0
    stated = json.loads((tmp_path / "t.pcapng.dialect.json").read_text())
    assert stated["name"] == "17"
    again = vtctap(*words)
    assert again.returncode == 2
    assert again.stderr.startswith("vtctap: t.pcapng.dialect.json exists")
    assert [entry.name for entry in tmp_path.iterdir() if entry.suffix == ".json"] == ["t.pcapng.dialect.json"]


def test_a_demonstration_says_what_nobody_has_seen(inside: Run) -> None:
    result = inside("demo", "--fast", "--dialect", "iec62055-52-sign-on")
    assert "nobody has seen a sign-on or a break on this port" in result.stderr
    assert "nobody has seen" not in inside("demo", "--fast").stderr
