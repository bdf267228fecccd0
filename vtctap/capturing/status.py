"""What a person sees of a running capture: a status line on the terminal, rewritten in place, and what stands above it.

Only where standard error is a terminal; piped, there is none of it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

from vtctap.messages import count, warn

if TYPE_CHECKING:
    from vtctap.capturing.counts import Counts

INTERVAL: Final = 0.25
"""Seconds between two states of the status line."""


def status(counts: "Counts", *, speed: str, last: str, size: int | None, note: str = "", width: int) -> str:
    """The status line, no wider than ``width``: what was heard, what was wrong with it, the speed, the size of the
    file (octets, None = no file), lost ports, and the last message, which is cut first."""
    errors = " ".join(f"{kind} {number}" for kind, number in counts.errors().items())
    parts = (
        count(counts.kinds["frame"], "frame"),
        count(counts.octets, "octet"),
        errors and f"errors: {errors}",
        speed,
        "" if size is None else f"{size / 1000:.1f} kB",
        counts.lost and "lost: " + ", ".join(counts.lost.values()),
        note,
        last,
    )
    line = " | ".join(part for part in parts if part)
    return line if len(line) <= width else line[: max(width - 3, 0)] + "..."[:width]


class Screen:
    """The terminal of standard error. Everything that is printed there goes through this while a capture runs."""

    def __init__(self, stream: IO[str], *, shared: bool) -> None:
        """``shared``: standard output is the same terminal."""
        self._stream = stream
        self._shared = shared
        self._shown = 0
        self._due = 0.0

    @property
    def width(self) -> int:
        """Columns that a line can have: the last is left free, for some terminals go to the next line after it."""
        try:
            return (os.get_terminal_size(self._stream.fileno()).columns or 80) - 1
        except OSError:
            return 79

    def due(self, now: float) -> bool:
        """Whether the status line may be rewritten at ``now`` (seconds)."""
        return now >= self._due

    def show(self, line: str, now: float) -> None:
        """Rewrites the status line."""
        self._due = now + INTERVAL
        self._stream.write("\r" + line + " " * (self._shown - len(line)) + "\r" * (not line))
        self._stream.flush()
        self._shown = len(line)

    def clear(self) -> None:
        """Takes the status line away."""
        if self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
            self._stream.flush()
            self._shown = 0

    @contextmanager
    def above(self) -> Iterator[None]:
        """Inside, lines can be printed on standard output; the status line is back when it is due."""
        if self._shared:
            self.clear()
        yield

    def say(self, text: str) -> None:
        """One line on standard error."""
        self.clear()
        warn(text)


def screen() -> Screen | None:
    """The screen, if standard error is a terminal that can rewrite a line."""
    if not is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
        return None
    return Screen(sys.stderr, shared=is_terminal(sys.stdout))


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a standard stream is there and is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()
