"""Octets of earlier captures: restored bit for bit, and framed again."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vtctap.dissector.framing.assembler import Assembler, Tap
from vtctap.dissector.framing.pieces import Octet
from vtctap.dissector.framing.reframe import assemble, octets_of, reframe
from vtctap.dissector.protocol.characters import received
from vtctap.pcap.burst import Burst
from vtctap.pcap.record import EIGHT_BITS, Flag, Kind, Line, Record, Sender, decode, encode

MS = 1_000_000
T0 = 1_700_000_000_000_000_000
GAP = 1_500 * MS
SPEED = 9600
SEVEN_EVEN, EIGHT = Line(7, "E", 1), Line(8, "N", 1)
CHARACTER = EIGHT.character_time_ns(SPEED)
CLIENT, SERVER, UNKNOWN = Sender.CLIENT, Sender.SERVER, Sender.UNKNOWN

REQUEST, IDENTIFICATION, OPTION = b"/?!\r\n", b"/ISK5\\2MT382\r\n", b"\x06051\r\n"
READ, DATA, BREAK = b"\x01R1\x020004()\x03\x67", b"\x02(16)\x03\x05", b"\x01B0\x03\x71"


def ones(octet: int) -> int:
    return sum(octet >> bit & 1 for bit in range(8))


def with_even_parity(octets: bytes) -> bytes:
    return bytes(octet | (ones(octet) % 2) << 7 for octet in octets)


# Octets as they were received.


def parity_is_good(octet: int, parity: str) -> bool:
    """Whether the parity of all eight bits is right, on a line with seven data bits."""
    return {"E": ones(octet) % 2 == 0, "O": ones(octet) % 2 == 1, "M": octet >= 0x80, "S": octet < 0x80}[parity]


@pytest.mark.parametrize("parity", "EOMS")
@given(octets=st.binary())
def test_received(parity: str, octets: bytes) -> None:
    """The record holds enough to restore the octets."""
    record = Record(
        T0,
        bytes(octet & 0x7F for octet in octets),
        line=Line(7, parity, 1),
        parity_errors=tuple(at for at, octet in enumerate(octets) if not parity_is_good(octet, parity)),
    )
    assert received(record) == octets
    assert received(decode(encode(record), T0)) == octets


@pytest.mark.parametrize("line", [None, EIGHT, Line(7, "N", 2), Line(8, "E", 1)])
def test_received_without_a_parity_bit(line: Line | None) -> None:
    octets = bytes(range(256))
    assert received(Record(T0, octets, line=line)) == octets


def test_octets_of() -> None:
    """By hand: 10 characters a second, a pause of half a second before the third octet, and 60 ms more of silence, too
    short to be listed, shared by the other two places."""
    record = Record(
        T0,
        b"abcd",
        line=EIGHT,
        speed=100,
        uncertainty=5,
        duration=960 * MS,
        flags=Flag.BREAK | Flag.FRAMING | Flag.CUT,
        framing_errors=(1,),
        pauses_us=((2, 500_000),),
    )
    assert octets_of(record) == [
        Octet(ord("a"), T0, 5, Flag.BREAK),
        Octet(ord("b"), T0 + 130 * MS, 5, Flag.FRAMING),
        Octet(ord("c"), T0 + 730 * MS, 5, 0),
        Octet(ord("d"), T0 + 860 * MS, 5, 0),
    ]


@pytest.mark.parametrize(("uncertainty", "kept"), [(None, Flag.ORDER_UNCERTAIN), (5, 0)])
def test_an_order_that_the_tap_called_uncertain_stays_so(uncertainty: int | None, kept: int) -> None:
    """The comparison of timestamps gives the same result again."""
    record = Record(T0, b"ab", line=EIGHT, speed=100, uncertainty=uncertainty, flags=Flag.ORDER_UNCERTAIN)
    assert [octet.flags for octet in octets_of(record)] == [kept, 0]


@pytest.mark.parametrize(
    ("record", "starts"),
    [
        (Record(T0), []),
        (Record(T0, b"abc", line=EIGHT, speed=100), [0, 100, 200]),  # the duration is not known
        (Record(T0, b"abc", duration=900 * MS), [0, 300, 600]),  # neither are line and speed
        (Record(T0, b"abc"), [0, 0, 0]),
        (Record(T0, b"abc", line=EIGHT, speed=100, duration=100 * MS), [0, 0, 0]),  # compressed
        (Record(T0, b"ab", line=EIGHT, speed=100, duration=700 * MS, pauses_us=((1, 500_000),)), [0, 600]),
        (Record(T0, b"abc", line=EIGHT, duration=900 * MS, pauses_us=((2, 600_000),)), [0, 100, 800]),
        (Record(T0, b"ab", duration=900 * MS, pauses_us=((1, 950_000),)), [0, 900]),  # more pause than time
    ],
)
def test_octet_times(record: Record, starts: list[int]) -> None:
    assert [(octet.start - T0) // MS for octet in octets_of(record)] == starts


def test_a_parity_error_that_another_tool_reported_stays() -> None:
    record = Record(T0, b"abc", line=EIGHT, speed=SPEED, flags=Flag.PARITY, kind=Kind.NOISE, duration=3 * CHARACTER)
    assert list(reframe([record], gap_limit_ns=GAP)) == [record]


# Traces framed again.

SAYINGS = [
    REQUEST,
    IDENTIFICATION,
    OPTION,
    READ,
    DATA,
    BREAK,
    b"\x06",
    b"\x15",
    b"\x00" * 12,
    b"\x02(1",
    b"noise",
    b"\x7f",
]


@st.composite
def traces(draw: st.DrawFn, *, merged: bool) -> list[Record]:
    """Draws what a tap makes of a half-duplex session with every kind of pause, fault and event."""
    line = draw(st.sampled_from([SEVEN_EVEN, EIGHT]))
    taps = [Tap(0, UNKNOWN if merged else CLIENT, line, SPEED)]
    if not merged:
        taps.append(Tap(1, SERVER, line, SPEED))
    chance = random.Random(draw(st.integers(0, 1 << 30)))
    link = draw(st.integers(0, 3))
    assembler = Assembler(link, taps, gap_limit_ns=GAP)
    records: list[Record] = []
    now = T0
    for side in draw(st.lists(st.integers(0, len(taps) - 1), max_size=8)):
        after = now + chance.choice([20 * MS, 200 * MS, 3_001 * MS])
        while now + 100 * MS < after:
            now += 100 * MS
            records += assembler.advance(now)
        now = after
        octets = []
        for value in chance.choice(SAYINGS):
            now += chance.choice([0] * 12 + [chance.randrange(CHARACTER), chance.randrange(MS, GAP), GAP + MS])
            value = value if line == EIGHT else with_even_parity(bytes([value]))[0]
            value ^= chance.choice([0] * 15 + [0x80])
            octets.append(Octet(value, now, 1000, Flag.FRAMING if chance.random() < 0.02 else 0))
            now += CHARACTER
        records += assembler.feed(side, octets)
        records += assembler.advance(now)
        if chance.random() < 0.2:
            now += MS
            records += assembler.event(Record(now, kind=Kind.EVENT, event="mark", link=link))
    return records + assembler.close()


def stored(records: Sequence[Record]) -> list[Record]:
    return [decode(encode(record), record.time) for record in records]


@pytest.mark.parametrize("merged", [True, False])
@given(data=st.data())
def test_a_trace_framed_again_is_the_same(merged: bool, data: st.DataObject) -> None:
    """Every record is the same: octets, times, durations, pauses, faults, senders and events."""
    records = data.draw(traces(merged=merged))
    assume(not any(record.flags & Flag.ORDER_UNCERTAIN for record in records))
    again = list(reframe(stored(records), gap_limit_ns=GAP))
    assert again == records
    assert list(reframe(again, gap_limit_ns=GAP)) == again


def session(line: Line, *, merged: bool) -> list[Record]:
    parity = with_even_parity if line == SEVEN_EVEN else bytes
    taps = [Tap(0, UNKNOWN if merged else CLIENT, line, SPEED)]
    if not merged:
        taps.append(Tap(1, SERVER, line, SPEED))
    assembler = Assembler(0, taps, gap_limit_ns=GAP)
    records, now = [], T0
    for side, octets in [
        (0, REQUEST),
        (1, IDENTIFICATION),
        (0, OPTION),
        (1, b"\x06"),
        (0, READ),
        (1, DATA),
        (0, BREAK),
    ]:
        now += 200 * MS
        # An 8N1 capture of a 7E1 line holds the parity bits as data.
        values = parity(octets) if line == SEVEN_EVEN else with_even_parity(octets)
        records += assembler.feed(side % len(taps), [Octet(v, now + at * CHARACTER) for at, v in enumerate(values)])
        now += len(octets) * CHARACTER
    return records + assembler.close()


@pytest.mark.parametrize("merged", [True, False])
def test_another_line(merged: bool) -> None:
    """An 8N1 capture of a 7E1 line, read as 7E1, is the 7E1 capture, and the other way round."""
    eight, seven = session(EIGHT, merged=merged), session(SEVEN_EVEN, merged=merged)
    assert any(record.octets[0] >= 0x80 for record in eight)
    assert list(reframe(eight, gap_limit_ns=GAP, line=SEVEN_EVEN)) == seven
    assert list(reframe(seven, gap_limit_ns=GAP, line=EIGHT)) == eight
    assert list(reframe(seven, gap_limit_ns=GAP)) == seven


def test_a_wrong_parity_bit_of_an_eight_bit_capture() -> None:
    octets = bytearray(with_even_parity(DATA))
    octets[2] ^= 0x80
    record = Record(T0, bytes(octets), line=EIGHT, speed=SPEED, sender=SERVER, duration=len(octets) * CHARACTER)
    (again,) = reframe([record], gap_limit_ns=GAP, line=SEVEN_EVEN)
    assert (again.octets, again.parity_errors, again.flags, again.line) == (DATA, (2,), Flag.PARITY, SEVEN_EVEN)


def test_another_gap_limit() -> None:
    """A frame that a pause cut is complete with a longer limit, and the other way round."""
    assembler = Assembler(0, [Tap(0, SERVER, EIGHT, SPEED)], gap_limit_ns=GAP)
    octets = [Octet(value, T0 + at * CHARACTER + (3_100 * MS if at > 2 else 0)) for at, value in enumerate(DATA)]
    cut = assembler.feed(0, octets) + assembler.close()
    assert [(record.octets, record.kind, record.flags) for record in cut] == [
        (DATA[:3], Kind.FRAME, Flag.CUT), (DATA[3:], Kind.NOISE, 0),
    ]  # fmt: skip
    (whole,) = reframe(cut, gap_limit_ns=4_000 * MS)
    assert (whole.octets, whole.flags, whole.pauses_us) == (DATA, 0, ((3, 3_100_000),))
    assert list(reframe([whole], gap_limit_ns=GAP)) == cut


def test_an_echo_in_the_first_record_of_a_tap() -> None:
    """The assembler learns about the server's tap when the client's first frame has already ended."""
    taps = [Tap(0, CLIENT, EIGHT, SPEED), Tap(1, SERVER, EIGHT, SPEED)]
    assembler = Assembler(0, taps, gap_limit_ns=GAP)
    octets = [Octet(value, T0 + at * CHARACTER) for at, value in enumerate(REQUEST)]
    records = assembler.feed(0, octets)
    records += assembler.feed(1, [octet._replace(start=octet.start + MS // 2) for octet in octets])
    records += assembler.close()
    assert [record.flags for record in records] == [0, Flag.ECHO]
    assert list(reframe(records, gap_limit_ns=GAP)) == records


def test_a_tap_that_changes_sides() -> None:
    """Two traces in one: open messages end, and nothing is lost."""
    client = Record(T0, REQUEST[:3], line=EIGHT, speed=SPEED, sender=CLIENT, duration=3 * CHARACTER)
    server = replace(client, time=T0 + MS * 100, octets=DATA, sender=SERVER, duration=len(DATA) * CHARACTER)
    assert list(reframe([client, server], gap_limit_ns=GAP)) == [client, server]


def test_a_wired_trace_after_a_tap_that_changed_sides() -> None:
    first, second = session(EIGHT, merged=False), session(EIGHT, merged=True)
    later = [replace(record, time=record.time + 100_000 * MS) for record in second]
    last = [replace(record, time=record.time + 200_000 * MS) for record in first]
    assert list(reframe([*first, *later, *last], gap_limit_ns=GAP)) == [*first, *later, *last]


def test_a_trace_with_made_up_times() -> None:
    """Pauses mean nothing here, but the change of sides still ends the ACK."""
    bursts = [
        Burst(b"\x06", CLIENT),
        Burst(DATA, SERVER),
        Burst(b"051\r\n", CLIENT),
        Burst(b"\x02(1", SERVER),
        Burst(READ, CLIENT),
    ]
    records = list(assemble(bursts, speed=SPEED, gap_limit_ns=GAP))
    assert [record.octets for record in records] == [burst.octets for burst in bursts]
    assert list(reframe(records, gap_limit_ns=GAP)) == records


def test_a_long_trace_is_not_gathered() -> None:
    """Records come out while the trace is read, although one tap is silent from some time on."""
    first, *_ = session(EIGHT, merged=False)
    server = replace(first, time=T0, tap=1, sender=SERVER, octets=DATA, duration=len(DATA) * CHARACTER)
    read = 0

    def trace() -> Iterator[Record]:
        nonlocal read
        yield server
        for number in range(100):
            read += 1
            yield replace(first, time=first.time + number * 500 * MS)

    for written, _ in enumerate(reframe(trace(), gap_limit_ns=GAP)):
        assert read <= written + 2
    assert written == 100


@pytest.mark.parametrize("merged", [True, False])
def test_mode_e(merged: bool) -> None:
    """Binary frames are 8N1 in the trace of a 7E1 line."""
    taps = [Tap(0, UNKNOWN, SEVEN_EVEN, SPEED)] if merged else []
    taps = taps or [Tap(0, CLIENT, SEVEN_EVEN, SPEED), Tap(1, SERVER, SEVEN_EVEN, SPEED)]
    assembler = Assembler(0, taps, gap_limit_ns=GAP)
    hdlc = b"\x7e\xa0\x07\x03\x21\x93\x0f\x01\x7e"
    records, now = [], T0
    select = with_even_parity(b"\x06252\r\n")
    for side, values in [
        (0, select),
        (1, select),
        (0, hdlc),
        (1, hdlc),
        (0, b"\xff"),
        (0, hdlc),
        (0, with_even_parity(BREAK)),
    ]:
        now += 200 * MS
        octets = [Octet(value, now + at * CHARACTER) for at, value in enumerate(values)]
        records += assembler.feed(side % len(taps), octets)
        now = octets[-1].start + CHARACTER
    records += assembler.close()
    assert [record.line for record in records if record.octets == hdlc] == [EIGHT] * 3
    assert list(reframe(records, gap_limit_ns=GAP)) == records


def test_links_and_events() -> None:
    records = [
        Record(T0 - MS, kind=Kind.EVENT, event="opened", link=0),
        replace(session(EIGHT, merged=True)[0], link=0),
        replace(session(EIGHT, merged=True)[0], link=5, tap=3),
        Record(T0 + 10_000 * MS, kind=Kind.EVENT, event="closed", link=0),
    ]
    again = list(reframe(records, gap_limit_ns=GAP))
    assert sorted(again, key=lambda record: (record.link, record.time)) == sorted(
        records, key=lambda record: (record.link, record.time)
    )
    assert list(reframe([], gap_limit_ns=GAP)) == []


def test_a_change_of_speed_stays() -> None:
    slow = EIGHT.character_time_ns(300)
    records = [
        Record(T0, b"xy", kind=Kind.NOISE, line=EIGHT, speed=SPEED, duration=2 * CHARACTER),
        Record(T0 + 10 * MS, b"zz", kind=Kind.NOISE, line=EIGHT, speed=300, duration=2 * slow),
    ]
    assert list(reframe(records, gap_limit_ns=GAP)) == records


def test_a_trace_whose_speed_is_unknown() -> None:
    """Such a trace comes from an import without a speed: characters last as long as they took."""
    bursts = [
        Burst(REQUEST, CLIENT, T0),  # compressed
        Burst(IDENTIFICATION, SERVER, T0 + 2 * MS),
        Burst(READ[:4], CLIENT, T0 + 500 * MS),
        Burst(READ[4:], CLIENT, T0 + 900 * MS),
        Burst(DATA, SERVER, T0 + 1_200 * MS),
    ]
    records = [replace(record, speed=0) for record in import_bursts(bursts)]
    assert [len(record.pauses_us) for record in records] == [0, 0, 1, 0]
    assert list(reframe(records, gap_limit_ns=GAP)) == records


# Recordings of other tools.


def import_bursts(bursts: Sequence[Burst], **settings: Line) -> list[Record]:
    return list(assemble(bursts, speed=SPEED, gap_limit_ns=GAP, **settings))


def test_without_times() -> None:
    """Octets follow each other at the speed, and are flagged; the change of sides decides possible ends."""
    bursts = [
        Burst(REQUEST, CLIENT),
        Burst(IDENTIFICATION, SERVER),
        Burst(OPTION, CLIENT),
        Burst(b"\x06", SERVER),
        Burst(READ, CLIENT),
    ]
    records = import_bursts(bursts)
    assert [record.octets for record in records] == [burst.octets for burst in bursts]
    assert [record.sender for record in records] == [burst.sender for burst in bursts]
    assert {record.flags for record in records} == {Flag.SYNTHETIC}
    assert {record.inferred for record in records} == {False}
    assert {record.uncertainty for record in records} == {None}
    assert records[0].time == 0
    assert all(before.end == after.time for before, after in pairwise(records))


def test_one_run_without_a_time_makes_all_synthetic() -> None:
    records = import_bursts(
        [Burst(REQUEST, CLIENT, T0), Burst(IDENTIFICATION, SERVER), Burst(OPTION, CLIENT, T0 + 900 * MS)]
    )
    assert {record.flags for record in records} == {Flag.SYNTHETIC}
    assert [record.time for record in records] == [T0, T0 + len(REQUEST) * CHARACTER, T0 + 900 * MS]


def test_with_times() -> None:
    bursts = [
        Burst(REQUEST, CLIENT, T0),
        Burst(IDENTIFICATION, SERVER, T0 + 50 * MS),
        Burst(OPTION, CLIENT, T0 + 300 * MS),
    ]
    records = import_bursts(bursts)
    assert [(record.octets, record.sender, record.time, record.flags) for record in records] == [
        (burst.octets, burst.sender, burst.time, 0) for burst in bursts
    ]
    assert [record.tap for record in records] == [0, 1, 0]
    assert [record.duration for record in records] == [len(burst.octets) * CHARACTER for burst in bursts]


@pytest.mark.parametrize(
    "times",
    [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 2, 3, 4, 5],
        [0, 1000, 1000, 2000, 2000, 2000],
        [5000, 4000, 3000, 2000, 1000, 0],
        [0, 0, 9000, 9000, 9000, 60_000],
        [None, None, None, None, None, None],
        [0, None, 0, None, 0, None],
    ],
)
@pytest.mark.parametrize("line", [None, EIGHT, SEVEN_EVEN])
def test_the_order_of_the_runs_is_kept(times: list[int | None], line: Line | None) -> None:
    """With equal, overlapping or decreasing times, the lines of an ``.exchange`` file keep their order."""
    said = [REQUEST, IDENTIFICATION, OPTION, b"\x06", READ, DATA]
    parity = with_even_parity if line == SEVEN_EVEN else bytes
    bursts = [
        Burst(parity(octets), SERVER if at % 2 else CLIENT, None if time is None else T0 + time * 1000)
        for at, (octets, time) in enumerate(zip(said, times, strict=True))
    ]
    records = import_bursts(bursts) if line is None else import_bursts(bursts, line=line)
    assert [record.octets for record in records] == said
    assert [record.sender for record in records] == [burst.sender for burst in bursts]
    starts = [record.time for record in records]
    assert starts == sorted(starts)
    assert {record.flags & ~Flag.SYNTHETIC for record in records} == {0}


def durations(*bursts: Burst) -> list[float]:
    """Returns the durations of the bursts' records, in characters."""
    return [round(record.duration / CHARACTER, 2) for record in import_bursts(bursts)]


