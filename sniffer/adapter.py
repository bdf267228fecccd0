"""The adapter behind a port: its driver, and its latency, the longest time that it may keep an octet. Linux only.

The module is separate so that listing ports imports neither what opening them needs nor dataclasses.

Sources of the latency:

- FTDI: note AN232B-04 and the driver's ``latency_timer`` file. Exact.
- UART: its FIFO asks to be read when it holds ``rx_trig_bytes`` octets (8 of 16 in a 16550A,
  drivers/tty/serial/8250/8250_port.c), or four characters after the last octet (National's PC16550D data sheet). Exact
  where the file exists.
- Other USB chips: Silicon Labs say that a CP210x waits until its buffer is full or a receive timeout ends, which varies
  with the device, and give no figure. None is known for WCH's CH340 and CH341, Prolific's PL2303 and cdc_acm devices
  either. They are *assumed* to keep an octet no longer than the slowest timer in common use, FTDI's 16 ms. The same is
  assumed for local pyserial URLs, and on systems that do not describe their ports.
- A network may keep an octet for any time.

The user can state a better value (``--latency``).
"""

import contextlib
import math
import os.path
import re
from array import array
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from vtctap.sniffer.bounds import TIMEOUT
from vtctap.sniffer.envelope import TOLERANCE

_ASSUMED_NS: Final = 16_000_000
"""The latency of an adapter that states none; see the sources above."""
_PSEUDO_TERMINAL: Final = re.compile(r"/dev/(pts/\d+|ttys\d+)")
"""The names of pseudo-terminals on Linux and macOS, which have no adapter."""
_NETWORKS: Final = ("socket://", "rfc2217://")
"""pyserial's URLs of ports behind a network; ``spy://`` may precede them."""
_TRIGGERS: Final = {1: 1, 2: 1, 3: 1, 4: 8}
"""Maps port types of <linux/serial_core.h> (8250, 16450, 16550, 16550A) to the thresholds of their FIFOs, octets."""
_OTHER_TRIGGER: Final = 16
"""The threshold assumed for other types."""
_LOW_LATENCY: Final = 0x2000
"""ASYNC_LOW_LATENCY of <linux/tty_flags.h>."""
_FLAGS: Final = 4
"""The integer of struct serial_struct that holds the flags."""
_SERIAL_STRUCT: Final = 32
"""Integers in a buffer that is large enough for struct serial_struct."""


class Adapter(NamedTuple):
    """An adapter, whose latency is ``time_ns`` plus the length of ``characters`` characters.

    ``source`` states where the latency comes from: ``timer``, ``fifo``, ``assumed`` or ``stated`` (by the user). With
    ``network`` the latency has no bound and ``time_ns`` is a guess. An empty source is no adapter (a pseudo-terminal),
    which hands each octet on at once.
    """

    driver: str = ""
    time_ns: int = 0
    characters: int = 0
    source: str = ""

    def latency_ns(self, character_time_ns: int) -> int:
        """Returns the longest that the adapter keeps an octet on a line with this character time, with the slowest
        sender allowed."""
        return self.time_ns + math.ceil(self.characters * character_time_ns * (1 + TOLERANCE))

    @property
    def fifo(self) -> bool:
        """Whether it is a UART's FIFO of known threshold."""
        return self.source == "fifo"

    @property
    def bounded(self) -> bool:
        """Whether the latency has a bound."""
        return self.source != "network"

    def stated(self, latency_ns: int | None) -> "Adapter":
        """Returns a copy with the latency that the user states; unchanged for None."""
        return self if latency_ns is None else self._replace(time_ns=latency_ns, characters=0, source="stated")

    @property
    def latency_text(self) -> str:
        """The latency as one word; empty where there is no adapter."""
        if not self.source:
            return ""
        if not self.bounded:
            return "unknown"
        return f"{self.characters}characters" if self.characters else f"{self.time_ns / 1e6:g}ms"

    def words(self) -> str:
        """Returns the adapter as ``key=value`` words of an event."""
        words = {"adapter": self.driver, "latency": self.latency_text, "latency_source": self.source}
        return " ".join(f"{key}={value}" for key, value in words.items() if value)

    def __str__(self) -> str:
        latency = self.latency_text.replace("ms", " ms").replace("characters", " characters")
        texts = (self.driver, f"latency {latency} ({self.source})" if latency else "")
        return ", ".join(text for text in texts if text)


