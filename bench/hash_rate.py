"""What the hash chain costs a capture: processor time per record, beside that of the way from octets to the trace.

    python bench/hash_rate.py [--sessions N]

Simulated sessions go through estimators, assemblers, the counters of the capture and a trace on the disk, in virtual
time, without the reading of ports. Then the same records are written with and without the chain. The least of several
runs counts, so that a busy machine changes little. Prints a row; exit status 1 where the chain adds more than 5 %.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from measuring import verdict

from vtctap.capturing.counts import Counts
from vtctap.pcap.hash_chain import HashChain
from vtctap.pcap.record import Line, Record
from vtctap.pcap.trace import create_trace
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.session import EPOCH, play

MAX_SHARE: Final = 0.05
"""Of the time without the chain."""
RUNS: Final = 15
LINE: Final = Line(7, "E", 1)


def captured(sessions: int) -> tuple[float, list[Record]]:
    """The processor's seconds from octets to counted records, and the records."""
    counts, records, took = Counts(), list[Record](), 0.0
    for seed in range(sessions):
        playing = play(seed, speed=9600, line=LINE)
        begin = time.process_time()
        for record in virtual.capture(
            playing, start=EPOCH, speed=9600, line=LINE, gap_limit_ns=1_500_000_000, profile="iec62055-52"
        ):
            counts.feed([record], 0)
            records.append(record)
        took += time.process_time() - begin
    return took, records


def written(records: list[Record], chain: HashChain | None) -> float:
    """The processor's seconds that the records take to be written."""
    with tempfile.TemporaryDirectory() as folder, create_trace(Path(folder) / "t.pcapng") as writer:
        begin = time.process_time()
        for record in records:
            writer.write(chain.feed(record) if chain else record)
        return time.process_time() - begin


def main() -> int:
    """Measures, prints, judges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--sessions", type=int, default=20, help="simulated sessions (20)")
    sessions = parser.parse_args().sessions
    captures = [captured(sessions) for _ in range(RUNS // 3)]
    records = captures[0][1]
    plain = min(written(records, None) for _ in range(RUNS))
    chained = min(written(records, HashChain()) for _ in range(RUNS))
    without, more = (min(took for took, _ in captures) + plain) / len(records), (chained - plain) / len(records)
    print("| without, us a record | the chain, us | more |\n|---:|---:|---:|")
    print(f"| {without * 1e6:.1f} | {more * 1e6:.1f} | {more / without:.1%} |")
    missed = [f"{more / without:.1%}, not {MAX_SHARE:.0%}"] if more > MAX_SHARE * without else []
    print(f"\n{verdict(missed)}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
