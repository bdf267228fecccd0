"""Senders that a recording states: they are believed unless its messages contradict them."""

import pytest

from vtctap.dissector.framing.reframe import assemble
from vtctap.dissector.framing.sides import contradicted
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import Sender

GAP = 1_500_000_000
CLIENT, SERVER, UNKNOWN = Sender.CLIENT, Sender.SERVER, Sender.UNKNOWN
ASKED = [b"/?!\r\n", b"\x06051\r\n", b"\x01P1\x02(00000000)\x03\x61", b"\x01R1\x021.8.0()\x03\x5a", b"\x01B0\x03\x71"]
SAID = [b"/ISk5ME162-0033\r\n", b"\x01P0\x02(00000000)\x03\x60", b"\x06", b"\x02(0000123*Wh)\x03\x27"]
SESSION = [ASKED[0], SAID[0], ASKED[1], SAID[1], ASKED[2], SAID[2], ASKED[3], SAID[3], ASKED[4]]


def told(octets: list[bytes], *senders: Sender) -> bool:
    """Whether the messages contradict the senders, who take turns."""
    bursts = [Burst(one, senders[at % len(senders)]) for at, one in enumerate(octets)]
    return contradicted(bursts, gap_limit_ns=GAP)


@pytest.mark.parametrize("side", [CLIENT, SERVER])
def test_one_side_that_says_all_is_one_wire(side: Sender) -> None:
    assert told(SESSION, side)
    assert told(list(map(bytes, ([octet] for octet in b"".join(SESSION)))), side), "one octet a packet"
    wire = [Burst(one) for one in SESSION]
    senders = [(record.sender, record.inferred) for record in assemble(wire, speed=9600, gap_limit_ns=GAP)]
    assert senders == [(CLIENT, True), (SERVER, True)] * 4 + [(CLIENT, True)]


def test_one_side_that_says_its_own_is_that_side() -> None:
    assert not told(ASKED, CLIENT)
    assert not told(SAID, SERVER)
    assert told(ASKED, SERVER)
    assert told(SAID, CLIENT)


def test_two_sides_are_believed_unless_they_are_exchanged() -> None:
    assert not told(SESSION, CLIENT, SERVER)
    assert told(SESSION, SERVER, CLIENT)
    echo = [Burst(one, side) for one in ASKED for side in (CLIENT, SERVER)]
    assert not contradicted([*echo, Burst(SAID[0], SERVER)], gap_limit_ns=GAP)


@pytest.mark.parametrize("side", [CLIENT, SERVER])
@pytest.mark.parametrize("octets", [b"\x06", b"\x15", b"abc", b"", SAID[3][:-1] + b"x"])
def test_what_tells_nothing_contradicts_nothing(octets: bytes, side: Sender) -> None:
    assert not told([octets], side)
    assert not told([octets], UNKNOWN)
    assert not contradicted([], gap_limit_ns=GAP)
