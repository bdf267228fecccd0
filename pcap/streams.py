"""The octets of capture files: read from and written to files, pipes, standard streams and other binary file objects.

:class:`Input` reads forward only, in large chunks, and can continue after an end of file. :class:`Output` writes each
block to the system unbuffered and in one piece. A crash loses at most one block, and a program that reads the growing
file is at most one block behind.
"""

import errno
import io
import os
import stat
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import IO, Final, TypeAlias

from vtctap.pcap.capture_file import TraceError, TraceExists
from vtctap.pcap.compressed import LONGEST_MAGIC, Unpacker, may_be

Source: TypeAlias = "str | os.PathLike[str] | IO[bytes]"
"""A path, or a binary file object."""

CHUNK: Final = 1 << 18
"""Most octets requested by one read."""
_START: Final = 4096
"""Octets by which a file is recognised again. They hold the first record of a trace, whose timestamp no other has."""

_ATTEMPTS: Final = 8
"""How often a file is opened that other programs replace before it can be locked."""
_PATIENCE: Final = 5.0
"""Longest wait, in seconds, for programs that only look whether a file is being written."""
_TURN: Final = 0.002
"""Seconds between two attempts to lock a file."""


class Input:
    """A file that is read forward; ``buffer`` holds, from the index ``at`` on, the octets that are not parsed yet.

    A parser consumes octets by advancing ``at``; :meth:`more` appends the next chunk. The class never seeks, and holds
    one chunk and what the parser has left. :meth:`close` closes a file given as a path; a file object stays open.
    Compressed files are unpacked (:mod:`~vtctap.pcap.compressed`).
    """

    __slots__ = (
        "_before",
        "_chunk",
        "_fetched",
        "_file",
        "_head",
        "_owned",
        "_read",
        "_start",
        "_unpacker",
        "at",
        "buffer",
        "name",
    )

    def __init__(self, source: Source, chunk: int = CHUNK) -> None:
        """Opens a path; ``chunk`` is the most octets requested by one read. Raises OSError."""
        self._chunk = chunk
        self._owned = isinstance(source, (str, os.PathLike))
        self._file: IO[bytes] = io.FileIO(source) if isinstance(source, (str, os.PathLike)) else source
        # read1 returns what is there; read of a buffered pipe would wait until the chunk is full.
        self._read = getattr(self._file, "read1", self._file.read)
        self.name = name_of(source, "standard input")
        self.buffer = b""
        self.at = 0
        self._before = 0
        self._head: bytes | None = b""
        self._fetched = 0
        self._start = b""
        self._unpacker: Unpacker | None = None

    def offset(self, at: int) -> int:
        """Returns the position of ``buffer[at]`` in the file, counted from where reading began."""
        return self._before + at

    def more(self) -> bool:
        """Reads the next chunk; returns False where there is none at present. A growing file may have more later.
        Raises TraceError."""
        chunk = self._unpacked() if self._unpacker else self._plain()
        if not chunk:
            return False
        self._before += self.at
        self.buffer = self.buffer[self.at :] + chunk
        self.at = 0
        return True

    def _fetch(self) -> bytes | None:
        """Returns the next octets as they are in the file. Raises TraceError, since an OSError here names no file."""
        try:
            chunk: bytes | None = self._read(self._chunk)
        except OSError as error:
            raise TraceError(f"{self.name} cannot be read further: {error.strerror}") from None
        if chunk:
            self._fetched += len(chunk)
            if len(self._start) < _START:
                self._start = (self._start + chunk)[:_START]
        return chunk

    def _plain(self) -> bytes | None:
        """Returns octets of the file. The first ones are held back until they tell whether the file is compressed."""
        chunk = self._fetch()
        if self._head is None:
            return chunk
        self._head += chunk or b""
        while chunk and len(self._head) < LONGEST_MAGIC and may_be(self._head):
            chunk = self._fetch()
            self._head += chunk or b""
        head, self._head = self._head, None if self._head else b""
        if not Unpacker.unpacks(head):
            return head
        self._unpacker = Unpacker(head)
        self._unpacker.feed(head)
        return self._unpacked()

    def _unpacked(self) -> bytes:
        """Returns unpacked octets; none at the end of the file."""
        assert self._unpacker
        while True:
            try:
                octets = self._unpacker.take()
            except ValueError as error:
                raise TraceError(f"{self.name} is damaged, it cannot be unpacked further: {error}") from None
            if octets:
                return octets
            packed = self._fetch()
            if not packed:
                return b""
            self._unpacker.feed(packed)

    @property
    def gone(self) -> str:
        """What happened to a regular file: ``overwritten`` if it has become shorter than what was read or begins with
        other octets, ``replaced`` if another file has its name. Empty while it is what was read, if it has no name any
        more, and for other sources. Other octets behind the first 4096 are not noticed."""
        try:
            now, at = os.fstat(self._file.fileno()), self._file.tell()
        except (OSError, AttributeError, ValueError):  # It is in memory, or a pipe.
            return ""
        if not stat.S_ISREG(now.st_mode):
            return ""
        if now.st_size < at:
            return "overwritten"
        try:
            with open(self.name, "rb") as named:
                if not os.path.samestat(os.fstat(named.fileno()), now):
                    return "replaced"
                named.seek(at - self._fetched)
                return "" if named.read(len(self._start)) == self._start else "overwritten"
        except OSError:  # The name is gone, or the file cannot be examined at present.
            return ""

    @property
    def cut(self) -> str | None:
        """At the end of the file: None, or a message that it is compressed and its end is missing."""
        if self._unpacker is None or self._unpacker.whole:
            return None
        return f"{self.name} ends cut: it is compressed, and the end of that is missing"

    def close(self) -> None:
        """Closes the file if it was given as a path."""
        if self._owned:
            self._file.close()


