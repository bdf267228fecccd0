"""The messages of commands on standard error."""

import sys

__all__ = ["warn"]


def warn(text: str) -> None:
    """Prints one line on standard error."""
    print(f"vtctap: {text}", file=sys.stderr)
