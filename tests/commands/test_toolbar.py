"""The toolbar's messages, and the two control pipes, which must connect in any order of opening."""

import os
import threading
import time
from pathlib import Path

import pytest

from equipment import PATIENCE
from vtctap.wireshark import toolbar as toolbar_module
from vtctap.wireshark.toolbar import Command, ControlMessage, Decoder, Toolbar

SPEED_9600 = b"T\x00\x00\x06\x00\x019600"
INITIALIZED = b"T\x00\x00\x02\x00\x00"
"""Messages written out from Wireshark's developer's guide."""


def test_a_message_is_as_the_guide_has_it() -> None:
    assert ControlMessage(0, Command.SET, "9600").encode() == SPEED_9600
    assert ControlMessage(3, Command.ADD, "é\n").encode() == b"T\x00\x00\x05\x03\x02\xc3\xa9\n"
    assert ControlMessage(7, Command.WARNING).encode() == b"T\x00\x00\x02\x07\x08"


def test_a_long_value_is_cut_where_the_pipe_would_not_take_it() -> None:
    octets = ControlMessage(3, Command.ADD, "x" * 70_000).encode()
    assert octets[:6] == b"T\x00\x10\x02\x03\x02"
    assert len(octets) == 6 + 4096


def test_messages_come_out_of_every_split() -> None:
    stream = INITIALIZED + SPEED_9600 + b"T\x00\x00\x05\x02\x01\xc3\xa9!"
    whole = [ControlMessage(0, 0), ControlMessage(0, 1, "9600"), ControlMessage(2, 1, "é!")]
    assert Decoder().feed(stream) == whole
    for at in range(len(stream)):
        decoder = Decoder()
        assert decoder.feed(stream[:at]) + decoder.feed(stream[at:]) == whole
    decoder = Decoder()
    assert [message for octet in stream for message in decoder.feed(bytes([octet]))] == whole


@pytest.mark.parametrize("octets", [b"X\x00\x00\x02\x00\x00", INITIALIZED + b"\x00", b"T\x00\x00\x01\x00"])
def test_what_is_no_message_is_refused(octets: bytes) -> None:
    with pytest.raises(ValueError, match="control message"):
        Decoder().feed(octets)


def test_without_pipes_there_is_nobody() -> None:
    with Toolbar(None, None) as toolbar:
        assert not toolbar.there
        toolbar.send(ControlMessage(0, Command.SET, "9600"))
        assert toolbar.received() == []


@pytest.fixture
def pipes(tmp_path: Path) -> tuple[Path, Path]:
    into, out = tmp_path / "in", tmp_path / "out"
    os.mkfifo(into)
    os.mkfifo(out)
    return into, out


def test_both_pipes_meet_whichever_end_is_opened_first(pipes: tuple[Path, Path]) -> None:
    """Wireshark opens the pipe that it reads in a thread; its window waits while it opens the other one."""
    into, out = pipes
    with Toolbar(str(into), str(out)) as toolbar:
        toolbar.send(ControlMessage(1, Command.SET, "7E1"))
        with into.open("wb", buffering=0) as theirs, out.open("rb", buffering=0) as ours:
            theirs.write(SPEED_9600[:5])
            theirs.write(SPEED_9600[5:] + INITIALIZED)
            assert ours.read(9) == b"T\x00\x00\x05\x01\x017E1"
            received: list[ControlMessage] = []
            deadline = time.monotonic() + PATIENCE
            while len(received) < 2 and time.monotonic() < deadline:
                received += toolbar.received()
            assert received == [ControlMessage(0, 1, "9600"), ControlMessage(0, 0)]


def test_a_capture_that_fails_at_once_still_lets_wireshark_open_its_ends(pipes: tuple[Path, Path]) -> None:
    """Otherwise Wireshark's window would hang for ever."""
    into, out = pipes
    heard: list[bytes] = []

    def wireshark() -> None:
        time.sleep(0.3)
        with out.open("rb", buffering=0) as ours, into.open("wb", buffering=0):
            while octets := ours.read(100):
                heard.append(octets)

    thread = threading.Thread(target=wireshark, daemon=True)
    thread.start()
    with Toolbar(str(into), str(out)) as toolbar:
        toolbar.send(ControlMessage(0, Command.ERROR, "no such port"))
    thread.join(10)
    assert not thread.is_alive()
    assert b"".join(heard) == b"T\x00\x00\x0e\x00\x09no such port"


def test_messages_that_wireshark_does_not_read_are_dropped_and_counted(
    pipes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolbar_module, "HELD", 3)
    with Toolbar(None, str(pipes[1])) as toolbar:
        for number in range(10):
            toolbar.send(ControlMessage(3, Command.ADD, str(number)))
        with pipes[1].open("rb", buffering=0) as ours:
            heard = b""
            while b"2" not in heard:
                heard += ours.read(100)
            toolbar.send(ControlMessage(3, Command.ADD, "last"))
            while b"last" not in heard:
                heard += ours.read(100)
    told = "vtctap: 7 messages not shown, because Wireshark did not read them"
    said = [(message.command, message.value) for message in Decoder().feed(heard)]
    assert said == [*((Command.ADD, text) for text in "012"), (Command.STATUS_BAR, told), (Command.ADD, "last")]


def test_pipes_that_nobody_opens_are_waited_for_once(pipes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolbar_module, "_MEETING", 0.2)
    with Toolbar(*map(str, pipes)) as toolbar:
        toolbar.send(ControlMessage(3, Command.ADD, "to nobody"))
    for path in pipes:  # The threads that wait for Wireshark end.
        with path.open("r+b", buffering=0):
            time.sleep(0.1)


def test_what_wireshark_garbles_or_closes_ends_no_capture(pipes: tuple[Path, Path]) -> None:
    into, out = pipes
    with Toolbar(str(into), str(out)) as toolbar:
        with into.open("wb", buffering=0) as theirs, out.open("rb", buffering=0):
            theirs.write(b"nonsense")
        for _ in range(3):
            toolbar.send(ControlMessage(3, Command.ADD, "to nobody"))
        assert toolbar.received() == []
