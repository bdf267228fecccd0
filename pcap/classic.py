"""Classic pcap capture files (draft-ietf-opsawg-pcap): packets of one link type, with timestamps.

The parser reads microseconds and nanoseconds in both byte orders. The writer writes nanoseconds, little-endian. The
format cannot store interface names, comments and flags; the writer leaves them out.
"""

import struct
from collections.abc import Iterator
from typing import Final

from vtctap.pcap.capture_file import MAX_BLOCK, NANOSECONDS, Interface, Packet, PacketWriter, TraceError
from vtctap.pcap.streams import Input, Output

MICROSECOND_MAGIC: Final = 0xA1B2C3D4
NANOSECOND_MAGIC: Final = 0xA1B23C4D

_VARIANTS: Final = {
    struct.pack(sign + "I", magic): (sign, resolution, unit)
    for sign in "<>"
    for magic, resolution, unit in ((MICROSECOND_MAGIC, 6, 1000), (NANOSECOND_MAGIC, NANOSECONDS, 1))
}
"""Maps the magic, as the file holds it, to the byte order, the resolution, and the unit of that resolution in ns."""
MAGICS: Final = tuple(_VARIANTS)

_HEADER = "IHHiIII"
_HEADER_SIZE, _RECORD_SIZE = 24, 16
_LINKTYPE_MASK = 0xFFFF  # the upper half states the length of the frame check sequence
_SNAPLEN = 262144  # the longest packet that Wireshark reads


class PcapParser:
    """Parses an input that begins with one of the :data:`MAGICS`."""

    def __init__(self, source: Input) -> None:
        self.interfaces: list[Interface] = []
        self._input = source
        self._sign, self._resolution, self._unit = _VARIANTS[source.buffer[source.at : source.at + 4]]
        self._record = struct.Struct(self._sign + "IIII")

    def packets(self) -> Iterator[Packet]:
        """See :meth:`vtctap.pcap.capture_file.Parser.packets`."""
        source, buffer = self._input, self._input.buffer
        if not self.interfaces and not self._take_header():
            return
        at, end = source.at, len(buffer)
        linktype, unit = self.interfaces[0].linktype, self._unit
        unpack_from = self._record.unpack_from
        try:
            while at + _RECORD_SIZE <= end:
                seconds, fraction, size, original = unpack_from(buffer, at)
                if size > MAX_BLOCK:
                    raise source.damaged(at, f"a packet of {size} octets is impossible")
                start = at + _RECORD_SIZE
                following = start + size
                if following > end:
                    break
                at = following
                yield Packet(seconds * 1_000_000_000 + fraction * unit, buffer[start:following], linktype, 0, original)
        finally:
            source.at = at

    def _take_header(self) -> bool:
        """Parses the file's header; returns False where it is not complete yet."""
        source = self._input
        if len(source.buffer) - source.at < _HEADER_SIZE:
            return False
        _, major, minor, _, _, snaplen, linktype = struct.unpack_from(self._sign + _HEADER, source.buffer, source.at)
        if major != 2:
            raise source.damaged(source.at, f"version {major}.{minor} of pcap is not known to this release")
        self.interfaces.append(Interface(linktype & _LINKTYPE_MASK, snaplen=snaplen, resolution=self._resolution))
        source.at += _HEADER_SIZE
        return True


class PcapWriter(PacketWriter):
    """Writes packets of one link type."""

    def __init__(self, output: Output, *, linktype: int) -> None:
        super().__init__(output)
        self._linktype = linktype
        self._interfaces = 0
        output.write(struct.pack("<" + _HEADER, NANOSECOND_MAGIC, 2, 4, 0, 0, _SNAPLEN, linktype))

    def add_interface(self, interface: Interface) -> int:
        """Numbers the interface, without storing it. Raises TraceError for another link type than the file's."""
        if interface.linktype != self._linktype:
            raise TraceError(
                f"{self._output.name} is of link type {self._linktype} and cannot take link type {interface.linktype}: "
                "a .pcapng file takes both"
            )
        self._interfaces += 1
        return self._interfaces - 1

    def write(self, packet: Packet) -> None:
        """See :meth:`vtctap.pcap.capture_file.PacketWriter.write`."""
        if not 0 <= packet.interface < self._interfaces:
            raise TraceError(f"interface {packet.interface} has not been added to {self._output.name}")
        seconds, fraction = divmod(packet.time, 1_000_000_000)
        if not 0 <= seconds < 1 << 32:
            raise TraceError(f"pcap cannot state a time of {packet.time} ns since 1970")
        size = len(packet.data)
        if size > MAX_BLOCK:
            raise TraceError(f"a packet of {size} octets is too long for {self._output.name}")
        head = struct.pack("<IIII", seconds, fraction, size, max(size, packet.original_length))
        self._output.write(head + packet.data)
