"""Writes to pipes and terminals without waiting for their readers.

A reader may stall for any time: a pager that waits for a key, a terminal stopped with Ctrl-S, a suspended program.
:class:`ServedOutlet` buffers text up to a limit, and a thread of its own writes it. :class:`DirectOutlet` writes at
once to files and ``/dev/null``: they cannot stall, and make the program wait for the disk only.

An outlet does not choose what to drop when its buffer is full: the caller asks :meth:`Outlet.has_room` first. Octets
bypass Python's own buffers, because a thread blocked in one of them would keep the program from ending.
"""

import errno
import os
import select
import stat
import threading
from abc import ABC, abstractmethod
from collections import deque
from typing import IO, Any, Final

SLICE: Final = 4096
"""Octets per write: the most that a pipe accepts atomically (POSIX: PIPE_BUF; 4096 on Linux)."""

_ROOM: Final = getattr(select, "POLLOUT", 0)
_GONE: Final = getattr(select, "POLLERR", 0) | getattr(select, "POLLHUP", 0)
"""Events of poll(2): the reader has made room for a slice, and the reader is gone."""


class Outlet(ABC):
    """An output for text and octets."""

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream
        self._encoding: str = getattr(stream, "encoding", None) or "ascii"

    def put(self, text: str) -> bool:
        """Writes the whole text if there is room for it, and returns whether there was.

        Characters that the encoding lacks are escaped. Raises OSError, possibly that of an earlier write.
        """
        octets = text.encode(self._encoding, "backslashreplace")
        if not self.has_room(len(octets)):
            return False
        self.write(octets)
        return True

    @abstractmethod
    def write(self, octets: bytes) -> int:
        """Writes octets, whether there is room or not, and returns their number. Raises OSError as :meth:`put` does."""

    def has_room(self, octets: int) -> bool:
        """Returns whether this number of octets fits into the buffer.

        After one that did not fit, nothing fits until the buffer is half empty, so that a slow reader causes few long
        gaps instead of many short ones.
        """
        return True

    @property
    def idle(self) -> bool:
        """Whether the reader has taken everything that was written."""
        return True

    @property
    def unread(self) -> bool:
        """Whether the reader is known to be gone."""
        return False

    def finish(self, patience: float) -> int:
        """Waits until everything is written, or until the reader has taken nothing for ``patience`` seconds.

        Returns the number of octets that were not written. Raises OSError as :meth:`write` does.
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
    """Writes to the descriptor of a stream in a thread of its own.

    The stream must stay open. ``limit`` is the size of the buffer in octets.
    """

    def __init__(self, stream: IO[Any], limit: int) -> None:
        super().__init__(stream)
        self._descriptor = stream.fileno()
        self._terminal = os.isatty(self._descriptor)
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
                # A daemon thread, so that the program can end while the reader stalls.
                self._thread = threading.Thread(target=self._serve, name="outlet", daemon=True)
                self._thread.start()
        return len(octets)

    def flush(self) -> None:
        """Does nothing, because Python buffers nothing here. (Trace writers call it.)"""

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
        """See :attr:`Outlet.unread`. It works without a write, because a line may be silent for long."""
        return isinstance(self._error, BrokenPipeError) or bool(self._events() & _GONE)

    def _events(self) -> int:
        """Returns what poll(2) tells of the descriptor; nothing on systems without it."""
        if not hasattr(select, "poll"):
            return 0
        poll = select.poll()
        poll.register(self._descriptor, _ROOM)
        return sum(events for _, events in poll.poll(0))

    def _is_late(self) -> bool:
        """Whether the reader has made room, or is gone, and the thread has not noticed yet: the program was stopped, or
        the system is busy."""
        return bool(self._events() & (_ROOM | _GONE))

    def finish(self, patience: float) -> int:
        """See :meth:`Outlet.finish`."""
        with self._changed:
            while self._held and not self._error and (self._changed.wait(patience) or self._is_late()):
                pass
            if not self._held:  # The thread ends; a later write starts another.
                self._thread = None
                self._changed.notify_all()
            self._raise()
            return self._held

    def close(self) -> None:
        """Discards the buffer and closes the stream."""
        with self._changed:
            # End the thread first: the number of the closed descriptor may soon belong to another file.
            self._waiting.clear()
            self._thread = None
            self._changed.notify_all()
        self._stream.close()

    def _raise(self) -> None:
        if self._error:
            raise OSError(self._error.errno, self._error.strerror)

    def _known(self, error: OSError) -> OSError:
        """Returns the error of a write. EIO, from a terminal whose window was closed, becomes BrokenPipeError."""
        closed = self._terminal and error.errno == errno.EIO
        return BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) if closed else error

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
                    self._error = self._known(error)
                    self._waiting.clear()
                    self._held = 0
                    self._changed.notify_all()
                return
            with self._changed:
                self._held -= len(octets)
                self._changed.notify_all()


def outlet(stream: IO[str], limit: int) -> Outlet:
    """Returns the outlet for a standard stream: served if its reader can stall, direct otherwise."""
    return ServedOutlet(stream, limit) if can_stall(stream) else DirectOutlet(stream)


def can_stall(stream: IO[Any]) -> bool:
    """Returns whether the stream is a pipe, a socket or a terminal."""
    try:
        descriptor = stream.fileno()
        mode = os.fstat(descriptor).st_mode
    except (OSError, ValueError):  # It has no descriptor, or is closed.
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor)
