"""What the system knows of the adapter behind a port: its driver, and how long it may keep an octet. Linux only.

A module of its own, so that listing the ports does not import what opening them needs (nor dataclasses).

Sources. FTDI: note AN232B-04 and the driver's ``latency_timer`` file: exact. A UART: its FIFO asks to be read when
there are ``rx_trig_bytes`` octets in it (8 of 16 in a 16550A, drivers/tty/serial/8250/8250_port.c), or four characters
after the last (National's PC16550D data sheet): exact where the file is there. Any other USB chip: Silicon Labs say
that a CP210x waits until its buffer is full or a receive time-out ends, which varies with the device, and give no
figure; for WCH's CH340 and CH341, Prolific's PL2303 and devices of the class cdc_acm we know of none either. They are
*assumed* to keep an octet no longer than the slowest timer in common use, FTDI's 16 ms; and so is what lies behind a
local pyserial URL, or on a system that does not say what its ports are. A network may keep an octet for any time. Who
knows better says so (``--latency``).
"""

import contextlib
import math
import os.path
import re
from array import array
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from vtctap.sniffer.envelope import TOLERANCE

_ASSUMED_NS: Final = 16_000_000
"""ns; see the module's sources."""
_PSEUDO_TERMINAL: Final = re.compile(r"/dev/(pts/\d+|ttys\d+)")
"""As Linux and macOS name them: no adapter is behind them, whatever the system says of its ports."""
_NETWORKS: Final = ("socket://", "rfc2217://")
"""pyserial's URLs of ports behind a network; ``spy://`` may stand before them."""
_TIMEOUT: Final = 4
"""Characters after which a UART's FIFO asks to be read although few are in it."""
_TRIGGERS: Final = {1: 1, 2: 1, 3: 1, 4: 8}
"""Port types of <linux/serial_core.h> (8250, 16450, 16550, 16550A) and the octets at which they ask to be read."""
_OTHER_TRIGGER: Final = 16
_LOW_LATENCY: Final = 0x2000
"""ASYNC_LOW_LATENCY of <linux/tty_flags.h>, ..."""
_FLAGS: Final = 4
"""... in this integer of struct serial_struct, which is shorter than ..."""
_SERIAL_STRUCT: Final = 32
"""... so many integers."""


class Adapter(NamedTuple):
    """An adapter may keep an octet for ``time_ns`` and ``characters`` characters, together. ``source`` is one word:
    ``timer``, ``fifo``, ``assumed``, ``stated`` (by the user); ``network``: nothing bounds it, and ``time_ns`` is but a
    guess; empty: there is none (a pseudo-terminal), and each octet is handed on at once."""

    driver: str = ""
    time_ns: int = 0
    characters: int = 0
    source: str = ""

    def latency_ns(self, character_time_ns: int) -> int:
        """The longest that it keeps an octet on a line with such characters (ns), sent as slowly as is allowed, ns."""
        return self.time_ns + math.ceil(self.characters * character_time_ns * (1 + TOLERANCE))

    @property
    def bounded(self) -> bool:
        """Whether anything is known of how long it keeps an octet."""
        return self.source != "network"

    def stated(self, latency_ns: int | None) -> "Adapter":
        """With the latency (ns) that the user states, if any."""
        return self if latency_ns is None else self._replace(time_ns=latency_ns, characters=0, source="stated")

    @property
    def latency_text(self) -> str:
        """The latency as one word; empty where nothing is known."""
        if not self.source:
            return ""
        if not self.bounded:
            return "unknown"
        return f"{self.characters}characters" if self.characters else f"{self.time_ns / 1e6:g}ms"

    def words(self) -> str:
        """As an event's words."""
        words = {"adapter": self.driver, "latency": self.latency_text, "latency_source": self.source}
        return " ".join(f"{key}={value}" for key, value in words.items() if value)

    def __str__(self) -> str:
        latency = self.latency_text.replace("ms", " ms").replace("characters", " characters")
        texts = (self.driver, f"latency {latency} ({self.source})" if latency else "")
        return ", ".join(text for text in texts if text)


def find_adapter(name: str, system: str = "/sys") -> Adapter:
    """The adapter behind a port; empty is that of a virtual capture. ``system`` is where the system's files are."""
    if any(network in name for network in _NETWORKS):
        return Adapter(time_ns=_ASSUMED_NS, source="network")
    if not name or _PSEUDO_TERMINAL.fullmatch(os.path.realpath(name)):
        return Adapter()
    if "://" in name or not os.path.isdir(f"{system}/class/tty"):
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
        characters = (trigger or _OTHER_TRIGGER) - 1 + _TIMEOUT if trigger != 1 else 0
        return Adapter(driver, characters=characters, source="fifo" if trigger else "assumed")
    return Adapter(driver)


class LowLatency(NamedTuple):
    """Whether octets are now handed on as soon as the adapter can; ``put_back`` undoes what was changed for that."""

    reached: bool
    put_back: Callable[[], None]


def ask_low_latency(name: str, descriptor: int, system: str = "/sys") -> LowLatency:
    """Asks the driver to hand octets on as soon as it can: by its flag, and by what files it has for that. Where there
    are such files they tell whether it does; else the flag does, if it stays set."""
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
    """The driver's struct serial_struct; None where it has none."""
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
    """The driver's low-latency flag; None where it has none."""
    settings = _serial_settings(descriptor)
    return None if settings is None else bool(settings[_FLAGS] & _LOW_LATENCY)


def _change_flag(descriptor: int) -> None:
    """Turns the flag over, if the driver lets us; some take it and do not keep it."""
    import fcntl
    import termios

    settings = _serial_settings(descriptor)
    if settings is not None:
        settings[_FLAGS] ^= _LOW_LATENCY
        with contextlib.suppress(OSError):
            fcntl.ioctl(descriptor, termios.TIOCSSERIAL, settings.tobytes())
