"""The emulated machine: QEMU with UARTs, and commands that run in it on real kernel drivers.

The guest's root is the host's, read-only under a folder in memory, so that it has the host's Python and vtctap.
``share`` is /mnt in the guest. Commands run as root unless another user is stated.

The guest's clock counts its instructions: if the host is busy, the guest's time runs slower, but nothing in it is late.
Waiting is therefore done in the guest (:meth:`Machine.sleep`), and patience ends by the guest's clock. Everything is
emulated, without KVM.

Limits: a guest of some 500 million instructions a second is slower than a real machine, so durations are upper bounds.
QEMU 7.2 sometimes forgets to let an idle guest's clock run, until something else happens: it is therefore nudged.
QEMU's UARTs deliver octets at any speed (:mod:`wire` garbles instead), and make no errors but breaks.
"""

import json
import os
import pty
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

HERE = Path(__file__).parent
START = 60.0
"""Seconds within which QEMU must have started."""
PATIENCE = 60.0
"""Seconds of the guest's time within which a command in it must have ended, or what is waited for have happened."""
NUDGE = 0.1
"""Seconds of the host's time for which an idle guest's clock stands still at most."""
LOOK = 0.05
"""Seconds between two looks at what has not happened yet; the guest's answers are heard at once."""
SILENCE = 180.0
"""Seconds of the host's time after which a guest that does not tell its clock is given up."""
UARTS = {"ttyS1": "isa-serial,index=1", "ttyS2": "pci-serial", "ttyS3": "pci-serial"}
"""The guest's ports and QEMU's devices; ttyS0 is the console."""


class Done(NamedTuple):
    """How a command ended: its exit status, and its output, including standard error."""

    status: int
    output: str


class Job:
    """A command that runs in the guest."""

    def __init__(self, machine: "Machine", number: int, command: str) -> None:
        self._machine, self._number, self._command = machine, number, command
        self.done: Done | None = None
        """How it ended, once it has."""

    def tell(self, text: str) -> None:
        """Writes a line to the command's standard input."""
        self._machine.ask(id=self._number, tell=text)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Sends the command a signal."""
        self._machine.ask(id=self._number, signal=int(number))

    def wait(self) -> Done:
        """Waits for the command's end. Raises TimeoutError."""
        self._machine.until(lambda: self.done is not None, f"the end of: {self._command}")
        assert self.done is not None
        return self.done


