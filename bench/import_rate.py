"""How fast ``vtctap import`` reads logs, and the memory that it takes.

    python bench/import_rate.py [--megabytes N]

For each form of a log, N (20) megabytes of a made session are read to bursts, in this process: MB of text a second of
processor time. Then ``vtctap import`` is run on a hex log of a tenth of that and of all, and on as many raw octets; its
peak resident set must not grow by more than a tenth. Prints a table; exit status 1 where a target is missed.
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

from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.pcap.importers.account import Account
from vtctap.pcap.imports import IMPORTERS

FASTEST: Final = 20.0
"""MB of text a second that hex logs are read at."""
MOST_GROWTH: Final = 1.1
_BLOCK: Final = b"1.8.0(001234.120*kWh)\r\n" * 20 + b"!\r\n\x03"
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


def memory(path: Path, form: str) -> tuple[float, float]:
    """Returns the peak memory (MiB) of an import, and MB/s of its processor time."""
    target = path.with_suffix(".pcapng")
    run = [sys.executable, "-m", "vtctap", "import", str(path), "--from", form, "-w", str(target), "--force", "-q"]
    with open(os.devnull, "wb") as nowhere:
        process = subprocess.Popen(run, stdout=nowhere, stderr=nowhere)
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
    return used.ru_maxrss / 1024, path.stat().st_size / 1e6 / used.ru_utime


def main() -> int:
    """Prints the tables; 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=20, metavar="N")
    megabytes = parser.parse_args().megabytes
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        print("| form | read, MB/s |\n|---|---:|")
        for form in FORMS:
            path = Path(folder, f"{form}.log")
            write(path, form, megabytes)
            fast = rate(path, form)
            print(f"| {form} | {fast:.1f} |", flush=True)
            if form in HEX and fast < FASTEST:
                missed.append(f"{form}: {fast:.1f} MB/s, not {FASTEST}")
        print("\n| import of | MB | peak, MiB | MB/s, with framing |\n|---|---:|---:|---:|")
        for form in ("hex", "raw"):
            peaks = []
            for size in (max(megabytes // 10, 1), megabytes):
                path = Path(folder, f"{form}-{size}.log")
                write(path, "hex", size)
                peak, fast = memory(path, form)
                peaks.append(peak)
                print(f"| {form} | {size} | {peak:.0f} | {fast:.2f} |", flush=True)
            if peaks[1] > peaks[0] * MOST_GROWTH:
                missed.append(f"{form}: {peaks[1] / peaks[0]:.2f} times the memory for ten times the file")
    print("\n" + ("Missed:\n- " + "\n- ".join(missed) if missed else "All targets are met."))
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
