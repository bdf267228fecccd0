"""Lists the serial ports: device, USB identity, latency of the adapter, and the port's stable name.

A question mark marks an assumed latency: the adapter's maker states none. 'capture --latency MS' overrides it.
"""

import argparse
import sys

from vtctap.errors import DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print one JSON object per port")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from vtctap.sniffer.ports import serial_ports

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
    return DONE
