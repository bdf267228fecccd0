"""The order of two taps' records: by time if that is certain, otherwise by the protocol."""

import itertools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.dissector.framing.assembler import Assembler, Tap
from vtctap.dissector.framing.merge import Bound, Order
from vtctap.dissector.framing.pieces import Octet
from vtctap.dissector.framing.reframe import reframe
from vtctap.pcap.record import MAX_UNCERTAINTY_NS, Flag, Kind, Line, Record, Sender

MS = 1_000_000
T0 = 1_700_000_000_000_000_000
GAP = 1_500 * MS
SPEED = 9600
EIGHT = Line(8, "N", 1)
CHARACTER = EIGHT.character_time_ns(SPEED)
CLIENT, SERVER, UNKNOWN = Sender.CLIENT, Sender.SERVER, Sender.UNKNOWN
UNCERTAIN, ECHO = Flag.ORDER_UNCERTAIN, Flag.ECHO

SIGN_ON, IDENTIFICATION, SELECT = b"/?!\r\n", b"/ISK5x\r\n", b"\x06051\r\n"
PASSWORD_0, PASSWORD_1 = b"\x01P0\x02(00000000)\x03\x60", b"\x01P1\x02(00000000)\x03\x61"
READ, DATA, WRITE = b"\x01R1\x020004()\x03\x67", b"\x02(16)\x03\x05", b"\x01W1\x020010(1)\x03\x53"
PARTIAL, ACK, NAK, BREAK = b"\x02P.01(1)\r\n\x04\x7f", b"\x06", b"\x15", b"\x01B0\x03\x71"


def frame(side: Sender, octets: bytes, time: int, uncertainty: int | None = 10 * MS) -> Record:
    """Returns a frame of a side, ``time`` ns after the start; the client's tap is 0, the server's 1."""
    duration = len(octets) * CHARACTER
    tap = int(side is SERVER)
    return Record(
        T0 + time, octets, sender=side, tap=tap, line=EIGHT, speed=SPEED, uncertainty=uncertainty, duration=duration
    )


def merged(records: Iterable[Record], *, bounded: bool = True) -> list[Record]:
    """Merges records that have all arrived before the first one leaves. ``bounded``: the server's timestamps are."""
    order = Order(GAP)
    order.add(0)
    order.add(1, bounded=bounded)
    for record in records:
        order.push(record)
    return list(iter(lambda: order.pop(None, None), None))


def said(records: Iterable[Record]) -> list[tuple[bytes, int]]:
    return [(record.octets, record.flags) for record in records]


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (SIGN_ON, IDENTIFICATION), (SELECT, PASSWORD_0), (PASSWORD_1, ACK), (READ, DATA), (READ, PARTIAL),
        (READ, b"\x02(ER01)\x03\x14"), (WRITE, ACK), (READ, NAK), (ACK, PARTIAL), (NAK, DATA), (BREAK, ACK),
    ],
)  # fmt: skip
@pytest.mark.parametrize("early", [0, 2 * MS, 20 * MS])
def test_an_answer_comes_after_its_request(request_: bytes, answer: bytes, early: int) -> None:
    """Its timestamp is earlier than the request's by up to both uncertainties."""
    records = [frame(SERVER, answer, 0), frame(CLIENT, request_, early)]
    if early > len(answer) * CHARACTER and early + len(request_) * CHARACTER > 20 * MS:
        expected = [(answer, 0), (request_, 0)]  # neither overlap, nor time for the request before the answer
    else:
        expected = [(request_, UNCERTAIN), (answer, UNCERTAIN)]
    assert said(merged(records)) == expected
    assert [record.time for record in merged(records)] == [
        T0 + (early if octets == request_ else 0) for octets, _ in expected
    ]


@pytest.mark.parametrize(
    ("before", "reaction"),
    [(IDENTIFICATION, SELECT), (DATA, BREAK), (ACK, READ), (DATA, SIGN_ON)],
)
def test_what_does_not_answer_came_before(before: bytes, reaction: bytes) -> None:
    records = [frame(CLIENT, reaction, 0), frame(SERVER, before, 2 * MS)]
    assert said(merged(records)) == [(before, UNCERTAIN), (reaction, UNCERTAIN)]


