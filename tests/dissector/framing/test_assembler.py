"""The assembler: records in order, with everything that the taps know."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector.framing.assembler import MAX_HOLD_NS, MAX_PAUSES, Assembler, Tap
from vtctap.dissector.framing.pieces import Octet
from vtctap.dissector.framing.senders import natural_sender
from vtctap.dissector.protocol.messages import decode
from vtctap.pcap.record import MAX_OCTETS, Flag, Kind, Line, Record, Sender
from vtctap.pcap.record import encode as encode_record

MS = 1_000_000
T0 = 1_700_000_000_000_000_000
GAP = 1_500 * MS
SPEED = 9600
SEVEN_EVEN, EIGHT = Line(7, "E", 1), Line(8, "N", 1)
CHARACTER = SEVEN_EVEN.character_time_ns(SPEED)
CLIENT, SERVER, UNKNOWN = Sender.CLIENT, Sender.SERVER, Sender.UNKNOWN


@dataclass(frozen=True)
class Said:
    """A message on the line: its sender, the pause since the previous message (ns), and its octets."""

    sender: Sender
    after: int
    octets: bytes
    kind: Kind = Kind.FRAME


def c(octets: bytes, after: int = 200 * MS) -> Said:
    return Said(CLIENT, after, octets)


def m(octets: bytes, after: int = 40 * MS) -> Said:
    return Said(SERVER, after, octets)


PROGRAMMING = [
    c(b"/?!\r\n"),
    m(b"/ISK5\\2MT382\r\n"),
    c(b"\x06051\r\n"),
    m(b"\x01P0\x02(00000000)\x03\x60"),
    c(b"\x01P1\x02(00000000)\x03\x61"),
    m(b"\x06"),
    c(b"\x01R1\x020004()\x03\x67"),
    m(b"\x02(16)\x03\x05"),
    c(b"\x01W1\x020010(59084783951214432117)\x03\x63"),
    m(b"\x15"),
    c(b"\x01W1\x020010(59084783951214432117)\x03\x63"),
    m(b"\x06"),
    c(b"\x01E2\x02RUN(1;2)\x03\x06"),
    m(b"\x02(ER01)\x03\x14"),
    c(b"\x01R3\x02P.01()\x03\x13"),
    m(b"\x02P.01(1)(2)\r\n\x04\x7f"),
    c(b"\x06"),
    m(b"\x02(16)\x03\x05"),
    c(b"\x15"),
    m(b"\x02(16)\x03\x05"),
    c(b"\x01B0\x03\x71"),
]
READOUT = [
    c(b"\x00" * 20),
    c(b"/?12345678!\r\n", 30 * MS),
    m(b"/ISK5MT382\r\n"),
    c(b"\x06050\r\n"),
    m(b"\x020.0.0(123)\r\n!\r\n\x03\x55"),
    c(b"\x15"),
    m(b"\x020.0.0(123)\r\n!\r\n\x03\x55"),
    m(b"/ISK5MT382\r\n\r\n1.8.0(1*kWh)\r\n!\r\n", 5000 * MS),
]
HDLC_1, HDLC_2 = b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e", b"\x7e\xa0\x07\x21\x03\x73\x73\x77\x7e"
HDLC_BAD = HDLC_2[:-2] + b"\x76\x7e"
MODE_E = [
    c(b"/?!\r\n"),
    m(b"/ISK5\\2MT382\r\n"),
    c(b"\x06252\r\n"),
    m(b"\x06252\r\n"),
    c(HDLC_1),
    m(HDLC_2),
    c(HDLC_1),
    m(HDLC_2),
    c(b"/?!\r\n", 2000 * MS),
    Said(CLIENT, 0, HDLC_BAD, Kind.NOISE),
]


def with_even_parity(octets: bytes) -> bytes:
    return bytes(octet | (octet.bit_count() % 2) << 7 for octet in octets)


def received(said: Said, line: Line) -> bytes:
    return said.octets if line == EIGHT or said.octets in (HDLC_1, HDLC_2, HDLC_BAD) else with_even_parity(said.octets)


def timed(octets: bytes, start: int = T0, step: int = CHARACTER) -> list[Octet]:
    return [Octet(value, start + at * step) for at, value in enumerate(octets)]


def on_the_line(session: Iterable[Said], line: Line) -> list[tuple[Said, list[Octet]]]:
    spoken, now = [], T0
    for said in session:
        octets = timed(received(said, line), now + said.after)
        spoken.append((said, octets))
        now = octets[-1].start + CHARACTER
    return spoken


def two_taps(line: Line = SEVEN_EVEN) -> list[Tap]:
    return [Tap(0, CLIENT, line, SPEED), Tap(1, SERVER, line, SPEED)]


def one_tap(sender: Sender = UNKNOWN, line: Line = SEVEN_EVEN) -> list[Tap]:
    return [Tap(0, sender, line, SPEED)]


def assembler(taps: Sequence[Tap], link: int = 0, *, synthetic: bool = False) -> Assembler:
    return Assembler(link, taps, gap_limit_ns=GAP, synthetic=synthetic)


def live(taps: Sequence[Tap], session: Iterable[Said], every: int, *, line: Line = SEVEN_EVEN) -> list[Record]:
    """Feeds an assembler as a capture does: every ``every`` ns, all octets that have ended, tap by tap, and then the
    time."""
    new = assembler(taps)
    waiting: dict[int, list[Octet]] = {tap.number: [] for tap in taps}
    for said, octets in on_the_line(session, line):
        waiting[(0 if said.sender is CLIENT else 1) if len(taps) > 1 else 0] += octets
    records, now = [], T0
    while any(waiting.values()):
        now += every
        for tap, octets in waiting.items():
            over = sum(octet.start + CHARACTER <= now for octet in octets)
            if over:
                records += new.feed(tap, octets[:over])
                del octets[:over]
        records += new.advance(now - 10 * MS)
    return records + new.close()


def check(records: Sequence[Record], session: Sequence[Said], *, line: Line = SEVEN_EVEN, inferred: bool) -> None:
    spoken = on_the_line(session, line)
    assert [record.octets for record in records] == [said.octets for said in session]
    assert [record.kind for record in records] == [said.kind for said in session]
    assert [record.time for record in records] == [octets[0].start for _, octets in spoken]
    assert [record.duration for record in records] == [len(octets) * CHARACTER for _, octets in spoken]
    frames = [(record, said) for record, said in zip(records, session, strict=True) if said.kind is Kind.FRAME]
    assert [record.sender for record, _ in frames] == [said.sender for _, said in frames]
    assert {record.inferred for record, _ in frames} == {inferred}
    assert {record.flags & ~Flag.PARITY for record in records} == {0}


SESSIONS = {"programming": PROGRAMMING, "readout": READOUT}


@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS)
@pytest.mark.parametrize("line", [SEVEN_EVEN, EIGHT], ids=str)
@pytest.mark.parametrize("every", [MS, 16 * MS, 100 * MS, 900 * MS])
def test_session(session: list[Said], line: Line, every: int) -> None:
    """The session gives the same records in whatever pieces its octets arrive, on two wires, and on one with inferred
    senders."""
    two = live(two_taps(line), session, every, line=line)
    check(two, session, line=line, inferred=False)
    assert [record.tap for record in two] == [0 if said.sender is CLIENT else 1 for said in session]
    assert {(record.line, record.speed, record.link, record.pauses_us, record.parity_errors) for record in two} == {
        (line, SPEED, 0, (), ())
    }
    one = live(one_tap(line=line), session, every, line=line)
    check(one, session, line=line, inferred=True)
    assert {record.tap for record in one} == {0}


@pytest.mark.parametrize("every", [MS, 100 * MS])
@pytest.mark.parametrize("merged", [False, True])
def test_mode_e(merged: bool, every: int) -> None:
    """Binary frames keep their eighth bit, and are 8N1 on a 7E1 line. The next sign-on ends mode E."""
    # The server repeats the option select to confirm it: that is no echo.
    records = live(one_tap() if merged else two_taps(), MODE_E, every)
    assert [(record.octets, record.kind) for record in records[:9]] == [
        (said.octets, Kind.FRAME) for said in MODE_E[:9]
    ]
    assert {record.line for record in records[4:8]} == {EIGHT}
    assert {record.line for record in (*records[:4], records[8])} == {SEVEN_EVEN}
    assert {record.flags & Flag.PARITY for record in records[:9]} == {0}
    assert [record.sender for record in records[4:8]] == [CLIENT, SERVER, CLIENT, SERVER]
    # After the sign-on, octets without a right check sequence are no HDLC frame, but noise or what the SOH in them
    # seems to begin.
    assert {record.line for record in records[9:]} == {SEVEN_EVEN}
    assert b"".join(record.octets for record in records[9:]) == bytes(octet & 0x7F for octet in HDLC_BAD)


@given(st.lists(st.sampled_from(PROGRAMMING), max_size=6), st.randoms(use_true_random=False))
def test_one_wire_does_not_depend_on_chunks(session: list[Said], chance: random.Random) -> None:
    octets = [octet for _, spoken in on_the_line(session, SEVEN_EVEN) for octet in spoken]
    whole = assembler(one_tap())
    expected = whole.feed(0, octets) + whole.close()
    chunked = assembler(one_tap())
    records: list[Record] = []
    at = 0
    while at < len(octets):
        size = chance.randint(1, 20)
        records += chunked.feed(0, octets[at : at + size])
        at += size
        if chance.random() < 0.3 and at < len(octets):
            records += chunked.advance(octets[at].start)
    assert records + chunked.close() == expected
    assert [octet for record in expected for octet in record.octets] == [octet.value & 0x7F for octet in octets]


def test_order_of_start_not_of_end() -> None:
    """The server's long frame begins first and is complete last."""
    new = assembler(two_taps())
    records = new.feed(1, timed(with_even_parity(b"\x02(1"), T0))
    records += new.feed(0, timed(with_even_parity(b"/?!\r\n"), T0 + CHARACTER))
    assert records == []
    records += new.feed(1, timed(with_even_parity(b"2)\x03\x07"), T0 + 8 * CHARACTER))
    records += new.advance(T0 + 100 * MS) + new.close()
    assert [(record.tap, record.octets) for record in records] == [(1, b"\x02(12)\x03\x07"), (0, b"/?!\r\n")]
    assert {record.flags for record in records} == {0}


