"""Captures a link: writes the records to a trace, or prints them.

  vtctap capture -i /dev/ttyUSB0 -w trace.pcapng            one wire that carries both directions
  vtctap capture --client PORT --server PORT -w t.pcapng    one tap per wire
  vtctap capture --link A=PORT --link B=PORT,PORT -w t.pcapng
  vtctap capture -i PORT -w - | wireshark -k -i -

PORT is a device or a pyserial URL. vtctap never writes to it, and reopens a port that was lost. Ctrl-C ends.
"""

import argparse
import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from vtctap.capturing.interfaces import interfaces
from vtctap.capturing.options import add_sink, build_sink
from vtctap.command_line.arguments import add_profile, line, profile_of, speed_or_following
from vtctap.command_line.outputs import refuse_existing
from vtctap.errors import DONE, NO_PORT, CommandError

if TYPE_CHECKING:
    from vtctap.sniffer.capture import Capture, Link


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "-D", dest="list_ports", action="store_true", help="list the serial ports, as 'vtctap ports' does"
    )
    parser.add_argument("-i", dest="port", metavar="PORT", help="the tap on a wire that carries both directions")
    parser.add_argument("--client", metavar="PORT", help="the tap on the wire on which the client sends")
    parser.add_argument("--server", metavar="PORT", help="the tap on the wire on which the server sends")
    parser.add_argument(
        "--link",
        dest="links",
        action="append",
        default=[],
        metavar="NAME=PORT[,PORT]",
        help="a link of several: its name, and one port, or the client's and the server's",
    )
    parser.add_argument(
        "--speed",
        type=speed_or_following,
        default="follow",
        metavar="N|follow|auto",
        help="speed in bit/s; follow: begin with the profile's, follow changes (default); auto: detect speed and line",
    )
    parser.add_argument("--line", type=line, metavar="7E1", help="character format (default: the profile's)")
    parser.add_argument(
        "--latency",
        type=_latency,
        metavar="MS",
        help="latency of the adapters in ms (default: what the system states)",
    )
    parser.add_argument(
        "--low-latency",
        action="store_true",
        help="set the adapters' drivers to low latency; restored at the end",
    )
    parser.add_argument(
        "--wait", action="store_true", help="wait for ports that are not there yet (Ctrl-C: exit status 130)"
    )
    parser.add_argument(
        "--power",
        choices=["dtr"],
        help="raise DTR to power an optical head (never raised otherwise; not for shared lines)",
    )
    add_sink(parser)
    add_profile(parser)


def _latency(text: str) -> int:
    """Returns a ``--latency`` argument, in milliseconds, as ns (argparse type)."""
    if re.fullmatch(r"\d{1,5}(\.\d{1,6})?", text, re.ASCII):
        return round(float(text) * 1_000_000)
    raise argparse.ArgumentTypeError(f"{text!r} is not a latency in milliseconds")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    if arguments.list_ports:
        from vtctap.commands import ports

        return ports.run(arguments)
    from vtctap.sniffer.capture import Capture, Opening, first_settings

    profile = profile_of(arguments)
    links = _links(arguments)
    settings, following = first_settings(arguments.speed, arguments.line or profile.line, usual=profile.speed)
    listening = f"at {settings.speed} {settings.line}" if following != "auto" else "for the speed"
    sink = build_sink(arguments, profile)
    capture = Capture(
        links,
        settings,
        gap_limit_ns=profile.timing.gap_limit_ns,
        profile=profile.name,
        following=following,
        opening=Opening(arguments.latency, arguments.low_latency, arguments.power is not None),
    )
    with sink.stoppable(), ExitStack() as stack:
        if arguments.wait:
            _wait_for(arguments, links, lambda: stack.enter_context(capture), sink.screen.insist)
        else:
            stack.enter_context(capture)
        with sink.writing(interfaces(links, settings, profile.name, latency_ns=arguments.latency), listening):
            sink.run(capture)
    for reason in capture.lost:
        sink.screen.insist(f"at the end a port was still lost: {reason}")
    sink.screen.finish()
    return NO_PORT if capture.lost else DONE


def _wait_for(
    arguments: argparse.Namespace, links: "list[Link]", enter: "Callable[[], Capture]", say: "Callable[[str], None]"
) -> None:
    """Waits until the ports exist, then enters the capture. Refuses an existing output before it waits."""
    from vtctap.sniffer.arrival import opened_when_there

    if arguments.output and not arguments.ring:
        refuse_existing(arguments.output, force=arguments.force)
    opened_when_there([wire.port for link in links for wire in link.wires], enter, say)


def _links(arguments: argparse.Namespace) -> "list[Link]":
    """Returns the links that the arguments name. Raises CommandError if they contradict each other."""
    from vtctap.pcap.record import Sender
    from vtctap.sniffer.capture import Link, Wire
    from vtctap.sniffer.opening import one_port

    pair = (arguments.client, arguments.server)
    ways = bool(arguments.port) + any(pair) + bool(arguments.links)
    if ways != 1:
        raise CommandError("name the ports: either -i PORT, or --client PORT and --server PORT, or --link NAME=PORT")
    if arguments.port:
        return [Link((Wire(arguments.port),))]
    if any(pair):
        if all(pair) and one_port(*pair):
            raise CommandError("client and server have the same port; use -i for a wire that carries both directions")
        wires = zip(pair, (Sender.CLIENT, Sender.SERVER), strict=True)
        return [Link(tuple(Wire(port, sender) for port, sender in wires if port))]
    links = []
    for text in arguments.links:
        name, _, rest = text.partition("=")
        ports = rest.split(",")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or not all(ports) or len(ports) > 2:
            raise CommandError(
                f"--link {text}: write NAME=PORT or NAME=CLIENT,SERVER; a name has letters, digits, _ and -"
            )
        senders = (Sender.UNKNOWN,) if len(ports) == 1 else (Sender.CLIENT, Sender.SERVER)
        links.append(Link(tuple(Wire(port, sender) for port, sender in zip(ports, senders, strict=True)), name))
    if len({link.name for link in links}) < len(links):
        raise CommandError("two links have the same name: give each link a name of its own")
    every = [wire.port for link in links for wire in link.wires]
    if one_port(*every):
        raise CommandError("a port is named twice: give each wire a port of its own")
    return links
