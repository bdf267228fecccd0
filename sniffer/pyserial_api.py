"""What vtctap asks of pyserial's ports beyond their interface: to lose no octet, and to say what is wrong.

pyserial has a class for each kind of URL, and they differ:

- ``rfc2217://`` has a thread that queues octets one by one. ``read`` without a timeout returns one of them. When the
  connection is closed, ``read`` raises before it looks into the queue, whatever is still there.
- A port that cannot be opened is a SerialException or another OSError. A URL that is not well formed may be any
  exception, or a SerialException that only quotes one.
- Setting a device, or waiting until its octets are sent, may raise termios.error, which is no OSError.
"""

import contextlib
import queue
import re
import sys
from collections.abc import Iterator
from typing import Final

import serial

from vtctap.sniffer.adapter import is_url
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


@contextlib.contextmanager
def opening(name: str) -> Iterator[None]:
    """Converts whatever pyserial raises inside the context to a PortError. Only calls of pyserial belong there: an
    error of any other code would be told as one of the port."""
    handled = sys.exception()
    try:
        yield
    except Exception as error:  # A URL may raise anything.
        raise _cannot_open(name, _origin(error, handled)) from None


def _cannot_open(name: str, origin: BaseException) -> PortError:
    """Returns the system's reason why a port cannot be opened, or how its URL is written."""
    if isinstance(origin, FAILURES) or not is_url(name):
        return failed(name, origin)
    if not isinstance(origin, _MALFORMED):
        return PortError(f"{name}: {type(origin).__name__}: {origin}")
    reason = str(origin) if isinstance(origin, ValueError | re.error) else "this URL is not well formed"
    form = _FORMS.get(name.partition("://")[0].lower(), f"{_FORMS['socket']} or {_FORMS['rfc2217']}")
    return PortError(f"{name}: {reason}; write {form}")


def _origin(error: BaseException, handled: BaseException | None) -> BaseException:
    """Returns the first exception, which pyserial may have caught before it raised one of its own. The caller may have
    been handling another one all the while, which is no reason."""
    while error.__context__ is not None and error.__context__ is not handled:
        error = error.__context__
    return error


def failed(name: str, error: BaseException) -> PortError:
    """Converts what an open port raised."""
    if isinstance(error, serial.SerialException) or not isinstance(error, FAILURES):
        return PortError(f"{name}: {error}")
    return port_error(name, error if isinstance(error, OSError) else OSError(*error.args))
