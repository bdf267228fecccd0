"""Filters find the records that tshark finds with the same expressions, and their errors say what to do.

tshark evaluates all filters of a test in one run, in which a Lua script makes a listener of each.
"""

import json
import os
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.sampling import sizes
from vtctap.__main__ import main
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.filter import FilterError, compile_filter
from vtctap.dissector.profiles.files import load
from vtctap.pcap import Flag, Kind, Line, Record, Sender, create_trace, open_trace

EXAMPLES = Path(__file__).parent.parent.parent / "examples"

SAME_AS_TSHARK = (
    "vtc.cut",
    "!vtc.cut",
    "not vtc.message",
    'vtc.message == "ReadCommand"',
    'vtc.message != "ReadCommand"',
    'vtc.message eq "Data" and vtc.gap > 0.2',
    'vtc.message == "Data" || vtc.message == "ACK" && vtc.sender == "client"',
    '(vtc.message == "Data" || vtc.message == "ACK") && vtc.sender == "client"',
    'vtc.bcc.status == "bad" or vtc.error.parity',
    'vtc.register == "0004" and vtc.value == "16"',
    'vtc.register contains "00"',
    'vtc.id.text matches "DEMO$"',
    'vtc.id.text matches "^demo"',
    "vtc.status.token in {1, 5..15}",
    "vtc.status.token > 9 && vtc.status.token <= 10",
    "vtc.bcc == 0x61",
    "vtc.bcc >= 96 and !(vtc.bcc.expected == 96)",
    'vtc.unit == "kWh"',
    'vtc.unit != "kWh"',
    'vtc.unit === "kWh"',
    'vtc.value == ""',
    "vtc.gap < 0.05",
    "vtc.duration ge 0.01",
    "vtc.pause",
    'vtc.text contains "x"',
    'vtc.assumed == "vtc.register.name"',
    "vtc.link == 0 && vtc.tap == 1",
    "frame.number in {3..5}",
    "frame.number < 3 or frame.number > 20",
)

OF_REPEATING_FIELDS = tuple(
    test
    for field, value in (
        ("vtc.value", '"1"'), ("vtc.register", '""'), ("vtc.error.parity", "2"), ("vtc.pause", "0.004"),
    )
    for sign in (
        "==", "eq", "any_eq", "!=", "ne", "all_ne", "===", "all_eq", "!==", "~=", "any_ne", "<", "lt", "<=", "le", ">",
        "gt", ">=", "ge",
    )
    for test in (
        f"{field} {sign} {value}",
        f"any {field} {sign} {value}",
        f"all {field} {sign} {value}",
        f"not {field} {sign} {value}",
        f"{field} {sign} {field}",
    )
)  # fmt: skip