def is_url(name: str) -> bool:
    """Whether the name of a port is a pyserial URL."""
    return "://" in name


def is_pseudo_terminal(name: str) -> bool:
    """Whether a name, or the link that it is, leads to a pseudo-terminal; it may be gone by now."""
    return bool(_PSEUDO_TERMINAL.fullmatch(os.path.realpath(name)))


def find_adapter(name: str, system: str = "/sys") -> Adapter:
    """Finds the adapter behind a port. An empty name is that of a virtual capture; ``system`` is the path of sysfs."""
    if any(network in name for network in _NETWORKS):
        return Adapter(time_ns=_ASSUMED_NS, source="network")
    if not name or is_pseudo_terminal(name):
        return Adapter()
    if is_url(name) or not os.path.isdir(f"{system}/class/tty"):
        return Adapter(time_ns=_ASSUMED_NS, source="assumed")
    tty = f"{system}/class/tty/{_device(name)}"
    device = os.path.realpath(f"{tty}/device")
    link = f"{device}/driver"
    driver = os.path.basename(os.path.realpath(link)) if os.path.exists(link) else ""
    timer = _number(_timer(name, system))
    if timer is not None:
        return Adapter(driver, timer * 1_000_000, source="timer")
    if any(re.fullmatch(r"usb\d+", part) for part in device.split(os.sep)):
        return Adapter(driver, _ASSUMED_NS, source="assumed")
    kind = _number(f"{tty}/type")
    if kind:
        trigger = _number(f"{tty}/rx_trig_bytes") or _TRIGGERS.get(kind)
        characters = (trigger or _OTHER_TRIGGER) - 1 + TIMEOUT if trigger != 1 else 0
        return Adapter(driver, characters=characters, source="fifo" if trigger else "assumed")
    return Adapter(driver)


class LowLatency(NamedTuple):
    """``reached`` states whether the adapter now hands octets on at once; ``put_back`` undoes the changes."""

    reached: bool
    put_back: Callable[[], None]


def ask_low_latency(name: str, descriptor: int, system: str = "/sys") -> LowLatency:
    """Asks the driver for its lowest latency, by its flag and by its sysfs files. If there are such files, they show
    whether the driver complies; otherwise the flag does, if it stays set."""
    undo: list[Callable[[], object]] = []
    was = _flag(descriptor)
    if was is False:
        _change_flag(descriptor)
    reached = _flag(descriptor) is True
    if reached and not was:
        undo.append(partial(_change_flag, descriptor))
    for path in (_timer(name, system), f"{system}/class/tty/{_device(name)}/rx_trig_bytes"):
        before = _number(path)
        if before is None:
            continue
        if before > 1 and _write(path, 1):
            undo.append(partial(_write, path, before))
        reached = _number(path) == 1

    def put_back() -> None:
        for step in reversed(undo):
            step()

    return LowLatency(reached, put_back)


def _device(name: str) -> str:
    return os.path.basename(os.path.realpath(name))


def _timer(name: str, system: str) -> str:
    return f"{system}/bus/usb-serial/devices/{_device(name)}/latency_timer"


def _number(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _write(path: str, number: int) -> bool:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(str(number))
    except OSError:
        return False
    return True


def _serial_settings(descriptor: int) -> "array[int] | None":
    """Returns the driver's struct serial_struct; None where the driver has none."""
    import fcntl
    import termios

    request = getattr(termios, "TIOCGSERIAL", None)
    if request is None:
        return None
    try:
        return array("i", fcntl.ioctl(descriptor, request, bytes(_SERIAL_STRUCT * 4)))
    except OSError:
        return None


def _flag(descriptor: int) -> bool | None:
    """Returns the driver's low-latency flag; None where the driver has none."""
    settings = _serial_settings(descriptor)
    return None if settings is None else bool(settings[_FLAGS] & _LOW_LATENCY)


def _change_flag(descriptor: int) -> None:
    """Inverts the flag, if the driver allows it; some drivers accept the flag and do not keep it."""
    import fcntl
    import termios

    settings = _serial_settings(descriptor)
    if settings is not None:
        settings[_FLAGS] ^= _LOW_LATENCY
        with contextlib.suppress(OSError):
            fcntl.ioctl(descriptor, termios.TIOCSSERIAL, settings.tobytes())
