"""Ports through pyserial: its URLs, and every port where there is no POSIX terminal interface.

What pyserial does at opening that a tap must not do (raise DTR and RTS, flush the input) is switched off where pyserial
lets one. Framing errors and breaks are not told apart from good octets here.
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
        """Sets speed and line anew. Raises PortError."""
        try:
            self._apply(settings)
        except (serial.SerialException, ValueError, OSError) as error:
            raise PortError(f"{self.name}: {error}") from None

    def _open_unflushed(self) -> None:
        """Opens; pyserial's ``open`` flushes by these methods (but not on Windows)."""
        flushing = {"reset_input_buffer", "_reset_input_buffer"} & set(dir(self._serial))
        for name in flushing:
            setattr(self._serial, name, lambda: None)
        self._serial.open()
        for name in flushing:
            delattr(self._serial, name)

    def fileno(self) -> int:
        """The descriptor to poll; raises where the port has none (:mod:`~vtctap.sniffer.reader` then asks by turns)."""
        return int(self._serial.fileno())

    def read(self) -> list[tuple[int, int]]:
        """What has arrived. Raises PortError when the port is gone."""
        try:
            return [(value, 0) for value in self._serial.read(_READ_SIZE)]
        except (serial.SerialException, OSError) as error:
            raise PortError(f"{self.name}: {error}") from None

    def counters(self) -> None:
        """pyserial has no totals."""
        return

    def close(self) -> None:
        """Gives the port back."""
        with contextlib.suppress(serial.SerialException, OSError):
            self._serial.close()
