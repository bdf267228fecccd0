"""The client: its reactions to good and bad answers."""

from functools import reduce
from operator import xor
from random import Random

import pytest

from vtctap.sniffer.simulated.client import Break, ClientMachine, Poll, Read, SignOn, Step, Write
from vtctap.sniffer.simulated.machine import Action, Done, Send
from vtctap.sniffer.simulated.named import GUESS

MS = 1_000_000
SIGN_ON, IDENT = b"/?!\r\n", b"/XYZ5any\r\n"
READ, GOOD, BAD = b"\x01R1\x02FFFE()\x03`", b"\x02FFFE(01)\x03\x00", b"\x02FFFE(01)\x03\x01"
BUSY = b"\x02FFFE(10)\x03\x00"
BREAK = b"\x01B0\x03\x71"
ACK, NAK = b"\x06", b"\x15"


class Line:
    """Plays the meter to a client. Every expectation is written as octets."""

    def __init__(self, *steps: Step) -> None:
        self.client = ClientMachine(steps, Random(1), dialect=GUESS)
        self.now = 10 * MS
        self.actions: list[Action] = self.client.timeout(self.now)

    def expect(self, octets: bytes) -> None:
        (action,) = self.actions
        assert isinstance(action, Send)
        assert action.octets == octets
        assert action.delay_ns >= 20 * MS
        self.now += action.delay_ns
        self.actions = self.client.sent(self.now)

    def answer(self, octets: bytes, delay: int = 100 * MS) -> None:
        assert self.actions == []
        self.now += delay
        self.actions = [action for octet in octets for action in self.client.feed(octet, self.now)]

    def say_nothing(self) -> None:
        assert self.actions == []
        wake = self.client.wake_at()
        assert wake is not None
        assert wake - self.now > 1_500 * MS
        self.now = wake
        self.actions = self.client.timeout(wake)


def test_wants_to_begin_at_once() -> None:
    assert ClientMachine([SignOn()], Random(1)).wake_at() == 0


def test_plays_a_session() -> None:
    line = Line(SignOn("007"), Read("FFFE"), Write("FFFF", "123"), Poll("FFFE", "10"), Break(), SignOn(), Break())
    line.expect(b"/?007!\r\n")
    line.answer(IDENT)
    line.expect(READ)
    line.answer(GOOD)
    write = b"\x01W1\x02FFFF(123)\x03"
    line.expect(write + bytes([reduce(xor, write[1:])]))
    line.answer(ACK)
    for _ in range(3):
        line.expect(READ)
        line.answer(BUSY)
    line.expect(READ)
    line.answer(GOOD)
    line.expect(BREAK)
    line.expect(SIGN_ON)
    line.answer(IDENT)
    line.expect(BREAK)
    assert line.actions == [Done()]


def test_refuses_a_bad_answer_and_takes_the_repeat() -> None:
    line = Line(Read("FFFE"), Break())
    line.expect(READ)
    line.answer(BAD)
    line.expect(NAK)
    line.answer(GOOD)
    line.expect(BREAK)


@pytest.mark.parametrize("unheard", [True, False])
def test_repeats_its_request(unheard: bool) -> None:
    line = Line(Read("FFFE"), Break())
    line.expect(READ)
    line.say_nothing() if unheard else line.answer(NAK)
    line.expect(READ)
    line.answer(GOOD)
    line.expect(BREAK)


def test_a_cut_answer_counts_as_none() -> None:
    line = Line(Read("FFFE"), Break())
    line.expect(READ)
    line.answer(GOOD[:5])
    line.say_nothing()
    line.expect(READ)
    line.answer(GOOD)
    line.expect(BREAK)


def test_a_slow_answer_counts() -> None:
    line = Line(Read("FFFE"), Break())
    line.expect(READ)
    for octet in GOOD:
        line.answer(bytes([octet]), delay=2_000 * MS)
    line.expect(BREAK)


def test_gives_up_after_three_repeats() -> None:
    line = Line(SignOn(), Read("FFFE"), Read("FFFE"), Break(), SignOn())
    line.expect(SIGN_ON)
    line.answer(IDENT)
    for answer in (BAD, NAK, GOOD[:3], b""):
        line.expect(READ if answer != NAK else NAK)
        line.answer(answer)
        if answer in (b"", GOOD[:3]):
            line.say_nothing()
    line.expect(BREAK)
    line.expect(SIGN_ON)


def test_gives_up_without_a_break_to_come() -> None:
    line = Line(SignOn())
    for _ in range(4):
        line.expect(SIGN_ON)
        line.say_nothing()
    assert line.actions == [Done()]


def test_polls_have_an_end() -> None:
    line = Line(Poll("FFFE", "10"), Break())
    for _ in range(50):
        line.expect(READ)
        line.answer(BUSY)
    line.expect(BREAK)


def test_each_poll_may_be_repeated() -> None:
    line = Line(Poll("FFFE", "10"), Break())
    for _ in range(5):
        line.expect(READ)
        line.answer(NAK)
        line.expect(READ)
        line.answer(BUSY)
    line.expect(READ)
    line.answer(GOOD)
    line.expect(BREAK)


def test_noise_is_no_answer() -> None:
    line = Line(Read("FFFE"), Break())
    line.expect(READ)
    line.answer(b"\x00\x7fNOISE\x06")
    line.answer(GOOD)
    line.expect(BREAK)


def test_deaf_while_it_does_not_wait() -> None:
    line = Line(Read("FFFE"), Break())
    assert [line.client.feed(octet, line.now) for octet in GOOD] == [[]] * len(GOOD)
    line.expect(READ)
    line.answer(GOOD)
    line.expect(BREAK)


def test_an_error_is_an_answer_to_a_write() -> None:
    error = b"\x02(ER01)\x03"
    line = Line(Write("0099", "1"), Break())
    line.expect(b"\x01W1\x020099(1)\x03" + bytes([reduce(xor, b"W1\x020099(1)\x03")]))
    line.answer(error + bytes([reduce(xor, error[1:])]))
    line.expect(BREAK)


@pytest.mark.parametrize("cut", [b"/\r\n", b"/X\r\n", b"/XYZ\r\n", b"/XYZ\xff\r\n"])
def test_an_identification_that_lost_its_text(cut: bytes) -> None:
    line = Line(SignOn(), Read("FFFE"))
    line.expect(SIGN_ON)
    line.answer(cut)
    line.expect(READ)
