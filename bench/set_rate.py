"""What ``vtctap export -o DIR.parquet`` takes beside other programs that read the same trace, its memory and size.

    python bench/set_rate.py [--records N] [--largest N] [--rounds N]

The trace has N (1 000 000) distinct frames with one register, as in ``bench/decode_rate.py``. Slow programs read a part
of it, and their rate counts. All are whole processes with their start; rounds (3) are interleaved, and medians count.
Memory is the peak resident set. Then exports of 10 000 records, ten times as many and so on, up to the largest
(10 000 000); and of two traces with ``--jobs 1`` and ``--jobs 2``, which are one processor and two, beside bare loops
of Python alone and in a pair: what two processors are worth on this machine at that time. Exit status 1 where a target
is missed.

tshark is that of PATH, or what VTCTAP_TSHARK names.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Final

from decode_rate import plain, write
from measuring import Used, middle, table, used, verdict

from vtctap.dissector.profiles.files import load
from vtctap.dissector.wireshark.generator import generate

TSHARK: Final = os.environ.get("VTCTAP_TSHARK", "tshark")
EXPORT: Final = "export -o DIR.parquet"
TWO_PROCESSES: Final = 1.7
"""Of one process, at least, where two bare loops are worth two."""
MAX_MEMORY: Final = 500
"""MiB at 10 000 000 records."""
MAX_GROWTH: Final = 12
"""Times the time for ten times the records, from 1 000 000 on."""
MAX_SIZE: Final = 0.25
"""Of the trace."""
_FIELDS: Final = (
    *("frame.number", "frame.time_epoch", "vtc.sender", "vtc.message", "vtc.register", "vtc.value"),
    *("vtc.request_in", "vtc.response_time"),
)
_DPKT: Final = "from dpkt.pcapng import Reader\nimport sys\nfor _ in Reader(open(sys.argv[1], 'rb')): pass"
_SCAPY: Final = """
import sys
from scapy.utils import PcapReader
import vtctap.dissector.scapy
for _ in PcapReader(sys.argv[1]): pass
"""
_PYSHARK: Final = """
import sys
from vtctap.dissector.wireshark.pyshark import open_trace
capture = open_trace(sys.argv[1], use_json=True, keep_packets=False)
for _ in capture: pass
capture.close()
"""
_RECORDS: Final = "import sys, vtctap\nwith vtctap.open(sys.argv[1]) as trace:\n    for _ in trace: pass"
_SPIN: Final = "x = 0\nfor n in range(30_000_000): x += n"


@dataclass(frozen=True, slots=True)
class Reader:
    """A program that reads the trace, or one part in ``share`` of it. ``least`` is how many times faster the export is
    to be. ``needs`` is the package or program without which it is left out."""

    name: str
    command: Callable[[Path], list[str]]
    share: int = 1
    least: float | None = None
    needs: str = ""

    @property
    def there(self) -> bool:
        """Whether it can run here."""
        return not self.needs or bool(shutil.which(self.needs) or find_spec(self.needs))


def _python(code: str) -> Callable[[Path], list[str]]:
    return lambda trace: [sys.executable, "-c", code, str(trace)]


def _vtctap(*words: str) -> list[str]:
    return [sys.executable, "-m", "vtctap", *words]


def _tshark(script: Path | None, *fields: str) -> Callable[[Path], list[str]]:
    lua = ["-X", f"lua_script:{script}"] if script else []
    told = [word for field in fields for word in ("-e", field)]
    return lambda trace: [TSHARK, "-n", *lua, "-T", "fields", *told, "-r", str(trace)]


def export(out: Path, *words: str) -> list[str]:
    """Returns the command that exports to a set which is not there yet."""
    shutil.rmtree(out, ignore_errors=True)
    return _vtctap("export", "-q", "-o", str(out), *words)


def readers(folder: Path) -> list[Reader]:
    """Returns the programs that are compared, those that are there."""
    script, out = folder / "vtctap.lua", folder / "set.parquet"
    script.write_text(generate(load(), version="bench"), "ascii")
    question = "select message, count(*), max(response_time) from records group by all"
    every = [
        Reader(EXPORT, lambda trace: export(out, str(trace))),
        Reader("query, of the set", lambda trace: _vtctap("query", str(out), question), needs="duckdb"),
        Reader("records, plain", _python(_RECORDS)),
        Reader("read --json", lambda trace: _vtctap("read", "--json", str(trace)), 10),
        Reader("dpkt, bare", _python(_DPKT), 1, 2.5, "dpkt"),
        Reader("Scapy, our layer", _python(_SCAPY), 50, needs="scapy"),
        Reader("pyshark, our dissector", _python(_PYSHARK), 100, needs="pyshark"),
        Reader("tshark, bare", _tshark(None, *_FIELDS[:2]), needs=TSHARK),
        Reader(
            "tshark -T fields, our dissector", _tshark(script, *_FIELDS), 10, 30 if version() < (4, 4) else 15, TSHARK
        ),
    ]
    return [each for each in every if each.there]


def version() -> tuple[int, int]:
    """Returns the version of tshark; zeros where there is none."""
    if not shutil.which(TSHARK):
        return 0, 0
    found = re.search(r"(\d+)\.(\d+)", subprocess.run([TSHARK, "--version"], capture_output=True, text=True).stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def peers(folder: Path, records: int, rounds: int) -> tuple[str, list[str]]:
    """Returns the table of all programs, and which targets are missed."""
    every = readers(folder)
    traces = {share: folder / f"{share}.pcapng" for share in {reader.share for reader in every}}
    for share, path in traces.items():
        write(path, max(records // share, 10), plain)
        path.chmod(0o644)
    found: dict[str, list[Used]] = {reader.name: [] for reader in every}
    for _ in range(rounds):
        for reader in every:
            found[reader.name].append(used(reader.command(traces[reader.share]), (0, 1)))
    rows, missed = [], []
    ours = middle(found[EXPORT])
    for reader in every:
        took, count = middle(found[reader.name]), max(records // reader.share, 10)
        wall, cpu = (records / one / (count / other) for one, other in zip(_times(ours), _times(took), strict=True))
        rows.append((reader.name, count, f"{count / took.wall:.0f}", f"{wall:.2f}", f"{cpu:.2f}", f"{took.peak:.0f}"))
        if reader.least and wall < reader.least:
            missed.append(f"the export is {wall:.2f} times {reader.name} (tshark {version()}), not {reader.least}")
    for path in traces.values():
        path.unlink()
    heads = ("program", "records", "records/s", "export is times that, wall", "CPU", "peak, MiB")
    return table(heads, rows), missed


def _times(took: Used) -> tuple[float, float]:
    return took.wall, took.cpu


def _sizes(largest: int) -> Iterator[int]:
    size = min(10_000, largest)
    while size <= largest:
        yield size
        size *= 10


def growth(folder: Path, largest: int) -> tuple[str, list[str]]:
    """Returns the table of exports of more and more records, and which targets are missed."""
    trace, out = folder / "grown.pcapng", folder / "grown.parquet"
    rows: list[tuple[object, ...]] = []
    missed, before = [], 0.0
    for records in _sizes(largest):
        write(trace, records, plain)
        took = used(export(out, str(trace)))
        octets = sum(path.stat().st_size for path in out.rglob("*.parquet"))
        size = octets / trace.stat().st_size
        times = took.wall / before if before else 0.0
        before = took.wall
        figures = (
            f"{took.wall:.1f} {took.cpu:.1f} {times:.1f} {took.peak:.0f} {trace.stat().st_size / 1e6:.1f} {size:.3f}"
        )
        rows.append((records, *figures.split()))
        if size > MAX_SIZE and records >= 1_000_000:
            missed.append(f"{records} records: {size:.2f} of the trace, not {MAX_SIZE}")
        if took.peak > MAX_MEMORY:
            missed.append(f"{records} records: {took.peak:.0f} MiB, not {MAX_MEMORY}")
        if records > 1_000_000 and times > MAX_GROWTH:
            missed.append(f"{records} records: {times:.1f} times the time of a tenth, not {MAX_GROWTH}")
        trace.unlink()
        shutil.rmtree(out)
    heads = ("records", "wall, s", "CPU, s", "times that before", "peak, MiB", "trace, MB", "set, of the trace")
    return table(heads, rows), missed


def pairs(folder: Path, records: int, rounds: int) -> tuple[str, list[str]]:
    """Returns the table of exports by one processor and two, beside bare loops, and whether the target is missed."""
    traces = [str(folder / "one.pcapng"), str(folder / "two.pcapng")]
    write(Path(traces[0]), records, plain)
    write(Path(traces[1]), records + 1, plain)
    out, spin = folder / "set.parquet", [sys.executable, "-c", _SPIN]
    taken: dict[str, list[Used]] = {"1": [], "2": []}
    loops = []
    for _ in range(rounds):
        for jobs, each in taken.items():
            each.append(used(export(out, *traces, "--jobs", jobs)))
        loops.append(2 * wall(spin) / wall(spin, spin))
    one, pair, bare = middle(taken["1"]), middle(taken["2"]), median(loops)
    two = one.wall / pair.wall
    # Two processors that others use as well are not worth two.
    missed = [f"two processes are worth {two:.2f} of one"] if two < TWO_PROCESSES * min(bare / 2, 1) else []
    rows = [
        ("export", f"{two:.2f}", *(f"{each.cpu / each.wall:.2f}" for each in (one, pair))),
        ("bare loops", f"{bare:.2f}", "", ""),
    ]
    return table(("", "two are times one", "processors that one uses", "that two use"), rows), missed


def wall(*commands: list[str]) -> float:
    """Returns the time (s) that commands take side by side."""
    start = time.perf_counter()
    for process in [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands]:
        process.wait()
    return time.perf_counter() - start


def main() -> int:
    """Prints the tables; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--largest", type=int, default=10_000_000, metavar="N", help="0: the peers alone")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    arguments = parser.parse_args()
    missed = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        tables = [partial(peers, folder, arguments.records, arguments.rounds)]
        if arguments.largest:
            tables.append(partial(growth, folder, arguments.largest))
            tables.append(partial(pairs, folder, arguments.records, arguments.rounds))
        for made in tables:
            text, more = made()
            print(f"{text}\n", flush=True)
            missed += more
    print(verdict(missed))
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