def test_nothing_waits_longer_than_it_must() -> None:
    new = assembler(two_taps())
    assert new.feed(0, timed(with_even_parity(b"/?!\r\n"))) == []  # the other tap may have received something before
    assert new.advance(T0) == []
    (record,) = new.advance(T0 + 1)
    assert record.octets == b"/?!\r\n"
    alone = assembler(one_tap())
    (record,) = alone.feed(0, timed(with_even_parity(b"/?!\r\n")))
    assert record.octets == b"/?!\r\n"


def test_held_too_long() -> None:
    """The other tap has a frame open that began earlier. The record is written after one second, and flagged."""
    new = assembler(two_taps())
    assert new.feed(1, timed(with_even_parity(b"\x02(1"))) == []
    start = T0 + 10 * CHARACTER
    assert new.feed(0, timed(with_even_parity(b"/?!\r\n"), start)) == []
    end = start + 5 * CHARACTER
    assert new.advance(end + MAX_HOLD_NS) == []
    (record,) = new.advance(end + MAX_HOLD_NS + 1)
    assert (record.octets, record.flags) == (b"/?!\r\n", Flag.ORDER_UNCERTAIN)
    (late,) = new.feed(1, timed(with_even_parity(b"2)\x03\x07"), end + MAX_HOLD_NS + MS)) + new.close()
    assert (late.octets, late.flags, late.time) == (b"\x02(12)\x03\x07", 0, T0)


