"""Makes a trace of what other tools recorded.

  exchange   text: lines "C> hex" (client to meter) and "M> hex" (meter to client), "# t=" times, "#" comments
  raw        a file of octets, without direction or times
  rtac       a pcap of link type RTAC serial
  user0      a pcap of a private link type whose packets are plain octets

The format goes by the file's name or contents where it is certain; --from says it otherwise. Octets are taken as they
are. Without times, octets are spaced at the speed, and their times are marked as synthetic. Each file is a link of its
own in the trace. Where its messages contradict the sides that it states, it is read as one wire.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vtctap.arguments import STANDARD, add_output, add_profile, line, load_profile, speed
from vtctap.errors import CommandError
from vtctap.messages import warn
from vtctap.outputs import whole_trace

if TYPE_CHECKING:
    from vtctap.pcap.burst import Burst
    from vtctap.pcap.capture_file import Interface


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    from vtctap.pcap.imports import IMPORTERS

    parser.add_argument("files", nargs="+", metavar="FILE", help="what was recorded; - is standard input")
    parser.add_argument("--from", dest="format", choices=sorted(IMPORTERS), help="the format of the files")
    parser.add_argument(
        "--speed",
        type=speed,
        metavar="N",
        help="speed of the line, bit/s (default: unknown; octets are spaced as at the profile's)",
    )
    parser.add_argument("--line", type=line, metavar="7E1", help="how the octets are to be read (default: by evidence)")
    add_output(parser, required=True)
    add_profile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.dissector.framing.reframe import assemble
    from vtctap.dissector.framing.sides import as_one_wire, contradicted
    from vtctap.pcap.imports import IMPORTERS, detect
    from vtctap.pcap.record import MAX_TAPS

    profile = load_profile(arguments)
    rate = arguments.speed or profile.speed  # A guess spaces the octets; it is not said to be their speed.
    if STANDARD in arguments.files and not arguments.format:
        raise CommandError("say with --from which format standard input is in")
    recorded = []
    for name in arguments.files:
        importer = IMPORTERS[arguments.format or detect(name)]
        bursts = list(importer.read(sys.stdin.buffer if name == STANDARD else name, warn))
        if contradicted(bursts, gap_limit_ns=profile.timing.gap_limit_ns):
            warn(f"{name}: its messages contradict the sides that it states: read as one wire, the senders inferred")
            bursts = as_one_wire(bursts)
        recorded.append(bursts)
    described = [
        _taps(name, bursts, arguments.speed or 0, profile.name)
        for name, bursts in zip(arguments.files, recorded, strict=True)
    ]
    if sum(map(len, described)) > MAX_TAPS:
        raise CommandError(f"one trace has room for {MAX_TAPS} taps: import fewer files at a time")
    with whole_trace(arguments, []) as writer:
        taps = 0
        for link, (bursts, interfaces) in enumerate(zip(recorded, described, strict=True)):
            for tap in interfaces:
                writer.add_tap(tap)
            for record in assemble(bursts, speed=rate, gap_limit_ns=profile.timing.gap_limit_ns, line=arguments.line):
                writer.write(replace(record, link=link, tap=taps + record.tap, speed=arguments.speed or 0))
            taps += len(interfaces)
    return 0


def _taps(name: str, bursts: "Sequence[Burst]", rate: int, profile: str) -> "list[Interface]":
    """How the trace describes what was heard, by the tap numbers of :func:`~vtctap.dissector.framing.reframe.assemble`:
    one tap, or one a side where the recording knows the sides, and one more for what it does not know of."""
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import LINKTYPE_USER0, Sender

    senders = {burst.sender for burst in bursts}
    sides = ["client", "server"] if senders - {Sender.UNKNOWN} else []
    sides += ["octets"] if Sender.UNKNOWN in senders or not senders else []
    described = f"imported, profile={profile}"
    return [Interface(LINKTYPE_USER0, f"{Path(name).name}:{side}", described, speed=rate) for side in sides]
