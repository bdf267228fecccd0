"""``--no-secrets``: no secret appears on the screen."""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from equipment.planted import NOON, data
from vtctap.__main__ import main
from vtctap.pcap.capture_file import Interface
from vtctap.pcap.record import Kind, Record, Sender
from vtctap.pcap.trace import create_trace

Text = pytest.CaptureFixture[str]
Run = Callable[..., subprocess.CompletedProcess[str]]


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


def written(path: Path, *records: Record, names: tuple[str, ...] = ("", "")) -> str:
    """Writes a trace of records; the taps have these names."""
    with create_trace(str(path), taps=[Interface(147, name) for name in names]) as writer:
        for record in records:
            writer.write(record)
    return str(path)


COMMANDS = [
    ["read"],
    ["read", "-x", "-V"],
    ["read", "--json"],
    ["check"],
    ["check", "--json"],
    ["stats"],
    ["stats", "--json"],
]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_name_of_a_link_is_shown(command: list[str], tmp_path: Path, capsys: Text) -> None:
    records = [Record(NOON + n, b"/?!\r\n", sender=Sender.CLIENT, link=n, tap=n) for n in (0, 1)]
    path = written(tmp_path / "t.pcapng", *records, names=("SN12345678_Mueller:client", "SN99999999:client"))
    main(["read", path])
    assert "Mueller" in capsys.readouterr().out
    main([*command, path, "--no-secrets"])
    shown = capsys.readouterr()
    assert "Mueller" not in shown.out + shown.err
    assert "SN99999999" not in shown.out + shown.err


VALUE = Record(NOON, data(b"1.8.0(123456*kWh)"), sender=Sender.SERVER)
SIGN_ON = Record(NOON + 10**9, b"/?123456!\r\n", sender=Sender.CLIENT)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("records", [(VALUE, SIGN_ON), (SIGN_ON, VALUE)], ids=["value first", "address first"])
def test_a_secret_is_not_shown_where_values_stay(
    command: list[str], records: tuple[Record, ...], tmp_path: Path, capsys: Text
) -> None:
    path = written(tmp_path / "t.pcapng", *records)
    main(["read", path])
    assert capsys.readouterr().out.count("123456") == 2
    main([*command, path, "--no-secrets"])
    assert "123456" not in capsys.readouterr().out


def test_a_secret_in_a_later_part_is_not_shown(tmp_path: Path, capsys: Text) -> None:
    parts = [written(tmp_path / f"{record.time}.pcapng", record) for record in (VALUE, SIGN_ON)]
    main(["read", *parts, "--join", "--no-secrets"])
    shown = capsys.readouterr().out
    assert "1.8.0" in shown
    assert "123456" not in shown


def test_a_pipe_shows_no_secret_that_it_has_seen(tmp_path: Path, vtctap: Run) -> None:
    path = written(tmp_path / "t.pcapng", SIGN_ON, VALUE)
    with open(path, "rb") as pipe:
        shown = vtctap("read", "--no-secrets", "-", stdin=pipe)
    assert "1.8.0" in shown.stdout
    assert "123456" not in shown.stdout


@pytest.mark.parametrize("last", [b"x", b""], ids=["ended", "not ended"])
def test_a_pipe_shows_no_number_that_noise_has_spread_over_records(last: bytes, tmp_path: Path, vtctap: Run) -> None:
    digits = [bytes([octet]) for octet in b"123456" + last]
    noise = [Record(NOON - 10**9 + 10**6 * n, digit, Kind.NOISE, Sender.CLIENT) for n, digit in enumerate(digits)]
    path = written(tmp_path / "t.pcapng", *noise, VALUE)
    for command in (["read", "--no-secrets", "-"], ["read", "--no-secrets", path]):
        with open(path, "rb") as pipe:
            shown = vtctap(*command, stdin=pipe).stdout
        assert "1.8.0" in shown
        assert "123456" not in shown


def test_what_cannot_be_read_is_told_once_and_after_what_can(tmp_path: Path, capsys: Text) -> None:
    parts = [written(tmp_path / "a.pcapng", SIGN_ON), str(tmp_path / "b.pcapng")]
    Path(parts[1]).write_bytes(b"no trace")
    assert main(["read", *parts, "--join", "--no-secrets"]) != 0
    shown = capsys.readouterr()
    assert "IDRequest" in shown.out or "/?" in shown.out
    assert shown.err.count("b.pcapng") == 1


def test_the_report_has_no_name(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    records = [Record(NOON + n, b"/?!\r\n", sender=Sender.CLIENT, link=n, tap=n) for n in (0, 1)]
    path = written(tmp_path / "SN12345678.pcapng", *records, names=("Mueller:client", "SN99999999:client"))
    page = tmp_path / "t.html"
    assert main(["report", path, "--no-secrets", "-o", str(page)]) == 0
    shown = page.read_text("utf-8")
    assert not [name for name in ("SN12345678", "Mueller", "SN99999999") if name in shown]


def test_the_report(trace: str, tmp_path: Path, capsys: Text) -> None:
    pytest.importorskip("plotly")
    secrets = secrets_of(trace, capsys)
    page = tmp_path / "t.html"
    assert main(["report", trace, "--no-secrets", "-o", str(page)]) == 0
    shown = page.read_text("utf-8")
    assert not [secret for secret in secrets if secret in shown]


def test_a_trace_is_written_by_redact(trace: str, tmp_path: Path) -> None:
    assert main(["read", "--no-secrets", trace, "-w", str(tmp_path / "u.pcapng")]) == 2