class Machine:
    """A machine of an image (:mod:`image`), which runs inside the context. Its share and logs are in a folder named
    ``name`` beside the image. ``trace`` is the file of QEMU's trace of its UARTs' registers."""

    def __init__(self, image: Path, name: str) -> None:
        self._image = image
        self._logs = image / name
        self.share = self._logs / "share"
        self.trace = self._logs / "trace.log"
        self.console = self._logs / "console.log"
        self.lines: dict[str, int] = {}
        """Descriptors of the far ends of the UARTs' lines, which are pseudo-terminals."""
        self.terminals: dict[str, int] = {}
        """Descriptors of the near ends, which QEMU sets as the guest sets its ports."""
        self.clock = 0.0
        """The guest's clock in seconds, as it was at most a second ago; 0 until it has booted."""
        self._jobs: dict[int, Job] = {}
        self._asking = threading.Lock()
        self._news = threading.Condition()
        self.ended = threading.Event()
        self._beside: list[threading.Thread] = []

    def __enter__(self) -> Self:
        shutil.rmtree(self._logs, ignore_errors=True)
        shutil.copytree(self._image / "share", self.share)
        self._folder = tempfile.mkdtemp(prefix="vtctap-drivers-")
        with (self._logs / "qemu.log").open("wb") as log:
            self._qemu = subprocess.Popen(self._arguments(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._control = self._connect("control").makefile("rw")
        self._control.readline()
        self.qmp("qmp_capabilities")
        self.run_beside(self._nudge)
        self._agent = self._connect("agent").makefile("rw")
        self._heard = time.monotonic()
        booted = self._jobs[0] = Job(self, 0, "the boot")
        threading.Thread(target=self._listen, daemon=True).start()
        booted.wait()
        self.chips = self.start_program("chips /mnt")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        for thread in self._beside:
            thread.join()
        self._qemu.kill()
        self._qemu.wait()
        for descriptor in (*self.lines.values(), *self.terminals.values()):
            os.close(descriptor)
        shutil.rmtree(self._folder)

    def run_beside(self, work: Callable[[], None]) -> None:
        """Runs a function in a thread of its own; it must return soon after :attr:`ended` is set."""
        thread = threading.Thread(target=work, daemon=True)
        self._beside.append(thread)
        thread.start()

    def _nudge(self) -> None:
        """Gives QEMU something to do, again and again: it then sets the timer that it may have forgotten, which ends an
        idle guest's sleep."""
        while self.running and not self.ended.wait(NUDGE):
            self.qmp("query-status")

    @property
    def running(self) -> bool:
        """Whether QEMU runs."""
        return self._qemu.poll() is None

    def _arguments(self) -> list[str]:
        kernel = (
            f"console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on audit=0 tsc=reliable no_timer_check "
            f"nokaslr rodata=off cryptomgr.notests "
            f"DRIVERS={HERE} PYTHON={sys.executable}"
        )
        arguments = [
            *("qemu-system-x86_64", "-M", "pc", "-cpu", "Nehalem,+rdrand", "-m", "1024", "-accel", "tcg"),
            *("-icount", "shift=1,sleep=on", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-kernel", f"{self._image}/kernel", "-initrd", f"{self._image}/initrd.gz", "-append", kernel),
            *_folder("root", Path("/"), ",readonly=on,multidevs=remap"),
            *_folder("share", self.share),
            *("-chardev", f"file,id=console,path={self.console}", "-device", "isa-serial,chardev=console"),
            *("-chardev", f"socket,id=agent,path={self._folder}/agent,server=on,wait=off"),
            *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=agent"),
            *("-qmp", f"unix:{self._folder}/control,server=on,wait=off"),
            *("-trace", "serial_write", "-D", str(self.trace), "-msg", "timestamp=on"),
        ]
        for name, device in UARTS.items():
            line, terminal = pty.openpty()
            tty.setraw(terminal)
            os.set_blocking(line, False)
            self.lines[name], self.terminals[name] = line, terminal
            arguments += ["-chardev", f"serial,id={name},path={os.ttyname(terminal)}"]
            arguments += ["-device", f"{device},chardev={name}"]
        return arguments

    def _connect(self, name: str) -> socket.socket:
        end = time.monotonic() + START
        while time.monotonic() < end and self.running:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(f"{self._folder}/{name}")
            except OSError:
                connection.close()
                time.sleep(0.05)
            else:
                return connection
        raise TimeoutError(f"QEMU does not start: {(self._logs / 'qemu.log').read_text()}")

    def _listen(self) -> None:
        for line in self._agent:
            said = json.loads(line)
            with self._news:
                self._heard = time.monotonic()
                if "clock" in said:
                    self.clock = said["clock"]
                else:
                    self._jobs[said["id"]].done = Done(said["status"], said["output"])
                self._news.notify_all()

    def ask(self, **asked: object) -> None:
        """Sends a request to the guest's agent."""
        with self._asking:
            self._agent.write(json.dumps(asked) + "\n")
            self._agent.flush()

    def start(self, command: str) -> Job:
        """Starts a shell command in the guest."""
        return self._start(command, run=command, user=0)

    def start_program(self, command: str, user: int = 0, **environment: str) -> Job:
        """Starts vtctap or the chips as a fork of the agent, which has imported their modules: that takes seconds in an
        emulated machine."""
        return self._start(command, program=shlex.split(command), user=user, environment=environment)

    def _start(self, command: str, **asked: object) -> Job:
        number = len(self._jobs)
        job = self._jobs[number] = Job(self, number, command)
        self.ask(id=number, **asked)
        return job

    def run(self, command: str) -> Done:
        """Runs a shell command in the guest to its end."""
        return self.start(command).wait()

    def run_program(self, command: str, user: int = 0, **environment: str) -> Done:
        """Runs vtctap in the guest to its end."""
        return self.start_program(command, user, **environment).wait()

    def run_until_good(self, command: str) -> str:
        """Repeats a shell command in the guest until its exit status is 0, and returns its output. Raises
        TimeoutError."""
        return self.run(f"until {command}; do sleep 0.1; done 2>/dev/null").output

    def until(self, happened: Callable[[], bool], what: str) -> None:
        """Waits until something has happened. Raises TimeoutError."""
        end = self.clock + PATIENCE
        with self._news:
            while not happened():
                if not self.running:
                    raise TimeoutError(f"the machine ended before {what}; see {self.console}")
                if self.clock > end or time.monotonic() > self._heard + SILENCE:
                    raise TimeoutError(f"waited too long for {what}; see {self.console}")
                self._news.wait(LOOK)

    def sleep(self, seconds: float) -> None:
        """Waits for some seconds of the guest's time."""
        self.run(f"sleep {seconds}")

    def qmp(self, command: str, **arguments: object) -> Any:
        """Sends a command to QEMU, and returns its answer."""
        with self._asking:
            self._control.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            self._control.flush()
            while "event" in (answer := json.loads(self._control.readline())):
                continue
            return answer


def _folder(name: str, path: Path, options: str = "") -> list[str]:
    """Returns the arguments for a folder of the host, which the guest mounts by ``name``."""
    return [
        *("-fsdev", f"local,id={name},path={path},security_model=none{options}"),
        *("-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"),
    ]