def test_the_answer_that_is_waited_for_comes_first() -> None:
    """The same two messages: the answer belongs to the previous request, or to the one at the same time."""
    heads = [frame(CLIENT, READ, 1000 * MS), frame(SERVER, DATA, 1001 * MS)]
    answered = [frame(CLIENT, READ, 0), frame(SERVER, DATA, 200 * MS)]
    assert [octets for octets, _ in said(merged([*answered, *heads]))] == [READ, DATA, READ, DATA]
    waiting = [frame(CLIENT, READ, 900 * MS)]
    assert [octets for octets, _ in said(merged([*waiting, *heads]))] == [READ, DATA, READ]


@pytest.mark.parametrize(("age", "first"), [(GAP, DATA), (GAP + 1, READ)])
def test_an_answer_does_not_take_for_ever(age: int, first: bytes) -> None:
    asked = frame(CLIENT, READ, 0)
    late = asked.duration + age
    records = [asked, frame(CLIENT, READ, late + MS), frame(SERVER, DATA, late)]
    assert merged(records)[1].octets == first


def test_a_wake_up_is_not_answered() -> None:
    records = [frame(CLIENT, bytes(20), 0), frame(CLIENT, SIGN_ON, 52 * MS), frame(SERVER, IDENTIFICATION, 50 * MS)]
    assert [record.octets for record in merged(records)] == [bytes(20), SIGN_ON, IDENTIFICATION]


def test_a_turnaround_is_never_in_doubt() -> None:
    """With 20 ms between the sides and an uncertainty of 1 ms, no flag is set, whatever the frames' lengths."""
    now, records = 0, []
    for side, octets in itertools.islice(
        itertools.cycle([(CLIENT, NAK), (SERVER, NAK), (CLIENT, READ), (SERVER, ACK)]), 40
    ):
        records.append(frame(side, octets, now, MS))
        now = records[-1].end - T0 + 20 * MS
    assert merged(records) == records


def test_the_bound_of_doubt() -> None:
    """Short frames that do not overlap are uncertain as long as the later one may have ended before the other began."""
    for apart in (20 * MS - CHARACTER, 20 * MS - CHARACTER + 1):
        flags = {record.flags for record in merged([frame(CLIENT, ACK, 0), frame(SERVER, ACK, apart)])}
        assert flags == {UNCERTAIN if apart == 20 * MS - CHARACTER else 0}


@pytest.mark.parametrize("gap", [-1, 0, 1])
def test_frames_that_meet_do_not_overlap(gap: int) -> None:
    """The later one, longer than the doubt, cannot have ended before the other began."""
    first = frame(SERVER, DATA, 0)
    second = frame(CLIENT, PASSWORD_1, first.duration + gap)
    assert first.duration + second.duration > 20 * MS > first.duration
    assert {record.flags for record in merged([first, second])} == {UNCERTAIN if gap < 0 else 0}


def test_an_overlap_beyond_the_uncertainty_is_no_doubt() -> None:
    """In a collision, it is certain who began first."""
    records = [frame(SERVER, DATA, 0, MS), frame(CLIENT, READ, 2 * MS + 1, MS)]
    assert merged(records) == records
    records = [frame(SERVER, DATA, 0, MS), frame(CLIENT, READ, 2 * MS, MS)]
    assert said(merged(records)) == [(READ, UNCERTAIN), (DATA, UNCERTAIN)]


@pytest.mark.parametrize("uncertainties", [(None, 10 * MS), (10 * MS, None), (None, None), (0, 0)])
def test_without_an_uncertainty_the_time_stamps_hold(uncertainties: tuple[int | None, int | None]) -> None:
    records = [frame(SERVER, DATA, 0, uncertainties[0]), frame(CLIENT, READ, 2 * MS, uncertainties[1])]
    assert merged(records) == records