def test_octets_are_pressed_together_to_end_before_the_same_side_goes_on() -> None:
    assert len(OPTION) == 6
    bursts = [Burst(IDENTIFICATION, SERVER, T0), Burst(b"\x06", SERVER, T0 + 7 * CHARACTER)]
    pressed = round(7 * (len(IDENTIFICATION) - 1) / len(IDENTIFICATION) + 1, 2)
    assert durations(*bursts) == [pressed, 1]
    assert durations(bursts[0], Burst(OPTION, CLIENT, T0 + 3 * CHARACTER), bursts[1]) == [pressed, 6, 1]


def test_the_sides_may_overlap() -> None:
    """An echo begins before its original has ended, and so does a side that interrupts."""
    interrupted = [Burst(IDENTIFICATION, SERVER, T0), Burst(OPTION, CLIENT, T0 + 3 * CHARACTER)]
    assert durations(*interrupted) == [len(IDENTIFICATION), 6]
    wake_up = bytes(8) + REQUEST
    echo = [Burst(wake_up, CLIENT, T0), Burst(wake_up + IDENTIFICATION, SERVER, T0 + 50_000)]
    records = import_bursts(echo)
    assert [(record.sender, len(record.octets), record.flags & Flag.ECHO) for record in records] == [
        (CLIENT, 8, 0),
        (SERVER, 8, Flag.ECHO),
        (CLIENT, len(REQUEST), 0),
        (SERVER, len(REQUEST), Flag.ECHO),
        (SERVER, len(IDENTIFICATION), 0),
    ]
    assert [record.duration for record in records] == [len(record.octets) * CHARACTER for record in records]


