"""Opening a lost port again: a pseudo-terminal only by a link that was made since."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vtctap.pcap.record import Line
from vtctap.sniffer.opening import Opened, Opening, one_port
from vtctap.sniffer.port import PortError, Settings
from vtctap.sniffer.simulated.ptys import Pty

SETTINGS = Settings(9600, Line(7, "E", 1))


@pytest.fixture
def terminal() -> Iterator[Pty]:
    made = Pty()
    yield made
    made.close()


def test_a_link_and_its_device_are_one_port(tmp_path: Path) -> None:
    (tmp_path / "device").touch()
    (tmp_path / "link").symlink_to("device")
    (tmp_path / "again").symlink_to("link")
    device, link, again = (str(tmp_path / name) for name in ("device", "link", "again"))
    assert one_port(device, link)
    assert one_port(link, "other", again)
    assert one_port("socket://h:1", "socket://h:1")
    assert not one_port(device, f"{device}2", "socket://h:1", "socket://h:2")


def lost(name: str) -> Opened:
    opened = Opening().open(name, SETTINGS)
    opened.close()
    return opened


def test_a_number_is_not_opened_again(terminal: Pty) -> None:
    before = lost(terminal.name)
    with pytest.raises(PortError, match="was a pseudo-terminal that is gone"):
        Opening().open_again(terminal.name, SETTINGS, before)


def test_a_link_is_followed_again_if_it_was_made_since(terminal: Pty, tmp_path: Path) -> None:
    link = tmp_path / "meter"
    link.symlink_to(terminal.name)
    before = lost(str(link))
    with pytest.raises(PortError, match="is gone"):
        Opening().open_again(str(link), SETTINGS, before)
    link.unlink()
    with pytest.raises(PortError, match="there is no such port"):
        Opening().open_again(str(link), SETTINGS, before)
    link.symlink_to(terminal.name)
    Opening().open_again(str(link), SETTINGS, before).close()
