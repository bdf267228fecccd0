"""Watchdog messages for a service manager, and the units that ask for them."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from equipment.outlets import TAPS, event
from vtctap.capturing.notifying import Notifying

UNITS = sorted((Path(__file__).parents[2] / "packaging").glob("*.service"))

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no UNIX sockets")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as received:
        received.bind(str(tmp_path / "notify"))
        received.setblocking(False)
        yield received


def told(manager: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(manager.recv(100).decode())
        except BlockingIOError:
            return found


def test_ready_signs_of_life_and_the_end(manager: socket.socket) -> None:
    part = Notifying({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "10000000"})
    part.open(TAPS)
    assert told(manager) == []
    records = [event(1)]
    assert part.feed(records, 100.0) is records
    for now in (100.1, 104.9):
        part.feed((), now)
    assert told(manager) == ["READY=1", "WATCHDOG=1"]
    part.feed((), 105.0)
    part.feed((), 109.9)
    assert told(manager) == ["WATCHDOG=1"]
    part.close()
    assert told(manager) == ["STOPPING=1"]


@pytest.mark.parametrize("more", [{}, {"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "1"}])
def test_no_signs_of_life_where_none_are_expected_of_this_process(manager: socket.socket, more: dict[str, str]) -> None:
    part = Notifying({"NOTIFY_SOCKET": manager.getsockname(), **more})
    part.open(TAPS)
    part.feed([event(1)], 100)
    assert told(manager) == ["READY=1"]


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_an_abstract_name(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as received:
        received.bind(f"\0{tmp_path}")
        received.setblocking(False)
        Notifying({"NOTIFY_SOCKET": f"@{tmp_path}"}).feed((), 0)
        assert told(received) == ["READY=1"]


@pytest.mark.parametrize("address", ["", "/nowhere/at/all"])
def test_nobody_listens(address: str) -> None:
    part = Notifying({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1"} if address else {})
    part.open(TAPS)
    part.feed((), 1)
    part.close()


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_is_valid(tmp_path: Path, unit: Path) -> None:
    """systemd's own check accepts it. The command in it is replaced by one that exists."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    text = re.sub(r"(?m)^ExecStart=vtctap ", "ExecStart=/bin/true ", unit.read_text())
    copy = tmp_path / unit.name.replace("@", "@rack1")
    copy.write_text(text)
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, [line for line in result.stderr.splitlines() if copy.name in line]) == (0, [])
