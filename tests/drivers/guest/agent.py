"""Runs the host's commands in the guest: each is a line of JSON on standard input, and each end of a command is a line
on standard output.

  {"id": 1, "run": COMMAND of a shell, "user": NUMBER}   runs it
  {"id": 1, "program": [NAME, ARGUMENT...], "user": NUMBER, "environment": {NAME: TEXT}}
                                                         runs one of PROGRAMS in a fork of this process
  {"id": 1, "tell": TEXT}                                writes to its standard input
  {"id": 1, "signal": NUMBER}                            sends it a signal
  <- {"id": 1, "status": NUMBER, "output": TEXT}         it has ended
  <- {"clock": SECONDS}                                  the guest's clock, every second

A fork has the modules of vtctap, which an emulated machine takes three seconds to import.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import chips

import vtctap.commands.capture
import vtctap.commands.check
import vtctap.commands.doctor  # noqa: F401  imported for the forks, as the two above
from vtctap.__main__ import main

PROGRAMS = {"vtctap": main, "chips": chips.main}
SERIAL_PORTS = 20
"""The group of serial ports in Debian, dialout."""
DESCRIPTORS = 256
"""More descriptors than are open here."""


@dataclass
class Running:
    """A process, and the descriptor of its standard input."""

    process: int
    stdin: int


running: dict[int, Running] = {}
answering = threading.Lock()


def answer(**said: object) -> None:
    """Sends a line to the host, unbuffered, since a fork would copy the buffer."""
    with answering:
        os.write(1, (json.dumps(said) + "\n").encode())


def tell_the_time() -> None:
    """Sends the guest's clock every second."""
    while True:
        answer(clock=time.monotonic())
        time.sleep(1)


def finish(number: int, process: int, output: int) -> None:
    """Waits for the end of a process, and sends it to the host."""
    with open(output, encoding="utf-8", errors="replace") as said:
        text = said.read()
    answer(id=number, status=os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), output=text)


def start(number: int, asked: dict[str, Any]) -> None:
    """Starts a command in a fork, with pipes for its standard input and output."""
    stdin, tell = os.pipe()
    said, output = os.pipe()
    process = os.fork()
    if not process:
        for at, descriptor in enumerate((stdin, output, output)):
            os.dup2(descriptor, at)
        os.closerange(3, DESCRIPTORS)
        become(asked["user"], asked.get("environment", {}))
        os._exit(run(asked))
    os.close(stdin)
    os.close(output)
    running[number] = Running(process, tell)
    threading.Thread(target=finish, args=(number, process, said), daemon=True).start()


def become(user: int, environment: dict[str, str]) -> None:
    """Makes this process another user's."""
    os.setgroups([SERIAL_PORTS])
    os.setgid(user)
    os.setuid(user)
    os.environ |= environment


def run(asked: dict[str, Any]) -> int:
    """Runs a program, and returns its exit status, or becomes a shell that runs a command."""
    if "run" in asked:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execv("/bin/bash", ["bash", "-c", asked["run"]])
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w", buffering=1)  # noqa: SIM115
    sys.argv = asked["program"]
    try:
        return PROGRAMS[sys.argv[0]]()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        return 1
    finally:
        sys.stdout.flush()


threading.Thread(target=tell_the_time, daemon=True).start()
answer(id=0, status=0, output="ready")
for line in sys.stdin:
    asked = json.loads(line)
    number = asked["id"]
    if "signal" in asked:
        with contextlib.suppress(ProcessLookupError):  # It has ended.
            os.kill(running[number].process, asked["signal"])
    elif "tell" in asked:
        os.write(running[number].stdin, (asked["tell"] + "\n").encode())
    else:
        start(number, asked)
