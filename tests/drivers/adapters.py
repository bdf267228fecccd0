"""The adapters of the machine and their lines: sessions are played on a line, and the pins are observed from outside.

A UART is QEMU's: its line is a pseudo-terminal here, and QEMU's trace shows its registers. Its octets are played in the
guest, by the guest's clock, and handed to QEMU here. The other adapters are USB chips in Python that run in the guest
(:mod:`guest.chips`), and log what the guest's kernel does to them.
"""

import fcntl
import os
import re
import struct
import termios
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from machine import Machine

TURN, IDLE = 0.002, 0.02
"""Seconds between two looks at a UART, while something is played and while nothing is."""
_SPEEDS: Final = {getattr(termios, name): int(name[1:]) for name in dir(termios) if re.fullmatch(r"B[1-9]\d*", name)}
_MCR, _LOOP = 4, 0x10
"""A 16550's register of DTR and RTS, and its loopback bit, which disconnects them from the pins."""


class Pulse(NamedTuple):
    """DTR or RTS were up for ``seconds``; None if they still are."""

    seconds: float | None


class Adapter(Protocol):
    """An adapter. Observations begin at the last :meth:`forget`."""

    driver: str
    port: str
    """Its device in the guest."""

    def play(self, *words: str) -> None:
        """Plays a simulated session on its line, see :func:`wire.session`."""

    def stream(self) -> None:
        """Lets octets arrive continuously, until :meth:`clear`."""

    def clear(self) -> None:
        """Ends what arrives, and waits until nothing arrives any more."""

    def forget(self) -> None:
        """Discards all observations so far."""

    def sent(self) -> bytes:
        """Returns the octets that went out on TX."""

    def pulses(self) -> list[Pulse]:
        """Returns the pulses of DTR and RTS."""

    def speeds(self) -> list[int]:
        """Returns the speeds that were set, in order."""


def pulses(levels: Iterator[tuple[float, int]]) -> list[Pulse]:
    """Returns the pulses, given the times at which DTR and RTS (bits 0 and 1) were set to a level."""
    found, up = [], None
    for when, level in levels:
        if level & 3:
            up = when if up is None else up
        elif up is not None:
            found.append(Pulse(when - up))
            up = None
    return found + ([Pulse(None)] if up is not None else [])


class Uart:
    """One of QEMU's 16550As. QEMU's trace does not tell UARTs apart, so only one may be in use at a time."""

    driver = "8250"

    def __init__(self, machine: Machine, name: str) -> None:
        self.port = f"/dev/{name}"
        self._line, self._terminal = machine.lines[name], machine.terminals[name]
        self._trace = machine.trace
        self._ended = machine.ended
        self._machine, self._name = machine, name
        self._arriving = machine.share / f"{name}.log"
        self._played = self._streams = False
        self._began = 0
        self._set: list[int] = []
        machine.chips.tell(f"line {name}")
        machine.run_beside(self._run)

    def _run(self) -> None:
        while not self._arriving.exists() and not self._ended.wait(IDLE):
            continue
        rest = ""
        with self._arriving.open() as arriving:
            while not self._ended.wait(TURN if self._played else IDLE):
                *lines, rest = (rest + arriving.read()).split("\n")  # The last line may not be whole yet.
                speed = _SPEEDS.get(termios.tcgetattr(self._terminal)[5], 9600)  # After the question for it.
                if speed != (self._set or [0])[-1]:
                    self._set.append(speed)
                for word in " ".join(lines).split():
                    if word == "speed?":
                        self._tell(f"speed {speed}")
                    else:
                        self._put(word)

    def _put(self, word: str) -> None:
        if word == "cleared":
            self._played = self._streams = False
        elif word == "B":
            self.send_break()
        elif not (self._streams and self._unread()):
            self.put(bytes.fromhex(word))  # A closed port accepts none; they would all arrive when it is opened.

    def _unread(self) -> int:
        """Returns how many octets QEMU has not accepted yet."""
        return int(struct.unpack("i", fcntl.ioctl(self._terminal, termios.FIONREAD, bytes(4)))[0])

    def put(self, octets: bytes) -> None:
        """Lets octets arrive at once."""
        os.write(self._line, octets)

    def send_break(self) -> None:
        """Lets a break arrive."""
        self._machine.qmp("chardev-send-break", id=self._name)

    def _tell(self, text: str) -> None:
        self._machine.chips.tell(f"{self._name} {text}")

    def play(self, *words: str) -> None:
        self._played = True
        self._tell(" ".join(("play", *words)))

    def stream(self) -> None:
        self._played = self._streams = True
        self._tell("stream")

    def clear(self) -> None:
        self._tell("clear")
        self._machine.until(lambda: not self._streams, f"{self._name} to be cleared")

    def forget(self) -> None:
        self._played = False
        self.sent()
        self._began = self._trace.stat().st_size
        del self._set[:-1]

    def sent(self) -> bytes:
        try:
            return os.read(self._line, 1 << 16)
        except BlockingIOError:
            return b""

    def pulses(self) -> list[Pulse]:
        written = self._written()
        return pulses((when, value) for when, address, value in written if address == _MCR and not value & _LOOP)

    def speeds(self) -> list[int]:
        return self._set[1:]

    def _written(self) -> Iterator[tuple[float, int, int]]:
        with self._trace.open() as trace:
            trace.seek(self._began)
            for line in trace:
                if found := re.match(r"\d+@([\d.]+):serial_write write addr 0x(..) val 0x(..)", line):
                    yield float(found[1]), int(found[2], 16), int(found[3], 16)


