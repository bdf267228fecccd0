"""``vtctap ports``: its output for ports that the test makes up."""

import json
import subprocess
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from vtctap.sniffer import adapter
from vtctap.sniffer.adapter import Adapter

Run = Callable[..., "subprocess.CompletedProcess[str]"]

PORTS = {
    "/dev/ttyACM0": (0x2341, 0x43, "Uno", Adapter("cdc_acm", 16_000_000, source="assumed")),
    "/dev/ttyS0": (None, None, "n/a", Adapter("serial", characters=11, source="fifo")),
    "/dev/ttyS1": (None, None, "n/a", Adapter()),
    "/dev/ttyUSB0": (0x0403, 0x6001, "FT232R", Adapter("ftdi_sio", 1_000_000, source="timer")),
}


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [
        SimpleNamespace(device=name, vid=vid, pid=pid, description=text)
        for name, (vid, pid, text, _) in reversed(PORTS.items())
    ]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: listed)
    monkeypatch.setattr(adapter, "find_adapter", lambda name: PORTS[name][3])
    monkeypatch.setattr("vtctap.sniffer.ports._stable_names", lambda: {"/dev/ttyUSB0": "/dev/serial/by-id/usb-FT"})


def test_text(inside: Run) -> None:
    assert inside("ports").stdout.splitlines() == [
        "DEVICE            USB        LATENCY    NAME",
        "/dev/ttyACM0      2341:0043  16 ms?     Uno",
        "/dev/ttyS0        -          11 chars",
        "/dev/ttyS1        -          -",
        "/dev/ttyUSB0      0403:6001  1 ms       /dev/serial/by-id/usb-FT",
    ]


def test_json(inside: Run) -> None:
    acm, uart, bare, ftdi = map(json.loads, inside("ports", "--json").stdout.splitlines())
    assert acm == {
        "device": "/dev/ttyACM0", "usb": "2341:0043", "driver": "cdc_acm", "latency_ms": 16.0,
        "latency_source": "assumed", "description": "Uno",
    }  # fmt: skip
    assert uart == {
        "device": "/dev/ttyS0", "driver": "serial", "latency_characters": 11, "latency_source": "fifo",
    }  # fmt: skip
    assert bare == {"device": "/dev/ttyS1"}
    assert (ftdi["latency_timer_ms"], ftdi["latency_ms"], ftdi["by_id"]) == (1, 1.0, "/dev/serial/by-id/usb-FT")
