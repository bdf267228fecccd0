"""The scene of one fault: ports on pseudo-terminals, a capture of them, and the readers of what it writes.

The capture is the real program, in a process of its own; it is forked with its modules imported, so that a run takes a
fraction of a second. Nothing here depends on how busy the machine is: what a full port refuses was never received and
is given again, and the 50 ms before a kill count only time in which the system let the capture run.
"""

import contextlib
import fcntl
import os
import random
import re
import signal
import sys
import termios
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

from faults import oracle
from faults.ends import QUIET, Port, Reader
from faults.oracle import LINE, Verdict
from vtctap.__main__ import main
from vtctap.sniffer.simulated.wire import received

PATIENCE: Final = 60.0
"""Seconds for what takes a fraction of one."""
COMPLETE: Final = 0.05
"""Seconds for which a message must have been complete to survive a kill."""
_GLANCE: Final = 0.001
"""Longest time that a look at the capture's process takes, seconds."""
_RECENT: Final = 0.3
"""Seconds for which a record waits for the other tap at most, in a run of this campaign."""
SPEED: Final = 115_200
OPENED: Final = b"opened profile="
"""In a trace, the event that begins a tap."""


class Failed(Exception):
    """Something that must hold does not; the message says what."""


class Impossible(Exception):
    """This machine does not allow the fault."""


class _Look(NamedTuple):
    """A look at the capture: the time by :meth:`Scene._ran`, the seconds for which it has waited for its turn in all,
    the octets read from each port, and the size of the trace."""

    time: float | None
    waited: float
    read: list[int]
    size: int


