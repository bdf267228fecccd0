"""Serial adapters as USB devices: FT232B, CP2102 (genuine or not), CH340 and one of the class CDC-ACM.

  chips FOLDER         all adapters of the machine, in one program (:mod:`agent` runs it)

Standard input, a line each:
  plug CHIP PORT SERIAL                  plugs one in, at a port of the virtual controller
  line SERIAL                            makes the line of one of the machine's UARTs, with commands play, stream and
                                         clear as below; SERIAL speed 300 answers for its speed
  SERIAL play speed=9600 mode=C          plays a simulated session, or one side of it, at the host's speed
  SERIAL give 41 42:F 00:FB ff:P 43:O    lets octets arrive, each with the errors that the chip is to report
  SERIAL stream                          lets octets arrive continuously, until "clear"
  SERIAL clear                           ends what is played, and discards what the host has not got of it
  SERIAL unplug                          unplugs it
FOLDER/SERIAL.log holds what the host does to the line, as the adapter's pins show it:
  TIME speed 9600 | TIME lines 0 | TIME sent 4142 | TIME latency 16 | TIME cleared 0 (octets left)
and, for a UART, the octets that arrive, with B for a break, and questions for its speed:
  speed? 41 42 B 43 cleared

Sources: the kernel's drivers ftdi_sio, cp210x, ch341 and cdc-acm, which must accept the chips; FTDI's note AN232B-04 on
the FT232B's packets.
"""

import os
import select
import struct
import sys
import time
from pathlib import Path
from typing import Final

from usb import Device, Endpoint, Interface, Setup
from wire import SOON, Wire, session

from vtctap.pcap.record import Flag

DTR, RTS = 1, 2
OVERRUN, PARITY, FRAMING, BREAK = 2, 4, 8, 16
"""Errors as in a 16550's line status; FTDI and Silicon Labs use the same bits."""
ERRORS: Final = {"O": OVERRUN, "P": PARITY, "F": FRAMING, "B": BREAK}
ROOM: Final = 256
"""Most octets that a chip keeps while the host does not read."""
TURN, IDLE = 0.008, 1.0
"""Seconds between two looks at the line, while it is busy and while it is idle."""

VENDOR_CLASS: Final = (0xFF, 0, 0)
BULK_BOTH: Final = (Endpoint(0x81, 2, 64), Endpoint(0x02, 2, 64))


class Adapter:
    """What is on a line: the line, and the log."""

    def __init__(self, log: Path) -> None:
        self.log = log.open("a", buffering=1)
        self.wire = Wire()

    def told(self, words: list[str]) -> None:
        """Runs a command of standard input."""
        if words[0] == "clear":
            self.clear()
        elif words[0] == "stream":
            self.wire.stream(time.monotonic_ns())
        else:
            self.wire.play(session(*words[1:]), time.monotonic_ns() + SOON)

    def clear(self) -> None:
        """Ends what is played."""
        self.wire.clear()


class Chip(Adapter, Device):
    """A USB device that is an adapter."""

    data = 1

    def __init__(self, port: int, serial: str, log: Path) -> None:
        Adapter.__init__(self, log)
        self.buffer: list[tuple[int, int]] = []
        self.speed = 9600
        Device.__init__(self, port, serial)

    def say(self, what: str, value: object) -> None:
        """Logs what the host does."""
        print(f"{time.monotonic():.6f} {what} {value}", file=self.log)

    def set_speed(self, speed: float) -> None:
        """Sets the nearest usual speed, since drivers round. What has arrived by now was received at the old speed."""
        self._collect()
        self.speed = min((300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200), key=lambda s: abs(s - speed))
        self.say("speed", self.speed)

    def sent(self, octets: bytes) -> None:
        self.say("sent", octets.hex())

    def told(self, words: list[str]) -> None:
        if words[0] != "give":
            super().told(words)
            return
        for word in words[1:]:
            value, _, errors = word.partition(":")
            self.put(int(value, 16), sum(ERRORS[error] for error in errors))

    def clear(self) -> None:
        """Ends what is played, and forgets what is left of it: a port may have been closed before it was read."""
        super().clear()
        self.say("cleared", len(self.buffer))
        self.buffer.clear()

    def put(self, value: int, errors: int) -> None:
        """Keeps a received octet, unless the port is closed."""
        if not self.listening:
            return
        self.buffer.append((value, errors))
        if len(self.buffer) > ROOM:
            del self.buffer[:-ROOM]
            self.buffer[0] = (self.buffer[0][0], self.buffer[0][1] | OVERRUN)

    def _collect(self) -> None:
        for octet in self.wire.receive(time.monotonic_ns(), self.speed):
            self.put(octet.value, (FRAMING if octet.flags else 0) | (BREAK if octet.flags & Flag.BREAK else 0))

    def due(self) -> float:
        self._collect()
        return 0 if self.buffer and self._waiting else TURN if self.wire.busy else IDLE

    def packet(self, size: int) -> bytes | None:
        """Returns the octets that have been received, without their errors."""
        part = self.buffer[:size]
        del self.buffer[:size]
        return bytes(value for value, _ in part) or None


