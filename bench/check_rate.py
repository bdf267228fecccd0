"""What ``vtctap check``, ``stats`` and ``profile learn`` take against a plain ``vtctap read``, and their memory.

    python bench/check_rate.py [--records N]

The trace: N (1 000 000) records of simulated sessions with faults, the same sessions over and over at later times. Each
command is run once, its output thrown away; ratios are of user time. Memory is the peak resident set, against that of a
tenth of the trace. Prints a table; exit status 1 where a target is missed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from measuring import verdict

from vtctap.pcap.record import Line
from vtctap.pcap.trace import create_trace
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.named import GUESS
from vtctap.sniffer.simulated.session import EPOCH, play

LINE: Final = Line(7, "E", 1)
MAX_TIME: Final = {"check": 4.0, "stats": 4.0, "profile learn": 4.0}
"""Of the time of ``read``."""
MAX_GROWTH: Final = 1.1
"""Of the memory for a tenth of the trace, of ``check`` and ``profile learn``."""


def write(path: Path, count: int) -> None:
    """Writes a trace of ``count`` records."""
    faults = ("bcc-bad", "no-response", "cut", "noise")
    playing = play(1, sessions=200, faults=faults, dialect=GUESS)
    records = list(
        virtual.capture(playing, start=EPOCH, speed=9600, line=LINE, gap_limit_ns=1_500_000_000, profile="bench")
    )
    span = records[-1].end - records[0].time + 1_000_000_000
    with create_trace(path) as writer:
        for number in range(count):
            turn, at = divmod(number, len(records))
            writer.write(replace(records[at], time=records[at].time + turn * span))


def measure(command: str, trace: Path) -> tuple[float, float]:
    """Returns the user time (s) and peak memory (MiB) of a command."""
    run = [sys.executable, "-m", "vtctap", *command.split(), str(trace)]
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(run, stdout=nowhere, stderr=nowhere)
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
    return used.ru_utime, used.ru_maxrss / 1024


def main() -> int:
    """Prints the table; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N")
    count = parser.parse_args().records
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "small.pcapng"), Path(folder, "large.pcapng")
        write(small, count // 10)
        write(large, count)
        print("| command | records | user, s | of read | peak, MiB | of a tenth's |")
        print("|---|---:|---:|---:|---:|---:|")
        read = 0.0
        for command in ("read", *MAX_TIME):
            (_, before), (seconds, after) = measure(command, small), measure(command, large)
            read = read or seconds
            ratio, growth = seconds / read, after / before
            print(f"| {command} | {count} | {seconds:.1f} | {ratio:.2f} | {after:.1f} | {growth:.2f} |", flush=True)
            if ratio > MAX_TIME.get(command, ratio):
                missed.append(f"{command}: {ratio:.2f} of read, not {MAX_TIME[command]}")
            if command in ("check", "profile learn") and growth > MAX_GROWTH:
                missed.append(f"{command}: {growth:.2f} times the memory for ten times the records")
    print(f"\n{verdict(missed)}")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
