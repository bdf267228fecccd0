"""Pipes and terminals that are written to without waiting for whoever reads them.

A reader may stall for any time: a pager that waits for a key, a terminal on which Ctrl-S was pressed, a program that
was stopped. :class:`ServedOutlet` holds what it is given, up to a limit, and a thread of its own writes it. What can
not stall (a file, ``/dev/null``) is written to at once, by :class:`DirectOutlet`: the disk is all that is waited for.

Nothing here decides what to do without when there is no room: whoever writes asks :meth:`Outlet.has_room` first. Octets
are written past Python's buffers, for a thread that is stuck in one of them would keep the program from ending.
"""

import os
import select
import stat
import threading
from abc import ABC, abstractmethod
from collections import deque
from typing import IO, Any, Final

SLICE: Final = 4096
"""Octets written at once: what a pipe takes whole or not at all (POSIX: PIPE_BUF, on Linux as many)."""


class Outlet(ABC):
    """Where the text of a stream goes."""

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream
        self._encoding: str = getattr(stream, "encoding", None) or "ascii"

    def put(self, text: str) -> bool:
        """Writes text whole, if there is room for it; gives whether there was. What the encoding has no octets for is
        escaped. Raises OSError, which may be one of an earlier write."""
        octets = text.encode(self._encoding, "backslashreplace")
        if not self.has_room(len(octets)):
            return False
        self.write(octets)
        return True

    @abstractmethod
    def write(self, octets: bytes) -> int:
        """Writes octets of encoded text, whether there is room or not; gives how many. Raises as :meth:`put` does."""

    def has_room(self, octets: int) -> bool:
        """Whether so many octets are within the limit. Once they are not, no more are until half of what is held has
        been taken: a slow reader makes few gaps, not many."""
        return True

    @property
    def idle(self) -> bool:
        """Whether all that was written has been taken."""
        return True

    @property
    def unread(self) -> bool:
        """Whether it is known that nobody will ever read again."""
        return False

    def finish(self, patience: float) -> int:
        """Waits until all is written, as long as the reader takes something every ``patience`` seconds.

        Gives how many octets are given up. Raises OSError as :meth:`write` does.
        """
        return 0


class DirectOutlet(Outlet):
    """Writes at once to a text stream."""

    def write(self, octets: bytes) -> int:
        """See :meth:`Outlet.write`."""
        self._stream.write(octets.decode(self._encoding))
        self._stream.flush()
        return len(octets)


class ServedOutlet(Outlet):
    """Writes in a thread of its own to the descriptor of a stream, which must stay open; ``limit`` is the octets that
    are held."""

    def __init__(self, stream: IO[Any], limit: int) -> None:
        super().__init__(stream)
        self._descriptor = stream.fileno()
        self._limit = limit
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._held = 0
        self._full = False
        self._error: OSError | None = None
        self._thread: threading.Thread | None = None

    def write(self, octets: bytes) -> int:
        """See :meth:`Outlet.write`."""
        with self._changed:
            self._raise()
            self._waiting += [octets[at : at + SLICE] for at in range(0, len(octets), SLICE)]
            self._held += len(octets)
            self._changed.notify_all()
            if self._thread is None:
                # A daemon: the end of the program does not wait for a reader either.
                self._thread = threading.Thread(target=self._serve, name="outlet", daemon=True)
                self._thread.start()
        return len(octets)

    def flush(self) -> None:
        """Does nothing, for nothing is left in a buffer of Python's. (Writers of traces call it.)"""

    def has_room(self, octets: int) -> bool:
        """See :meth:`Outlet.has_room`."""
        self._full = self._held + octets > self._limit or (self._full and self._held > self._limit // 2)
        return not self._full

    @property
    def idle(self) -> bool:
        """See :attr:`Outlet.idle`."""
        return not self._held

    @property
    def unread(self) -> bool:
        """See :attr:`Outlet.unread`. It is noticed though nothing is written: a line may be silent for long."""
        if isinstance(self._error, BrokenPipeError):
            return True
        if not hasattr(select, "poll"):
            return False
        poll = select.poll()
        poll.register(self._descriptor, 0)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))

    def finish(self, patience: float) -> int:
        """See :meth:`Outlet.finish`."""
        with self._changed:
            while self._held and not self._error and self._changed.wait(patience):
                pass
            if not self._held:  # The thread ends; a later write begins another.
                self._thread = None
                self._changed.notify_all()
            self._raise()
            return self._held

    def close(self) -> None:
        """Gives up what is still held, and closes the stream."""
        with self._changed:
            # First, so that the thread writes no more to a descriptor that may soon be another file's.
            self._waiting.clear()
            self._thread = None
            self._changed.notify_all()
        self._stream.close()

    def _raise(self) -> None:
        if self._error:
            raise OSError(self._error.errno, self._error.strerror)

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and self._thread is threading.current_thread():
                    self._changed.wait()
                if self._thread is not threading.current_thread():
                    return
                octets = self._waiting.popleft()
            try:
                written = 0
                while written < len(octets):
                    written += os.write(self._descriptor, octets[written:])
            except OSError as error:
                with self._changed:
                    self._error = error
                    self._waiting.clear()
                    self._held = 0
                    self._changed.notify_all()
                return
            with self._changed:
                self._held -= len(octets)
                self._changed.notify_all()


def outlet(stream: IO[str], limit: int) -> Outlet:
    """The outlet of a standard stream: served where its reader can stall, direct where not."""
    return ServedOutlet(stream, limit) if can_stall(stream) else DirectOutlet(stream)


def can_stall(stream: IO[Any]) -> bool:
    """Whether the stream is a pipe, a socket or a terminal."""
    try:
        descriptor = stream.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):  # It is no file of the system's, or is closed.
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)
