"""Several files are replaced together, or none of them is."""

import os
from pathlib import Path

import pytest

from vtctap.base.replacing import replacing


def write(*paths: Path, then: Exception | None = None) -> None:
    """Writes "new" to the files, together; or fails before the end of the block."""
    with replacing() as replacement:
        for path in paths:
            replacement.write(path, b"new")
        if then:
            raise then


def test_files_are_written_and_removed_together(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "a/b/new"
    old.write_text("old")
    with replacing() as replacement:
        replacement.write(new, b"new", 0o755)
        replacement.remove(old)
        assert (old.read_text(), new.exists()) == ("old", False)
    assert (new.read_bytes(), new.stat().st_mode & 0o777) == (b"new", 0o755)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "new"]


def test_an_error_in_the_block_changes_nothing(tmp_path: Path) -> None:
    """Not even a link, whose target stays as well."""
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(KeyError):
        write(tmp_path / "link", tmp_path / "folder/new", then=KeyError())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "target"]
    assert (tmp_path / "link").is_symlink()


def test_a_link_comes_back_as_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    replaced = os.replace

    def failing(source: Path, target: Path) -> None:
        if target.name == "b":
            raise OSError(5, "Input/output error", str(source))
        replaced(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="Input/output error") as raised:
        write(tmp_path / "link", tmp_path / "b")
    assert raised.value.filename == str(tmp_path / "b")
    assert os.readlink(tmp_path / "link") == "target"
    assert (tmp_path / "target").read_text() == "old"


@pytest.mark.parametrize("moment", range(1, 4))
def test_a_signal_between_two_steps_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """It comes when a file has just got its name."""
    replaced, steps = os.replace, 0

    def interrupted(source: Path, target: Path) -> None:
        nonlocal steps
        replaced(source, target)
        steps += 1
        if steps == moment:
            raise KeyboardInterrupt

    paths = [tmp_path / name for name in ("a", "folder/new", "c")]
    for path in (paths[0], paths[2]):
        path.write_text("old")
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(*paths)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old", "c": "old"}


def test_what_a_killed_program_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / ".a.partial").write_text("half")
    (tmp_path / ".a.partial").chmod(0)
    write(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_copy_that_cannot_be_put_back_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "ab":
        (tmp_path / name).write_text("old")
    calls, replaced = iter(range(9)), os.replace

    def once(source: Path, target: Path) -> None:
        if next(calls):
            raise OSError(5, "Input/output error", str(source))
        replaced(source, target)

    monkeypatch.setattr(os, "replace", once)
    with pytest.raises(OSError, match="Input/output error") as raised:
        write(tmp_path / "a", tmp_path / "b")
    assert raised.value.filename == str(tmp_path / "b")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "new", "b": "old", ".a.before": "old"}
