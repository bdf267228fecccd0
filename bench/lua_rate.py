"""How fast the generated dissector is in tshark, as ratios to a minimal dissector in Lua on the same trace.

    python bench/lua_rate.py [--frames N] [--records N]

The trace has N (200 000) frames of sessions: sign-on, registers read, a token written, its status, a break; the values
change, as a meter's do. The minimal dissector has two fields, and the protocol's name in its column. Compared is the
user time of whole tshark processes, the best of three runs taken in turn; and the peak memory of two passes over a
trace of N (1 000 000; 0 leaves it out) records. Exit status 1 where a target is missed.

The tshark is that of PATH, or what VTCTAP_TSHARK names. Root's Lua scripts run in Wireshark before 4.4 only: run it as
another user there.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Final

from measuring import table, verdict

from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.dissector.wireshark.generator import generate
from vtctap.pcap.record import Line, Record, Sender
from vtctap.pcap.trace import create_trace

TSHARK: Final = os.environ.get("VTCTAP_TSHARK", "tshark")
RUNS: Final = 3
START: Final = 1_767_225_600_000_000_000
SPEED: Final = 9600

MINIMAL: Final = """
local minimal = Proto("minimal", "Two fields")
local kind, link = ProtoField.uint8("minimal.kind", "Kind"), ProtoField.uint8("minimal.link", "Link")
minimal.fields = { kind, link }
function minimal.dissector(tvb, pinfo, tree)
    pinfo.cols.protocol = "MIN"
    local top = tree:add(minimal, tvb())
    top:add(kind, tvb(3, 1))
    top:add(link, tvb(9, 1))
