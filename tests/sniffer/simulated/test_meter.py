"""The meter, octet by octet: hand-written requests and their answers."""

from functools import reduce
from operator import xor
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.sniffer.simulated.device import Device
from vtctap.sniffer.simulated.drawn import draw
from vtctap.sniffer.simulated.machine import Action, ChangeSpeed, Send
from vtctap.sniffer.simulated.meter import MeterMachine
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.tokens import token

MS = 1_000_000
SIGN_ON = b"/?!\r\n"
IDENT = b"/ZZz5vtctap-demo\r\n"
ACK, NAK = b"\x06", b"\x15"
CREDIT = token(0, 0x0123456789AB).encode()


def checked(message: bytes) -> bytes:
    return message + bytes([reduce(xor, message[1:])])


class Line:
    """Sends requests to a meter. The time advances by 100 ms before each request."""

    def __init__(self, **options: int) -> None:
        self.meter = MeterMachine(Random(1), Device(GUESS), **options)
        self.now = 0

    def actions(self, request: bytes) -> list[Action]:
        self.now += 100 * MS
        actions = [action for octet in request for action in self.meter.feed(octet, self.now)]
        for action in actions:
            if isinstance(action, Send):
                assert 20 * MS <= action.delay_ns <= 300 * MS
                self.meter.sent(self.now)
        return actions

    def ask(self, request: bytes) -> bytes:
        actions = self.actions(request)
        assert all(isinstance(action, Send) for action in actions)
        return b"".join(action.octets for action in actions if isinstance(action, Send))


@pytest.fixture
def line() -> Line:
    line = Line()
    assert line.ask(SIGN_ON) == IDENT
    return line


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"\x01R1\x02FFFE()\x03`", b"\x02FFFE(00)\x03\x01"),
        (checked(b"\x01R1\x022000()\x03"), checked(b"\x022000(01)\x03")),
        (checked(b"\x01R1\x022006()\x03"), checked(b"\x022006(00123456782)\x03")),
        (checked(b"\x01R1\x022011(1)\x03"), checked(b"\x022011(0001E240)\x03")),
        (checked(b"\x01R5\x022011()\x03"), NAK),
        (checked(b"\x01R1\x021.8.0(1)\x03"), checked(b"\x02(ER01)\x03")),
        (checked(b"\x01R1\x02FFFF()\x03"), checked(b"\x02(ER01)\x03")),
        (checked(b"\x01W1\x020099(1)\x03"), checked(b"\x02(ER01)\x03")),
        (checked(b"\x01W1\x022011(0)\x03"), NAK),
        (checked(b"\x01W1\x02FFFF(" + CREDIT + b")\x03"), ACK),
        (b"\x01P1\x02(00000000)\x03\x61", ACK),
        (checked(b"\x01X1\x02FFFE()\x03"), NAK),
        (checked(b"\x01R9\x02FFFE()\x03"), NAK),
        (checked(b"\x01R\x03"), NAK),
        (checked(b"\x01\x03"), NAK),
        (b"\x01R1\x02FFFE()\x03f", NAK),
        (b"\x01B0\x03\x71", b""),
        (b"\x01B0\x03\x75", NAK),
        (NAK, IDENT),
        (b"\x00\x00\x00", b""),
        (ACK + b"\r\n", b""),
        (ACK + b"\x01R1\x02FFFE()\x03`", b"\x02FFFE(00)\x03\x01"),
        (b"noise" + SIGN_ON, IDENT),
        (b"/?half" + SIGN_ON, IDENT),
        (b"/?00123456782!\r\n", IDENT),
        (b"/?99!\r\n", b""),
        (b"/#!\r\n", b""),
        (b"\x01R1\x02FFFE(" + b"1" * 500, b""),
    ],
)
def test_answers(line: Line, request_: bytes, answer: bytes) -> None:
    assert line.ask(request_) == answer


def test_silent_before_sign_on_and_after_break() -> None:
    line = Line()
    read = b"\x01R1\x02FFFE()\x03`"
    assert line.ask(read) == b""
    assert line.ask(SIGN_ON) == IDENT
    assert line.ask(read) != b""
    assert line.ask(b"\x01B0\x03\x71") == b""
    assert line.ask(read) == b""
    assert line.ask(NAK) == b""


def test_repeats_its_last_answer(line: Line) -> None:
    answer = line.ask(checked(b"\x01R1\x022011()\x03"))
    assert [line.ask(NAK), line.ask(NAK)] == [answer, answer]


@pytest.mark.parametrize("code", [0x00, 0x01, 0x02, 0x03, 0x04, 0x06, 0x0A, 0x15, 0x2F, 0x7F])
def test_check_character_may_be_any_code(line: Line, code: int) -> None:
    frame = next(
        frame
        for first in range(0x30, 0x7F)
        for second in range(0x30, 0x7F)
        for third in range(0x30, 0x7F)
        if (frame := checked(b"\x01R1\x02FFFE(" + bytes([first, second, third]) + b")\x03"))[-1] == code
    )
    assert line.ask(frame) == b"\x02FFFE(00)\x03\x01"
    assert line.ask(SIGN_ON) == IDENT


