"""How fast ``vtctap import`` reads logs, and the memory that it takes.

    python bench/import_rate.py [--megabytes N] [--memory N,N,...]

For each form of a log, N (20) megabytes of a made session (a sign-on and a readout of 100 lines) are read to bursts, in
this process: MB of text a second of processor time, and how many times as long that takes as a bare loop over the lines
of the file, in the same run. Then ``vtctap import`` is run on logs of a tenth of that and of all: the same figures for
the whole, with framing and writing. Its peak resident set must not grow by more than a tenth. ``--memory`` imports hex
logs of these sizes and nothing else. Prints tables; exit status 1 where a target is missed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from measuring import verdict

from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.pcap.importers.account import Account
from vtctap.pcap.imports import IMPORTERS

FASTEST: Final = 20.0
"""MB of text a second that hex logs are read at."""
MAX_GROWTH: Final = 1.1
_BLOCK: Final = b"1.8.0(001234.120*kWh)\r\n" * 100 + b"!\r\n\x03"
SESSION: Final = (
    b"/?!\r\n",
    b"/ISk5MT174-0001\r\n",
    b"\x06050\r\n",
    b"\x02" + _BLOCK + bytes([bcc_xor(_BLOCK)]),
)


def _hexdump(number: int, octets: bytes) -> str:
    shown = "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in octets)
    return f"{octets.hex(' ').upper():<47}\t{shown}\n" if number else ""


def _jpnevulator(at: int, stamp: str, octets: bytes) -> str:
    rows = "".join(_hexdump(1, octets[place : place + 16]) for place in range(0, len(octets), 16))
    return f"2026-11-26 {stamp}.152379: /dev/ttyUSB{at % 2}\n{rows}"


def _socat(at: int, stamp: str, octets: bytes) -> str:
    head = f"{'<' if at % 2 else '>'} 2026/11/26 {stamp}.152379  length={len(octets)} from=0 to={len(octets) - 1}"
    return f"{head}\n {octets.hex(' ')}\n"


FORMS: Final[dict[str, Callable[[int, str, bytes], str]]] = {
    "hex": lambda at, stamp, octets: f"{stamp}.152 {'RX' if at % 2 else 'TX'}: {octets.hex(' ').upper()}\n",
    "esphome": lambda at, stamp, octets: (
        f"[{stamp}][D][uart_debug:114]: {'<<<' if at % 2 else '>>>'} {octets.hex(':').upper()}\n"
    ),
    "socat": _socat,
    "jpnevulator": _jpnevulator,
    "python": lambda at, stamp, octets: f"{stamp},152 DEBUG: {'Received' if at % 2 else 'Sent'} {octets!r}\n",
}
"""By form: a burst as its log has it."""
HEX: Final = ("hex", "esphome", "socat")


def write(path: Path, form: str, megabytes: int) -> int:
    """Writes a log of about this many megabytes; returns its size."""
    size = second = 0
    with path.open("w", encoding="latin-1") as file:
        while size < megabytes << 20:
            for at, octets in enumerate(SESSION):
                second = (second + 1) % 86400
                stamp = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
                size += file.write(FORMS[form](at, stamp, octets))
    return size


def rate(path: Path, form: str) -> float:
    """Returns the rate, MB/s of processor time."""
    began = time.process_time()
    for _ in IMPORTERS[form].read(path, Account()):
        pass
    return path.stat().st_size / 1e6 / (time.process_time() - began)


def bare(path: Path) -> float:
    """Returns the rate of a bare loop over the lines of a file, MB/s of processor time."""
    began = time.process_time()
    with path.open("rb") as file:
        for _ in file:
            pass
    return path.stat().st_size / 1e6 / (time.process_time() - began)


def imported(path: Path, form: str) -> tuple[float, float]:
    """Returns the peak memory (MiB) of an import, and MB/s of its processor time."""
    target = path.with_suffix(".pcapng")
    run = [sys.executable, "-m", "vtctap", "import", str(path), "--from", form, "-w", str(target), "--force", "-q"]
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(run, stdout=nowhere, stderr=nowhere)
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
    target.unlink()
    return used.ru_maxrss / 1024, path.stat().st_size / 1e6 / (used.ru_utime + used.ru_stime)


def reading(folder: str, megabytes: int) -> list[str]:
    """Prints how fast each form is read; returns what is too slow."""
    missed = []
    print("| form | read, MB/s | times a bare loop |\n|---|---:|---:|")
    for form in FORMS:
        path = Path(folder, f"{form}.log")
        write(path, form, megabytes)
        loop, fast = bare(path), rate(path, form)
        print(f"| {form} | {fast:.1f} | {loop / fast:.0f} |", flush=True)
        if form in HEX and fast < FASTEST:
            missed.append(f"{form}: {fast:.1f} MB/s, not {FASTEST}")
        path.unlink()
    return missed


def importing(folder: str, forms: list[str], sizes: list[int]) -> list[str]:
    """Prints the peak memory and rate of whole imports; returns where memory grows with the file."""
    missed = []
    print("\n| import of | MB | peak, MiB | MB/s, with framing | times a bare loop |\n|---|---:|---:|---:|---:|")
    for form in forms:
        peaks = []
        for size in sizes:
            path = Path(folder, f"{form}-{size}.log")
            write(path, "hex" if form == "raw" else form, size)
            loop = bare(path)
            peak, fast = imported(path, form)
            peaks.append(peak)
            print(f"| {form} | {size} | {peak:.0f} | {fast:.2f} | {loop / fast:.0f} |", flush=True)
            path.unlink()
        if max(peaks) > min(peaks) * MAX_GROWTH:
            missed.append(f"{form}: {max(peaks) / min(peaks):.2f} times the memory for a longer file")
    return missed


def main() -> int:
    """Prints the tables; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=20, metavar="N")
    parser.add_argument("--memory", metavar="N,N,...", help="import hex logs of these sizes alone")
    arguments = parser.parse_args()
    megabytes = arguments.megabytes
    with tempfile.TemporaryDirectory() as folder:
        if arguments.memory:
            missed = importing(folder, ["hex"], [int(size) for size in arguments.memory.split(",")])
        else:
            missed = reading(folder, megabytes)
            missed += importing(folder, [*FORMS, "raw"], [max(megabytes // 10, 1), megabytes])
    print(f"\n{verdict(missed)}")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