ON_MADE_RECORDS = (
    *OF_REPEATING_FIELDS,
    "vtc.value == 1",
    "vtc.value == abc",
    "vtc.address == 0012.x-1",
    "vtc.value in {1, abc}",
    'vtc.value in {"a".."b"}',
    'vtc.value not in {"1"}',
    'not vtc.value in {"1"}',
    '! vtc.value not in {"1"}',
    'any vtc.value in {"1", "2"}',
    'vtc.value contains "b"',
    "vtc.value contains b",
    "vtc.value contains B",
    'all vtc.value contains "1"',
    'all vtc.value matches "^[0-9]*$"',
    'vtc.value matches "B"',
    'vtc.value ~ "^ABC$"',
    'vtc.value matches "(?-i)B"',
    r'vtc.text matches "\\."',
    r'vtc.text matches r"\."',
    r'vtc.text contains "\x2e"',
    r'vtc.text contains "\056"',
    r'vtc.text contains "\56"',
    r'vtc.text contains "\""',
    r'vtc.text contains "\\"',
    r'vtc.text contains r"\y"',
    'vtc.message in {Data, "ACK"}',
    "vtc.value == vtc.unit",
    "vtc.bcc == vtc.bcc.expected",
    "vtc.bcc != vtc.bcc.expected",
    "frame.number == vtc.tap",
    "vtc.duration < vtc.gap",
    "vtc.speed == 0454",
    "vtc.speed == 0x12C",
    "vtc.speed == 0X12c",
    "vtc.speed == 0b100101100",
    "vtc.cut == 1",
    "vtc.cut == 0",
    "vtc.cut == 7",
    "vtc.cut == true",
    "vtc.cut == TRUE",
    "vtc.cut == False",
    "vtc.cut != 0",
    "vtc.cut > 0",
    "!vtc.cut == 1",
    "not not vtc.cut",
    "not ! not (vtc.cut)",
    "vtc.duration == 0.012345",
    "vtc.duration == 0.012345000",
    "vtc.duration == 0.012345001",
    "vtc.duration > -1",
    "vtc.duration in {0.012..0.013}",
    "vtc.uncertainty == 0.000000001",
    "frame.time_epoch == 1700000000.123456789",
    "frame.time_epoch > 1700000000.123456788",
    "frame.time_epoch > 1700000000.123456789",
    "frame.time_epoch in {1700000001..1700000002}",
    "frame.time_relative > 0",
    "frame.time_relative >= 0.5 and frame.time_relative < 1.000000001",
    "frame.time_relative",
    "len(vtc.value) == 3",
    "len(vtc.value) == 0",
    "all len(vtc.value) == 1",
    "len(vtc.message) > 4",
    "count(vtc.value) == 3",
    "count(vtc.value) > 1 and vtc.cut",
    "count(vtc.cut) == 0",
    "count(vtc.error.parity) == 2",
    'upper(vtc.value) == "ABC"',
    'lower(vtc.message) == "data"',
    'upper(vtc.value) contains "B"',
    "vtc.cut or vtc.value and vtc.echo",
    "vtc.cut && vtc.value || vtc.echo",
    "not vtc.cut and vtc.value",
    "vtc.cut||vtc.value&&vtc.echo",
    "(((vtc.cut)))",
    "vtc.link==100",
    "vtc.link",
)

REFUSED_BY_BOTH = (
    "vtc.nix", "1", '"abc"', "vtc.link == abc", 'vtc.link == "1"', "vtc.link == 1.0", "vtc.link == 08",
    "vtc.link == 1_0", "vtc.link == vtc.cmd", "vtc.link == vtc.gap", "vtc.link contains 1", 'vtc.link matches "1"',
    "vtc.cut contains 1", "vtc.gap == 0x1", "vtc.gap > 1e-3", "vtc.gap > .1", "vtc.gap > 1.", 'vtc.gap > "1"',
    "vtc.gap == 0.0123450001", "vtc.link in {}", "vtc.link in {1,}", "vtc.link in {1 3}", "vtc.link in 1", "in",
    "vtc.text matches x", 'vtc.text matches "["', r'vtc.text contains "\q"', 'vtc.text contains "a',
    "vtc.link AND vtc.cut", "VTC.LINK", "vtc.link EQ 1", "(vtc.link", "vtc.link)", "vtc.link == (1)", "vtc.link ==",
    "== 1", "vtc.link vtc.cut",
    "vtc.link 1", "()", "vtc.link=1", "vtc.link <> 1", "not", "all vtc.link", "all (vtc.link > 1)", "count(vtc.link)",
    "len(vtc.link) ==", 'upper(vtc.link) == "1"', "nix(vtc.link) == 1", "vtc.link == 1 or", "vtc.link == any vtc.link",
    'vtc.text == "a" "b"', "vtc.gap == maybe", "vtc.cut == maybe", "count() == 1", "count(vtc.link == 1",
)  # fmt: skip

LISTENERS = """
local proto = Proto("filters", "Judges filters")
local made = false
function proto.init()
    if made then return end
    made = true
    local number = 0
    for line in io.lines(os.getenv("FILTERS")) do
        number = number + 1
        local here, hits = number, {}
        local good, tap = pcall(Listener.new, "frame", line)
        if good then
            function tap.packet(pinfo) hits[#hits + 1] = pinfo.number end
            function tap.draw() print("FILTER " .. here .. " " .. table.concat(hits, " ")) end
        else
            print("REFUSED " .. here)
        end
    end
end
"""


