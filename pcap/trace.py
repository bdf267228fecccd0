"""Traces: capture files whose packets are records.

:func:`open_trace` reads them and :func:`create_trace` writes them. In pcapng each tap is an interface. The packet flags
repeat the direction and the errors of a record, so that Wireshark shows them without vtctap's dissector. The meter is
the device under test, so octets from the client are inbound.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Final

from vtctap.base.closing import Closing
from vtctap.pcap import record as record_codec
from vtctap.pcap.capture_file import ForeignTrace, Interface, Packet, PacketWriter, TraceError
from vtctap.pcap.common_blocks import CommonBlocks
from vtctap.pcap.completeness import OctetTally
from vtctap.pcap.events import event_name
from vtctap.pcap.formats import CaptureReader, create_capture
from vtctap.pcap.links import Links
from vtctap.pcap.record import (
    ERROR_FLAGS,
    LINKTYPE_USER0,
    LINKTYPES,
    Flag,
    ForeignRecord,
    Kind,
    Record,
    RecordError,
    Sender,
    stated_profile,
)
from vtctap.pcap.skipped import Skipped
from vtctap.pcap.streams import CHUNK, Source

UNKNOWN_DIRECTION, INBOUND, OUTBOUND = 0, 1, 2
"""Bits 0 and 1 of ``epb_flags``."""
DIRECTIONS: Final = {
    Sender.UNKNOWN: UNKNOWN_DIRECTION,
    Sender.CLIENT: INBOUND,
    Sender.SERVER: OUTBOUND,
}

SYMBOL_ERROR: Final = 1 << 31
START_FRAME_DELIMITER_ERROR: Final = 1 << 29
UNALIGNED_FRAME_ERROR: Final = 1 << 28
PACKET_TOO_SHORT_ERROR: Final = 1 << 26

LINK_ERRORS: Final = {
    Flag.PARITY: SYMBOL_ERROR,
    Flag.FRAMING: UNALIGNED_FRAME_ERROR,
    Flag.BREAK: START_FRAME_DELIMITER_ERROR,
    Flag.OVERRUN: PACKET_TOO_SHORT_ERROR,
    Flag.CUT: PACKET_TOO_SHORT_ERROR,
}
"""Maps a record's flag to the closest link-layer error of ``epb_flags``.

