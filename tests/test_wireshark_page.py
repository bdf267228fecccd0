"""docs/wireshark.md is correct: its filters find packets, and its faults, preferences, colours and buttons exist."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from vtctap.__main__ import main
from vtctap.dissector.profiles.files import load
from vtctap.dissector.profiles.names import shipped
from vtctap.dissector.wireshark import configuration as wireshark_profile
from vtctap.dissector.wireshark.generator import generate
from vtctap.dissector.wireshark.tables import TOLD

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "wireshark.md").read_text("utf-8")
FIELDS_LUA = (ROOT / "dissector" / "wireshark" / "lua" / "fields.lua").read_text("ascii")


def table(*heads: str) -> list[list[str]]:
    """Returns the rows of the table with these column heads, code without its backquotes."""
    found: list[list[str]] = []
    inside = False
    for line in PAGE.splitlines():
        cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells[: len(heads)] == list(heads):
            inside = True
        elif not cells:
            inside = False
        elif inside and set(cells[0]) != {"-"}:
            found.append([cell.strip("`") for cell in cells])
    assert found, heads
    return found


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs tshark on a demo's trace with faults, of devices that sign on."""
    folder = tmp_path_factory.mktemp("wireshark-page")
    script, trace = folder / "vtctap.lua", folder / "demo.pcapng"
    script.write_text(generate(*map(load, shipped()), version="1.2.3"), "ascii")
    assert main(["demo", "--fast", "--faults", "--dialect", "iec62055-52-sign-on", "-q", "-w", str(trace)]) == 0

    def asked(*arguments: str) -> str:
        command = ["tshark", "-r", str(trace), "-X", f"lua_script:{script}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert [line for line in done.stderr.splitlines() if not line.startswith("Running as user")] == []
        assert done.returncode == 0
        return done.stdout

    return asked


def test_filters_find_something_and_not_everything(ask: Callable[..., str]) -> None:
    """One run counts the packets of each filter; its statistics are those of what ``-2 -Y`` would show."""
    rules = [row[0] for row in table("filter", "shows")]
    shown = ask("-2", "-q", *(word for rule in ["", *rules] for word in ("-z", f"io,phs,{rule}".rstrip(","))))
    counted = re.findall(r"^Filter: *(.*)\n\nframe +frames:(\d+)", shown, re.MULTILINE)
    found = {rule: int(count) for rule, count in counted}
    everything = found.pop("")
    assert found.keys() == {*rules}
    assert [rule for rule, count in found.items() if count >= everything] == []


def test_faults_are_those_of_the_dissector(ask: Callable[..., str]) -> None:
    """Every filter on the page of findings exists, and the page has every finding."""
    page = (ROOT / "docs" / "findings.md").read_text("utf-8")
    filters = re.findall(r"`(vtc\.expert\.\w+)`", page)
    assert {f"vtc.expert.{kind.expert}" for kind in TOLD} < set(filters)
    ask("-Y", " || ".join(filters))


def test_preferences_are_those_of_the_dissector(ask: Callable[..., str]) -> None:
    rows = table("preference", "value")
    assert [row[0] for row in rows] == [f"vtc.{name}" for name in re.findall(r"prefs\.(\w+) = Pref", FIELDS_LUA)]
    values = {"ms": "1", "TRUE, FALSE": "TRUE"}
    ask("-c", "1", *(word for name, value, _ in rows for word in ("-o", f"{name}:{values.get(value, shipped()[-1])}")))


def test_colours_and_buttons_are_those_of_the_profile() -> None:
    assert [row[1] for row in table("colour", "row")] == [name for name, *_ in wireshark_profile.COLOURS]
    assert [row[0] for row in table("button", "shows")] == [label for label, _ in wireshark_profile.BUTTONS]
    titles = [title for title, *_ in wireshark_profile.COLUMNS]
    assert [row[0] for row in table("column")] == [title for title in titles if title != "No."]


def test_commands_for_a_terminal(ask: Callable[..., str]) -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    for command in block.splitlines():
        program, *arguments = command.replace("-r trace.pcapng ", "").split()
        assert program == "tshark"
        assert len(ask(*arguments).splitlines()) > 20
