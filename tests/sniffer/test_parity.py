"""Which side sends parity bits: the octets of a side show it, and nothing else does."""

from functools import reduce
from operator import xor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector.framing.assembler import Assembler, Tap
from vtctap.dissector.framing.pieces import Octet
from vtctap.pcap.record import Flag, Kind, Line, Record, Sender
from vtctap.sniffer.parity import ParityWatch
from vtctap.sniffer.port import Settings
from vtctap.sniffer.speed import Change, SpeedFollower

MS = 1_000_000
EVEN, ODD = Line(7, "E", 1), Line(7, "O", 1)
FAST = Settings(9600, EVEN)
CHARACTER = EVEN.character_time_ns(9600)
CLIENT, SERVER = Sender.CLIENT, Sender.SERVER
TEXT = bytes([*range(0x20, 0x7F), 0x0D, 0x0A])


def odd_ones(value: int) -> bool:
    return f"{value:b}".count("1") % 2 == 1


def even(text: bytes) -> bytes:
    return bytes(value | 0x80 * odd_ones(value) for value in text)


def odd(text: bytes) -> bytes:
    return bytes(value | 0x80 * (not odd_ones(value)) for value in text)


def plain(octets: bytes) -> list[tuple[int, int]]:
    return [(octet, 0) for octet in octets]


def checked(message: bytes) -> bytes:
    return message + bytes([reduce(xor, message[1:])])


READ = checked(b"\x01R1\x020021()\x03")
DATA = checked(b"\x020021(00123.4*kWh)(4711)(AAAA)\x03")
IDENT = b"/ZZz5vtctap-test\r\n"


@given(st.lists(st.sampled_from(TEXT), min_size=80, max_size=80), st.sampled_from((EVEN, ODD)))
def test_text_of_either_kind(values: list[int], line: Line) -> None:
    text = bytes(values)
    watch = ParityWatch(line)
    watch.feed(CLIENT, plain((even if line is EVEN else odd)(text)))
    watch.feed(SERVER, plain(text))
    last = text[-64:]
    wrong = sum(odd_ones(value) == (line is EVEN) for value in last)
    assert list(watch.with_parity()) == ([CLIENT] if wrong >= 4 else [])
    assert list(watch.without()) == ([SERVER] if wrong >= 16 else [])


def test_neither() -> None:
    watch = ParityWatch(EVEN)
    watch.feed(CLIENT, plain(bytes(range(256))))  # Anything, including octets that are wrong with bit 7 set.
    watch.feed(SERVER, [(value, Flag.FRAMING) for value in TEXT])
    assert not watch.without()
    assert not watch.with_parity()
    watch.feed(SERVER, plain(bytes([0x01, 0x02, 0x15]) * 100))  # No text.
    assert not watch.without()


def test_how_many_it_takes() -> None:
    watch = ParityWatch(EVEN)
    watch.feed(CLIENT, plain(b"1" * 15 + b"3" * 40))
    assert not watch.without()
    watch.feed(CLIENT, plain(b"1"))
    assert watch.without() == [CLIENT]


def test_how_many_set_bits_it_takes() -> None:
    """Four prove parity, unless more than one octet in eight is wrong."""
    watch = ParityWatch(EVEN)
    watch.feed(CLIENT, plain(even(b"1" * 3 + b"3" * 40)))
    assert not watch.with_parity()
    watch.feed(CLIENT, plain(even(b"1")))
    assert watch.with_parity() == [CLIENT]
    for wrong, proved in ((8, [CLIENT]), (9, [])):
        watch = ParityWatch(EVEN)
        watch.feed(CLIENT, plain(even(b"1" * 20) + b"1" * wrong + b"3" * (44 - wrong)))
        assert watch.with_parity() == proved


def test_one_set_bit_refutes() -> None:
    watch = ParityWatch(EVEN)
    watch.feed(CLIENT, plain(b"1" * 63 + b"\xb1"))
    assert not watch.without()
    watch.feed(CLIENT, plain(b"1" * 64))
    assert watch.without() == [CLIENT]


# On a link.

TWO, MERGED = {0: CLIENT, 1: SERVER}, {0: Sender.UNKNOWN}


class Session:
    """A client and a server that take turns of 30 ms, each with or without parity."""

    def __init__(self, taps: dict[int, Sender], without: set[Sender]) -> None:
        self.taps = taps
        self.without = without
        self.follower = SpeedFollower(FAST, gap_limit_ns=1_500 * MS, taps=taps)
        self.assembler_taps = [Tap(number, sender, EVEN, 9600) for number, sender in taps.items()]
        self.assembler = Assembler(0, self.assembler_taps, gap_limit_ns=1_500 * MS)
        self.now = 1_000_000 * MS
        self.changes: list[Change] = []
        self.records: list[Record] = []

    def say(self, sender: Sender, text: bytes, *, wrong: int | None = None) -> None:
        tap = next(number for number, own in self.taps.items() if own in (sender, Sender.UNKNOWN))
        octets = bytearray(text if sender in self.without else even(text))
        if wrong is not None:
            octets[wrong] ^= 0x80
        for octet in octets:
            self.records += self.assembler.feed(tap, [Octet(octet, self.now, 0)])
            self.now += CHARACTER
            change = self.follower.feed(tap, [(octet, 0)], self.now)
            if change:
                assert change.settings == self.follower.settings
                self.changes.append(change)
                for own in self.assembler_taps:
                    own.without_parity = self.follower.without_parity
        self.now += 30 * MS

    def talk(self, rounds: int) -> None:
        for _ in range(rounds):
            self.say(CLIENT, READ)
            self.say(SERVER, DATA)


