"""The signals that end a capture, and the one that marks."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class Signals:
    """Inside, a signal that would end the program sets :attr:`stopped` instead, and SIGUSR1 counts in :attr:`marks`.

    The loop looks at both several times a second: a signal's handler may run anywhere, also in the middle of a write.
    Before there is a loop (:attr:`begun`), a signal is Ctrl-C: what is waited for, such as a fifo that nobody reads,
    may never come.
    """

    def __init__(self) -> None:
        self.stopped = False
        self.begun = False
        self.marks = 0
        """How many there were; only the handler counts, for it may run between any two steps of who reads it."""

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Sets the handlers, and puts back what was there."""

        def stop(number: int, frame: FrameType | None) -> None:
            if not self.begun:
                raise KeyboardInterrupt
            self.stopped = True

        def mark(number: int, frame: FrameType | None) -> None:
            self.marks += 1

        handlers = {signal.SIGINT: stop, signal.SIGTERM: stop}
        # Whoever started us with nohup wants us to outlive the terminal.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            handlers[signal.SIGHUP] = stop
        if hasattr(signal, "SIGQUIT"):
            handlers[signal.SIGQUIT] = stop  # A key too; the terminal must be left as it was found.
        if hasattr(signal, "SIGUSR1"):
            handlers[signal.SIGUSR1] = mark
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, previous in before.items():
                signal.signal(number, previous)
