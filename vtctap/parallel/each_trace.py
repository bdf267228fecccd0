"""What a command does with each of several traces, by many processes, shown in the order of the traces.

A trace that cannot be read is named, and the others go on; the exit status is then 1. If none can be read, that is an
error. With one trace nothing of this applies: the command reads it in its own process, and its errors end the command.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from vtctap.command_line.inputs import Reading, is_read_once
from vtctap.command_line.messages import held, reason, warn
from vtctap.command_line.places import placed, placed_profile
from vtctap.command_line.progress import with_count
from vtctap.errors import CommandError, Error, MissingExtra, OutputError
from vtctap.parallel.jobs import in_order, results
from vtctap.parallel.lost import Lost

__all__ = ["each_trace"]

Work = Callable[[argparse.Namespace, Reading, list[str]], Any]
"""What is done with a trace: takes the command's arguments, the reading of this trace, and its file or ring files. It
is importable by its name, and its result is pickled."""


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of a trace: ``result``, or ``why`` there is none; what was ``said`` meanwhile, and whether parts of the
    trace were skipped."""

    result: Any = None
    why: str = ""
    said: tuple[str, ...] = ()
    skipped: bool = False


def each_trace(
    work: Work, arguments: argparse.Namespace, reading: Reading, groups: Sequence[list[str]]
) -> Iterator[tuple[list[str], Any]]:
    """Yields the names of each trace, in order, and what ``work`` returns for it. Notes in ``reading`` that a trace,
    or a part of one, was skipped. Raises Error, also if no trace could be read."""
    reading.require_profile()
    if len(groups) == 1 and not arguments.cluster:
        yield groups[0], work(arguments, reading, groups[0])
        return
    jobs = [(number, [placed(each, arguments.cluster) for each in names]) for number, names in enumerate(groups, 1)]
    given = replace(reading, profile=placed_profile(reading.profile, arguments.cluster))
    processes = arguments.jobs if not any(is_read_once(name) for names in groups for name in names) else 1
    found = results(partial(_done, work, arguments, given), jobs, processes=processes, cluster=arguments.cluster)
    shown = in_order(with_count(found, len(jobs), "traces"))
    none = True
    for names, done in zip(groups, shown, strict=True):
        answer = _Done(why=done.why, skipped=True) if isinstance(done, Lost) else done
        for message in answer.said:
            warn(message)
        reading.damaged = reading.damaged or answer.skipped
        if answer.why:
            warn(f"skipped {names[0]}: {answer.why}")
        else:
            none = False
            yield names, answer.result
    if none:
        raise CommandError("no trace could be read")


def _done(work: Work, arguments: argparse.Namespace, reading: Reading, job: tuple[int, list[str]]) -> _Done:
    number, names = job
    own = replace(reading, number=number, traces=[])
    with held() as said:
        try:
            result, why = work(arguments, own, names), ""
        except (MissingExtra, OutputError):
            raise
        except (Error, OSError) as error:
            result, why = None, reason(error, names[0])
    return _Done(result, why, tuple(said), bool(why) or own.skipped)