class Scene:
    """The ports, the capture and its readers. Everything random comes from ``random``. A context manager."""

    def __init__(self, folder: Path, seed: str, ports: int = 1) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.path = folder / "t.pcapng"
        self.ports = [Port(folder / f"port{number}") for number in range(ports)]
        self.readers: list[Reader] = []
        self.pid = 0
        self.status: int | None = None
        self._errors = folder / "errors"
        self._looks: list[_Look] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.pid and self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        ends: list[Reader | Port] = [*self.readers, *self.ports]
        for closing in ends:
            with contextlib.suppress(OSError):
                closing.close()

    # The capture.

    def pipe(self) -> tuple[Reader, int]:
        """Makes a pipe: its reader, and the end for the capture."""
        near, far = os.pipe()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(near, fcntl.F_SETPIPE_SZ, 4096)
        self.readers.append(Reader(near))
        return self.readers[-1], far

    def start(
        self,
        *options: str | Path,
        streams: dict[int, int] | None = None,
        before: Callable[[], object] = lambda: None,
        program: Callable[[list[str]], int] = main,
        terminal: bool = False,
    ) -> None:
        """Starts the capture. ``streams`` are the descriptors for 0, 1 and 2, of which standard input is the
        controlling ``terminal``; ``before`` is called in its process."""
        arguments = [str(option) for option in options]
        self.pid = os.fork()
        if self.pid:
            for descriptor in (streams or {}).values():
                with contextlib.suppress(OSError):
                    os.close(descriptor)
            return
        status = 99
        try:
            os.setsid()
            self._redirect(streams or {}, terminal=terminal)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN if number == signal.SIGPIPE else signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            before()
            status = program(arguments)
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError):
                    stream.flush()
        except BaseException:
            (self.folder / "crash").write_text(traceback.format_exc())
        finally:
            os._exit(status)

    def _redirect(self, streams: dict[int, int], *, terminal: bool) -> None:
        errors = os.open(self._errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(streams.get(number, errors if number == 2 else null), number)
        os.closerange(3, 1024)
        if terminal:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  they stay open
        sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115

    def capture(self, *options: str | Path, **how: object) -> None:
        """Starts a capture of the ports into the trace, and waits until it listens."""
        self.start(*self.command("-w", self.path, *options), **how)  # type: ignore[arg-type]
        self.listening(self.trace)

    def command(self, *options: str | Path) -> list[str | Path]:
        """Returns the arguments of a capture."""
        taps = ["-i"] if len(self.ports) == 1 else ["--client", "--server"]
        ports = [word for tap, port in zip(taps, self.ports, strict=True) for word in (tap, port.name)]
        return ["capture", *ports, "--speed", str(SPEED), "--line", str(LINE), *options]

    def trace(self) -> bytes:
        """Returns what is in the trace by now."""
        return self.path.read_bytes() if self.path.exists() else b""

    def listening(self, written: Callable[[], bytes]) -> None:
        """Waits until the capture has opened every port."""
        self.until(lambda: written().count(OPENED) >= len(self.ports), "the capture does not begin")

    def errors(self) -> str:
        """Returns what the capture has said."""
        return self._errors.read_text(errors="replace") if self._errors.exists() else ""

    @property
    def over(self) -> bool:
        """Whether the capture has ended."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Sends the capture a signal."""
        os.kill(self.pid, number)

    def ended(self, status: int, says: str = "") -> None:
        """Waits for the end of the capture: its exit status, and what it says (a regular expression)."""
        self.until(lambda: self.over, "the capture does not end")
        for reader in self.readers:
            reader.read()
        if self.status != status or not re.search(says, self.errors(), re.MULTILINE):
            raise Failed(f"exit status {self.status}, not {status}: {self.errors().strip()[-300:]}")
        if (self.folder / "crash").exists():
            raise Failed((self.folder / "crash").read_text())

    # The line.

    def until(self, holds: Callable[[], object], otherwise: str) -> None:
        """Waits for something, and reads meanwhile what the capture writes."""
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                raise Failed(otherwise)
            self.look()
            time.sleep(0.001)

    def look(self) -> None:
        """Lets the readers read; notes what the capture has read by now, and how long it had to wait for its turn."""
        for reader in self.readers:
            reader.read()
        if self.pid and not self.over:
            read = [port.read for port in self.ports]
            self._looks.append(_Look(*self._ran(), read, self._size()))

    def _size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _ran(self) -> tuple[float | None, float]:
        """Returns the time in seconds without that in which the capture was ready and the system ran something else,
        and that other time.

        The time is None where the capture is ready now, because the system counts that time when it is over, and where
        this look itself was interrupted. Linux; elsewhere nothing is known of waiting.
        """
        began = time.monotonic()
        try:
            waited, asleep, again = self._waited(), self._asleep(), self._waited()
        except (OSError, IndexError, ValueError):
            return began, 0.0
        undisturbed = waited == again and time.monotonic() - began < _GLANCE
        return began - waited if asleep and undisturbed else None, waited

    def _waited(self) -> float:
        """Returns the seconds for which threads of the capture were ready and did not run, in all."""
        return sum(int((thread / "schedstat").read_text().split()[1]) for thread in self._threads()) / 1e9

    def _asleep(self) -> bool:
        """Whether all threads of the capture wait for something."""
        states = [(thread / "stat").read_text().rpartition(")")[2].split()[0] for thread in self._threads()]
        return set(states) == {"S"}

    def _threads(self) -> list[Path]:
        return list(Path(f"/proc/{self.pid}/task").iterdir())

    def due(self, size: int | None = None) -> list[int]:
        """Returns for each port the octets of the messages that had been complete for 50 ms: now, or where ``size`` is
        given when the trace was last seen to be smaller."""
        looks = [look for look in self._looks if look.time and (size is None or look.size < size)]
        last = max((look.time for look in looks if look.time), default=0.0)
        early = [look.read for look in looks if look.time and look.time + self._late(look) <= last - COMPLETE]
        read = early[-1] if early else [0 for _ in self.ports]
        return [max(end for end in port.ends if end <= count) for port, count in zip(self.ports, read, strict=True)]

    def _late(self, look: _Look) -> float:
        """Returns how much longer than usual the records read before a look wait for the other tap, seconds.

        A program that is late does not know when octets came. Where there are two taps, their order is uncertain by the
        lateness of both.
        """
        if len(self.ports) == 1 or look.time is None:
            return 0.0
        before = (other.waited for other in self._looks if other.time and other.time >= look.time - _RECENT)
        return 2 * (look.waited - min(before))

    def say(self, octets: bytes, tap: int = 0) -> None:
        """Gives a port octets, in pieces; waits where the port is full, unless the capture is over."""
        port = self.ports[tap]
        while octets and not self.over:
            piece = octets[: self.random.randint(1, 60)]
            octets = octets[port.write(piece) :]
            self.look()
            time.sleep(self.random.choice((0, 0, 0.001)))
        port.ends.append(len(port.sent))

    def traffic(self, messages: int = 0, noise: float = 0.0) -> None:
        """Gives the ports numbered messages, and noise between them."""
        for _ in range(messages or self.random.randint(10, 40)):
            tap = self.random.randrange(len(self.ports))
            if self.random.random() < noise:
                self.say(self.random.randbytes(self.random.randint(1, 40)), tap)
            self.say(self.message(len(self.ports[tap].ends)), tap)

    def talk_until(self, holds: Callable[[], object], otherwise: str) -> None:
        """Gives the ports messages until something holds."""
        end = time.monotonic() + PATIENCE
        while not holds():
            if time.monotonic() > end:
                raise Failed(otherwise)
            self.traffic(1)

    def dialogue(self) -> None:
        """Lets the sides of a link take turns, as on a half-duplex line: at its speed, with pauses between."""
        for number in range(self.random.randint(5, 20)):
            message = self.message(number)
            self.say(message, number % len(self.ports))
            self.pause(len(message) * LINE.character_bits / SPEED + self.random.uniform(0.02, 0.04))

    def pause(self, seconds: float) -> None:
        """Lets time pass."""
        end = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end, "")

    def full_speed(self, seconds: float) -> None:
        """Gives all ports octets at the full speed of the line; what a full port refuses was never received."""
        began = time.monotonic()
        given = 0
        while (passed := time.monotonic() - began) < seconds:
            due = int(passed * SPEED / LINE.character_bits)
            for port in self.ports:
                port.write(self.message(0)[: due - given])
            given = max(due, given)
            self.look()
            time.sleep(0.002)
        for port in self.ports:
            port.ends.append(len(port.sent))

    def message(self, number: int, head: bytes = b"\x02") -> bytes:
        """Returns a message with a number and its check character, as octets with parity bits: data, unless ``head``
        begins something else."""
        text = head + f"{number}({self.random.randbytes(self.random.randint(0, 30)).hex()})".encode() + b"\x03"
        check = 0
        for octet in text[1:]:
            check ^= octet
        return bytes(received(octet, LINE) for octet in (*text, check))

    def settle(self, quiet_s: float = QUIET) -> None:
        """Waits until the capture has read everything, and nothing has been waiting for some time."""
        quiet = time.monotonic()

        def settled() -> bool:
            nonlocal quiet
            if any(port.waiting or port.read < len(port.sent) for port in self.ports):
                quiet = time.monotonic()
            return self.over or time.monotonic() >= quiet + quiet_s

        self.until(settled, "the capture reads no more")

    # The verdict.

    def finish(self) -> Verdict:
        """Ends the capture in order, at once or when all is read, and judges its trace."""
        if self.random.random() < 0.5:
            self.settle()
        self.signal(self.random.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP)))
        self.ended(0)
        return self.whole()

    def whole(self, source: object = None, taps: Sequence[int] = (0, 1)) -> Verdict:
        """Judges a trace (by default the one at ``path``) of a capture that ended in order."""
        content = self.content(source)
        judged = [
            oracle.whole(bytes(port.sent), content.taps.get(tap, []), port.left())
            for port, tap in zip(self.ports, taps, strict=False)
        ]
        return sum(judged, Verdict(wrong="; ".join(content.damage)))

    def beginning(self, due: Sequence[int], source: object = None) -> Verdict:
        """Judges a trace that was cut off: a torn end is no fault of it."""
        content = self.content(source)
        judged = [
            oracle.beginning(bytes(port.sent), content.taps.get(tap, []), due[tap])
            for tap, port in enumerate(self.ports)
        ]
        torn = [damage for damage in content.damage if "the file ends cut" not in damage]
        return sum(judged, Verdict(wrong="; ".join(torn)))

    def content(self, source: object = None) -> oracle.Content:
        """Returns what a trace holds, by default the one at ``path``."""
        return oracle.read(source or self.path)  # type: ignore[arg-type]