end
DissectorTable.get("wtap_encap"):add(wtap.USER0, minimal)
"""

WAYS: Final = {
    "-Y": (["-Y", "minimal.kind == 7"], ["-Y", 'vtc.message == "NAK"']),
    "-z": (["-q", "-z", "io,stat,0,minimal.kind"], ["-q", "-z", "io,stat,0,vtc.message"]),
    "-2": (["-2", "-Y", "minimal.kind == 7"], ["-2", "-Y", 'vtc.message == "NAK"']),
    "-T fields": (
        ["-T", "fields", "-e", "minimal.kind", "-e", "minimal.link"],
        ["-T", "fields", "-e", "vtc.message", "-e", "vtc.link"],
    ),
}
"""What tshark is told: with the minimal dissector, and with ours."""
MAX_TIME: Final = 1.5
MAX_TIME_OLD: Final = {"-T fields": 6.0}
"""Of Wireshark before 4.4, which makes every item visible, and for ``-T fields`` the whole tree."""
MAX_TIME_OTHERWISE: Final = 3.0
"""Of the other ways, before 4.4."""
MAX_MEMORY: Final = 1.2


def messages() -> Iterator[tuple[Sender, bytes]]:
    """Sessions without end; each answer has a value of its own."""

    def block(octets: bytes) -> bytes:
        return octets + bytes([bcc_xor(octets[1:])])

    count = 0
    while True:
        yield Sender.CLIENT, b"/?!\r\n"
        yield Sender.SERVER, b"/ABC5\\2PREPAY01\r\n"
        yield Sender.CLIENT, b"\x06051\r\n"
        for register in (b"0002", b"0003", b"2006", b"2011", b"0030"):
            count += 1
            yield Sender.CLIENT, block(b"\x01R1\x02%s()\x03" % register)
            yield Sender.SERVER, block(b"\x02%s(%08d*kWh)\x03" % (register, count * 7919 % 10**8))
        yield Sender.CLIENT, block(b"\x01W1\x02FFFF(%020d)\x03" % (count * 7_777_777_777_777_777 % 10**20))
        yield Sender.SERVER, b"\x06"
        yield Sender.CLIENT, block(b"\x01R1\x02FFFE()\x03")
        yield Sender.SERVER, block(b"\x02FFFE(%02X)\x03" % (count % 3 + 1))
        yield Sender.CLIENT, block(b"\x01B0\x03")


def write(path: Path, count: int) -> Path:
    """Writes a trace of at most ``count`` frames; returns its path."""
    time = START
    with create_trace(path) as trace:
        for number, (sender, octets) in enumerate(messages()):
            if number == count:
                return path
            duration = len(octets) * 10 * 10**9 // SPEED
            trace.write(
                Record(
                    time,
                    octets,
                    sender=sender,
                    line=Line(7, "E", 1),
                    speed=SPEED,
                    uncertainty=104_166,
                    duration=duration,
                )
            )
            time += duration + 200_000_000 + number % 97 * 1_000_000
    return path


def spent(script: Path, trace: Path, arguments: list[str]) -> tuple[float, int]:
    """Returns the user time (s) and peak memory (KiB) of a tshark."""
    with subprocess.Popen(
        [TSHARK, "-n", "-X", f"lua_script:{script}", "-r", str(trace), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"tshark ended with status {process.returncode}")
    return usage.ru_utime, usage.ru_maxrss


def version() -> tuple[int, int]:
    """Returns the version of tshark."""
    said = subprocess.run([TSHARK, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def most_time(way: str, number: tuple[int, int]) -> float:
    """Returns the target for a way of reading with this version."""
    return MAX_TIME if number >= (4, 4) else MAX_TIME_OLD.get(way, MAX_TIME_OTHERWISE)


def times(minimal: Path, ours: Path, trace: Path) -> dict[str, tuple[float, float]]:
    """Returns the best user times (s) of both dissectors, ours first, by way of reading."""
    best = dict.fromkeys(WAYS, (inf, inf))
    for _ in range(RUNS):
        for way, (told_minimal, told_ours) in WAYS.items():
            one, _ = spent(minimal, trace, told_minimal)
            two, _ = spent(ours, trace, told_ours)
            best[way] = min(best[way][0], two), min(best[way][1], one)
    return best


def main() -> int:
    """Measures, prints, judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200_000, metavar="N", help="frames that are timed")
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N", help="records in memory")
    arguments = parser.parse_args()
    number, rows, missed = version(), [], []

    def judge(what: str, ours: float, other: float, unit: str, most: float) -> None:
        ratio = ours / other
        rows.append((what, f"{ours:.2f} {unit}", f"{other:.2f} {unit}", f"{ratio:.2f}", most))
        if ratio > most:
            missed.append(f"tshark {number[0]}.{number[1]}, {what}: {ratio:.2f} of the minimal dissector, not {most}")

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        minimal, ours = Path(folder, "minimal.lua"), Path(folder, "vtctap.lua")
        minimal.write_text(MINIMAL, "ascii")
        ours.write_text(generate(load(), version="bench"), "ascii")
        trace = write(Path(folder, "frames.pcapng"), arguments.frames)
        require_lua(ours, trace)
        for way, (seconds, other) in times(minimal, ours, trace).items():
            judge(f"user time, {way}", seconds, other, "s", most_time(way, number))
        if arguments.records:
            trace.unlink()
            trace = write(trace, arguments.records)
            peaks = [
                spent(script, trace, told)[1] / 1024 for script, told in zip((minimal, ours), WAYS["-2"], strict=True)
            ]
            judge("memory of two passes", peaks[1], peaks[0], "MiB", MAX_MEMORY)
    print(f"{arguments.frames} frames; memory: {arguments.records} records.\n")
    print(table((f"tshark {number[0]}.{number[1]}", "vtctap", "minimal", "ratio", "at most"), rows), end="\n\n")
    print(verdict(missed))
    return int(bool(missed))


def require_lua(script: Path, trace: Path) -> None:
    """Exits where tshark loads no Lua script."""
    command = [TSHARK, "-X", f"lua_script:{script}", "-r", str(trace), "-c", "1", "-Y", "vtc"]
    if not subprocess.run(command, capture_output=True).stdout:
        sys.exit("tshark loads no Lua script: from Wireshark 4.4 on, root gets none")


if __name__ == "__main__":
    sys.exit(main())
