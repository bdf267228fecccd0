"""The messages of a running capture on standard error, and on a terminal a status line below them.

Nothing here waits for a terminal or a pipe: messages that do not fit into the buffer are dropped, and their number is
shown when there is room again.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final

from vtctap.base.nouns import count

if TYPE_CHECKING:
    from vtctap.capturing.outlet import Outlet

HELD: Final = 1 << 16
"""Most octets buffered for a terminal or pipe that stalls."""
INTERVAL: Final = 0.25
"""Seconds between two updates of the status line."""
PATIENCE: Final = 0.5
"""Seconds that the terminal may stall at the end before the rest is given up."""


class Screen:
    """Standard error while a capture runs: every message goes through this class.

    ``rewrites`` says that it is a terminal that can rewrite a line, ``shared`` that standard output is the same
    terminal, and ``quiet`` that messages are suppressed.
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
        self._dropped = 0

    @property
    def width(self) -> int:
        """Columns of a line. The last column stays free, because some terminals wrap after it."""
        try:
            return (os.get_terminal_size(self._stream.fileno()).columns or 80) - 1
        except OSError:
            return 79

    def due(self, now: float) -> bool:
        """Returns whether the status line may be rewritten at ``now`` (seconds): not while older output is pending."""
        return self.rewrites and not self._quiet and now >= self._due and self._outlet.idle

    def show(self, line: str, now: float) -> None:
        """Rewrites the status line."""
        self._due = now + INTERVAL
        if self._put("\r" + line + " " * (self._shown - len(line)) + "\r" * (not line)):
            self._shown = len(line)

    def clear(self) -> None:
        """Removes the status line."""
        if self._shown and self._put("\r" + " " * self._shown + "\r"):
            self._shown = 0

    @contextmanager
    def above(self) -> Iterator[None]:
        """Allows lines on standard output inside the context. The status line comes back when it is due."""
        if self._shared:
            self.clear()
        yield

    def say(self, text: str) -> None:
        """Shows a message, unless the screen is quiet."""
        if not self._quiet:
            self.insist(text)

    def insist(self, text: str) -> None:
        """Shows a message, even if the screen is quiet."""
        self.clear()
        self._count_dropped()
        self._dropped += not self._put(f"vtctap: {text}\n")

    def finish(self) -> None:
        """Waits until all messages are written, or for :data:`PATIENCE` seconds."""
        with suppress(OSError):
            self._outlet.finish(PATIENCE)
            if self._dropped:
                self._count_dropped()
                self._outlet.finish(PATIENCE)

    def _count_dropped(self) -> None:
        """Shows how many messages were dropped, if any were and there is room now."""
        dropped = count(self._dropped, "message")
        if self._dropped and self._put(f"vtctap: {dropped} not shown, because standard error was not read\n"):
            self._dropped = 0

    def _put(self, text: str) -> bool:
        try:
            return self._outlet.put(text)
        except OSError:  # Standard error is gone, so nobody can be told.
            return False


def is_terminal(stream: IO[str] | None) -> bool:
    """Returns whether a standard stream exists and is a terminal."""
    return stream is not None and not stream.closed and stream.isatty()


def can_rewrite(stream: IO[str]) -> bool:
    """Returns whether a standard stream is a terminal that can rewrite a line."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def one_terminal() -> bool:
    """Returns whether standard output and standard error are the same terminal."""
    if not (is_terminal(sys.stdout) and is_terminal(sys.stderr)):
        return False
    with suppress(OSError):
        return os.fstat(sys.stdout.fileno()).st_rdev == os.fstat(sys.stderr.fileno()).st_rdev
    return False
