"""Fault campaign (``make faults``): captures are disturbed in each way of a table; no octet may be lost unsaid.

    python -m faults [--times N] [--seed TEXT] [--processes N] [FAULT...]

Each run captures pseudo-terminals that are given numbered messages, applies one fault at a random moment, and compares
the trace with what was really written to the ports (:mod:`faults.oracle`). The last row of the table
(:mod:`faults.table`) applies several of the faults to one capture. The seed decides what is sent, in which pieces, and
when the fault comes; how the system schedules the programs is left to it. A run that fails leaves its folder, and is
named with what repeats it.

Prints a table: fault, times, octets that must be in the trace, found in it, stated as lost by it, verdict. The exit
status is 1 where something failed.
"""

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from faults.oracle import Verdict
from faults.scene import Failed, Impossible, Scene
from faults.table import FAULTS, Fault

FORK = multiprocessing.get_context("fork")
"""Its children have the modules of a capture imported."""


class Run(NamedTuple):
    """One run of the campaign, and its result: None where this machine does not allow the fault."""

    fault: Fault
    seed: str
    verdict: Verdict | None = None
    folder: str = ""


def tried(run: Run) -> Run:
    """Runs a fault once, and returns the run with its verdict. The folder is kept where something is wrong."""
    folder = Path(tempfile.mkdtemp(prefix="fault-"))
    try:
        with Scene(folder, f"{run.seed} {run.fault.name}", run.fault.ports) as scene:
            verdict = run.fault.run(scene)
    except Impossible:
        shutil.rmtree(folder)
        return run
    except Exception as error:
        wrong = str(error) if isinstance(error, Failed) else repr(error)
        verdict = Verdict(wrong=wrong)
    if not verdict.wrong:
        shutil.rmtree(folder)
    return run._replace(verdict=verdict, folder=str(folder))


def campaign(faults: Sequence[Fault], times: int, seed: str, processes: int) -> Iterator[Run]:
    """Yields the result of each run: every fault in turn, ``times`` times."""
    runs = [Run(fault, f"{seed}.{number}") for number in range(times) for fault in faults]
    with FORK.Pool(processes) as pool:
        yield from pool.imap_unordered(_numbered, [(FAULTS.index(run.fault), run.seed) for run in runs])


def _numbered(job: tuple[int, str]) -> Run:
    return tried(Run(FAULTS[job[0]], job[1]))


def row(fault: Fault, runs: Sequence[Run]) -> str:
    """Returns a fault's row of the table."""
    verdicts = [run.verdict for run in runs if run.verdict]
    if not verdicts:
        return f"| {fault.name} | {fault.does} | {fault.holds} | 0 | | | | not possible here |"
    total = sum(verdicts, Verdict())
    failed = sum(bool(verdict.wrong) for verdict in verdicts)
    cells = (len(verdicts), total.expected, total.found, total.stated, f"{failed} failed" if failed else "holds")
    return f"| {fault.name} | {fault.does} | {fault.holds} | " + " | ".join(map(str, cells)) + " |"


def main() -> int:
    """Runs the campaign, and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--seed", default=time.strftime("%Y-%m-%d"))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("faults", nargs="*", metavar="FAULT", choices=[[], *(fault.name for fault in FAULTS)])
    arguments = parser.parse_args()
    faults = [fault for fault in FAULTS if fault.name in (arguments.faults or [fault.name])]
    print(f"seed {arguments.seed}, {arguments.times} times\n", flush=True)
    results: dict[Fault, list[Run]] = {fault: [] for fault in faults}
    for run in campaign(faults, arguments.times, arguments.seed, arguments.processes):
        results[FAULTS[[fault.name for fault in FAULTS].index(run.fault.name)]].append(run)
        if run.verdict and run.verdict.wrong:
            print(f"{run.fault.name}, seed {run.seed}: {run.verdict.wrong} ({run.folder})", flush=True)
    print("| fault | what it does | what must hold | times | octets expected | found | stated as lost | verdict |")
    print("|---|---|---|---|---|---|---|---|")
    print(*(row(fault, results[fault]) for fault in faults), sep="\n")
    return int(any(run.verdict and run.verdict.wrong for runs in results.values() for run in runs))


if __name__ == "__main__":
    sys.exit(main())
