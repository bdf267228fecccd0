"""The adapters of the machine, each with its line: what is played on it, and what is seen at its pins from outside.

A UART is QEMU's: its line is a pseudo-terminal here, and its registers are in QEMU's trace. What arrives on it is
played in the guest, by the guest's clock, and put in here. All others are USB chips in Python that run in the guest
(:mod:`guest.chips`), and say in a log what the host does to them.
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
"""Seconds between two looks at a UART: while something is played, and else."""
PLUGGED: Final = 30
"""Seconds in which an adapter that was plugged in must have its port, and one that was pulled out must have none."""
_SPEEDS: Final = {getattr(termios, name): int(name[1:]) for name in dir(termios) if re.fullmatch(r"B[1-9]\d*", name)}
_MCR, _LOOP = 4, 0x10
"""A 16550's register of DTR and RTS, and the bit that turns it away from the pins."""


class Pulse(NamedTuple):
    """DTR or RTS went up; ``seconds`` until both were down again, None if they never were."""

    seconds: float | None


class Adapter(Protocol):
    """An adapter. What is seen from outside is what has happened since :meth:`forget`."""

    driver: str
    port: str
    """Its device in the guest."""

    def play(self, *words: str) -> None:
        """Plays a simulated session on its line, see :func:`wire.session`."""

    def stream(self) -> None:
        """Octets arrive over and over, until ..."""

    def clear(self) -> None:
        """... nothing is to arrive any more."""

    def forget(self) -> None:
        """What has been seen so far is of no interest."""

    def sent(self) -> bytes:
        """What went out on TX."""

    def pulses(self) -> list[Pulse]:
        """When DTR or RTS were up."""

    def speeds(self) -> list[int]:
        """The speeds that were set, one after the other."""


def pulses(levels: Iterator[tuple[float, int]]) -> list[Pulse]:
    """Pulses, of the times at which DTR and RTS (bits 0 and 1) were set."""
    found, up = [], None
    for when, level in levels:
        if level & 3:
            up = when if up is None else up
        elif up is not None:
            found.append(Pulse(when - up))
            up = None
    return found + ([Pulse(None)] if up is not None else [])


class Uart:
    """One of QEMU's 16550As. While one is used, only its registers may change: the trace names none."""

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
        with self._arriving.open() as arriving:
            while not self._ended.wait(TURN if self._played else IDLE):
                speed = _SPEEDS.get(termios.tcgetattr(self._terminal)[5], 9600)
                if speed != (self._set or [0])[-1]:
                    self._set.append(speed)
                    self._tell(f"speed {speed}")
                for word in arriving.read().split():
                    self._put(word)

    def _put(self, word: str) -> None:
        if word == "B":
            self.send_break()
        elif not (self._streams and self._unread()):
            self.put(bytes.fromhex(word))  # A port that is closed takes none; they would all come when it is opened.

    def _unread(self) -> int:
        """Octets that QEMU has not taken yet."""
        return int(struct.unpack("i", fcntl.ioctl(self._terminal, termios.FIONREAD, bytes(4)))[0])

    def put(self, octets: bytes) -> None:
        """Octets come in at once."""
        os.write(self._line, octets)

    def send_break(self) -> None:
        """The line is broken."""
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
        self._played = self._streams = False
        self._tell("clear")

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
    """A chip of :mod:`guest.chips`, plugged in. ``driver`` is the kernel's name of its driver, and what kind of chip it
    is."""

    def __init__(self, machine: Machine, chip: str, driver: str, controller_port: int) -> None:
        self.driver, self._chip = driver, chip
        self._machine, self._at = machine, controller_port
        self.serial = f"{chip}{controller_port}"
        self._log = machine.share / f"{self.serial}.log"
        self._began = 0
        self.port = ""
        """Its name by its serial number, which stays when it is plugged in again."""
        self.plug()

    def plug(self) -> None:
        """Plugs it in, and waits for its port."""
        self._machine.chips.tell(f"plug {self._chip} {self._at} {self.serial}")
        find = f"ls /dev/serial/by-id/*{self.serial}*"
        self.port = self._machine.run(f"{_until(find)}; {find}").output.strip()

    def unplug(self) -> None:
        """Pulls it out, and waits until its port is gone."""
        self.tell("unplug")
        self._machine.run(_until(f"[ ! -e {self.port} ]"))

    def tell(self, text: str) -> None:
        """A line for the chip."""
        self._machine.chips.tell(f"{self.serial} {text}")

    def play(self, *words: str) -> None:
        self.tell(" ".join(("play", *words)))

    def stream(self) -> None:
        self.tell("stream")

    def clear(self) -> None:
        self.tell("clear")

    def give(self, octets: str) -> None:
        """Octets with errors, as ``41 42:F``."""
        self.tell(f"give {octets}")

    def forget(self) -> None:
        self._began = self._log.stat().st_size

    def seen(self, what: str) -> list[tuple[float, str]]:
        """What the host did of one kind, and when."""
        with self._log.open() as log:
            log.seek(self._began)
            lines = [line.split() for line in log]
        return [(float(words[0]), words[2]) for words in lines if words[1:2] == [what] and len(words) == 3]

    def sent(self) -> bytes:
        return b"".join(bytes.fromhex(octets) for _, octets in self.seen("sent"))

    def pulses(self) -> list[Pulse]:
        return pulses((when, int(level)) for when, level in self.seen("lines"))

    def speeds(self) -> list[int]:
        return [int(speed) for _, speed in self.seen("speed")]


def _until(command: str) -> str:
    """A shell's loop that runs until the command has succeeded."""
    return f"for i in {{1..{PLUGGED * 10}}}; do {command} && break; sleep 0.1; done >/dev/null 2>&1"
