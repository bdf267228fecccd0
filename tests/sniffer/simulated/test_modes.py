"""Sessions that change their speed: the messages, their senders and their speeds."""

from functools import reduce
from operator import xor
from random import Random

import pytest

from vtctap.sniffer.simulated.device import Device
from vtctap.sniffer.simulated.machine import ChangeSpeed, Send
from vtctap.sniffer.simulated.meter import MeterMachine
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.octets import hdlc
from vtctap.sniffer.simulated.session import MODES, play

MS = 1_000_000
REQUEST = b"/?!\r\n"


def checked(message: bytes) -> bytes:
    return message + bytes([reduce(xor, message[1:])])


READOUT = checked(
    b"\x022000(01)\r\n2002(00)\r\n2006(00123456782)\r\n200A(12)\r\n2010(000004D2)\r\n2011(0001E240)\r\n2014(0000)\r\n"
    b"2016(01E240)\r\nFFFE(00)\r\n!\r\n\x03"
)


def said(mode: str, sessions: int = 1) -> list[tuple[str, int, bytes]]:
    """Returns side, speed (bit/s) and octets of each message, in seven bits except for HDLC."""
    messages: list[tuple[str, int, bytes]] = []
    end, side = 0, ""
    for octet in play(0, speed=300, mode=mode, sessions=sessions):
        if octet.side != side or octet.start > end + 15 * MS:
            assert octet.start >= end + GUESS.timing.pause[0] * MS
            messages.append((octet.side, round(10e9 / (octet.end - octet.start)), b""))
        side, end = octet.side, octet.end
        messages[-1] = (side, messages[-1][1], messages[-1][2] + bytes([octet.octet]))
    return [
        (side, speed, octets if mode == "E" and speed == 9600 else bytes(octet & 0x7F for octet in octets))
        for side, speed, octets in messages
    ]


STORIES = {
    "B": [
        ("client", 300, REQUEST),
        ("server", 300, b"/ZZzCvtctap-demo\r\n"),
        ("server", 2400, READOUT),
    ],
    "C": [
        ("client", 300, REQUEST),
        ("server", 300, b"/ZZz5vtctap-demo\r\n"),
        ("client", 300, b"\x06051\r\n"),
        ("server", 9600, b"\x01P0\x02(00000000)\x03\x60"),
        ("client", 9600, checked(b"\x01R1\x022006()\x03")),
        ("server", 9600, checked(b"\x022006(00123456782)\x03")),
        ("client", 9600, checked(b"\x01R1\x022011()\x03")),
        ("server", 9600, checked(b"\x022011(0001E240)\x03")),
        ("client", 9600, b"\x01R1\x02FFFE()\x03`"),
        ("server", 9600, b"\x02FFFE(00)\x03\x01"),
        ("client", 9600, b"\x01B0\x03\x71"),
    ],
    "C readout": [
        ("client", 300, REQUEST),
        ("server", 300, b"/ZZz5vtctap-demo\r\n"),
        ("client", 300, b"\x06050\r\n"),
        ("server", 9600, READOUT),
    ],
    "E": [
        ("client", 300, REQUEST),
        ("server", 300, b"/ZZz5\\2vtctap-demo\r\n"),
        ("client", 300, b"\x06252\r\n"),
        ("client", 9600, bytes.fromhex("7ea0070321930f017e")),
        ("server", 9600, bytes.fromhex("7ea00721037301407e")),
        ("client", 9600, bytes.fromhex("7ea00703215303c77e")),
        ("server", 9600, bytes.fromhex("7ea00721037301407e")),
    ],
}


def test_every_mode_has_a_story() -> None:
    assert set(MODES) == set(STORIES)


@pytest.mark.parametrize("mode", STORIES)
def test_two_sessions(mode: str) -> None:
    assert said(mode, sessions=2) == STORIES[mode] * 2


def test_no_such_mode() -> None:
    with pytest.raises(ValueError, match="no such mode: A; there are B, C"):
        play(mode="A")


def test_a_garbled_readout_comes_again() -> None:
    """The fault that affects every read of a register spares readouts. A client refuses a garbled readout with NAK."""
    meter = MeterMachine(Random(1), Device(GUESS), speed=300)
    octets = [*REQUEST, *b"\x06050\r\n"]
    answers = [action for octet in octets for action in meter.feed(octet, 0)]
    assert [type(action) for action in answers] == [Send, ChangeSpeed, Send]
    repeat = meter.feed(0x15, MS)
    assert [action.octets for action in (*answers[2:], *repeat) if isinstance(action, Send)] == [READOUT] * 2


def open_mode_e() -> MeterMachine:
    meter = MeterMachine(Random(1), Device(GUESS), speed=300, identification="ZZz5\\2x")
    actions = [action for octet in (*REQUEST, *b"\x06252\r\n") for action in meter.feed(octet, 0)]
    assert actions[1:] == [ChangeSpeed(9600, binary=True)]
    return meter


@pytest.mark.parametrize(
    ("frame", "answered"),
    [
        (hdlc(1, 16, 0x93), True),
        (b"\x7e" + hdlc(1, 16, 0x93), True),  # one more flag
        (hdlc(1, 16, 0x93)[:-2] + b"\x00\x7e", False),  # a wrong check sequence
        (hdlc(1, 16, 0x11), False),
        (REQUEST, False),
    ],
)
def test_hdlc_of_the_meter(frame: bytes, answered: bool) -> None:
    meter = open_mode_e()
    sent = [action.octets for octet in frame for action in meter.feed(octet, 0) if isinstance(action, Send)]
    assert sent == ([bytes.fromhex("7ea00721037301407e")] if answered else [])


def test_the_meter_leaves_mode_e() -> None:
    meter = open_mode_e()
    assert [action for octet in hdlc(1, 16, 0x53) for action in meter.feed(octet, 0)]
    assert meter.sent(0) == [ChangeSpeed(300)]
    assert [type(action) for octet in REQUEST for action in meter.feed(octet, 0)] == [Send]


def test_the_meter_leaves_mode_e_when_nobody_speaks() -> None:
    meter = open_mode_e()
    wake = meter.wake_at()
    assert wake is not None
    assert meter.timeout(wake) == [ChangeSpeed(300)]


@pytest.mark.parametrize("option", [b"\x06252", b"\x06251\r\n", b"\x06052\r\n", b"\x06091\r\n", b"\x06151\r\n"])
def test_options_that_the_meter_does_not_know(option: bytes) -> None:
    meter = MeterMachine(Random(1), Device(GUESS))
    assert [action for octet in REQUEST for action in meter.feed(octet, 0)]
    assert not [action for octet in option for action in meter.feed(octet, 0)]
