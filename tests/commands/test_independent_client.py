"""Independent client programs talk to the simulated meter, and ``vtctap capture`` follows their speed.

The clients are iec62056-21 and pyneva (PyPI), and smartmeter-obis (npm; ``make test-peers`` installs it and prints
where). The line garbles: a client or a tap that is set to another speed than the meter receives nonsense. The expected
octets do not come from the capture: they are all octets that the client wrote to its pseudo-terminal, and all that it
was given to read.

The clients run at true pace, and the capture must set its ports before the meter answers. On a busy machine it may be
too late, and then receives nonsense. Therefore only ``make test-peers`` runs these tests; :mod:`sniffer.test_speed`
plays such sessions in virtual time.
"""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from equipment.garbling import GarblingMeterPort
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender
from vtctap.sniffer.simulated.device import Device
from vtctap.sniffer.simulated.meter import MeterMachine
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.ptys import Pty

pytest.importorskip("termios")
pytestmark = pytest.mark.slow

MS = 1_000_000
PATIENCE = 900 * MS
"""The clients take up to 0.5 s to change their speed, and the meter waits that long."""
NODE_MODULES = os.environ.get("VTCTAP_NODE_MODULES", "")
Crossing = tuple[Sender, bytes]


def joined(crossings: list[Crossing]) -> list[Crossing]:
    """Joins consecutive messages of the same side."""
    said: list[Crossing] = []
    for sender, octets in crossings:
        if said and said[-1][0] is sender:
            octets = said.pop()[1] + octets
        said.append((sender, octets))
    return said


@pytest.fixture
def talk(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[..., "subprocess.Popen[bytes]"],
    vtctap: Callable[..., "subprocess.CompletedProcess[str]"],
    listening: Callable[[Path], None],
    records: Callable[[Path], list[Record]],
) -> Callable[..., tuple[list[str], list[str]]]:
    """Runs a client with a meter that begins at 300 bit/s, and captures the session. Returns its messages and changes
    of speed."""

    def run(client: Callable[[str], None], **meter_options: Any) -> tuple[list[str], list[str]]:
        crossed: list[Crossing] = []
        path = tmp_path / "trace.pcapng"
        machine = MeterMachine(Random(1), Device(GUESS), speed=300, patience_ns=PATIENCE, **meter_options)
        with GarblingMeterPort(machine, speed=300) as meter:
            read, write = Pty.read, Pty.write

            def noted_read(pty: Pty) -> bytes:
                octets = read(pty)
                if pty.name == meter.port:
                    crossed.append((Sender.CLIENT, octets))
                return octets

            def noted_write(pty: Pty, octets: bytes) -> None:
                if pty.name == meter.port:
                    crossed.append((Sender.SERVER, octets))
                write(pty, octets)

            monkeypatch.setattr(Pty, "read", noted_read)
            monkeypatch.setattr(Pty, "write", noted_write)
            process = start("capture", "--client", meter.client_tap, "--server", meter.server_tap, "-w", path,
                            "--profile", "iec62056-21", "--stats-json", "stats.json")  # fmt: skip
            listening(path)
            client(meter.port)
            time.sleep(2)  # After a break or a readout, followed by 1.5 s of silence, the session is over.
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=120)
        assert process.returncode == 0

        trace = records(path)
        heard = [record for record in trace if record.kind is not Kind.EVENT]
        # A program answers at once: the delay is smaller than the uncertainty in the records.
        assert {record.flags for record in heard} <= {0, Flag.ORDER_UNCERTAIN}
        assert all(record.kind is Kind.FRAME and not record.inferred for record in heard)
        assert {record.line for record in heard} == {Line(7, "E", 1)}
        # The messages are in order, with directions, and equal in every octet.
        assert joined([(record.sender, record.octets) for record in heard]) == joined(crossed)
        # The messages are decoded, and every check character is good.
        lines = vtctap("read", path, "--json").stdout.splitlines()
        decoded = [entry for entry in map(json.loads, lines) if entry["vtc.kind"] == "frame"]
        plain = ("WakeUp", "IDRequest", "IDResponse", "OptionSelect", "ACK", "NAK")
        for entry in decoded:
            assert entry.get("vtc.bcc.status", "none") == ("none" if entry["vtc.message"] in plain else "good")
        # The decoded numbers are those of the octets.
        stats = json.loads((tmp_path / "stats.json").read_text())
        assert stats["octets"] == sum(len(octets) for _, octets in crossed)
        assert stats["parity_errors"] == stats["noise"] == stats["cut"] == 0
        assert stats["check_characters"] == {
            "good": sum(entry.get("vtc.bcc.status") == "good" for entry in decoded), "bad": 0, "missing": 0,
        }  # fmt: skip
        changes = [record.event for record in trace if record.event.startswith("speed")]
        return [entry["vtc.message"] for entry in decoded], changes

    return run


