"""The start of each octet, in virtual time: examples worked out by hand, laws, and the published accuracy."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import accuracy
from vtctap.dissector.framing.pieces import Octet
from vtctap.pcap.record import Flag, Line
from vtctap.sniffer.bounds import SCHEDULING_NS
from vtctap.sniffer.envelope import TOLERANCE
from vtctap.sniffer.estimator import Estimator

US = 1_000
MS = 1_000_000
START = 1_700_000_000_000_000_000
SEVEN_EVEN = Line(7, "E", 1)


def octets(count: int, flags: int = 0) -> list[tuple[int, int]]:
    return [(0x41 + number % 26, flags) for number in range(count)]


def estimate(character_time_ns: int, latency_ns: int, chunks: list[tuple[int, int]]) -> list[Octet]:
    """Returns all octets of chunks (number of octets, arrival in ns after START)."""
    estimator = Estimator(character_time_ns, latency_ns)
    settled = []
    for count, arrival in chunks:
        settled += estimator.feed(octets(count), START + arrival)
    return settled + estimator.close()


def starts(settled: list[Octet]) -> list[float]:
    """Returns the starts in ms after START."""
    return [(octet.start - START) / MS for octet in settled]


# Examples


def test_values_and_flags_are_kept() -> None:
    estimator = Estimator(MS, 0)
    assert estimator.feed([(0x00, 6), (0xFF, 0), (0x41, 2)], START) == []
    assert [(octet.value, octet.flags) for octet in estimator.close()] == [(0x00, 6), (0xFF, 0), (0x41, 2)]


def test_nothing_received() -> None:
    estimator = Estimator(MS, 0)
    assert estimator.feed([], START) == []
    assert estimator.advance(START + 1000 * MS) == []
    assert estimator.close() == []


def test_octet_by_octet_at_once() -> None:
    settled = estimate(MS, 0, [(1, number * MS) for number in range(1, 30)])
    assert starts(settled) == pytest.approx(range(29), abs=0.15)
    assert all(octet.uncertainty and octet.uncertainty <= SCHEDULING_NS for octet in settled)


@pytest.mark.parametrize(
    ("count", "flags", "late", "first"),
    [
        (1, 0, 0, -5),  # One character, and four of timeout.
        (3, 0, 0, -7),
        (3, 0, 2, -8),  # Handed on at any time in 2 ms.
        (8, 0, 0, -8),  # The threshold: no timeout.
        (2, Flag.PARITY, 0, -4),  # An error interrupts at once: any time between two characters and six.
    ],
)
def test_a_fifo_below_its_threshold_has_waited_for_its_timeout(count: int, flags: int, late: int, first: int) -> None:
    """The FIFO keeps octets of 1 ms for up to 11: seven before the eighth, and four of timeout."""
    estimator = Estimator(MS, round(11 * MS * (1 + TOLERANCE)), fifo=True)
    estimator.feed(octets(count, flags), START, late * MS)
    settled = estimator.close()
    assert starts(settled)[0] == pytest.approx(first, abs=0.15)
    assert all(octet.uncertainty and octet.uncertainty <= 7.5 * MS for octet in settled)


def test_a_chunk_alone() -> None:
    """Four octets of 1 ms, a timer of 16 ms: the first octet ended 3 to 16 ms before the read, so it began 4 to 17 ms
    before it."""
    settled = estimate(MS, 16 * MS, [(4, 0)])
    assert starts(settled)[0] == pytest.approx(-10.5, abs=0.1)
    assert settled[0].uncertainty is not None
    assert 6.5 * MS <= settled[0].uncertainty <= 18 * MS


def test_ticks_close_in_on_the_start() -> None:
    """Octets of 3 ms from 0 on, a timer of 4 ms that ticks at 4, 8, ... and is read at once.

    The first octet (0 to 3) is read at 4, so it began after -3 and before 1. The second is read at 8, so the first
    began after -2. The fourth (9 to 12) is read at 12, so the first began before 0. The next pair (12 to 18) is read at
    16 and 20, so the first began after -1.
    """
    reads = [(1, 4 * MS), (1, 8 * MS), (2, 12 * MS), (1, 16 * MS), (1, 20 * MS), (2, 24 * MS)]
    settled = estimate(3 * MS, 4 * MS, reads)
    assert starts(settled)[0] == pytest.approx(-0.5, abs=0.2)
    gaps = [later - earlier for earlier, later in pairwise(starts(settled))]
    assert gaps == pytest.approx([3.0] * 7, abs=0.1)


def test_one_late_wake_up_does_not_tear_a_run_apart() -> None:
    arrivals = [(1, number * MS + (1500 * US if number == 10 else 0)) for number in range(1, 30) if number != 11]
    arrivals = [(2 if arrival == 11_500 * US else count, arrival) for count, arrival in arrivals]
    assert starts(estimate(MS, 0, arrivals)) == pytest.approx(range(29), abs=0.2)


def test_a_pause_is_seen_where_it_was() -> None:
    """Ten octets, 5 ms of silence, ten more."""
    settled = estimate(MS, 0, [(1, number * MS + (5 * MS if number > 10 else 0)) for number in range(1, 21)])
    assert starts(settled) == pytest.approx([*range(10), *range(15, 25)], abs=0.15)


def test_a_slow_clock_is_followed() -> None:
    """The sender is 1 % slow, and each octet is read as it ends. The last octet begins 2 ms later than the nominal
    speed says."""
    settled = estimate(MS, 0, [(1, round(number * 1.01 * MS)) for number in range(1, 202)])
    assert starts(settled) == pytest.approx([number * 1.01 for number in range(201)], abs=0.15)


def test_a_full_packet_starts_the_timer() -> None:
    """115200 bit/s, a timer of 16 ms, 70 octets from 0 on. A packet of 62 octets is full after 62 characters. The rest
    arrives 16 ms later, so the time of the packet is known as well."""
    character = 86_806
    settled = estimate(character, 16 * MS, [(70, 62 * character + 16 * MS)])
    assert starts(settled)[0] == pytest.approx(0, abs=0.15)


def test_a_change_of_speed() -> None:
    estimator = Estimator(33 * MS, 0)
    assert estimator.feed(octets(1), START) == []
    estimator.use(MS, 0)
    (slow,) = estimator.feed(octets(2), START + 100 * MS)
    fast = estimator.close()
    assert starts([slow, *fast]) == pytest.approx([-33, 98, 99], abs=0.15)


@pytest.mark.parametrize(("character_time_ns", "latency_ns"), [(MS, 4 * MS), (33 * MS, 0), (87 * US, 16 * MS)])
def test_silence_settles(character_time_ns: int, latency_ns: int) -> None:
    """Three characters, the adapter's latency and 2 ms, as the page on capturing says."""
    silence = 3 * character_time_ns + latency_ns + 2 * MS
    estimator = Estimator(character_time_ns, latency_ns)
    estimator.feed(octets(2), START)
    assert estimator.advance(START + silence) == []
    assert len(estimator.advance(START + silence + 1)) == 2
    assert estimator.close() == []


