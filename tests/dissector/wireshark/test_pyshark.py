"""Traces and live links through pyshark, by the installed tshark, have the fields of our own decoder."""

import os
import pty
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vtctap.__main__ import main
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.fields import field_values
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.model import ProfileError
from vtctap.pcap import Interface, Kind, Record, Sender, create_trace
from vtctap.pcap import open_trace as open_records

pyshark = pytest.importorskip("vtctap.dissector.wireshark.pyshark")

NAMES = (
    "message",
    "cmd",
    "register",
    "value",
    "unit",
    "register.name",
    "bcc.status",
    "request_in",
    "session",
    "sender",
)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "demo.pcapng"
    assert main(["demo", "--fast", "--faults", "-q", "-w", str(path)]) == 0
    return path


def test_a_trace_has_the_fields_of_the_decoder(trace: Path) -> None:
    dissect = Dissector(load()).dissect
    with open_records(trace) as reader:
        ours = [dissect(record).fields() for record in reader]
    capture = pyshark.open_trace(trace)
    try:
        packets = list(capture)
    finally:
        capture.close()
    assert len(packets) == len(ours) > 50
    count = 0
    for packet, fields in zip(packets, ours, strict=True):
        for name in NAMES:
            found = packet.vtc.get_field(name)
            shown = [] if found is None else [field.show for field in found.all_fields]
            assert shown == [str(value) for value in field_values(fields, f"vtc.{name}")], (name, packet)
            count += len(shown)
    assert count > 300


def test_a_trace_is_read_with_the_profile_that_it_states(tmp_path: Path) -> None:
    path = tmp_path / "t.pcapng"
    record = Record(10**18, b"\x01R1\x021.8.0()\x03\x5a", Kind.FRAME, Sender.CLIENT)
    with create_trace(path, taps=[Interface(147, "tap", "both directions, 7E1, profile=iec62056-21")]) as writer:
        writer.write(record)
    names = []
    for options in ({}, {"profile": "iec62055-52"}):
        capture = pyshark.open_trace(path, **options)
        try:
            (packet,) = capture
            names.append(packet.vtc.get_field("register.name"))
        finally:
            capture.close()
    known = load("iec62056-21").register("1.8.0")
    assert known
    assert (names[0].show, names[1]) == (known.name, None)


def values(tree: object, name: str) -> list[str]:
    """Returns a field's values from anywhere in a JSON tree."""
    if isinstance(tree, list):
        return [value for item in tree for value in values(item, name)]
    if not isinstance(tree, dict):
        return []
    own = [str(tree[name])] if name in tree else []
    return own + [word for item in tree.values() for word in values(item, name)]


def test_json_mode_has_the_messages_of_the_decoder(trace: Path) -> None:
    capture = pyshark.open_trace(trace, use_json=True)
    try:
        messages = [word for packet in capture for word in values(packet.vtc._all_fields, "vtc.message")]
    finally:
        capture.close()
    dissect = Dissector(load()).dissect
    with open_records(trace) as reader:
        ours = [dissect(record).fields().get("vtc.message") for record in reader]
    assert [str(message) for message in messages] == [message for message in ours if message]


def test_nothing_waits_for_subprocesses_when_a_capture_is_closed(trace: Path) -> None:
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    capture = pyshark.open_trace(trace)
    assert len(list(capture)) > 50
    capture.close()
    after = signal.set_wakeup_fd(before)
    assert (before, signal.getsignal(signal.SIGCHLD)) == (after, signal.SIG_DFL)


def test_options_reach_pyshark(trace: Path) -> None:
    capture = pyshark.open_trace(trace, display_filter='vtc.message == "WriteCommand"', keep_packets=False,
                                 custom_parameters={"-t": "e"})  # fmt: skip
    try:
        assert [packet.vtc.message for packet in capture] == ["WriteCommand"] * 8
    finally:
        capture.close()


def test_closing_removes_the_temporary_folder(trace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    capture = pyshark.open_trace(trace)
    assert list(tmp_path.glob("vtctap-*"))
    capture.close()
    assert not list(tmp_path.glob("vtctap-*"))


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    master, slave = pty.openpty()
    os.set_blocking(master, True)
    yield master, os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_a_live_link_is_decoded(line: tuple[int, str]) -> None:
    master, name = line
    capture = pyshark.open_live(name, speed=9600, line="8N1")
    stop = threading.Event()

    def talk() -> None:
        while not stop.wait(0.1):
            os.write(master, b"/?!\r\n")

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        for packet in capture.sniff_continuously():
            if "message" in packet.vtc.field_names:
                assert packet.vtc.message == "IDRequest"
                break
    finally:
        stop.set()
        talking.join()
        capture.close()


def test_an_unsupported_option_and_an_unknown_profile_are_refused(trace: Path) -> None:
    with pytest.raises(ValueError, match="use_ek"):
        pyshark.open_trace(trace, use_ek=True)
    with pytest.raises(ProfileError, match="no profile"):
        pyshark.open_trace(trace, profile="none")
