"""Records as lines of text."""

import re
import time
from collections.abc import Iterator
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.profiles import profile_text
from vtctap.dissector.dissect import Dissection, Dissector
from vtctap.dissector.profiles.files import load, parse
from vtctap.dissector.text import TIMES, Printer, hex_dump, summary
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender

MS = 1_000_000
T0 = 1_700_000_000_123_456_789


def dissect(octets: bytes = b"", kind: Kind = Kind.FRAME, **more: object) -> Dissection:
    return Dissector(load()).dissect(Record(T0, octets, kind, line=Line(7, "E", 1), **more))  # type: ignore[arg-type]


SUMMARIES = [
    (b"/?!\r\n", "IDRequest"),
    (b"/?123!\r\n", "IDRequest 123"),
    (b"/ISK5\\2MT382\r\n", "IDResponse ISK 5 \\2MT382 (Iskraemeco, Slovenia?)"),
    (b"\x06", "ACK"),
    (b"\x15", "NAK"),
    (b"\x06051\r\n", "OptionSelect 0 5 1"),
    (b"\x01R1\x02FFFE()\x03`", "ReadCommand R1 FFFE() tokenStatus"),
    (b"\x02FFFE(10)\x03\x00", "Data FFFE(10) tokenStatus=status not ready"),
    (b"\x02FFFE(63)\x03\x04", "Data FFFE(63) tokenStatus"),
    (b"\x02x(1*kWh)\x03\x5c", "Data x(1*kWh) [bad check character 5Ch, not 35h]"),
    (b"\x01B0\x03", "BreakCommand B0 [no check character]"),
    (b"\x01B0\x03\x75", "BreakCommand B0"),
    (b"\x02(ER01)\x03\x14", "Error (ER01)"),
    (b"\x02a(1)b(2)c(3)d(4)e(5)f(6)\x03\x03", "Data a(1) b(2) c(3) d(4) ... 2 more data sets"),
    (b"/ABC5x\r\n\r\na(1)\r\n!0000\r\n", "Telegram ABC 5 x a(1) [bad CRC]"),
    (b"/ABC5x\r\n\r\na(1)\r\n!\r\n", "Telegram ABC 5 x a(1)"),
    (b"\x02a(\x1b[2J\x07)\x03\x05", "Data a(<ESC>[2J<BEL>) [bad check character 05h, not 5Ch]"),
    (b"\x00" * 9, "WakeUp"),
    (b"later part", 'continued "later part"'),
    # Text of the wire is told from vtctap's own.
    (b"/ISK5abc [cut]\r\n", 'IDResponse ISK 5 "abc [cut]" (Iskraemeco, Slovenia?)'),
    (b"\x02a(1) tokenStatus=accepted\x03\x01", 'Data a(1) " tokenStatus=accepted"'),
    (b"\x02 x=y b(1)\x03m", 'Data " x=y b"(1)'),
    (b'\x02a(1)"\\\x03,', 'Data a(1) "\\"\\\\"'),
    (b"\x02a(<ESC>\x1b<3C><b>)\x03=", "Data a(<3C>ESC><ESC><3C>3C><b>)"),
    (b"\x02a(<FF>)\x03a", "Data a(<3C>FF>)"),
]


@pytest.mark.parametrize(("octets", "line"), SUMMARIES)
def test_summary(octets: bytes, line: str) -> None:
    assert summary(dissect(octets)) == line


def test_the_summaries_themselves() -> None:
    """Each check character is computed by arithmetic, or the line reports it."""
    for octets, line in SUMMARIES:
        checked, etx, bcc = octets[1:].partition(b"\x03")
        if not bcc:
            continue
        by_xor = reduce(lambda value, octet: value ^ octet, checked + etx)
        good = bcc[0] in (by_xor, sum(checked + etx) % 128)
        assert line.endswith(f"[bad check character {bcc[0]:02X}h, not {by_xor:02X}h]") is not good


def test_what_a_tap_has_to_say() -> None:
    flags = Flag.CUT | Flag.ECHO | Flag.BREAK | Flag.OVERRUN | Flag.ORDER_UNCERTAIN
    found = dissect(b"\x02(1", flags=flags, parity_errors=(0, 2), framing_errors=(1,))
    assert summary(found) == (
        "Data (1) [cut] [echo] [break] [octets lost] [order uncertain] [wrong parity at 0,2] [framing error at 1]"
    )


