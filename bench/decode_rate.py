"""How fast traces are read and decoded, as ratios to other tools that read the same trace in the same run.

    python bench/decode_rate.py [--records N] [--rounds N] [--only WORD]

The traces have N (200 000) records: ``plain``, reads and answers with one data set, of which no two are equal, of
registers that the profile does not know; ``known``, of those that it knows; ``sets``, answers with eight data sets,
none equal; ``sessions``, the simulated sessions with faults of ``bench/check_rate.py``.

Beside plain records stands dpkt's pcapng reader, which decodes no packet; beside decoded records and their fields,
Scapy's PcapReader with vtctap's layer; beside ``read --json``, plain ``read`` and ``tshark -T json`` with the generated
dissector, of as many records as the trace has. ``check``, ``stats`` and ``profile learn`` are compared with dpkt, too,
so that runs before and after a change can be compared.

Rates are by CPU time; rounds (3) are interleaved, and the median of each counts. ``--only`` measures the lines whose
name has the word. Prints a table; exit status 1 where a target is missed. What is not installed is left out.
"""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from statistics import median
from typing import Final

import check_rate
from measuring import verdict
from scapy_rate import record

from vtctap.dissector.dissect import dissections
from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.dissector.wireshark.generator import generate
from vtctap.pcap.record import Sender
from vtctap.pcap.trace import create_trace, open_trace

START: Final = 1_767_225_600_000_000_000
DPKT, SCAPY, READ, TSHARK = "dpkt", "PcapReader, VTC", "read", "tshark -T json"


@dataclass(frozen=True)
class Line:
    """A line of the table: a workload, the trace, the workload beside it, and the least ratio of their rates."""

    work: str
    trace: str
    beside: str
    least: float | None = None


LINES: Final = (
    Line("records", "plain", DPKT, 3.5),
    Line("dissections", "plain", SCAPY, 8),
    Line("dissections", "known", SCAPY),
    Line("dissections", "sets", SCAPY, 3.5),
    Line("fields", "plain", SCAPY, 4),
    Line("read --json", "plain", READ, 1),
    Line("read --json", "plain", TSHARK, 8),
    Line("read --json", "sessions", READ, 1),
    Line("read --json", "sessions", TSHARK, 4),
    Line("records", "sessions", DPKT),
    Line("dissections", "sessions", SCAPY),
    *(Line(work, trace, DPKT) for work in ("read", "check", "stats", "learn") for trace in ("plain", "sessions")),
)


def block(octets: bytes) -> bytes:
    """Returns a message with its check character."""
    return octets + bytes([bcc_xor(octets[1:])])


def pair(number: int, register: bytes) -> tuple[Sender, bytes]:
    """Returns a read of a register, or an answer with it."""
    if number % 2:
        return Sender.SERVER, block(b"\x02%s(%07d.%d*kWh)\x03" % (register, number * 7919 % 10**7, number % 10))
    return Sender.CLIENT, block(b"\x01R1\x02%s(%08d)\x03" % (register, number))


