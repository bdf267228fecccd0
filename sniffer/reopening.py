"""Reopens a lost port, in its own thread: opening a network port that does not answer may take seconds, and the other
taps must not wait for it."""

import threading
from collections.abc import Callable
from typing import Final

from vtctap.sniffer.opening import Opened
from vtctap.sniffer.port import PortError

PERIOD: Final = 0.5
"""The pause between two attempts."""


class Reopening:
    """Calls ``attempt`` until it raises no PortError."""

    def __init__(self, attempt: Callable[[], Opened]) -> None:
        self._attempt = attempt
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._opened: Opened | None = None
        self._thread = threading.Thread(target=self._run, name="reopening", daemon=True)
        self._thread.start()

    def take(self) -> Opened | None:
        """Returns the port once it is open, else None."""
        with self._lock:
            opened, self._opened = self._opened, None
            return opened

    def stop(self) -> None:
        """Ends the attempts and closes a port that was opened. Waits briefly for a running attempt to close its own."""
        with self._lock:
            self._ended.set()
            if self._opened:
                self._opened.close()
                self._opened = None
        self._thread.join(PERIOD)

    def _run(self) -> None:
        while not self._ended.wait(PERIOD):
            try:
                opened = self._attempt()
            except PortError:
                continue
            with self._lock:
                if self._ended.is_set():
                    opened.close()
                else:
                    self._opened = opened
            return
