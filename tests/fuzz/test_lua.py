"""A short run of the fuzzing of the Lua dissector."""

from fuzz.lua import batch
from fuzz.targets import seeds


def test_a_batch_through_tshark() -> None:
    assert batch(list(seeds("messages")), seed=1, count=600) == []
