"""docs/importing.md: one test for each row of its tables, and the octets of every sample."""

import ast
import re
from pathlib import Path

import pytest

from vtctap.pcap.importers.account import Account
from vtctap.pcap.importers.forms import FORMS
from vtctap.pcap.importers.logs import read, recognise
from vtctap.pcap.imports import IMPORTERS
from vtctap.pcap.record import Sender

PAGE = (Path(__file__).parents[3] / "docs" / "importing.md").read_text("utf-8")
SESSION = b"/?!\r\n/ISk5MT174-0001\r\n\x06050\r\n\x020.0.0(00000000)\r\n1.8.0(001234.120*kWh)\r\n!\r\n\x03u"
ROWS = re.findall(r"^\| `([\w-]+)`(?: \\\*)? \| (.*) \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
SAMPLES = {
    name: (sample, ast.literal_eval(octets) if octets else SESSION)
    for name, sample, octets in re.findall(
        r"^### ([\w-]+)\n\n```text\n(.*?\n)```\n(?:\nOctets: `(b'[^`]*')`\n)?", PAGE, re.MULTILINE | re.DOTALL
    )
}


def test_every_format_has_its_row_and_every_form_its_sample() -> None:
    assert sorted(name for name, *_ in ROWS) == sorted(IMPORTERS)
    assert [*SAMPLES] == [form.name for form in FORMS]
    linked = {name: re.fullmatch(r"\[(.*)\]\((.*)\)", what) for name, what, *_ in ROWS}
    for form in FORMS:
        found = linked[form.name]
        assert found, form.name
        assert found[1].replace("&lt;", "<") == form.program
        assert found[2] == form.documented


@pytest.mark.parametrize(("name", "what", "direction", "time"), [row for row in ROWS if row[0] in SAMPLES])
def test_row(name: str, what: str, direction: str, time: str, tmp_path: Path) -> None:
    """The sample is recognised and gives its octets, with direction and time if the row says so."""
    sample, octets = SAMPLES[name]
    (tmp_path / "x.log").write_text(sample, "latin-1", newline="")
    (form,) = recognise(tmp_path / "x.log")
    assert form.name == name
    account = Account()
    bursts = list(read(tmp_path / "x.log", form, account))
    assert b"".join(burst.octets for burst in bursts) == octets
    assert account.complete, [*account.report()]
    senders = {burst.sender for burst in bursts}
    if direction in ("yes", "two names"):
        assert senders == {Sender.CLIENT, Sender.SERVER}
        assert any("sent first" in note for note in account.notes) == (direction == "two names")
    elif direction == "no":
        assert senders == {Sender.UNKNOWN}
    timed = {burst.time is not None for burst in bursts}
    assert time == "where a line has it" or timed == {time == "yes"}
