"""What two hand-held units do differently with the same meter: python compare.py TRACE TRACE"""

import difflib
import statistics
import sys

import vtctap
from vtctap.dissector.analysis.exchanges import exchanges


def steps(path: str) -> tuple[list[str], list[float]]:
    """What the client asks, in order, and how long it waits after an answer before it goes on (s)."""
    asked, waits = [], []
    answered = None
    with vtctap.open(path) as trace:
        for exchange in exchanges(trace):
            request = exchange.request
            if request is None:
                continue
            asked.append(" ".join((request.name, request.message.cmd or "", *request.message.register)).strip())
            if answered is not None:
                waits.append((request.record.time - answered) / 1e9)
            answered = exchange.response.record.end if exchange.response else None
    return asked, waits


first, second = (steps(path) for path in sys.argv[1:3])
for line in difflib.unified_diff(first[0], second[0], *sys.argv[1:3], lineterm="", n=1):
    print(line)
for path, (asked, waits) in zip(sys.argv[1:3], (first, second), strict=True):
    pause = f"{statistics.median(waits):.3f} s" if waits else "-"
    print(f"{path}: {len(asked)} requests, median pause before the next {pause}")
