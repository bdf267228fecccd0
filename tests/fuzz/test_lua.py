"""A short run of the fuzzing of the Lua dissector."""

from fuzz.lua import batch
from fuzz.targets import seeds


def test_tshark_shows_damaged_messages_as_our_decoder_does() -> None:
    assert batch(list(seeds("messages")), seed=1, count=600) == []
