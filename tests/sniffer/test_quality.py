"""Whether octets were received as they were sent: windows of good, bad and strange octets."""

from itertools import product

import pytest

from vtctap.pcap.record import Flag, Line, Sender
from vtctap.sniffer.quality import CHOSEN, GARBAGE, STATED, WINDOW, Patience, Quality, Verdict

SECOND = 1_000_000_000
EVEN, EIGHT = Line(7, "E", 1), Line(8, "N", 1)
TAPS = {0: Sender.CLIENT, 1: Sender.SERVER}
GOOD, BAD, STRANGE, BROKEN = (0x41, 0), (0x31, 0), (0xC1, 0), (0x00, Flag.FRAMING)
"""Octets on a line of even parity. The wrong parity of the second one may come from a line without parity."""


def verdict(
    *octets: tuple[int, int], patience: Patience | None = None, line: Line = EVEN, apart: int = 0, **known: bool
) -> Verdict:
    quality = Quality(TAPS, {}, line)
    quality.use(line, **known)
    for at, octet in enumerate(octets):
        quality.feed(1, [octet], at * apart)
    return quality.verdict((len(octets) - 1) * apart, patience, between_messages=True)


@pytest.mark.parametrize("patience", [None, CHOSEN, STATED])
def test_good_octets_are_good(patience: Patience | None) -> None:
    assert verdict(patience=patience) is Verdict.GOOD
    assert verdict(*[GOOD] * 1000, patience=patience, apart=SECOND) is Verdict.GOOD


@pytest.mark.parametrize(("strange", "bad"), list(product(range(0, 20, 2), repeat=2)))
def test_a_whole_window(strange: int, bad: int) -> None:
    """All combinations of bad octets, and of strange ones among them."""
    octets = [STRANGE] * strange + [BAD] * bad + [GOOD] * (WINDOW - strange - bad)
    expected = Verdict.GOOD
    if strange + bad >= GARBAGE:
        expected = Verdict.GARBAGE if strange else Verdict.NO_PARITY
    assert verdict(*octets) is expected
    assert verdict(*octets[1:]) is Verdict.GOOD, "one octet too few"


@pytest.mark.parametrize(("suspect", "strange", "expected"), [
    (8, 3, Verdict.GOOD), (8, 4, Verdict.GARBAGE), (7, 3, Verdict.GARBAGE),
])  # fmt: skip
def test_a_side_that_may_send_no_parity(suspect: int, strange: int, expected: Verdict) -> None:
    """Eight parity errors of one side with bit 7 clear may be that, unless four octets are strange."""
    quality = Quality(TAPS, {}, EVEN)
    quality.said(Sender.SERVER, [BAD] * suspect)
    quality.feed(1, [BAD] * 20 + [STRANGE] * strange + [GOOD] * (WINDOW - 20 - strange), 0)
    assert quality.verdict(0, None, between_messages=True) is expected


@pytest.mark.parametrize("octet", [STRANGE, BROKEN])
def test_the_third_at_a_speed_that_was_chosen(octet: tuple[int, int]) -> None:
    assert verdict(octet, octet, patience=CHOSEN) is Verdict.GOOD
    assert verdict(octet, GOOD, octet, GOOD, octet, patience=CHOSEN) is Verdict.GARBAGE
    assert verdict(*[GOOD] * 9, octet, octet, octet, patience=CHOSEN) is Verdict.GARBAGE
    assert verdict(*[GOOD] * 10, octet, octet, octet, patience=CHOSEN) is Verdict.GOOD, "less than a quarter"
    assert verdict(BAD, BAD, BAD, BAD, patience=CHOSEN) is Verdict.GOOD, "text without parity looks like that"


def test_seconds_at_a_speed_that_was_stated() -> None:
    assert verdict(*[STRANGE] * 20, patience=STATED) is Verdict.GOOD
    assert verdict(*[STRANGE] * 3, patience=STATED, apart=SECOND) is Verdict.GOOD
    assert verdict(*[STRANGE] * 4, patience=STATED, apart=SECOND) is Verdict.GARBAGE


@pytest.mark.parametrize(("line", "known", "strange"), [
    (EVEN, {}, False),
    (EVEN, {"chosen": True}, True),
    (EIGHT, {"chosen": True}, True),
    (EIGHT, {"chosen": True, "binary": True}, False),
])  # fmt: skip
def test_a_nul_is_strange_in_a_session_of_text(line: Line, known: dict[str, bool], strange: bool) -> None:
    """At the start speed, NULs wake a meter up."""
    nuls = [(0x00, 0)] * 4
    assert verdict(*nuls, patience=CHOSEN, line=line, **known) is (Verdict.GARBAGE if strange else Verdict.GOOD)


def test_a_message_that_was_heard_well_forgives_what_was_before() -> None:
    quality = Quality(TAPS, {}, EVEN)
    quality.feed(1, [STRANGE] * 63, 0)
    quality.heard_well()
    quality.feed(1, [STRANGE] * 2, 0)
    assert quality.verdict(0, CHOSEN, between_messages=True) is Verdict.GOOD
    quality.feed(1, [STRANGE], 0)
    assert quality.verdict(0, CHOSEN, between_messages=True) is Verdict.GARBAGE


def test_a_port_that_marks_nothing_is_told_by_what_is_no_text() -> None:
    for marks, expected in (({}, False), ({1: True}, False), ({1: False}, True)):
        assert Quality(TAPS, marks, EIGHT).is_bad(1, 0xC1, 0) == expected
        assert not Quality(TAPS, marks, EIGHT).is_bad(1, 0x41, 0)
        assert Quality(TAPS, marks, EIGHT).is_bad(1, 0x41, Flag.FRAMING)
