"""Work on many traces: one trace is one job, for processes of this machine or the workers of a cluster.

Results come as they complete. A job whose process is killed is repeated once, and all other results are kept.
"""

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from vtctap.command_line.arguments import whole
from vtctap.parallel.lost import Lost

__all__ = ["add_jobs", "in_order", "results"]

Job = TypeVar("Job")
Result = TypeVar("Result")


def add_jobs(parser: argparse.ArgumentParser, when: str = "") -> None:
    """Adds ``--jobs``, which counts processors, and ``--cluster``; ``when`` precedes their help."""
    parser.add_argument(
        "--jobs",
        type=_number,
        default=processors(),
        metavar="N",
        help=f"{when}use at most this many processors (default: all); several traces are read side by side",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help=f"{when}let the workers of this Dask scheduler do it, such as tcp://host:8786",
    )


def _number(text: str) -> int:
    return whole(text, "no number of processors", 9_999)


def processors() -> int:
    """Returns the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def results(
    function: Callable[[Job], Result], jobs: Sequence[Job], *, processes: int, cluster: str | None = None
) -> Iterator[tuple[int, Result | Lost]]:
    """Yields the number of each job, from 0, and its result, as soon as it is known.

    ``function`` must be importable by its name, and its argument and result are pickled. An exception that it raises is
    raised here and ends all jobs. One job, or one process, runs in this process.
    """
    if cluster is not None:
        from vtctap.parallel.cluster import cluster_results

        yield from cluster_results(function, jobs, cluster)
    elif min(processes, len(jobs)) <= 1:
        yield from ((number, function(job)) for number, job in enumerate(jobs))
    else:
        from vtctap.parallel.pool import Pool

        yield from Pool(function, jobs, min(processes, len(jobs))).results()


def in_order(found: Iterator[tuple[int, Result]]) -> Iterator[Result]:
    """Yields results in the order of their jobs."""
    waiting: dict[int, Result] = {}
    following = 0
    for number, result in found:
        waiting[number] = result
        while following in waiting:
            yield waiting.pop(following)
            following += 1
