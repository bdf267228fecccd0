"""Plays a meter or a hand-held unit on a port, as a partner for a device or a program that is to be tested.

  vtctap simulate meter --port /dev/ttyUSB0                    a meter, for a hand-held unit
  vtctap simulate client --port /dev/ttyUSB0                   a hand-held unit, for a meter: reads, and enters tokens
  vtctap simulate meter --pty ./meter --dialect iec62056-21    a meter on a pseudo-terminal, for a program

The device speaks the port of IEC 62055-52 as it is known, or another dialect. Its tokens are made up: no meter accepts
them, except tests of class 1. This command writes to the port (so does 'replay --as', and no other command); a port
that a capture holds is refused. A meter plays until Ctrl-C, a client its sessions.
"""

import argparse
from contextlib import suppress
from itertools import islice
from random import Random
from typing import TYPE_CHECKING

from vtctap.command_line.arguments import positive, speed
from vtctap.command_line.dialects import add_dialect, dialect_of
from vtctap.command_line.messages import warn
from vtctap.command_line.terminals import named_terminal
from vtctap.errors import DONE

_PATIENCE_NS = 900_000_000
"""How much longer a meter waits after a change of speed, for clients that are slow to change theirs; its answer still
comes within 1.5 s."""

if TYPE_CHECKING:
    from vtctap.pcap.record import Line
    from vtctap.sniffer.simulated.device import Device
    from vtctap.sniffer.simulated.machine import Machine
    from vtctap.sniffer.simulated.wire import Disturbance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("side", choices=("meter", "client"), help="the side to play")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", metavar="PORT", help="the port of the other side: a device or pyserial URL")
    where.add_argument("--pty", metavar="NAME", help="make a pseudo-terminal for the other side, under this name")
    add_dialect(parser)
    parser.add_argument("--speed", type=speed, metavar="N", help="first speed in bit/s (default: the dialect's)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the device's values and choices")
    parser.add_argument("--sessions", type=positive, default=1, metavar="N", help="a client's sessions (default: 1)")
    parser.add_argument(
        "--faults", action="store_true", help="disturb every third read, or answer, and print each fault"
    )
    parser.add_argument("-q", dest="quiet", action="store_true", help="print neither the device nor the faults")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.pcap.record import EIGHT_BITS, Line
    from vtctap.sniffer.simulated.device import Device
    from vtctap.sniffer.speaking import Speaker, is_line

    dialect = dialect_of(arguments)
    line = Line.parse(dialect.wiring.format)
    first = arguments.speed or dialect.wiring.opening_speed
    machine = _machine(arguments, Device(dialect, arguments.seed), first)
    with Speaker(arguments.port, first) as speaker, named_terminal(speaker.name, arguments.pty) as name:
        if not arguments.quiet:
            warn(f"writes to {name}: a {arguments.side} of dialect {dialect.name}, at {first} {line}")
        with suppress(KeyboardInterrupt):
            speaker.run(
                machine,
                "client" if arguments.side == "client" else "server",
                line=line if is_line(arguments.port) else EIGHT_BITS,
                mask=0x7F if line.has_parity or line.data_bits == 7 else 0xFF,
                disturbance=_disturbance(arguments, line),
            )
    return DONE


def _machine(arguments: argparse.Namespace, device: "Device", first: int) -> "Machine":
    from vtctap.sniffer.simulated.client import ClientMachine
    from vtctap.sniffer.simulated.meter import MeterMachine
    from vtctap.sniffer.simulated.story import scripts

    if arguments.side == "meter":
        return MeterMachine(Random(f"{arguments.seed} meter"), device, speed=first, patience_ns=_PATIENCE_NS)
    stories = scripts(device, Random(f"{arguments.seed} story"))
    steps = (step for story in islice(stories, arguments.sessions) for step in story)
    return ClientMachine(steps, Random(f"{arguments.seed} client"), dialect=device.dialect, speed=first)


def _disturbance(arguments: argparse.Namespace, line: "Line") -> "Disturbance":
    from vtctap.sniffer.simulated.faults import PTY_FAULTS, OwnFaults
    from vtctap.sniffer.simulated.wire import undisturbed
    from vtctap.sniffer.speaking import is_line

    if not arguments.faults:
        return undisturbed
    codes = PTY_FAULTS if line.has_parity and is_line(arguments.port) else PTY_FAULTS - {"parity"}
    tell = (lambda code: None) if arguments.quiet else (lambda code: warn(f"fault: {code}"))
    return OwnFaults(Random(f"{arguments.seed} faults"), codes, tell)
