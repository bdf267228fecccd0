"""Lists the serial ports: device, USB identity, how long the adapter may keep an octet, and the port's stable name.

A latency with a question mark is assumed: the adapter's maker states none. 'capture --latency MS' states a better one.
"""

import argparse
import os
import sys
from typing import NamedTuple


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--json", action="store_true", help="one object a port")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    ports = serial_ports()
    if ports and not arguments.json:
        print(f"{'DEVICE':16}  {'USB':9}  {'LATENCY':9}  NAME")
    for port in ports:
        if arguments.json:
            import json

            print(json.dumps({key: value for key, value in port._asdict().items() if value is not None}))
        else:
            unit, number = ("chars", port.latency_characters) if port.latency_characters else ("ms", port.latency_ms)
            doubt = "?" if port.latency_source == "assumed" else ""
            words = [
                f"{port.device:16}",
                f"{port.usb or '-':9}",
                f"{f'{number:g} {unit}{doubt}' if number is not None else '-':9}",
                port.by_id or port.description or "",
            ]
            print("  ".join(words).rstrip())
    if not ports:
        print("vtctap: no serial port found; is the adapter plugged in?", file=sys.stderr)
    return 0


class SerialPort(NamedTuple):
    """A port of this machine, by the names of ``ports --json``; what is not known of it is None. ``usb`` is
    vendor:product, in hexadecimal."""

    device: str
    usb: str | None = None
    by_id: str | None = None
    driver: str | None = None
    latency_timer_ms: int | None = None
    latency_ms: float | None = None
    latency_characters: int | None = None
    latency_source: str | None = None
    description: str | None = None


def serial_ports() -> list[SerialPort]:
    """The serial ports of this machine, by name."""
    from serial.tools.list_ports import comports

    from vtctap.sniffer.adapter import adapter

    stable = _stable_names()
    ports = []
    for port in sorted(comports(), key=lambda port: str(port.device)):
        known = adapter(port.device)
        ports.append(
            SerialPort(
                device=port.device,
                usb=f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None else None,
                by_id=stable.get(port.device),
                driver=known.driver or None,
                latency_timer_ms=known.time // 1_000_000 if known.source == "timer" else None,
                latency_ms=known.time / 1e6 if known.source and not known.characters else None,
                latency_characters=known.characters or None,
                latency_source=known.source or None,
                description=port.description if port.description != "n/a" else None,
            )
        )
    return ports


def _stable_names() -> dict[str, str]:
    """Device -> its name in /dev/serial/by-id, which does not change when adapters are plugged in another order."""
    folder = "/dev/serial/by-id"
    links = [os.path.join(folder, name) for name in sorted(os.listdir(folder))] if os.path.isdir(folder) else []
    return {os.path.realpath(link): link for link in links}
