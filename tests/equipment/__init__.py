"""Test equipment: a line that garbles, the model of a receiver, a meter on a pseudo-terminal, and virtual time."""

import struct
from typing import Final

PATIENCE: Final = 120
"""Seconds for what takes a fraction of one: so busy is no machine that does not do it by then."""


def unread(terminal: int) -> int:
    """How many octets wait in a terminal for whoever reads it."""
    import fcntl
    import termios

    (count,) = struct.unpack("i", fcntl.ioctl(terminal, termios.FIONREAD, bytes(4)))
    return int(count)
