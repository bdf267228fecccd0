"""Processes that share jobs.

Each process gets its next job when it has sent the result of the one before. So it is known which job a process had
that was killed.

A process starts as a copy of this one, which has imported what the jobs need: a new one would import it again, for a
third of a second. But a copy has none of the threads of this one, so it might wait for ever for a lock that one of
them holds. Where this process has threads, and where the system copies no processes, new ones start.
"""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Generic, TypeVar

from vtctap.parallel.lost import Lost

__all__ = ["Pool"]

_ATTEMPTS: Final = 2
"""How often a job is begun, at most."""
_PATIENCE: Final = 5.0
"""Seconds for a process to end by itself."""

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(slots=True)
class _Worker:
    """A process, the end of its pipe, and the number of its job."""

    process: Any
    pipe: Connection
    job: int | None = None


class Pool(Generic[Job, Result]):
    """Processes that share jobs."""

    def __init__(self, function: Callable[[Job], Result], jobs: Sequence[Job], processes: int) -> None:
        self._function = function
        self._jobs = jobs
        self._processes = processes
        self._left = deque(range(len(jobs)))
        self._begun = [0] * len(jobs)
        self._workers: list[_Worker] = []

    def results(self) -> Iterator[tuple[int, Result | Lost]]:
        """Yields the results as they come. Ends all processes at the end, or when the caller stops."""
        try:
            while self._fill():
                ready = wait([worker.pipe for worker in self._workers])
                for worker in [each for each in self._workers if each.pipe in ready]:
                    yield from self._received(worker)
        finally:
            self._end()

    def _fill(self) -> bool:
        """Gives every idle process a job; returns whether any has one."""
        idle = [worker for worker in self._workers if worker.job is None]
        while self._left and (idle or len(self._workers) < self._processes):
            worker = idle.pop() if idle else self._start()
            worker.job = self._left.popleft()
            self._begun[worker.job] += 1
            with suppress(OSError):  # A process that has ended shows when its pipe is read.
                worker.pipe.send(self._jobs[worker.job])
        return any(worker.job is not None for worker in self._workers)

    def _start(self) -> _Worker:
        alone = _is_alone()
        context: Any = multiprocessing.get_context("fork" if alone else "spawn")
        ours, theirs = context.Pipe()
        # A copy has this process's ends of all pipes, too, and would never see the end of its own.
        copied = [ours, *(worker.pipe for worker in self._workers)] if alone else []
        process = context.Process(target=_serve, args=(self._function, theirs, copied), daemon=True)
        with _holding_sigint():
            process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours))
        return self._workers[-1]

    def _received(self, worker: _Worker) -> Iterator[tuple[int, Result | Lost]]:
        number = worker.job
        try:
            result, error = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._lost(worker)
            return
        if error is not None:
            raise error
        assert number is not None
        worker.job = None
        yield number, result

    def _lost(self, worker: _Worker) -> Iterator[tuple[int, Lost]]:
        """Lets another process repeat the job of one that has ended, unless it was repeated before."""
        number = worker.job
        self._workers.remove(worker)
        worker.process.join()
        if number is not None and self._begun[number] < _ATTEMPTS:
            self._left.appendleft(number)
        elif number is not None:
            yield number, Lost("the process that read it was killed, and so was the next one")

    def _end(self) -> None:
        for worker in self._workers:
            if worker.job is not None:
                worker.process.terminate()
            worker.pipe.close()
        for worker in self._workers:
            worker.process.join(_PATIENCE)
            if worker.process.is_alive():
                worker.process.kill()


def _is_alone() -> bool:
    """Returns whether this process has one thread, those of libraries included, so that a copy of it is whole."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


@contextmanager
def _holding_sigint() -> Iterator[None]:
    """Holds SIGINT back inside the context. A process that is started there holds it back until it ignores it: else
    Ctrl-C would end it with a traceback while it starts."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(function: Callable[[Any], Any], pipe: Connection, copied: Sequence[Connection]) -> None:
    """Does jobs until the pipe is closed. SIGTERM ends a job as an exception does, so that it cleans up."""
    for end in copied:
        end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The parent gets it as well, and says when to end.
    signal.signal(signal.SIGTERM, _stop)
    with suppress(EOFError, OSError):
        while True:
            job = pipe.recv()
            pipe.send(_answer(function, job))


def _answer(function: Callable[[Any], Any], job: Any) -> tuple[Any, Exception | None]:
    try:
        return function(job), None
    except Exception as error:
        return None, error


def _stop(*_: object) -> None:
    raise SystemExit(1)