pcapng defines these errors for Ethernet, not for characters, so the mapping is a choice. A character with a parity
error is no valid symbol. A missing stop bit means that the receiver has lost the character boundaries. A break is a
start bit that does not end. Lost or missing octets leave a packet too short. The CRC error is not used, because
readers would take it for a result of the BCC check, which a record does not contain.
"""

_MAX_REFUSED: Final = 100
"""Most packets and damaged parts before the first record; after more, the file is no trace."""
_DIRECTION_WORDS = tuple(DIRECTIONS[sender] for sender in sorted(Sender))
_ERROR_WORDS = tuple(
    sum({LINK_ERRORS[flag] for flag in LINK_ERRORS if flags & flag}) for flags in range(ERROR_FLAGS + 1)
)


def _whole(item: Record | Skipped) -> Record:
    if isinstance(item, Skipped):
        raise TraceError(str(item))
    return item


class TraceReader(Closing):
    """Iterates the records of a trace. A new iteration continues where the last one stopped, as with
    :class:`~vtctap.pcap.formats.CaptureReader`.

    Iterating raises TraceError where a part of the trace is damaged; a new iteration continues behind it. :meth:`items`
    continues by itself, and also yields what it skipped. Both raise ForeignTrace, or TraceError, where the trace holds
    no record at all.
    """

    _common_reader = CommonBlocks

    def __init__(self, source: Source, *, chunk: int = CHUNK) -> None:
        """``chunk`` is the most octets requested by one read. Raises TraceError (NotATrace where the file is no capture
        file) and OSError."""
        self._capture = CaptureReader(source, chunk=chunk)
        self._running: Iterator[Record | Skipped] | None = None
        self._profile: str | None = None
        self._links = Links()
        self._tally = OctetTally()
        self._missing: list[tuple[int, Skipped]] = []
        self._refused: list[tuple[TraceError, Skipped]] | None = []
        self._packet: Packet | None = None
        self._common: CommonBlocks | None = None
        self._exactly = self._fast = 0

    @property
    def number(self) -> int:
        """The number of the packet read last, counted from 1 as Wireshark's frame number is."""
        return self._exactly + (self._common.number if self._common else 0)

    @property
    def packet(self) -> Packet | None:
        """The packet of the record returned last, with its comments, interface and encoded data; None before."""
        if self._common and self._fast != self._common.number:
            self._fast, self._packet = self._common.number, self._common.packet()
        return self._packet

    @property
    def name(self) -> str:
        """The file's name in messages."""
        return self._capture.name

    @property
    def interfaces(self) -> list[Interface]:
        """The taps read so far. In pcapng they usually precede the first record."""
        return self._capture.interfaces

    @property
    def profile(self) -> str | None:
        """The protocol profile that the trace states, known after the first record: the first name in an ``opened``
        event or in a tap's description. None where there is none."""
        described = (stated_profile(tap.description) for tap in self.interfaces)
        return self._profile or next(filter(None, described), None)

    @property
    def cut(self) -> str | None:
        """After an iteration: a message if the trace is empty or ends in the middle of a record, else None."""
        return self._capture.cut

    def torn(self) -> Iterator[Skipped]:
        """After an iteration: the record in whose middle the trace ends, if it does."""
        offset, octets = self._capture.rest
        if self.cut and (self.number or octets):
            reason = "the file ends cut, in the middle of a record" if octets else "its compressed end is missing"
            yield Skipped(offset, octets, reason, self.name)

    def __iter__(self) -> Iterator[Record]:
        return map(_whole, self.items())

    def items(self) -> Iterator[Record | Skipped]:
        """Iterates the records and, between them, what was skipped: damaged parts, and records that are missing.

        Raises ForeignTrace, or TraceError, where the trace holds no record at all.
        """
        if self._running is None:
            self._running = chain.from_iterable(self._walk())
        return self._running

    def follow(self, pause: float = 0.1, complete: Callable[[], object] = lambda: False) -> Iterator[Record | Skipped]:
        """Yields the items, then those that are appended; looks for more every ``pause`` seconds, until ``complete``
        returns what is true: that nothing is appended any more.

        A record that is half written is yielded once it is complete. Raises what :meth:`items` raises, and TraceError
        where the file is overwritten or another one gets its name.
        """
        self._capture.watched = True
        while True:
            last = complete()
            yield from self.items()
            if last:
                return
            time.sleep(pause)

    def _walk(self) -> Iterator[Iterable[Record | Skipped]]:
        """Yields the items in runs: :func:`itertools.chain` takes the items of a long run faster than a generator."""
        decode = record_codec.decode
        try:
            for packet in self._capture.items():
                if isinstance(packet, Skipped):
                    yield self._held(TraceError(str(packet)), packet)
                    continue
                self._exactly += 1
                self._packet = packet
                if packet[2] not in LINKTYPES:
                    yield self._foreign(f"is of link type {packet.linktype}")
                    continue
                try:
                    record = decode(packet[1], packet[0])
                except ForeignRecord:
                    yield self._foreign(f"begins with {packet.data[:2].hex(' ') or 'nothing'}")
                    continue
                except RecordError as error:
                    yield self._damaged(str(error))
                    continue
                if packet[4] != len(packet[1]):
                    if packet[4] < len(packet[1]):
                        yield self._damaged(f"it holds {len(packet.data)} octets of {packet.original_length}")
                        continue
                    if record.kind is Kind.FRAME:
                        # A snapshot length ("editcap -s") cut the packet.
                        record = replace(record, flags=record.flags | Flag.CUT)
                if self._refused is not None:
                    yield self._accepted()
                record = self._placed(record, packet)
                yield (record,)
                yield self._common_ones(record, packet)
                self._packet = self.packet  # while it is in the buffer
            yield self._end()
        finally:
            self._running = None

    def _common_ones(self, record: Record, packet: Packet) -> Iterable[Record]:
        """Returns what follows a record and can be read fast, by what was learnt of it and others."""
        common = self._common = self._common or self._capture.common_blocks(self._tally, self._common_reader)
        if common is None:
            return ()
        common.learn(record, packet[3])
        return common.records()

    def _placed(self, record: Record, packet: Packet) -> Record:
        """Notes what a record states of the trace; returns it with the number of its link."""
        missing = self._tally.feed(record, packet[3])
        if missing:
            self._missing.append((packet.interface, Skipped(self._capture.offset, 0, missing, self.name)))
        if record.kind is Kind.EVENT and self.profile is None and event_name(record.event) == "opened":
            self._profile = stated_profile(record.event)
        link = self._links.number(record.link, record.tap, packet[3], self._capture.interfaces, self._capture.own)
        return record if link == record.link else replace(record, link=link)

    def _damaged(self, why: str) -> Iterable[Skipped]:
        assert self.packet
        reason = f"packet {self.number}: {why}"
        skipped = Skipped(self._capture.offset, len(self.packet.data), reason, self.name, self.number)
        return self._held(TraceError(f"{self.name}: packet {self.number} is damaged: {why}"), skipped)

    def _foreign(self, what: str) -> Iterable[Skipped]:
        assert self.packet
        error = ForeignTrace(
            f"{self.name} is no trace of vtctap: packet {self.number} {what}, where a record is of link type "
            f"{LINKTYPES[0]} to {LINKTYPES[-1]} and begins with {record_codec.MAGIC.hex(' ')} (VT). "
            "`vtctap import` reads serial captures of other tools"
        )
        reason = f"packet {self.number} {what} and is no record"
        skipped = Skipped(self._capture.offset, len(self.packet.data), reason, self.name, self.number)
        return self._held(error, skipped)

    def _held(self, error: TraceError, skipped: Skipped) -> Iterable[Skipped]:
        """Returns what was skipped. Before the first record the file may be no trace at all, so this is held back."""
        if self._refused is None:
            return (skipped,)
        self._refused.append((error, skipped))
        if len(self._refused) > _MAX_REFUSED:
            raise self._refused[0][0]
        return ()

    def _accepted(self) -> Iterable[Skipped]:
        held, self._refused = self._refused or [], None
        return [skipped for _, skipped in held]

    def _end(self) -> Iterable[Skipped]:
        """Returns what is missing according to the ``closed`` events. A tap whose packets are all here according to the
        statistics lacks nothing: the writer left those records out. Raises the first error of a file without
        records."""
        refused = self._refused
        if refused:
            self._refused = []
            raise refused[0][0]
        missing, self._missing = self._missing, []
        return [skipped for interface, skipped in missing if interface not in self._capture.confirmed]

    def close(self) -> None:
        """Closes the file if it was given as a path."""
        self._capture.close()


