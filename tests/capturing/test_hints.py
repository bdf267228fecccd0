"""Hints on a tap: the evidence that leads to each, and the octets that lead to none."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from vtctap.capturing.hints import Hints
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender

E71, O71, N81 = Line(7, "E", 1), Line(7, "O", 1), Line(8, "N", 1)
TEXT = b"/ZZz5vtctap-test\r\n0.9.1(120000)\r\n1.8.0(001234.5*kWh)\r\n" * 4
"""A readout: some octets have an even number of ones, others an odd number."""


def heard(octets: bytes, tap: int = 0, line: Line = E71, **more: object) -> Record:
    return Record(0, octets, tap=tap, line=line, speed=9600, **more)  # type: ignore[arg-type]


def received(octets: bytes, line: Line = E71) -> Record:
    """Returns octets of eight bits as a tap set to 7E1 or 7O1 receives them."""
    wrong = [at for at, octet in enumerate(octets) if (octet.bit_count() & 1) != (line.parity == "O")]
    return heard(bytes(octet & 0x7F for octet in octets), line=line, parity_errors=tuple(wrong))


def with_parity(octets: bytes, odd: int) -> bytes:
    return bytes(octet | ((octet.bit_count() + odd) & 1) << 7 for octet in octets)


def event(text: str, tap: int = 0) -> Record:
    return Record(0, b"", Kind.EVENT, tap=tap, event=text)


def hints(records: Sequence[Record], now: float = 5.0, names: Sequence[str] = ("A",)) -> list[str]:
    found = Hints(names)
    for record in records:
        found.feed(record, 1.0)
    return found.advise(now)


BREAK = heard(b"\0", kind=Kind.NOISE, flags=Flag.BREAK | Flag.FRAMING, framing_errors=(0,))
SILENT = "A: nothing heard for 10 s: is the tap wired, is it the right port, does the link talk?"
BROKEN = "A: the line is in a continuous break: inverted, or at the wrong level?"
EIGHT = "A: the parity bit is always 0: a line of eight bits? '--line 8N1' reads it"
ODD = "A: the parity of nearly all octets is wrong: odd parity? '--line 7O1' reads it"
PARITY = "A: the parity is wrong all the time: another speed? '--speed auto' finds it"
SPEED = "A: stop bits are missing all the time: another speed? '--speed auto' finds it"


def test_silence() -> None:
    assert hints([event("opened")], 9.9) == []
    assert hints([event("opened")], 10) == [SILENT]
    assert hints([heard(b"x")], 1000) == []
    assert hints([event("opened"), event("lost")], 1000) == []
    assert hints([event("opened"), event("lost"), event("opened")], 1000) == [SILENT]


def test_one_of_two_is_silent() -> None:
    found = Hints(["A", "B"])
    assert found.advise(20) == [SILENT, SILENT.replace("A", "B", 1)]
    assert found.advise(30) == []
    found.feed(heard(b"x", tap=1), 31)
    assert found.advise(31) == ["A: nothing heard on this tap, but on another: is this one wired?"]
    assert found.advise(40) == []


def test_another_program_reads_the_port() -> None:
    shared = "A: octets are missing: another program reads this port; 'fuser -v A' names it"
    assert hints([heard(b"x"), event("missed octets=7")]) == [shared]
    assert hints([heard(b"x"), event("missed octets=7", tap=1)]) == []


def test_continuous_break() -> None:
    assert hints([BREAK], 2.9) == []
    assert hints([BREAK], 3) == [BROKEN]
    assert hints([BREAK, BREAK], 3) == [BROKEN]
    assert hints([BREAK, heard(b"/?!\r\n")]) == []
    assert hints([BREAK, heard(b"/?!\r\n"), BREAK]) == [], "a session may end with one"
    assert hints([heard(b"/?!\r\n"), BREAK, event("speed from=9600 to=300")]) == []


@pytest.mark.parametrize(
    ("record", "hint"),
    [
        (received(TEXT), [EIGHT]),
        (received(with_parity(TEXT, 0)), []),
        (received(with_parity(TEXT, 1)), [ODD]),
        (received(with_parity(TEXT, 0), O71), [ODD.replace("odd", "even").replace("7O1", "7E1")]),
        (received(bytes(range(256))), [PARITY]),
        (received(TEXT[:127]), []),
        (heard(bytes(200), framing_errors=tuple(range(0, 200, 5))), [SPEED]),
        (heard(bytes(200), framing_errors=tuple(range(0, 195, 5))), []),
        (heard(bytes(200), framing_errors=tuple(range(0, 200, 4)), parity_errors=tuple(range(100))), [SPEED]),
        (heard(bytes(200), parity_errors=tuple(range(39))), []),
        (heard(bytes(200), framing_errors=(1, 2, 3, 4), parity_errors=tuple(range(100))), [PARITY]),
        (heard(bytes(200), framing_errors=(1, 2, 3, 4, 5), parity_errors=tuple(range(100))), []),
        (heard(TEXT, line=N81), []),
    ],
)
def test_errors(record: Record, hint: list[str]) -> None:
    assert hints([record]) == hint


def test_errors_in_parts_and_of_long_ago() -> None:
    parts = [received(TEXT[at : at + 10]) for at in range(0, len(TEXT), 10)]
    assert hints(parts) == [EIGHT]
    good = [received(with_parity(TEXT[at : at + 10], 0)) for at in range(0, 150, 10)]
    assert hints(parts + good) == []
    assert hints([*parts[:10], event("speed from=9600 to=300"), *parts[10:20]]) == []


def test_a_lost_tap_needs_no_hint() -> None:
    assert hints([received(TEXT), event("lost")]) == []


def test_each_once() -> None:
    found = Hints(["A", "B"])
    for tap in (0, 1):
        record = received(TEXT)
        found.feed(heard(record.octets, tap=tap, parity_errors=record.parity_errors), 1)
    assert found.advise(1) == [EIGHT, EIGHT.replace("A", "B", 1)]
    found.feed(received(TEXT), 2)
    assert found.advise(2) == []


def test_a_tap_that_nobody_described() -> None:
    assert hints([heard(b"x", tap=7)]) == []


def test_noise_that_is_another_protocols() -> None:
    """The hint appears once for each tap, also on a line of seven bits."""
    sml = bytes.fromhex("1b1b1b1b0101010176050017")
    for record in (heard(sml, line=N81, kind=Kind.NOISE), replace(received(sml), kind=Kind.NOISE)):
        hints = Hints(["/dev/a"])
        hints.feed(record, 0.5)
        hints.feed(record, 0.6)
        assert hints.advise(1.0) == ["/dev/a: this is SML, another protocol of meters"]
        assert hints.advise(1.1) == []
    hints = Hints(["/dev/a"])
    hints.feed(heard(b"noise", kind=Kind.NOISE), 0.5)
    assert hints.advise(1.0) == []


CALL, IDENT = b"/?!\r\n", b"/ZZz5vtctap\r\n"
SWAPPED = "A: requests come from the server's tap alone, and answers from the client's: are the taps swapped?"


def test_swapped_taps() -> None:
    ask, answer = heard(CALL, 1, sender=Sender.SERVER), heard(IDENT, 0, sender=Sender.CLIENT)
    assert hints([ask, answer, ask, answer], names="AB") == [SWAPPED]
    assert hints([ask, answer, heard(IDENT, 1, sender=Sender.SERVER)], names="AB") == []
    assert hints([ask, replace(answer, flags=Flag.CUT)], names="AB") == []
    assert hints([ask, replace(answer, inferred=True)], names="AB") == []
    assert hints([ask, replace(answer, link=1)], names="AB") == []
