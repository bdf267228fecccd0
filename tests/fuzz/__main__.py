"""Fuzzes every target, guided by coverage, for so many seconds in all: ``make fuzz FUZZ_SECONDS=60``.

The engine is atheris (libFuzzer), in a process per target. It begins with the kept seeds, and keeps inputs that reach
new code in ``build/fuzz``. A row per target states executions, features covered and the verdict. Exit status 1 means
that a target raised an error or broke an invariant; the input is then in ``build/fuzz/TARGET``.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
BUILD: Final = HERE.parents[1] / "build" / "fuzz"
_MAX_OCTETS: Final = {"framer": 300, "assembler": 300, "messages": 500, "analysis": 600, "traces": 1500}
_MAX_OTHERS: Final = 2000
"""Most octets of an input; fewer for slow targets, so that many inputs are tried."""
_SECONDS_PER_INPUT: Final = 20
_MEGABYTES: Final = 1024


def one(target: str, arguments: list[str]) -> None:
    """Runs the engine on one target, in this process."""
    import atheris

    with atheris.instrument_imports(include=["vtctap"]):
        from fuzz.targets import TARGETS

    atheris.Setup([sys.argv[0], *arguments], TARGETS[target])
    atheris.Fuzz()


def start(target: str, seconds: int, seed: int) -> "subprocess.Popen[str]":
    """Starts the engine on one target, in a process of its own."""
    corpus = BUILD / target
    corpus.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-max_len={_MAX_OCTETS.get(target, _MAX_OTHERS)}",
        f"-timeout={_SECONDS_PER_INPUT}",
        f"-rss_limit_mb={_MEGABYTES}",
        f"-artifact_prefix={corpus}/",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    command = [sys.executable, "-m", "fuzz", "--one", target, *options, str(corpus), str(HERE / "seeds" / target)]
    paths = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(HERE.parent)]))
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": paths}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def row(target: str, said: str, status: int) -> str:
    """Returns the row of a target from the engine's output."""
    executions = re.findall(r"stat::number_of_executed_units: *(\d+)", said) or re.findall(r"#(\d+)\t", said) or ["0"]
    covered = re.findall(r" ft: (\d+)", said) or ["?"]
    verdict = "good" if status == 0 else "FOUND"
    return f"{target:12}{executions[-1]:>12}{covered[-1]:>10}   {verdict}"


def lua(seconds: int, seed: int) -> tuple[int, list[str]]:
    """Tries batches through tshark for some seconds; returns the number of records, and what was wrong."""
    from fuzz.lua import RECORDS, batch
    from fuzz.targets import seeds

    kept = [path.read_bytes() for path in sorted((BUILD / "messages").glob("*"))]
    inputs, tried, wrong, until = [*seeds("messages"), *kept], 0, list[str](), time.monotonic() + seconds
    while time.monotonic() < until and not wrong:
        wrong = batch(inputs, seed * 1_000_000 + tried)
        tried += RECORDS
    return tried, wrong


def browser(seconds: int, seed: int) -> tuple[int, list[str]]:
    """Shows batches of hostile reports in a browser for so long; returns how many, and what was wrong."""
    from fuzz.browser import BROWSER, PAGES, batch
    from fuzz.targets import seeds

    inputs, tried, wrong, until = list(seeds("browser")), 0, list[str](), time.monotonic() + seconds
    while BROWSER and time.monotonic() < until and not wrong:
        wrong = batch(inputs, seed * 1_000_000 + tried)
        tried += PAGES
    return tried, wrong


def main() -> int:
    """Runs the targets, ``--processes`` of them at a time, and returns the exit status."""
    from fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="in all, for each process at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("targets", nargs="*", help="default: all")
    arguments = parser.parse_args()
    targets = arguments.targets or list(TARGETS)
    share = max(1, arguments.seconds * arguments.processes // len(targets))
    print(f"{'target':12}{'executions':>12}{'features':>10}   seed {arguments.seed}, {share} s each", flush=True)
    found, total = False, 0
    for at in range(0, len(targets), arguments.processes):
        running = [(target, start(target, share, arguments.seed)) for target in targets[at : at + arguments.processes]]
        for target, process in running:
            said, _ = process.communicate()
            line = row(target, said, process.returncode)
            print(line, flush=True)
            total += int(line.split()[1])
            if process.returncode:
                found = True
                print(said[-3000:])
    if not arguments.targets:
        for name, run in (("lua", lua), ("browser", browser)):
            tried, wrong = run(share, arguments.seed)
            verdict = "FOUND" if wrong else "good" if tried else "not possible here"
            print(f"{name:12}{tried:12}{'-':>10}   {verdict}", *wrong[:5], sep="\n", flush=True)
            total, found = total + tried, found or bool(wrong)
    print(f"{'in all':12}{total:12}")
    return int(found)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], sys.argv[3:])
    else:
        sys.exit(main())
