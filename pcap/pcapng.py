"""Reads pcapng capture files (draft-ietf-opsawg-pcapng): interfaces, comments, flags, statistics.

The parser reads both byte orders, several sections and interfaces, every time resolution, and enhanced, simple and
obsolete packet blocks. It skips other blocks, and options that it does not use. Where this package wrote the section,
it compares the statistics with the packets that it read.
"""

from collections.abc import Iterator
from typing import Final

from vtctap.base.nouns import count
from vtctap.pcap.capture_file import MAX_BLOCK, NANOSECONDS, Damage, Interface, Packet
from vtctap.pcap.pcapng_blocks import (
    COMMENT,
    END_OF_OPTIONS,
    EPB_FLAGS,
    IF_DESCRIPTION,
    IF_HARDWARE,
    IF_NAME,
    IF_SPEED,
    IF_TSOFFSET,
    IF_TSRESOL,
    INTERFACE,
    ISB_IFRECV,
    LEAST,
    LEAST_BLOCK,
    LEAST_PACKET,
    LITTLE,
    OBSOLETE_PACKET,
    PACKET,
    SECTION,
    SHB_USERAPPL,
    SIMPLE_PACKET,
    STATISTICS,
    ByteOrder,
    stated_order,
)
from vtctap.pcap.skipped import Skipped
from vtctap.pcap.streams import Input

MAGIC: Final = bytes.fromhex("0a0d0d0a")

_DEFAULT_RESOLUTION = 6
_ASSUMED_LINKTYPE: Final = 147
MAX_INTERFACES: Final = 256
"""Most interfaces that are expected of a section after damage: a record can number as many taps."""
_MAX_FOUND: Final = 1 << 20
"""Most octets of a block that is found after damage; no record is as long."""
_AS_OTHERS = "its packets are read as those of other interfaces"
_APPLICATION: Final = b"vtctap"
"""The beginning of this program's name as the file states it. Its statistics count the packets in the file; other
programs copy them even when they remove packets."""


