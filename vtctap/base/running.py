"""Whether a process still runs that wrote its number and host into a name: what it left behind otherwise belongs to
nobody."""

import os
from pathlib import Path

__all__ = ["has_ended"]


def has_ended(process: str, host: str) -> bool:
    """Returns whether that process, of which a name holds the number and the host, was of this machine and no longer
    runs. What is no number names no process."""
    import socket

    return host == socket.gethostname() and process.isdecimal() and not _is_running(int(process))


def _is_running(process: int) -> bool:
    """Returns whether a process of this machine runs, or may run: Windows is not asked. A killed process that its
    parent has not waited for (a zombie, as in a container without an init process) does not run."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # It runs and belongs to somebody else.
    try:
        state = Path(f"/proc/{process}/stat").read_bytes().rpartition(b") ")[2][:1]
    except OSError:  # A system without it; or the process has just ended, and who asks next sees it.
        return True
    return state != b"Z"