class FT232B(Chip):
    """Sends packets of two octets of status, which report the errors of the whole packet, and up to 62 octets, when a
    packet is full or the latency timer ends. Packets of status alone, which report nothing new, are left out."""

    vendor, product, release, name = 0x0403, 0x6001, 0x0400, "FT232B"
    interfaces = (Interface(VENDOR_CLASS, BULK_BOTH),)
    _latency, _next = 16, 0.0

    def asked(self, setup: Setup, data: bytes) -> bytes:
        if setup.kind & 0x80:
            return {5: b"\x01\x60", 10: bytes((self._latency,))}.get(setup.request, bytes(setup.length))
        if setup.request == 1:
            self._set_lines(setup.value)
        elif setup.request == 3:
            eighths = (0, 4, 2, 1, 3, 5, 6, 7)[(setup.place & 1) << 2 | setup.value >> 14]
            self.set_speed(3_000_000 / ((setup.value & 0x3FFF) + eighths / 8))
        elif setup.request == 9:
            self._latency = setup.value
            self.say("latency", self._latency)
        elif setup.request == 0 and setup.value != 2:  # Reset, or purge of what was received.
            self.buffer.clear()
        return b""

    _lines = 0

    def _set_lines(self, value: int) -> None:
        self._lines = self._lines & ~(value >> 8) | value & value >> 8
        self.say("lines", self._lines)

    def put(self, value: int, errors: int) -> None:
        now, timer = time.monotonic(), self._latency / 1000
        if not self.buffer and self._next <= now:  # The timer has ended.
            self._next += ((now - self._next) // timer + 1) * timer
        super().put(value, errors)

    def packet(self, size: int) -> bytes | None:
        if not self.buffer or (time.monotonic() < self._next and len(self.buffer) < 62):
            return None
        octets = b""
        while self.buffer and len(octets) + 64 <= max(size, 64):
            part = self.buffer[:62]
            del self.buffer[:62]
            errors = 0
            for _, error in part:
                errors |= error
            octets += bytes((1, 0x60 | errors, *(value for value, _ in part)))
        self._next = time.monotonic() + self._latency / 1000
        return octets

    def due(self) -> float:
        wait = super().due()
        return wait or max(self._next - time.monotonic(), 0)


class CP2102(Chip):
    """Reports errors by events between the octets, once the driver has asked for them; a counterfeit cannot."""

    vendor, product, release, name = 0x10C4, 0xEA60, 0x0100, "CP2102"
    interfaces = (Interface(VENDOR_CLASS, BULK_BOTH),)
    genuine = True
    _events = False
    _format = b"\0\x08"
    _lines = 0

    def asked(self, setup: Setup, data: bytes) -> bytes:
        if setup.kind & 0x80:
            if setup.request == 0xFF:
                return b"\x02\x02" if self.genuine else b"\x02"
            return self._format if setup.request == 4 else bytes(setup.length)
        if setup.request == 0x1E:
            self.set_speed(int.from_bytes(data, "little"))
        elif setup.request == 7:
            mask = setup.value >> 8
            self._lines = self._lines & ~mask | setup.value & mask
            self.say("lines", self._lines)
        elif setup.request == 3:
            self._format = setup.value.to_bytes(2, "little")
        elif setup.request == 0x15:
            self._events = setup.value != 0
        return b""

    def packet(self, size: int) -> bytes | None:
        octets = b""
        while self.buffer and len(octets) + 4 <= min(size, 64):
            value, errors = self.buffer.pop(0)
            if self._events and errors:
                octets += bytes((0xEC, 1, errors, value))
            else:
                octets += b"\xec\0" if self._events and value == 0xEC else bytes((value,))
        return octets or None


class Counterfeit(CP2102):
    """A CP2102 that Silicon Labs did not make."""

    genuine = False


class CH340(Chip):
    """Reports no errors to its driver."""

    vendor, product, release, name = 0x1A86, 0x7523, 0x0264, "CH340"
    data = 2
    interfaces = (
        Interface((0xFF, 1, 2), (Endpoint(0x82, 2, 32), Endpoint(0x02, 2, 32), Endpoint(0x81, 3, 8))),
    )  # fmt: skip

    def asked(self, setup: Setup, data: bytes) -> bytes:
        if setup.kind & 0x80:
            return {0x5F: b"\x31\0", 0x95: b"\xff\xee"}.get(setup.request, bytes(setup.length))
        if setup.request == 0x9A and setup.value == 0x1312:
            divisor, fact, prescaler = 0x100 - (setup.place >> 8), setup.place >> 2 & 1, setup.place & 3
            self.set_speed(48_000_000 / ((1 << (12 - 3 * prescaler - fact)) * divisor))
        elif setup.request == 0xA4:
            low = ~setup.value
            self.say("lines", (DTR if low & 0x20 else 0) | (RTS if low & 0x40 else 0))
        return b""


class CdcAcm(Chip):
    """A device of the class for modems, as microcontrollers are."""

    vendor, product, release, name, device_class = 0x1209, 0x0001, 0x0100, "CDC-ACM", 2
    data = 2
    interfaces = (
        Interface(
            (2, 2, 1),
            (Endpoint(0x81, 3, 16),),
            bytes((5, 0x24, 0, 0x10, 1, 5, 0x24, 1, 0, 1, 4, 0x24, 2, 2, 5, 0x24, 6, 0, 1)),
        ),
        Interface((10, 0, 0), (Endpoint(0x82, 2, 64), Endpoint(0x03, 2, 64))),
    )

    def asked(self, setup: Setup, data: bytes) -> bytes:
        if setup.kind & 0x80:
            return struct.pack("<IBBB", self.speed, 0, 0, 8)
        if setup.request == 0x20:
            self.set_speed(struct.unpack("<I", data[:4])[0])
        elif setup.request == 0x22:
            self.say("lines", setup.value & 3)
        return b""


CHIPS: Final = {chip.__name__: chip for chip in (FT232B, CP2102, Counterfeit, CH340, CdcAcm)}


class UartLine(Adapter):
    """The line of one of the machine's own UARTs. The host hands the octets to QEMU, but they are played here by the
    guest's clock, which runs slower if the host is busy. Only the host knows the UART's speed, so each look at the line
    asks for it, and what has arrived by then is received when the answer comes. A program sets another speed only after
    it has got the octets before, so the answer holds for all octets since the last look."""

    _asked = 0
    """When the line was last looked at, ns."""
    _answered = True

    def told(self, words: list[str]) -> None:
        if words[0] != "speed":
            super().told(words)
            return
        self._answered = True
        arrived = self.wire.receive(self._asked, int(words[1]))
        octets = ["B" if octet.flags & Flag.BREAK else f"{octet.value:02x}" for octet in arrived]
        if octets:
            print(*octets, file=self.log)

    def clear(self) -> None:
        super().clear()
        print("cleared", file=self.log)

    def hand_on(self) -> None:
        """Asks for the speed, if an octet has begun."""
        now = time.monotonic_ns()
        if self._answered and now >= self._asked + TURN * 1e9 and self.wire.begun(now):
            self._asked, self._answered = now, False
            print("speed?", file=self.log)

    def due(self) -> float:
        """Returns the seconds until the next look at the line."""
        return TURN if self.wire.busy else IDLE


class Bench:
    """All chips that are plugged in, by serial number, and the lines of UARTs. Logs are written in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._chips: dict[str, Chip] = {}
        self._lines: dict[str, UartLine] = {}
        self._line = b""

    def serve(self) -> None:
        """Runs all chips until standard input ends."""
        while True:
            every: list[Chip | UartLine] = [*self._chips.values(), *self._lines.values()]
            for one in every:
                one.hand_on()
            wait = min((one.due() for one in every), default=IDLE)
            ready, _, _ = select.select([*self._chips.values(), sys.stdin.fileno()], [], [], wait)
            for heard in ready:
                if isinstance(heard, Chip):
                    heard.hear()
                elif more := os.read(heard, 1 << 16):
                    *lines, self._line = (self._line + more).split(b"\n")
                    for line in lines:
                        self._told(line.decode().split())
                else:
                    return

    def _told(self, words: list[str]) -> None:
        if words[0] == "plug":
            kind, port, serial = words[1:]
            self._chips[serial] = CHIPS[kind](int(port), serial, self._folder / f"{serial}.log")
        elif words[0] == "line":
            self._lines[words[1]] = UartLine(self._folder / f"{words[1]}.log")
        elif words[0] in self._lines:
            self._lines[words[0]].told(words[1:])
        elif words[1] == "unplug":
            self._chips.pop(words[0]).unplug()
        else:
            self._chips[words[0]].told(words[1:])


def main() -> int:
    """Serves until standard input ends."""
    Bench(Path(sys.argv[1])).serve()
    return 0
