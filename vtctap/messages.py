"""What commands say on standard error, and counted nouns."""

import sys

__all__ = ["count", "warn"]

_UNCOUNTED = frozenset({"noise"})
"""Nouns without a plural."""


def warn(text: str) -> None:
    """Prints one line on standard error."""
    print(f"vtctap: {text}", file=sys.stderr)


def count(number: int, noun: str) -> str:
    """A number of things, in words: ``1 frame``, ``2 frames``, ``2 retries``, ``2 noise``."""
    if number == 1 or noun in _UNCOUNTED:
        return f"{number} {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("ry") else f"{number} {noun}s"
