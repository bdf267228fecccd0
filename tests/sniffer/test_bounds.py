"""Bounds on the start of octets, compared with a solver of the constraints, and with random sessions of known times."""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

import accuracy
import bound
from vtctap.sniffer.bounds import PACKET, TRANSFER_NS, Bounds, Chunk
from vtctap.sniffer.envelope import TOLERANCE
from vtctap.sniffer.estimator import Estimator

MS = 1_000_000
LONG_AGO = -1e18


class Difference(NamedTuple):
    """``later - earlier >= least`` for two numbered moments; moment 0 is time 0."""

    earlier: int
    later: int
    least: float


def longest(differences: Sequence[Difference], moments: int) -> list[float]:
    """Returns the least solution: each moment's longest path from moment 0 (Bellman and Ford)."""
    times = [0.0] + [LONG_AGO] * (moments - 1)
    for _ in range(moments):
        for earlier, later, least in differences:
            times[later] = max(times[later], times[earlier] + least)
    return times


def solved(
    chunks: Sequence[Chunk], bounds: Bounds, character: int, latency: int, *, fifo: bool
) -> tuple[list[float], list[float]]:
    """Returns S- and S+ by the constraints (1) to (6) as written, solved forward and, mirrored in time, backward."""
    shortest, most = character * (1 - TOLERANCE), character * (1 + TOLERANCE)
    differences = []
    at = 0
    for octets, arrival, late, before, before_late in chunks:
        fills = 0 < (PACKET - 1) * shortest < latency
        kept = latency * (len(octets) // PACKET + 1) if fills and not fifo else latency
        was_late, before_was_late = (
            max(bounds.waking_ns, each + TRANSFER_NS) if each else bounds.waking_ns for each in (late, before_late)
        )
        if fifo:  # The octets after the first, four characters of timeout below the threshold, three of pauses.
            reached = len(octets) == max(round(latency / most) - 3, 1) and was_late < 4 * shortest
            kept = min(kept, math.ceil((len(octets) - 1 + 4 * (not reached) + 3) * most))
        start, end = 1 + 2 * at, 2 + 2 * at
        differences.append(Difference(0, end, arrival - was_late - kept))
        differences.append(Difference(0, end, before - min(before_was_late, kept + bounds.waking_ns)))
        if fifo:
            differences.append(Difference(0, start, before - before_was_late))
        for _ in octets:
            start, end = 1 + 2 * at, 2 + 2 * at
            differences += [
                Difference(start, end, shortest),
                Difference(end, start, -most),
                Difference(end, 0, -arrival),
            ]
            if at:
                differences.append(Difference(end - 2, start, 0))
            at += 1
    mirrored = [Difference(later, earlier, least) for earlier, later, least in differences]
    earliest, latest = longest(differences, 2 * at + 1), longest(mirrored, 2 * at + 1)
    return earliest[1::2], [-time for time in latest[1::2]]


@given(
    gaps=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5 * MS), st.integers(0, 3 * MS)), min_size=1, max_size=5),
    character=st.sampled_from([0, 86_806, MS, 33_333_333]),
    latency=st.sampled_from([0, MS, 16 * MS]),
    fifo=st.booleans(),
)
def test_they_are_the_solution_of_the_constraints(
    gaps: list[tuple[int, int, int]], character: int, latency: int, fifo: bool
) -> None:
    """The bounds are the solution, if there is one. Between reads the line has time for their octets."""
    arrivals = list(accumulate(count * round(character * 1.02) + gap for count, gap, _ in gaps))
    chunks, before, before_late = [], -10_000 * MS, 0
    for (count, _, late), arrival in zip(gaps, arrivals, strict=True):
        chunks.append(Chunk([(0x55, 0)] * count, arrival, late, before, before_late))
        before, before_late = arrival, late
    fifo = fifo and character > 0
    bounds = Bounds(character, latency, fifo=fifo)
    earliest, latest, ended = bounds.starts(chunks, len(chunks), LONG_AGO, 0)
    expected = solved(chunks, bounds, character, latency, fifo=fifo)
    if all(first <= last + 1e-3 for first, last in zip(*expected, strict=True)):
        assert earliest == pytest.approx(expected[0], abs=1e-3)
        assert latest == pytest.approx(expected[1], abs=1e-3)
        assert ended >= earliest[-1]
    else:
        assert all(first <= last for first, last in zip(earliest, latest, strict=True))


def test_a_program_that_was_stopped_unknowingly() -> None:
    """Six octets of 1 ms arrive at once after one. They cannot have been sent within the 2 ms in which the program is
    woken."""
    bounds = Bounds(MS, 0)
    chunks = [Chunk([(0, 0)] * 6, 100 * MS, 0, 50 * MS, 0)]
    earliest, latest, _ = bounds.starts(chunks, 1, 49.0 * MS, 0)
    assert earliest[0] == pytest.approx(50 * MS - bounds.waking_ns - 1.015 * MS)
    assert latest[0] == pytest.approx(100 * MS - 6 * 0.985 * MS)


def tried(numbers: range, make: Any = bound.estimator) -> bound.Campaign:
    campaign = bound.Campaign(make)
    for number in numbers:
        campaign.add(number, bound.session(number))
    return campaign


def test_no_octet_of_many_sessions_is_outside() -> None:
    campaign = tried(range(300))
    assert campaign.octets > 15_000
    assert campaign.sessions == []
    assert len({row[0] for row in campaign.rows}) == 4
    assert len({row[1] for row in campaign.rows}) == 8


@given(number=st.integers(0, 1 << 40))
def test_no_octet_of_any_session_is_outside(number: int) -> None:
    assert tried(range(number, number + 1)).sessions == []


def test_an_octet_can_be_outside() -> None:
    """The bounds are as narrow as possible: if they were a hundredth narrower, some octets would be outside."""

    class TooSure(Estimator):
        def close(self) -> list[Any]:
            settled = super().close()
            return [octet._replace(uncertainty=(octet.uncertainty or 0) * 99 // 100) for octet in settled]

    campaign = tried(range(300), lambda one: TooSure(one.character_time_ns, one.latency))
    assert campaign.outside
    assert "outside, in" in str(campaign)


def test_a_sessions_reads_bring_every_octet_after_its_end() -> None:
    for number in range(200):
        one = bound.session(number)
        arrivals = [read.arrival for read in one.reads for _ in range(read.octets)]
        assert len(arrivals) == len(one.starts)
        shortest = one.character_time_ns * (1 - TOLERANCE) - 1
        assert all(start + shortest <= arrival for start, arrival in zip(one.starts, arrivals, strict=True))
        assert all(read.late >= 0 for read in one.reads)


def test_the_model_of_the_adapters_is_that_of_the_published_accuracy() -> None:
    delivering = {getattr(adapter.deliver, "func", adapter.deliver) for adapter in bound.ADAPTERS}
    assert delivering == {accuracy.ftdi, accuracy.triggered, accuracy.uart, accuracy.fifo}


@pytest.mark.parametrize(
    "row", [row for row in accuracy.ROWS if row.deliver is accuracy.fifo], ids=lambda row: row.label
)
def test_an_octet_begins_after_the_fifo_has_handed_on(row: accuracy.Row) -> None:
    """The octets before and after the FIFO's transfer show when it was. Half of all frames are timed within 0.1 ms,
    although the FIFO holds octets for up to 46 ms."""
    assert accuracy.measure(row, 100).errors[0] < 0.1
