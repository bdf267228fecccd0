"""The signals that end a capture, and the signal that sets a mark."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType


class Signals:
    """Inside :meth:`heeded`, signals that would end the program set :attr:`stopped`, and SIGUSR1 counts up
    :attr:`marks`.

    The loop of the capture checks both several times a second, because a handler may run at any point, even within a
    write. While the loop does not run (:attr:`begun`), a signal raises KeyboardInterrupt: the program may be waiting
    for something that never comes, such as a reader of a fifo.
    """

    def __init__(self) -> None:
        self.stopped = False
        self.begun = False
        self.marks = 0
        """Number of SIGUSR1 received. Only the handler changes it, because it may run between any two steps of a
        reader."""

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Sets the handlers, and restores the previous ones at the end."""

        def stop(number: int, frame: FrameType | None) -> None:
            if not self.begun:
                raise KeyboardInterrupt
            self.stopped = True

        def mark(number: int, frame: FrameType | None) -> None:
            self.marks += 1

        handlers: dict[int, Callable[[int, FrameType | None], None] | signal.Handlers] = {
            signal.SIGINT: stop,
            signal.SIGTERM: stop,
        }
        if hasattr(signal, "SIGTTIN"):
            # A program that comes into the background while it reads a key gets an error, and is not stopped.
            handlers[signal.SIGTTIN] = signal.SIG_IGN
        # Under nohup SIGHUP is ignored, and must stay so: the capture is to outlive the terminal.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            handlers[signal.SIGHUP] = stop
        if hasattr(signal, "SIGQUIT"):
            handlers[signal.SIGQUIT] = stop  # Ctrl-\ sends it; the terminal must be restored first.
        if hasattr(signal, "SIGUSR1"):
            handlers[signal.SIGUSR1] = mark
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, previous in before.items():
                signal.signal(number, previous)
