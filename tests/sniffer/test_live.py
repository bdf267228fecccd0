"""A tap in a script, over real pseudo-terminals."""

import os
from typing import Any

import pytest

from vtctap.pcap.record import Kind, Sender
from vtctap.sniffer.live import tap
from vtctap.sniffer.port import PortError

pty = pytest.importorskip("pty")
tty = pytest.importorskip("tty")

REQUEST = b"/?!\r\n"


def even(octets: bytes) -> bytes:
    return bytes(octet | (octet.bit_count() & 1) << 7 for octet in octets)


@pytest.fixture
def line() -> Any:
    """Two pseudo-terminals: their masters and names."""
    pairs = [pty.openpty() for _ in range(2)]
    for _, slave in pairs:
        tty.setraw(slave)
    yield [(master, os.ttyname(slave)) for master, slave in pairs]
    for pair in pairs:
        for descriptor in pair:
            os.close(descriptor)


def test_gives_records_until_it_is_stopped(line: Any) -> None:
    (master, name), _ = line
    with tap(name, speed=9600, line="7E1") as records:
        assert next(records).kind == Kind.EVENT
        os.write(master, even(REQUEST))
        for record in records:
            if record.kind == Kind.FRAME:
                assert record.octets == REQUEST
                break
        os.write(master, even(b"\x01R1"))
        records._ready += records._capture.poll(1)
        records.stop()
        rest = list(records)
        assert [record.octets for record in rest if record.kind != Kind.EVENT] == [b"\x01R1"]
        assert rest[-1].kind == Kind.EVENT
        assert list(records) == []


def test_two_wires_say_who_sent(line: Any) -> None:
    (client, client_name), (server, server_name) = line
    with tap(client=client_name, server=server_name, speed=9600, line="7E1") as records:
        for master, sender in ((client, Sender.CLIENT), (server, Sender.SERVER)):
            os.write(master, even(REQUEST if sender == Sender.CLIENT else b"\x06"))
            assert next(record for record in records if record.kind == Kind.FRAME).sender == sender


@pytest.mark.parametrize(
    ("ports", "more", "says"),
    [
        ((), {}, "where to listen"),
        (("a",), {"client": "b"}, "where to listen"),
        ((), {"client": "a", "server": "a"}, "same port, a"),
        (("a",), {"speed": "fast"}, "'fast'"),
        (("a",), {"speed": 0}, "speed 0"),
        (("a",), {"speed": 9600.0}, "speed 9600.0 must be bit/s, a whole number"),
        (("a",), {"line": "9X9"}, "9X9"),
    ],
)
def test_misuse_is_named(ports: Any, more: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        tap(*ports, **more)


def test_outside_its_context_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="inside `with"):
        next(tap("/dev/null", speed=9600))


def test_a_port_that_is_not_there() -> None:
    with pytest.raises(PortError, match="/nowhere"), tap("/nowhere", speed=9600):
        pass