def test_noise_on_one_tap_does_not_hold_the_other_up() -> None:
    """A disturbance at the end of the client's message, and an answer that takes longer than a record is held."""
    slow = 300 * MS
    new = assembler(two_taps())
    records = new.feed(0, timed(with_even_parity(b"/?!\r\n\x7f")))
    now = T0 + 50 * MS
    for octet in timed(with_even_parity(b"/ABC5x\r\n\x02(1)\x033"), now, slow):
        records += new.feed(1, [octet])
        records += new.advance(octet.start + slow // 2)
    records += new.close()
    assert [(record.tap, record.octets, record.flags) for record in records] == [
        (0, b"/?!\r\n", 0), (0, b"\x7f", 0), (1, b"/ABC5x\r\n", 0), (1, b"\x02(1)\x033", 0),
    ]  # fmt: skip


def test_order_within_a_tap_is_that_of_the_octets() -> None:
    """The order stays even if the times go back, as in a trace whose clock was set."""
    new = assembler(two_taps())
    records = new.feed(0, timed(with_even_parity(b"/?1!\r\n"), T0))
    records += new.feed(0, timed(with_even_parity(b"/?2!\r\n"), T0 - 10 * MS))
    records += new.feed(1, timed(with_even_parity(b"\x06"), T0 + 100 * MS))
    records += new.close()
    assert [record.octets for record in records] == [b"/?1!\r\n", b"/?2!\r\n", b"\x06"]
    assert [record.time for record in records] == [T0, T0 - 10 * MS, T0 + 100 * MS]


def test_the_other_side_is_not_heard_before_it_can_have_reacted() -> None:
    """A disturbance on the other wire does not end an ACK that continues as an option select."""
    new = assembler(two_taps(EIGHT))
    records = new.feed(0, timed(b"\x06"))
    records += new.feed(1, timed(b"\xff", T0 + CHARACTER + 10 * MS))
    records += new.feed(0, timed(b"051\r\n", T0 + 20 * MS)) + new.close()
    assert [record.octets for record in records] == [b"\x06051\r\n", b"\xff"]


def test_a_time_that_was_told_stays_told() -> None:
    new = assembler(two_taps())
    new.advance(T0 + MS)
    new.advance(T0 - MS)
    assert len(new.feed(0, timed(with_even_parity(b"/?!\r\n")))) == 1


def test_nothing_is_held_at_the_end() -> None:
    new = assembler(two_taps())
    new.feed(1, timed(with_even_parity(b"\x02(1")))
    new.feed(0, timed(with_even_parity(b"\x06"), T0 + MS))
    assert [(record.octets, record.flags) for record in new.close()] == [(b"\x02(1", Flag.CUT), (b"\x06", 0)]
    assert new.close() == []


# Events.


def event(time: int, text: str = "mark here") -> Record:
    return Record(time, kind=Kind.EVENT, event=text)


@pytest.mark.parametrize("taps", [one_tap(), two_taps()], ids=["one", "two"])
def test_events_in_their_place(taps: list[Tap]) -> None:
    new = assembler(taps)
    records = new.event(event(T0 - 1, "opened"))
    records += new.feed(0, timed(with_even_parity(b"/?!\r\n"), T0))
    records += new.event(event(T0 + 2 * CHARACTER, "during"))
    records += new.event(event(T0 + 50 * MS, "between"))
    records += new.feed(taps[-1].number, timed(with_even_parity(b"/ABC5x\r\n"), T0 + 100 * MS))
    records += new.event(event(T0 + 500 * MS, "after"))
    records += new.advance(T0 + 600 * MS)
    records += new.event(event(T0 + 10_000 * MS, "closed"))
    records += new.close()
    assert [record.event or record.octets.decode() for record in records] == [
        "opened", "/?!\r\n", "during", "between", "/ABC5x\r\n", "after", "closed",
    ]  # fmt: skip
    assert {record.flags for record in records} == {0}


def test_an_event_waits_for_what_began_before_it() -> None:
    new = assembler(one_tap())
    new.feed(0, timed(with_even_parity(b"/?!")))
    assert new.event(event(T0 + 10 * MS)) == []
    assert [record.event for record in new.feed(0, timed(with_even_parity(b"\r\n"), T0 + 5 * MS))] == [""]
    assert [record.event for record in new.advance(T0 + 11 * MS)] == ["mark here"]


def test_an_event_waits_for_octets_faster_than_the_line() -> None:
    """A pseudo-terminal has no speed, so an octet may begin before the last one would have ended."""
    new = assembler(one_tap())
    records = new.feed(0, timed(with_even_parity(b"/?!\r\n"), T0, 0))
    records += new.event(event(T0 + CHARACTER // 2))
    records += new.feed(0, timed(with_even_parity(b"\x06051\r\n"), T0, 0))
    records += new.advance(T0 + 100 * MS) + new.close()
    assert [record.time for record in records] == [T0, T0, T0 + CHARACTER // 2]


# Echo.


@pytest.mark.parametrize("octets", [b"/?!\r\n", b"\x01R1\x020004()\x03\x67", b"\x06", b"\x06051\r\n"])
@pytest.mark.parametrize("late", [0, MS // 2])
def test_echo(octets: bytes, late: int) -> None:
    """The optical head sends the client's octets back, and the server's tap receives them as they are sent."""
    new = assembler(two_taps())
    records = new.feed(0, timed(with_even_parity(octets)))
    records += new.feed(1, timed(with_even_parity(octets), T0 + late))
    records += new.advance(T0 + 100 * MS) + new.close()
    assert [(record.tap, record.flags) for record in records] == [(0, 0), (1, Flag.ECHO)]


def test_a_late_echo_is_known_by_who_says_such_a_thing() -> None:
    new = assembler(two_taps())
    records = new.feed(0, timed(with_even_parity(b"/?!\r\n")))
    records += new.feed(1, timed(with_even_parity(b"/?!\r\n"), T0 + 300 * MS))
    assert [record.flags for record in records + new.close()] == [0, Flag.ECHO]


def test_the_same_answer_is_no_echo() -> None:
    """A client's acknowledgement and a later one of the server, the same octets twice on one tap, and data that look
    like an echo of themselves."""
    new = assembler(two_taps())
    records = new.feed(0, timed(with_even_parity(b"\x06")))
    records += new.feed(1, timed(with_even_parity(b"\x06"), T0 + 50 * MS))
    records += new.feed(1, timed(with_even_parity(b"\x06"), T0 + 100 * MS))
    assert [record.flags for record in records + new.close()] == [0, 0, 0]


def test_an_echo_that_is_stamped_before_its_original_makes_this_no_echo() -> None:
    new = assembler(two_taps())
    records = new.feed(1, timed(with_even_parity(b"/?!\r\n")))
    records += new.feed(0, timed(with_even_parity(b"/?!\r\n"), T0 + MS // 2))
    by_tap = {record.tap: record.flags for record in records + new.close()}
    assert by_tap[0] == 0


def test_an_original_has_one_echo() -> None:
    new = assembler(two_taps())
    records = new.feed(0, timed(with_even_parity(b"/?!\r\n")))
    records += new.feed(1, timed(with_even_parity(b"/?!\r\n/?!\r\n"), T0 + MS))
    assert [record.flags for record in records + new.close()] == [0, Flag.ECHO, 0]


def test_one_wire_has_no_echo() -> None:
    new = assembler(one_tap())
    records = new.feed(0, timed(with_even_parity(b"/?!\r\n/?!\r\n")))
    assert [record.flags for record in records + new.close()] == [0, 0]


# Errors and pauses of each octet.

OF_EACH_KIND = [*dict.fromkeys(said.octets for said in PROGRAMMING + READOUT), b"noise"]


@pytest.mark.parametrize("parity", "EO")
def test_wrong_parity_of_every_octet(parity: str) -> None:
    """Bit 7 of each octet of each message is inverted in turn: its position is listed, and nothing else changes."""
    line = Line(7, parity, 1)
    for octets in OF_EACH_KIND:
        sent = with_even_parity(octets)
        if parity == "O":
            sent = bytes(octet ^ 0x80 for octet in sent)
        for position in range(len(octets)):
            new = assembler(one_tap(SERVER if octets == b"\x06" else CLIENT, line))
            flipped = bytes(octet ^ 0x80 if at == position else octet for at, octet in enumerate(sent))
            (record,) = new.feed(0, timed(flipped)) + new.close()
            assert (record.octets, record.parity_errors, record.flags) == (octets, (position,), Flag.PARITY)


def test_framing_errors_breaks_and_overruns() -> None:
    octets = timed(with_even_parity(b"\x02(16)\x03\x05"))
    octets[2] = octets[2]._replace(flags=Flag.FRAMING)
    octets[5] = octets[5]._replace(flags=Flag.FRAMING | Flag.BREAK)
    octets[3] = octets[3]._replace(flags=Flag.OVERRUN)
    new = assembler(one_tap())
    (record,) = new.feed(0, octets)
    assert record.framing_errors == (2, 5)
    assert record.flags == Flag.FRAMING | Flag.BREAK | Flag.OVERRUN
    assert record.parity_errors == ()


def test_pauses() -> None:
    """Silence of a character or more is listed in whole microseconds, and counts in the duration."""
    steps = [0, CHARACTER, 2 * CHARACTER - 1, 2 * CHARACTER, 500 * MS + 999, CHARACTER, GAP + CHARACTER]
    start, octets = T0, []
    for value, step in zip(with_even_parity(b"\x02(16)\x03\x05"), steps, strict=True):
        start += step
        octets.append(Octet(value, start, 1234))
    new = assembler(one_tap())
    (record,) = new.feed(0, octets)
    silence = [step - CHARACTER for step in steps]
    assert record.pauses_us == tuple((at, silence[at] // 1000) for at in (3, 4, 6))
    assert record.duration == octets[-1].start - T0 + CHARACTER
    assert (record.time, record.uncertainty) == (T0, 1234)


def test_cut_and_synthetic() -> None:
    new = assembler(one_tap(), synthetic=True)
    (record,) = new.feed(0, timed(with_even_parity(b"\x02(1"))) + new.close()
    assert record.flags == Flag.CUT | Flag.SYNTHETIC


def test_link_number() -> None:
    new = assembler(one_tap(), link=7)
    (record,) = new.feed(0, timed(with_even_parity(b"/?!\r\n")))
    assert record.link == 7


def test_noise_on_one_wire_has_no_sender() -> None:
    new = assembler(one_tap())
    noise, frame = new.feed(0, timed(with_even_parity(b"noise/?!\r\n")))
    assert (noise.kind, noise.sender, noise.inferred) == (Kind.NOISE, UNKNOWN, False)
    assert (frame.sender, frame.inferred) == (CLIENT, True)


def test_an_ack_with_nothing_before_it_has_no_sender() -> None:
    new = assembler(one_tap())
    (record,) = new.feed(0, timed(b"\x06")) + new.close()
    assert (record.sender, record.inferred) == (UNKNOWN, False)


def test_natural_senders() -> None:
    """Octets that only one side sends. A challenge is the server's, although it is a command."""
    for said in PROGRAMMING + READOUT:
        natural = natural_sender(decode(said.octets))
        assert natural is (UNKNOWN if said.octets in (b"\x06", b"\x15") else said.sender)


# Settings that change.


def test_a_change_of_speed_holds_for_what_is_fed_afterwards() -> None:
    taps = one_tap()
    new = assembler(taps)
    records = new.feed(0, timed(with_even_parity(b"xy"), T0))
    taps[0].speed, taps[0].line = 300, EIGHT
    slow = EIGHT.character_time_ns(300)
    records += new.advance(T0 + 3 * CHARACTER)
    start = T0 + 10 * MS
    records += new.feed(0, timed(b"/?!\r\n", start, slow)) + new.close()
    assert [(record.octets, record.speed, record.line) for record in records] == [
        (b"xy", SPEED, SEVEN_EVEN),
        (b"/?!\r\n", 300, EIGHT),
    ]
    assert [record.duration for record in records] == [2 * CHARACTER, 5 * slow]
    assert [record.pauses_us for record in records] == [(), ()]


# Long frames.


@pytest.mark.parametrize("merged", [False, True])
def test_the_parts_of_a_long_frame_have_one_sender(merged: bool) -> None:
    body = b"\x02" + b"/?!\r\n" * 30_000 + b"\x03\x55"
    new = assembler(one_tap() if merged else one_tap(SERVER))
    records = new.feed(0, timed(with_even_parity(body))) + new.close()
    assert b"".join(record.octets for record in records) == body
    assert [len(record.octets) for record in records] == [MAX_OCTETS, MAX_OCTETS, len(body) - 2 * MAX_OCTETS]
    assert {(record.sender, record.inferred, record.flags) for record in records} == {(SERVER, merged, Flag.CUT)}


def test_the_later_part_of_a_frame_is_no_message() -> None:
    """Mode E continues, although the second part begins like the sign-on that would end it."""
    long = (b"\x02" + b"a" * (MAX_OCTETS - 1) + b"/?!\r\n").ljust(MAX_OCTETS + 99, b"b") + b"\x03\x55"
    new = assembler(one_tap(line=EIGHT))
    records = new.feed(0, timed(b"\x06252\r\n" + long + HDLC_2)) + new.close()
    assert [(record.octets, record.kind) for record in records[-1:]] == [(HDLC_2, Kind.FRAME)]


def test_without_a_speed_there_are_no_pauses() -> None:
    taps = one_tap(line=EIGHT)
    taps[0].speed = 0
    new = assembler(taps)
    (record,) = new.feed(0, timed(b"/?!\r\n", T0, 0))
    assert (record.pauses_us, record.duration) == ((), 0)


def test_too_many_pauses_for_one_record() -> None:
    """The data of each packet stays well below Wireshark's limit; no octet and no pause is lost."""
    body = b"\x02" + b"a" * 45_000 + b"\x03\x55"
    new = assembler(one_tap(line=EIGHT))
    step = 3 * CHARACTER
    records = new.feed(0, timed(body, T0, step)) + new.close()
    assert b"".join(record.octets for record in records) == body
    assert all(len(record.pauses_us) <= MAX_PAUSES for record in records)
    assert all(len(encode_record(record)) < 262_144 for record in records)
    assert sum(len(record.pauses_us) for record in records) == len(body) - len(records)
    starts = [T0 + step * sum(len(before.octets) for before in records[:at]) for at in range(len(records))]
    assert [record.time for record in records] == starts
    assert {(record.sender, record.flags) for record in records} == {(SERVER, Flag.CUT)}


def test_long_noise_with_pauses_stays_noise() -> None:
    new = assembler(one_tap(line=EIGHT))
    records = new.feed(0, timed(b"x" * 45_000, T0, 3 * CHARACTER)) + new.close()
    assert len(records) > 1
    assert {(record.kind, record.flags) for record in records} == {(Kind.NOISE, 0)}


def test_binary_parts_stay_binary() -> None:
    """A wire that changed to mode E on one tap changed on both."""
    new = assembler(two_taps())
    records = new.feed(0, timed(with_even_parity(b"\x06252\r\n")))
    records += new.feed(1, timed(HDLC_2, T0 + 100 * MS))
    records += new.feed(0, timed(with_even_parity(b"\x01B0\x03\x71"), T0 + 200 * MS))
    records += new.feed(1, timed(b"\x7e\xa0", T0 + 300 * MS))
    records += new.close()
    assert [(record.kind, record.line) for record in records] == [
        (Kind.FRAME, SEVEN_EVEN), (Kind.FRAME, EIGHT), (Kind.FRAME, SEVEN_EVEN), (Kind.NOISE, SEVEN_EVEN),
    ]  # fmt: skip


def test_records_are_whole_when_they_leave() -> None:
    """Each record can be stored."""
    for record in live(two_taps(), PROGRAMMING, 16 * MS):
        assert encode_record(replace(record, link=3))


def test_what_is_open_when_a_tap_is_lost_is_cut() -> None:
    """Its check character may have been sent while the tap was lost. At the end of a capture, the frame may have had
    none."""
    for text, flags in (
        (b"\x020004(1)\x03", Flag.CUT),
        (b"\x020004(1)\x037", 0),
        (b"\x020004", Flag.CUT),
        (b"\x06", 0),
    ):
        new = assembler(two_taps())
        records = new.feed(1, timed(with_even_parity(text))) + new.end(1) + new.close()
        assert [(record.octets, record.flags) for record in records] == [(text, flags)]
    new = assembler(two_taps())
    records = new.feed(1, timed(with_even_parity(b"\x020004(1)\x03"))) + new.close()
    assert [record.flags for record in records] == [0]
