"""Response times by register, and a plot of them: python response_times.py TRACE [PLOT.png]

The plot needs matplotlib: pip install 'vtctap[plot]'
"""

import statistics
import sys
from collections import defaultdict

import vtctap

times: defaultdict[str, list[float]] = defaultdict(list)
with vtctap.open(sys.argv[1]) as trace:
    for exchange in vtctap.exchanges(trace):
        request = exchange.request
        if request and request.message.register and exchange.response_time is not None:
            times[f"{request.name} {request.message.register[0]}"].append(exchange.response_time)
for what, seconds in sorted(times.items()):
    median = statistics.median(seconds)
    print(f"{what:24} {len(seconds):4} times, median {median:.3f} s, longest {max(seconds):.3f} s")

if len(sys.argv) > 2:
    import matplotlib.pyplot as plot

    figure, axes = plot.subplots(figsize=(8, 0.4 * len(times) + 1.5), layout="constrained")
    axes.boxplot([times[what] for what in sorted(times)], orientation="horizontal", tick_labels=sorted(times))
    axes.set_xlabel("response time, s")
    figure.savefig(sys.argv[2])
