"""What two hand-held units do differently with the same meter: python compare.py TRACE TRACE"""

import difflib
import statistics
import sys

import vtctap


def steps(path: str) -> tuple[list[str], list[float]]:
    """What the client asks, in order, and how long it waits after an answer before it goes on (s)."""
    asked, waits = [], []
    answered = None
    with vtctap.open(path) as trace:
        for exchange in vtctap.exchanges(trace):
            request = exchange.request
            if request is None:
                continue
            asked.append(" ".join((request.name, request.message.cmd or "", *request.message.register)).strip())
            if answered is not None:
                waits.append((request.record.time - answered) / 1e9)
            answered = exchange.response.record.end if exchange.response else None
    return asked, waits


before, after = sys.argv[1:3]
first, second = steps(before), steps(after)
for line in difflib.unified_diff(first[0], second[0], before, after, lineterm="", n=1):
    print(line)
for path, (asked, waits) in ((before, first), (after, second)):
    pause = f"{statistics.median(waits):.3f} s" if waits else "-"
    print(f"{path}: {len(asked)} requests, median pause before the next {pause}")
