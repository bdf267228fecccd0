"""The drivers' counters, in the layout of <linux/serial.h> written out by hand."""

import fcntl
import os
import struct
import termios
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.sniffer.counters import Balance, Counters, Losses, read

pytestmark = pytest.mark.skipif(not hasattr(termios, "TIOCGICOUNT"), reason="Linux counts")


def test_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def ioctl(descriptor: int, request: int, argument: bytes) -> bytes:
        asked.append((descriptor, request, len(argument)))
        # cts dsr rng dcd rx tx frame overrun parity brk buf_overrun reserved[9]
        return struct.pack("20i", *range(1, 21))

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    assert read(7) == Counters(frame=7, overrun=8, parity=9, brk=10, buf_overrun=11, rx=5)
    assert asked == [(7, 0x545D, 80)]


def test_a_pseudo_terminal_counts_nothing() -> None:
    near, far = os.openpty()
    assert read(near) is None
    os.close(near)
    os.close(far)


def test_what_was_added() -> None:
    before, now = Counters(1, 2, 3, 4, 5), Counters(2, 2, 10, 4, 6)
    assert now.since(before) == Counters(1, 0, 7, 0, 1)
    assert Counters(overrun=1).since(before) == Counters()  # The driver started again from zero.
    assert before.plus(now) == Counters(3, 4, 13, 8, 11)
    assert before.lost == 7


def test_words() -> None:
    assert Counters(1, 2, 3, 4, 5).words() == "frame=1 overrun=2 parity=3 brk=4 buf_overrun=5"
    assert Counters(1, 2, 3, 4, 5).words("overrun", "buf_overrun") == "overrun=2 buf_overrun=5"


# Octets that another program reads.

SECONDS = 20


def balance(counted: list[int], read: list[int]) -> list[int]:
    """Returns the missing octets at each check."""
    kept = Balance()
    return [kept.feed(*look) for look in zip(counted, read, strict=True)]


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=SECONDS), st.data())
def test_octets_that_are_read_by_the_next_look_are_not_missing(counted: list[int], data: st.DataObject) -> None:
    """Some of each second's octets are read before its check, and the rest before the next one."""
    early = [data.draw(st.integers(0, count)) for count in counted]
    late = [0, *(count - soon for count, soon in zip(counted, early, strict=True))]
    read = [soon + rest for soon, rest in zip([*early, 0], late, strict=True)]
    assert not any(balance([*counted, 0], read))


@given(st.lists(st.tuples(st.integers(0, 1000), st.floats(0, 1)), min_size=1, max_size=SECONDS), st.integers(0, 50))
def test_every_octet_that_never_came_is_missing(seconds: list[tuple[int, float]], waiting: int) -> None:
    """Any number of missing octets in each second is found once the line was quiet for two checks. Octets that arrived
    before the first check hide none."""
    counted = [0, 0, *(count for count, _ in seconds), 0, 0]
    read = [waiting, 0, *(int(count * share) for count, share in seconds), 0, 0]
    assert sum(balance(counted, read)) == sum(counted) - sum(read) + waiting


def test_a_driver_that_counts_errors_alone_misses_nothing() -> None:
    assert not any(balance([0] * 5, [100] * 5))


# What a tap lost, over the ports that it had.


def test_losses_add_up_over_ports() -> None:
    losses = Losses()
    assert losses.lost is None
    losses.open(Counters(overrun=5, rx=100), octets=0)
    assert losses.lost == 0
    assert losses.feed(Counters(overrun=7, rx=110), octets=4) == (Counters(overrun=2, rx=10), 0)
    assert losses.feed(Counters(overrun=7, rx=110), octets=4) == (Counters(), 6)
    losses.open(Counters(frame=1, rx=3), octets=4)  # Another port, whose totals are its own.
    assert losses.feed(Counters(frame=2, buf_overrun=1, rx=3), octets=4) == (Counters(frame=1, buf_overrun=1), 0)
    assert losses.errors == Counters(frame=1, overrun=2, buf_overrun=1, rx=10)
    assert (losses.missed, losses.lost) == (6, 9)


def test_a_port_without_totals_keeps_the_losses_before() -> None:
    losses = Losses()
    losses.open(Counters(), octets=0)
    losses.feed(Counters(overrun=1), octets=0)
    losses.open(None, octets=0)
    assert losses.feed(None, octets=9) == losses.feed(Counters(overrun=9), octets=9) == (Counters(), 0)
    assert losses.lost == 1