class TraceWriter(Closing):
    """Writes records. When :meth:`write` returns, the complete record is in the file.

    A record goes to the interface with its tap's number; a tap that was not described is added without a name.
    """

    def __init__(self, writer: PacketWriter, linktype: int) -> None:
        self._writer = writer
        self._linktype = linktype
        self._taps = 0
        self.records = 0
        """Records written so far."""

    @property
    def size(self) -> int:
        """Octets written so far."""
        return self._writer.size

    @property
    def gone(self) -> str:
        """What happened to the file; see :attr:`vtctap.pcap.streams.Output.gone`."""
        return self._writer.gone

    def add_tap(self, tap: Interface) -> int:
        """Adds the next tap, at any time, with the link type of the trace; returns its number."""
        self._taps = self._writer.add_interface(replace(tap, linktype=self._linktype)) + 1
        return self._taps - 1

    def write(self, record: Record, comment: str | None = None) -> None:
        """Writes a record, in pcapng with a comment.

        Raises RecordError for a record that cannot be encoded and TraceError for a time that the format cannot state;
        nothing is written then. OSError is passed on unchanged.
        """
        data = record_codec.encode(record)
        while self._taps <= record.tap:
            self.add_tap(Interface(self._linktype))
        flags = _DIRECTION_WORDS[record.sender] | _ERROR_WORDS[record.flags & ERROR_FLAGS]
        comments = (comment,) if comment else ()
        self._writer.write(Packet(record.time, data, self._linktype, record.tap, len(data), comments, flags))
        self.records += 1

    def close(self, drops: Mapping[int, int] | None = None) -> None:
        """Ends and closes the file; ``drops`` maps tap numbers to records known to be lost. Raises OSError."""
        self._writer.close(drops)


def open_trace(source: Source) -> TraceReader:
    """Opens a trace, given as a path or a binary file object. Raises TraceError (NotATrace where it is no capture
    file) and OSError."""
    return TraceReader(source)


def create_trace(
    target: Source,
    *,
    linktype: int = LINKTYPE_USER0,
    application: str = "vtctap",
    taps: Iterable[Interface] = (),
    force: bool = False,
) -> TraceWriter:
    """Creates a trace in the format of the path's suffix (see :func:`vtctap.pcap.formats.create_capture`).

    ``application`` is the program's name and version. ``taps`` are the taps known at the start, in the order of their
    numbers, which count through the whole trace. Raises TraceExists, TraceError and OSError.
    """
    if linktype not in LINKTYPES:
        raise TraceError(f"link type {linktype} is not free for private use: choose {LINKTYPES[0]} to {LINKTYPES[-1]}")
    writer = TraceWriter(create_capture(target, linktype=linktype, application=application, force=force), linktype)
    try:
        for tap in taps:
            writer.add_tap(tap)
    except BaseException:
        writer.close()
        raise
    return writer
