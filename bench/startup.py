"""How long the commands that start most often take: whole processes against ``python -c "import serial"``.

    python bench/startup.py [RUNS]

Prints the median of RUNS (31) runs of each, taken in turn so that what else the machine does falls on all alike, and
the ratio to pyserial's import, which no program that lists serial ports can do without. Exit status 1 where a ratio is
above its target.
"""

import statistics
import subprocess
import sys
import time

from measuring import table, verdict

BASE = "import serial"
TARGETS = {"vtctap --help": 2.5, "vtctap ports": 2.5, "extcap query": 4.0}
"""The most that a command may take, as a multiple of the base."""
COMMANDS = {
    "python": ["-c", ""],
    BASE: ["-c", BASE],
    "vtctap --help": ["-c", "import sys; from vtctap.__main__ import main; sys.exit(main(['--help']))"],
    "vtctap ports": ["-c", "import sys; from vtctap.__main__ import main; sys.exit(main(['ports']))"],
    "extcap query": ["-P", "-m", "vtctap.wireshark.extcap", "--extcap-interfaces", "--extcap-version=4.4"],
}
"""What a run is; the commands as their console script, and the launcher of Wireshark's folder, call them."""


def main() -> int:
    """Measures, prints, judges."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 31
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(runs + 1):
        for name, arguments in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
            )
            if number:  # The first run fills the caches.
                times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    rows = [
        (f"`{name}`", f"{median * 1000:.1f}", f"{median / medians[BASE]:.2f}", TARGETS.get(name, ""))
        for name, median in medians.items()
    ]
    print(table(("", "ms", f"of `{BASE}`", "at most"), rows), end="\n\n")
    slow = [name for name, target in TARGETS.items() if medians[name] > target * medians[BASE]]
    print(verdict([f"{name}: {medians[name] / medians[BASE]:.2f} of {BASE}, not {TARGETS[name]}" for name in slow]))
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())
