"""Keys pressed while a capture runs, without Enter and without an echo; the terminal is left as it was found.

Only the terminal that this program is in the foreground of is touched: a program in the background that reads from it
or sets it is stopped by the system. The keys are read in a thread of their own, for another program of the foreground
(a pager) may take a key from under a read, which then waits for the next. POSIX only; elsewhere, or where standard
input is no terminal, no key is ever pressed.
"""

import codecs
import contextlib
import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from typing import Final

_LOOK: Final = 0.1
"""Seconds in which the thread notices its end, and the program that it is in the foreground."""


class Keyboard:
    """The keys of standard input; read them inside :meth:`listening`."""

    def __init__(self) -> None:
        self._pressed: deque[str] = deque()

    @property
    def hint(self) -> str:
        """What the keys do, for who looks at a terminal; empty where none is read."""
        return "" if _terminal() is None else ", m marks, n notes"

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
        ended = threading.Event()
        try:
            # Not tty.setcbreak: it throws away what is typed ahead, and what else it changes differs by version.
            without_echo = [*before]
            without_echo[tty.LFLAG] &= ~(termios.ICANON | termios.ECHO)
            without_echo[tty.CC] = [*before[tty.CC]]
            without_echo[tty.CC][termios.VMIN], without_echo[tty.CC][termios.VTIME] = 1, 0
            termios.tcsetattr(descriptor, termios.TCSANOW, without_echo)
            threading.Thread(target=self._read, args=(descriptor, ended), name="keyboard", daemon=True).start()
            yield
        finally:
            ended.set()
            if _in_foreground(descriptor):
                with contextlib.suppress(termios.error):  # The terminal is gone.
                    termios.tcsetattr(descriptor, termios.TCSANOW, before)

    def pressed(self) -> str:
        """The keys that were pressed since the last call."""
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
                    typed = os.read(descriptor, 64)
                    if not typed:  # Its end was typed.
                        return
                    self._pressed.append(decode(typed))


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
