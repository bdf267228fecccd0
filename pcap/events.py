"""The text of an event: its name, then words of the form ``key=value`` (docs/link-type.md names them)."""

from collections.abc import Mapping
from typing import Final

MAX_DIGITS: Final = 19
"""Most digits of a number that an event states; damage or a stranger may write more."""


def event_name(text: str) -> str:
    """Returns the name of an event; empty for no event."""
    return text.partition(" ")[0]


def event_words(text: str) -> tuple[str, dict[str, str]]:
    """Returns the name of an event and the values of its words by their keys. Of equal keys the last one counts; a word
    without ``=`` is none."""
    name, _, rest = text.partition(" ")
    return name, dict(word.split("=", 1) for word in rest.split() if "=" in word)


def event_number(words: Mapping[str, str], key: str) -> int | None:
    """Returns the number that an event states by this key; None where it states none, or no plain decimal number of at
    most :data:`MAX_DIGITS` digits."""
    value = words.get(key, "")
    return int(value) if len(value) <= MAX_DIGITS and value.isascii() and value.isdecimal() else None
