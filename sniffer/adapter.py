"""What the system knows of the USB adapter behind a port. Linux only: elsewhere nothing is known.

A module of its own, so that listing the ports does not import what opening them needs.
"""

import os.path


def latency_timer(name: str) -> int | None:
    """The latency timer of a USB adapter, ns; None where the system names none."""
    device = os.path.basename(os.path.realpath(name))
    try:
        with open(f"/sys/bus/usb-serial/devices/{device}/latency_timer", encoding="ascii") as file:
            return int(file.read()) * 1_000_000
    except (OSError, ValueError):
        return None
