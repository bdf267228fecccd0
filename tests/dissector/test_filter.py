"""Filters: the same records as tshark finds with the same words, and errors that say what to do."""

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtctap.__main__ import main
from vtctap.dissector.dissect import Dissector
from vtctap.dissector.filter import FilterError, compile_filter
from vtctap.dissector.profile import load
from vtctap.pcap import open_trace

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


@pytest.mark.parametrize("text", SAME_AS_TSHARK)
def test_finds_what_tshark_finds(text: str, dissector: Path) -> None:
    for name in ("faults", "programming"):
        trace = EXAMPLES / f"{name}.pcapng"
        command = ["tshark", "-r", str(trace), "-X", f"lua_script:{dissector}", "-Y", text]
        done = subprocess.run([*command, "-T", "fields", "-e", "frame.number"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert numbers(trace, text) == [int(number) for number in done.stdout.split()], name


FIELDS = json.loads("""{"vtc.value": ["a", "b"], "vtc.link": 3, "vtc.cut": true, "vtc.gap": 0.5,
    "vtc.message": "Data", "vtc.text": "say \\"x\\""}""")


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
    ],
)
def test_hand_made_truths(text: str, expected: bool) -> None:
    assert compile_filter(text)(FIELDS) is expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no field"),
        ("vtc.mesage == Data", "did you mean vtc.message"),
        ("tcp.port == 1", "is no field"),
        ("vtc.message == Dta", "is no value of vtc.message"),
        ("vtc.link == abc", "is no number"),
        ("vtc.cut == maybe", "neither true nor false"),
        ("vtc.link contains 1", "is for text"),
        ('vtc.text matches "("', "no regular expression"),
        ("vtc.link ==", "the end stands where a value"),
        ("(vtc.link", "the end stands where ')'"),
        ("vtc.link vtc.tap", "at position 10"),
        ("vtc.link in {1,", "the end stands where a value"),
        ('vtc.text == "open', "is not understood"),
        ("vtc.link == 1; import os", "is not understood"),
        ("__import__", "is no field"),
    ],
)
def test_errors_say_where_and_what(text: str, says: str) -> None:
    with pytest.raises(FilterError) as error:
        compile_filter(text)
    assert says in str(error.value)


WORDS = (
    "vtc.link",
    "vtc.value",
    "==",
    "!=",
    "<",
    "(",
    ")",
    "{",
    "}",
    ",",
    "..",
    "and",
    "not",
    "!",
    "1",
    '"a"',
    "matches",
)


@given(st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    try:
        compiled = compile_filter(text)
    except FilterError:
        return
    assert compiled(FIELDS) in (True, False)
