"""The names of pseudo-terminals do not outlive their command."""

import os
from pathlib import Path

import pytest

from vtctap.command_line.terminals import named_terminal


def test_a_signal_leaves_no_name_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come while the name is being made."""

    def interrupted(terminal: str, name: str) -> None:
        real(terminal, name)
        raise KeyboardInterrupt

    real = os.symlink
    monkeypatch.setattr(os, "symlink", interrupted)
    with pytest.raises(KeyboardInterrupt), named_terminal("/dev/pts/0", str(tmp_path / "meter")):
        pass
    assert [*tmp_path.iterdir()] == []
