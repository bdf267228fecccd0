"""The toolbar of a capture that Wireshark started: messages over its two control pipes.

The protocol is that of extcap in Wireshark's developer's guide (section "Toolbar controls"). A message is the octet
``T``, three octets of length, big-endian, of what follows, the number of a control, a command, and the value.

Wireshark opens its ends of the pipes when a capture starts and waits, with its whole window, until the other ends are
open too. So :class:`Toolbar` opens both at once, each in a thread of its own, and does not end before they have met.
"""

import contextlib
import queue
import threading
from collections.abc import Callable
from enum import IntEnum
from types import TracebackType
from typing import IO, Final, NamedTuple, Self

_SYNC: Final = ord("T")
_HEAD: Final = 4
"""The octets of a message before those that its length counts."""
_LONGEST: Final = 4096
"""The most octets of a value that are sent: more is cut, so that a pipe's buffer takes it."""
_MEETING: Final = 2.0
"""Seconds that Wireshark is given to open its ends, and to take what was sent to it, before the capture ends."""


class Command(IntEnum):
    """What a message does. Wireshark sends the first two; it takes all but the first."""

    INITIALIZED = 0
    SET = 1
    ADD = 2
    REMOVE = 3
    ENABLE = 4
    DISABLE = 5
    STATUS_BAR = 6
    INFORMATION = 7
    WARNING = 8
    ERROR = 9


class Message(NamedTuple):
    """One message: the number of a control (0 where none is meant), a command, and its value as text."""

    control: int
    command: int
    value: str = ""

    def encode(self) -> bytes:
        """The message's octets."""
        value = self.value.encode("utf-8", "replace")[:_LONGEST]
        return bytes([_SYNC]) + (len(value) + 2).to_bytes(3, "big") + bytes([self.control, self.command]) + value


class Decoder:
    """Takes messages out of what a pipe delivers, however it is split."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, octets: bytes) -> list[Message]:
        """The messages that are now whole. Raises ValueError where the octets are none."""
        pending = self._pending + octets
        messages = []
        while pending:
            if pending[0] != _SYNC:
                raise ValueError(f"a control message begins with {pending[0]:#04x}, not with T")
            end = _HEAD + int.from_bytes(pending[1:_HEAD], "big")
            if len(pending) < max(end, _HEAD):
                break
            if end < _HEAD + 2:
                raise ValueError("a control message is too short for a control and a command")
            value = pending[_HEAD + 2 : end].decode("utf-8", "replace")
            messages.append(Message(pending[_HEAD], pending[_HEAD + 1], value))
            pending = pending[end:]
        self._pending = pending
        return messages


class Toolbar:
    """Both control pipes, by their paths; empty paths where Wireshark has no toolbar. A context manager.

    :meth:`send` never waits. What Wireshark says is in :meth:`received`. A pipe that fails ends what goes over it, and
    not the capture.
    """

    def __init__(self, control_in: str | None, control_out: str | None) -> None:
        self._incoming: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._outgoing: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._met: list[threading.Event] = []
        self._writer: threading.Thread | None = None
        if control_in:
            self._start("control in", self._read, control_in)
        if control_out:
            self._writer = self._start("control out", self._write, control_out)

    def _start(self, name: str, work: Callable[[str, threading.Event], None], path: str) -> threading.Thread:
        met = threading.Event()
        self._met.append(met)
        thread = threading.Thread(target=work, args=(path, met), name=name, daemon=True)
        thread.start()
        return thread

    @property
    def there(self) -> bool:
        """Whether there is somebody to send to."""
        return self._writer is not None

    def send(self, message: Message) -> None:
        """Sends a message to Wireshark."""
        if self._writer:
            self._outgoing.put(message)

    def received(self) -> list[Message]:
        """What Wireshark has sent since the last time."""
        messages = []
        with contextlib.suppress(queue.Empty):
            while True:
                messages.append(self._incoming.get_nowait())
        return messages

    def close(self) -> None:
        """Waits until Wireshark has opened its ends and taken what was sent, but not for long."""
        self._outgoing.put(None)
        for met in self._met:
            met.wait(_MEETING)
        if self._writer:
            self._writer.join(_MEETING)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, path: str, met: threading.Event) -> None:
        decoder = Decoder()
        with contextlib.suppress(OSError, ValueError), _opened(path, "rb", met) as pipe:
            while octets := pipe.read(4096):
                for message in decoder.feed(octets):
                    self._incoming.put(message)

    def _write(self, path: str, met: threading.Event) -> None:
        with contextlib.suppress(OSError), _opened(path, "wb", met) as pipe:
            while message := self._outgoing.get():
                pipe.write(message.encode())


def _opened(path: str, mode: str, met: threading.Event) -> IO[bytes]:
    """Opens a pipe without a buffer, which waits for its other end; then, or when that fails, sets ``met``."""
    try:
        return open(path, mode, buffering=0)
    finally:
        met.set()
