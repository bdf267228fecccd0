"""The answers of the extcap program to Wireshark's queries, as sentences in the grammar of extcap(4).

A query imports only what it needs, because Wireshark runs one per interface at every start.
"""

import argparse
from collections.abc import Iterator
from typing import Final

from vtctap import __version__

PREFIX: Final = "vtctap-"
DEMO: Final = "vtctap-demo"

SPEED, LINE, MARK, LOG = range(4)
"""The numbers of the toolbar's controls."""
SPEEDS: Final = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
_SPEED_PATTERN: Final = "^(follow|auto|[1-9][0-9]*)$"
_LINE_PATTERN: Final = "^([78][NEOMS][12])?$"


def interfaces() -> Iterator[str]:
    """Yields the interfaces and the controls of the toolbar."""
    from vtctap.dissector.wireshark.configuration import TOOLBAR
    from vtctap.sniffer.ports import serial_ports

    yield sentence("extcap", version=__version__, display=TOOLBAR)
    yield sentence("interface", value=DEMO, display="Meter link (simulated)")
    for port in serial_ports():
        about = port.description or port.usb
        yield sentence(
            "interface",
            value=PREFIX + port.device.rpartition("/")[2],
            display=f"Meter link on {port.device}" + (f" ({about})" if about else ""),
        )
    yield sentence(
        "control", number=SPEED, type="selector", display="Speed", tooltip="Sets the ports to another speed (bit/s)"
    )
    for number in SPEEDS:
        yield sentence("value", control=SPEED, value=number, display=number)
    yield sentence(
        "control",
        number=LINE,
        type="string",
        display="Line",
        tooltip="Sets the ports to another character format: 7E1, 8N1",
        validation=_LINE_PATTERN,
    )
    yield sentence("control", number=MARK, type="string", display="Mark", tooltip="Writes a note into the trace")
    yield sentence(
        "control", number=LOG, type="button", role="logger", display="Log", tooltip="Shows events of the ports"
    )


def config(arguments: argparse.Namespace) -> Iterator[str]:
    """Yields the options of an interface; or, for ``--extcap-reload-option``, the values of that option."""
    from vtctap.dissector.profiles.names import shipped

    if arguments.extcap_reload_option:
        if arguments.extcap_reload_option.lstrip("-") == "server":
            yield from _ports(arguments.extcap_interface)
        return
    demo = arguments.extcap_interface == DEMO
    yield sentence(
        "arg",
        number=0,
        call="--speed",
        display="Speed",
        type="string",
        default="follow",
        validation=_SPEED_PATTERN,
        tooltip="bit/s; or follow: begin with the profile's speed, follow changes; or auto: detect the speed",
    )
    yield sentence(
        "arg",
        number=1,
        call="--line",
        display="Line",
        type="string",
        placeholder="the profile's",
        validation=_LINE_PATTERN,
        tooltip="Character format: data bits, parity, stop bits, such as 7E1 or 8N1",
    )
    yield sentence("arg", number=2, call="--profile", display="Profile", type="selector", tooltip="Protocol profile")
    for number, name in enumerate(shipped()):
        yield sentence("value", arg=2, value=name, display=name, default="false" if number else "true")
    if demo:
        yield sentence("arg", number=3, call="--faults", display="Faults", type="boolflag", tooltip="Simulates faults")
        return
    yield sentence(
        "arg",
        number=3,
        call="--server",
        display="Server's wire",
        type="selector",
        reload="true",
        placeholder="Look again",
        tooltip="A second tap, on the server's wire; this interface is then the tap on the client's wire",
    )
    yield from _ports(arguments.extcap_interface)


def _ports(interface: str) -> Iterator[str]:
    """Yields the values of ``--server``: none, and every port except the interface's own."""
    from vtctap.sniffer.ports import serial_ports

    yield sentence("value", arg=3, value="", display="none: one tap receives both", default="true")
    for port in serial_ports():
        if PREFIX + port.device.rpartition("/")[2] != interface:
            yield sentence("value", arg=3, value=port.device, display=port.device, default="false")


def sentence(word: str, **values: object) -> str:
    """Returns a sentence for Wireshark, without characters that would end a value early."""

    def plain(value: object) -> str:
        return "".join(character for character in str(value) if character.isprintable() and character not in "{}")

    return f"{word} " + "".join(f"{{{key}={plain(value)}}}" for key, value in values.items())
