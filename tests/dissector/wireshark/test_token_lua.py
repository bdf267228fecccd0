"""The generated dissector decodes tokens as our own decoder does."""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from equipment.sampling import sizes
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.model import Profile, Provenance
from vtctap.dissector.tokens.number import crc, join
from vtctap.pcap import Kind, Line, Record, Sender

PUBLISHED = (
    "00000000000150997584", "01152921509036054672", "18446744073843772416", "36893488147553322496",
    "56493153725450313471", "02305843005052951967", "12754194144864505970", "59386323472137426967",
    "26521936751055502278",
)  # fmt: skip


def numbers(chance: random.Random, *, whole: bool) -> Iterable[int]:
    """Yields published tokens, random ones, tokens of class 1 with a good CRC, and numbers at and over 66 bits."""
    yield from map(int, PUBLISHED)
    for _ in range(200 if whole else 50):
        yield chance.randrange(1 << 66)
        block = chance.randrange(1 << 48) >> chance.choice((0, 0, 20)) << 16
        yield join(1, block | crc(1, block))
    for subclass, width in ((0, 36), (1, 28)):
        for control in (0, 1 << width - 1, (1 << width) - 1):
            block = (subclass << 44 | control << 44 - width) << 16
            yield join(1, block | crc(1, block))
    yield from (0, (1 << 66) - 1, 1 << 65, 1 << 66, 10**20 - 1)


def frames(values: Iterable[bytes], registers: tuple[bytes, ...]) -> list[Record]:
    return [
        Record(
            1_767_225_600_000_000_000 + number * 10**9,
            b"\x01W1\x02" + register + b"(" + value + b")\x03",
            Kind.FRAME,
            Sender.CLIENT,
            line=Line(7, "E", 1),
        )
        for number, (value, register) in enumerate((value, register) for value in values for register in registers)
    ]


@sizes
def test_tokens_in_digits(whole: bool, wireshark: Callable[..., Any]) -> None:
    """Tokens in digits are decoded the same in any register and in none, whole, too short or damaged."""
    found = list(numbers(random.Random(41), whole=whole))
    values = [f"{number:020}" for number in found] + [f"{number:017{case}}" for number in found for case in "xX"]
    values += [value[:at] + value[at + 1 :] for value in values[:3] for at in range(len(value))]
    values += [value[:at] + "x" + value[at + 1 :] for value in values[:3] for at in range(len(value))]
    records = frames((value.encode() for value in values), (b"FFFF", b"2011", b""))
    records += frames([b"5)FFFF(00000000000150997584)FFFF(56493153725450313471"], (b"FFFE", b"FFFF"))
    assert wireshark().differences(records) == []


@sizes
def test_packed_tokens(whole: bool, wireshark: Callable[..., Any]) -> None:
    """Tokens in characters of seven bits are decoded the same, even if a character belongs to the syntax."""
    profile: Profile = load()
    register = profile.registers["FFFF"]
    packed = replace(register, encoding=replace(register.encoding, tokens=("packed", "hexadecimal", "decimal")))
    chance = random.Random(42)
    found = (*numbers(chance, whole=whole), *(chance.randrange(1 << 66) for _ in range(500 if whole else 150)))
    values = [bytes(number >> at & 0x7F for at in range(63, -1, -7)) for number in found if number < 1 << 70]
    values += [b"0123456789", b"\x08123456789", b"\x07123456789", bytes(9), bytes(11), b"\x00" * 9 + b"\x80"]
    tool = wireshark(replace(profile, registers={**profile.registers, "FFFF": packed}))
    assert tool.differences(frames(values, (b"FFFF", b"2011"))) == []


@sizes
def test_token_registers_that_are_obis_codes(whole: bool, wireshark: Callable[..., Any]) -> None:
    """A token register is recognised in each form of its OBIS code."""
    profile = replace(load(), numbering="obis")
    registers = (b"1-0:FFFF", b"FFFF*05", b"FFFF&255", b"1-0:1-1:FFFF")
    records = frames((b"%020d" % number for number in numbers(random.Random(43), whole=whole)), registers)
    assert wireshark(profile).differences(records) == []


def test_the_tree_of_tokens(wireshark: Callable[..., Any]) -> None:
    """An encrypted token of an assumed register is marked as assumed; a bad CRC is an expert info."""
    profile = load()
    doubted = replace(profile.registers["FFFF"], provenance=Provenance("here", "assumed"))
    tool = wireshark(replace(profile, registers={**profile.registers, "FFFF": doubted}))
    records = frames([b"00000000000150997585", b"59386323472137426967", b"00000000000150997584"], (b"FFFF",))
    bad, secret, good = tool.items(tool.trace(records))
    assert [item.name for item in bad if item.name.startswith("vtc.expert.token")] == ["vtc.expert.token_crc"]
    assert any(item.name == "vtc.token" and item.label.endswith("[assumed]") for item in secret)
    assert not any(item.label.endswith("[assumed]") for item in good if item.name.startswith("vtc.token"))
    assert [item.shown for item in secret if item.name == "vtc.token.crc.status"] == ["encrypted"]
    token = next(item for item in good if item.name == "vtc.token")
    assert (token.shown, token.size) == ("00000000000150997584", 20)
    info = tool.run(tool.trace(records)).splitlines()
    assert info[1].endswith("TokenData? token?: TransferCredit, encrypted")
