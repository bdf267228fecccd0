"""When each octet began, from when it was read. Virtual time throughout."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.pcap.record import Line
from vtctap.sniffer.timing import SCHEDULING, Clock

MS = 1_000_000
START = 1_700_000_000_000_000_000
SEVEN_EVEN = Line(7, "E", 1)


def octets(count: int, flags: int = 0) -> list[tuple[int, int]]:
    return [(0x41 + number % 26, flags) for number in range(count)]


def test_values_and_flags_are_kept() -> None:
    stamped = Clock(MS, 0).stamp([(0x00, 6), (0xFF, 0), (0x41, 2)], START)
    assert [(octet.value, octet.flags) for octet in stamped] == [(0x00, 6), (0xFF, 0), (0x41, 2)]


def test_nothing_read() -> None:
    clock = Clock(MS, 0)
    assert clock.stamp([], START) == []
    (octet,) = clock.stamp(octets(1), START + 10 * MS)
    assert octet.start == START + 9 * MS


def test_a_chunk_ends_when_it_was_read() -> None:
    stamped = Clock(MS, 0).stamp(octets(4), START)
    assert [octet.start for octet in stamped] == [START - 4 * MS, START - 3 * MS, START - 2 * MS, START - MS]


@pytest.mark.parametrize(("latency", "uncertainty"), [(0, 2 * MS), (MS, 3 * MS), (16 * MS, 18 * MS)])
def test_uncertainty(latency: int, uncertainty: int) -> None:
    (octet,) = Clock(MS, latency).stamp(octets(1), START)
    assert octet.uncertainty == uncertainty == latency + SCHEDULING


def test_a_later_delay_does_not_tear_a_run_apart() -> None:
    """Octets back to back, the second chunk read 1.5 ms late."""
    clock = Clock(MS, 0)
    first = clock.stamp(octets(2), START)
    second = clock.stamp(octets(2), START + 3_500_000)
    starts = [octet.start for octet in first + second]
    assert [later - earlier for earlier, later in pairwise(starts)] == [MS, MS, MS]


def test_a_pause_is_seen() -> None:
    clock = Clock(MS, 0)
    first = clock.stamp(octets(2), START)
    (octet,) = clock.stamp(octets(1), START + 21 * MS)
    assert octet.start - (first[-1].start + MS) == 20 * MS


def test_an_earlier_arrival_corrects_the_run() -> None:
    """The first chunk was read 1.8 ms late; the second tells, for its octets cannot have ended after they were read."""
    clock = Clock(MS, 0)
    clock.stamp(octets(1), START + MS + 1_800_000)
    stamped = clock.stamp(octets(3), START + 4 * MS)
    # The true starts are START + 1, 2 and 3 ms; the first octet was put at START + 1.8 ms.
    assert [octet.start for octet in stamped] == [START + 1_800_000, START + 2 * MS, START + 3 * MS]


def test_a_change_of_speed() -> None:
    clock = Clock(33 * MS, 0)
    (slow,) = clock.stamp(octets(1), START)
    clock.character_time = MS
    fast = clock.stamp(octets(2), START + 100 * MS)
    assert slow.start == START - 33 * MS
    assert [octet.start for octet in fast] == [START + 98 * MS, START + 99 * MS]


CHUNKS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 200 * MS)), max_size=30)


@given(
    chunks=CHUNKS,
    character_time=st.sampled_from([0, 86_805, MS, 33_333_333]),
    latency=st.sampled_from([0, MS, 16 * MS]),
)
def test_laws(chunks: list[tuple[int, int]], character_time: int, latency: int) -> None:
    """Whatever comes whenever: no octet ends after it was read, none begins before the one before it began, and none
    before that one ended unless its arrival leaves no other way."""
    clock = Clock(character_time, latency)
    arrival = START
    before = None
    for count, wait in chunks:
        arrival += wait
        stamped = clock.stamp(octets(count), arrival)
        assert len(stamped) == count
        for number, octet in enumerate(stamped):
            latest = arrival - (count - number) * character_time
            assert octet.start + character_time <= arrival
            if before is not None:
                assert octet.start >= before
                assert octet.start >= min(before + character_time, latest)
                assert octet.start <= max(before, latest)
            else:
                assert octet.start == latest
            before = octet.start


@given(
    seed=st.integers(0, 1 << 32),
    speed=st.sampled_from([300, 2400, 9600, 19200]),
    timer=st.sampled_from([0, MS, 16 * MS]),
)
def test_the_truth_lies_within_the_uncertainty(seed: int, speed: int, timer: int) -> None:
    """A line whose true times are known, read in chunks when a timer ticks, or each octet by itself, up to 2 ms late.
    Pauses between messages and none inside."""
    random = Random(seed)
    step = SEVEN_EVEN.character_time(speed)
    truth: list[int] = []
    at = START
    for _ in range(random.randint(1, 4)):
        at += random.randint(20 * MS, 300 * MS)
        for _ in range(random.randint(1, 60)):
            truth.append(at)
            at += step
    phase = random.randrange(timer) if timer else 0
    reads: dict[int, list[tuple[int, int]]] = {}
    for start in truth:
        end = start + step
        tick = end + (phase - end) % timer if timer else end
        reads.setdefault(tick, []).append((0x41, 0))
    clock = Clock(step, timer)
    now = 0
    estimates = []
    for tick, chunk in sorted(reads.items()):
        now = max(now, tick + random.randrange(SCHEDULING))
        estimates += clock.stamp(chunk, now)
    for start, octet in zip(truth, estimates, strict=True):
        assert octet.uncertainty is not None
        assert abs(octet.start - start) <= octet.uncertainty
