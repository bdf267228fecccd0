"""A progress bar on the terminal that shows how much of a file, or how many of several traces, have been read.

The bar appears only if standard error is a terminal, only after :data:`PATIENCE` seconds, and not where the messages
of a trace are held until others have been shown.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Final, TypeVar

from vtctap.command_line.messages import is_shown, visible

__all__ = ["with_bar", "with_count"]

PATIENCE = 2.0
"""Seconds before the bar appears."""
_INTERVAL: Final = 0.1
"""Seconds between two updates of the bar."""
_STEP: Final = 1000
"""Items between two readings of the clock."""
_WIDTH: Final = 30
"""Columns of the bar itself."""

Item = TypeVar("Item")


def with_bar(items: Iterable[Item], file: IO[bytes], name: str) -> Iterator[Item]:
    """Yields the items that are read from ``file``, and shows the position in the file."""
    if not is_shown():
        yield from items
        return
    size = os.fstat(file.fileno()).st_size

    def bar() -> str:
        done = min(file.tell(), size)
        return f"{_bar(name, done, size)} {done / 1e6:.1f} of {size / 1e6:.1f} MB"

    yield from _shown(items, bar, _STEP)


def with_count(items: Iterable[Item], total: int, name: str) -> Iterator[Item]:
    """Yields the items, the results of ``total`` traces, and shows how many there have been."""
    if not is_shown():
        yield from items
        return
    done = 0

    def counted() -> Iterator[Item]:
        nonlocal done
        for item in items:
            done += 1
            yield item

    yield from _shown(counted(), lambda: f"{_bar(name, done, total)} {done} of {total} traces", 1)


def _shown(items: Iterable[Item], bar: Callable[[], str], step: int) -> Iterator[Item]:
    """Yields the items, and updates the bar at every ``step`` of them when it is time."""
    due = time.monotonic() + PATIENCE
    shown = ""
    try:
        for number, item in enumerate(items):
            if number % step == 0 and time.monotonic() >= due:
                due = time.monotonic() + _INTERVAL
                shown = bar()
                print(f"\r{shown}", end="", file=sys.stderr, flush=True)
            yield item
    finally:
        if shown:
            print(f"\r{' ' * len(shown)}\r", end="", file=sys.stderr, flush=True)


def _bar(name: str, done: int, size: int) -> str:
    share = done / size if size else 1.0
    return f"{visible(name)}: {share:4.0%}|{'#' * round(share * _WIDTH):{_WIDTH}}|"
