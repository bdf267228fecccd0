"""Writes and removes several files together: all of them or, after an error, none.

Each file is first written beside its place, under a hidden name that ends in ``.partial``, and what it replaces is
copied to a hidden name that ends in ``.before``. When the block ends, the files get their names, in the order of the
calls. So a full disk is noticed before anything is changed, and what was there comes back without new space. Folders
that were made for the files are removed again after an error.

This is for files that belong together, such as those of an installation. A single output of a command needs no copy of
what it replaces: :func:`~vtctap.command_line.outputs.whole_path` writes it.

A killed program can leave hidden files, and some of the files new and others old, but each of them is whole.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["Replacement", "missing_folders", "remove_empty", "replacing"]


class _Step(NamedTuple):
    """A file to put (or, without ``partial``, to remove), and the copy of what it replaces, if anything."""

    path: Path
    partial: Path | None
    before: Path | None


class Replacement:
    """The files to write and to remove. Errors are OSErrors that name the file, never a hidden one."""

    def __init__(self) -> None:
        self._steps: list[_Step] = []
        self._hidden: list[Path] = []
        self._made: list[Path] = []
        self._done: list[_Step] = []

    def write(self, path: Path, content: bytes, mode: int = 0o644) -> None:
        """Plans a file with that content; its folder is made if necessary. Raises OSError."""
        with _named(path):
            self._made += missing_folders(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = self._hide(path, "partial")
            partial.write_bytes(content)
            partial.chmod(mode)
            self._steps.append(_Step(path, partial, self._copy(path)))

    def remove(self, path: Path) -> None:
        """Plans the removal of a file. Raises OSError."""
        with _named(path):
            self._steps.append(_Step(path, None, self._copy(path)))

    def _copy(self, path: Path) -> Path | None:
        if not path.is_symlink() and not path.exists():
            return None
        before = self._hide(path, "before")
        shutil.copy2(path, before, follow_symlinks=False)
        return before

    def _hide(self, path: Path, suffix: str) -> Path:
        """Returns the hidden name for a file. What has that name is ours, left by a killed program, unless it is a
        folder."""
        hidden = path.with_name(f".{path.name}.{suffix}")
        hidden.unlink(missing_ok=True)
        self._hidden.append(hidden)
        return hidden

    def _commit(self) -> None:
        for step in self._steps:
            self._done.append(step)  # Noted first, since a signal may come when it is done and before the next line.
            try:
                if step.partial:
                    os.replace(step.partial, step.path)
                else:
                    step.path.unlink(missing_ok=True)
            except OSError as error:
                self._done.pop()
                raise _about(error, step.path) from None

    def _undo(self) -> None:
        """Restores everything. A copy that cannot be put back stays."""
        for step in reversed(self._done):
            try:
                if step.before:
                    os.replace(step.before, step.path)
                else:
                    step.path.unlink(missing_ok=True)
            except OSError:
                self._hidden = [hidden for hidden in self._hidden if hidden != step.before]

    def _clean(self) -> None:
        for hidden in self._hidden:
            with suppress(OSError):  # The next replacement of this file removes it.
                hidden.unlink(missing_ok=True)


@contextmanager
def replacing() -> Iterator[Replacement]:
    """Yields the :class:`Replacement` that is done when the block ends, and undone after an error."""
    replacement = Replacement()
    try:
        yield replacement
        replacement._commit()
    except BaseException:
        replacement._undo()
        replacement._clean()
        remove_empty(replacement._made)
        raise
    replacement._clean()


def missing_folders(path: Path) -> list[Path]:
    """Returns the folders that a file needs and that do not exist."""
    return [folder for folder in path.parents if not folder.exists()]


def remove_empty(folders: Iterable[Path]) -> None:
    """Removes those folders that are empty, the innermost first. Others, and those that cannot be removed, stay."""
    for folder in sorted(folders, key=lambda folder: len(folder.parts), reverse=True):
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Makes an OSError name that file."""
    try:
        yield
    except OSError as error:
        raise _about(error, path) from None


def _about(error: OSError, path: Path) -> OSError:
    """Returns an OSError that names that file."""
    return OSError(error.errno, error.strerror, str(path))
