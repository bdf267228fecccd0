"""A short run of the fuzz targets without an engine, on seeds, damaged seeds and any octets; and their run time.

``make fuzz`` runs them guided by coverage, for as long as it is told.
"""

import gc
import random
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.damage import damaged
from fuzz.targets import TARGETS, seeds


@pytest.fixture(params=list(TARGETS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_targets_accept_seeds_and_damaged_seeds(name: str) -> None:
    chance = random.Random(name)
    kept = list(seeds(name))
    assert kept
    for seed in kept:
        TARGETS[name](seed)
        for _ in range(max(3, 60 // len(kept))):
            TARGETS[name](damaged(seed, chance))


@given(data=st.binary(max_size=400))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_targets_accept_any_octets(name: str, data: bytes) -> None:
    TARGETS[name](data)


# Run time. Each pattern is the worst known for its parser, repeated until one run is long enough to be measured.

SLOW: dict[str, tuple[str, Callable[[int], bytes], int]] = {
    "members of a set": ("filters", lambda n: b"frame.number in {" + b"1," * n + b"2}", 3000),
    "negations": ("filters", lambda n: b"!" * n + b"vtc.cut", 10_000),
    "tests": ("filters", lambda n: b"vtc.cut || " * n + b"vtc.cut", 2000),
    "spaces behind a bracket": ("profiles", lambda n: b'x = """\n[' + b" " * n + b'"""', 30_000),
    "brackets": ("profiles", lambda n: b'x = """\n' + b"[" * n + b'"""', 20_000),
    "lines": ("profiles", lambda n: b"[profile]\n" + b"# a\n" * n + b"x = 1\n", 5000),
    "spaces in keys": ("keys", lambda n: b'x = """\n[' + b" " * n + b'"""', 30_000),
    "soft ends": ("messages", lambda n: b"/ISk5\r\n" + b"!0" * n, 8000),
    "data sets": ("messages", lambda n: b"\x02" + b"1(2)" * n + b"\x03", 3000),
    "open brackets": ("messages", lambda n: b"\x02" + b"(" * n + b"\x03", 8000),
    "identifications": ("framer", lambda n: b"\x01" + b"/" * n, 4000),
    "flags": ("framer", lambda n: b"\x01" + b"\x7e\xa0" * n, 3000),
    "blocks without end": ("framer", lambda n: b"\x01" + b"\x02" * n, 4000),
    "wake-up": ("framer", lambda n: b"\x01" + b"\x00" * n, 4000),
    "digits": ("tokens", lambda n: b"1" * n, 100_000),
    "hyphens": ("tokens", lambda n: b"1-" * n, 50_000),
    "page": ("page", lambda n: b"</script>" * n, 30_000),
}


def seconds(target: Callable[[bytes], None], data: bytes, enough: float = 0) -> float:
    """Returns the least processor time of five runs, or that of the first run which takes less than enough. Nothing is
    collected meanwhile: that takes as long as there are objects, which are all those of the tests."""
    times: list[float] = []
    gc.disable()
    try:
        while len(times) < 5 and min(times, default=enough) >= enough:
            begin = time.process_time()
            target(data)
            times.append(time.process_time() - begin)
    finally:
        gc.enable()
    return min(times)


def linear(target: Callable[[bytes], None], short: bytes, long: bytes) -> bool:
    """Whether four times as much takes about four times as long; sixteen times as long would be quadratic."""
    enough = 9 * seconds(target, short) + 0.05
    return seconds(target, long, enough) < enough


@pytest.mark.parametrize("pattern", list(SLOW))
def test_time_grows_linearly(pattern: str) -> None:
    target, made, count = SLOW[pattern]
    assert linear(TARGETS[target], made(count), made(4 * count))


IMPORTED = [
    b"2F 3F 21 0D 0A ",
    b"\\x2f",
    b"[12:00:00] ",
    b"0x2f, ",
    b"a",
    b"{",
    b'"',
    b"<",
    b"2026-11-26 12:00:00 RX: 2F\n",
]


@pytest.mark.parametrize("piece", IMPORTED)
def test_time_of_imports_grows_linearly(piece: bytes) -> None:
    """The time of each importer grows linearly with a repeated piece of text, on one long line or on many."""
    for form in range(40):
        first = bytes([form])
        short, long = (first + piece * (size // len(piece)) for size in (4000, 16_000))
        assert linear(TARGETS["imports"], short, long), form
