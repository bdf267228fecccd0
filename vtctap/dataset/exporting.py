"""Adds many traces to a set, and says what came of each: those that are named, or those that arrive in a folder.

A folder is watched until a signal ends the program. Every trace is added once, whatever was added before a restart,
because the set knows traces by their content.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import FrameType

from vtctap.base.nouns import count
from vtctap.command_line.messages import warn
from vtctap.command_line.places import placed
from vtctap.command_line.progress import with_count
from vtctap.command_line.service_manager import ServiceManager
from vtctap.dataset.adding import Added, Options, add_or_skip
from vtctap.dataset.arrivals import Arrivals
from vtctap.dataset.entries import Entry, entries
from vtctap.dataset.staging import clean
from vtctap.dissector.tables.lean import start_lean
from vtctap.dissector.tables.parquet import require
from vtctap.errors import CommandError
from vtctap.parallel.jobs import results
from vtctap.parallel.lost import Lost

__all__ = ["Exporting", "watch"]


class Exporting:
    """Exports of traces to one set, by as many processors as ``jobs`` or by the workers of a ``cluster``. Raises
    MissingExtra."""

    def __init__(self, options: Options, jobs: int, cluster: str | None = None, *, quiet: bool = False) -> None:
        require()
        self.options = options
        self._processors = jobs
        self._cluster = cluster
        self._quiet = quiet
        self.skipped = False
        """Whether a trace, or a part of one, was skipped."""
        self.read = False
        """Whether a trace could be read: it was added, or was there before."""

    def export(self, groups: Sequence[Sequence[str]], done: Callable[[], None] = lambda: None) -> None:
        """Adds traces, each given as its file or ring files, and says what came of them. ``done`` is called after each.
        Raises Error."""
        traces = (tuple(placed(name, self._cluster) for name in names) for names in groups)
        jobs = sorted(traces, key=_size, reverse=True)
        known = entries(Path(self.options.folder))
        found = results(self._adds(len(jobs), known), jobs, processes=self._processors, cluster=self._cluster)
        before, new, all_added = {entry.id for entry in known.values()}, set[str](), list[Added]()
        for number, result in with_count(found, len(jobs), self.options.folder):
            added = Added(jobs[number][0], "skipped", why=result.why) if isinstance(result, Lost) else result
            added = _once(added, before, new)
            all_added.append(added)
            self.skipped |= added.state == "skipped" or added.skipped > 0
            self.read |= added.state != "skipped"
            _tell_trouble(added)
            done()
        clean(self.options.folder, {added.id for added in all_added} if self._cluster else ())
        if not self._quiet:
            warn(_summary(all_added, self.options.folder))

    def _adds(self, traces: int, known: Mapping[str, Entry]) -> Callable[[tuple[str, ...]], Added]:
        """Returns the function that adds one of so many traces: by one processor, or by two where that leaves some."""
        if self._cluster:
            return partial(add_or_skip, options=self.options)
        options = replace(self.options, threaded=self._processors >= 2 * traces)
        return partial(_add_here, options=options, known=known)


def _add_here(names: tuple[str, ...], options: Options, known: Mapping[str, Entry]) -> Added:
    """Adds a trace, or skips it, in a process of vtctap. ``known`` are the entries before all traces of the export, so
    the set does not depend on which of them is added first."""
    start_lean()
    return add_or_skip(names, options, known)


def _once(added: Added, before: Set[str], new: set[str]) -> Added:
    """Returns a result as it counts: a trace whose id is not among those ``before`` the export is ``new`` once. Its
    first result may say that it is there: another process has added a copy meanwhile, or was killed when it had."""
    if added.state == "skipped":
        return added
    if added.id in new or (added.state == "there" and added.id in before):
        return replace(added, state="there")
    new.add(added.id)
    return replace(added, state="added")


def _size(names: Sequence[str]) -> int:
    """Returns the octets of a trace; 0 where it is not there, which adding it tells. The largest are added first, so
    that no processor has one left at the end."""
    try:
        return sum(os.path.getsize(name) for name in names)
    except OSError:
        return 0


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
    clean(exporting.options.folder)


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
