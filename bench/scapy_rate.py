"""How fast Scapy dissects traces, as ratios: the layer against flat and hand-written ones, and against pyshark.

    python bench/scapy_rate.py [--records N]

Control messages: a record (header and message) against a layer of two flat fields, dissecting the message's octets
alone. Data: a record whose message has three data sets against a hand-written PacketListField of the same shape, of the
message alone, with fields of Scapy's own; and a trace of N (20 000) such records read by Scapy's PcapReader against
pyshark reading it in its JSON mode, tshark and the dissector included (left out where either is missing). Beside that,
without a target here, the same trace read as plain records and dissected whole.

Rates are the best of seven runs, taken in turn. Exit status 1 where a target is missed.
"""

import argparse
import importlib.util
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from scapy.fields import ByteField, PacketListField, StrField, StrStopField
from scapy.packet import Packet
from scapy.utils import PcapReader

from vtctap.dissector.dissect import Frame, dissections
from vtctap.dissector.scapy import VTC
from vtctap.pcap.record import Line, Record, Sender, encode
from vtctap.pcap.trace import create_trace, open_trace

CONTROL: Final = {"ACK": b"\x06", "NAK": b"\x15", "OptionSelect": b"\x06051\r\n", "BreakCommand": b"\x01B0\x03\x71"}
LEAST_CONTROL: Final = 0.5
DATA: Final = b"\x021.8.0(00012.5*kWh)\r\nC.1.0(4711)\r\nF.F(00)\r\n!\r\n\x03\x08"
LEAST_WRITTEN: Final = 1.0
LEAST_PYSHARK: Final = 3.0
RUNS: Final = 7


class Flat(Packet):
    """Two fields, and no header of ours."""

    fields_desc = (ByteField("start", 0), StrField("rest", b""))


class Item(Packet):
    """A data set, written as Scapy's own fields allow."""

    fields_desc = (
        StrStopField("register", b"", b"("),
        StrStopField("value", b"", b")"),
    )

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """Leaves the octets after this item to the next one."""
        return b"", s


class Written(Packet):
    """A message with data sets, and what stands behind them."""

    fields_desc = (
        ByteField("start", 2),
        PacketListField("items", [], Item, length_from=lambda packet: DATA.rindex(b")")),
        StrField("rest", b""),
    )


def record(octets: bytes, time: int = 1_767_225_600_000_000_000) -> Record:
    """Returns a record as a tap writes it."""
    return Record(
        time,
        octets,
        sender=Sender.SERVER,
        line=Line(7, "E", 1),
        speed=9600,
        uncertainty=50_000,
        duration=len(octets) * 1_041_666,
    )


def rates(workloads: dict[str, Callable[[], int]]) -> dict[str, float]:
    """Returns how many of each are done per second, in the best of several runs."""
    best = dict.fromkeys(workloads, 0.0)
    for _ in range(RUNS):
        for name, work in workloads.items():
            start = time.perf_counter()
            count = work()
            best[name] = max(best[name], count / (time.perf_counter() - start))
    return best


def dissecting(layer: type[Packet], octets: bytes, count: int = 4000) -> Callable[[], int]:
    """Dissects the same octets again and again."""

    def work() -> int:
        for _ in range(count):
            layer(octets)
        return count

    return work


def reading(path: Path) -> dict[str, Callable[[], int]]:
    """Reads a trace whole, in several ways."""

    def scapy() -> int:
        with PcapReader(str(path)) as reader:
            return sum(isinstance(packet, VTC) for packet in reader)

    def plain() -> int:
        with open_trace(path) as reader:
            return sum(isinstance(dissection, Frame) for dissection in dissections(reader))

    return {"Scapy": scapy, "plain records": plain}


def pyshark_rate(path: Path, count: int) -> float | None:
    """Packets a second through pyshark, the start of tshark taken off; None where it is not installed."""
    if importlib.util.find_spec("pyshark") is None or shutil.which("tshark") is None:
        return None
    from vtctap.dissector.wireshark.pyshark import open_trace as open_pyshark

    best = 0.0
    for _ in range(2):
        capture: Any = open_pyshark(path, use_json=True, keep_packets=False)
        packets = iter(capture)
        next(packets)
        start = time.perf_counter()
        seen = sum(1 for _ in packets)
        best = max(best, seen / (time.perf_counter() - start))
        capture.close()
        if seen != count - 1:
            sys.exit(f"pyshark read {seen + 1} of {count} packets: as root, Wireshark 4.4 loads no dissector")
    return best


def judged(name: str, rate: float, beside: str, other: float, least: float | None = None) -> bool:
    """Prints a row; whether the target is met."""
    print(f"| {name} | {rate:.0f} | {rate / other:.2f} | {beside} | {least or ''} |")
    return least is None or rate >= least * other


def main() -> int:
    """Measures, prints, judges."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=20_000, metavar="N", help="records in the trace")
    count = parser.parse_args().records
    good = True
    print("| | a second | ratio | to | at least |\n|---|---:|---:|---|---:|")
    for name, octets in CONTROL.items():
        measured = rates({"VTC": dissecting(VTC, encode(record(octets))), "flat": dissecting(Flat, octets)})
        good &= judged(f"VTC / {name}", measured["VTC"], "two flat fields", measured["flat"], LEAST_CONTROL)
    if [item.value for item in Written(DATA).items] != [b"00012.5*kWh)", b"4711)", b"00)"]:
        sys.exit("the hand-written layer does not read the message")
    measured = rates({"VTC": dissecting(VTC, encode(record(DATA))), "written": dissecting(Written, DATA)})
    good &= judged("VTC / Data, 3 data sets", measured["VTC"], "by hand, no header", measured["written"], LEAST_WRITTEN)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "data.pcapng")
        with create_trace(path) as trace:
            for number in range(count):
                trace.write(record(DATA, 1_767_225_600_000_000_000 + number * 100_000_000))
        Path(folder).chmod(0o755)
        measured = rates(reading(path))
        pyshark = pyshark_rate(path, count)
        if pyshark:
            good &= judged("PcapReader, VTC / Data", measured["Scapy"], "pyshark, JSON", pyshark, LEAST_PYSHARK)
        judged("records, dissected whole", measured["plain records"], "PcapReader", measured["Scapy"])
    print("\n" + ("All targets are met." if good else "Missed:\n\n- a ratio above is below its target"))
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
