"""The toolbar of a capture that Wireshark started: messages over two control pipes.

Wireshark's developer's guide defines the protocol (section "Toolbar controls" of extcap). A message is the octet ``T``,
the length of the rest in three octets (big-endian), the number of a control, a command, and a value.

When a capture starts, Wireshark opens its ends of the pipes, and its window is blocked until the other ends are open.
So :class:`Toolbar` opens both pipes at once, each in a thread of its own, and waits for both before it ends.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from typing import IO, Final, NamedTuple

from vtctap.base.closing import Closing
from vtctap.base.nouns import count

_SYNC: Final = ord("T")
_HEAD: Final = 4
"""Number of octets before those that the length of a message counts."""
_LONGEST: Final = 4096
"""Most octets of a sent value. Longer values are cut, so that they fit into the buffer of a pipe."""
_MEETING: Final = 2.0
"""Seconds that the end of a capture waits for Wireshark to open the pipes, and to read what was sent."""
HELD: Final = 1000
"""Most messages held while Wireshark does not read them."""


class Command(IntEnum):
    """The command of a message. Wireshark sends INITIALIZED and SET; it accepts all commands but INITIALIZED."""

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


class ControlMessage(NamedTuple):
    """One message: the number of a control (0 if the command needs none), a command, and a value as text."""

    control: int
    command: int
    value: str = ""

    def encode(self) -> bytes:
        """Returns the octets of the message."""
        value = self.value.encode("utf-8", "replace")[:_LONGEST]
        return bytes([_SYNC]) + (len(value) + 2).to_bytes(3, "big") + bytes([self.control, self.command]) + value


class Decoder:
    """Decodes messages from the octets of a pipe, in pieces of any size."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, octets: bytes) -> list[ControlMessage]:
        """Takes the next octets, and returns the messages that they complete. Raises ValueError for a bad message."""
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
            messages.append(ControlMessage(pending[_HEAD], pending[_HEAD + 1], value))
            pending = pending[end:]
        self._pending = pending
        return messages


class Toolbar(Closing):
    """Both control pipes, named by their paths (None or empty: Wireshark shows no toolbar). A context manager.

    :meth:`send` never waits: messages beyond :data:`HELD` are dropped, and the status bar tells how many.
    :meth:`received` returns Wireshark's messages. A pipe that fails does not end the capture.
    """

    def __init__(self, control_in: str | None, control_out: str | None) -> None:
        self._incoming: queue.SimpleQueue[ControlMessage] = queue.SimpleQueue()
        self._outgoing: queue.SimpleQueue[ControlMessage | None] = queue.SimpleQueue()
        self._dropped = 0
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
        """Whether there is a pipe to Wireshark."""
        return self._writer is not None

    def send(self, message: ControlMessage) -> None:
        """Sends a message to Wireshark."""
        if not self._writer:
            return
        if self._outgoing.qsize() >= HELD:
            self._dropped += 1
            return
        if self._dropped:
            text = f"vtctap: {count(self._dropped, 'message')} not shown, because Wireshark did not read them"
            self._outgoing.put(ControlMessage(0, Command.STATUS_BAR, text))
            self._dropped = 0
        self._outgoing.put(message)

    def received(self) -> list[ControlMessage]:
        """Returns the messages that Wireshark has sent since the last call."""
        messages = []
        with contextlib.suppress(queue.Empty):
            while True:
                messages.append(self._incoming.get_nowait())
        return messages

    def close(self) -> None:
        """Waits until Wireshark has opened the pipes and read what was sent, or for two seconds."""
        self._outgoing.put(None)
        end = time.monotonic() + _MEETING
        for met in self._met:
            met.wait(max(end - time.monotonic(), 0))
        if self._writer:
            self._writer.join(max(end - time.monotonic(), 0))

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
    """Opens an unbuffered pipe, which blocks until the other end is open. Sets ``met`` then, and after an error."""
    try:
        return open(path, mode, buffering=0)
    finally:
        met.set()
