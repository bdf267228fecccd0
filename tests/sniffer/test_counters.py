"""What drivers count, by the layout of <linux/serial.h> written out by hand."""

import fcntl
import os
import struct
import termios
from typing import Any

import pytest

from vtctap.sniffer.counters import Counters, read

pytestmark = pytest.mark.skipif(not hasattr(termios, "TIOCGICOUNT"), reason="Linux counts")


def test_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def ioctl(descriptor: int, request: int, argument: bytes) -> bytes:
        asked.append((descriptor, request, len(argument)))
        # cts dsr rng dcd rx tx frame overrun parity brk buf_overrun reserved[9]
        return struct.pack("20i", *range(1, 21))

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    assert read(7) == Counters(frame=7, overrun=8, parity=9, brk=10, buf_overrun=11)
    assert asked == [(7, 0x545D, 80)]


def test_a_pseudo_terminal_counts_nothing() -> None:
    near, far = os.openpty()
    assert read(near) is None
    os.close(near)
    os.close(far)


def test_what_was_added() -> None:
    before, now = Counters(1, 2, 3, 4, 5), Counters(2, 2, 10, 4, 6)
    assert now.since(before) == Counters(1, 0, 7, 0, 1)
    assert Counters(overrun=1).since(before) == Counters()  # The driver began anew.
    assert before.plus(now) == Counters(3, 4, 13, 8, 11)
    assert before.lost == 7


def test_words() -> None:
    assert Counters(1, 2, 3, 4, 5).words() == "frame=1 overrun=2 parity=3 brk=4 buf_overrun=5"
    assert Counters(1, 2, 3, 4, 5).words("overrun", "buf_overrun") == "overrun=2 buf_overrun=5"
