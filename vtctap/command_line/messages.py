"""The messages of commands on standard error, and names that are safe to show."""

import sys

from vtctap.errors import Error

__all__ = ["reason", "visible", "warn"]


def warn(text: str) -> None:
    """Prints one line on standard error, in one piece, so that the lines of several processes stay apart."""
    sys.stderr.write(f"vtctap: {visible(text)}\n")


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
