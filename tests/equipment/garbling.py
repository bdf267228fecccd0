"""Pseudo-terminals that garble: who is set to another speed than the simulated line hears nonsense.

A pseudo-terminal takes any settings and ignores them. :class:`GarblingTaps` reads what each tap has set on its terminal
and delivers what a real receiver, set so, would make of the line (:mod:`equipment.receiver`): framing
errors and breaks too, as the driver marks them (termios PARMRK). :class:`GarblingMeterPort` does the same for a client
program that talks to the meter, and for two taps.

Limits: a pseudo-terminal keeps to eight bits and no parity, whatever is asked of it, so only the speed can be wrong.
Settings are looked at once a millisecond while an octet is being received. The terminal would double each FFh
where marks are wanted, and so spoil marks that come from outside: PARMRK is taken out of the terminal's settings again
as soon as it is seen there, and a tap that looks will not find it.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Final

from equipment import PATIENCE
from equipment.meter_port import MeterPort
from equipment.patient import PatientTaps, unread
from equipment.receiver import Received, Receiver, Waveform
from vtctap.pcap.record import Flag, Line
from vtctap.sniffer.simulated.meter import MeterMachine
from vtctap.sniffer.simulated.ptys import SEVEN_EVEN, Pty
from vtctap.sniffer.simulated.wire import Side, VirtualWire, WireOctet

_STEP: Final = 1_000_000
"""ns between two looks at the settings."""
_SPEEDS: Final = (300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
_UNKNOWN: Final = 9600
"""bit/s, for a terminal that nobody has set."""


class _Tap:
    """A pseudo-terminal with a line before it and a receiver between them."""

    def __init__(self, pty: Pty, line: Line) -> None:
        self._pty = pty
        self._marks = False
        self._checks = False
        self.delivered = 0
        """How many octets its reader was given."""
        self.waveform = Waveform(line)
        self.receiver = Receiver(self.waveform, _UNKNOWN, Line(8, "N", 1))

    def run(self, until: int) -> None:
        """Goes on to the time ``until`` (ns), with the settings that the terminal has now."""
        self.look()
        octets = self.receiver.run(until)
        if octets:
            self._pty.write(b"".join(map(self._delivered, octets)))
            self.delivered += len(octets)

    def look(self) -> None:
        """Sets the receiver as the terminal is set."""
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
        """An octet as a driver gives it to whoever reads."""
        if self._marks:
            value = bytes((octet.value,))
            return b"\xff\x00" + value if octet.flags else value * (1 + (octet.value == 0xFF))
        return bytes((0 if octet.flags & Flag.BREAK or (octet.flags and self._checks) else octet.value,))


class GarblingTaps(PatientTaps):
    """The simulated line of ``line``, for a capture whose settings count. See :class:`PatientTaps`."""

    def __init__(self, line: Line, *, merged: bool = False) -> None:
        super().__init__(merged=merged)
        self._line = line

    def steps(self, octets: Iterable[WireOctet]) -> Iterator[dict[Side, int]]:
        """Plays in virtual time, a millisecond between two looks at the settings, for a test that reads in between: how
        many octets each side's terminal was given so far."""
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
        """Lets real time pass up to the virtual time ``until``; False: no more is wanted."""
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
    """The terminal of a client program: octets of seven bits, NUL for what is no octet."""

    def _delivered(self, octet: Received) -> bytes:
        return bytes((0 if octet.flags else octet.value & 0x7F,))


class GarblingMeterPort(MeterPort):
    """A simulated meter for a client program and two taps whose settings count, on a line of 7E1, as
    :class:`MeterPort` with ``taps``. What the client sends at another speed than the meter's the meter takes for
    damaged; the speed that counts is the one that is set when the octets are taken from the terminal."""

    def __init__(self, meter: MeterMachine, *, speed: int) -> None:
        super().__init__(meter, speed=speed, taps=SEVEN_EVEN)

    def _wired(self, meter: MeterMachine, speed: int) -> VirtualWire:
        client, client_tap, server_tap = self._ptys
        self._client = _Client(client, SEVEN_EVEN)
        self._tapped = {"client": _Tap(client_tap, SEVEN_EVEN), "server": _Tap(server_tap, SEVEN_EVEN)}
        return VirtualWire({"server": meter}, speed=speed, line=SEVEN_EVEN, now=self._now(), plan=self._plan)

    def _stand_still(self) -> None:
        """Until the taps have read all, as :class:`PatientTaps` does."""
        began = time.monotonic_ns()
        while any(unread(pty.terminal) for pty in self._ptys[1:]) and time.monotonic_ns() < began + PATIENCE * 10**9:
            time.sleep(0.001)
        self._stood_still += time.monotonic_ns() - began

    def _plan(self, octet: WireOctet) -> None:
        self._tapped[octet.side].waveform.feed(octet)
        if octet.side == "server":
            self._client.waveform.feed(octet)

    def _pass_on(self, octet: WireOctet) -> None:
        """The receivers do that."""

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
