"""The speeds that a session's messages announce: each message in each phase, compared with a table written by hand."""

from functools import reduce
from operator import xor

import pytest

from vtctap.dissector.protocol.messages import decode
from vtctap.sniffer.negotiation import Negotiation, Phase, SpeedStep


def checked(message: bytes) -> bytes:
    return message + bytes([reduce(xor, message[1:])])


CALL, IDENT, IDENT_B = b"/?!\r\n", b"/ZZz5test\r\n", b"/ZZzCtest\r\n"
SELECT, READOUT_SELECT, BINARY = b"\x06051\r\n", b"\x06050\r\n", b"\x06252\r\n"
COMMAND, BREAK = checked(b"\x01R1\x021.8.0()\x03"), checked(b"\x01B0\x03")
DATA, LAST = checked(b"\x021.8.0(1)\r\n\x03"), checked(b"\x021.8.0(1)\r\n!\r\n\x03")
APART, CALLED, OPEN, READOUT = Phase
INTO = {APART: [BREAK], CALLED: [CALL], OPEN: [CALL, IDENT], READOUT: [READOUT_SELECT]}
"""The messages that lead into each phase."""

ALWAYS = {
    CALL: (CALLED, SpeedStep("IDRequest", begins=True)),
    IDENT: (OPEN, SpeedStep("IDResponse", begins=True)),
    SELECT: (OPEN, SpeedStep("OptionSelect", speed=9600)),
    READOUT_SELECT: (READOUT, SpeedStep("OptionSelect", speed=9600)),
    BINARY: (OPEN, SpeedStep("OptionSelect", speed=9600, binary=True)),
    COMMAND: (OPEN, SpeedStep("ReadCommand")),
    BREAK: (APART, SpeedStep("BreakCommand", ends=True)),
    IDENT_B: (OPEN, SpeedStep("IDResponse", begins=True)),
}


def negotiation(*said: bytes, one_sided: bool = False) -> Negotiation:
    made = Negotiation(one_sided=one_sided)
    for message in said:
        made.feed(decode(message))
    return made


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("message", ALWAYS)
def test_each_message_in_each_phase(phase: Phase, message: bytes) -> None:
    session = negotiation(*INTO[phase])
    assert session.phase is phase
    expected = ALWAYS[message]
    if message == IDENT_B and phase is CALLED:
        expected = READOUT, SpeedStep("IDResponse", begins=True, speed=2400)
    step = session.feed(decode(message))
    assert (session.phase, step) == expected


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("message", [DATA, LAST, b"\x06", b"\x15", BREAK[:-1] + b"\0", BREAK[:-1]])
def test_what_is_no_step(phase: Phase, message: bytes) -> None:
    session = negotiation(*INTO[phase])
    step = session.feed(decode(message))
    assert step is None or (step.why, step.speed, step.ends) == ("BreakCommand", None, False)


def test_a_meter_that_is_heard_alone_needs_no_call() -> None:
    assert negotiation(one_sided=True).feed(decode(IDENT_B)) == SpeedStep("IDResponse", begins=True, speed=2400)


@pytest.mark.parametrize(
    ("said", "offered"),
    [
        ([], None),
        ([CALL], None),
        ([CALL, IDENT], 9600),
        ([CALL, IDENT_B], 2400),
        ([CALL, IDENT, SELECT], 9600),
        ([CALL, IDENT, BREAK], None),
        ([CALL, IDENT, CALL], None),
        ([CALL, b"/ZZz!test\r\n"], None),
    ],
)
def test_what_the_meter_offered(said: list[bytes], offered: int | None) -> None:
    assert negotiation(*said).offered == offered


@pytest.mark.parametrize("phase", Phase)
def test_the_end_of_a_readout(phase: Phase) -> None:
    session = negotiation(*INTO[phase])
    assert session.ends_readout(decode(LAST), LAST) == (phase is READOUT)
    assert not session.ends_readout(decode(DATA), DATA)
    assert not session.ends_readout(decode(LAST[:-1] + b"\0"), LAST)
    session.forget()
    assert not session.ends_readout(decode(LAST), LAST)
