"""What the measurements share: whole processes with their time and memory, and tables in Markdown."""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

_LAUNCHER: Final = """
import json, os, subprocess, sys, time
start = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - start
print(json.dumps([wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]))
"""
"""Starts a command. A process inherits the peak memory of the one that starts it, so this one is small."""


@dataclass(frozen=True, slots=True)
class Used:
    """What a process took: wall time and CPU time (user and system) in s, and its peak resident set in MiB."""

    wall: float
    cpu: float
    peak: float


def used(command: Sequence[str], good: Iterable[int] = (0,)) -> Used:
    """Runs a command; its output is thrown away. Exits where its status is not among the ``good`` ones."""
    launched = [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command]
    wall, cpu, peak, status = json.loads(subprocess.run(launched, capture_output=True, text=True, check=True).stdout)
    if status not in good:
        sys.exit(f"{' '.join(command)}: exit status {status}")
    return Used(wall, cpu, peak)


def middle(each: Sequence[Used]) -> Used:
    """Returns the medians of the times, and the highest peak."""
    return Used(median(one.wall for one in each), median(one.cpu for one in each), max(one.peak for one in each))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Returns a table in Markdown; the first column is text, the others are figures."""
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def verdict(missed: Sequence[str]) -> str:
    """Returns the closing lines of a measurement: which targets it missed."""
    return "\n".join(["Missed:", "", *(f"- {each}" for each in missed)]) if missed else "All targets are met."
