"""Pseudo-terminals that garble: a program that sets another speed than the simulated line's receives nonsense.

A pseudo-terminal accepts any settings and ignores them. :class:`GarblingTaps` reads the settings that each tap has made
on its terminal, and delivers what a real receiver with these settings (:mod:`equipment.receiver`) would receive. That
includes framing errors and breaks, as the driver marks them (termios PARMRK). :class:`GarblingMeterPort` does the same
for a client program that talks to the meter, and for two taps.

Limits: a pseudo-terminal always has eight bits and no parity, so only the speed can be wrong. The settings are read
once a millisecond while an octet is being received. With PARMRK, the terminal itself would double each FFh, and so
damage the marks that come from outside. Therefore PARMRK is removed from the terminal's settings as soon as it is seen,
and a tap that reads its settings will not find it.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Final

from equipment import PATIENCE
from equipment.meter_port import MeterPort
from equipment.patient import PatientTaps
from equipment.receiver import Received, Receiver, Waveform
from vtctap.pcap.record import SEVEN_EVEN, Flag, Line
from vtctap.sniffer.simulated.meter import MeterMachine
from vtctap.sniffer.simulated.ptys import Pty, unread
from vtctap.sniffer.simulated.wire import Side, VirtualWire, WireOctet

_STEP: Final = 1_000_000
"""Time between two reads of the settings, ns."""
_SPEEDS: Final = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
_UNKNOWN: Final = 9600
"""The speed of a terminal that no program has set, bit/s."""


class _Tap:
    """A pseudo-terminal with a line and a receiver before it."""

    def __init__(self, pty: Pty, line: Line) -> None:
        self._pty = pty
        self._marks = False
        self._checks = False
        self.delivered = 0
        """Number of octets that its reader was given."""
        self.waveform = Waveform(line)
        self.receiver = Receiver(self.waveform, _UNKNOWN, Line(8, "N", 1))

    def run(self, until: int) -> None:
        """Continues to the time ``until`` (ns) with the terminal's present settings."""
        self.look()
        octets = self.receiver.run(until)
        if octets:
            self._pty.write(b"".join(map(self._delivered, octets)))
            self.delivered += len(octets)

    def look(self) -> None:
        """Sets the receiver to the terminal's settings."""
        import termios

        attributes = termios.tcgetattr(self._pty.terminal)
        iflag, speed = attributes[0], attributes[5]
        self.receiver.speed = next((known for known in _SPEEDS if getattr(termios, f"B{known}") == speed), _UNKNOWN)
        self._checks = bool(iflag & termios.INPCK)
        if iflag & termios.PARMRK:
            self._marks = True
            attributes[0] = iflag & ~termios.PARMRK
            termios.tcsetattr(self._pty.terminal, termios.TCSANOW, attributes)

    def _delivered(self, octet: Received) -> bytes:
        """Returns an octet as a driver delivers it."""
        if self._marks:
            value = bytes((octet.value,))
            return b"\xff\x00" + value if octet.flags else value * (1 + (octet.value == 0xFF))
        return bytes((0 if octet.flags & Flag.BREAK or (octet.flags and self._checks) else octet.value,))


class GarblingTaps(PatientTaps):
    """The simulated line ``line`` for a capture whose settings matter. See :class:`PatientTaps`."""

    def __init__(self, line: Line, *, merged: bool = False) -> None:
        super().__init__(merged=merged)
        self._line = line

    def steps(self, octets: Iterable[WireOctet]) -> Iterator[dict[Side, int]]:
        """Plays in virtual time, with one step for each read of the settings. Yields how many octets each side's
        terminal was given so far, so that a test can read in between."""
        taps = {side: _Tap(pty, self._line) for side, pty in self._ptys.items()}
        now = 0
        for octet in octets:
            now = now or octet.start
            while now + _STEP < octet.start:
                now += _STEP
                yield _run(taps, now)
            taps[octet.side].waveform.feed(octet)
        while any(tap.receiver.busy for tap in taps.values()):
            now += _STEP
            yield _run(taps, now)

    def _play(self, octets: Iterable[WireOctet], shift: int) -> None:
        made = {pty: _Tap(pty, self._line) for pty in self._ptys.values()}
        taps = {side: made[pty] for side, pty in self._ptys.items()}
        end = 0
        for octet in octets:
            if not self._go_on(taps.values(), octet.start, shift):
                return
            taps[octet.side].waveform.feed(octet)
            end = octet.end
        self._go_on(taps.values(), end, shift)
        while any(tap.receiver.busy for tap in taps.values()):
            end += _STEP
            if not self._go_on(taps.values(), end, shift):
                return

    def _go_on(self, taps: Iterable[_Tap], until: int, shift: int) -> bool:
        """Lets real time pass until the virtual time ``until``. Returns False when playing is to stop."""
        while True:
            self.wait_for_readers()
            now = min(time.monotonic_ns() - shift - self.stood_still, until)
            for tap in taps:
                tap.run(now)
            if now == until:
                return not self._stop.is_set()
            wait = until - now
            if any(tap.receiver.busy for tap in taps):
                wait = min(wait, _STEP)
            if self._stop.wait(wait / 1e9):
                return False


def _run(taps: dict[Side, _Tap], until: int) -> dict[Side, int]:
    for tap in taps.values():
        tap.run(until)
    return {side: tap.delivered for side, tap in taps.items()}


class _Client(_Tap):
    """The terminal of a client program. Octets have seven bits; a garbled character becomes NUL."""

    def _delivered(self, octet: Received) -> bytes:
        return bytes((0 if octet.flags else octet.value & 0x7F,))


class GarblingMeterPort(MeterPort):
    """A simulated meter for a client program and two taps whose settings matter, on a 7E1 line, like :class:`MeterPort`
    with ``taps``. The meter takes octets that the client sends at another speed for damaged. The client's speed is the
    one that is set when the octets are taken from the terminal."""

    def __init__(self, meter: MeterMachine, *, speed: int) -> None:
        super().__init__(meter, speed=speed, taps=SEVEN_EVEN)

    def _wired(self, meter: MeterMachine, speed: int) -> VirtualWire:
        client, client_tap, server_tap = self._ptys
        self._client = _Client(client, SEVEN_EVEN)
        self._tapped = {"client": _Tap(client_tap, SEVEN_EVEN), "server": _Tap(server_tap, SEVEN_EVEN)}
        return VirtualWire({"server": meter}, speed=speed, line=SEVEN_EVEN, now=self._now(), plan=self._plan)

    def _stand_still(self) -> None:
        """Waits until the taps have read everything, as :class:`PatientTaps` does."""
        began = time.monotonic_ns()
        while any(unread(pty.terminal) for pty in self._ptys[1:]) and time.monotonic_ns() < began + PATIENCE * 10**9:
            time.sleep(0.001)
        self._stood_still += time.monotonic_ns() - began

    def _plan(self, octet: WireOctet) -> None:
        self._tapped[octet.side].waveform.feed(octet)
        if octet.side == "server":
            self._client.waveform.feed(octet)

    def _pass_on(self, octet: WireOctet) -> None:
        """Does nothing, because the receivers pass octets on."""

    def _due(self, now: int) -> int | None:
        due = super()._due(now)
        receivers = [self._client, *self._tapped.values()]
        for receiver in receivers:
            receiver.run(now)
        if any(receiver.receiver.busy for receiver in receivers):
            return now + _STEP if due is None else min(due, now + _STEP)
        return due

    def _hear(self, octets: bytes) -> None:
        self._client.look()
        self._wire.feed("client", octets, self._now(), self._client.receiver.speed)
