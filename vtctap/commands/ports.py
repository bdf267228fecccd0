"""Lists the serial ports: device, USB identity, how long the adapter may keep an octet, and the port's stable name.

A latency with a question mark is assumed: the adapter's maker states none. 'capture --latency MS' states a better one.
"""

import argparse
import os
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("--json", action="store_true", help="one object a port")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command."""
    from serial.tools.list_ports import comports

    from vtctap.sniffer.adapter import adapter

    stable = _stable_names()
    ports = []
    for port in sorted(comports(), key=lambda port: str(port.device)):
        known = adapter(port.device)
        ports.append(
            {
                "device": port.device,
                "usb": f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None else None,
                "by_id": stable.get(port.device),
                "driver": known.driver or None,
                "latency_timer_ms": known.time // 1_000_000 if known.source == "timer" else None,
                "latency_ms": known.time / 1e6 if known.source and not known.characters else None,
                "latency_characters": known.characters or None,
                "latency_source": known.source or None,
                "description": port.description if port.description != "n/a" else None,
            }
        )
    for entry in ports:
        if arguments.json:
            import json

            print(json.dumps({key: value for key, value in entry.items() if value is not None}))
        else:
            unit, number = "ms", entry["latency_ms"]
            if entry["latency_characters"]:
                unit, number = "chars", entry["latency_characters"]
            doubt = "?" if entry["latency_source"] == "assumed" else ""
            words = [
                f"{entry['device']:16}",
                f"{entry['usb'] or '-':9}",
                f"{f'{number:g} {unit}{doubt}' if number is not None else '-':9}",
                entry["by_id"] or entry["description"] or "",
            ]
            print("  ".join(str(word) for word in words).rstrip())
    if not ports:
        print("vtctap: no serial port found; is the adapter plugged in?", file=sys.stderr)
    return 0


def _stable_names() -> dict[str, str]:
    """Device -> its name in /dev/serial/by-id, which does not change when adapters are plugged in another order."""
    folder = "/dev/serial/by-id"
    links = [os.path.join(folder, name) for name in sorted(os.listdir(folder))] if os.path.isdir(folder) else []
    return {os.path.realpath(link): link for link in links}
