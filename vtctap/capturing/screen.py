"""What a running capture says on standard error: lines, and on a terminal a status line below them, rewritten in place.

Nothing here waits for a terminal or a pipe: what finds no room is not said.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vtctap.capturing.outlet import Outlet

HELD: Final = 1 << 16
"""Octets that are held for a terminal or pipe that takes nothing."""
INTERVAL: Final = 0.25
"""Seconds between two states of the status line."""
PATIENCE: Final = 0.5
"""Seconds, at the end, in which the terminal must take something of what is held."""


class Screen:
    """Standard error. Everything that is printed there goes through this while a capture runs.

    ``rewrites``: it is a terminal that can rewrite a line; ``shared``: standard output is the same terminal;
    ``quiet``: nothing is said.
    """

    def __init__(
        self, stream: IO[str], outlet: "Outlet", *, rewrites: bool = False, shared: bool = False, quiet: bool = False
    ) -> None:
        self._stream = stream
        self._outlet = outlet
        self.rewrites = rewrites
        self._shared = shared
        self._quiet = quiet
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
        """Whether the status line may be rewritten at ``now`` (seconds): not while earlier output is still held."""
        return self.rewrites and not self._quiet and now >= self._due and self._outlet.idle

    def show(self, line: str, now: float) -> None:
        """Rewrites the status line."""
        self._due = now + INTERVAL
        if self._put("\r" + line + " " * (self._shown - len(line)) + "\r" * (not line)):
            self._shown = len(line)

    def clear(self) -> None:
        """Takes the status line away."""
        if self._shown and self._put("\r" + " " * self._shown + "\r"):
            self._shown = 0

    @contextmanager
    def above(self) -> Iterator[None]:
        """Inside, lines can be printed on standard output; the status line is back when it is due."""
        if self._shared:
            self.clear()
        yield

    def say(self, text: str) -> None:
        """Says one line."""
        if not self._quiet:
            self.insist(text)

    def insist(self, text: str) -> None:
        """Says one line, though the screen is quiet."""
        self.clear()
        self._put(f"vtctap: {text}\n")

    def finish(self) -> None:
        """Waits until all is said, but not for long."""
        with suppress(OSError):
            self._outlet.finish(PATIENCE)

    def _put(self, text: str) -> bool:
        try:
            return self._outlet.put(text)
        except OSError:  # Whom is that to be told?
            return False


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a standard stream is there and is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def can_rewrite(stream: IO[str]) -> bool:
    """Whether a standard stream is a terminal that can rewrite a line."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def one_terminal() -> bool:
    """Whether standard output and standard error are the same terminal."""
    if not (is_terminal(sys.stdout) and is_terminal(sys.stderr)):
        return False
    with suppress(OSError):
        return os.fstat(sys.stdout.fileno()).st_rdev == os.fstat(sys.stderr.fileno()).st_rdev
    return False