@pytest.mark.parametrize("apart", [0, 2 * MS, 40 * MS])
def test_a_tap_whose_time_stamps_nothing_bounds_is_in_doubt(apart: int) -> None:
    """It is as uncertain as any tap can be."""
    records = [frame(SERVER, DATA, 0, None), frame(CLIENT, READ, apart)]
    assert said(merged(records, bounded=False)) == [(READ, UNCERTAIN), (DATA, UNCERTAIN)]
    assert said(merged(records)) == [(DATA, 0), (READ, 0)]


def test_beyond_all_doubt_the_time_stamps_hold_for_any_tap() -> None:
    records = [frame(SERVER, DATA, 0, None), frame(CLIENT, READ, MAX_UNCERTAINTY_NS + 10 * MS)]
    assert merged(records, bounded=False) == records


def test_more_uncertainty_than_any_adapter_has() -> None:
    """It counts as the largest one that is believed: a record waits no longer."""
    for apart in (2 * MAX_UNCERTAINTY_NS, 2 * MAX_UNCERTAINTY_NS + 1):
        records = [frame(SERVER, DATA * 30, 0, 10**9), frame(CLIENT, READ, apart, 10**9)]
        assert merged(records)[0].octets == (READ if apart == 2 * MAX_UNCERTAINTY_NS else DATA * 30)


def test_noise_and_unknown_senders_stay_in_the_order_of_their_times() -> None:
    noise = replace(frame(SERVER, b"x", 0), kind=Kind.NOISE)
    assert said(merged([noise, frame(CLIENT, READ, 2 * MS)])) == [(b"x", UNCERTAIN), (READ, UNCERTAIN)]
    for side in (CLIENT, SERVER):
        records = [frame(SERVER, DATA, 0), frame(CLIENT, READ, 2 * MS)]
        records[side is CLIENT] = replace(records[side is CLIENT], sender=UNKNOWN)
        assert [record.octets for record in merged(records)] == [DATA, READ]


def test_within_a_tap_nothing_moves() -> None:
    """The answer's tap received an identification after it; neither passes the other."""
    records = [frame(SERVER, DATA, 0), frame(SERVER, IDENTIFICATION, 8 * MS), frame(CLIENT, SIGN_ON, 9 * MS)]
    assert [record.octets for record in merged(records)] == [DATA, SIGN_ON, IDENTIFICATION]


def test_the_rest_of_a_long_frame_says_nothing() -> None:
    """Octets that begin no message stay in the order of the times."""
    for records in (
        [frame(SERVER, DATA, 0), frame(CLIENT, b"16)", MS)],
        [frame(CLIENT, READ, 0), frame(SERVER, b"16)", MS)],
    ):
        assert [record.octets for record in merged(records)] == [record.octets for record in records]


# Echoes.


def test_an_echo_stamped_after_its_original() -> None:
    records = merged([frame(CLIENT, SIGN_ON, 0), frame(SERVER, SIGN_ON, MS)])
    assert [(record.tap, record.flags) for record in records] == [(0, 0), (1, ECHO)]


def test_noise_and_one_sides_taps_have_no_echo() -> None:
    noise = [replace(frame(side, b"x", 0), kind=Kind.NOISE) for side in (CLIENT, SERVER)]
    assert [record.flags for record in merged(noise)] == [UNCERTAIN, UNCERTAIN]
    unknown = [replace(frame(side, SIGN_ON, 0), sender=UNKNOWN) for side in (CLIENT, SERVER)]
    assert [record.flags for record in merged(unknown)] == [UNCERTAIN, UNCERTAIN]


