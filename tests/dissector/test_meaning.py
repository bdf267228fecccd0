"""What ``Meanings`` remembers changes no meaning: the oracle is ``interpret``, which remembers nothing."""

import random

import pytest

from vtctap.dissector.meaning import Meanings, interpret
from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import MessageName

NAMES = (MessageName.ReadCommand, MessageName.WriteCommand, MessageName.Data, MessageName.Error, None)
VALUES = (
    "",
    "0",
    "01",
    "02",
    "03",
    "1A",
    "FF",
    "0B93",
    "00012.5",
    "00000B93",
    "-7",
    "x",
    "12345678901234567890",
    "ER01",
)
UNITS = ("", "", "kWh")
REGISTERS = {
    "iec62055-52": ("", "2006", "200C", "200D", "2002", "FFFE", "FFFF", "none"),
    "iec62056-21": ("", "1.8.0", "1.8.0*05", "1-0:1.8.0*255", "0.9.1", "F.F", "none"),
}


LEAST = {"iec62055-52": 4, "iec62056-21": 2}
"""How many of the meanings are unlike at least: with decoded values or not, and assumed fields."""


def message(chance: random.Random, registers: tuple[str, ...]) -> Message:
    sets = range(chance.choice((1, 1, 2, 3)))
    return Message(
        chance.choice(NAMES),
        register=tuple(chance.choice(registers) for _ in sets),
        value=tuple(chance.choice(VALUES) for _ in sets),
        unit=tuple(chance.choice(UNITS) for _ in sets),
    )


@pytest.mark.parametrize("profile", REGISTERS)
def test_what_is_remembered_changes_no_meaning(profile: str) -> None:
    chance, loaded = random.Random(profile), load(profile)
    meanings = Meanings(loaded)
    seen = set()
    for _ in range(4000):
        each = message(chance, REGISTERS[profile])
        asked = chance.choice(((), tuple(chance.choice(REGISTERS[profile]) for _ in each.register)))
        expected = interpret(each, loaded, None, asked)
        assert meanings.of(each, asked) == expected, each
        seen.add((expected.value_decoded != (), expected.assumed))
    assert len(seen) >= LEAST[profile], seen  # Otherwise nothing would differ from what was remembered.