@pytest.mark.parametrize("taps", [TWO, MERGED], ids=["two taps", "one"])
@pytest.mark.parametrize("without", [CLIENT, SERVER])
def test_one_side(taps: dict[int, Sender], without: Sender) -> None:
    """The side is found and noted once, and none of its later octets has a parity error. The client's requests are
    short."""
    session = Session(taps, {without})
    session.say(CLIENT, b"/?!\r\n")
    session.say(SERVER, IDENT)
    session.talk(12)
    assert session.changes == [Change(FAST, "no-parity", without)]
    assert session.changes[0].event(FAST) == (
        f"speed from=9600 to=9600 line=8N1 why=no-parity sender={without.name.lower()}"
    )
    assert not session.follower.searching
    records = session.records + session.assembler.close()
    assert [record.octets for record in records] == [b"/?!\r\n", IDENT, *[READ, DATA] * 12]
    assert all(record.kind is Kind.FRAME for record in records)
    late = records[-8:]
    assert not any(record.parity_errors for record in late)
    assert [str(record.line) for record in late] == ["8N1" if record.sender is without else "7E1" for record in late]
    assert not any(record.parity_errors for record in records if record.sender is not without)


@pytest.mark.parametrize("taps", [TWO, MERGED], ids=["two taps", "one"])
@pytest.mark.parametrize("without", [CLIENT, SERVER])
def test_the_other_side_is_checked_on(taps: dict[int, Sender], without: Sender) -> None:
    session = Session(taps, {without})
    session.talk(12)
    other, text = (SERVER, DATA) if without is CLIENT else (CLIENT, READ)
    session.say(other, text, wrong=5)
    session.say(without, READ if without is CLIENT else DATA)
    records = session.records + session.assembler.close()
    (last,) = [record for record in records[-2:] if record.sender is other]
    assert (last.octets, last.parity_errors) == (text, (5,))


@pytest.mark.parametrize("taps", [TWO, MERGED], ids=["two taps", "one"])
def test_a_side_without_parity_is_followed(taps: dict[int, Sender]) -> None:
    session = Session(taps, {CLIENT})
    session.talk(8)
    session.say(CLIENT, b"\x06041\r\n")
    assert session.changes[-1] == Change(Settings(4800, EVEN), "OptionSelect")
    assert session.follower.without_parity == {CLIENT}


@pytest.mark.parametrize("taps", [TWO, MERGED], ids=["two taps", "one"])
def test_both_sides_are_the_line(taps: dict[int, Sender]) -> None:
    session = Session(taps, {CLIENT, SERVER})
    session.talk(12)
    assert session.changes == [Change(Settings(9600, Line(8, "N", 1)), "no-parity")]


@pytest.mark.parametrize("taps", [TWO, MERGED], ids=["two taps", "one"])
def test_bad_messages_that_carry_parity_make_no_garbage(taps: dict[int, Sender]) -> None:
    """Half of the other side's octets are wrong although bit 7 is set in others, but not as in garbage. Only the end of
    a long message shows which side sent it."""
    session = Session(taps, {SERVER})
    for _ in range(3):
        session.say(CLIENT, checked(b"\x01W1\x020021(1234567890123456789012345678901)\x03")[:-1] + b"\x00")
        session.say(SERVER, checked(b"\x02" + b"0021(00123.4*kWh)(4711)" * 5 + b"\x03"))
    assert session.changes == [Change(FAST, "no-parity", SERVER)]


@pytest.mark.parametrize("taps", [TWO, MERGED], ids=["two taps", "one"])
def test_neither_side(taps: dict[int, Sender]) -> None:
    """Single errors prove nothing about a side."""
    session = Session(taps, set())
    for number in range(20):
        session.say(CLIENT, READ, wrong=number % len(READ))
        session.say(SERVER, DATA, wrong=number % len(DATA))
    assert session.changes == []


@pytest.mark.parametrize("taps", [TWO, MERGED], ids=["two taps", "one"])
def test_garbage_is_no_side_without_parity(taps: dict[int, Sender]) -> None:
    """A side that was found earlier is forgotten as well."""
    session = Session(taps, {SERVER})
    session.talk(12)
    assert session.follower.without_parity == {SERVER}
    tap = max(taps)
    for value in bytes(range(0x81, 0xC1)) * 2:
        session.follower.feed(tap, [(value, 0)], session.now)
    assert session.follower.searching
    assert session.follower.without_parity == frozenset()