@pytest.mark.parametrize(
    ("character_time_ns", "latency_ns", "hold"),
    [(86_805, 0, 20), (MS, 0, 32), (MS, MS, 100), (MS, 16 * MS, 300), (33 * MS, MS, 32 * 33)],
)
def test_a_stream_without_a_pause_is_not_held_for_ever(character_time_ns: int, latency_ns: int, hold: int) -> None:
    estimator = Estimator(character_time_ns, latency_ns)
    settled = 0
    for number in range(1, 1001):
        arrival = START + number * character_time_ns
        settled += len(estimator.feed(octets(1), arrival))
        assert number - settled <= hold * MS // character_time_ns + 3
    assert settled + len(estimator.close()) == 1000


def test_a_speed_that_is_not_known() -> None:
    settled = estimate(0, 0, [(2, 0), (3, 5 * MS)])
    assert starts(settled) == pytest.approx([0, 0, 5, 5, 5], abs=0.15)


# Laws

CHUNKS = st.lists(
    st.tuples(st.integers(1, 130), st.one_of(st.integers(0, 3 * MS), st.integers(0, 200 * MS))), max_size=40
)
LINES = {
    "character_time_ns": st.sampled_from([0, 86_805, MS, 33_333_333]),
    "latency_ns": st.sampled_from([0, MS, 16 * MS]),
}


