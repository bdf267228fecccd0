"""What vtctap asks of pyserial's ports beyond their interface: to lose no octet, and to say what is wrong.

A port of pyserial is a class for each kind of URL, and each has its own manners:

- ``rfc2217://`` has a thread that queues octets one by one. ``read`` without a timeout returns one of them. When the
  connection is closed, ``read`` raises before it looks into the queue, whatever is still there.
- A port that cannot be opened is a SerialException or another OSError. A URL that is not well formed may be any
  exception, or a SerialException that only quotes one.
- Setting a device, or waiting until its octets are sent, may raise termios.error, which is no OSError.
"""

import queue
import re
from typing import Final

import serial

from vtctap.sniffer.port import PortError, port_error

try:
    from termios import error as _termios_error
except ImportError:  # Not POSIX.
    FAILURES: tuple[type[Exception], ...] = (OSError,)
else:
    FAILURES = (OSError, _termios_error)
"""What an open port raises when it is lost; serial.SerialException is an OSError."""

_MALFORMED: Final = (ValueError, re.error, KeyError, TypeError)
"""What a URL raises that is not well formed. Only the first two say what is wrong with it."""
_FORMS: Final = {
    "socket": "socket://HOST:PORT",
    "rfc2217": "rfc2217://HOST:PORT",
    "hwgrep": "hwgrep://REGULAR-EXPRESSION",
    "loop": "loop://",
    "spy": "spy://PORT",
    "alt": "alt://PORT?class=CLASS",
}
"""How pyserial's URLs are written."""


def read_arrived(port: serial.SerialBase, most: int) -> bytes:
    """Reads the octets that have arrived, about ``most`` of them, from a port whose timeout is 0. Raises one of
    ``FAILURES`` when the port is lost and nothing is left."""
    octets = bytearray()
    try:
        while len(octets) < most and (more := port.read(most - len(octets))):
            octets += more
    except FAILURES:
        octets += _queued(port)
        if not octets:
            raise
    return bytes(octets)


def _queued(port: serial.SerialBase) -> bytes:
    """Takes what is left in the queue of a port that is lost; a None in it is the end of the connection."""
    octets = bytearray()
    waiting = getattr(port, "_read_buffer", None)  # Private; the tests notice if pyserial renames it.
    while isinstance(waiting, queue.Queue) and not waiting.empty():
        octets += waiting.get_nowait() or b""
    return bytes(octets)


def cannot_open(name: str, error: Exception) -> PortError:
    """Converts what pyserial raised when it was to open a port: the system's reason, or how its URL is written."""
    origin = _origin(error)
    if isinstance(origin, FAILURES) or "://" not in name:
        return failed(name, origin)
    if not isinstance(origin, _MALFORMED):
        return PortError(f"{name}: {type(origin).__name__}: {origin}")
    reason = str(origin) if isinstance(origin, ValueError | re.error) else "this URL is not well formed"
    form = _FORMS.get(name.partition("://")[0].lower(), f"{_FORMS['socket']} or {_FORMS['rfc2217']}")
    return PortError(f"{name}: {reason}; write {form}")


def _origin(error: BaseException) -> BaseException:
    """Returns the first exception, which pyserial may have caught before it raised one of its own."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def failed(name: str, error: BaseException) -> PortError:
    """Converts what an open port raised."""
    if isinstance(error, serial.SerialException) or not isinstance(error, FAILURES):
        return PortError(f"{name}: {error}")
    return port_error(name, error if isinstance(error, OSError) else OSError(*error.args))
