"""Proves what vtctap promises of serial ports on the kernel's own drivers, in an emulated machine.

  python tests/drivers [CHECK...]      all checks (checks.py), or those named

Sets up what it needs besides QEMU in build/drivers, from Debian packages. Prints a table; exit status 1 where anything
is not as expected, 2 where the machine cannot be had.
"""

import sys
import time
from pathlib import Path

sys.path.insert(1, str(Path(__file__).parents[1]))

from checks import CHECKS, Row, bench
from image import Missing, make
from machine import Machine

FOLDER = Path(__file__).parents[2] / "build/drivers"
WIDTHS = (21, 44, 30)


def show(row: Row) -> None:
    """Prints a row of the table."""
    cells = (row.driver, row.check, "(noted)" if row.expected is None else row.expected)
    print(*(cell.ljust(width) for cell, width in zip(cells, WIDTHS, strict=True)), row.seen, end="")
    print("" if row.good else "   <-- DIFFERENT", flush=True)


def main(names: list[str]) -> int:
    """Runs the checks; the exit status."""
    began = time.monotonic()
    rows: list[Row] = []
    try:
        make(FOLDER)
        print(*(head.ljust(width) for head, width in zip(("driver", "check", "expected"), WIDTHS, strict=True)), "seen")
        with Machine(FOLDER) as machine:
            ready = bench(machine)
            for check in CHECKS:
                if not names or check.__name__ in names:
                    for row in check(ready):
                        rows.append(row)
                        show(row)
    except (Missing, TimeoutError) as error:
        print(f"test-drivers: {error}", file=sys.stderr)
        return 2
    different = sum(not row.good for row in rows)
    judged = sum(row.expected is not None for row in rows)
    print(f"{judged} rows, {different} different; {time.monotonic() - began:.0f} s")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
