"""Only the owner can read files with traffic; everybody can read the others."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from vtctap.__main__ import main

PRIVATE, PUBLIC = 0o600, 0o644


@pytest.fixture(autouse=True)
def usual_mask() -> Iterator[None]:
    mask = os.umask(0o022)
    yield
    os.umask(mask)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_holds_traffic(tmp_path: Path) -> None:
    trace = tmp_path / "t.pcapng"
    name = str(trace)
    assert main(["demo", "--fast", "-q", "--faults", "-w", name, "--stats-json", str(tmp_path / "s.json")]) == 0
    assert main(["demo", "--fast", "-q", "-w", str(tmp_path / "r.pcap"), "-b", "packets:20"]) == 0
    assert main(["export", name, "-o", str(tmp_path / "t.csv")]) == 0
    assert main(["export", name, "-o", str(tmp_path / "t.exchange")]) == 0
    assert main(["read", name, "-q", "-w", str(tmp_path / "u.pcapng")]) == 0
    assert main(["redact", name, "-q", "-w", str(tmp_path / "v.pcapng")]) == 0
    assert main(["check", name, "--junit", str(tmp_path / "t.xml")]) == 1
    assert main(["profile", "learn", name, "-o", str(tmp_path / "p.toml")]) == 0
    found = {path.name: mode(path) for path in tmp_path.iterdir()}
    assert len(found) > 10
    assert {name: bits for name, bits in found.items() if bits != PRIVATE} == {}


def test_a_report(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    trace, report = tmp_path / "t.pcapng", tmp_path / "t.html"
    assert main(["demo", "--fast", "-q", "-w", str(trace)]) == 0
    assert main(["report", str(trace), "-o", str(report)]) == 0
    assert mode(report) == PRIVATE


def test_what_holds_none(tmp_path: Path) -> None:
    script = tmp_path / "v.lua"
    assert main(["wireshark", "lua", "-o", str(script)]) == 0
    assert mode(script) == PUBLIC