def test_noise() -> None:
    assert summary(dissect(b"x\x7f\x00", Kind.NOISE)) == "noise x<DEL><NUL>"
    assert summary(dissect(b"a" * 32, Kind.NOISE)) == f"noise {'a' * 32}"
    assert summary(dissect(b"a" * 40, Kind.NOISE, flags=Flag.OVERRUN)) == (
        f"noise {'a' * 32} ... 8 more octets [octets lost]"
    )


def test_events_cannot_steer_a_terminal() -> None:
    assert summary(dissect(kind=Kind.EVENT, event="speed from=300 to=9600")) == "speed from=300 to=9600"
    assert (
        summary(dissect(kind=Kind.EVENT, event="mark Zähler\x1b[2J\r\n\x9b")) == "mark Zähler<ESC>[2J<CR><LF><C2><9B>"
    )
    assert summary(dissect(kind=Kind.EVENT, event="mark \udcff\ud800")) == "mark <FF>?"


@pytest.mark.parametrize(
    ("registers", "table", "messages", "line"),
    [
        ("confirmed", "confirmed", "confirmed", "Data FFFE(10) tokenStatus=status not ready"),
        ("assumed", "confirmed", "confirmed", "Data FFFE(10) tokenStatus?=status not ready"),
        ("confirmed", "assumed", "confirmed", "Data FFFE(10) tokenStatus=status not ready?"),
        ("confirmed", "confirmed", "assumed", "Data? FFFE(10) tokenStatus=status not ready"),
    ],
)
def test_no_assumption_passes_for_the_standard(registers: str, table: str, messages: str, line: str) -> None:
    profile = profile_text(
        "x",
        f"""
[messages]
Data = {{ confidence = "{messages}" }}
[registers]
confidence = "{registers}"
[registers.entries]
FFFE = {{ name = "tokenStatus", type = "enumeration", base = 16, table = "results" }}
[tables.results]
confidence = "{table}"
[tables.results.values]
16 = "status not ready"
""",
    )
    record = Record(T0, b"\x02FFFE(10)\x03\x00", line=Line(7, "E", 1))
    assert summary(Dissector(parse(profile, "x.toml")).dissect(record)) == line


@given(st.binary(max_size=60), st.sampled_from([Kind.FRAME, Kind.NOISE]))
def test_a_summary_is_one_line_of_printable_ascii(octets: bytes, kind: Kind) -> None:
    found = summary(dissect(octets, kind))
    assert found.isascii()
    assert found.isprintable()


# Lines.


@pytest.fixture
def paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def lines(how: str) -> list[str]:
    printer, dissector = Printer(how), Dissector(load())
    return [
        printer.line(dissector.dissect(record))
        for record in (
            Record(T0, b"/?!\r\n", sender=Sender.CLIENT),
            Record(T0 + 250 * MS, b"\x06", sender=Sender.SERVER, inferred=True),
            Record(T0 + 200 * MS, b"\x15", link=2),
        )
    ]


def test_marks_of_what_is_not_known() -> None:
    """A synthetic time, and an inferred sender."""
    printer, dissector = Printer(), Dissector(load())
    shown = [
        printer.line(dissector.dissect(Record(T0, b"\x06", sender=sender, inferred=inferred, flags=flags)))
        for sender, inferred, flags in (
            (Sender.CLIENT, False, 0),
            (Sender.CLIENT, True, 0),
            (Sender.SERVER, True, Flag.SYNTHETIC),
            (Sender.SERVER, False, Flag.SYNTHETIC),
            (Sender.UNKNOWN, False, 0),
        )
    ]
    assert [line.removeprefix(f"    {number}     0.000000") for number, line in enumerate(shown, 1)] == [
        " C> ACK",
        " C? ACK",
        "~ M? ACK",
        "~ M> ACK",
        " ?? ACK",
    ]