class UsbAdapter:
    """A chip of :mod:`guest.chips`, plugged in. ``driver`` is the kernel's name of its driver, with the kind of chip if
    several have that driver."""

    def __init__(self, machine: Machine, chip: str, driver: str, controller_port: int) -> None:
        self.driver, self._chip = driver, chip
        self._machine, self._at = machine, controller_port
        self.serial = f"{chip}{controller_port}"
        self._log = machine.share / f"{self.serial}.log"
        self._began = 0
        self.port = ""
        """The port's name by the serial number, which stays the same when the adapter is plugged in again."""
        self.plug()

    def plug(self) -> None:
        """Plugs the adapter in, and waits for its port."""
        self._machine.chips.tell(f"plug {self._chip} {self._at} {self.serial}")
        self.port = self._machine.run_until_good(f"ls /dev/serial/by-id/*{self.serial}*").strip()

    def unplug(self) -> None:
        """Unplugs the adapter, and waits until the link that is its port is gone; its target goes before."""
        self.tell("unplug")
        self._machine.run_until_good(f"[ ! -L {self.port} ]")

    def tell(self, text: str) -> None:
        """Sends a command to the chip."""
        self._machine.chips.tell(f"{self.serial} {text}")

    def play(self, *words: str) -> None:
        self.tell(" ".join(("play", *words)))

    def stream(self) -> None:
        self.tell("stream")

    def clear(self) -> None:
        cleared = len(self.seen("cleared"))
        self.tell("clear")
        self._machine.until(lambda: len(self.seen("cleared")) > cleared, f"{self.serial} to be cleared")

    def give(self, octets: str) -> None:
        """Lets octets arrive with errors, stated as ``41 42:F``."""
        self.tell(f"give {octets}")

    def forget(self) -> None:
        self._began = self._log.stat().st_size

    def seen(self, what: str) -> list[tuple[float, str]]:
        """Returns the times and values of one kind of log line."""
        with self._log.open() as log:
            log.seek(self._began)
            lines = [line.split() for line in log if line.endswith("\n")]
        return [(float(words[0]), words[2]) for words in lines if words[1:2] == [what] and len(words) == 3]

    def sent(self) -> bytes:
        return b"".join(bytes.fromhex(octets) for _, octets in self.seen("sent"))

    def pulses(self) -> list[Pulse]:
        return pulses((when, int(level)) for when, level in self.seen("lines"))

    def speeds(self) -> list[int]:
        return [int(speed) for _, speed in self.seen("speed")]