class Output:
    """A file that is written block by block. ``size`` is how many octets of complete blocks were written.

    An existing regular file is overwritten only with ``force``, and never while another program writes it: the file is
    locked (``flock``) before it is truncated, and only appended to after that, so that its size shows whether somebody
    else has written into it. Special files (a fifo, ``/dev/null``) need no ``force``. :meth:`close` closes a file given
    as a path; a file object stays open. A new file can be read by its owner alone.
    """

    __slots__ = ("_file", "_owned", "_watched", "name", "size", "torn")

    def __init__(self, target: Source, *, force: bool = False) -> None:
        """Opens a path. Raises TraceExists, and OSError (EBUSY where another program writes the file)."""
        self.name = name_of(target, "standard output")
        self._owned = isinstance(target, (str, os.PathLike))
        if isinstance(target, (str, os.PathLike)):
            try:
                mode = "w" if force or is_special(target) else "x"
                self._file: IO[bytes] = io.FileIO(target, mode, opener=_open_locked)
            except FileExistsError:
                raise TraceExists(f"{self.name} exists: choose another name, or --force to overwrite it") from None
        else:
            target.flush()
            self._file = getattr(target, "raw", target)
        self._watched = _is_named(self._file)
        self.size = 0
        self.torn = False

    @property
    def gone(self) -> str:
        """What happened to the file: ``deleted``, or (if it was given as a path) ``moved`` or ``overwritten``. Empty
        while the file with this name holds all that was written, and for special files. Octets that others write over
        the content without a change of its size are not noticed."""
        if not self._watched or self._file.closed:
            return ""
        written = os.fstat(self._file.fileno())
        if not written.st_nlink:
            return "deleted"
        if not self._owned:
            return ""
        if written.st_size != self.size and not self.torn:
            return "overwritten"
        try:
            return "" if os.path.samestat(os.stat(self.name), written) else "moved"
        except FileNotFoundError:
            return "moved"
        except OSError:  # The file cannot be examined at present.
            return ""

    def write(self, block: bytes) -> None:
        """Writes a block, in one call unless the system accepts only a part of it.

        Raises OSError (a full disk, a pipe whose reader is gone). The file then ends in a torn block and ``torn`` is
        True; nothing more is written, because no reader could get past the torn block.
        """
        if self.torn:
            raise TraceError(f"{self.name} ends in a torn record since an earlier error: nothing can follow it")
        self.torn = True
        done = self._write(block)
        while done < len(block):
            done += self._write(block[done:])
        self.torn = False
        self.size += done

    def _write(self, octets: bytes) -> int:
        count: int | None = self._file.write(octets)
        if count is None:
            raise BlockingIOError(errno.EAGAIN, f"{self.name} is in non-blocking mode and takes no more")
        return count

    def close(self) -> None:
        """Closes the file if it was given as a path. Raises OSError."""
        if self._owned:
            self._file.close()