@pytest.fixture(scope="module")
def dissector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lua") / "vtctap.lua"
    assert main(["wireshark", "lua", "-o", str(path)]) == 0
    return path


def numbers(trace: Path, text: str) -> list[int]:
    wanted = compile_filter(text)
    dissect = Dissector(load()).dissect
    with open_trace(trace) as reader:
        return [each.number for each in map(dissect, reader) if wanted(each.as_json())]


def judged(trace: Path, dissector: Path, filters: tuple[str, ...]) -> list[list[int] | None]:
    """Returns the records that each filter finds in tshark; None for a filter that it refuses."""
    script, lines = dissector.with_name("listeners.lua"), dissector.with_name("filters")
    script.write_text(LISTENERS)
    lines.write_text("\n".join(filters))
    command = ["tshark", "-q", "-r", str(trace), "-X", f"lua_script:{dissector}", "-X", f"lua_script:{script}"]
    environment = {**os.environ, "FILTERS": str(lines)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: list[list[int] | None] = [[-1]] * len(filters)
    for line in done.stdout.splitlines():
        verdict, number, *numbers = line.split()
        found[int(number) - 1] = [int(each) for each in numbers] if verdict == "FILTER" else None
    return found


def compare(trace: Path, dissector: Path, filters: tuple[str, ...]) -> list[str]:
    """Asserts that each filter finds the same as in tshark; returns those that find some records but not all."""
    count = len(numbers(trace, "vtc.kind"))
    ours = [numbers(trace, text) for text in filters]
    theirs = judged(trace, dissector, filters)
    assert {text: mine for text, mine, his in zip(filters, ours, theirs, strict=True) if mine != his} == {}
    return [text for text, mine in zip(filters, ours, strict=True) if 0 < len(mine) < count]


@pytest.mark.parametrize("name", ["faults", "programming"])
def test_filters_find_what_tshark_finds(name: str, dissector: Path) -> None:
    assert compare(EXAMPLES / f"{name}.pcapng", dissector, SAME_AS_TSHARK)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a trace with fields that repeat, empty values, and times to the nanosecond."""
    path = tmp_path_factory.mktemp("trace") / "made.pcapng"
    line = Line(7, "E", 1)
    frames = [
        {"octets": b"/?0012.x-1!\r\n", "speed": 300, "line": line, "duration": 12_345_000, "uncertainty": 1},
        {"octets": b"\x02a(1)(abc*1)c(1*kWh)\x03\x15", "parity_errors": (1, 2), "flags": Flag.PARITY, "tap": 1},
        {"octets": b"\x02(1)\x03\x1a", "parity_errors": (2,), "pauses_us": ((1, 4000), (2, 70_000)), "tap": 1},
        {"octets": b"\x02()\x03\x02", "pauses_us": ((1, 4000),), "flags": Flag.CUT},
        {"octets": b"\x02a(2)b(3)c(1)\x03", "flags": Flag.CUT | Flag.ECHO},
        {"octets": b'\x02x."\\y\r\n(1*1)\x03a', "link": 100, "speed": 300},
        {"octets": b"\x06", "duration": 1_000_000},
        {"octets": b"\x15\x00", "kind": Kind.NOISE, "parity_errors": (3, 4)},
        {"octets": b"\x01W1\x020010(12345678901234567890)\x03\x11", "speed": 9600},
    ]
    with create_trace(path) as writer:
        writer.write(Record(1_700_000_000_000_000_000, kind=Kind.EVENT, event="opened speed=300"))
        for number, frame in enumerate(frames):
            time = 1_700_000_000_123_456_789 + number * 300_000_000
            writer.write(Record(**{"time": time, "sender": Sender.CLIENT, **frame}))  # type: ignore[arg-type]
    return path


only_as_in_4_0 = pytest.mark.skipif(
    " 4.0." not in subprocess.run(["tshark", "--version"], capture_output=True, text=True).stdout.splitlines()[0],
    reason="later versions of tshark take rare filters otherwise ('not in', 'all' with '~=', times in hexadecimal)",
)


@only_as_in_4_0
def test_filters_find_what_tshark_finds_in_made_records(made: Path, dissector: Path) -> None:
    assert len(compare(made, dissector, ON_MADE_RECORDS)) > len(ON_MADE_RECORDS) // 2


@only_as_in_4_0
def test_tshark_refuses_what_vtctap_refuses(made: Path, dissector: Path) -> None:
    for text, found in zip(REFUSED_BY_BOTH, judged(made, dissector, REFUSED_BY_BOTH), strict=True):
        assert found is None, text
        with pytest.raises(FilterError):
            compile_filter(text)


def random_filter(generator: random.Random, depth: int) -> str:
    choose = generator.choice
    if depth and generator.random() < 0.7:
        left, right = random_filter(generator, depth - 1), random_filter(generator, depth - 1)
        return choose(
            [f"{left} and {right}", f"{left} || {right}", f"({left})", f"!{left}", f"not ({left} or {right})"]
        )
    name, values = choose(
        [
            ("vtc.value", ("1", "abc", '""', "2", "vtc.unit")),
            ("vtc.register", ('"a"', '""', "x")),
            ("vtc.error.parity", ("1", "2", "3", "0x4", "vtc.tap")),
            ("vtc.pause", ("0.004", "0.07", "vtc.gap")),
            ("frame.number", ("1", "5", "10")),
        ]
    )
    kind = choose(["any ", "all ", "", ""])
    if generator.random() < 0.2:
        members = ", ".join(generator.sample([value for value in values if "vtc" not in value], 2))
        return f"{name}{choose(['', ' not'])} in {{{members}}}"
    sign = choose(["==", "!=", "===", "!==", "<", "<=", ">", ">="])
    return choose([name, f"{kind}{name} {sign} {choose(values)}", f"count({name}) {sign} {choose('123')}"])


@sizes
@only_as_in_4_0
def test_random_filters_find_what_tshark_finds(whole: bool, made: Path, dissector: Path) -> None:
    generator = random.Random(62055)
    filters = tuple(random_filter(generator, 3) for _ in range(300 if whole else 120))
    assert len(compare(made, dissector, filters)) > len(filters) // 3


FIELDS = json.loads("""{"vtc.value": ["a", "b"], "vtc.link": 3, "vtc.cut": true, "vtc.gap": 0.5,
    "vtc.duration": 0.001000343, "vtc.message": "Data", "vtc.text": "say \\"x\\"",
    "frame.number": 7, "frame.time_epoch": "1700000000.123456789", "vtc.octets": "0630350d0a"}""")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('vtc.value == "a"', True),
        ('vtc.value != "a"', False),
        ('vtc.value ~= "a"', True),
        ('vtc.value === "a"', False),
        ('vtc.value !== "a"', True),
        ('vtc.unit != "a"', False),
        ('not vtc.unit == "a"', True),
        ("vtc.value == a", True),
        ("vtc.message == Data", True),
        ("vtc.cut == true && vtc.cut == 1 && !(vtc.cut == false)", True),
        ("vtc.link == 0x3 and vtc.link == 3", True),
        ("vtc.gap in {0.4..0.6}", True),
        (r'vtc.text == "say \"x\""', True),
        (r'vtc.text contains "\x22x"', True),
        ("vtc.value && vtc.unit || vtc.link", True),
        ("vtc.link xor vtc.value", False),
        # What Wireshark 4.0 does not have, fields of vtctap alone, and limits.
        ("vtc.link ^^ vtc.value ^^ vtc.cut", True),
        ("vtc.link ^^ vtc.unit || vtc.unit", True),
        ("vtc.link ^^ vtc.value && vtc.unit", True),
        ("vtc.link || vtc.value ^^ vtc.cut", True),
        ('all vtc.value in {"a", "b"}', True),
        ('all vtc.value in {"a", "c"}', False),
        ('all vtc.unit in {"a"}', False),
        ('upper(vtc.value) in {"A"}', True),
        ('lower(upper(vtc.value)) == "a"', True),
        ("len(lower(vtc.message)) == 4", True),
        ("vtc.cmd == upper(vtc.text)", False),
        ("vtc.octets contains 06", True),
        ("vtc.duration == 0.001000343", True),
        ("frame.time_epoch == 1700000000.123456789", True),
        ("frame.time_epoch == 1700000000.123456788", False),
        ('vtc.text matches "[[s]a"', True),
        ("not " * 2001 + "vtc.cut", False),
        ("(" * 50 + "vtc.cut" + ")" * 50, True),
        (" or ".join(["vtc.unit"] * 5000) + " or vtc.cut", True),
    ],
)
def test_filters_of_a_hand_made_record(text: str, expected: bool) -> None:
    assert compile_filter(text)(FIELDS) is expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no field"),
        ("vtc.mesage == Data", "'vtc.mesage == Data' at position 1 is no field; did you mean vtc.message"),
        ("vtc.text == vtc.nix", "'vtc.nix' at position 13 is no field"),
        ("message == Data", "did you mean vtc.message"),
        ("frame.len == 1", "is no field"),
        (
            "vtc.expert.bcc",
            "is no field; Wireshark alone has it: 'tshark -Y' filters by it, and 'vtctap check'",
        ),
        ("tcp.port == 1", "is no field"),
        ("vtc.message == Dta", "is no value of vtc.message"),
        ("vtc.link == abc", "is no number"),
        ("vtc.link == -1", "is no number"),
        ("vtc.gap == maybe", "is no number of seconds, as vtc.gap is"),
        ("vtc.cut == maybe", "neither true nor false"),
        ('vtc.cut == "true"', "neither true nor false"),
        (
            "vtc.link == vtc.gap",
            "'vtc.gap' at position 13 cannot be compared with vtc.link: unsigned number and seconds",
        ),
        ("len(vtc.link) == 1", "'vtc.link) == 1' at position 5 is no text, and len() is for text"),
        ("max(vtc.link) == 1", "there are len, count, lower, upper"),
        ("len(vtc.value)", "the end stands where len(vtc.value) is to be compared"),
        ("all vtc.value", "the end stands where vtc.value is to be compared"),
        ('vtc.text contains ""', "nothing that could be looked for"),
        ("vtc.text matches x", "in double quotes"),
        (r'vtc.text matches "\d"', "at position 19 is no escape; \\\\ stands for a backslash"),
        ("1 == vtc.link", "is no field"),
        ("(" * 51 + "vtc.cut" + ")" * 51, "more than 50 brackets"),
        ("vtc.link contains 1", "is for text"),
        ('vtc.text matches "("', "no regular expression"),
        ("vtc.bcc == 256", "'256' at position 12 is too large: vtc.bcc is at most 255"),
        ("vtc.speed > 99999999999999999999999", "is too large: vtc.speed is at most 4294967295"),
        (f'vtc.text matches "{"(" * 3000}a{")" * 3000}"', "no regular expression"),
        ("vtc.link ==", "the end stands where a value"),
        ("(vtc.link", "the end stands where ')'"),
        ("vtc.link vtc.tap", "at position 10"),
        ("vtc.link in {1,", "the end stands where a value"),
        ('vtc.text == "open', "the closing quote is missing"),
        ("vtc.link == 1; import os", "is not understood"),
        ("__import__", "is no field"),
    ],
)
def test_errors_state_the_place_and_the_reason(text: str, says: str) -> None:
    with pytest.raises(FilterError) as error:
        compile_filter(text)
    assert says in str(error.value)
    assert 0 <= error.value.position <= len(text)


WORDS = (
    "vtc.link", "vtc.value", "vtc.gap", "vtc.message", "==", "!=", "<", "(", ")", "{", "}", ",", "..", "and", "xor",
    "not", "!", "in", "all", "1", "0.5", '"a"', "Data", "matches", "contains", "len(", "upper(",
)  # fmt: skip


@given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    try:
        compiled = compile_filter(text)
    except FilterError:
        return
    assert compiled(FIELDS) in (True, False)
