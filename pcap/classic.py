"""Classic pcap capture files (draft-ietf-opsawg-pcap): packets of one link type, with timestamps.

The parser reads microseconds and nanoseconds in both byte orders. The writer writes nanoseconds, little-endian. The
format cannot store interface names, comments and flags; the writer leaves them out.
"""

import struct
from collections.abc import Iterator
from typing import Final

from vtctap.pcap.capture_file import MAX_BLOCK, NANOSECONDS, Damage, Interface, Packet, PacketWriter, TraceError
from vtctap.pcap.record import LINKTYPES, MAGIC, SECOND_NS, VERSION
from vtctap.pcap.skipped import Skipped
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
_RECORD_BEGINS = MAGIC + bytes([VERSION])
_HEAD = len(_RECORD_BEGINS)
_MAX_FOUND: Final = 1 << 20
"""Most octets of a packet that is found after damage; no record is as long."""
_SNAPLEN = 262144  # the longest packet that Wireshark reads


class PcapParser:
    """Parses an input that begins with one of the :data:`MAGICS`."""

    def __init__(self, source: Input) -> None:
        self.interfaces: list[Interface] = []
        self.began = source.at
        self._input = source
        self._sign, self._resolution, self._unit = _VARIANTS[source.buffer[source.at : source.at + 4]]
        self._record = struct.Struct(self._sign + "IIII")
        self._fractions = SECOND_NS // self._unit
        self._traces: bool | None = None
        """Whether the packets are this package's records, by the first one; None before it."""
        self.own: int | None = None
        self.confirmed: set[int] = set()
        """Always empty: the format has no statistics."""

    def packets(self) -> Iterator[Packet | Skipped]:
        """See :meth:`vtctap.pcap.capture_file.Parser.packets`."""
        source, buffer = self._input, self._input.buffer
        if not self.interfaces and not self._take_header():
            return
        end = len(buffer)
        linktype, unit, fractions = self.interfaces[0].linktype, self._unit, self._fractions
        unpack_from = self._record.unpack_from
        while (at := source.at) + _RECORD_SIZE <= end:
            seconds, fraction, size, original = unpack_from(buffer, at)
            if size > MAX_BLOCK:
                raise Damage(at, f"a packet of {size} octets is impossible")
            start = at + _RECORD_SIZE
            following = start + size
            if following > end:
                break
            if fraction >= fractions or size > original or buffer[start : start + 2] != MAGIC:
                self._doubt(at, fraction, size, original)
            elif buffer.find(_RECORD_BEGINS, start + 1, following + _HEAD) > 0:
                self._doubt_length(at, following)
            elif self._traces is None:
                self._traces = linktype in LINKTYPES
            self.began, source.at = at, following
            yield Packet(seconds * SECOND_NS + fraction * unit, buffer[start:following], linktype, 0, original)

    def _doubt(self, at: int, fraction: int, size: int, original: int) -> None:
        """Examines a packet that does not hold a record. Raises Damage if it may not be a packet at all."""
        if self._traces is None:
            self._traces = self._record_follows(at)
        if not self._traces:
            return
        if fraction >= self._fractions:
            raise Damage(at, f"a time of {fraction} parts of a second, of {self._fractions}")
        if size > original:
            raise Damage(at, f"{size} octets of a packet of {original}")
        following, end = at + _RECORD_SIZE + size, len(self._input.buffer)
        if following != end and self.fits(following, end) is False:
            raise Damage(at, f"a packet of {size} octets, of another program, and none follows it")

    def _doubt_length(self, at: int, following: int) -> None:
        """Examines a record in which another one seems to begin. Raises Damage if it has lost a part."""
        end = len(self._input.buffer)
        place = self.seek(at + 1)
        if following < end and self.fits(following, end) is False and self.fits(place, end):
            raise Damage(at, "the next packet begins in it")

    def _record_follows(self, at: int) -> bool:
        """Whether a record follows a first packet that holds none."""
        end = len(self._input.buffer)
        while self._holds_records and (at := self.seek(at + 1)) < end:
            if self.fits(at, end):
                return True
        return False

    @property
    def _holds_records(self) -> bool:
        """Whether the packets are records, or may be before the first one."""
        return self._traces is not False and any(each.linktype in LINKTYPES for each in self.interfaces)

    def seek(self, at: int) -> int:
        """See :meth:`vtctap.pcap.capture_file.Parser.seek`."""
        if not self._holds_records:
            return at
        found = self._input.buffer.find(_RECORD_BEGINS, at + _RECORD_SIZE)
        return len(self._input.buffer) if found < 0 else found - _RECORD_SIZE

    def fits(self, at: int, end: int) -> bool | None:
        """See :meth:`vtctap.pcap.capture_file.Parser.fits`. Where packets are no records, another must follow."""
        whole = self._plausible(at, end)
        if not whole or self._holds_records:
            return whole and self._input.buffer.startswith(_RECORD_BEGINS, at + _RECORD_SIZE)
        following = at + _RECORD_SIZE + int(self._record.unpack_from(self._input.buffer, at)[2])
        return self._plausible(following, end)

    def _plausible(self, at: int, end: int) -> bool | None:
        if at + _RECORD_SIZE > end:
            return None
        _, fraction, size, original = self._record.unpack_from(self._input.buffer, at)
        if fraction >= self._fractions or not 0 < size <= original <= _MAX_FOUND:
            return False
        return True if at + _RECORD_SIZE + size <= end else None

    def _take_header(self) -> bool:
        """Parses the file's header; returns False where it is not complete yet."""
        source, at = self._input, self._input.at
        if len(source.buffer) - at < _HEADER_SIZE:
            return False
        _, major, minor, _, _, snaplen, linktype = struct.unpack_from(self._sign + _HEADER, source.buffer, at)
        self.interfaces.append(Interface(linktype & _LINKTYPE_MASK, snaplen=snaplen, resolution=self._resolution))
        source.at += _HEADER_SIZE
        if major != 2:
            raise Damage(at, f"version {major}.{minor} of pcap is not known to this release")
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
        seconds, fraction = divmod(packet.time, SECOND_NS)
        if not 0 <= seconds < 1 << 32:
            raise TraceError(f"pcap cannot state a time of {packet.time} ns since 1970")
        size = len(packet.data)
        if size > MAX_BLOCK:
            raise TraceError(f"a packet of {size} octets is too long for {self._output.name}")
        head = struct.pack("<IIII", seconds, fraction, size, max(size, packet.original_length))
        self._output.write(head + packet.data)
