"""The extcap program that Wireshark runs to capture: 'vtctap wireshark install' puts its launcher in the extcap folder.

Wireshark defines its arguments and its output (extcap(4)); it is not a command for people. It offers an interface for
each serial port, and one for a simulated link that repeats its sessions until the capture is stopped. A query imports
only what it needs, because Wireshark runs one per interface at every start.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import IO, TYPE_CHECKING, Final

from vtctap.command_line.arguments import add_profile, line, profile_of, speed, speed_or_following
from vtctap.command_line.messages import warn
from vtctap.command_line.parsers import CommandParser
from vtctap.errors import DONE, NO_PORT, WRONG_USE, CommandError, Error
from vtctap.wireshark import extcap_queries
from vtctap.wireshark.extcap_queries import DEMO, LINE, LOG, MARK, PREFIX, SPEED, SPEEDS

if TYPE_CHECKING:
    from vtctap.capturing.parts import Chain
    from vtctap.capturing.signals import Signals
    from vtctap.dissector.profiles.model import Profile
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record
    from vtctap.pcap.trace import TraceWriter
    from vtctap.sniffer.capture import Capture, Link
    from vtctap.wireshark.toolbar import ControlMessage, Toolbar

_TURN: Final = 0.05
"""Seconds that one turn of the loop waits for octets."""
_ENDLESS: Final = 1 << 31
"""A number of sessions that no capture reaches."""
_DEMO_PAUSE_MS: Final = 3_000
"""The pause between the sessions of the demonstration, for people who wait for the next."""


def main(arguments: list[str] | None = None) -> int:
    """Runs a query or a capture, and returns the exit status. Wireshark shows the line on stderr of an error."""
    try:
        return _run(_parse(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:  # While no reader has opened the fifo.
        return DONE
    except (Error, OSError) as error:
        warn(str(error))
        return error.status if isinstance(error, Error) else WRONG_USE


def _parse(texts: list[str]) -> argparse.Namespace:
    parser = CommandParser("vtctap (extcap)", description=__doc__, allow_abbrev=False)
    for query in ("--extcap-interfaces", "--extcap-dlts", "--extcap-config", "--capture"):
        parser.add_argument(query, action="store_true")
    parser.add_argument("--extcap-interface", metavar="NAME", default="")
    parser.add_argument("--extcap-reload-option", metavar="OPTION")
    parser.add_argument("--extcap-capture-filter", metavar="FILTER", default="")
    parser.add_argument("--extcap-control-in", metavar="FIFO")
    parser.add_argument("--extcap-control-out", metavar="FIFO")
    parser.add_argument("--fifo", metavar="FIFO")
    parser.add_argument("--speed", type=speed_or_following, default="follow", metavar="N|follow|auto")
    parser.add_argument("--line", type=_line, metavar="7E1")
    parser.add_argument("--server", metavar="PORT", default="")
    parser.add_argument("--faults", action="store_true")
    add_profile(parser)
    known, rest = parser.parse_known_args(texts)
    # Wireshark passes its version, and later releases may pass more --extcap- options.
    unknown = [text for text in rest if text.startswith("-") and not text.startswith("--extcap-")]
    if unknown:
        parser.error(f"unknown arguments: {' '.join(unknown)}")
    return known


def _line(text: str) -> object:
    return line(text) if text else None


def _run(arguments: argparse.Namespace) -> int:
    if arguments.extcap_interfaces:
        print(*extcap_queries.interfaces(), sep="\n")
    elif not arguments.extcap_interface:
        raise CommandError("only Wireshark runs this ('vtctap wireshark install' sets it up): use 'vtctap capture'")
    elif arguments.extcap_dlts:
        print("dlt {number=147}{name=USER0}{display=Records of vtctap}")
    elif arguments.extcap_config:
        print(*extcap_queries.config(arguments), sep="\n")
    elif arguments.capture:
        return _capture(arguments)
    elif arguments.extcap_capture_filter:
        print(_NO_FILTER)
    return DONE


_NO_FILTER: Final = "vtctap captures every octet: leave the capture filter empty, and use a display filter"


# The capture.


def _capture(arguments: argparse.Namespace) -> int:
    from vtctap.capturing.signals import Signals
    from vtctap.wireshark.toolbar import Command, ControlMessage, Toolbar

    if not arguments.fifo:
        raise CommandError("--capture needs --fifo")
    signals = Signals()
    with signals.heeded(), Toolbar(arguments.extcap_control_in, arguments.extcap_control_out) as toolbar:
        try:
            return _Live(arguments, toolbar).run(signals)
        except Exception as error:
            toolbar.send(ControlMessage(0, Command.ERROR, str(error)))
            raise


class _Live:
    """One capture from the ports to the fifo, controlled by the toolbar."""

    def __init__(self, arguments: argparse.Namespace, toolbar: "Toolbar") -> None:
        from vtctap.sniffer.capture import first_settings

        if arguments.extcap_capture_filter:
            raise CommandError(_NO_FILTER)
        self._arguments = arguments
        self._toolbar = toolbar
        self._profile: Profile = profile_of(arguments)
        self._settings, self._following = first_settings(
            arguments.speed, arguments.line or self._profile.line, usual=self._profile.speed
        )
        self._shown: dict[int, str] = {}
        self._obeys = False

    def run(self, signals: "Signals") -> int:
        """Captures until a signal or the end of the fifo, reopens lost ports, and returns the exit status."""
        from vtctap.capturing.hashing import Hashing
        from vtctap.capturing.interfaces import interfaces
        from vtctap.capturing.overflow import Overflow
        from vtctap.capturing.parts import Chain
        from vtctap.capturing.recording import PipeRecording
        from vtctap.sniffer.capture import Capture

        recording = PipeRecording(self._arguments.fifo, _create, self._log)
        chain = Chain([Overflow(recording, self._log), Hashing(), recording])
        with ExitStack() as stack:
            links, start = self._links(stack)
            capture = stack.enter_context(
                Capture(
                    links,
                    self._settings,
                    gap_limit_ns=self._profile.timing.gap_limit_ns,
                    profile=self._profile.name,
                    following=self._following,
                )
            )
            # The trace begins only after the ports are open.
            with suppress(BrokenPipeError), chain:
                chain.open(interfaces(links, self._settings, self._profile.name))
                signals.begun = True
                start()
                while not signals.stopped:
                    self._take(chain, capture.poll(_TURN))
                    for message in self._toolbar.received():
                        self._obey(message, capture)
                self._take(chain, capture.close())
                recording.drops.update(capture.drops)
        for reason in capture.lost:
            warn(reason)
        return NO_PORT if capture.lost else DONE

    def _links(self, stack: ExitStack) -> "tuple[list[Link], Callable[[], None]]":
        """Returns the links to capture, and a function that starts the simulated devices (if any)."""
        from vtctap.pcap.record import Sender
        from vtctap.sniffer.capture import Link, Wire
        from vtctap.sniffer.opening import one_port

        name, server = self._arguments.extcap_interface, self._arguments.server
        if name != DEMO:
            port = _device(name)
            if server and one_port(server, port):
                raise CommandError(f"{port} is already the client's tap: choose another port for the server's wire")
            if not server:
                return [Link((Wire(port),))], lambda: None
            return [Link((Wire(port, Sender.CLIENT), Wire(server, Sender.SERVER)))], lambda: None

        from dataclasses import replace

        from vtctap.sniffer.simulated.faults import PTY_FAULTS
        from vtctap.sniffer.simulated.named import KNOWN
        from vtctap.sniffer.simulated.ptys import PtyTaps
        from vtctap.sniffer.simulated.session import EPOCH, play

        speed, line = self._settings.speed, self._settings.line
        faults = PTY_FAULTS if self._arguments.faults else frozenset()
        playing = play(
            dialect=replace(KNOWN, timing=replace(KNOWN.timing, session_pause=_DEMO_PAUSE_MS)),
            speed=speed,
            line=line,
            faults=faults if line.has_parity else faults - {"parity"},
            sessions=_ENDLESS,
        )
        taps = stack.enter_context(PtyTaps())
        wires = (Wire(taps.client, Sender.CLIENT), Wire(taps.server, Sender.SERVER))
        return [Link(wires)], lambda: taps.start(playing, beginning=EPOCH)

    def _take(self, chain: "Chain", records: "Sequence[Record]") -> None:
        from vtctap.pcap.record import Kind

        chain.feed(records, time.monotonic())
        for record in records:
            if record.kind is Kind.EVENT and self._toolbar.there:
                self._show(record)

    def _log(self, text: str) -> None:
        """Writes a line with the time of day into the toolbar's log."""
        from vtctap.wireshark.toolbar import Command, ControlMessage

        self._toolbar.send(ControlMessage(LOG, Command.ADD, f"{time.strftime('%H:%M:%S')}  {text}\n"))

    def _show(self, event: "Record") -> None:
        """Writes an event into the log, and shows the present port settings in the toolbar."""
        from vtctap.pcap.record import SECOND_NS
        from vtctap.wireshark.toolbar import Command, ControlMessage

        time_of_day = time.strftime("%H:%M:%S", time.localtime(event.time // SECOND_NS))
        self._toolbar.send(ControlMessage(LOG, Command.ADD, f"{time_of_day}  tap {event.tap}  {event.event}\n"))
        for control, value in ((SPEED, str(event.speed)), (LINE, str(event.line))):
            if self._shown.get(control) != value:
                self._shown[control] = value
                if control == SPEED and event.speed not in SPEEDS:
                    self._toolbar.send(ControlMessage(control, Command.ADD, f"{value}\0{value}"))
                self._toolbar.send(ControlMessage(control, Command.SET, value))

    def _obey(self, message: "ControlMessage", capture: "Capture") -> None:
        """Applies a choice in the toolbar.

        Messages before Wireshark's INITIALIZED are ignored: they repeat choices of an earlier capture, and the options
        set how this one begins.
        """
        from vtctap.sniffer.port import PortError, Settings
        from vtctap.wireshark.toolbar import Command, ControlMessage

        self._obeys = self._obeys or message.command == Command.INITIALIZED
        if not self._obeys or message.command != Command.SET or not message.value:
            return
        if message.control == MARK:
            capture.mark(message.value)
            self._toolbar.send(ControlMessage(MARK, Command.SET))
            return
        if message.control not in (SPEED, LINE) or message.value == self._shown.get(message.control):
            return
        asked = {
            SPEED: str(self._settings.speed),
            LINE: str(self._settings.line),
        }  # Until an event states the port settings.
        chosen = asked | self._shown | {message.control: message.value}
        try:
            capture.set(Settings(speed(chosen[SPEED]), line(chosen[LINE])))
        except (argparse.ArgumentTypeError, PortError) as error:
            self._toolbar.send(ControlMessage(message.control, Command.WARNING, str(error)))
            return
        self._shown[message.control] = message.value


def _device(name: str) -> str:
    """Returns the port of an interface. Raises CommandError for a name that is not vtctap's."""
    from vtctap.sniffer.ports import serial_ports

    short = name.removeprefix(PREFIX)
    if short == name:
        raise CommandError(f"there is no interface {name}: vtctap's interfaces begin with {PREFIX}")
    devices = {port.device.rpartition("/")[2]: port.device for port in serial_ports()}
    return devices.get(short, f"/dev/{short}")


def _create(target: str | IO[bytes], taps: "Sequence[Interface]") -> "TraceWriter":
    from vtctap.command_line.outputs import APPLICATION
    from vtctap.pcap.trace import create_trace

    return create_trace(target, application=APPLICATION, taps=taps)


if __name__ == "__main__":
    sys.exit(main())
