"""Every token in a trace, and what became of it: python tokens.py TRACE"""

import sys

import vtctap

with vtctap.open(sys.argv[1]) as trace:
    for flow in vtctap.token_flows(trace):
        took = "" if flow.duration is None else f" after {flow.duration:.3f} s"
        print(f"{flow.token} {flow.outcome}{took}")
