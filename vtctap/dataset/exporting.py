"""Adds many traces to a set, and says what came of each: those that are named, or those that arrive in a folder.

A folder is watched until a signal ends the program. Every trace is added once, whatever was added before a restart,
because the set knows traces by their content.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from types import FrameType

from vtctap.base.nouns import count
from vtctap.command_line.messages import warn
from vtctap.command_line.progress import with_count
from vtctap.command_line.service_manager import ServiceManager
from vtctap.dataset.adding import Added, Options, add_or_skip, clean
from vtctap.dataset.arrivals import Arrivals
from vtctap.dissector.tables.parquet import require
from vtctap.errors import CommandError
from vtctap.parallel.jobs import results
from vtctap.parallel.lost import Lost

__all__ = ["Exporting", "watch"]


class Exporting:
    """Exports of traces to one set, by ``jobs`` processes or by the workers of a ``cluster``. Raises MissingExtra."""

    def __init__(self, options: Options, jobs: int, cluster: str | None = None, *, quiet: bool = False) -> None:
        require()
        self.options = options
        self._jobs = jobs
        self._cluster = cluster
        self._quiet = quiet
        self.skipped = False
        """Whether a trace, or a part of one, was skipped."""

    def export(self, groups: Sequence[Sequence[str]], done: Callable[[], None] = lambda: None) -> None:
        """Adds traces, each given as its file or ring files, and says what came of them. ``done`` is called after each.
        Raises Error."""
        place: Callable[[str], str] = os.path.abspath if self._cluster else str
        jobs = [tuple(map(place, names)) for names in groups]
        adds = partial(add_or_skip, options=self.options)
        found = results(adds, jobs, processes=self._jobs, cluster=self._cluster)
        all_added, ids = list[Added](), set[str]()
        for number, result in with_count(found, len(jobs), self.options.folder):
            added = Added(jobs[number][0], "skipped", why=result.why) if isinstance(result, Lost) else result
            if added.state == "added" and added.id in ids:
                added = replace(added, state="there")  # Another process added the same content meanwhile.
            ids.add(added.id)
            all_added.append(added)
            self.skipped |= added.state == "skipped" or added.skipped > 0
            _tell_trouble(added)
            done()
        clean(self.options.folder, ids)
        if not self._quiet:
            warn(_summary(all_added, self.options.folder))


def _tell_trouble(added: Added) -> None:
    """Reports the parts of a trace that are not in the set, and why."""
    if added.state == "skipped":
        warn(f"skipped {added.trace}: {added.why}")
    elif added.skipped:
        warn(f"{added.trace}: {count(added.skipped, 'part')} damaged or missing")
    elif not added.records:
        warn(f"{added.trace}: it has no records")


def _summary(all_added: Sequence[Added], folder: str) -> str:
    states = Counter(added.state for added in all_added)
    records = sum(added.records for added in all_added if added.state == "added")
    parts = [f"{count(records, 'record')} of {count(states['added'], 'trace')} added to {folder}"]
    parts += [f"{count(states['there'], 'trace')} there before"] if states["there"] else []
    parts += [f"{count(states['skipped'], 'trace')} skipped"] if states["skipped"] else []
    return ", ".join(parts)


# A folder.


def watch(folder: str, exporting: Exporting, *, every: float) -> None:
    """Exports the traces in a folder, and those that arrive, until a signal ends it. Scans every ``every`` s. Raises
    Error."""
    if not os.path.isdir(folder):
        raise CommandError(f"{folder} is no folder to watch")
    manager = ServiceManager()
    arrivals = Arrivals(folder)
    with _until_signal():
        manager.ready()
        while True:
            arrived = arrivals.scan()
            _alive(manager)
            if arrived:
                exporting.export([[name] for name in arrived], partial(_alive, manager))
            time.sleep(every)
    manager.stopping()
    clean(exporting.options.folder, ())


def _alive(manager: ServiceManager) -> None:
    manager.alive(time.monotonic())


@contextmanager
def _until_signal() -> Iterator[None]:
    """Ends what is inside when the program is told to end; a further signal does not disturb what is cleaned up."""

    def end(number: int, frame: FrameType | None) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