def _is_named(file: IO[bytes]) -> bool:
    """Whether it is a regular file that has a name (a temporary file has none)."""
    try:
        found = os.fstat(file.fileno())
    except (OSError, AttributeError):  # It is in memory.
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink > 0


def _open_locked(path: str, flags: int) -> int:
    """Opens a file for :class:`io.FileIO`, to append to it; locks a regular file before it truncates it."""
    for _ in range(_ATTEMPTS):
        descriptor = os.open(path, flags & ~os.O_TRUNC | os.O_APPEND, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return descriptor
            _lock(descriptor, path)
            if not _is_deleted(descriptor, path):
                os.ftruncate(descriptor, 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # Another program has replaced or removed the file before it was locked.
    raise OSError(errno.EBUSY, "another program is writing it", path)


def _is_deleted(descriptor: int, path: str) -> bool:
    """Whether an open file has no name any more. Some file systems count no names, and some number a file anew at each
    look."""
    opened = os.fstat(descriptor)
    if opened.st_nlink:
        return False
    try:
        return not os.path.samestat(opened, os.stat(path))
    except FileNotFoundError:
        return True


def _lock(descriptor: int, path: "str | os.PathLike[str]", *, shared: bool = False) -> None:
    """Locks a file. Who holds a shared lock only looks at the file or replaces it, which takes a moment: the exclusive
    lock waits for that. Raises OSError (EBUSY) where another program has the exclusive one."""
    try:
        import fcntl
    except ImportError:  # A system without it; Windows.
        return
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            if shared or time.monotonic() >= end:
                raise OSError(errno.EBUSY, "another program is writing it", os.fspath(path)) from None
            _lock(descriptor, path, shared=True)
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # Else two that wait would wait for each other.
            time.sleep(_TURN)
        except OSError:  # The file system knows no locks.
            return
        else:
            return


@contextmanager
def kept_from_writers(path: str | os.PathLike[str]) -> Iterator[None]:
    """Keeps every :class:`Output` of this machine away from a file inside the context, so that it can be replaced.

    Does nothing where there is no file, or a special one. Raises OSError: EBUSY where an Output writes the file, others
    where the file cannot be opened, which leaves that open.
    """
    with ExitStack() as stack:
        if os.path.isfile(path):
            with suppress(FileNotFoundError):  # It has just been removed.
                file = stack.enter_context(open(path, "rb"))
                _lock(file.fileno(), path, shared=True)  # On a network file system, the other needs a file to write.
        yield


def is_being_written(path: str | os.PathLike[str]) -> bool:
    """Whether a program of this machine holds the lock of an :class:`Output` on a file."""
    try:
        with kept_from_writers(path):
            return False
    except OSError as error:
        return error.errno == errno.EBUSY


def is_special(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a special file, such as a fifo or ``/dev/stdout``, where nothing can be overwritten."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return False


def is_stream(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a pipe or a device, whose octets can be read only once."""
    return is_special(path) and not os.path.isdir(path)


def name_of(source: Source, default: str) -> str:
    """Returns the file's name in messages; ``default`` where it has none."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and not name.startswith("<") else default
