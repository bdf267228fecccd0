"""Keys pressed while a capture runs, without Enter and without an echo; the terminal is left as it was found.

Only the terminal that this program is in the foreground of is touched: a program in the background that reads from it
or sets it is stopped by the system. POSIX only; elsewhere, or where standard input is no terminal, no key is ever
pressed.
"""

import contextlib
import os
import sys
from collections.abc import Iterator


class Keyboard:
    """The keys of standard input; read them inside :meth:`listening`."""

    def __init__(self) -> None:
        self._descriptor: int | None = None

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Inside, keys come one by one. What the terminal was set to is set again at the end, whatever that is."""
        descriptor = _terminal()
        if descriptor is None:
            yield
            return
        import termios
        import tty

        before = termios.tcgetattr(descriptor)
        self._descriptor = descriptor
        try:
            # Not tty.setcbreak: it throws away what is typed ahead, and what else it changes differs by version.
            without_echo = [*before]
            without_echo[tty.LFLAG] &= ~(termios.ICANON | termios.ECHO)
            without_echo[tty.CC] = [*before[tty.CC]]
            without_echo[tty.CC][termios.VMIN], without_echo[tty.CC][termios.VTIME] = 1, 0
            termios.tcsetattr(descriptor, termios.TCSANOW, without_echo)
            yield
        finally:
            self._descriptor = None
            if _in_foreground(descriptor):
                with contextlib.suppress(termios.error):  # The terminal is gone.
                    termios.tcsetattr(descriptor, termios.TCSANOW, before)

    def pressed(self) -> str:
        """The keys that were pressed since the last call."""
        if self._descriptor is None or not _in_foreground(self._descriptor):
            return ""
        import select

        try:
            if not select.select([self._descriptor], [], [], 0)[0]:
                return ""
            typed = os.read(self._descriptor, 64)
        except OSError:
            typed = b""
        if not typed:
            self._descriptor = None  # The terminal is gone, or its end was typed.
        return typed.decode("ascii", errors="replace")


def _terminal() -> int | None:
    """The descriptor of standard input, if that is a terminal to read keys from."""
    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError, AttributeError):  # There is none, or it was replaced.
        return None
    return descriptor if hasattr(os, "tcgetpgrp") and _in_foreground(descriptor) else None


def _in_foreground(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False
