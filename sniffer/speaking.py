"""Plays a device on a real port: sends what a machine sends, when it is due, and feeds the machine what arrives.

A tap can only read its ports (:mod:`~vtctap.sniffer.opening`); this module writes, to play one side of a link. The port
has eight data bits and no parity, and the octets of a :class:`~vtctap.sniffer.simulated.machine.Send` include the
parity bit, if any. Octets with wrong parity can therefore be sent again as they were.

Limits: the system sends octets a millisecond or two after they are due, and the end of a message is computed. The
system raises DTR and RTS, as for any program that sends.
"""

import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import serial

from vtctap.pcap.record import Line
from vtctap.sniffer.port import PortError
from vtctap.sniffer.simulated.machine import Action, ChangeSpeed, Done, Machine, Send

_EIGHT_BITS: Final = Line(8, "N", 1)
_BITS: Final = _EIGHT_BITS.character_bits
_TURN_S: Final = 0.002
"""Time between two looks at the port."""
_WRITE_PATIENCE_S: Final = 10.0
"""Longest time that a write may take."""


class Speaker:
    """A port, a device or a pyserial URL, on which a machine sends and receives, at first at ``speed`` bit/s.

    It is a context manager. Raises PortError.
    """

    def __init__(self, name: str, speed: int) -> None:
        self._name = name
        self._speed = speed
        self._due: tuple[int, bytes] | None = None
        self._gone: int | None = None
        self._changes: list[int] = []
        self._done = False
        try:
            self._serial = serial.serial_for_url(
                name, baudrate=speed, timeout=0, write_timeout=_WRITE_PATIENCE_S, do_not_open=True
            )
            if "://" not in name:
                self._serial.exclusive = True
            self._serial.open()
        except (serial.SerialException, ValueError, OSError) as error:
            raise PortError(f"{name}: {error}") from None

    def run(self, machine: Machine, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """Runs the machine until it is done. Raises PortError if the port is lost."""
        while not (self._done and self._due is None and self._gone is None):
            try:
                self._step(machine, clock)
            except (serial.SerialException, OSError) as error:
                raise PortError(f"{self._name}: {error}") from None
            time.sleep(_TURN_S)

    def _step(self, machine: Machine, clock: Callable[[], int]) -> None:
        for octet in self._serial.read(4096):
            self._act(machine.feed(octet, clock()), clock())
        now = clock()
        if self._due is not None and self._due[0] <= now:
            octets = self._due[1]
            self._due = None
            self._serial.write(octets)
            self._gone = now + len(octets) * _BITS * 1_000_000_000 // self._speed
        if self._gone is not None and self._gone <= now:
            ended, self._gone = self._gone, None
            self._act(machine.sent(ended), now)
        if self._due is None and self._gone is None:
            self._change()
            wake = machine.wake_at()
            if wake is not None and wake <= now:
                self._act(machine.timeout(now), now)

    def _act(self, actions: list[Action], now: int) -> None:
        for action in actions:
            match action:
                case Send(octets, delay_ns):
                    self._due = (now + delay_ns, octets)
                case ChangeSpeed(speed):
                    self._changes.append(speed)
                case Done():
                    self._done = True
        if self._gone is None:
            self._change()

    def _change(self) -> None:
        """Sets the speed that the machine requested. Call it while nothing is being sent."""
        for speed in self._changes:
            self._speed = self._serial.baudrate = speed
        self._changes.clear()

    def close(self) -> None:
        """Closes the port."""
        with contextlib.suppress(serial.SerialException, OSError):
            self._serial.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
