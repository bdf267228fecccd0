"""Listens to a link and writes what it says to a trace, or prints it.

  vtctap capture -i /dev/ttyUSB0 -w trace.pcapng            one wire that carries both directions
  vtctap capture --client PORT --server PORT -w t.pcapng    one tap a wire
  vtctap capture --link A=PORT --link B=PORT,PORT -w t.pcapng
  vtctap capture -i PORT -w - | wireshark -k -i -

PORT is a device or a pyserial URL. Nothing is ever written to it. A port that is lost is tried again until
it is back. Ctrl-C ends the capture properly.
"""

import argparse
import re
from typing import TYPE_CHECKING

from vtctap.arguments import add_profile, line, load_profile, speed
from vtctap.capturing.interfaces import interfaces
from vtctap.capturing.options import add_sink, build_sink
from vtctap.errors import CommandError

if TYPE_CHECKING:
    from vtctap.sniffer.capture import Link


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("-D", dest="list_ports", action="store_true", help="list the ports, as 'vtctap ports' does")
    parser.add_argument("-i", dest="port", metavar="PORT", help="the tap of a wire that carries both directions")
    parser.add_argument("--client", metavar="PORT", help="the tap of the wire on which the client sends")
    parser.add_argument("--server", metavar="PORT", help="the tap of the wire on which the server sends")
    parser.add_argument(
        "--link",
        dest="links",
        action="append",
        default=[],
        metavar="NAME=PORT[,PORT]",
        help="a link of several: its name, and its port, or its client's and server's",
    )
    parser.add_argument(
        "--speed",
        type=_speed,
        default="follow",
        metavar="N|follow|auto",
        help="speed, bit/s; or follow its changes from the profile's on (default); or look for it, and the line",
    )
    parser.add_argument("--line", type=line, metavar="7E1", help="character format (default: the profile's)")
    parser.add_argument(
        "--latency",
        type=_latency,
        metavar="MS",
        help="how long the adapters may keep an octet, ms (default: what the system knows of them)",
    )
    parser.add_argument(
        "--low-latency",
        action="store_true",
        help="ask the adapters' drivers to keep octets as short as they can; put back at the end",
    )
    parser.add_argument(
        "--power",
        choices=["dtr"],
        help="raise DTR to power an optical head (never done otherwise; not on a line that others use)",
    )
    add_sink(parser)
    add_profile(parser)


def _latency(text: str) -> int:
    """Milliseconds as ns."""
    if re.fullmatch(r"\d{1,5}(\.\d{1,6})?", text, re.ASCII):
        return round(float(text) * 1_000_000)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of milliseconds")


def _speed(text: str) -> int | str:
    return text if text in ("follow", "auto") else speed(text)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    if arguments.list_ports:
        from vtctap.commands import ports

        return ports.run(arguments)
    from vtctap.sniffer.capture import Capture, Following
    from vtctap.sniffer.port import Settings

    profile = load_profile(arguments)
    links = _links(arguments)
    fixed = isinstance(arguments.speed, int)
    settings = Settings(arguments.speed if fixed else profile.speed, arguments.line or profile.line)
    following: Following = "fixed" if fixed else arguments.speed
    listening = f"at {settings.speed} {settings.line}" if following != "auto" else "for the speed"
    sink = build_sink(arguments, profile)
    with (
        sink.stoppable(),
        Capture(
            links,
            settings,
            gap_limit_ns=profile.timing.gap_limit_ns,
            profile=profile.name,
            following=following,
            latency_ns=arguments.latency,
            low_latency=arguments.low_latency,
            power=arguments.power is not None,
        ) as capture,
        sink.writing(interfaces(links, settings, profile.name, latency_ns=arguments.latency), listening),
    ):
        sink.run(capture)
    for reason in capture.lost:
        sink.screen.insist(f"at the end a port is still away: {reason}")
    sink.screen.finish()
    return 3 if capture.lost else 0


def _links(arguments: argparse.Namespace) -> "list[Link]":
    """The links of the arguments. Raises CommandError where they do not say one thing."""
    from vtctap.pcap.record import Sender
    from vtctap.sniffer.capture import Link, Wire

    pair = (arguments.client, arguments.server)
    ways = bool(arguments.port) + any(pair) + bool(arguments.links)
    if ways != 1:
        raise CommandError("say where to listen: -i PORT, or --client PORT and --server PORT, or --link NAME=PORT")
    if arguments.port:
        return [Link((Wire(arguments.port),))]
    if any(pair):
        if arguments.client == arguments.server:
            raise CommandError("the same port is named twice; use -i for a wire that carries both directions")
        wires = zip(pair, (Sender.CLIENT, Sender.SERVER), strict=True)
        return [Link(tuple(Wire(port, sender) for port, sender in wires if port))]
    links = []
    for text in arguments.links:
        name, _, rest = text.partition("=")
        ports = rest.split(",")
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or not all(ports) or len(ports) > 2:
            raise CommandError(
                f"--link {text}: must be NAME=PORT or NAME=CLIENT,SERVER; a name is letters, digits, _ and -"
            )
        senders = (Sender.UNKNOWN,) if len(ports) == 1 else (Sender.CLIENT, Sender.SERVER)
        links.append(Link(tuple(Wire(port, sender) for port, sender in zip(ports, senders, strict=True)), name))
    if len({link.name for link in links}) < len(links):
        raise CommandError("two links have the same name")
    every = [wire.port for link in links for wire in link.wires]
    if len(set(every)) < len(every):
        raise CommandError("the same port is named twice")
    return links
