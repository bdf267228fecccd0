"""Messages of a process do not mix with those of others that share its standard error."""

import io
import sys

import pytest

from vtctap.command_line.messages import reason, warn
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
