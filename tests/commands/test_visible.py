"""Names from untrusted traces reach no terminal as control sequences."""

import shutil
from pathlib import Path

import pytest

from vtctap.__main__ import main
from vtctap.command_line.messages import visible
from vtctap.pcap.capture_file import Interface
from vtctap.pcap.record import Record
from vtctap.pcap.trace import create_trace

EVIL = "\x1b[31m\x1b]0;x\x07\x9b"


def test_visible() -> None:
    assert visible("Zähler 1.pcapng") == "Zähler 1.pcapng"
    assert visible(EVIL) == "\\x1b[31m\\x1b]0;x\\x07\\x9b"
    assert visible("\udcff") == "\\udcff"


@pytest.mark.parametrize("command", [["read"], ["check"], ["stats"], ["verify"], ["report", "-o", "x.txt"]])
def test_the_name_of_a_trace(command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = tmp_path / f"a{EVIL}.pcapng"
    with create_trace(trace) as writer:
        writer.write(Record(5, b"/?!\r\n"))
    shutil.copy(trace, tmp_path / f"b{EVIL}.pcapng")
    main([*command, str(trace), str(tmp_path / f"b{EVIL}.pcapng"), str(tmp_path / f"none{EVIL}")])
    said = capsys.readouterr()
    assert not set(said.out + said.err) & {"\x1b", "\x07", "\x9b"}


def test_the_names_of_links(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taps = [Interface(147, f"{name}{EVIL}:/dev/x") for name in "AB"]
    with create_trace(tmp_path / "t.pcapng", taps=taps) as writer:
        for tap in range(2):
            writer.write(Record(5, b"/?!\r\n", link=tap, tap=tap))
    assert main(["read", str(tmp_path / "t.pcapng")]) == 0
    out = capsys.readouterr().out
    assert "A\\x1b" in out
    assert "\x1b" not in out
