"""Opening a terminal that may be in exclusive use, without disturbing whoever uses it. Linux.

A program that has set TIOCEXCL keeps all others from opening its terminal, but not root: root's open goes through to
the driver, which raises DTR and RTS. So root opens without the privilege that lets it through (CAP_SYS_ADMIN, dropped
for this thread while it opens), and is refused before the driver hears of it.
"""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_VERSION: Final = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3 of <linux/capability.h>: two words each of effective, permitted and inheritable ones."""
_SETS: Final = struct.Struct("6I")
_SYS_ADMIN: Final = 1 << 21


def open_unprivileged(name: str, flags: int) -> int:
    """Opens a file as ``os.open`` does, subject to exclusive use whoever opens it. Raises OSError."""
    with _without_sys_admin():
        return os.open(name, flags)


@contextmanager
def _without_sys_admin() -> Iterator[None]:
    """Inside, this thread has no CAP_SYS_ADMIN; outside, what it had."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("Ii", _VERSION, 0))
    had = ctypes.create_string_buffer(_SETS.size)
    libc.capget(header, had)
    effective, *others = _SETS.unpack(had.raw)
    libc.capset(header, _SETS.pack(effective & ~_SYS_ADMIN, *others))
    try:
        yield
    finally:
        libc.capset(header, had)