@given(chunks=CHUNKS, **LINES)
def test_laws(chunks: list[tuple[int, int]], character_time_ns: int, latency_ns: int) -> None:
    """Whatever arrives, and whenever: all octets come out in order, no octet ends after it was read, and none begins
    before the previous one."""
    shortest = int(character_time_ns * (1 - TOLERANCE))
    arrival = 0
    reads = []
    for count, wait in chunks:
        arrival += wait
        reads.append((count, arrival))
    settled = estimate(character_time_ns, latency_ns, reads)
    assert [octet.value for octet in settled] == [value for count, _ in reads for value, _ in octets(count)]
    arrivals = [START + arrival for count, arrival in reads for _ in range(count)]
    for octet, arrival in zip(settled, arrivals, strict=True):
        assert octet.start + shortest <= arrival + 2
        # None: no line could have sent so many octets so soon.
        assert octet.uncertainty is None or octet.uncertainty >= 0
    assert all(later.start >= earlier.start for earlier, later in pairwise(settled))


@example(lengths=[4, 22, 16, 17], seed=26, speed=300, timer=0, rough=True)
@example(lengths=[33, 10], seed=1558, speed=300, timer=0, rough=True)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    seed=st.integers(0, 1 << 32),
    speed=st.sampled_from([300, 2400, 9600, 115200]),
    timer=st.sampled_from([0, MS, 16 * MS]),
    rough=st.booleans(),
)
def test_the_truth_lies_within_the_uncertainty(
    lengths: list[int], seed: int, speed: int, timer: int, rough: bool
) -> None:
    """On a line with known times, octets are read by a timer or one by one, up to 2 ms late, with or without pauses,
    and with or without clocks that are wrong by 1 %. No two octets overlap."""
    random = Random(seed)
    step = SEVEN_EVEN.character_time_ns(speed)
    truth: list[tuple[float, float]] = []
    at = 0.0
    for length in lengths:
        at += random.randint(20 * MS, 300 * MS)
        character = step * (random.uniform(0.99, 1.01) if rough else 1)
        for _ in range(length):
            if rough and random.random() < 0.05:
                at += random.uniform(0, 40 * MS)
            truth.append((at, character))
            at += character
    phase = random.randrange(timer) if timer else 0
    reads: dict[int, int] = {}
    for start, character in truth:
        end = round(start + character)
        tick = end + (phase - end) % timer if timer else end
        reads[tick] = reads.get(tick, 0) + 1
    # The duration of a character may differ, which is part of these 2 ms.
    late = SCHEDULING_NS - round(2 * TOLERANCE * step)
    estimator = Estimator(step, timer)
    settled = []
    now = 0
    for tick, count in sorted(reads.items()):
        now = max(now, tick + random.randrange(late))
        settled += estimator.feed(octets(count), START + now)
    settled += estimator.close()
    for (start, _), octet in zip(truth, settled, strict=True):
        assert octet.uncertainty is not None
        assert octet.uncertainty <= timer + SCHEDULING_NS + TOLERANCE * step + 3 or (speed == 115200 and timer)
        assert abs(octet.start - START - start) <= octet.uncertainty
    shortest = step * (1 - TOLERANCE)
    assert all(later.start - earlier.start >= shortest - 2 for earlier, later in pairwise(settled))