def test_an_echo_of_an_import_shortens_nothing() -> None:
    """A head at 300 bit/s, whose echo comes 50 us after the original: .167 s, and the answer .233 s later."""
    bursts = [
        Burst(b"/?!\r\n", CLIENT, T0),
        Burst(b"/?!\r\n", SERVER, T0 + 50_000),
        Burst(b"/ABC0X1\r\n", SERVER, T0 + 400 * MS),
    ]
    records = list(assemble(bursts, speed=300, gap_limit_ns=GAP))
    assert [record.flags for record in records] == [0, Flag.ECHO, 0]
    assert round(records[0].duration / MS) == 167
    assert round((records[2].time - records[0].end) / MS) == 233


def test_the_order_of_the_bursts_is_kept_where_the_speed_is_too_slow() -> None:
    """A request behind a wake-up begins late in its burst, but before the answer."""
    bursts = [Burst(bytes(20) + REQUEST, CLIENT, T0), Burst(IDENTIFICATION, SERVER, T0 + 5 * CHARACTER)]
    records = import_bursts(bursts)
    assert [record.sender for record in records] == [CLIENT, CLIENT, SERVER]
    assert sorted(record.time for record in records) == [record.time for record in records]


def test_an_import_waits_as_long_as_it_takes() -> None:
    """A frame that takes longer than a capture would hold the other side's records."""
    bursts = [
        Burst(DATA[:3], SERVER, T0),
        Burst(REQUEST, CLIENT, T0 + 100 * MS),
        Burst(REQUEST, CLIENT, T0 + 1_300 * MS),
        Burst(DATA[3:], SERVER, T0 + 1_400 * MS),
    ]
    assert [(record.octets, record.flags) for record in import_bursts(bursts)] == [
        (DATA, 0),
        (REQUEST, 0),
        (REQUEST, 0),
    ]


