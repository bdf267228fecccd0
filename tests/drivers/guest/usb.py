"""USB devices in Python, on the kernel's own virtual host controller (vhci_hcd, the protocol of USB/IP).

:class:`Device` answers the requests that all devices share, and calls its methods for what the host does; each chip
(:mod:`chips`) answers its own requests. Source: Documentation/usb/usbip_protocol.rst of the kernel.

Limits: full-speed devices with one configuration, without isochronous transfers.
"""

import socket
import struct
from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple

_ATTACH: Final = "/sys/devices/platform/vhci_hcd.0/attach"
_FULL_SPEED: Final = 2
_SUBMIT, _UNLINK, _SUBMITTED, _UNLINKED = 1, 2, 3, 4
_HEADER: Final = 48
_STALL, _RESET = -32, -104


class Setup(NamedTuple):
    """A control request (USB 2.0, clause 9.3); ``place`` is its wIndex."""

    kind: int
    request: int
    value: int
    place: int
    length: int


class Endpoint(NamedTuple):
    """An endpoint: its address (bit 7: to the host), kind (2: bulk, 3: interrupt) and packet size."""

    address: int
    kind: int
    size: int


class Interface(NamedTuple):
    """An interface: its class, subclass and protocol, its endpoints, and (``more``) further descriptors."""

    classes: tuple[int, int, int]
    endpoints: Sequence[Endpoint]
    more: bytes = b""


class Device:
    """A device plugged into ``port`` of the controller. Its owner calls :meth:`hand_on` after each event, and
    :meth:`hear` when the host has sent something."""

    vendor: ClassVar[int]
    product: ClassVar[int]
    release: ClassVar[int]
    name: ClassVar[str]
    interfaces: ClassVar[Sequence[Interface]]
    data: ClassVar[int]
    """The number of the endpoint for what the device receives on its line."""
    device_class: ClassVar[int] = 0

    def __init__(self, port: int, serial: str) -> None:
        self._serial = serial
        self._waiting: list[tuple[int, int]] = []
        self._came = b""
        self.listening = False
        """Whether the host reads what is received: the port is open."""
        self._host, kernel = socket.socketpair()
        with kernel, open(_ATTACH, "w") as attach:
            attach.write(f"{port} {kernel.fileno()} {0x10002 + port} {_FULL_SPEED}")

    # What a chip does.

    def asked(self, setup: Setup, data: bytes) -> bytes:
        """Answers a request of a class or vendor."""
        raise NotImplementedError

    def packet(self, size: int) -> bytes | None:
        """Returns at most ``size`` octets for the host; None for nothing yet."""
        raise NotImplementedError

    def sent(self, octets: bytes) -> None:
        """Handles octets that the host sends on the line."""
        raise NotImplementedError

    def due(self) -> float:
        """Returns the seconds after which :meth:`hand_on` is to be called at the latest."""
        raise NotImplementedError

    # What every device does.

    def fileno(self) -> int:
        """Returns the descriptor on which the host sends."""
        return self._host.fileno()

    def unplug(self) -> None:
        """Unplugs the device."""
        self._host.close()

    def hand_on(self) -> None:
        """Hands to the host what it waits for, as far as it is there."""
        while self._waiting and (octets := self.packet(self._waiting[0][1])) is not None:
            self._reply(self._waiting.pop(0)[0], octets)

    def hear(self) -> None:
        """Answers what the host has sent. Raises ConnectionError if it is gone."""
        more = self._host.recv(1 << 16)
        if not more:
            raise ConnectionError(f"the host has left {self._serial}")
        self._came += more
        while self._take():
            pass

    def _take(self) -> bool:
        """Runs one command of the host, and returns whether a whole one was there."""
        if len(self._came) < _HEADER:
            return False
        command, number, _, to_host, endpoint = struct.unpack(">5I", self._came[:20])
        if command == _UNLINK:
            (unwanted,) = struct.unpack(">I", self._came[20:24])
            self._came = self._came[_HEADER:]
            known = [one for one in self._waiting if one[0] == unwanted]
            self._waiting = [one for one in self._waiting if one[0] != unwanted]
            self.listening = False  # Drivers unlink requests when a port is closed, some of which are answered already.
            self._answer(_UNLINKED, number, struct.pack(">i24x", _RESET if known else 0))
            return True
        (length,) = struct.unpack(">i", self._came[24:28])
        size = 0 if to_host else length
        if len(self._came) < _HEADER + size:
            return False
        setup = Setup(*struct.unpack("<BBHHH", self._came[40:_HEADER]))
        octets, self._came = self._came[_HEADER : _HEADER + size], self._came[_HEADER + size :]
        if endpoint == 0:
            self._control(number, setup, octets)
        elif not to_host:
            self.sent(octets)
            self._reply(number, b"", actual=size)
        elif endpoint == self.data:
            self._waiting.append((number, length))
            self.listening = True
        return True  # Other endpoints stay silent.

    def _control(self, number: int, setup: Setup, data: bytes) -> None:
        if setup.kind & 0x60:
            answer = self.asked(setup, data)
        elif setup.kind & 0x80 and setup.request == 6:
            answer = self._descriptor(setup.value >> 8, setup.value & 0xFF)
            if not answer:
                self._reply(number, b"", status=_STALL)
                return
        else:
            answer = bytes(2) if setup.kind & 0x80 else b""
        if setup.kind & 0x80:
            self._reply(number, answer[: setup.length])
        else:
            self._reply(number, b"", actual=len(data))

    def _descriptor(self, kind: int, number: int) -> bytes:
        if kind == 1:
            ours = (self.vendor, self.product, self.release, 1, 2, 3 if self._serial else 0, 1)
            return struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x0110, self.device_class, 0, 0, 8, *ours)
        if kind == 2:
            body = b"".join(map(self._described, range(len(self.interfaces)), self.interfaces))
            return struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), len(self.interfaces), 1, 0, 0xA0, 45) + body
        if kind == 3:
            text = {1: "vtctap tests", 2: self.name, 3: self._serial}.get(number, "").encode("utf-16-le")
            return b"\x04\x03\x09\x04" if number == 0 else bytes((len(text) + 2, 3)) + text
        return b""

    def _described(self, number: int, interface: Interface) -> bytes:
        ends = [struct.pack("<BBBBHB", 7, 5, *endpoint, 1) for endpoint in interface.endpoints]
        return bytes((9, 4, number, 0, len(ends), *interface.classes, 2)) + interface.more + b"".join(ends)

    def _reply(self, number: int, octets: bytes, *, status: int = 0, actual: int | None = None) -> None:
        size = len(octets) if actual is None else actual
        self._answer(_SUBMITTED, number, struct.pack(">ii20x", status, size) + octets)

    def _answer(self, kind: int, number: int, rest: bytes) -> None:
        self._host.sendall(struct.pack(">5I", kind, number, 0, 0, 0) + rest)
