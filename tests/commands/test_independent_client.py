"""A client that nobody of this project wrote talks to the simulated meter, and ``vtctap capture`` listens.

The client is iec62056-21 from PyPI. What crossed the line is known without the capture: the client's octets from what
it gives to its port, the meter's from what it gets from there.
"""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from vtctap.pcap.record import Kind, Line, Record, Sender
from vtctap.sniffer.simulated.meter import MeterMachine
from vtctap.sniffer.simulated.ptys import MeterPort

pytest.importorskip("termios")
peer = pytest.importorskip("iec62056_21.client")

MS = 1_000_000
Crossing = tuple[Sender, bytes]


class Recorder:
    """Stands between the client and its serial port, and notes what passes, in order."""

    def __init__(self, port: Any, crossed: list[Crossing]) -> None:
        self._port = port
        self._crossed = crossed

    def _note(self, sender: Sender, octets: bytes) -> None:
        if self._crossed and self._crossed[-1][0] is sender:
            octets = self._crossed.pop()[1] + octets
        if octets:
            self._crossed.append((sender, octets))

    def write(self, octets: bytes) -> Any:
        self._note(Sender.CLIENT, bytes(octets))
        return self._port.write(octets)

    def read(self, count: int = 1) -> bytes:
        octets = bytes(self._port.read(count))
        self._note(Sender.SERVER, octets)
        return octets

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


@pytest.fixture
def meter() -> Iterator[MeterPort]:
    """The client opens its port anew to change the speed; the meter waits for that."""
    machine = MeterMachine(Random(1), speed=9600, patience=900 * MS)
    with MeterPort(machine, taps=Line(7, "E", 1)) as meter:
        yield meter


@pytest.fixture
def crossed(monkeypatch: pytest.MonkeyPatch) -> list[Crossing]:
    """What crosses the line, as the client's port has it."""
    import serial

    crossed: list[Crossing] = []
    real = serial.Serial
    monkeypatch.setattr(serial, "Serial", lambda *words, **options: Recorder(real(*words, **options), crossed))
    return crossed


def readout(client: Any) -> None:
    assert [item.address for item in client.standard_readout().data][-1] == "0021"


def programming(client: Any) -> None:
    from iec62056_21.messages import CommandMessage, DataSet

    client.access_programming_mode()
    client.transport.send(CommandMessage("P", 1, DataSet(address="", value="00000000")).to_bytes())
    assert client.transport.recv(1) == b"\x06"
    assert client.read_single_value("0021").value == "00123.4"
    client.write_single_value("0010", "56493153725450313471")
    with pytest.raises(ValueError, match="NACK"):
        client.write_single_value("0020", "1")
    assert client.read_single_value("9999").value == "ER01"  # There is no such register.
    client.send_break()


Talk = Callable[[Any], None]
PROGRAMMING = [
    "IDRequest", "IDResponse", "OptionSelect", "PasswordCommand", "PasswordCommand", "ACK", "ReadCommand", "Data",
    "WriteCommand", "ACK", "WriteCommand", "NAK", "ReadCommand", "Error", "BreakCommand",
]  # fmt: skip


@pytest.mark.parametrize(
    ("talk", "messages"), [(readout, ["IDRequest", "IDResponse", "OptionSelect", "Data"]), (programming, PROGRAMMING)]
)
def test_all_that_crossed_is_in_the_trace(
    meter: MeterPort,
    crossed: list[Crossing],
    tmp_path: Path,
    start: Callable[..., "subprocess.Popen[bytes]"],
    vtctap: Callable[..., "subprocess.CompletedProcess[str]"],
    listening: Callable[[Path], None],
    records: Callable[[Path], list[Record]],
    talk: Talk,
    messages: list[str],
) -> None:
    path = tmp_path / "trace.pcapng"
    assert meter.client_tap
    assert meter.server_tap
    process = start("capture", "--client", meter.client_tap, "--server", meter.server_tap, "-w", path,
                    "--profile", "iec62056-21", "--speed", "9600", "--stats-json", "stats.json")  # fmt: skip
    listening(path)
    client = peer.Iec6205621Client.with_serial_transport(meter.port)
    client.connect()
    try:
        talk(client)
    finally:
        client.disconnect()
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0

    heard = [record for record in records(path) if record.kind is not Kind.EVENT]
    assert all(record.kind is Kind.FRAME and record.flags == 0 and not record.inferred for record in heard)
    # In order, with directions, octet for octet.
    joined: list[Crossing] = []
    for record in heard:
        if joined and joined[-1][0] is record.sender:
            joined[-1] = (record.sender, joined[-1][1] + record.octets)
        else:
            joined.append((record.sender, record.octets))
    assert joined == crossed
    assert len(crossed) == len(messages)
    # Decoded, with every check character good.
    lines = vtctap("read", path, "--json").stdout.splitlines()
    decoded = [entry for entry in map(json.loads, lines) if entry["vtc.kind"] == "frame"]
    assert [entry["vtc.message"] for entry in decoded] == messages
    checked = {entry["vtc.bcc.status"] for entry in decoded if entry["vtc.message"] not in ("ACK", "NAK")}
    assert checked == {"good", "none"}
    # The numbers agree with what was said.
    stats = json.loads((tmp_path / "stats.json").read_text())
    assert stats["octets"] == sum(len(octets) for _, octets in crossed)
    assert stats["parity_errors"] == stats["noise"] == stats["cut"] == 0
    assert stats["check_characters"] == {
        "good": sum(octets[0] in (1, 2) for _, octets in crossed), "bad": 0, "missing": 0,
    }  # fmt: skip