def test_runs_are_not_frames() -> None:
    """A frame may be spread over bursts, and a burst may hold several."""
    bursts = [
        Burst(READ[:4], CLIENT, T0),
        Burst(READ[4:], CLIENT, T0 + 100 * MS),
        Burst(DATA + DATA, SERVER, T0 + 300 * MS),
    ]
    assert [record.octets for record in import_bursts(bursts)] == [READ, DATA, DATA]
    untimed = [replace(burst, time=None) for burst in bursts]
    assert [record.octets for record in import_bursts(untimed)] == [READ, DATA, DATA]


def test_parity_is_decided_for_each_side() -> None:
    """One side's octets clearly carry even parity, the other's do not."""
    bursts = [Burst(with_even_parity(READ), CLIENT), Burst(DATA, SERVER), Burst(with_even_parity(BREAK), CLIENT)]
    records = import_bursts(bursts)
    assert [(record.octets, record.line) for record in records] == [
        (READ, SEVEN_EVEN), (DATA, EIGHT), (BREAK, SEVEN_EVEN),
    ]  # fmt: skip
    assert [received(record) for record in records] == [burst.octets for burst in bursts]


def test_a_format_that_the_recording_states() -> None:
    """Eight bits with parity do not show in the octets. If a side's bursts contradict each other, most octets
    decide."""
    line = Line(8, "E", 1)
    burst = Burst(b"/?!\r\n", CLIENT, T0, 0, 1000, 9600, line)
    (record,) = import_bursts([burst])
    assert (record.line, record.octets, record.duration) == (line, b"/?!\r\n", 5 * (11 * 10**9 // 9600))
    other = Burst(b"/ISk5MT174-0001\r\n", CLIENT, T0 + GAP * 2, 0, 1000, 9600)
    assert {record.line for record in import_bursts([burst, other])} == {EIGHT_BITS}
    assert {record.line for record in import_bursts([burst], line=SEVEN_EVEN)} == {SEVEN_EVEN}


def test_nothing_is_removed_where_parity_is_not_plain() -> None:
    """Eight-bit text in a value is no parity."""
    octets = b"\x02(Z\xe4hler \xfc)\x03\x11"
    (record,) = import_bursts([Burst(octets, SERVER)])
    assert (record.octets, record.line) == (octets, EIGHT)
    (forced,) = import_bursts([Burst(octets, SERVER)], line=SEVEN_EVEN)
    assert forced.line == SEVEN_EVEN
    assert received(forced) == octets
    assert forced.flags & Flag.PARITY


def test_senders_that_are_partly_unknown() -> None:
    bursts = [Burst(REQUEST, CLIENT), Burst(IDENTIFICATION, UNKNOWN), Burst(OPTION, CLIENT), Burst(b"\x06", SERVER)]
    records = import_bursts(bursts)
    assert [(record.octets, record.sender, record.inferred) for record in records] == [
        (REQUEST, CLIENT, False), (IDENTIFICATION, SERVER, True), (OPTION, CLIENT, False), (b"\x06", SERVER, False),
    ]  # fmt: skip
    assert {record.sender: record.tap for record in records if not record.inferred} == {CLIENT: 0, SERVER: 1}
    assert records[1].tap not in (0, 1)


def test_one_unknown_wire_is_tap_0() -> None:
    records = import_bursts([Burst(REQUEST + IDENTIFICATION + OPTION)])
    assert [(record.octets, record.sender, record.inferred, record.tap) for record in records] == [
        (REQUEST, CLIENT, True, 0), (IDENTIFICATION, SERVER, True, 0), (OPTION, CLIENT, True, 0),
    ]  # fmt: skip


def test_flags_of_a_run() -> None:
    (record,) = import_bursts([Burst(b"ab", CLIENT, T0, Flag.OVERRUN | Flag.FRAMING)])
    assert record.flags == Flag.OVERRUN | Flag.FRAMING
    assert record.framing_errors == (0, 1)


def test_nothing_to_import() -> None:
    assert import_bursts([]) == []
    assert import_bursts([Burst(b"", CLIENT), Burst(b"", SERVER, T0)]) == []


@given(
    st.lists(
        st.tuples(st.binary(max_size=12), st.sampled_from(Sender), st.none() | st.integers(0, 10**10)).map(
            lambda item: Burst(*item)
        ),
        max_size=8,
    ),
    st.sampled_from([None, EIGHT, SEVEN_EVEN]),
)
def test_every_octet_is_imported_once_and_in_order(bursts: list[Burst], line: Line | None) -> None:
    records = import_bursts(bursts) if line is None else import_bursts(bursts, line=line)
    taps = {record.tap for record in records}
    sides = {sender: b"".join(burst.octets for burst in bursts if burst.sender is sender) for sender in Sender}
    restored = {tap: b"".join(received(record) for record in records if record.tap == tap) for tap in taps}
    assert sorted(restored.values()) == sorted(octets for octets in sides.values() if octets)
    for record in records:
        if record.sender is not UNKNOWN and not record.inferred:
            assert sides[record.sender] == restored[record.tap]


@pytest.mark.parametrize("text", ["lost octets=7", "closed octets=7", "lost", "closed", "opened"])
def test_what_a_tap_heard_before_and_after_an_outage_is_not_one_message(text: str) -> None:
    """Something may have passed between ``/ABC5ME`` and ``TER9``, though the pause is short."""

    def event(after_ms: int, text: str) -> Record:
        return Record(T0 + after_ms * MS, b"", Kind.EVENT, line=SEVEN_EVEN, speed=2400, event=text)

    begun = Record(T0, b"/ABC5ME", Kind.FRAME, SERVER, line=SEVEN_EVEN, speed=2400, uncertainty=1000, flags=Flag.CUT)
    rest = Record(T0 + 700 * MS, b"TER9\r\n", Kind.NOISE, SERVER, line=SEVEN_EVEN, speed=2400, uncertainty=1000)
    assert [record.octets for record in reframe([begun, rest], gap_limit_ns=GAP)] == [b"/ABC5METER9\r\n"]
    made = [begun, event(100, text), event(600, "opened octets=7"), rest]
    again = list(reframe(made, gap_limit_ns=GAP))
    assert [(record.kind, record.octets) for record in again] == [(record.kind, record.octets) for record in made]
    assert again[0].flags & Flag.CUT
