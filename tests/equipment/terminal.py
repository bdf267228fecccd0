"""A terminal, for programs with a display."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any, Final

from equipment import PATIENCE

COLUMNS: Final = 100


class Terminal:
    """A terminal with a session of its own, and the program in its foreground."""

    def __init__(self) -> None:
        self._far, self.near = pty.openpty()
        fcntl.ioctl(self.near, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self.modes = termios.tcgetattr(self.near)
        self.output = b""
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: str | Path, **options: Any) -> "subprocess.Popen[bytes]":
        """Starts a command with this terminal as standard input, output and error, unless stated otherwise."""

        def take_terminal() -> None:
            fcntl.ioctl(self.near, termios.TIOCSCTTY, 0)

        streams = {"stdin": self.near, "stdout": self.near, "stderr": self.near}
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vtctap", *map(str, arguments)],
            **streams | {"env": environment, "start_new_session": True, "preexec_fn": take_terminal} | options,
        )
        return self.process

    def type(self, keys: bytes) -> None:
        os.write(self._far, keys)

    def read(self, seconds: float = 0.0) -> bytes:
        """Returns everything that was written so far, or is written within some seconds."""
        end = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([self._far], [], [], max(end - time.monotonic(), 0))
            if not ready:
                return self.output
            self.output += os.read(self._far, 4096)

    def until(self, text: bytes) -> None:
        end = time.monotonic() + PATIENCE
        while text not in self.read(0.02):
            assert time.monotonic() < end, self.output

    def wait(self) -> int:
        """Waits for the program's end and returns its exit status. The output stays readable."""
        assert self.process
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end
            self.read(0.02)
        self.read(0.05)
        return self.process.returncode

    def lines(self) -> list[str]:
        """Returns the lines that the terminal shows after its carriage returns and line feeds, without colours."""
        lines, column = [""], 0
        for sign in re.sub(r"\x1b\[\d+m", "", self.read().decode()):
            if sign == "\r":
                column = 0
            elif sign == "\n":
                lines.append("")
            else:
                assert sign.isprintable(), repr(sign)
                line = lines[-1].ljust(column)
                lines[-1] = line[:column] + sign + line[column + 1 :]
                column += 1
        return [line.rstrip() for line in lines]

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        os.close(self._far)
        os.close(self.near)
