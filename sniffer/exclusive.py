"""Opens a terminal without disturbing a program that has it in exclusive use. Linux.

TIOCEXCL keeps other programs from opening a terminal, except root: root's open reaches the driver, which raises DTR and
RTS. So this thread drops the privilege that exempts root (CAP_SYS_ADMIN) while it opens the terminal. The kernel then
refuses to open it before the driver is involved.
"""

import ctypes
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_VERSION: Final = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3 of <linux/capability.h>: two words each of effective, permitted and inheritable
capabilities."""
_SETS: Final = struct.Struct("6I")
_SYS_ADMIN: Final = 1 << 21


def open_unprivileged(name: str, flags: int) -> int:
    """Opens a file as ``os.open`` does, but respects exclusive use for root too. Raises OSError."""
    with _without_sys_admin():
        return os.open(name, flags)


@contextmanager
def _without_sys_admin() -> Iterator[None]:
    """Drops this thread's CAP_SYS_ADMIN inside the context, and restores its capabilities after it."""
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
