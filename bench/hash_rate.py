"""What the hash chain costs a capture: processor time of the way from octets to the trace, with and without it.

    python bench/hash_rate.py [--seconds N]

Both ways run in this process, in virtual time: estimators, assemblers, the counters of the capture, and a trace on the
disk. Prints the time per record of the best of five runs each. Exit status 1 where the chain adds more than 5 %.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from vtctap.capturing.counts import Counts
from vtctap.pcap.hash_chain import HashChain
from vtctap.pcap.record import Line
from vtctap.pcap.trace import create_trace
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.session import EPOCH, play

MOST: Final = 0.05
"""Of the time without it."""
RUNS: Final = 5
LINE: Final = Line(7, "E", 1)


def run(sessions: int, chain: HashChain | None) -> tuple[float, int]:
    """Captures; the processor's seconds, and the records."""
    counts, records = Counts(), 0
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder, create_trace(Path(folder) / "t.pcapng") as writer:
        for seed in range(sessions):
            playing = play(seed, speed=9600, line=LINE)
            for record in virtual.capture(
                playing, start=EPOCH, speed=9600, line=LINE, gap_limit_ns=1_500_000_000, profile="iec62055-52"
            ):
                counts.feed([record], 0)
                writer.write(chain.feed(record) if chain else record)
                records += 1
    return time.process_time() - begin, records


def main() -> int:
    """Measures, prints, judges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sessions", type=int, default=100, help="simulated sessions a run (100)")
    sessions = parser.parse_args().sessions
    took = {True: [], False: []}  # type: dict[bool, list[float]]
    for _ in range(RUNS):
        for chained in (False, True):
            seconds, records = run(sessions, HashChain() if chained else None)
            took[chained].append(seconds / records)
    without, with_ = min(took[False]), min(took[True])
    more = with_ / without - 1
    print("| without, us a record | with, us | more |\n|---:|---:|---:|")
    print(f"| {without * 1e6:.1f} | {with_ * 1e6:.1f} | {more:.1%} |")
    return int(more > MOST)


if __name__ == "__main__":
    sys.exit(main())
