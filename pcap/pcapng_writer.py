"""Writes pcapng capture files (draft-ietf-opsawg-pcapng): one little-endian section with timestamps in ns."""

import struct
from collections.abc import Mapping

from vtctap.pcap.capture_file import MAX_BLOCK, NANOSECONDS, Interface, Packet, PacketWriter, TraceError
from vtctap.pcap.pcapng_blocks import (
    BYTE_ORDER_MAGIC,
    COMMENT,
    END_OF_OPTIONS,
    EPB_FLAGS,
    IF_DESCRIPTION,
    IF_HARDWARE,
    IF_NAME,
    IF_SPEED,
    IF_TSRESOL,
    INTERFACE,
    ISB_ENDTIME,
    ISB_IFDROP,
    ISB_IFRECV,
    ISB_STARTTIME,
    LEAST_BLOCK,
    LEAST_PACKET,
    LITTLE,
    PACKET,
    SECTION,
    SHB_HARDWARE,
    SHB_OS,
    SHB_USERAPPL,
    STATISTICS,
)
from vtctap.pcap.streams import Output


def _option(code: int, value: bytes) -> bytes:
    return LITTLE.option.pack(code, len(value)) + value + bytes(-len(value) % 4)


def _text(code: int, text: str) -> bytes:
    """Encodes an option of text; nothing for an empty text. A text that is too long is cut between characters."""
    if not text:
        return b""
    value = text.encode(errors="replace")
    if len(value) > 0xFFFF:
        value = value[:0xFFFF].decode(errors="ignore").encode()
    return _option(code, value)


def _ended(options: bytes) -> bytes:
    return options + _option(END_OF_OPTIONS, b"") if options else b""


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + LEAST_BLOCK
    return LITTLE.block.pack(kind, length) + body + LITTLE.word.pack(length)


class _Counter:
    """The statistics of one interface: how many packets it has, and their earliest and latest time."""

    __slots__ = ("first", "last", "packets")

    def __init__(self) -> None:
        self.packets = self.first = self.last = 0

    def count(self, time: int) -> None:
        if not self.packets or time < self.first:
            self.first = time
        if time > self.last:
            self.last = time
        self.packets += 1


class PcapngWriter(PacketWriter):
    """Writes one section. It ends with the statistics of each interface: how many packets it has, the earliest and the
    latest time, and the drops where they are known."""

    def __init__(self, output: Output, *, application: str = "", hardware: str = "", system: str = "") -> None:
        """``application``, ``hardware`` and ``system`` become ``shb_userappl``, ``shb_hardware`` and ``shb_os``."""
        super().__init__(output)
        options = _text(SHB_HARDWARE, hardware) + _text(SHB_OS, system) + _text(SHB_USERAPPL, application)
        output.write(_block(SECTION, struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1) + _ended(options)))
        self._taps: list[_Counter] = []

    def add_interface(self, interface: Interface) -> int:
        """Writes an interface block that states timestamps in ns, whatever resolution ``interface`` was read with."""
        options = (
            _text(IF_NAME, interface.name)
            + _text(IF_DESCRIPTION, interface.description)
            + (_option(IF_SPEED, LITTLE.unsigned.pack(interface.speed)) if interface.speed else b"")
            + _option(IF_TSRESOL, bytes([NANOSECONDS]))
            + _text(IF_HARDWARE, interface.hardware)
        )
        body = struct.pack("<HHI", interface.linktype, 0, interface.snaplen) + _ended(options)
        self._output.write(_block(INTERFACE, body))
        self._taps.append(_Counter())
        return len(self._taps) - 1

    def write(self, packet: Packet) -> None:
        """See :meth:`vtctap.pcap.capture_file.PacketWriter.write`. The interface's link type applies, not the
        packet's."""
        time, data, _, number, original, comments, flags = packet
        if not 0 <= number < len(self._taps):
            raise TraceError(f"interface {number} has not been added to {self._output.name}")
        if not 0 <= time < 1 << 64:
            raise TraceError(f"pcapng cannot state a time of {time} ns since 1970")
        size = len(data)
        length = LEAST_PACKET + size + -size % 4
        if comments:
            options = LITTLE.option.pack(EPB_FLAGS, 4) + LITTLE.word.pack(flags) if flags else b""
            options = _ended(options + b"".join(_text(COMMENT, comment) for comment in comments))
            length += len(options)
            tail = options + LITTLE.word.pack(length)
        elif flags:
            length += 12
            tail = LITTLE.flags_and_end.pack(EPB_FLAGS, 4, flags, END_OF_OPTIONS, length)
        else:
            tail = LITTLE.word.pack(length)
        if length > MAX_BLOCK:
            raise TraceError(f"a packet of {size} octets is too long for {self._output.name}")
        if original < size:
            original = size
        head = LITTLE.packet.pack(PACKET, length, number, time >> 32, time & 0xFFFFFFFF, size, original)
        self._output.write(head + data + bytes(-size % 4) + tail)
        self._taps[number].count(time)

    def _finish(self, drops: Mapping[int, int]) -> None:
        def words(time: int) -> bytes:
            return LITTLE.time.pack(time >> 32, time & 0xFFFFFFFF)

        end = max((tap.last for tap in self._taps), default=0)
        for number, tap in enumerate(self._taps):
            options = b""
            if tap.packets:
                options += _option(ISB_STARTTIME, words(tap.first)) + _option(ISB_ENDTIME, words(tap.last))
            options += _option(ISB_IFRECV, LITTLE.unsigned.pack(tap.packets))
            if number in drops:
                options += _option(ISB_IFDROP, LITTLE.unsigned.pack(drops[number]))
            body = LITTLE.word.pack(number) + words(end) + _ended(options)
            self._output.write(_block(STATISTICS, body))