def plain(number: int) -> tuple[Sender, bytes]:
    """Returns a read or an answer; the profile knows none of the registers."""
    return pair(number, b"%d.8.%d" % (number // 2 % 9 + 1, number // 18 % 9))


def known(number: int) -> tuple[Sender, bytes]:
    """Returns a read or an answer; the profile knows all of the registers."""
    return pair(number, (b"2006", b"2011", b"0030", b"200C")[number // 2 % 4])


def sets(number: int) -> tuple[Sender, bytes]:
    """Returns an answer of eight data sets."""
    each = (b"1.8.%d(%08d.%d*kWh)\r\n" % (at, (number * 7919 + at) % 10**8, number % 10) for at in range(8))
    return Sender.SERVER, block(b"\x02" + b"".join(each) + b"!\r\n\x03")


def write(path: Path, count: int, make: Callable[[int], tuple[Sender, bytes]]) -> None:
    """Writes a trace of ``count`` messages."""
    with create_trace(path) as writer:
        for number in range(count):
            sender, octets = make(number)
            made = record(octets, START + number * 100_000_000)
            writer.write(made if sender is Sender.SERVER else type(made)(made.time, octets, sender=sender))


def used(work: Callable[[Path], object]) -> Callable[[Path], float]:
    """Returns a function that measures the CPU time (s) of ``work``, done here."""

    def measure(trace: Path) -> float:
        gc.collect()
        start = time.process_time()
        work(trace)
        return time.process_time() - start

    return measure


def command(*words: str) -> Callable[[Path], float]:
    """Returns a function that measures the CPU time (s) of a command; its output goes to a file."""

    def measure(trace: Path) -> float:
        with open(trace.with_suffix(".out"), "wb") as out:
            process = subprocess.Popen([*words, str(trace)], stdout=out, stderr=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in (0, 1):
            sys.exit(f"{' '.join(words)}: exit status {process.returncode}")
        return usage.ru_utime + usage.ru_stime

    return measure


def records(trace: Path) -> None:
    """Reads all records."""
    with open_trace(trace) as reader:
        for _ in reader:
            pass


def dissected(trace: Path) -> None:
    """Dissects all records."""
    with open_trace(trace) as reader:
        for _ in dissections(reader):
            pass


def fields(trace: Path) -> None:
    """Dissects all records and makes their fields."""
    with open_trace(trace) as reader:
        for dissection in dissections(reader):
            dissection.fields()


def dpkt(trace: Path) -> None:
    """Reads all packets."""
    from dpkt.pcapng import Reader

    with open(trace, "rb") as file:
        for _ in Reader(file):
            pass


def scapy(trace: Path) -> None:
    """Dissects all records as Scapy's packets."""
    from scapy.utils import PcapReader

    import vtctap.dissector.scapy  # noqa: F401  # it binds the layer to its link types

    with PcapReader(str(trace)) as reader:
        for _ in reader:
            pass


def works(script: Path) -> dict[str, Callable[[Path], float]]:
    """Returns what can be measured here, by name."""
    vtctap = (sys.executable, "-m", "vtctap")
    found = {
        "records": used(records),
        "dissections": used(dissected),
        "fields": used(fields),
        READ: command(*vtctap, "read"),
        "read --json": command(*vtctap, "read", "--json"),
        "check": command(*vtctap, "check"),
        "stats": command(*vtctap, "stats"),
        "learn": command(*vtctap, "profile", "learn", "--force", "-o", str(script.with_name("learnt.toml"))),
    }
    if find_spec("dpkt"):
        found[DPKT] = used(dpkt)
    if find_spec("scapy"):
        found[SCAPY] = used(scapy)
    if which("tshark"):
        script.write_text(generate(load(), version="bench"), "ascii")
        found[TSHARK] = command("tshark", "-n", "-X", f"lua_script:{script}", "-T", "json", "-r")
    return found


def measured(
    folder: Path, lines: list[Line], found: dict[str, Callable[[Path], float]], rounds: int
) -> dict[tuple[str, str], list[float]]:
    """Returns the CPU times (s) of each workload and trace, in the order of the rounds."""
    pairs = dict.fromkeys((work, line.trace) for line in lines for work in (line.work, line.beside))
    times: dict[tuple[str, str], list[float]] = {pair: [] for pair in pairs}
    for _ in range(rounds):
        for work, trace in pairs:
            times[work, trace].append(found[work](folder / f"{trace}.pcapng"))
    return times


def main() -> int:
    """Measures, prints, judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=200_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--only", default="", metavar="WORD")
    arguments = parser.parse_args()
    count = arguments.records
    with tempfile.TemporaryDirectory() as folder:
        found = works(Path(folder, "vtctap.lua"))
        lines = [line for line in LINES if line.work in found and line.beside in found and arguments.only in line.work]
        Path(folder).chmod(0o755)
        for make in (plain, known, sets):
            write(Path(folder, f"{make.__name__}.pcapng"), count, make)
        check_rate.write(Path(folder, "sessions.pcapng"), count)
        times = measured(Path(folder), lines, found, arguments.rounds)
    missed = []
    print(f"Traces of {count} records, medians of {arguments.rounds} rounds.\n")
    print("| | trace | records/s | beside | ratio | least | of the rounds |\n|---|---|---:|---|---:|---:|---|")
    for line in lines:
        ours, others = times[line.work, line.trace], times[line.beside, line.trace]
        ratio = median(others) / median(ours)
        each = ", ".join(f"{other / our:.2f}" for our, other in zip(ours, others, strict=True))
        rate, least = count / median(ours), line.least or ""
        print(f"| {line.work} | {line.trace} | {rate:.0f} | {line.beside} | {ratio:.2f} | {least} | {each} |")
        if line.least and ratio < line.least:
            missed.append(f"{line.work} of {line.trace}: {ratio:.2f} of {line.beside}, not {line.least}")
    print(f"\n{verdict(missed)}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