def test_names_of_links() -> None:
    printer, dissector = Printer(), Dissector(load())
    printer.links = ["A", "A", "hall\x1b[2J", ""]
    shown = [printer.line(dissector.dissect(Record(T0, b"\x06", tap=tap, link=tap // 2))) for tap in range(5)]
    assert [line[19:] for line in shown] == [
        "A        ?? ACK",
        "A        ?? ACK",
        "hall<ESC>[2J ?? ACK",
        "1 ?? ACK",
        "2 ?? ACK",
    ]


def test_all_of_it() -> None:
    long = dissect(b"\x02a(1)b(2)c(3)d(4)e(5)f(6)\x03\x03")
    assert summary(long, full=True) == "Data a(1) b(2) c(3) d(4) e(5) f(6)"
    noise = dissect(b"a" * 40, Kind.NOISE)
    assert summary(noise, full=True) == f"noise {'a' * 40}"
    assert Printer(full=True).line(noise).endswith(f"noise {'a' * 40}")
    assert "more octets" in Printer().line(noise)


@pytest.mark.parametrize("flags", [0, Flag.CUT | Flag.BREAK])
def test_colours(flags: int) -> None:
    """The colours are standard sequences that end on their line; without them the line is the same."""
    for sender, colour in ((Sender.CLIENT, "36"), (Sender.SERVER, "33"), (Sender.UNKNOWN, "39")):
        said = dissect(b"/?!\r\n", sender=sender, flags=flags)
        line, plain = Printer(colour=True).line(said), Printer().line(said)
        arrow = {Sender.CLIENT: "C>", Sender.SERVER: "M>", Sender.UNKNOWN: "??"}[sender]
        notes = " \x1b[31m[cut]\x1b[0m \x1b[31m[break]\x1b[0m" if flags else ""
        assert line == f"    1     0.000000 \x1b[{colour}m{arrow} IDRequest\x1b[0m{notes}"
        assert re.sub(r"\x1b\[\d+m", "", line) == plain
    event = dissect(kind=Kind.EVENT, event="mark x", sender=Sender.CLIENT)
    assert Printer(colour=True).line(event) == "    1     0.000000 \x1b[2mC> mark x\x1b[0m"


@pytest.mark.usefixtures("paris")
@pytest.mark.parametrize(
    ("how", "times"),
    [
        ("r", ["    0.000000", "    0.250000", "    0.200000"]),
        ("d", ["    0.000000", "    0.250000", "   -0.050000"]),
        ("e", ["1700000000.123456", "1700000000.373456", "1700000000.323456"]),
        ("a", ["23:13:20.123456", "23:13:20.373456", "23:13:20.323456"]),
        ("ad", ["2023-11-14 23:13:20.123456", "2023-11-14 23:13:20.373456", "2023-11-14 23:13:20.323456"]),
    ],
)
def test_lines(how: str, times: list[str]) -> None:
    assert lines(how) == [
        f"    1 {times[0]} C> IDRequest",
        f"    2 {times[1]} M? ACK",
        f"    3 {times[2]} 2 ?? NAK",
    ]


def test_every_way_to_show_the_time_is_tested() -> None:
    assert sorted(TIMES) == ["a", "ad", "d", "e", "r"]


def test_a_record_that_is_not_shown_counts() -> None:
    dissector = Dissector(load())
    first, second, third = (dissector.dissect(Record(T0 + at * MS, b"\x06")) for at in (0, 100, 300))
    for how, shown in (("r", "0.300000"), ("d", "0.200000")):
        printer = Printer(how)
        printer.skip(first)
        printer.skip(second)
        assert printer.line(third).split()[:2] == ["3", shown]


def test_hex_dump() -> None:
    assert hex_dump(b"") == ""
    assert hex_dump(b"/?!\r\n\xff") == f"      0000  {'2f 3f 21 0d 0a ff':48} /?!...\n"
    assert hex_dump(bytes(range(0x41, 0x52))) == (
        f"      0000  41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50  ABCDEFGHIJKLMNOP\n      0010  {'51':48} Q\n"
    )


@given(st.binary(max_size=100))
def test_a_hex_dump_holds_every_octet(octets: bytes) -> None:
    shown = [line[12:60] for line in hex_dump(octets).splitlines()]
    assert bytes.fromhex("".join(shown)) == octets


def test_a_long_pause_is_shown() -> None:
    dissect = Dissector(load()).dissect
    for pauses, shown in (
        ((), ""),
        (((3, 199_999),), ""),
        (((2, 200_000), (4, 1_600_000)), " [pause of 1.600 s at 4]"),
    ):
        record = Record(0, b"\x02FFFE(01)\x03\x00", pauses_us=pauses)
        assert summary(dissect(record)) == f"Data FFFE(01) tokenStatus=Accept{shown}"


@pytest.mark.parametrize("time_ns", [(2**64 - 1) * 10**9, 9_223_372_038_554_775_808 * 10**9, -(10**30)])
def test_a_time_that_no_calendar_has_is_shown_in_seconds(time_ns: int) -> None:
    line = Printer(time="a").line(Dissector(load()).dissect(Record(time_ns, b"\x06")))
    assert str(abs(time_ns) // 10**9) in line
