"""Messages of a process do not mix with those of others that share its standard error."""

import io
import sys
from pathlib import Path

import pytest

from vtctap.base.surrogates import encodable
from vtctap.command_line.messages import held, reason, visible, warn
from vtctap.command_line.progress import with_bar, with_count
from vtctap.errors import CommandError


class Writes(io.StringIO):
    """Standard error that keeps each write apart, as without buffers (PYTHONUNBUFFERED)."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return len(text)


def test_a_line_is_one_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", errors := Writes())
    warn("empty.pcapng is empty")
    assert errors.pieces == ["vtctap: empty.pcapng is empty\n"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (FileNotFoundError(2, "No such file or directory", "a.pcapng"), "No such file or directory"),
        (
            FileNotFoundError(2, "No such file or directory", "ring_2.pcapng"),
            "ring_2.pcapng: No such file or directory",
        ),
        (OSError(5, "Input/output error"), "Input/output error"),
        (CommandError("a.pcapng: it changed"), "it changed"),
        (CommandError("a.pcapng is no capture file"), "it is no capture file"),
        (CommandError("own.toml, line 3: a value is missing"), "own.toml, line 3: a value is missing"),
    ],
)
def test_the_reason_stands_behind_the_name_of_the_trace(error: CommandError | OSError, said: str) -> None:
    assert reason(error, "a.pcapng") == said


def test_a_terminal_gets_no_bar_where_messages_are_held(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stderr", errors := Writes())
    monkeypatch.setattr(errors, "isatty", lambda: True)
    monkeypatch.setattr("vtctap.command_line.progress.PATIENCE", 0.0)
    (tmp_path / "t.pcapng").write_bytes(bytes(9))
    with open(tmp_path / "t.pcapng", "rb") as file:
        with held() as messages:
            warn("damaged")
            assert list(with_bar("ab", file, "t.pcapng")) == ["a", "b"]
            assert list(with_count("ab", 2, "traces")) == ["a", "b"]
        assert (messages, errors.pieces) == (["damaged"], [])
        assert list(with_bar("ab", file, "t.pcapng")) == ["a", "b"]
    assert "t.pcapng:   0%" in errors.pieces[0]


def test_a_name_that_is_no_utf_8_has_one_form_in_messages_and_tables() -> None:
    name = b"caf\xe9 \xf0\x9f\x94\x8c.pcapng".decode(errors="surrogateescape")
    assert encodable(name) == visible(name) == "caf\\udce9 \U0001f50c.pcapng"