@example(pauses=[0] * 12, seed=102504870, speed=300, timer=16 * MS)
@given(
    pauses=st.lists(st.integers(0, 200 * MS), min_size=1, max_size=60),
    seed=st.integers(0, 1 << 32),
    speed=st.sampled_from([300, 2400, 9600, 115200]),
    timer=st.sampled_from([0, MS, 16 * MS]),
)
def test_the_truth_lies_within_the_uncertainty_of_a_reader_that_was_away(
    pauses: list[int], seed: int, speed: int, timer: int
) -> None:
    """Octets have pauses or none. At times the reader does not run for up to a second, and reports that."""
    random = Random(seed)
    step = SEVEN_EVEN.character_time_ns(speed)
    truth: list[int] = []
    at = START
    for pause in pauses:
        at += random.choice((0, pause))
        truth.append(at)
        at += step
    reads: dict[int, int] = {}
    for start in truth:
        tick = start + step + (-start % timer if timer else 0)
        reads[tick] = reads.get(tick, 0) + 1
    estimator = Estimator(step, timer)
    settled = []
    back = 0
    late = waiting = 0
    for tick, count in sorted(reads.items()):
        if tick > back:
            if waiting:
                settled += estimator.feed(octets(waiting), back, late)
            late = random.choice((0, random.randrange(SCHEDULING_NS, 1_000 * MS)))
            back, waiting = tick + late, 0
            late += random.randrange(late + 1)  # The reader was away before the first octet that it found.
        waiting += count
    settled += estimator.feed(octets(waiting), back, late) + estimator.close()
    assert len(settled) == len(truth)
    for start, octet in zip(truth, settled, strict=True):
        assert octet.uncertainty is not None
        assert abs(octet.start - start) <= octet.uncertainty


def test_what_a_read_did_not_bring_may_have_been_in_the_adapter() -> None:
    """Two octets at 300 bit/s from 0 on, with a timer of 16 ms that ticks at 49.3, 65.3 and 81.3. The reader is away
    from 40 to 78.8 ms, and then until 605.1 ms. The second octet ended at 66.7 ms, before the first read, which could
    not yet deliver it."""
    estimator = Estimator(33_333_333, 16 * MS)
    settled = estimator.feed(octets(1), START + 78_800 * US, 38_800 * US)
    settled += estimator.feed(octets(1), START + 605_100 * US, 526_300 * US) + estimator.close()
    for octet, truth in zip(settled, (0, 33_333_333), strict=True):
        assert octet.uncertainty is not None
        assert abs(octet.start - START - truth) <= octet.uncertainty


def test_what_follows_an_emptied_port_came_later() -> None:
    """Five octets of 1 ms arrive at once. No line sends so fast, so the program was stopped; the octets arrived after
    the port was last empty."""
    for emptied in (False, True):
        estimator = Estimator(MS, 0)
        if emptied:
            estimator.emptied(START - 500 * MS)
        octet, *_ = estimator.feed(octets(5), START) + estimator.close()
        assert (octet.uncertainty is not None) is emptied
        assert octet.uncertainty is None or 490 * MS <= octet.uncertainty <= 510 * MS


def test_what_was_stamped_late_makes_what_follows_less_certain() -> None:
    """Octets without a time got a timestamp during an octet that began earlier. That octet cannot get an earlier
    timestamp than they have."""
    estimator = Estimator(33 * MS, 0)
    estimator.begin(START)
    settled = estimator.feed(octets(1), START + 5 * MS) + estimator.feed(octets(1), START + 38 * MS)
    settled += estimator.close()
    for octet, truth in zip(settled, (-28, 5), strict=True):
        assert octet.start >= START
        assert octet.uncertainty is not None
        assert abs(octet.start - START - truth * MS) <= octet.uncertainty


