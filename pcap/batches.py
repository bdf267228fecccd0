"""Reads traces as batches: blocks that look like earlier ones become arrays, all of a chunk of the file at once.

A :class:`BatchReader` reads a trace as :class:`~vtctap.pcap.trace.TraceReader` does. Where a long stretch of common
blocks follows (:mod:`~vtctap.pcap.common_blocks` says which these are), it yields a
:class:`~vtctap.pcap.batch.Batch` in place of the records.

Candidates for blocks are all places of a chunk where the type of a packet block stands, with the same length at both
ends. Octets of a record can look so, too. Therefore a block only counts if it begins where the block before it ends: a
stretch begins where the exact way stands, and each of its blocks leads to the next one.
"""

from collections.abc import Generator, Iterator
from itertools import islice
from typing import Final

import numpy
from numpy.typing import NDArray

from vtctap.pcap import common_blocks
from vtctap.pcap.batch import Batch, Integers
from vtctap.pcap.common_blocks import CommonBlocks
from vtctap.pcap.record import UNKNOWN_UNCERTAINTY, Record
from vtctap.pcap.skipped import Skipped
from vtctap.pcap.streams import Source
from vtctap.pcap.trace import TraceReader

__all__ = ["BatchReader"]

CHUNK: Final = 1 << 23
"""Most octets requested by one read; a batch is of one chunk."""
LEAST: Final = 256
"""Least records of a batch: fewer are read faster one by one."""
_LATEST_NS: Final = 1 << 61
"""Times and durations from here on are left to the exact way: their sum would not fit into 64 bits."""
_WORD: Final = 4
_DATA: Final = 7
"""The words of a packet block before its data: type, length, interface, time (2), octets kept, octets captured."""
_HEADER: Final = 8
"""The words of a record's header: five that are common to many records, uncertainty, duration (2)."""
_FLAGS: Final = 4
"""The words of a block behind its data, where flags are its only option."""
Words = NDArray[numpy.uint32]


