"""Work on many traces by the workers of a Dask cluster (the extra ``cluster``).

Workers see the traces and the output under the same paths, and have this release of vtctap. Results are fetched as they
complete, so a worker that is lost costs the job that it had, which another one repeats.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from vtctap.base.extras import extra
from vtctap.errors import CommandError, Error
from vtctap.parallel.lost import Lost

__all__ = ["cluster_results"]

_PATIENCE: Final = "10s"
"""Time for the scheduler to answer."""

Job = TypeVar("Job")
Result = TypeVar("Result")


def cluster_results(
    function: Callable[[Job], Result], jobs: Sequence[Job], address: str
) -> Iterator[tuple[int, Result | Lost]]:
    """Yields results as :func:`vtctap.parallel.jobs.results`. Raises CommandError where no scheduler answers, and
    MissingExtra."""
    with extra("cluster", "--cluster"):
        import distributed
        from distributed.comm import get_address_host_port

    try:
        get_address_host_port(address)  # A client that fails on it waits for 20 s, and then shows a traceback.
    except ValueError as error:
        raise CommandError(f"{address} is no address of a scheduler, such as tcp://host:8786: {error}") from None
    try:
        client = distributed.Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise CommandError(f"{address}: no Dask scheduler answers there: {error}") from None
    with client:
        numbers: dict[Any, int] = {
            client.submit(function, job, key=f"vtctap-{number}-{client.id}"): number for number, job in enumerate(jobs)
        }
        for future in distributed.as_completed(list(numbers), loop=client.loop):
            number = numbers.pop(future)
            try:
                result: Result | Lost = future.result()
            except distributed.KilledWorker:
                result = Lost("the workers that read it were lost, one after the other")
            except distributed.CancelledError as error:
                raise ClusterError(f"{address}: the scheduler is gone: {error}") from None
            future.release()
            yield number, result


class ClusterError(Error):
    """The cluster ended before the work."""
