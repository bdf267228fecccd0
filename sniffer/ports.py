"""Lists the serial ports of this machine: device, USB identity, stable name, and the adapter's latency."""

import os
from typing import NamedTuple

from vtctap.sniffer import adapter as adapters


class SerialPort(NamedTuple):
    """A serial port, with the keys of ``ports --json``; unknown values are None. ``usb`` is vendor:product in
    hexadecimal."""

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
    """Returns the serial ports of this machine, sorted by name."""
    from serial.tools.list_ports import comports

    stable = _stable_names()
    ports = []
    for port in sorted(comports(), key=lambda port: str(port.device)):
        known = adapters.find_adapter(port.device)
        ports.append(
            SerialPort(
                device=port.device,
                usb=f"{port.vid:04x}:{port.pid:04x}" if port.vid is not None else None,
                by_id=stable.get(port.device),
                driver=known.driver or None,
                latency_timer_ms=known.time_ns // 1_000_000 if known.source == "timer" else None,
                latency_ms=known.time_ns / 1e6 if known.source and not known.characters else None,
                latency_characters=known.characters or None,
                latency_source=known.source or None,
                description=port.description if port.description != "n/a" else None,
            )
        )
    return ports


def _stable_names() -> dict[str, str]:
    """Maps devices to their names in /dev/serial/by-id, which do not depend on the order of plugging in."""
    folder = "/dev/serial/by-id"
    links = [os.path.join(folder, name) for name in sorted(os.listdir(folder))] if os.path.isdir(folder) else []
    return {os.path.realpath(link): link for link in links}