def test_token_flow(line: Line) -> None:
    read = b"\x01R1\x02FFFE()\x03`"
    write = checked(b"\x01W1\x02FFFF(" + CREDIT + b")\x03")
    assert line.ask(write) == ACK
    states = [line.ask(read) for _ in range(15)]
    busy, accepted = checked(b"\x02FFFE(10)\x03"), checked(b"\x02FFFE(01)\x03")
    assert states == [busy] * states.count(busy) + [accepted] * states.count(accepted)
    assert 8 <= states.count(busy) <= 11  # processing takes 0.9 to 1.1 s and is polled every 100 ms
    assert line.ask(write) == ACK
    line.now += 2_000 * MS - 500 * MS
    assert line.ask(read) != b""
    line.now += 1_000 * MS
    assert line.ask(read) == checked(b"\x02FFFE(0A)\x03")


def test_a_pause_ends_a_message(line: Line) -> None:
    assert line.ask(b"\x01R1\x02FF") == b""
    line.now += 1_401 * MS  # with 100 ms for each request, more than 1.5 s
    assert line.ask(b"FE()\x03`") == b""
    assert line.ask(b"\x01R1\x02FF") == b""
    line.now += 1_400 * MS
    assert line.ask(b"FE()\x03`") == b"\x02FFFE(00)\x03\x01"


def test_a_message_without_end_is_dropped(line: Line) -> None:
    assert line.ask(b"\x01R1\x02FFFE(" + b"1" * 500) == b""
    assert line.ask(SIGN_ON) == IDENT


def test_programming_mode() -> None:
    line = Line(speed=300, patience_ns=700 * MS)
    assert line.ask(SIGN_ON) == IDENT
    line.now += 100 * MS
    first, second = [action for octet in b"\x06051\r\n" for action in line.meter.feed(octet, line.now)]
    assert first == ChangeSpeed(9600)
    assert isinstance(second, Send)
    assert second.octets == b"\x01P0\x02(00000000)\x03\x60"
    assert 720 * MS <= second.delay_ns <= 1_000 * MS
    assert line.ask(b"\x01P1\x02(00000000)\x03\x61") == ACK
    assert line.actions(b"\x01B0\x03\x71") == [ChangeSpeed(300)]


def test_readout_mode(line: Line) -> None:
    answer = line.actions(b"\x06030\r\n")
    assert answer[0] == ChangeSpeed(2400)
    assert isinstance(answer[1], Send)
    assert answer[1].octets == checked(
        b"\x022000(01)\r\n2002(00)\r\n2006(00123456782)\r\n200A(12)\r\n2010(000004D2)\r\n2011(0001E240)\r\n2014(0000)\r\n"
        b"2016(01E240)\r\nFFFE(00)\r\n!\r\n\x03"
    )
    assert line.actions(SIGN_ON)[0] == ChangeSpeed(9600)


@pytest.mark.parametrize("option", [b"\x06151\r\n", b"\x060A1\r\n", b"\x06052\r\n", b"\x0605\r\n", b"\x06\r\n"])
def test_options_that_it_does_not_know(line: Line, option: bytes) -> None:
    assert line.actions(option) == []


def test_session_times_out() -> None:
    line = Line(speed=300)
    assert line.meter.wake_at() is None
    line.ask(SIGN_ON)
    line.actions(b"\x06051\r\n")
    assert line.meter.wake_at() == line.now + 120_000 * MS
    assert line.meter.timeout(line.now + 120_000 * MS) == [ChangeSpeed(300)]
    assert line.meter.wake_at() is None
    assert line.ask(b"\x01R1\x02FFFE()\x03`") == b""


@given(st.binary(max_size=300).map(lambda octets: bytes(octet & 0x7F for octet in octets)))
def test_survives_anything(octets: bytes) -> None:
    line = Line()
    line.actions(SIGN_ON + octets)
    line.now += 2_000 * MS
    assert line.ask(b"\x01B0\x03\x71") in (b"", NAK)  # a NAK only if octets were left before a check character
    assert IDENT in line.ask(SIGN_ON)


@given(
    st.lists(st.sampled_from([SIGN_ON, b"\x01R1\x02FFFE()\x03`", NAK, b"\x01B0\x03\x71", b"\x00x", b"\x01R1"])),
    st.integers(0, 1_000),
)
def test_octet_by_octet_is_as_in_a_burst(messages: list[bytes], step: int) -> None:
    burst, slow = MeterMachine(Random(3), Device(GUESS)), MeterMachine(Random(3), Device(GUESS))
    stream = b"".join(messages)
    at_once = [burst.feed(octet, 0) for octet in stream]
    spread = [slow.feed(octet, at * step) for at, octet in enumerate(stream)]
    assert at_once == spread


OCTETS = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda body: checked(b"\x01" + body + b"\x03"), st.binary(max_size=20)),
    st.builds(lambda body: b"\x06" + body + b"\r\n", st.binary(max_size=4)),
    st.sampled_from([SIGN_ON, b"/\xff!\r\n", b"\x01R1\x02\xff()\x03", b"\x01W1\x02FFFF(\xb2)\x03"]),
)


@given(st.integers(0, 40), st.lists(OCTETS, max_size=6))
def test_a_meter_takes_any_octets(number: int, said: list[bytes]) -> None:
    meter = MeterMachine(Random(1), Device(draw(number)))
    for now, octets in enumerate(said, 1):
        for octet in octets:
            if any(isinstance(action, Send) for action in meter.feed(octet, now * 1000 * MS)):
                meter.sent(now * 1000 * MS)
