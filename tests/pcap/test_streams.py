"""What can be read only once: pipes and devices, and for commands also standard input."""

import os
from pathlib import Path

import pytest

from vtctap.command_line.inputs import is_read_once
from vtctap.pcap.streams import is_special, is_stream


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no fifos here")
def test_what_can_be_read_only_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    os.symlink("fifo", "link")
    os.mkdir("folder")
    Path("file").touch()
    names = ("fifo", "link", os.devnull, "folder", "file", "nothing", "-")
    assert [name for name in names if is_special(name)] == ["fifo", "link", os.devnull, "folder"]
    assert [name for name in names if is_stream(name)] == ["fifo", "link", os.devnull]
    assert [name for name in names if is_read_once(name)] == ["fifo", "link", os.devnull, "-"]
