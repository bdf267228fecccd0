"""What ``vtctap export -o DIR.parquet`` takes beside ``tshark -T fields`` and dpkt's bare reader, its memory and size.

    python bench/set_rate.py [--records N] [--rounds N]

The trace: N (1 000 000) distinct frames with one register, as in ``bench/decode_rate.py``; tshark reads a tenth of it.
Rounds (3) are interleaved, and the median of CPU time (user and system, the whole process) counts, as a rate. Memory is
the peak resident set. Then the same export of two such traces by one and by two processes, beside bare loops of Python
alone and in a pair: what two processors are worth on this machine at that time (wall).
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from shutil import which
from statistics import median
from typing import Final

from decode_rate import plain, write

from vtctap.dissector.profiles.files import load
from vtctap.dissector.wireshark.generator import generate

_FIELDS: Final = (
    *("frame.number", "frame.time_epoch", "vtc.sender", "vtc.message", "vtc.register", "vtc.value"),
    *("vtc.request_in", "vtc.response_time"),
)
_DPKT: Final = "from dpkt.pcapng import Reader\nimport sys\nfor _ in Reader(open(sys.argv[1], 'rb')): pass"
_SPIN: Final = "x = 0\nfor n in range(30_000_000): x += n"


def measure(command: list[str]) -> tuple[float, float]:
    """Returns the CPU time (s) and the peak memory (MiB) of a command."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: exit status {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def wall(*commands: list[str]) -> float:
    """Returns the time (s) that commands take side by side."""
    start = time.perf_counter()
    for process in [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands]:
        process.wait()
    return time.perf_counter() - start


def export(out: Path, *words: str) -> list[str]:
    """Returns the command that exports to a set which is not there yet."""
    shutil.rmtree(out, ignore_errors=True)
    return [sys.executable, "-m", "vtctap", "export", "-q", "-o", str(out), *words]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _alone(folder, arguments.records, arguments.rounds)
        _pairs(folder, arguments.records // 10, arguments.rounds)


def _alone(folder: Path, records: int, rounds: int) -> None:
    trace, tenth, out = folder / "t.pcapng", folder / "tenth.pcapng", folder / "set.parquet"
    write(trace, records, plain)
    write(tenth, records // 10, plain)
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(rounds):
        found.setdefault("export", []).append(measure(export(out, str(trace))))
        found.setdefault("dpkt", []).append(measure([sys.executable, "-c", _DPKT, str(trace)]))
        if which("tshark"):
            script = folder / "bench.lua"
            script.write_text(generate(load(), version="bench"), "ascii")
            words = [word for field in _FIELDS for word in ("-e", field)]
            command = ["tshark", "-n", "-X", f"lua_script:{script}", "-T", "fields", *words, "-r", str(tenth)]
            found.setdefault("tshark -T fields", []).append(measure(command))
    rates = {
        name: (records // 10 if "tshark" in name else records) / median(seconds for seconds, _ in each)
        for name, each in found.items()
    }
    print("| | records/s of CPU | export is times that | peak, MiB |\n|---|---:|---:|---:|")
    for name, rate in rates.items():
        peak = max(memory for _, memory in found[name])
        print(f"| {name} | {rate:.0f} | {rates['export'] / rate:.2f} | {peak:.0f} |")
    size = sum(path.stat().st_size for path in out.rglob("*.parquet"))
    print(f"\nThe set has {size / trace.stat().st_size:.3f} of the size of the trace.")


def _pairs(folder: Path, records: int, rounds: int) -> None:
    traces = [str(folder / "one.pcapng"), str(folder / "two.pcapng")]
    write(Path(traces[0]), records, plain)
    write(Path(traces[1]), records + 1, plain)
    out, spin = folder / "set.parquet", [sys.executable, "-c", _SPIN]
    exports, loops = [], []
    for _ in range(rounds):
        exports.append(wall(export(out, *traces, "--jobs", "1")) / wall(export(out, *traces, "--jobs", "2")))
        loops.append(2 * wall(spin) / wall(spin, spin))
    print(f"\nTwo processes are {median(exports):.2f} times one; two bare loops {median(loops):.2f} times one.")


if __name__ == "__main__":
    main()
