"""Waiting for ports that are not there yet: an adapter to be plugged in, a host to be reached.

A device is not opened before all are there: opening one may move its DTR and RTS, and the line is to be left alone. A
device that cannot be opened at once (its permissions are set a moment after it appears) is tried for :data:`SETTLING`.
"""

import os
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from vtctap.sniffer.opening import is_url
from vtctap.sniffer.port import PortError

PERIOD: Final = 0.5
"""Seconds between two looks."""
SETTLING: Final = 5.0
"""Seconds that a device gets to become one that can be opened."""

Opened = TypeVar("Opened")


def missing(names: Sequence[str]) -> list[str]:
    """The devices that are not there; whether what a URL names is there only opening it can tell."""
    return [name for name in names if not is_url(name) and not os.path.exists(name)]


def opened_when_there(
    names: Sequence[str],
    attempt: Callable[[], Opened],
    say: Callable[[str], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    wait: Callable[[float], object] = time.sleep,
) -> Opened:
    """What ``attempt`` gives once the ports can be opened: all devices are there, and so is what URLs name, for which
    it waits for ever. ``say`` is told what is waited for, once each. Raises PortError where a device that is there
    cannot be opened."""
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
