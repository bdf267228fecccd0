"""Waits for ports that do not exist yet: an adapter that is not plugged in, a host that cannot be reached.

No device is opened before all of them exist, because opening one may change its DTR and RTS. The system sets the
permissions of a device a moment after it appears, so a device that cannot be opened is tried again for
:data:`SETTLING`.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from vtctap.sniffer.adapter import is_url
from vtctap.sniffer.port import PortError

PERIOD: Final = 0.5
"""Time between two looks for the ports."""
SETTLING: Final = 5.0
"""Longest time from the appearance of a device until it can be opened."""

Opened = TypeVar("Opened")


def missing(names: Sequence[str]) -> list[str]:
    """Returns the devices that do not exist. URLs are never missing, since only opening one tells."""
    return [name for name in names if not is_url(name) and not os.path.exists(name)]


def opened_when_there(
    names: Sequence[str],
    attempt: Callable[[], Opened],
    say: Callable[[str], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], object] = time.sleep,
) -> Opened:
    """Returns the result of ``attempt``, which opens the ports, once all devices exist and all URLs can be opened.

    It waits without a limit, and passes each reason for waiting to ``say`` once. Raises PortError if a device exists
    and still cannot be opened after :data:`SETTLING`.
    """
    told: set[str] = set()
    since: float | None = None
    while True:
        away, waited_for = missing(names), ""
        if away:
            since, waited_for = None, ", ".join(away)
        else:
            since = clock() if since is None else since
            try:
                return attempt()
            except PortError as error:
                if any(is_url(name) and str(error).startswith(name) for name in names):
                    waited_for = str(error)
                elif clock() - since >= SETTLING:
                    raise
        if waited_for and waited_for not in told:
            told.add(waited_for)
            say(f"waiting for {waited_for}")
        wait(PERIOD)
