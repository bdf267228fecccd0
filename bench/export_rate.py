"""What ``vtctap export`` takes against ``vtctap read --json`` of the same trace, and its memory.

    python bench/export_rate.py [--records N] [--rounds N]

The trace is that of ``bench/check_rate.py``: N (200 000) records of simulated sessions. Every command writes to a file;
rounds (3) are interleaved, and the median of user time counts. Memory is the peak resident set. Prints a table; exit
status 1 where JSON Lines take longer than ``read --json`` by more than the medians of one command differ by, 3 %.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Final

from check_rate import write
from measuring import verdict

READ: Final = "read --json"
COMMANDS: Final = {
    READ: ["read", "--json"],
    "export .jsonl": ["export", "-o", "-", "--format", "jsonl"],
    "export .csv": ["export", "-o", "-", "--format", "csv"],
    "export .parquet": ["export", "-o", "-", "--format", "parquet"],
    "export --table registers .csv": ["export", "--table", "registers", "-o", "-", "--format", "csv"],
    "export .exchange": ["export", "-o", "-", "--format", "exchange"],
}


def measure(command: list[str], trace: Path, out: Path) -> tuple[float, float]:
    """Returns the user time (s) and peak memory (MiB) of a command."""
    with open(out, "wb") as file:
        process = subprocess.Popen([sys.executable, "-m", "vtctap", *command, str(trace)], stdout=file)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"vtctap {' '.join(command)}: exit status {process.returncode}")
    return used.ru_utime, used.ru_maxrss / 1024


def main() -> int:
    """Prints the table; 1 where the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    arguments = parser.parse_args()
    commands = {name: words for name, words in COMMANDS.items() if "parquet" not in name or find_spec("pyarrow")}
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        trace, out = Path(folder, "trace.pcapng"), Path(folder, "out")
        write(trace, arguments.records)
        for _ in range(arguments.rounds):
            for name, words in commands.items():
                measured[name].append(measure(words, trace, out))
    times = {name: median(seconds for seconds, _ in each) for name, each in measured.items()}
    print("| command | records | user, s | of read --json | peak, MiB |\n|---|---:|---:|---:|---:|")
    for name, seconds in times.items():
        peak = max(memory for _, memory in measured[name])
        print(f"| {name} | {arguments.records} | {seconds:.2f} | {seconds / times[READ]:.2f} | {peak:.1f} |")
    missed = ["export .jsonl takes longer than read --json"] if times["export .jsonl"] > times[READ] * 1.03 else []
    print(f"\n{verdict(missed)}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
