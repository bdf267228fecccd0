"""The bench, which is a machine with its adapters, and the rows of the table."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from adapters import Pulse, Uart, UsbAdapter
from machine import Machine


class Row(NamedTuple):
    """A row of the table. ``expected`` None: what is seen is the kernel's behaviour, and only noted."""

    driver: str
    check: str
    expected: str | None
    seen: str

    @property
    def good(self) -> bool:
        """Whether what is seen is as expected, or only noted."""
        return self.expected in (None, self.seen)


DRIVERS: Final = {
    "FT232B": "ftdi_sio",
    "CP2102": "cp210x",
    "Counterfeit": "cp210x (counterfeit)",
    "CH340": "ch341",
    "CdcAcm": "cdc_acm",
}
"""The kinds of chips, and the names of their drivers in the table."""


class Bench:
    """A machine and its adapters. ``spare`` are UARTs that no program has opened yet."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        uarts = {name: Uart(machine, name) for name in machine.lines}
        self.uart = uarts.pop("ttyS1")
        self.spare = uarts
        self._chips: dict[tuple[str, int], UsbAdapter] = {}

    def chip(self, kind: str, number: int = 1) -> UsbAdapter:
        """Returns the first or second chip of a kind, which the first call plugs in."""
        if (kind, number) not in self._chips:
            self._chips[kind, number] = UsbAdapter(self.machine, kind, DRIVERS[kind], len(self._chips))
        return self._chips[kind, number]

    @property
    def chips(self) -> list[UsbAdapter]:
        """Returns one chip of each kind."""
        return [self.chip(kind) for kind in DRIVERS]

    @property
    def all(self) -> list[Uart | UsbAdapter]:
        """Returns the UART and one chip of each kind."""
        return [self.uart, *self.chips]


def compared(heard: bytes, played: bytes) -> str:
    """Returns what a row says of octets: as played, or where they differ. The eighth bit is parity, and is ignored."""
    heard, played = (bytes(octet & 0x7F for octet in octets) for octets in (heard, played))
    if heard == played:
        return as_played(played)
    at = next((at for at, pair in enumerate(zip(heard, played, strict=False)) if len(set(pair)) > 1), "the end")
    return f"{len(heard)}, not as played from {at} on"


def as_played(played: bytes) -> str:
    """Returns what a row says of octets that are as played."""
    return f"{len(played)}, as played"


def counted(pulses: Sequence[Pulse]) -> str:
    """Returns the number of pulses in words."""
    return f"{len(pulses)} pulse" + ("s" if len(pulses) != 1 else "")