@pytest.mark.parametrize("octets", [SIGN_ON, READ, ACK, SELECT, b"\x06252\r\n"])
@pytest.mark.parametrize("early", [0, MS // 2, MS])
def test_an_echo_stamped_before_its_original(octets: bytes, early: int) -> None:
    records = [frame(SERVER, octets, 0), frame(CLIENT, octets, early)]
    first, second = merged(records)
    assert [(first.tap, first.flags), (second.tap, second.flags)] == [(0, 0), (1, ECHO)]


def test_an_echo_of_the_server() -> None:
    """Echoes on the other side of the head: messages that only a server sends are its own."""
    first, second = merged([frame(CLIENT, DATA, 0), frame(SERVER, DATA, MS)])
    assert [(first.tap, first.flags), (second.tap, second.flags)] == [(1, 0), (0, ECHO)]


def test_an_echo_does_not_answer() -> None:
    """The tap receives the request's echo, then the answer, whose timestamp is before the next request."""
    records = [
        frame(SERVER, READ, 0),
        frame(CLIENT, READ, MS),
        frame(SERVER, DATA, 50 * MS),
        frame(CLIENT, READ, 51 * MS),
    ]
    assert [(record.tap, record.flags) for record in merged(records)] == [
        (0, 0), (1, ECHO), (1, UNCERTAIN), (0, UNCERTAIN),
    ]  # fmt: skip


# The truth: sessions with a known order, seen by two taps that are wrong within their uncertainties.

SESSION = [
    (CLIENT, SIGN_ON), (SERVER, IDENTIFICATION), (CLIENT, SELECT), (SERVER, PASSWORD_0), (CLIENT, PASSWORD_1),
    (SERVER, ACK), (CLIENT, READ), (SERVER, DATA), (CLIENT, WRITE), (SERVER, NAK), (CLIENT, WRITE), (SERVER, ACK),
    (CLIENT, READ), (SERVER, PARTIAL), (CLIENT, ACK), (SERVER, PARTIAL), (CLIENT, NAK), (SERVER, PARTIAL),
    (CLIENT, ACK), (SERVER, DATA), (CLIENT, BREAK), (CLIENT, SIGN_ON), (SERVER, IDENTIFICATION),
]  # fmt: skip


def stamped(chance: random.Random, uncertainty: int, turnaround: int) -> tuple[list[Record], list[Record]]:
    """Returns the session as it was, and with each record's timestamp wrong by up to ``uncertainty``. On a tap, no
    record begins before the previous one has ended."""
    truth, seen, now, ends = [], [], 0, [0, 0]
    for side, octets in SESSION:
        truth.append(frame(side, octets, now, uncertainty))
        record = replace(truth[-1], time=truth[-1].time + chance.randint(-uncertainty, uncertainty))
        seen.append(replace(record, time=max(ends[record.tap], record.time)))
        ends[record.tap] = seen[-1].end
        now = truth[-1].end - T0 + turnaround
    return truth, seen


@pytest.mark.parametrize("uncertainty", [MS, 5 * MS, 18 * MS, 40 * MS])
@pytest.mark.parametrize("turnaround", [MS, 20 * MS])
def test_the_order_that_was(uncertainty: int, turnaround: int) -> None:
    """The true order is found, and records with a wrong order of timestamps are flagged."""
    chance = random.Random(f"{uncertainty} {turnaround}")
    for _ in range(100):
        truth, seen = stamped(chance, uncertainty, turnaround)
        found = merged(seen)
        assert [(record.tap, record.octets) for record in found] == [(record.tap, record.octets) for record in truth]
        for one, other in itertools.pairwise(found):
            assert one.time <= other.time or one.flags & other.flags & UNCERTAIN
        if turnaround > 4 * uncertainty:
            assert {record.flags for record in found} == {0}


# Every way of arrival gives the same.


def octets_of(record: Record) -> list[Octet]:
    return [Octet(value, record.time + at * CHARACTER, record.uncertainty) for at, value in enumerate(record.octets)]


def live(records: Sequence[Record], chance: random.Random, doubt: int = MAX_UNCERTAINTY_NS) -> list[Record]:
    """Feeds the octets of each tap in chunks of any size, and states the time that both taps have reached."""
    taps = [Tap(0, CLIENT, EIGHT, SPEED, doubt_ns=doubt), Tap(1, SERVER, EIGHT, SPEED, doubt_ns=doubt)]
    assembler = Assembler(0, taps, gap_limit_ns=GAP)
    rows: list[list[Octet]] = [[], []]
    for record in records:
        rows[record.tap] += octets_of(record)
    found: list[Record] = []
    while any(rows):
        tap = min((row[0].start, tap) for tap, row in enumerate(rows) if row)[1]
        size = chance.randint(1, 30)
        limit = rows[1 - tap][0].start if rows[1 - tap] else rows[tap][-1].start + 1
        chunk = [octet for octet in rows[tap][:size] if octet.start <= limit]
        del rows[tap][: len(chunk)]
        found += assembler.feed(tap, chunk)
        if chance.random() < 0.5 and any(rows):
            found += assembler.advance(min(row[0].start for row in rows if row))
    return found + assembler.close()


@given(st.randoms(use_true_random=False), st.sampled_from([MS, 18 * MS]), st.sampled_from([5 * MS, 20 * MS]))
def test_the_split_does_not_matter(chance: random.Random, uncertainty: int, turnaround: int) -> None:
    _, seen = stamped(chance, uncertainty, turnaround)
    whole = live(seen, random.Random(0))
    assert live(seen, chance) == whole
    assert live(seen, chance, uncertainty) == whole  # The timestamps of the taps are no worse.
    assert sorted((record.tap, record.octets) for record in whole) == sorted((r.tap, r.octets) for r in seen)
    again = list(reframe(whole, gap_limit_ns=GAP))
    assert [(record.tap, record.octets, record.time) for record in again] == [
        (record.tap, record.octets, record.time) for record in whole
    ]


def test_held_no_longer_than_another_could_come_before() -> None:
    order = Order(GAP)
    order.add(0)
    order.add(1)
    order.push(frame(CLIENT, READ, 0))
    reach = T0 + 10 * MS + MAX_UNCERTAINTY_NS
    assert order.pop({0: Bound(T0), 1: Bound(reach)}, None) is None
    record = order.pop({0: Bound(T0), 1: Bound(reach + 1)}, None)
    assert record is not None
    assert (record.octets, record.flags) == (READ, 0)


@pytest.mark.parametrize(
    ("heard", "flags"),
    [
        (Bound(T0 + 15 * MS, 10 * MS, T0 + 20 * MS), UNCERTAIN),  # may have ended before the request began
        (Bound(T0 + 15 * MS, 10 * MS, T0 + 20 * MS + 1), 0),
        (Bound(T0 + 12 * MS, 10 * MS, T0 + 900 * MS), UNCERTAIN),  # overlaps with it
        (Bound(T0 + 15 * MS), UNCERTAIN),  # nothing was received
    ],
)
def test_held_too_long(heard: Bound, flags: int) -> None:
    """A long answer does not make its request's order uncertain if nothing else is possible."""
    request = frame(CLIENT, READ, 0)
    order = Order(GAP)
    order.add(0)
    order.add(1)
    order.push(request)
    assert order.pop({0: Bound(T0), 1: heard}, request.end) is None
    record = order.pop({0: Bound(T0), 1: heard}, request.end + 1)
    assert record is not None
    assert record.flags == flags


def test_an_answer_that_has_begun_late_enough_releases_its_request() -> None:
    """It has not ended, but its own uncertainty is known by then."""
    order = Order(GAP)
    order.add(0)
    order.add(1)
    order.push(frame(CLIENT, READ, 0, MS))
    assert order.pop({0: Bound(T0), 1: Bound(T0 + 3 * MS, 2 * MS, T0 + 4 * MS)}, None) is None
    assert order.pop({0: Bound(T0), 1: Bound(T0 + 3 * MS + 1, 2 * MS, T0 + 4 * MS)}, None) is not None
    assert order.waiting == 0


def test_the_assembler_releases_what_is_certain() -> None:
    """A request is released as its answer begins, and an ACK before an answer that takes longer than a record is
    held."""
    taps = [Tap(0, CLIENT, EIGHT, SPEED), Tap(1, SERVER, EIGHT, SPEED)]
    assembler = Assembler(0, taps, gap_limit_ns=GAP)
    assert assembler.feed(0, octets_of(frame(CLIENT, READ, 0, MS))) == []
    assert [r.octets for r in assembler.feed(1, octets_of(frame(SERVER, DATA[:3], 40 * MS, MS)))] == [READ]
    assembler = Assembler(0, taps, gap_limit_ns=GAP)
    answer = octets_of(frame(SERVER, b"\x02" + b"a" * 1500, 20 * MS, 18 * MS))
    records = assembler.feed(0, octets_of(frame(CLIENT, ACK, 0, 18 * MS))) + assembler.feed(1, answer[:20])
    records += assembler.advance(T0 + 40 * MS) + assembler.feed(1, answer[20:])
    assert said(records) == [(ACK, 0)]


def test_the_assembler_waits_for_as_long_as_the_other_tap_may_be_wrong() -> None:
    for doubt in (2 * MS, 18 * MS, MAX_UNCERTAINTY_NS):
        assembler = Assembler(
            0, [Tap(0, CLIENT, EIGHT, SPEED), Tap(1, SERVER, EIGHT, SPEED, doubt_ns=doubt)], gap_limit_ns=GAP
        )
        assert assembler.feed(0, octets_of(frame(CLIENT, READ, 0, MS))) == []
        assert assembler.advance(T0 + MS + doubt) == []
        assert said(assembler.advance(T0 + MS + doubt + 1)) == [(READ, 0)]


def test_not_held_where_the_other_tap_has_spoken() -> None:
    order = Order(GAP)
    order.add(0)
    order.add(1)
    order.push(frame(CLIENT, READ, 0))
    order.push(frame(SERVER, DATA, 50 * MS))
    record = order.pop({0: Bound(T0), 1: Bound(T0 + 58 * MS)}, None)
    assert record is not None
    assert (record.octets, record.flags) == (READ, 0)


# A twin that tries every order.


def interleavings(one: Sequence[Record], other: Sequence[Record]) -> Iterator[list[Record]]:
    for places in itertools.combinations(range(len(one) + len(other)), len(one)):
        first, second = iter(one), iter(other)
        yield [next(first if place in places else second) for place in range(len(one) + len(other))]


LETTERS = {READ: "r", DATA: "d", SIGN_ON: "s", IDENTIFICATION: "i", WRITE: "w", ACK: "a"}
ANSWERS = {"rd", "si", "wa", "ad"}


def wrong(row: Sequence[Record], at: int, later: Record) -> bool:
    """Whether, by the rules in the module's text, ``later`` of the other tap should stand at ``at``."""
    here = row[at]
    early, late = sorted((here, later), key=lambda record: (record.time, record.tap))
    uncertainty = (here.uncertainty or 0) + (later.uncertainty or 0)
    other_way = early.time - late.time + uncertainty >= late.duration
    sure = late.time - early.time > uncertainty or (not other_way and early.end <= late.time)
    if sure:
        return early is later
    if here.octets == later.octets and early.end > late.time:
        return later.sender is CLIENT
    client, server = (here, later) if here.sender is CLIENT else (later, here)
    waiting = at and row[at - 1].sender is CLIENT
    if waiting and LETTERS[row[at - 1].octets] + LETTERS[server.octets] in ANSWERS:
        return server is later
    fits = LETTERS[client.octets] + LETTERS[server.octets] in ANSWERS
    return (client if fits else server) is later


@pytest.mark.parametrize("uncertainty", [MS, 10 * MS])
def test_against_every_interleaving(uncertainty: int) -> None:
    """Of all orders that keep each tap's own, one breaks no rule; the merge finds it."""
    chance = random.Random(uncertainty)
    for _ in range(1500):
        taps: list[list[Record]] = []
        for side, messages in ((CLIENT, [READ, SIGN_ON, WRITE, ACK]), (SERVER, [DATA, IDENTIFICATION])):
            times = sorted(chance.sample(range(4 * side, 100 * MS), chance.randint(1, 4)))
            taps.append([frame(side, chance.choice(messages), time, uncertainty) for time in times])
        right = [
            row
            for row in interleavings(*taps)
            if not any(
                wrong(row, at, later)
                for at in range(len(row))
                for later in [next((r for r in row[at:] if r.sender is not row[at].sender), None)]
                if later
            )
        ]
        found = [replace(record, flags=0) for record in merged([*taps[0], *taps[1]])]
        assert right == [found]
