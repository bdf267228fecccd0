"""The chain of parts: each part gets the records that the previous one passes on, and all are closed, whatever
happens."""

from collections.abc import Sequence

import pytest

from equipment.outlets import TAPS, event
from vtctap.capturing.parts import Chain, Passive
from vtctap.pcap.capture_file import Interface
from vtctap.pcap.record import Record


class Noted(Passive):
    """A part that notes its calls, passes on every other record, and fails where it is told to."""

    def __init__(self, name: str, log: list[str], failing: str = "") -> None:
        self.name, self.log, self.failing, self.fed = name, log, failing, list[float]()

    def _note(self, verb: str) -> None:
        self.log.append(f"{verb} {self.name}")
        if verb == self.failing:
            raise ValueError(f"{verb} {self.name}")

    def open(self, taps: Sequence[Interface]) -> None:
        self._note("open")

    def feed(self, records: Sequence[Record], now: float) -> Sequence[Record]:
        self.fed += [record.time / 1e9 for record in records] or [-now]
        return records[::2]

    def close(self) -> None:
        self._note("close")


def test_each_part_gets_what_the_one_before_it_lets_through() -> None:
    parts = [Noted(name, []) for name in "abc"]
    with Chain(parts) as chain:
        chain.open(TAPS)
        chain.feed([event(second) for second in range(1, 6)], 10)
        chain.feed([], 11)
    assert [part.fed for part in parts] == [[1, 2, 3, 4, 5, -11], [1, 3, 5, -11], [1, 5, -11]]


def test_what_was_not_opened_is_not_closed() -> None:
    log: list[str] = []
    chain = Chain([Noted("a", log), Noted("b", log, "open"), Noted("c", log)])
    with pytest.raises(ValueError, match="open b"), chain:
        chain.open(TAPS)
    assert log == ["open a", "open b", "close a"]


def test_all_are_closed_though_some_fail_and_the_first_is_told() -> None:
    log: list[str] = []
    with (
        pytest.raises(ValueError, match="close a"),
        Chain([Noted("a", log, "close"), Noted("b", log, "close")]) as chain,
    ):
        chain.open(TAPS)
    assert log[2:] == ["close a", "close b"]


def test_what_went_wrong_first_is_told() -> None:
    log: list[str] = []
    with pytest.raises(ValueError, match="open b"), Chain([Noted("a", log, "close"), Noted("b", log, "open")]) as chain:
        chain.open(TAPS)
    assert log == ["open a", "open b", "close a"]
