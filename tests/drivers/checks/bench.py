"""The bench: a machine with its adapters; and a row of the table that says what was seen on it."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from adapters import Pulse, Uart, UsbAdapter
from machine import Machine


class Row(NamedTuple):
    """A line of the table. ``expected`` None: what is seen is the kernel's, and noted."""

    driver: str
    check: str
    expected: str | None
    seen: str

    @property
    def good(self) -> bool:
        """Whether it is as it should be."""
        return self.expected in (None, self.seen)


DRIVERS: Final = {
    "FT232B": "ftdi_sio",
    "CP2102": "cp210x",
    "Counterfeit": "cp210x (counterfeit)",
    "CH340": "ch341",
    "CdcAcm": "cdc_acm",
}
"""Kinds of chips, and how the table names their drivers."""


class Bench:
    """A machine and its adapters. ``spare`` are UARTs that nobody has opened."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        uarts = {name: Uart(machine, name) for name in machine.lines}
        self.uart = uarts.pop("ttyS1")
        self.spare = uarts
        self._chips: dict[tuple[str, int], UsbAdapter] = {}

    def chip(self, kind: str, number: int = 1) -> UsbAdapter:
        """The first or second chip of a kind; it is plugged in when it is wanted first."""
        if (kind, number) not in self._chips:
            self._chips[kind, number] = UsbAdapter(self.machine, kind, DRIVERS[kind], len(self._chips))
        return self._chips[kind, number]

    @property
    def chips(self) -> list[UsbAdapter]:
        """One chip of each kind."""
        return [self.chip(kind) for kind in DRIVERS]

    @property
    def all(self) -> list[Uart | UsbAdapter]:
        """One adapter of each driver."""
        return [self.uart, *self.chips]


def compared(heard: bytes, played: bytes) -> str:
    """What a row says of octets that should be those that were played. The eighth bit does not count: it is parity."""
    heard, played = (bytes(octet & 0x7F for octet in octets) for octets in (heard, played))
    if heard == played:
        return as_played(played)
    at = next((at for at, pair in enumerate(zip(heard, played, strict=False)) if len(set(pair)) > 1), "the end")
    return f"{len(heard)}, not as played from {at} on"


def as_played(played: bytes) -> str:
    """What a row expects of octets."""
    return f"{len(played)}, as played"


def counted(pulses: Sequence[Pulse]) -> str:
    """How many pulses, in words."""
    return f"{len(pulses)} pulse" + ("s" if len(pulses) != 1 else "")
