"""Captures a simulated link: a hand-held unit reads a meter and enters tokens.

The devices talk over pseudo-terminals at the speed of a real line, and the capture works like 'vtctap capture'. Every
session has one garbled answer, which causes a NAK and a retransmission, and tokens are accepted, rejected and locked
out; --faults adds more errors. --fast uses a virtual wire and clock: the same seed gives the same octets and
timestamps. The devices speak the port of IEC 62055-52 as it is known; --dialect takes a pair of another kind.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from vtctap.capturing.interfaces import interfaces
from vtctap.capturing.options import add_sink, build_sink
from vtctap.command_line.arguments import STANDARD, add_profile, positive, speed
from vtctap.command_line.dialects import FITTING, add_dialect, dialect_of, fitting_profile
from vtctap.command_line.outputs import refuse_existing, refuse_same, write_text
from vtctap.errors import DONE, CommandError

if TYPE_CHECKING:
    from vtctap.capturing.sink import Sink
    from vtctap.dissector.profiles.model import Profile
    from vtctap.pcap.record import Record
    from vtctap.sniffer.capture import Following
    from vtctap.sniffer.port import Settings
    from vtctap.sniffer.simulated.dialect import Dialect
    from vtctap.sniffer.simulated.faults import Fault
    from vtctap.sniffer.simulated.session import Play
    from vtctap.sniffer.simulated.wire import WireOctet

_FAULTS_SUFFIX = ".faults.json"
_DIALECT_SUFFIX = ".dialect.json"
_DRAIN = 0.2
"""Seconds after which the last octets of the simulated line have been read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--fast", action="store_true", help="use a virtual wire and clock: immediate and reproducible")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the devices' random choices (default: 0)"
    )
    add_dialect(parser, "and describe it in FILE.dialect.json")
    parser.add_argument("--sessions", type=positive, default=1, metavar="N", help="sessions to play (default: 1)")
    parser.add_argument("--speed", type=speed, metavar="N", help="speed in bit/s (default: the dialect's)")
    parser.add_argument(
        "--faults",
        action="store_true",
        help="simulate faults, and list in FILE.faults.json the findings that they cause",
    )
    add_sink(parser)
    add_profile(parser, default=FITTING)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.pcap.record import Line
    from vtctap.sniffer.port import Settings
    from vtctap.sniffer.simulated.dialect import to_json

    if arguments.faults and arguments.output in (None, STANDARD):
        raise CommandError("--faults writes its list beside the trace: add -w FILE")
    dialect = dialect_of(arguments)
    profile = fitting_profile(arguments, dialect)
    settings = Settings(arguments.speed or dialect.wiring.opening_speed, Line.parse(dialect.wiring.format))
    in_file = arguments.output not in (None, STANDARD)
    list_name = f"{arguments.output}{_FAULTS_SUFFIX}" if arguments.faults else ""
    dialect_name = f"{arguments.output}{_DIALECT_SUFFIX}" if arguments.dialect is not None and in_file else ""
    refuse_same(arguments.stats_json, list_name, dialect_name)
    for name in filter(None, (list_name, dialect_name)):
        refuse_existing(name, force=arguments.force)
    sink = build_sink(arguments, profile, live=not arguments.fast)
    playing = _Playing(arguments, dialect, settings)
    faults = (_fast if arguments.fast else _true_pace)(playing, profile, settings, sink)
    if dialect_name:
        write_text(dialect_name, to_json(dialect), force=arguments.force)
    if list_name:
        _list_faults(arguments.output, list_name, faults, force=arguments.force)
    return DONE


class _Playing:
    """What is to be played: starts it with those of some faults that the line can show, if faults are wanted."""

    def __init__(self, arguments: argparse.Namespace, dialect: "Dialect", settings: "Settings") -> None:
        self._arguments = arguments
        self._settings = settings
        self.dialect = dialect

    def __call__(self, faults: frozenset[str]) -> "Play":
        from vtctap.sniffer.simulated.session import play

        arguments, settings = self._arguments, self._settings
        possible = faults if settings.line.has_parity else faults - {"parity"}
        return play(
            arguments.seed,
            dialect=self.dialect,
            speed=settings.speed,
            line=settings.line,
            faults=possible if arguments.faults else (),
            sessions=arguments.sessions,
        )


