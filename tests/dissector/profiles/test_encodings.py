"""Encodings: the readings of values, against hand-made ones, other computations, and the Lua dissector."""

import random
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.profiles import profile_text
from equipment.sampling import sizes
from vtctap.dissector.profiles.encodings import DATE_FIELDS, MAX_SCALE, TYPES, Encoding, date_parts, number, reading
from vtctap.dissector.profiles.files import parse
from vtctap.dissector.protocol.characters import show
from vtctap.pcap import Record

ROOT = Path(__file__).parents[3]
EPOCH_1993 = 8401
"""Days from 1970-01-01 to 1993-01-01: 23 years with 6 leap days."""


def kwh(scale: int) -> Encoding:
    return Encoding("decimal", scale=scale, unit="kWh")


@pytest.mark.parametrize(
    ("encoding", "value", "text"),
    [
        (Encoding("decimal"), "000123.40", "123.40"),
        (Encoding("decimal"), "0", "0"),
        (Encoding("decimal"), "000", "0"),
        (Encoding("decimal"), "-007", "-7"),
        (Encoding("decimal"), "+7.", "7"),
        (Encoding("decimal"), "12a", None),
        (Encoding("decimal"), "", None),
        (Encoding("decimal"), ".5", None),
        (Encoding("decimal"), "1.2.3", None),
        (Encoding("decimal"), "1\n", None),
        (Encoding("decimal"), "9" * 64, "9" * 64),
        (Encoding("decimal"), "9" * 65, None),
        (kwh(-1), "0001234", "123.4 kWh"),
        (kwh(-3), "5", "0.005 kWh"),
        (kwh(-1), "1.5", "0.15 kWh"),
        (kwh(2), "1.5", "150 kWh"),
        (kwh(1), "1.55", "15.5 kWh"),
        (kwh(3), "-0", "-0000 kWh".replace("0000", "0")),
        (Encoding("hexadecimal"), "00fF", "255"),
        (Encoding("hexadecimal", scale=-2, unit="V"), "59D8", "230.00 V"),
        (Encoding("hexadecimal"), "FFFFFFFFFFFFF", "4503599627370495"),
        (Encoding("hexadecimal"), "1FFFFFFFFFFFFF", None),
        (Encoding("hexadecimal"), "0x1", None),
        (Encoding("hexadecimal", octets=2), "00fF", "255"),
        (Encoding("hexadecimal", octets=2), "0fF", None),
        (Encoding("bcd"), "001234", "1234"),
        (Encoding("bcd", scale=-1, unit="kWh"), "001234", "123.4 kWh"),
        (Encoding("bcd"), "01234", None),
        (Encoding("bcd"), "00123A", None),
        (Encoding("bcd"), "", None),
        (Encoding("bcd", octets=2), "001234", None),
        (Encoding("digits"), "00123456782", "00123456782"),
        (Encoding("digits"), "0012345678A", None),
        (Encoding("digits", digits=3), "0123", "123"),
        (Encoding("digits", digits=3), "1123", None),
        (Encoding("digits", digits=3), "12", None),
        (Encoding("fields", fields=(("KRN", 4), ("KT", 4))), "12", "KRN 1, KT 2"),
        (Encoding("fields", fields=(("KRN", 4), ("KT", 4))), "aF", "KRN 10, KT 15"),
        (Encoding("fields", fields=(("KRN", 4), ("KT", 4))), "1", None),
        (Encoding("fields", fields=(("a", 1), ("b", 3))), "9", "a 1, b 1"),
        (Encoding("ascii"), "56544361", "VTCa"),
        (Encoding("ascii"), "5654C3", "VT<C3>"),
        (Encoding("ascii"), "0041", "<NUL>A"),
        (Encoding("ascii"), "565", None),
        (Encoding("ascii"), "5G", None),
        (Encoding("ascii"), "", None),
        (Encoding("packed7"), "AB", "20C2"),  # 1000001 1000010
        (Encoding("packed7"), "<NUL>A", "0041"),
        (Encoding("packed7"), "<DEL>", "7F"),
        (Encoding("packed7"), "<80>A", None),
        (Encoding("packed7"), "", None),
        (Encoding("packed7"), "<", "3C"),
        (Encoding("packed7"), "<<NUL>", "1E00"),
        (Encoding("bits", base=16, bits={0: "open", 3: "cover"}), "9", "open, cover"),
        (Encoding("bits", base=16, bits={0: "open"}), "12", "bit 1, bit 4"),
        (Encoding("bits", base=10, bits={0: "open"}), "12", "bit 2, bit 3"),
        (Encoding("bits", base=16), "0000", "none"),
        (Encoding("bits", base=16), "8000000000000", "bit 51"),
        (Encoding("bits", base=10), "1F", None),
        (Encoding("date", format="YYMMDDhhmmss"), "260105102030", "2026-01-05 10:20:30"),
        (Encoding("date", format="?YYMMDDhhmm"), "12601051020", "2026-01-05 10:20"),
        (Encoding("date", format="DD.MM.YYYY"), "29.02.2024", "2024-02-29"),
        (Encoding("date", format="DD.MM.YYYY"), "29.02.2025", None),
        (Encoding("date", format="DD.MM.YYYY"), "29.02.1900", None),
        (Encoding("date", format="DD.MM.YYYY"), "29.02.2000", "2000-02-29"),
        (Encoding("date", format="DD.MM.YYYY"), "29.02.2200", None),
        (Encoding("date", format="DD.MM.YYYY"), "29.02.2400", "2400-02-29"),
        (Encoding("date", format="MM-DD"), "02-29", "02-29"),
        (Encoding("date", format="hh:mm:ss"), "23:59:59", "23:59:59"),
        (Encoding("date", format="hh:mm:ss"), "24:00:00", None),
        (Encoding("date", format="hh:mm:ss"), "23:60:00", None),
        (Encoding("date", format="hh:mm:ss"), "23:59:60", None),
        (Encoding("date", format="YYMMDD"), "261301", None),
        (Encoding("date", format="YYMMDD"), "260100", None),
        (Encoding("date", format="YYMMDD"), "2601011", None),
        (Encoding("date", format="YYMMDD"), "26010", None),
        (Encoding("date", format="YYMMDD"), "26 101", None),
        # The TID of a published token: 5871660 minutes since 1993 are 2004-03-01 13:00.
        (Encoding("date", epoch=EPOCH_1993, step=60), "5871660", "2004-03-01 13:00:00"),
        (Encoding("date", epoch=0, step=1), "951827696", "2000-02-29 12:34:56"),
        (Encoding("text"), "abc", None),
        (Encoding("token", tokens=("decimal",)), "12345678901234567890", None),
    ],
)
def test_a_value_is_read_by_its_encoding(encoding: Encoding, value: str, text: str | None) -> None:
    assert reading(encoding, value) == text


