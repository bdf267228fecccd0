"""Checks what vtctap promises about serial ports on the kernel's own drivers, in emulated machines.

  python tests/drivers [CHECK...]      all checks (checks/), or those named

What it needs besides QEMU it unpacks from Debian packages in build/drivers. It prints a table. Exit status 1 means that
something is not as expected, 2 that a machine cannot be made.
"""

import compileall
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parents[1]))

from checks import MACHINES, Bench, Check, Row
from image import Missing, make
from machine import Machine

import vtctap

FOLDER = Path(__file__).parents[2] / "build/drivers"
WIDTHS = (21, 44, 30)


def show(driver: str, check: str, expected: str, seen: str) -> None:
    """Prints a row of the table."""
    cells = (cell.ljust(width) for cell, width in zip((driver, check, expected), WIDTHS, strict=True))
    print(*cells, seen, flush=True)


def compile_modules() -> None:
    """Compiles the modules that run in the machines, which cannot keep what they compile themselves."""
    tests = Path(__file__).parents[1]
    for folder in (Path(vtctap.__file__).parent, tests / "drivers", tests / "equipment"):
        compileall.compile_dir(folder, quiet=1)


def run(name: str, checks: Sequence[Check]) -> list[Row]:
    """Runs checks on a machine, and prints the rows of each check when it ends."""
    rows = []
    with Machine(FOLDER, name) as machine:
        bench = Bench(machine)
        for check in checks:
            found = list(check(bench))
            rows += found
            for row in found:
                seen = row.seen if row.good else f"{row.seen}   <-- DIFFERENT"
                show(row.driver, row.check, "(noted)" if row.expected is None else row.expected, seen)
    return rows


def main(names: list[str]) -> int:
    """Runs the checks, and returns the exit status."""
    began = time.monotonic()
    wanted = {
        machine: [check for check in checks if not names or check.__name__ in names]
        for machine, checks in MACHINES.items()
    }
    try:
        make(FOLDER)
        compile_modules()
        show("driver", "check", "expected", "seen")
        with ThreadPoolExecutor() as threads:
            ran = [threads.submit(run, machine, checks) for machine, checks in wanted.items() if checks]
        rows = [row for done in ran for row in done.result()]
    except (Missing, TimeoutError) as error:
        print(f"test-drivers: {error}", file=sys.stderr)
        return 2
    different = sum(not row.good for row in rows)
    judged = sum(row.expected is not None for row in rows)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(usage.ru_utime + usage.ru_stime for usage in used)
    print(
        f"{judged} rows, {different} different; {time.monotonic() - began:.0f} s, {processor:.0f} s of processor time"
    )
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
