"""Ports opened through pyserial: its URLs, and all ports on systems without POSIX terminals.

On opening, pyserial raises DTR and RTS and flushes the input. A tap must do neither, so both are switched off where
pyserial allows it. pyserial does not report framing errors and breaks.
"""

import contextlib
from typing import Final

import serial

from vtctap.sniffer.port import Settings
from vtctap.sniffer.pyserial_api import FAILURES, failed, opening, read_arrived

_READ_SIZE: Final = 4096
_CANNOT_SET: Final[tuple[type[Exception], ...]] = (*FAILURES, ValueError)


class PyserialPort:
    """A port that pyserial opens."""

    marks_errors = False

    def __init__(self, name: str, settings: Settings, *, power: bool = False) -> None:
        self.name = name
        with opening(name):
            self._serial = serial.serial_for_url(name, do_not_open=True)
        self.set(settings)
        self._serial.timeout = 0
        self._serial.dtr = power
        self._serial.rts = False
        self._open_unflushed()

    def _apply(self, settings: Settings) -> None:
        line = settings.line
        self._serial.baudrate = settings.speed
        self._serial.bytesize = 8 if line.has_parity else line.data_bits
        self._serial.parity = serial.PARITY_NONE if line.has_parity else line.parity

    def set(self, settings: Settings) -> None:
        """Sets speed and line. Raises PortError."""
        try:
            self._apply(settings)
        except _CANNOT_SET as error:
            raise failed(self.name, error) from None

    def _open_unflushed(self) -> None:
        """Opens the port without the methods that pyserial's ``open`` calls to flush (except on Windows)."""
        flushing = {"reset_input_buffer", "_reset_input_buffer"} & set(dir(self._serial))
        for name in flushing:
            setattr(self._serial, name, lambda: None)
        with opening(self.name):
            self._serial.open()
        for name in flushing:
            delattr(self._serial, name)

    def fileno(self) -> int:
        """Returns the descriptor to poll. Raises where the port has none; :mod:`~vtctap.sniffer.reader` then reads in
        turns."""
        return int(self._serial.fileno())

    def read(self) -> list[tuple[int, int]]:
        """Reads octets, without flags. Raises PortError when the port is gone and all that it received is read."""
        try:
            return [(value, 0) for value in read_arrived(self._serial, _READ_SIZE)]
        except FAILURES as error:
            raise failed(self.name, error) from None

    def counters(self) -> None:
        """Returns None, since pyserial has no totals."""
        return

    def close(self) -> None:
        """Closes the port."""
        with contextlib.suppress(*FAILURES):
            self._serial.close()
