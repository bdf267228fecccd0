"""The messages of commands on standard error, and names that are safe to show."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from vtctap.errors import Error

__all__ = ["held", "is_shown", "reason", "visible", "warn"]

_HELD: Final[ContextVar[list[str] | None]] = ContextVar("held", default=None)
"""Where the messages of this thread are kept; None: they are printed."""


def warn(text: str) -> None:
    """Prints one line on standard error, in one piece, so that the lines of several processes stay apart."""
    messages = _HELD.get()
    if messages is None:
        sys.stderr.write(f"vtctap: {visible(text)}\n")
    else:
        messages.append(text)


@contextmanager
def held() -> Iterator[list[str]]:
    """Yields a list that collects this thread's messages instead of printing them."""
    messages: list[str] = []
    before = _HELD.set(messages)
    try:
        yield messages
    finally:
        _HELD.reset(before)


def is_shown() -> bool:
    """Returns whether a terminal shows at once what this thread says, so that a progress bar makes sense."""
    return _HELD.get() is None and sys.stderr.isatty()


def reason(error: Error | OSError, trace: str) -> str:
    """Says why a trace could not be read, without its name in front. The error may name another file, as that of a ring
    or of a profile."""
    text = str(error) if isinstance(error, Error) else f"{error.filename or trace}: {error.strerror or error}"
    return f"it{text.removeprefix(trace)}" if text.startswith(f"{trace} is ") else text.removeprefix(f"{trace}: ")


def visible(text: str) -> str:
    """Returns a text with its control characters escaped, since the names of files and taps come from strangers and a
    terminal would obey them."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in "\n\t" else ascii(character)[1:-1] for character in text
    )