def test_the_unit_of_the_data_set_replaces_that_of_the_register() -> None:
    assert reading(kwh(0), "05", "Wh") == "5 Wh"
    assert reading(kwh(0), "05") == "5 kWh"
    assert reading(Encoding("decimal"), "05") == "5"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3), st.integers(-MAX_SCALE, MAX_SCALE))
def test_a_quantity_keeps_its_value(value: Decimal, scale: int) -> None:
    text = f"{value:f}"
    if len(text) < 60:
        read = reading(Encoding("decimal", scale=scale), text)
        assert read is not None
        assert Fraction(read) == Fraction(value) * Fraction(10) ** scale


@given(st.binary(min_size=1, max_size=60).filter(bytes.isascii))
def test_packed_groups_are_the_bits_of_their_characters(octets: bytes) -> None:
    """This holds for any characters, since ``show`` escapes a ``<`` that begins what looks like an octet's name."""
    value = show(octets)
    read = reading(Encoding("packed7"), value)
    whole = 0
    for octet in octets:
        whole = whole * 128 + octet
    assert read is not None
    assert int(read, 16) == whole
    assert len(read) == -(-7 * len(octets) // 4)


@given(st.integers(0, 999_999_999), st.sampled_from([1, 60, 3600, 86400]), st.integers(-100_000, 100_000))
def test_dates_that_count_follow_the_calendar(count: int, step: int, epoch: int) -> None:
    try:
        moment = datetime(1970, 1, 1) + timedelta(days=epoch, seconds=count * step)
    except OverflowError:
        return
    if moment.year >= 1000:
        assert reading(Encoding("date", epoch=epoch, step=step), str(count)) == f"{moment:%Y-%m-%d %H:%M:%S}"


@given(st.dates(datetime(2000, 1, 1).date(), datetime(2099, 12, 31).date()))
def test_two_digits_of_a_year_are_of_this_century(day: Any) -> None:
    assert reading(Encoding("date", format="YYMMDD"), f"{day:%y%m%d}") == f"{day:%Y-%m-%d}"


def test_a_date_format_is_split_into_its_parts() -> None:
    assert date_parts("?YYYY-MMmm") == [("?", "?"), ("YYYY", "YYYY"), ("", "-"), ("MM", "MM"), ("mm", "mm")]
    assert all(len(name) == length for name, length in DATE_FIELDS.items())


def test_whole_numbers_are_read_up_to_their_limits() -> None:
    assert [number(text, 10) for text in ("0", "999999999", "1000000000", "", "-1", "٣")] == [
        0, 999_999_999, None, None, None, None,
    ]  # fmt: skip
    assert [number(text, 16) for text in ("aF", "fffffffffffff", "10000000000000", "g", "")] == [
        175, 2**52 - 1, None, None, None,
    ]  # fmt: skip


ALL_TYPES = profile_text("all", """\
[identification]
manufacturer = "FLAG"
fields = [{ name = "version", length = 2 }, { name = "table", length = 3 }]
confidence = "assumed"
[registers]
numbering = "obis"
[registers.entries]
"d" = { name = "d", type = "decimal" }
"d-2" = { name = "d-2", type = "decimal", scale = -2, unit = "kWh" }
"d+3" = { name = "d+3", type = "decimal", scale = 3, unit = "W", confidence = "assumed" }
"h" = { name = "h", type = "hexadecimal", scale = -1 }
"h3" = { name = "h3", type = "hexadecimal", octets = 3, unit = "W" }
"c" = { name = "c", type = "bcd", scale = -1, unit = "kWh" }
"c2" = { name = "c2", type = "bcd", octets = 2 }
"n" = { name = "n", type = "digits" }
"n3" = { name = "n3", type = "digits", digits = 3 }
"f" = { name = "f", type = "fields", fields = [{ name = "KRN", bits = 4 }, { name = "KT", bits = 4 }] }
"f52" = { name = "f52", type = "fields", fields = [{ name = "a", bits = 1 }, { name = "b", bits = 51 }] }
"b1" = { name = "b1", type = "bits", octets = 1, bits = { 7 = "seven" } }
"x1" = { name = "x1", table = "words", base = 16, octets = 1 }
"a" = { name = "a", type = "ascii" }
"p" = { name = "p", type = "packed7" }
"b" = { name = "b", type = "bits", bits = { 0 = "zero", 5 = "five" } }
"b10" = { name = "b10", type = "bits", base = 10, bits = {} }
"t" = { name = "t", type = "date", format = "?YYMMDDhhmmss" }
"u" = { name = "u", type = "date", format = "DD.MM.YYYY" }
"s" = { name = "s", type = "date", since = "1993-01-01", step = "minutes" }
"k" = { name = "k", type = "date", since = "0001-01-01", step = "days" }
"e" = { name = "e", table = "words" }
"x" = { name = "x", table = "words", base = 16, confidence = "derived" }
"T" = { name = "T", type = "token", encodings = ["decimal"] }
"w" = { name = "w", type = "text" }
[tables.words.values]
5 = "five"
175 = "hex"
""", confidence="confirmed")  # fmt: skip

ADDED = """
[profile]
name = "added"
inherits = "base"
source = "there"
confidence = "derived"
[tables.words]
confidence = "assumed"
[tables.words.values]
12 = "twelve"
5 = "another five"
"""

PIECES = (
    "0", "5", "12", "1.5", "-", "+", ".", "af", "AF", "<", ">", "NUL", "<NUL>", "00", "1234567890", "29.02.2024",
    "2602", "291234", "1230", "59", "Z", "\x00", "\x0c", "\x7f", "\xff", "~", " ", "5871660", "kWh", "32.12.2020",
    "20240229123456", "10", "80", "1234", "0ABC", "000123", "8000000000001",
)  # fmt: skip


@pytest.mark.parametrize("type", TYPES)
def test_no_type_is_forgotten(type: str) -> None:
    """Each type is in the Lua dissector, if it reads values, in docs/profiles.md with its keys, and in ALL_TYPES."""
    lua = (ROOT / "dissector" / "wireshark" / "lua" / "encodings.lua").read_text()
    assert (f"function READERS.{type}(" in lua) == (TYPES[type].reads is not None), "encodings.lua"
    (row,) = re.findall(rf"^\| `{type}` .*$", (ROOT / "docs" / "profiles.md").read_text(), re.MULTILINE)
    assert all(f"`{key}" in row for key in TYPES[type].keys), "docs/profiles.md"
    tried = {register.encoding.type for register in parse(ALL_TYPES, "all.toml").registers.values()}
    assert type in tried, "ALL_TYPES of this module"


def test_no_type_is_missing_in_python() -> None:
    """Lua and docs/profiles.md have no type that Python lacks."""
    lua = (ROOT / "dissector" / "wireshark" / "lua" / "encodings.lua").read_text()
    assert set(re.findall(r"^function READERS\.(\w+)", lua, re.MULTILINE)) <= set(TYPES), "encodings.py"
    table = (ROOT / "docs" / "profiles.md").read_text().partition("## Types\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == set(TYPES), "encodings.py"


@sizes
def test_lua_reads_the_same(whole: bool, wireshark: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Random values of every type have the same register names, readings and confidence in tshark."""
    monkeypatch.setattr("vtctap.dissector.profiles.files.shipped", lambda: ("base",))
    monkeypatch.setattr("vtctap.dissector.profiles.files.text", lambda name: ALL_TYPES)
    profile = parse(ADDED, "added.toml")
    chance = random.Random(21)
    registers = [*profile.registers, "1-0:d*255", "1-1:d-2*07", "d&12", "0-2:d", "d*1234", "d*", "1-0:", "nosuch"]
    registers += ["1-0:1-1:d", "1-1:1-0:d"]
    octets = [
        b"/"
        + chance.choice((b"ISK", b"isk", b"ZZZ", b"L\x00Z", b"CO", b""))
        + b"5"
        + b"01TBLrest"[: chance.randrange(9)]
        for _ in range(60)
    ]
    octets += [f"\x02{register}({piece})\x03".encode("latin-1") for register in registers for piece in PIECES]
    read, count = 0, 4000 if whole else 1200
    for _ in range(count):
        register = chance.choice(registers)
        kind = chance.random()
        if kind < 0.2:
            value = str(chance.randrange(10 ** chance.randrange(1, 22)))
        elif kind < 0.3:
            value = "".join(chance.choices("0123456789abcdefABCDEF", k=chance.randrange(20)))
        elif kind < 0.5:
            moment = datetime(2000, 1, 1) + timedelta(seconds=chance.randrange(3_000_000_000))
            value = moment.strftime(chance.choice(("1%y%m%d%H%M%S", "%d.%m.%Y")))
        else:
            value = "".join(chance.choices(PIECES, k=chance.randrange(5)))
        unit = chance.choice(("", "", "*Wh"))
        octets.append(f"\x02{register}({value}{unit})\x03".encode("latin-1"))
        read += bool((entry := profile.register(register)) and reading(entry.encoding, show(value.encode("latin-1"))))
    assert read > 0.15 * count
    records = [Record(10**18 + at * 10**9, each) for at, each in enumerate(octets)]
    assert wireshark(profile).differences(records) == []
