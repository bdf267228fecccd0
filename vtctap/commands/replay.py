"""Plays a trace again, at its pace: for testing taps, and programs that talk to a meter or a hand-held unit.

  vtctap replay TRACE                               into pseudo-terminals, for a tap to listen to
  vtctap replay TRACE --client NAME --server NAME   the same, under names of one's own (symbolic links)
  vtctap replay TRACE --as client --port PORT       the client's side, to a meter; --as server: the meter's, to a client

The octets are those that the taps received, with parity bits and errors. The replay begins when a program has opened
each pseudo-terminal, and ends when the programs have closed them. --as writes to the port: name no port that a tap is
on.
"""

import argparse
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, Final

from vtctap.base.nouns import count
from vtctap.command_line.arguments import STATED, add_join, add_profile, add_traces, groups_of, positive
from vtctap.command_line.inputs import Reading, Traces, one_link
from vtctap.command_line.messages import warn
from vtctap.command_line.terminals import named_terminal
from vtctap.errors import DONE, FOUND, CommandError

if TYPE_CHECKING:
    from vtctap.dissector.profiles.model import Profile
    from vtctap.pcap.record import Record
    from vtctap.sniffer.replay import Stage

_LOOK: Final = 0.05
"""Seconds between two checks of the programs that listen."""
_SETTLE: Final = 0.3
"""Seconds that a program gets between opening a terminal and the first octet."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_traces(parser)
    add_join(parser)
    parser.add_argument("-i", dest="both", metavar="NAME", help="both sides on one pseudo-terminal, under this name")
    parser.add_argument("--client", metavar="NAME", help="name for the pseudo-terminal of the client's octets")
    parser.add_argument("--server", metavar="NAME", help="name for that of the server's octets")
    parser.add_argument(
        "--speed-up", type=positive, default=1, metavar="N", help="play N times as fast as it was (default: 1)"
    )
    parser.add_argument("--as", dest="side", choices=("client", "server"), help="play this side alone, on --port")
    parser.add_argument("--port", metavar="PORT", help="the port that the other side is on: a device or pyserial URL")
    parser.add_argument(
        "-Y", "--filter", metavar="EXPR", help="only records that match ('vtctap help filters'): one session, say"
    )
    parser.add_argument("-q", dest="quiet", action="store_true", help="print no summary at the end")
    add_profile(parser, default=STATED)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.sniffer.opening import one_port

    groups = groups_of(arguments)
    if len(groups) > 1:
        raise CommandError("replay plays one trace: name one, or --join those that are one")
    named = [name for name in (arguments.both, arguments.client, arguments.server) if name]
    if (arguments.side is None) != (arguments.port is None):
        raise CommandError("--as SIDE and --port PORT go together")
    if arguments.side and (named or arguments.speed_up != 1):
        raise CommandError("--as plays on --port at true pace: -i, --client, --server and --speed-up are for taps")
    if (named and named != [arguments.both] and len(named) != 2) or (arguments.both and len(named) > 1):
        raise CommandError("name both pseudo-terminals, --client NAME and --server NAME, or one for both, -i NAME")
    if one_port(*named):
        raise CommandError(f"{arguments.client} is named for both sides: give the two pseudo-terminals two names")
    reading = Reading(arguments.profile)
    play = _one_side if arguments.side else _both_sides
    return play(arguments, *_read(arguments, reading, groups[0])) or reading.status


def _read(
    arguments: argparse.Namespace, reading: Reading, names: list[str]
) -> "tuple[Record, Iterator[Record], Profile]":
    """Returns the first record that holds octets and matches, all such records, and the trace's profile."""
    from vtctap.dissector.dissect import Dissector
    from vtctap.dissector.filter import compile_filter
    from vtctap.pcap.record import Kind

    passes = compile_filter(arguments.filter) if arguments.filter is not None else None
    every, profile = reading.settle(Traces(names, bar=False))
    matching = (each.record for each in Dissector(profile).each(every) if passes is None or passes(each.as_json()))
    records = one_link(record for record in matching if record.kind is not Kind.EVENT)
    first = next(records, None)
    if first is None:
        raise CommandError("there is nothing to play: no record that holds octets, or none that matches")
    return first, chain([first], records), profile


# Into pseudo-terminals.


def _both_sides(arguments: argparse.Namespace, first: "Record", records: "Iterator[Record]", profile: "Profile") -> int:
    from vtctap.pcap.record import Sender
    from vtctap.sniffer.replay import Stage, paced, wire_octets

    wired = not first.inferred and first.sender is not Sender.UNKNOWN
    merged = bool(arguments.both) or not (wired or arguments.client)
    played = latest_ns = 0
    try:
        stage = Stage(merged=merged)
    except OSError as error:
        raise CommandError(str(error)) from None
    wanted = [arguments.both] if merged else [arguments.client, arguments.server]
    with stage, ExitStack() as links:
        named = map(named_terminal, stage.names, wanted)
        _announce([links.enter_context(each) for each in named])
        _await(stage)
        for octet, due_ns in paced(wire_octets(records, arguments.speed_up), time.monotonic_ns, time.sleep):
            stage.write(octet)
            latest_ns = max(latest_ns, time.monotonic_ns() - due_ns)
            played += 1
        if not arguments.quiet:
            late = f"at most {latest_ns / 1e6:.3f} ms late"
            warn(f"{count(played, 'octet')} played, {late}; the replay ends when no program has the port open")
        _leave(stage)
    if stage.lost:
        warn(f"{count(stage.lost, 'octet')} lost: no program read the octets before them")
    return FOUND if stage.lost else DONE


def _announce(names: list[str]) -> None:
    """Prints which devices to open."""
    sides = ["client", "server"] if len(names) > 1 else ["both"]
    for side, name in zip(sides, names, strict=True):
        print(f"{side}: {name}", flush=True)


def _await(stage: "Stage") -> None:
    """Waits until a program has opened each pseudo-terminal."""
    stage.release()
    while not stage.watched:
        time.sleep(_LOOK)
    stage.hold()
    time.sleep(_SETTLE)


def _leave(stage: "Stage") -> None:
    """Waits until the programs have read all octets, or have closed the devices."""
    stage.release()
    while not stage.deserted:
        time.sleep(_LOOK)


# One side.


def _one_side(arguments: argparse.Namespace, first: "Record", records: "Iterator[Record]", profile: "Profile") -> int:
    from vtctap.pcap.record import Sender
    from vtctap.sniffer.replay import turns
    from vtctap.sniffer.simulated.replayed import ReplayedMachine
    from vtctap.sniffer.speaking import Speaker

    side = Sender[arguments.side.upper()]
    mask = 0x7F if first.line and first.line.has_parity else 0xFF
    machine = ReplayedMachine(turns(records, side), waits=side is Sender.SERVER, mask=mask)
    if not machine.has_part:
        raise CommandError(f"the trace has no octets that are known to be the {arguments.side}'s")
    with Speaker(arguments.port, first.speed or profile.speed) as speaker:
        speaker.run(machine, "client" if side is Sender.CLIENT else "server")
    if not arguments.quiet:
        spoke = f"{machine.heard} of {machine.expected} times, {machine.same} as in the trace"
        warn(f"played; the {side.other.word} spoke {spoke}")
    return DONE
