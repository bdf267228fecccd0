"""``--no-secrets``: no secret appears on the screen."""

import json
import re
from pathlib import Path

import pytest

from vtctap.__main__ import main

Text = pytest.CaptureFixture[str]


@pytest.fixture
def trace(tmp_path: Path) -> str:
    path = str(tmp_path / "t.pcapng")
    assert main(["demo", "--fast", "-q", "--seed", "5", "-w", path]) == 0
    return path


def secrets_of(trace: str, capsys: Text) -> set[str]:
    """Returns the encrypted tokens and the meter's number."""
    capsys.readouterr()
    main(["read", "--json", trace])
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    tokens = {record["vtc.token"] for record in records if record.get("vtc.token.class") in (0, 2)}
    numbers = {value for record in records for value in record.get("vtc.value", []) if re.fullmatch("[0-9]{11}", value)}
    assert tokens
    assert numbers
    return tokens | numbers | {secret.encode().hex() for secret in tokens | numbers}


@pytest.mark.parametrize(
    "command", [["read"], ["read", "-x"], ["read", "--json"], ["check"], ["stats"], ["stats", "--json"]]
)
def test_no_secret_is_shown(command: list[str], trace: str, capsys: Text) -> None:
    secrets = secrets_of(trace, capsys)
    main([*command, trace])
    before = capsys.readouterr().out.replace(" ", "")
    main([*command, "--no-secrets", trace])
    after = capsys.readouterr().out
    assert not [secret for secret in secrets if secret in after.replace(" ", "")]
    assert len(after.splitlines()) == len(before.splitlines())


def test_the_report(trace: str, tmp_path: Path, capsys: Text) -> None:
    pytest.importorskip("plotly")
    secrets = secrets_of(trace, capsys)
    page = tmp_path / "t.html"
    assert main(["report", trace, "--no-secrets", "-o", str(page)]) == 0
    shown = page.read_text("utf-8")
    assert not [secret for secret in secrets if secret in shown]


def test_a_trace_is_written_by_redact(trace: str, tmp_path: Path) -> None:
    assert main(["read", "--no-secrets", trace, "-w", str(tmp_path / "u.pcapng")]) == 2
