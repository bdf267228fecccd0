"""The messages of commands on standard error, and names that are safe to show."""

import sys

__all__ = ["visible", "warn"]


def warn(text: str) -> None:
    """Prints one line on standard error, in one piece, so that the lines of several processes stay apart."""
    sys.stderr.write(f"vtctap: {visible(text)}\n")


def visible(text: str) -> str:
    """Returns a text with its control characters escaped, since the names of files and taps come from strangers and a
    terminal would obey them."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character in "\n\t" else ascii(character)[1:-1] for character in text
    )
