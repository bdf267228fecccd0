"""Reads single keys while a capture runs, without Enter and without echo, and restores the terminal at the end.

The terminal is touched only while this program is in the foreground, because the system stops a background program
that reads or sets its terminal. A thread of its own reads the keys: another foreground program (a pager) may take a key
first, and the read then blocks until the next. POSIX only; elsewhere, or if standard input is no terminal, there are no
keys.
"""

import codecs
import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

_LOOK: Final = 0.1
"""Seconds after which the thread notices that it is to end, or that the program has moved to the foreground."""


class Keyboard:
    """The keys of standard input; read them inside :meth:`listening`."""

    def __init__(self) -> None:
        self._pressed: deque[str] = deque()

    @property
    def hint(self) -> str:
        """What the keys do, as text for the terminal; empty if no keys are read."""
        return "" if _terminal() is None else ", m marks, n notes"

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Reads keys one by one inside the context. Restores the terminal's settings at its end."""
        descriptor = _terminal()
        before = None if descriptor is None else _settings(descriptor)
        if descriptor is None or before is None:
            yield
            return
        import termios
        import tty

        ended = threading.Event()
        try:
            # Not tty.setcbreak: it discards keys that were typed ahead, and its other changes differ by Python version.
            without_echo = [*before]
            without_echo[tty.LFLAG] &= ~(termios.ICANON | termios.ECHO)
            without_echo[tty.CC] = [*before[tty.CC]]
            without_echo[tty.CC][termios.VMIN], without_echo[tty.CC][termios.VTIME] = 1, 0
            with contextlib.suppress(termios.error):  # The terminal is gone.
                termios.tcsetattr(descriptor, termios.TCSANOW, without_echo)
                threading.Thread(target=self._read, args=(descriptor, ended), name="keyboard", daemon=True).start()
            yield
        finally:
            ended.set()
            if _in_foreground(descriptor):
                with contextlib.suppress(termios.error):  # The terminal is gone.
                    termios.tcsetattr(descriptor, termios.TCSANOW, before)

    def pressed(self) -> str:
        """Returns the keys that were pressed since the last call."""
        keys = ""
        while self._pressed:
            keys += self._pressed.popleft()
        return keys

    def _read(self, descriptor: int, ended: threading.Event) -> None:
        import select

        decode = codecs.getincrementaldecoder(sys.stdin.encoding or "ascii")("replace").decode
        with contextlib.suppress(OSError):  # The terminal is gone.
            while not ended.is_set():
                if not _in_foreground(descriptor):
                    ended.wait(_LOOK)
                elif select.select([descriptor], [], [], _LOOK)[0] and not ended.is_set():
                    typed = _read(descriptor)
                    if typed is None:
                        continue
                    if not typed:  # End of file was typed.
                        return
                    self._pressed.append(decode(typed))


def _read(descriptor: int) -> bytes | None:
    """Returns the keys; None if the program has come into the background meanwhile. Raises OSError."""
    try:
        return os.read(descriptor, 64)
    except OSError:
        if _in_foreground(descriptor):
            raise
        return None


def _terminal() -> int | None:
    """Returns the descriptor of standard input if it is a terminal to read keys from."""
    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError, AttributeError):  # Standard input is closed or was replaced.
        return None
    return descriptor if hasattr(os, "tcgetpgrp") and _in_foreground(descriptor) else None


def _settings(descriptor: int) -> list[Any] | None:
    """Returns the terminal's settings, None if it is gone."""
    import termios

    try:
        return termios.tcgetattr(descriptor)
    except termios.error:
        return None


def _in_foreground(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor) and os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False
