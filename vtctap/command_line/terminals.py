"""The names that users give to pseudo-terminals: symbolic links, which exist as long as the command plays."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from vtctap.command_line.outputs import output_errors
from vtctap.errors import CommandError

__all__ = ["named_terminal"]


@contextmanager
def named_terminal(terminal: str, name: str | None) -> Iterator[str]:
    """Yields the name of a pseudo-terminal: the wanted ``name``, or its own. Raises CommandError if the wanted one is
    taken, and OutputError if it cannot be made."""
    if not name:
        yield terminal
        return
    try:
        with output_errors(name):
            _link(terminal, name)
        yield name
    finally:
        if os.path.islink(name) and os.readlink(name) == terminal:
            os.unlink(name)


def _link(terminal: str, name: str) -> None:
    try:
        os.symlink(terminal, name)
    except FileExistsError:
        raise CommandError(f"{name} exists: choose another name, or remove it") from None