@given(chunks=CHUNKS, split=st.integers(1, 20), **LINES)
def test_how_octets_and_the_clock_are_handed_over_does_not_matter(
    chunks: list[tuple[int, int]], split: int, character_time_ns: int, latency_ns: int
) -> None:
    whole, parts = Estimator(character_time_ns, latency_ns), Estimator(character_time_ns, latency_ns)
    expected, settled = [], []
    arrival = START
    for count, wait in chunks:
        settled += parts.advance(arrival + wait // 2)
        arrival += wait
        expected += whole.feed(octets(count), arrival)
        for at in range(0, count, split):
            settled += parts.feed(octets(count)[at : at + split], arrival)
    assert settled + parts.close() == expected + whole.close()


@given(
    chunks=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 200 * MS)), max_size=30),
    character_time_ns=st.sampled_from([86_805, MS, 33_333_333]),
    latency_ns=st.sampled_from([0, MS, 16 * MS]),
)
def test_the_horizon_holds(chunks: list[tuple[int, int]], character_time_ns: int, latency_ns: int) -> None:
    """Octets that come out later began after the horizon."""
    estimator = Estimator(character_time_ns, latency_ns)
    horizon, now = 0, START
    released: list[Octet] = []
    for count, wait in chunks:
        count = min(count, 1 + (latency_ns + SCHEDULING_NS // 2) // character_time_ns)
        for moment in (now + wait // 2, now + wait):
            released = estimator.advance(moment)
            assert all(octet.start >= horizon for octet in released)
            horizon = max(horizon, estimator.horizon(moment))
        now += wait
        released = estimator.feed(octets(count), now)
        assert all(octet.start >= horizon for octet in released)
    assert all(octet.start >= horizon for octet in estimator.close())
    assert horizon <= now


def test_the_horizon_follows_the_clock_where_nothing_comes() -> None:
    estimator = Estimator(MS, 16 * MS)
    assert START - 25 * MS <= estimator.horizon(START) <= START - 17 * MS


# The published accuracy


def test_the_targets_are_met() -> None:
    results = {row: accuracy.measure(row, accuracy.FRAMES[True]) for row in accuracy.QUICK}
    assert len(results) >= 12
    assert {row.label: texts for row, result in results.items() if (texts := accuracy.missed(row, result))} == {}


def test_the_targets_can_be_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the time of the read, nor that time less the duration of the octets read, is accurate enough."""

    class WhenRead:
        back_dated = False

        def __init__(self, character_time_ns: int, latency_ns: int, *, fifo: bool) -> None:
            self.character_time_ns = character_time_ns
            self.uncertainty = latency_ns + SCHEDULING_NS

        def feed(self, octets: list[tuple[int, int]], arrival: int) -> list[Octet]:
            start = arrival - len(octets) * self.character_time_ns if self.back_dated else arrival
            return [Octet(value, start, self.uncertainty) for value, _ in octets]

        def close(self) -> list[Octet]:
            return []

    monkeypatch.setattr(accuracy, "Estimator", WhenRead)
    gated = [row for row in accuracy.QUICK if row.length is accuracy.long and row.deliver is accuracy.ftdi]
    gated = [row for row in gated if row.timer == 1 or row.condition == accuracy.EXACT]
    assert len(gated) >= 5
    for back_dated in (False, True):
        monkeypatch.setattr(WhenRead, "back_dated", back_dated)
        assert all(accuracy.missed(row, accuracy.measure(row, 100)) for row in gated)


@pytest.mark.parametrize("deliver", ["ftdi", "triggered", "uart", "fifo"])
def test_the_model_delivers_every_octet_after_its_end(deliver: str) -> None:
    random = Random(1)
    row = next(row for row in accuracy.ROWS if row.speed == 2400 and row.condition == accuracy.ROUGH)
    truth = list(accuracy.line(random, row, 50))
    ends = [start + frame.character for frame in truth for start in frame.starts]
    timer = 16 * MS if deliver != "fifo" else 11 * 10_000 * MS // 2400
    packets = getattr(accuracy, deliver)(random, ends, timer)
    arrivals = [arrival for arrival, count in accuracy.read(random, packets) for _ in range(count)]
    assert len(arrivals) == len(ends)
    assert all(end <= arrival + 1 for end, arrival in zip(ends, arrivals, strict=True))