def iec62056_21_readout(port: str) -> None:
    client = iec62056_21_client(port)
    assert [item.address for item in client.standard_readout().data][-1] == "FFFE"
    client.disconnect()


def iec62056_21_programming(port: str) -> None:
    from iec62056_21.messages import CommandMessage, DataSet

    client = iec62056_21_client(port)
    client.access_programming_mode()
    client.transport.send(CommandMessage("P", 1, DataSet(address="", value="00000000")).to_bytes())
    assert client.transport.recv(1) == b"\x06"
    assert client.read_single_value("2011").value == "0001E240"
    client.write_single_value("FFFF", "56493153725450313471")
    with pytest.raises(ValueError, match="NACK"):
        client.write_single_value("2006", "1")
    assert client.read_single_value("9999").value == "ER01"  # The meter has no such register.
    client.send_break()
    client.disconnect()


def iec62056_21_client(port: str) -> Any:
    peer = pytest.importorskip("iec62056_21.client")
    client = peer.Iec6205621Client.with_serial_transport(port)
    client.connect()
    return client


NEVA = {"600100FF": "12345678", "200700FF": "0230.10", "0E0701FF": "50.01", "0F0880FF": "001234.56,1.00,2.00,3.00,4.00"}
"""The values of a NEVA MT 324 under these OBIS codes. Each has exactly the number of characters that pyneva reads."""


def pyneva(port: str) -> None:
    peer = pytest.importorskip("pyneva")
    with peer.NevaMT324AOS(port) as meter:
        assert meter.model == "MT324 A OS 5(60)A"
        assert meter.serial_number == "12345678"
        assert meter.voltage_l1 == 230.1
        assert meter.frequency == 50.01


IN_TO, ACCESS, OUT_OF = (
    ["IDRequest", "IDResponse", "OptionSelect"],
    ["PasswordCommand", "PasswordCommand", "ACK"],
    ["BreakCommand"],
)
UP = "speed from=300 to=9600 line=7E1 why=OptionSelect"
BREAK = "speed from=9600 to=300 line=7E1 why=BreakCommand"
END = "speed from=9600 to=300 line=7E1 why=end-of-readout"


def test_iec62056_21_reads_out(talk: Any) -> None:
    assert talk(iec62056_21_readout) == ([*IN_TO, "Data"], [UP, END])


def test_iec62056_21_reads_and_writes(talk: Any) -> None:
    said = ["ReadCommand", "Data", "WriteCommand", "ACK", "WriteCommand", "NAK", "ReadCommand", "Error"]
    assert talk(iec62056_21_programming) == ([*IN_TO, *ACCESS, *said, *OUT_OF], [UP, BREAK])


def test_pyneva(talk: Any) -> None:
    pytest.importorskip("pyneva", reason="pyneva is not installed: pip install '.[dev]'")
    messages, changes = talk(pyneva, identification="TPC5NEVAMT324.1106", registers=NEVA)
    assert messages == [*IN_TO, *ACCESS, *("ReadCommand", "Data") * 3, *OUT_OF]
    assert changes == [UP, BREAK]


SMARTMETER = {"1-0:1.8.0*255": "00123.4*kWh", "1-0:2.8.0*255": "00001.5*kWh", "1-0:32.7.0*255": "230.1*V"}


@pytest.mark.skipif(not NODE_MODULES, reason="'make test-peers' installs smartmeter-obis, and names its folder")
@pytest.mark.parametrize("wake_up", [0, 20])
@pytest.mark.parametrize(
    ("identification", "messages", "changes"),
    [
        ("ABC5smart", [*IN_TO, "Data"], [UP, END]),
        (
            "ABCCsmart",
            ["IDRequest", "IDResponse", "Data"],
            [
                "speed from=300 to=2400 line=7E1 why=IDResponse",
                "speed from=2400 to=300 line=7E1 why=end-of-readout",
            ],
        ),
    ],
    ids=["mode C", "mode B"],
)
def test_smartmeter_obis(talk: Any, identification: str, messages: list[str], changes: list[str], wake_up: int) -> None:
    node = shutil.which("node")
    assert node, "VTCTAP_NODE_MODULES is set, but there is no node"

    def client(port: str) -> None:
        script = Path(__file__).with_name("smartmeter_obis.js")
        command = [node, str(script), NODE_MODULES, port, str(wake_up)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        assert list(json.loads(done.stdout).values()) == list(SMARTMETER.values())

    said, followed = talk(client, identification=identification, registers=SMARTMETER)
    assert said == ["WakeUp"] * bool(wake_up) + messages
    assert followed == changes
