"""Messages of a process do not mix with those of others that share its standard error."""

import io
import sys

import pytest

from vtctap.command_line.messages import warn


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
