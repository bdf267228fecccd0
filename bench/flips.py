"""Flips every bit of a small trace, one at a time, and counts what reading makes of it (``make flips``).

The trace is a simulated session, as pcapng and as classic pcap. Each file with a flipped bit is read and checked. The
rows of the table say what became of the records, the columns who said so. A flip in what a record holds (its octets,
its time, its flags) breaks no structure: the check of the messages may notice it, or nothing does. The exit status that
the commands give is 0 in the first column alone.
"""

import io
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from vtctap.dissector.analysis.check import check
from vtctap.dissector.profiles.files import load
from vtctap.errors import Error
from vtctap.pcap import Record, Skipped, open_trace
from vtctap.pcap.capture_file import Interface
from vtctap.pcap.record import LINKTYPE_USER0
from vtctap.pcap.trace import TraceWriter
from vtctap.sniffer import virtual
from vtctap.sniffer.simulated.session import EPOCH, play

_PROFILE: Final = load()
_SEVERITIES: Final = ("warning", "error")
"""What gives the exit status 1."""
RECORDS: Final = ("all, unchanged", "all, one changed", "one missing", "more missing")
SAID: Final = ("nothing", "by the messages", "by the reader", "not a trace")


class Outcome(NamedTuple):
    """What became of the records, and who said so: indices of :data:`RECORDS` and :data:`SAID`."""

    records: int
    said: int


def session() -> list[Record]:
    """A simulated session with its events: about a hundred records."""
    timing = _PROFILE.timing
    return list(
        virtual.capture(
            play(speed=_PROFILE.speed, line=_PROFILE.line),
            start=EPOCH,
            speed=_PROFILE.speed,
            line=_PROFILE.line,
            gap_limit_ns=timing.gap_limit_ns,
            profile=_PROFILE.name,
        )
    )


def written(records: Sequence[Record], suffix: str) -> bytes:
    """The octets of a trace of that format."""
    from vtctap.pcap.classic import PcapWriter
    from vtctap.pcap.pcapng_writer import PcapngWriter
    from vtctap.pcap.streams import Output

    target = io.BytesIO()
    output = Output(target)
    pcapng = suffix == ".pcapng"
    packets = PcapngWriter(output, application="vtctap") if pcapng else PcapWriter(output, linktype=LINKTYPE_USER0)
    writer = TraceWriter(packets, LINKTYPE_USER0)
    for name in ("client", "server"):
        writer.add_tap(Interface(LINKTYPE_USER0, name, f"{name}, profile={_PROFILE.name}"))
    for record in records:
        writer.write(record)
    writer.close()
    return target.getvalue()


def outcome(octets: bytes, records: Sequence[Record], usual: int) -> Outcome:
    """Reads and checks a file. ``usual`` is how many findings the undamaged one has."""
    try:
        reader = open_trace(io.BytesIO(octets))
        items = [*reader.items(), *reader.torn()]
    except Error:
        return Outcome(RECORDS.index("more missing"), SAID.index("not a trace"))
    read = [item for item in items if isinstance(item, Record)]
    left = Counter(records)
    left.subtract(read)
    missing = len(records) - len(read)
    changed = sum(count for count in left.values() if count > 0)
    became = 3 if missing > 1 else 2 if missing == 1 else int(changed > 0)
    if any(isinstance(item, Skipped) for item in items):
        return Outcome(became, SAID.index("by the reader"))
    return Outcome(became, int(failing(read) > usual))


def failing(records: Sequence[Record]) -> int:
    """How many findings there are that fail a check."""
    return sum(finding.severity in _SEVERITIES for finding in check(iter(records), _PROFILE))


def flipped(octets: bytes, bits: Sequence[int]) -> Iterator[bytes]:
    """The file with one of these bits flipped, in turn."""
    for bit in bits:
        changed = bytearray(octets)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


def main() -> int:
    """Prints a table per format. The exit status is 1 where a record is missing and nothing was said."""
    records = session()
    silent = 0
    for suffix in (".pcapng", ".pcap"):
        octets = written(records, suffix)
        usual = failing(records)
        table = Counter(outcome(file, records, usual) for file in flipped(octets, range(8 * len(octets))))
        print(f"{suffix}: {len(records)} records, {8 * len(octets)} flips")
        print(f"{'records read':18}" + "".join(f"{column:>17}" for column in SAID))
        for row, name in enumerate(RECORDS):
            print(f"{name:18}" + "".join(f"{table[Outcome(row, column)]:17}" for column in range(len(SAID))))
        silent += sum(count for (became, said), count in table.items() if became > 1 and not said)
    print(f"records missing and nothing said: {silent}")
    return int(silent > 0)


if __name__ == "__main__":
    sys.exit(main())
