"""The fast way through a trace: reads the blocks that look like earlier ones straight into records.

Nearly every packet of a trace that this package wrote is an enhanced packet block with no options but its flags, and
its record has a header without options that differs from an earlier one in the uncertainty and the duration only. For
such a block no :class:`~vtctap.pcap.capture_file.Packet` is made and no header is decoded: the record is created from
what the exact way made of the first block with the same header.

So this module knows where a header's parts are, and not what they mean: :meth:`CommonBlocks.learn` gets what the exact
way (:mod:`~vtctap.pcap.pcapng`, :mod:`~vtctap.pcap.record`, :mod:`~vtctap.pcap.trace`) made of a block. Whatever is not
certainly common is left to the exact way: events, options, damage, sections of other programs, big-endian files.
"""

import struct
from collections.abc import Iterator
from typing import Final

from vtctap.pcap.capture_file import Packet
from vtctap.pcap.completeness import OctetTally
from vtctap.pcap.construction import maker
from vtctap.pcap.pcapng import PcapngParser
from vtctap.pcap.record import HEADER, UNKNOWN_UNCERTAINTY, Kind, Line, Record, Sender
from vtctap.pcap.streams import Input

_HEAD: Final = struct.Struct("<7I20s")
"""A packet block's type, length, interface, time (upper half, lower half), octets kept and octets captured; then the
beginning of a record's header, up to its uncertainty."""
_REST: Final = struct.Struct(">IQ")
"""The rest of the header: uncertainty and duration."""
_TAIL: Final = struct.Struct("<IIII")
"""The end of a block: the flags' option (code and length in one word, value), the end of the options, the length."""
_DATA, _REST_AT, _OCTETS, LEAST = 28, 48, 60, 64
_HEADER_SIZE: Final = HEADER.size
_TAIL_SIZE: Final = _TAIL.size
PACKET, FLAGS_OPTION = 6, 4 << 16 | 2
_MAX_HEADERS: Final = 4096
"""Most headers that are remembered."""

_record: Final = maker(Record)

Known = tuple[tuple[int, int], Kind, Sender, bool, int, int, Line | None, int, int]
"""A record's interface and tap, and its fields from ``kind`` to ``speed``."""


class CommonBlocks:
    """Reads common blocks of one trace."""

    def __init__(self, source: Input, parser: PcapngParser, tally: OctetTally) -> None:
        self._input = source
        self._parser = parser
        self._octets = tally.octets
        self._counts = parser.counts
        self._known: dict[tuple[int, bytes], Known] = {}

    def learn(self, record: Record, interface: int) -> None:
        """Takes what the exact way made of the block that it returned last, and the number of the interface in the
        file; remembers it if the block was a common one."""
        parser, buffer = self._parser, self._input.buffer
        if parser.counts is not self._counts:  # a new section, where numbers mean other interfaces
            self._known.clear()
            self._counts = parser.counts
        at, following = parser.began, self._input.at
        if not parser.plain(interface) or record.kind is Kind.EVENT or following - at < LEAST:
            return
        kind, length, number, _, _, size, original, header = _HEAD.unpack_from(buffer, at)
        common = kind == PACKET and number < len(self._counts) and length == following - at and size == original
        if common and size == HEADER.size + len(record.octets):
            if len(self._known) == _MAX_HEADERS:
                self._known.clear()
            self._known[number, header] = (
                (interface, record.tap),
                *(record.kind, record.sender, record.inferred, record.link, record.tap, record.line),
                *(record.flags, record.speed),
            )

    def packet(self) -> Packet:
        """Returns the packet of the record returned last."""
        return self._parser.again()

    def records(self) -> Iterator[Record]:
        """Yields the records of the common blocks that follow in the input's buffer."""
        source, parser, known, octets = self._input, self._parser, self._known, self._octets
        buffer, counts = source.buffer, self._counts
        at, end = source.at, len(buffer)
        if not known or parser.counts is not counts:
            return
        while at + LEAST <= end:
            kind, length, number, high, low, size, original, header = _HEAD.unpack_from(buffer, at)
            entry = known.get((number, header))
            tail, following = at + _DATA + (size + 3 & ~3), at + length
            if entry is None or kind != PACKET or size != original or size < _HEADER_SIZE or following > end:
                return
            if following - tail == _TAIL_SIZE:
                option, _, _, trailer = _TAIL.unpack_from(buffer, tail)
                if option != FLAGS_OPTION or trailer != length:
                    return
            elif following - tail != 4 or buffer[tail:following] != buffer[at + 4 : at + 8]:
                return
            uncertainty, duration = _REST.unpack_from(buffer, at + _REST_AT)
            tap, what, sender, inferred, link, number_of_tap, line, flags, speed = entry
            size -= _HEADER_SIZE
            octets[tap] += size
            counts[number] += 1
            parser.began, source.at = at, following
            at += _OCTETS
            yield _record(
                high << 32 | low,
                buffer[at : at + size],
                what,
                sender,
                inferred,
                link,
                number_of_tap,
                line,
                flags,
                speed,
                None if uncertainty == UNKNOWN_UNCERTAINTY else uncertainty,
                duration,
            )
            at = following
