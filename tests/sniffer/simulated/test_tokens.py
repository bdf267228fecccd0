"""Tokens: published numbers as vectors, and the meter's rules for accepting them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.sniffer.simulated.device import Device
from vtctap.sniffer.simulated.tokens import TokenRegister, is_authentic, token, token_class

S = 1_000_000_000
BUSY = S

# Control bits and numbers of class 1 for manufacturers with two digits (STS 531; a manufacturer's manual prints some).
PUBLISHED = {
    0x000000001: "00000000000150997584",
    0x000000002: "00000000000167774880",
    0x000000004: "00000000000201328896",
    0x000000008: "18446744073843772416",
    0x000000010: "36893488147553322496",
    0x000000020: "00000000000671093248",
    0x000000400: "00000000017314105857",
    0x000008000: "00000000549890034216",
    0xFFFFFFFFF: "56493153725450313471",
}


@pytest.mark.parametrize(("control", "digits"), PUBLISHED.items())
def test_published_tokens(control: int, digits: str) -> None:
    assert token(1, control << 8) == digits
    assert token_class(digits) == 1
    assert is_authentic(digits)


@given(st.integers(0, 3), st.integers(0, (1 << 48) - 1))
def test_every_token_has_66_bits_its_class_and_a_crc(kind: int, payload: int) -> None:
    digits = token(kind, payload)
    assert len(digits) == 20
    assert int(digits) < 1 << 66
    assert int(digits) >> 27 & 3 == kind
    assert is_authentic(digits)


@given(st.integers(0, 3), st.integers(0, (1 << 48) - 1), st.integers(0, 65))
def test_one_wrong_bit_is_noticed(kind: int, payload: int, bit: int) -> None:
    assert not is_authentic(f"{int(token(kind, payload)) ^ 1 << bit:020}")


def test_an_encrypted_token_is_not_authentic() -> None:
    assert not is_authentic("59386323472137426967")  # EA11, published with STS 531
    assert token_class("59386323472137426967") == 0


@pytest.mark.parametrize("text", ["", "0" * 19, "0" * 21, "73786976294838206464", "0000000000000000000A", "٣" * 20])
def test_what_is_no_token(text: str) -> None:
    assert token_class(text) is None


def enter(register: TokenRegister, digits: str, now: int) -> int:
    """Returns the status on the wire (hexadecimal) once the token is processed. Until then it must be 16 (or 15)."""
    register.enter(digits, now, BUSY)
    before = int(register.status(now + BUSY - 1), 16)
    after = int(register.status(now + BUSY), 16)
    assert before == 16 or (before, after) == (15, 15)
    return after


CREDIT, OTHER, TEST = token(0, 0x0123456789AB), token(0, 0x0BA987654321), PUBLISHED[1]


def test_before_any_token() -> None:
    assert TokenRegister(Device()).status(0) == "00"


def test_credit_once_test_token_always() -> None:
    register = TokenRegister(Device())
    assert [enter(register, CREDIT, 0), enter(register, CREDIT, 2 * S), enter(register, OTHER, 4 * S)] == [1, 10, 1]
    assert [enter(register, TEST, 6 * S), enter(register, TEST, 8 * S)] == [1, 1]


def test_lock_out_after_three_wrong_tokens() -> None:
    register = TokenRegister(Device())
    damaged = f"{int(CREDIT) ^ 1:020}"
    assert [enter(register, damaged, 0), enter(register, "abc", 2 * S), enter(register, damaged, 4 * S)] == [13, 6, 13]
    assert enter(register, CREDIT, 13 * S) == 15
    assert enter(register, TEST, 13 * S) == 1
    assert enter(register, damaged, 14 * S) == 13  # the lockout of 10 s is over; this one lasts 20 s
    assert enter(register, CREDIT, 33 * S) == 15
    assert enter(register, CREDIT, 34 * S) == 1
    assert enter(register, damaged, 40 * S) == 13  # an accepted token clears the count
    assert enter(register, OTHER, 42 * S) == 1


def test_lock_out_grows_to_a_limit() -> None:
    register = TokenRegister(Device())
    now = 0
    for _ in range(20):
        register.enter("wrong", now, BUSY)
        now += 1_280 * S
    assert enter(register, CREDIT, now - 1) == 15
    assert enter(register, CREDIT, now) == 1
