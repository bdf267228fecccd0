"""A device on a real port: it sends what a machine sends, at its time, and tells the machine what comes in.

What opens ports for a tap can only read (:mod:`~vtctap.sniffer.opening`); this writes, for commands that play one side
of a link. The machine stands on a :class:`~vtctap.sniffer.simulated.wire.VirtualWire` that follows the real clock, so
it behaves as in virtual time, disturbances included. The port is set to eight bits without parity: the octets that go
out carry a parity bit in bit 7 where the line has one. So wrong parity can be sent, too.

The clock stands still while the system does not run the program: what the machine says then has not been sent, and the
partner may have answered, so no time runs out.

Limits: octets leave when the system sends them, a millisecond or two after they are due. The parity of octets that
come in is not checked. The system raises the port's lines DTR and RTS, as for any program that talks.
"""

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import serial
from serial import rfc2217

from vtctap.base.closing import Closing
from vtctap.pcap.record import EIGHT_BITS, SECOND_NS, Line
from vtctap.sniffer.adapter import is_url
from vtctap.sniffer.port import PSEUDO_TERMINALS, PortError
from vtctap.sniffer.pyserial_api import FAILURES, failed, opening, read_arrived
from vtctap.sniffer.simulated.machine import Machine
from vtctap.sniffer.simulated.ptys import Pty
from vtctap.sniffer.simulated.wire import OTHER, Disturbance, Side, VirtualWire, WireOctet, undisturbed

_TURN: Final = 0.002
"""Seconds between two looks at the port."""
_LONGEST_NS: Final = 50_000_000
"""Longest time between two looks that is the line's; the rest is time in which the program did not run."""
_WRITE_PATIENCE: Final = 10.0
"""Seconds in which a port must take what is written."""


class _End(Protocol):
    """One end of a line."""

    def read(self) -> bytes: ...
    def write(self, octets: bytes) -> object: ...
    def retune(self, speed: int) -> None: ...
    def close(self) -> None: ...


class _SerialEnd:
    """A device, or a pyserial URL. Raises PortError where it cannot be opened, or another program holds it."""

    def __init__(self, name: str, speed: int) -> None:
        with opening(name):
            self._serial = serial.serial_for_url(name, baudrate=speed, timeout=0, do_not_open=True)
        if not isinstance(self._serial, rfc2217.Serial):  # It knows no other patience than its own.
            self._serial.write_timeout = _WRITE_PATIENCE
        if not is_url(name):
            _check_free(name)
            self._serial.exclusive = True
        with opening(name):
            self._serial.open()

    def read(self) -> bytes:
        return read_arrived(self._serial, 4096)

    def write(self, octets: bytes) -> None:
        self._serial.write(octets)

    def retune(self, speed: int) -> None:
        """Sets the speed when all octets have been sent."""
        self._serial.flush()
        self._serial.baudrate = speed

    def close(self) -> None:
        with contextlib.suppress(*FAILURES):
            self._serial.close()


class _OwnEnd(Pty):
    """A pseudo-terminal of this program's own, for another to open."""

    def retune(self, speed: int) -> None:
        """Does nothing: a pseudo-terminal has no speed."""


def _check_free(name: str) -> None:
    """Raises PortError if a capture, or any program with exclusive use, holds a port; does not open it then."""
    try:
        from vtctap.sniffer.posix_port import check_free
    except ImportError:  # Not POSIX: opening the port fails by itself.
        return
    check_free(name)


def is_line(name: str | None) -> bool:
    """Returns whether a port has a line, on which octets take their time and may carry a parity bit in bit 7. A
    pseudo-terminal or a URL has none: programs there get octets at once, and expect them without the bit."""
    if name is None or is_url(name):
        return False
    with contextlib.suppress(OSError):
        return os.major(os.stat(name).st_rdev) not in PSEUDO_TERMINALS
    return True


class _Clock:
    """A clock, ns, that leaves out the time in which the program did not run."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._left_out = 0
        self._latest = clock()

    def now(self) -> int:
        """Returns the time; call it at each look."""
        now = self._clock() - self._left_out
        late = max(now - self._latest - _LONGEST_NS, 0)
        self._left_out += late
        self._latest = now - late
        return self._latest


class Speaker(Closing):
    """A port on which a machine speaks: a device or a pyserial URL, or (without a name) a pseudo-terminal of its own;
    ``speed`` (bit/s) is the first. A context manager. Raises PortError."""

    def __init__(self, name: str | None, speed: int) -> None:
        self._speed = speed
        self._has_line = is_line(name)
        self._planned: deque[WireOctet] = deque()
        self._mask = 0xFF
        self._end: _End
        if name is None:
            try:
                own = self._end = _OwnEnd()
            except OSError as error:
                raise PortError(str(error)) from None
            self.name = own.name
        else:
            self._end = _SerialEnd(name, speed)
            self.name = name

    def run(
        self,
        machine: Machine,
        side: Side = "client",
        *,
        line: Line = EIGHT_BITS,
        mask: int = 0xFF,
        disturbance: Disturbance = undisturbed,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Speaks as ``side`` until the machine has played its part. Octets go out with the parity of ``line``; ``mask``
        is what counts of those that come in, except in mode E. Raises PortError where the port is lost."""
        self._mask = mask
        line_clock = _Clock(clock)

        def retune(speed: int, binary: bool) -> None:
            self._write_until(None)
            self._end.retune(speed)
            self._speed = speed
            self._mask = 0xFF if binary else mask

        wire = VirtualWire(
            {side: machine},
            speed=self._speed,
            line=line,
            now=line_clock.now(),
            disturbance=disturbance,
            plan=lambda octet: self._planned.append(octet) if octet.side == side else None,
            retune=retune,
        )
        while not (wire.finished and not self._planned):
            try:
                self._step(wire, OTHER[side], line, line_clock.now())
            except FAILURES as error:
                raise failed(self.name, error) from None
            time.sleep(_TURN)

    def _step(self, wire: VirtualWire, partner: Side, line: Line, now: int) -> None:
        if octets := self._end.read():
            # The first of them ended by now, so it began a character ago.
            began = now - line.character_bits * SECOND_NS // self._speed
            wire.feed(partner, bytes(octet & self._mask for octet in octets), began)
        for _ in wire.advance(now):
            pass
        self._write_until(now)

    def _write_until(self, now: int | None) -> None:
        """Writes the octets that a line begins to send by ``now`` (ns), or that have ended where there is none; or
        all."""
        octets = bytearray()
        while self._planned:
            first = self._planned[0]
            if now is not None and (first.start if self._has_line else first.end) > now:
                break
            octets.append(self._planned.popleft().octet)
        if octets:
            self._end.write(bytes(octets))

    def close(self) -> None:
        """Gives the port back."""
        self._end.close()