def _fast(play: _Playing, profile: "Profile", settings: "Settings", sink: "Sink") -> "list[Fault]":
    from vtctap.pcap.record import Sender
    from vtctap.sniffer import virtual
    from vtctap.sniffer.capture import Link, Wire
    from vtctap.sniffer.simulated.faults import FAULTS
    from vtctap.sniffer.simulated.session import EPOCH

    link = Link((Wire("demo-client", Sender.CLIENT), Wire("demo-server", Sender.SERVER)))
    playing = play(FAULTS)
    heard = _Heard(playing, sink)
    records = virtual.capture(
        heard,
        start=EPOCH,
        speed=settings.speed,
        line=settings.line,
        gap_limit_ns=profile.timing.gap_limit_ns,
        profile=profile.name,
    )
    # A virtual wire has no adapter, which only a machine with sysfs can tell from its name.
    taps = [replace(tap, hardware="") for tap in interfaces([link], settings, profile.name)]
    with sink.writing(taps):
        sink.take(records, heard.now)
    return playing.faults


class _Heard:
    """The octets of a virtual wire until a stop condition holds, and the time on that wire, which is the sink's."""

    def __init__(self, play: "Play", sink: "Sink") -> None:
        self._play = play
        self._sink = sink
        self._now_ns = 0

    def now(self) -> float:
        """Returns the time in seconds since the play began."""
        return self._now_ns / 1e9

    def __iter__(self) -> "Iterator[WireOctet]":
        from vtctap.sniffer.simulated.session import EPOCH

        self._sink.chain.feed((), self.now())
        for octet in self._play:
            self._now_ns = octet.end - EPOCH
            self._sink.chain.feed((), self.now())
            if self._sink.stopped:
                return
            yield octet


def _true_pace(play: _Playing, profile: "Profile", settings: "Settings", sink: "Sink") -> "list[Fault]":
    from vtctap.pcap.record import Sender
    from vtctap.sniffer.capture import Capture, Link, Wire
    from vtctap.sniffer.simulated.faults import PTY_FAULTS
    from vtctap.sniffer.simulated.ptys import PtyTaps
    from vtctap.sniffer.simulated.session import EPOCH

    playing = play(PTY_FAULTS)
    wiring = play.dialect.wiring
    following: Following = "fixed" if wiring.speed == wiring.opening_speed else "follow"
    with PtyTaps() as taps:
        link = Link((Wire(taps.client, Sender.CLIENT), Wire(taps.server, Sender.SERVER)))
        with (
            sink.stoppable(),
            Capture(
                [link],
                settings,
                gap_limit_ns=profile.timing.gap_limit_ns,
                profile=profile.name,
                following=following,
            ) as capture,
            sink.writing(interfaces([link], settings, profile.name), f"at {settings.speed} {settings.line}"),
        ):
            taps.start(playing, beginning=EPOCH)
            sink.run(capture, lambda: taps.playing, drain=_DRAIN)
        return [replace(fault, time=taps.real_ns(fault.time)) for fault in playing.faults]


def _list_faults(trace: str, name: str, faults: "list[Fault]", *, force: bool) -> None:
    """Writes the findings that a check of the trace must have to ``name``: the record number and code of each fault."""
    from vtctap.pcap.record import Kind
    from vtctap.pcap.trace import open_trace

    with open_trace(trace) as reader:
        records = [(number, record) for number, record in enumerate(reader, 1) if record.kind is not Kind.EVENT]
    listed = []
    for fault in faults:
        own = [(abs(record.time - fault.time), number) for number, record in records if _side(record) == fault.side]
        if own:
            listed.append({"frame": min(own)[1], "code": fault.code})
    write_text(name, json.dumps(listed, indent=1) + "\n", force=force)


def _side(record: "Record") -> str:
    return record.sender.word
