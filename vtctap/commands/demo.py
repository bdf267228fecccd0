"""Captures a simulated link: a hand-held unit reads a meter and enters tokens.

The devices talk over pseudo-terminals at the speed of a real line, and the capture works like 'vtctap capture'. Every
session has one garbled answer, which causes a NAK and a retransmission, and one token is rejected; --faults adds more
errors. --fast uses a virtual wire and clock: the same seed gives the same octets and timestamps.
"""

import argparse
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from vtctap.arguments import STANDARD, add_profile, load_profile, speed
from vtctap.capturing.interfaces import interfaces
from vtctap.capturing.options import add_sink, build_sink
from vtctap.errors import CommandError
from vtctap.outputs import refuse_existing, write_text

if TYPE_CHECKING:
    from vtctap.capturing.sink import Sink
    from vtctap.dissector.profiles.files import Profile
    from vtctap.pcap.record import Record
    from vtctap.sniffer.port import Settings
    from vtctap.sniffer.simulated.faults import Fault

_FAULTS_SUFFIX = ".faults.json"
_DRAIN = 0.2
"""Seconds after which the last octets of the simulated line have been read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--fast", action="store_true", help="use a virtual wire and clock: immediate and reproducible")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the devices' random choices (default: 0)"
    )
    parser.add_argument("--speed", type=speed, metavar="N", help="speed in bit/s (default: the profile's)")
    parser.add_argument(
        "--faults",
        action="store_true",
        help="simulate faults, and list in FILE.faults.json the findings that they cause",
    )
    add_sink(parser)
    add_profile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.sniffer.port import Settings

    if arguments.faults and arguments.output in (None, STANDARD):
        raise CommandError("--faults writes its list beside the trace: add -w FILE")
    if arguments.faults:
        refuse_existing(f"{arguments.output}{_FAULTS_SUFFIX}", force=arguments.force)
    profile = load_profile(arguments)
    settings = Settings(arguments.speed or profile.speed, profile.line)
    sink = build_sink(arguments, profile, live=not arguments.fast)
    faults = (_fast if arguments.fast else _true_pace)(arguments, profile, settings, sink)
    if arguments.faults:
        _list_faults(arguments.output, faults)
    return 0


def _fast(arguments: argparse.Namespace, profile: "Profile", settings: "Settings", sink: "Sink") -> "list[Fault]":
    from vtctap.pcap.record import Sender
    from vtctap.sniffer import virtual
    from vtctap.sniffer.capture import Link, Wire
    from vtctap.sniffer.simulated.faults import FAULTS
    from vtctap.sniffer.simulated.session import EPOCH, play

    link = Link((Wire("demo-client", Sender.CLIENT), Wire("demo-server", Sender.SERVER)))
    faults = _possible(FAULTS, settings) if arguments.faults else ()
    playing = play(arguments.seed, speed=settings.speed, line=settings.line, faults=faults)
    records = virtual.capture(
        playing,
        start=EPOCH,
        speed=settings.speed,
        line=settings.line,
        gap_limit_ns=profile.timing.gap_limit_ns,
        profile=profile.name,
    )
    # A virtual wire has no adapter, which only a machine with sysfs can tell from its name.
    taps = [replace(tap, hardware="") for tap in interfaces([link], settings, profile.name)]
    with sink.writing(taps):
        sink.take(records)
    return playing.faults


def _true_pace(arguments: argparse.Namespace, profile: "Profile", settings: "Settings", sink: "Sink") -> "list[Fault]":
    from dataclasses import replace

    from vtctap.pcap.record import Sender
    from vtctap.sniffer.capture import Capture, Link, Wire
    from vtctap.sniffer.simulated.faults import PTY_FAULTS
    from vtctap.sniffer.simulated.ptys import PtyTaps
    from vtctap.sniffer.simulated.session import EPOCH, play

    faults = _possible(PTY_FAULTS, settings) if arguments.faults else ()
    playing = play(arguments.seed, speed=settings.speed, line=settings.line, faults=faults)
    with PtyTaps() as taps:
        link = Link((Wire(taps.client, Sender.CLIENT), Wire(taps.server, Sender.SERVER)))
        with (
            sink.stoppable(),
            Capture([link], settings, gap_limit_ns=profile.timing.gap_limit_ns, profile=profile.name) as capture,
            sink.writing(interfaces([link], settings, profile.name), f"at {settings.speed} {settings.line}"),
        ):
            taps.start(playing, beginning=EPOCH)
            sink.run(capture, lambda: taps.playing, drain=_DRAIN)
        return [replace(fault, time=fault.time + taps.offset_ns) for fault in playing.faults]


def _possible(faults: frozenset[str], settings: "Settings") -> frozenset[str]:
    return faults if settings.line.has_parity else faults - {"parity"}


def _list_faults(trace: str, faults: "list[Fault]") -> None:
    """Writes the findings that a check of the trace must have: for each fault, its record number and its code."""
    from vtctap.pcap.record import Kind
    from vtctap.pcap.trace import open_trace

    with open_trace(trace) as reader:
        records = [(number, record) for number, record in enumerate(reader, 1) if record.kind is not Kind.EVENT]
    listed = []
    for fault in faults:
        own = [(abs(record.time - fault.time), number) for number, record in records if _side(record) == fault.side]
        if own:
            listed.append({"frame": min(own)[1], "code": fault.code})
    write_text(f"{trace}{_FAULTS_SUFFIX}", json.dumps(listed, indent=1) + "\n", force=True)


def _side(record: "Record") -> str:
    return record.sender.name.lower()
