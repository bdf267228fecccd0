"""Counted nouns. This module imports nothing, so every package may import it."""

__all__ = ["count"]

_UNCOUNTED = frozenset({"noise"})
"""Nouns without a plural."""


def count(number: int, noun: str) -> str:
    """Returns a number with its noun: ``1 frame``, ``2 frames``, ``2 retries``, ``2 noise``."""
    if number == 1 or noun in _UNCOUNTED:
        return f"{number} {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("ry") else f"{number} {noun}s"
