"""Ports opened through pyserial: its URLs, and all ports on systems without POSIX terminals.

On opening, pyserial raises DTR and RTS and flushes the input. A tap must do neither, so both are switched off where
pyserial allows it. pyserial does not report framing errors and breaks.
"""

import contextlib

import serial

from vtctap.sniffer.port import PortError, Settings

_READ_SIZE = 4096


class PyserialPort:
    """A port that pyserial opens."""

    marks_errors = False

    def __init__(self, name: str, settings: Settings, *, power: bool = False) -> None:
        self.name = name
        try:
            self._serial = serial.serial_for_url(name, do_not_open=True)
            self._apply(settings)
            self._serial.timeout = 0
            self._serial.dtr = power
            self._serial.rts = False
            self._open_unflushed()
        except (serial.SerialException, ValueError, OSError) as error:
            raise PortError(f"{name}: {error}") from None

    def _apply(self, settings: Settings) -> None:
        line = settings.line
        self._serial.baudrate = settings.speed
        self._serial.bytesize = 8 if line.has_parity else line.data_bits
        self._serial.parity = serial.PARITY_NONE if line.has_parity else line.parity

    def set(self, settings: Settings) -> None:
        """Sets speed and line. Raises PortError."""
        try:
            self._apply(settings)
        except (serial.SerialException, ValueError, OSError) as error:
            raise PortError(f"{self.name}: {error}") from None

    def _open_unflushed(self) -> None:
        """Opens the port without the methods that pyserial's ``open`` calls to flush (except on Windows)."""
        flushing = {"reset_input_buffer", "_reset_input_buffer"} & set(dir(self._serial))
        for name in flushing:
            setattr(self._serial, name, lambda: None)
        self._serial.open()
        for name in flushing:
            delattr(self._serial, name)

    def fileno(self) -> int:
        """Returns the descriptor to poll. Raises where the port has none; :mod:`~vtctap.sniffer.reader` then reads in
        turns."""
        return int(self._serial.fileno())

    def read(self) -> list[tuple[int, int]]:
        """Reads octets, without flags. Raises PortError when the port is gone."""
        try:
            return [(value, 0) for value in self._serial.read(_READ_SIZE)]
        except (serial.SerialException, OSError) as error:
            raise PortError(f"{self.name}: {error}") from None

    def counters(self) -> None:
        """Returns None, since pyserial has no totals."""
        return

    def close(self) -> None:
        """Closes the port."""
        with contextlib.suppress(serial.SerialException, OSError):
            self._serial.close()
