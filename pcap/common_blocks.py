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
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

from vtctap.pcap.capture_file import Packet
from vtctap.pcap.completeness import OctetTally, TapTally
from vtctap.pcap.construction import variants
from vtctap.pcap.pcapng import PcapngParser
from vtctap.pcap.record import HEADER, UNKNOWN_UNCERTAINTY, Kind, Record
from vtctap.pcap.streams import Input

_START: Final = struct.Struct("<12sII28s")
"""The parts of a packet block up to the uncertainty of its record: what stands before the time, the time (upper half,
lower half), what stands behind it."""
_BEFORE: Final = struct.Struct("<III")
"""Before the time: type, length, interface."""
_BEHIND: Final = struct.Struct("<II20s")
"""Behind it: octets kept, octets captured, and the beginning of the record's header."""
_REST_AT, _OCTETS, LEAST = 48, 60, 64
"""Where the uncertainty and the octets of a record stand in its block, and the least length of a block."""
PACKET, FLAGS_OPTION = 6, 4 << 16 | 2
_FLAGS_SIZE: Final = 12
"""Octets of the flags' option, with the end of the options."""
_MOST: Final = 4096
"""Most headers, and most forms of blocks, that are remembered."""

_record, _same = variants(Record, "time", "octets", "uncertainty", "duration")


class Known(NamedTuple):
    """What is known of a header: the fields of a record that follow from it, the tally of its tap, and the options of
    its block."""

    same: tuple[Any, ...]
    tap: TapTally
    options: bytes

    @property
    def template(self) -> Record:
        """A record with these fields."""
        return _record(self.same, 0, b"", None, 0)


_Form: TypeAlias = tuple[
    int,
    Callable[[bytes, int], tuple[int | None, int, bytes, bytes]],
    bytes,
    int,
    TapTally,
    int,
    tuple[Any, ...],
]
"""What blocks of one length, with one header and as many octets, have in common: the length, a function that takes
apart what stands behind the header's beginning (uncertainty, duration, octets, end), that end, the interface, the tally
of the tap, the number of octets, and the fields of the record that are the same."""


class CommonBlocks:
    """Reads common blocks of one trace."""

    def __init__(self, source: Input, parser: PcapngParser, tally: OctetTally) -> None:
        self._input = source
        self._parser = parser
        self._tally = tally
        self._counts = parser.counts
        self._known: dict[tuple[int, bytes], Known] = {}
        self._forms: dict[tuple[bytes, bytes], _Form] = {}
        self.number = 0
        """How many records have been read fast."""

    def learn(self, record: Record, interface: int) -> None:
        """Takes what the exact way made of the block that it returned last, and the number of the interface in the
        file; remembers it if the block was a common one."""
        parser, buffer = self._parser, self._input.buffer
        if parser.counts is not self._counts:  # a new section, where numbers mean other interfaces
            self._forget()
            self._counts = parser.counts
        at, following = parser.began, self._input.at
        if not parser.plain(interface) or record.kind is Kind.EVENT or following - at < LEAST:
            return
        kind, length, number = _BEFORE.unpack_from(buffer, at)
        size, original, header = _BEHIND.unpack_from(buffer, at + 20)
        common = kind == PACKET and number < len(self._counts) and length == following - at and size == original
        if common and size == HEADER.size + len(record.octets):
            options = buffer[at + _OCTETS + _padded(len(record.octets)) : following - 4]
            if len(options) <= _FLAGS_SIZE:
                if len(self._known) == _MOST:
                    self._forget()
                self._known[number, header] = Known(_same(record), self._tally.tap(interface, record.tap), options)

    def _forget(self) -> None:
        self._known.clear()
        self._forms.clear()

    def packet(self) -> Packet:
        """Returns the packet of the record returned last."""
        return self._parser.again()

    def records(self) -> Iterator[Record]:
        """Yields the records of the common blocks that follow in the input's buffer."""
        source, parser, counts, forms = self._input, self._parser, self._counts, self._forms
        buffer, start = source.buffer, _START.unpack_from
        at, size = source.at, len(buffer)
        if parser.counts is not counts:
            return
        while at + LEAST <= size:
            before, high, low, behind = start(buffer, at)
            form = forms.get((before, behind)) or self._form(before, behind)
            if form is None:
                return
            length, rest, end, interface, tap, kept, same = form
            following = at + length
            if following > size:
                return
            uncertainty, duration, octets, found = rest(buffer, at + _REST_AT)
            if found != end:
                return
            tap.octets += kept
            counts[interface] += 1
            self.number += 1
            parser.began = at
            source.at = at = following
            if uncertainty == UNKNOWN_UNCERTAINTY:
                uncertainty = None
            yield _record(same, high << 32 | low, octets, uncertainty, duration)

    def _form(self, before: bytes, behind: bytes) -> _Form | None:
        """Returns the form of a block that has a known header, and has no form yet; None where it is not common."""
        (kind, length, interface), (size, original, header) = _BEFORE.unpack(before), _BEHIND.unpack(behind)
        known, size = self._known.get((interface, header)), size - HEADER.size
        if known is None or kind != PACKET or original != size + HEADER.size or size < 0:
            return None
        same, tap, options = known
        end, padded = options + before[4:8], _padded(size)
        if length != _OCTETS + padded + len(end):
            return None
        if len(self._forms) == _MOST:
            self._forms.clear()
        rest = struct.Struct(f">IQ{size}s{padded - size}x{len(end)}s").unpack_from
        form = self._forms[before, behind] = length, rest, end, interface, tap, size, same
        return form


def _padded(size: int) -> int:
    """Returns the size of so many octets in a block."""
    return size + -size % 4
