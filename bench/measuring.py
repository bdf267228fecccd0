"""What the scripts of this folder share: whole processes with their time and memory, tables in Markdown, and the
comparison of two ways over random records."""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
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


def compared(description: str | None, part: int, differs: Callable[[Random, int], str], done: str) -> int:
    """Compares two ways on ``--records`` random records, in parts of ``part`` records; 1 if they differ.

    ``differs`` gets the source of chance and the number of the part, and returns the first difference, or an empty
    text. ``done`` says what was done to the records.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--seed", type=int, default=16, metavar="N")
    arguments = parser.parse_args()
    chance = Random(arguments.seed)
    count = -(-arguments.records // part)
    for number in range(count):
        if found := differs(chance, number):
            print(found)
            return 1
    print(f"{count * part} records {done} both ways: no difference")
    return 0