class PcapngParser:
    """Parses an input that begins with a section header."""

    def __init__(self, source: Input) -> None:
        self.interfaces: list[Interface] = []
        self.began = source.at
        self._input = source
        self._order = LITTLE
        self._section: list[tuple[int, Interface]] = []
        self.counts: list[int] = []
        """The packets read so far of each interface of the section; a list of its own for each section."""
        self.own: int | None = None
        self._own = False
        self._assumed: dict[int, tuple[int, Interface]] = {}
        self.confirmed: set[int] = set()
        """The interfaces of which the statistics state as many packets as were read."""

    def packets(self) -> Iterator[Packet | Skipped]:
        """See :meth:`vtctap.pcap.capture_file.Parser.packets`."""
        source, buffer = self._input, self._input.buffer
        end = len(buffer)
        order = self._order
        while (at := source.at) + LEAST_BLOCK <= end:
            kind, length = order.block.unpack_from(buffer, at)
            if kind == SECTION:
                order = self._order = self._order_of_section(at)
                kind, length = order.block.unpack_from(buffer, at)
            if length % 4 or not LEAST_BLOCK <= length <= MAX_BLOCK:
                raise Damage(at, f"a block of {length} octets is impossible")
            following = at + length
            if following > end:
                break
            (trailer,) = order.word.unpack_from(buffer, following - 4)
            if trailer != length:
                raise Damage(at, f"the block is {length} octets long by its beginning, {trailer} by its end")
            if kind == PACKET and length >= LEAST_PACKET:
                described = len(self.interfaces)
                packet, number = self._packet(at, following)
                if number < len(self._section):
                    self.counts[number] += 1
                elif len(self.interfaces) > described:
                    yield self._told(at, f"interface {number} has not been described; {_AS_OTHERS}")
                item: Packet | Skipped | None = packet
            else:
                item = self._other_block(kind, at, following - 4)
            self.began, source.at = at, following
            if item:
                yield item

    def _packet(self, at: int, following: int) -> tuple[Packet, int]:
        """Parses an enhanced packet block; returns the packet, and the number of its interface in the section."""
        order, buffer = self._order, self._input.buffer
        _, length, number, high, low, size, original = order.packet.unpack_from(buffer, at)
        start = at + 28
        options = start + (size + 3 & ~3)
        room = following - options
        code = width = flags = 0
        comments: tuple[str, ...] = ()
        if room == 16:
            # The usual case: flags, the end of the options, and the block's length again.
            code, width, flags, _, _ = order.flags_and_end.unpack_from(buffer, options)
        elif room < 4:
            raise Damage(at, f"a packet of {size} octets in a block of {length}")
        if room > 4 and (code != EPB_FLAGS or width != 4):
            flags, comments = self._packet_options(options, following - 4, at)
        index, interface = self._section[number] if number < len(self._section) else self._undescribed(number, at)
        time = high << 32 | low
        if interface.resolution != NANOSECONDS or interface.offset:
            time = interface.nanoseconds(time)
        data = buffer[start : start + size]
        return Packet(time, data, interface.linktype, index, original, comments, flags), number

    def again(self) -> Packet:
        """Parses the enhanced packet block that begins at :attr:`began` again."""
        return self._packet(self.began, self._input.at)[0]

    def plain(self, interface: int) -> bool:
        """Whether packets of an interface, by its number in the file, are just as this package writes them."""
        described = self.interfaces[interface]
        as_written = self._own and self._order is LITTLE
        return as_written and described.resolution == NANOSECONDS and not described.offset

    def seek(self, at: int) -> int:
        """See :meth:`vtctap.pcap.capture_file.Parser.seek`."""
        found = self._order.kinds.search(self._input.buffer, at)
        return found.start() if found else len(self._input.buffer)

    def fits(self, at: int, end: int) -> bool | None:
        """See :meth:`vtctap.pcap.capture_file.Parser.fits`."""
        buffer, order = self._input.buffer, self._order
        if at + 28 > end:
            return None
        (kind,) = order.word.unpack_from(buffer, at)
        if kind == SECTION:
            found = stated_order(buffer, at)
            if found is None:
                return False
            order = found
        kind, length, number, _, _, size, original = order.packet.unpack_from(buffer, at)
        if length % 4 or not LEAST.get(kind, MAX_BLOCK) <= length <= _MAX_FOUND:
            return False
        if kind == PACKET and not (size <= original and LEAST_PACKET + size <= length and number < MAX_INTERFACES):
            return False
        if kind == INTERFACE and number >> 16:  # reserved
            return False
        if at + length > end:
            return None
        (trailer,) = order.word.unpack_from(buffer, at + length - 4)
        return bool(trailer == length)

    def _order_of_section(self, at: int) -> ByteOrder:
        order = stated_order(self._input.buffer, at)
        if order is None:
            raise Damage(at, "a section header without its byte-order magic")
        return order

    def _undescribed(self, number: int, at: int) -> tuple[int, Interface]:
        """Assumes an interface for a packet whose interface description is missing, if this package wrote the section,
        because all interfaces of a section are alike. Raises Damage in other sections."""
        if not self._own or number >= MAX_INTERFACES:
            raise Damage(at, f"interface {number} has not been described")
        if number not in self._assumed:
            linktype = self._section[0][1].linktype if self._section else _ASSUMED_LINKTYPE
            self._assumed[number] = len(self.interfaces), Interface(linktype)
            self.interfaces.append(Interface(linktype))
        return self._assumed[number]

    def _told(self, at: int, reason: str) -> Skipped:
        return Skipped(self._input.offset(at), 0, reason, self._input.name)

    def _other_block(self, kind: int, at: int, end: int) -> Packet | Skipped | None:
        """Parses a block of another type than enhanced packet; its body ends at ``end``. Returns its packet, if any."""
        length = end + 4 - at
        take = {
            SECTION: self._take_section,
            INTERFACE: self._take_interface,
            SIMPLE_PACKET: self._take_simple_packet,
            OBSOLETE_PACKET: self._take_obsolete_packet,
            STATISTICS: self._take_statistics,
        }.get(kind, self._pass_over)
        if length < LEAST.get(kind, 0):
            raise Damage(at, f"a block of type {kind} cannot have only {length} octets")
        return take(at, end)

    def _pass_over(self, at: int, end: int) -> Packet | Skipped | None:
        """Skips a block. Raises Damage if it holds a packet of this package, because its type is then wrong."""
        if self._own and end - at >= LEAST_PACKET - 4:
            kind, length, number, _, _, size, original = self._order.packet.unpack_from(self._input.buffer, at)
            if number < MAX_INTERFACES and 0 < size <= original <= length - LEAST_PACKET:
                raise Damage(at, f"a block of type {kind:#x} holds a packet")
        return None

    def _take_section(self, at: int, end: int) -> Packet | Skipped | None:
        _, _, _, major, minor, _ = self._order.section.unpack_from(self._input.buffer, at)
        self._section, self.counts, self._assumed, self._own = [], [], {}, False
        self.own = None
        options = dict(self._options(at + self._order.section.size, end, at))
        self._own = options.get(SHB_USERAPPL, b"").startswith(_APPLICATION)
        if major != 1:
            raise Damage(at, f"version {major}.{minor} of pcapng is not known to this release")
        return None

    def _take_interface(self, at: int, end: int) -> Packet | Skipped | None:
        """Parses an interface. It counts even if its options are damaged, because its packets state its number."""
        order = self._order
        _, _, linktype, _, snaplen = order.interface.unpack_from(self._input.buffer, at)
        texts = {IF_NAME: "", IF_DESCRIPTION: "", IF_HARDWARE: ""}
        speed, resolution, offset = 0, NANOSECONDS if self._own else _DEFAULT_RESOLUTION, 0
        try:
            for code, value in self._options(at + order.interface.size, end, at):
                if code in texts:
                    texts[code] = value.decode(errors="replace")
                elif code == IF_SPEED and len(value) == 8:
                    (speed,) = order.unsigned.unpack(value)
                elif code == IF_TSRESOL and len(value) == 1:
                    resolution = value[0]
                elif code == IF_TSOFFSET and len(value) == 8:
                    (offset,) = order.signed.unpack(value)
        finally:
            interface = Interface(
                linktype,
                texts[IF_NAME],
                texts[IF_DESCRIPTION],
                texts[IF_HARDWARE],
                speed,
                snaplen,
                resolution,
                offset,
            )
            if self._own and not self._section:
                self.own = self.interfaces.index(interface) if interface in self.interfaces else len(self.interfaces)
            self._section.append((len(self.interfaces), interface))
            self.counts.append(0)
            self.interfaces.append(interface)
        return None

    def _take_statistics(self, at: int, end: int) -> Packet | Skipped | None:
        """Compares the number of packets that an interface has according to the file with the number of packets
        read."""
        _, _, number = self._order.numbered.unpack_from(self._input.buffer, at)
        if not self._own:
            return None
        if number >= len(self.counts):
            return self._told(at, f"statistics of interface {number}, which has not been described")
        index, interface = self._section[number]
        read = self.counts[number]
        stated = dict(self._options(at + 20, end, at)).get(ISB_IFRECV)
        if stated is None or len(stated) != 8:
            return None
        (written,) = self._order.unsigned.unpack(stated)
        if written == read:
            self.confirmed.add(index)
            return None
        name = f"interface {number}" + (f" ({interface.name})" if interface.name else "")
        return self._told(at, f"{name} has {count(written, 'packet')} by its statistics, and {read} could be read")

    def _take_simple_packet(self, at: int, end: int) -> Packet | Skipped | None:
        """Parses a simple packet block: it has no time, belongs to the section's first interface, and is cut to that
        interface's snaplen."""
        if not self._section:
            raise Damage(at, "a packet before any interface has been described")
        index, interface = self._section[0]
        self.counts[0] += 1
        (original,) = self._order.word.unpack_from(self._input.buffer, at + 8)
        size = min(original, interface.snaplen or original)
        if size > end - at - 12:
            raise Damage(at, f"a packet of {size} octets in a block of {end + 4 - at}")
        return Packet(0, self._input.buffer[at + 12 : at + 12 + size], interface.linktype, index, original)

    def _take_obsolete_packet(self, at: int, end: int) -> Packet | Skipped | None:
        _, _, number, _, high, low, size, original = self._order.obsolete_packet.unpack_from(self._input.buffer, at)
        start = at + self._order.obsolete_packet.size
        options = start + (size + 3 & ~3)
        if options > end:
            raise Damage(at, f"a packet of {size} octets in a block of {end + 4 - at}")
        if number >= len(self._section):
            raise Damage(at, f"interface {number} has not been described")
        index, interface = self._section[number]
        self.counts[number] += 1
        flags, comments = self._packet_options(options, end, at)
        time = interface.nanoseconds(high << 32 | low)
        data = self._input.buffer[start : start + size]
        return Packet(time, data, interface.linktype, index, original, comments, flags)

    def _packet_options(self, start: int, end: int, block: int) -> tuple[int, tuple[str, ...]]:
        flags, comments = 0, []
        for code, value in self._options(start, end, block):
            if code == COMMENT:
                comments.append(value.decode(errors="replace"))
            elif code == EPB_FLAGS and len(value) == 4:
                (flags,) = self._order.word.unpack(value)
        return flags, tuple(comments)

    def _options(self, at: int, end: int, block: int) -> Iterator[tuple[int, bytes]]:
        """Yields the options from ``at`` up to ``end``, of the block that begins at ``block``."""
        while at + 4 <= end:
            code, size = self._order.option.unpack_from(self._input.buffer, at)
            if code == END_OF_OPTIONS:
                return
            at += 4
            if at + size > end:
                raise Damage(block, f"option {code} of {size} octets runs over the block's end")
            yield code, self._input.buffer[at : at + size]
            at += size + -size % 4