class _Chunk:
    """The blocks of a chunk of a file, from ``start`` on; ``template`` is the number of each one's header, -1 while it
    is unknown."""

    def __init__(self, buffer: bytes, start: int) -> None:
        self.buffer = buffer
        self.start = start
        words: Words = numpy.frombuffer(buffer, "<u4", (len(buffer) - start) // _WORD, start)
        self.at, self.following = _blocks(words)
        self._breaks = numpy.flatnonzero(self.following[:-1] != self.at[1:])
        size, original = (words[self.at + word] for word in (5, 6))
        self.size = size.astype(numpy.int64) - _HEADER * _WORD
        interface, high, low = (words[self.at + word].astype(numpy.int64) for word in (2, 3, 4))
        header = [words[self.at + _DATA + word] for word in range(_HEADER)]
        uncertainty, upper, lower = (word.byteswap().astype(numpy.int64) for word in header[5:])
        self.uncertainty = numpy.where(uncertainty == UNKNOWN_UNCERTAINTY, -1, uncertainty)
        self.time, self.duration = high << 32 | low, upper << 32 | lower
        self._keys = [header[0], header[1], header[2], header[3], header[4], interface]
        fits = (size == original) & (self.size >= 0) & (high < _LATEST_NS >> 32) & (upper < _LATEST_NS >> 32)
        self._common = fits & _ends_commonly(words, self.at, self.following, size)
        self.template = numpy.full(len(self.at), -1)
        self._unknown = numpy.arange(len(self.at))

    def know(self, template: int, interface: int, header: bytes) -> None:
        """Marks the blocks with this header on this interface."""
        common = self._common
        for key, word in zip(self._keys, [*numpy.frombuffer(header, "<u4"), interface], strict=True):
            common = common & (key == word)
        self.template[common] = template
        self._unknown = numpy.flatnonzero(self.template < 0)

    def stretch(self, at: int) -> tuple[int, int]:
        """Returns the range of the blocks from the index ``at`` of the buffer on that are common and lead to each
        other."""
        word, beside = divmod(at - self.start, _WORD)
        first = int(numpy.searchsorted(self.at, word))
        if beside or first == len(self.at) or self.at[first] != word:
            return 0, 0
        last, unknown = _next(self._breaks, first, len(self.at) - 1) + 1, _next(self._unknown, first, len(self.at))
        return first, min(last, unknown)

    def end(self, block: int) -> int:
        """Returns the index of the buffer behind a block."""
        return self.start + _WORD * int(self.following[block])


def _next(places: Integers, at: int, end: int) -> int:
    """Returns the first of the places from ``at`` on; ``end`` if there is none."""
    after = int(numpy.searchsorted(places, at))
    return int(places[after]) if after < len(places) else end


def _blocks(words: Words) -> tuple[Integers, Integers]:
    """Returns where packet blocks may begin, and where each one ends, in words."""
    at = numpy.flatnonzero(words == common_blocks.PACKET)
    at = at[at + _DATA + _HEADER < len(words)]
    length = words[at + 1]
    following = at + (length >> 2)
    possible = (length % _WORD == 0) & (length >= common_blocks.LEAST) & (following <= len(words))
    at, following, length = at[possible], following[possible], length[possible]
    possible = words[following - 1] == length
    return at[possible], following[possible]


def _ends_commonly(words: Words, at: Integers, following: Integers, size: Words) -> NDArray[numpy.bool_]:
    """Returns which blocks have no options, or their flags alone."""
    tail = at + _DATA + (size.astype(numpy.int64) + 3 >> 2)
    rest = following - tail
    flags = words[numpy.minimum(tail, len(words) - 1)] == common_blocks.FLAGS_OPTION
    common: NDArray[numpy.bool_] = (rest == 1) | ((rest == _FLAGS) & flags)
    return common


class CommonBatches(CommonBlocks):
    """Reads common blocks of one trace, many at a time: its records may be batches."""

    _chunk: _Chunk | None = None
    _templates: tuple[Record, ...] = ()

    def learn(self, record: Record, interface: int) -> None:
        """Takes what the exact way made of the block that it returned last."""
        known = len(self._known)
        super().learn(record, interface)
        if len(self._known) > known and self._chunk:
            (number, header), entry = next(reversed(self._known.items()))
            self._know(self._chunk, known, number, header, entry)
        elif len(self._known) < known:
            self._chunk = None

    def records(self) -> Iterator[Batch | Record]:  # type: ignore[override]  # BatchReader.walk() says so
        """Yields the records of the common blocks that follow in the input's buffer, in batches where they are many."""
        while self._known and self._parser.counts is self._counts:
            chunk = self._current()
            first, last = chunk.stretch(self._input.at)
            if last - first < LEAST:
                if not (yield from self._few(max(last - first, 1))):
                    return
            else:
                self._pass(chunk, first, last)
                yield self._batch(chunk, first, last)

    def _few(self, most: int) -> Generator[Record, None, int]:
        """Yields at most so many records one by one; returns how many there were."""
        count = 0
        for count, record in enumerate(islice(super().records(), most), 1):  # noqa: B007
            yield record
        return count

    def _current(self) -> _Chunk:
        """Returns the chunk that the input's buffer is."""
        source, chunk = self._input, self._chunk
        if chunk is None or chunk.buffer is not source.buffer or (source.at - chunk.start) % _WORD:
            chunk = self._chunk = _Chunk(source.buffer, source.at)
            self._templates = ()
            for template, ((number, header), entry) in enumerate(self._known.items()):
                self._know(chunk, template, number, header, entry)
        return chunk

    def _know(self, chunk: _Chunk, template: int, number: int, header: bytes, entry: common_blocks.Known) -> None:
        self._templates = (*self._templates, entry.template)
        chunk.know(template, number, header)

    def _pass(self, chunk: _Chunk, first: int, last: int) -> None:
        """Counts the blocks of a batch, and stands behind them."""
        template = chunk.template[first:last]
        blocks = numpy.bincount(template, minlength=len(self._known))
        octets = numpy.bincount(template, chunk.size[first:last], minlength=len(self._known))
        for at, ((number, _), entry) in enumerate(self._known.items()):
            if blocks[at]:
                self._counts[number] += int(blocks[at])
                entry.tap.octets += int(octets[at])
        self.number += last - first
        self._parser.began = chunk.start + _WORD * int(chunk.at[last - 1])
        self._input.at = chunk.end(last - 1)

    def _batch(self, chunk: _Chunk, first: int, last: int) -> Batch:
        part = slice(first, last)
        begins = chunk.start + _WORD * (chunk.at[part] + _DATA + _HEADER)
        return Batch(
            chunk.buffer,
            self._templates,
            chunk.template[part],
            chunk.time[part],
            chunk.duration[part],
            chunk.uncertainty[part],
            begins,
            begins + chunk.size[part],
        )


class BatchReader(TraceReader):
    """Iterates a trace's records, many at a time where they are common, and what was skipped between them."""

    _common_reader = CommonBatches

    def __init__(self, source: Source) -> None:
        super().__init__(source, chunk=CHUNK)

    def walk(self) -> Iterator[Record | Skipped | Batch]:
        """Iterates as :meth:`~vtctap.pcap.trace.TraceReader.items` does. Raises what that raises."""
        return self.items()  # Which has batches here.
