"""The clock of a capture, on system clocks that the test sets."""

import pytest

from vtctap.sniffer.clock import STEP_NS, Clock

MS = 1_000_000
SECOND = 1_000 * MS
BEGIN = 1_700_000_000 * SECOND


class Hands:
    """Two clocks. ``interrupted`` holds the time that the program sleeps before each read of the wall clock."""

    def __init__(self) -> None:
        self.monotonic = 5 * SECOND
        self.wall = BEGIN
        self.interrupted: list[int] = []

    def go(self, time: int) -> None:
        self.monotonic += time
        self.wall += time

    def read_wall(self) -> int:
        if self.interrupted:
            self.go(self.interrupted.pop(0))
        return self.wall


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def clock(hands: Hands) -> Clock:
    return Clock(lambda: hands.monotonic, hands.read_wall)


def test_stamps_are_wall_time(hands: Hands, clock: Clock) -> None:
    assert clock.now() == BEGIN
    hands.go(SECOND)
    assert clock.now() == BEGIN + SECOND
    assert clock.at(5 * SECOND - 1) == BEGIN - 1


def test_fifty_milliseconds_are_no_step(hands: Hands, clock: Clock) -> None:
    hands.wall += 50 * MS
    assert clock.step() is None
    hands.wall += 1
    assert clock.step() == (50 * MS + 1, 50 * MS + 1)


@pytest.mark.parametrize("step", [STEP_NS + 1, 3200 * MS, -STEP_NS - 1, -3600 * SECOND])
def test_a_step_moves_no_stamp_and_is_told_of_once(hands: Hands, clock: Clock, step: int) -> None:
    hands.wall += step
    assert clock.now() == BEGIN
    assert clock.step() == (step, step)
    assert clock.step() is None
    hands.go(SECOND)
    assert clock.now() == BEGIN + SECOND
    hands.wall -= 3 * step
    assert clock.step() == (-3 * step, -2 * step)


def test_less_is_no_step_until_it_has_become_one(hands: Hands, clock: Clock) -> None:
    hands.wall += STEP_NS
    assert clock.step() is None
    hands.wall += 1
    assert clock.step() == (STEP_NS + 1, STEP_NS + 1)


def test_an_interrupted_program_is_no_step(hands: Hands, clock: Clock) -> None:
    hands.interrupted = [2 * STEP_NS + 2, 4 * STEP_NS]
    assert clock.step() is None


def test_the_clocks_of_this_machine() -> None:
    import time

    clock = Clock()
    before = time.time_ns()
    assert before - STEP_NS < clock.now() < time.time_ns() + STEP_NS
    assert clock.step() is None
