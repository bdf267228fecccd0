"""The capture file formats, in one table, and the functions that open and create files.

A new format needs a parser, a writer and one line in :data:`FORMATS`. The magic of a file selects the format for
reading; the suffix of its name selects the format for writing.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from vtctap.base.closing import Closing
from vtctap.base.nouns import count
from vtctap.pcap import classic, pcapng, pcapng_writer
from vtctap.pcap.capture_file import Interface, NotATrace, Packet, PacketWriter, Parser, TraceError
from vtctap.pcap.common_blocks import CommonBlocks
from vtctap.pcap.completeness import OctetTally
from vtctap.pcap.compressed import other_program
from vtctap.pcap.recovery import Recovering
from vtctap.pcap.skipped import Skipped
from vtctap.pcap.streams import CHUNK, Input, Output, Source, is_special, name_of


@dataclass(frozen=True, slots=True)
class Format:
    """A capture file format. ``writer`` takes the output, the link type and the name of the application."""

    magics: tuple[bytes, ...]
    parser: Callable[[Input], Parser]
    writer: Callable[[Output, int, str], PacketWriter]


def _pcapng_writer(output: Output, linktype: int, application: str) -> PacketWriter:
    return pcapng_writer.PcapngWriter(output, application=application)


def _pcap_writer(output: Output, linktype: int, application: str) -> PacketWriter:
    return classic.PcapWriter(output, linktype=linktype)


DEFAULT_SUFFIX: Final = ".pcapng"
FORMATS: Final = {
    DEFAULT_SUFFIX: Format((pcapng.MAGIC,), pcapng.PcapngParser, _pcapng_writer),
    ".pcap": Format(classic.MAGICS, classic.PcapParser, _pcap_writer),
}
_MAGIC_SIZE = 4


class CaptureReader(Closing):
    """Iterates the packets of a capture file of any format, in constant memory and without seeking.

    Iteration stops at the end of the file, or before a packet that is incomplete; :attr:`cut` then says so. A new
    iteration continues there with what has been appended since, so repeated iterations follow a growing file. Raises
    TraceError where the file is overwritten meanwhile.
    :meth:`close` or ``with`` closes a file given as a path; a file object stays open.
    """

    def __init__(self, source: Source, *, chunk: int = CHUNK) -> None:
        """``chunk`` is the most octets requested by one read. Raises TraceError (NotATrace where the file begins with
        no known magic) and OSError."""
        self._input = Input(source, chunk)
        self._parser: Parser | None = None
        self._recovering: Recovering | None = None
        self._running: Iterator[Packet | Skipped] | None = None
        self.cut: str | None = None
        """After an iteration: a message if the file is empty or ends in the middle of a packet, else None."""
        self.watched = False
        """Whether iterations raise TraceError also where another file has the name; see
        :attr:`vtctap.pcap.streams.Input.gone`."""
        try:
            while not self._recognise() and self._input.more():
                pass
        except BaseException:
            self._input.close()
            raise

    @property
    def name(self) -> str:
        """The file's name in messages."""
        return self._input.name

    @property
    def interfaces(self) -> list[Interface]:
        """The interfaces read so far. In pcapng one may come anywhere before its first packet."""
        return self._parser.interfaces if self._parser else []

    def _recognise(self) -> bool:
        """Finds the format once the magic has been read; returns whether it is known. Raises NotATrace, and TraceError
        where the file is compressed in an unknown way."""
        if self._parser:
            return True
        head = self._input.buffer[:_MAGIC_SIZE]
        for entry in FORMATS.values():
            if head in entry.magics:
                self._parser = entry.parser(self._input)
                self._recovering = Recovering(self._input, self._parser)
                return True
        if packer := other_program(head):
            raise TraceError(f"{self.name} is compressed by {packer}: unpack it first, or compress it by gzip instead")
        if not any(magic.startswith(head) for entry in FORMATS.values() for magic in entry.magics):
            raise NotATrace(
                f"{self.name} is no capture file ({' or '.join(FORMATS)}): it begins with {head.hex(' ')}. "
                "`vtctap import` reads recordings of other kinds"
            )
        return False

    def __iter__(self) -> Iterator[Packet]:
        """Raises TraceError where a part is damaged; a new iteration continues behind it."""
        for item in self.items():
            if isinstance(item, Skipped):
                raise TraceError(str(item))
            yield item

    def items(self) -> Iterator[Packet | Skipped]:
        """Iterates the packets and, between them, what was skipped."""
        # A file has one position, so all iterations share one generator.
        if self._running is None:
            self._running = self._walk()
        return self._running

    def packets(self, tell: Callable[[str], None]) -> Iterator[Packet]:
        """Iterates the packets and continues after damage; calls ``tell`` with each skipped part."""
        for item in self.items():
            if isinstance(item, Skipped):
                tell(f"it is {item.what}")
            else:
                yield item

    @property
    def offset(self) -> int:
        """While a packet is returned: its offset in the file."""
        return self._input.offset(self._parser.began if self._parser else 0)

    def common_blocks(self, tally: OctetTally, reader: type[CommonBlocks] = CommonBlocks) -> CommonBlocks | None:
        """Returns the fast reader of what the exact one has met before, which counts in ``tally``; None where the
        format has none."""
        parser = self._parser
        return reader(self._input, parser, tally) if isinstance(parser, pcapng.PcapngParser) else None

    @property
    def own(self) -> int | None:
        """The first interface of the section, where this package wrote it (``Parser.own``); otherwise None."""
        return self._parser.own if self._parser else None

    @property
    def confirmed(self) -> set[int]:
        """The interfaces of which the file's statistics state as many packets as were read."""
        return self._parser.confirmed if self._parser else set()

    def _walk(self) -> Iterator[Packet | Skipped]:
        self.cut = None
        try:
            while True:
                if self._recognise():
                    yield from self._packets(final=False)
                try:
                    more = self._input.more()
                except TraceError as error:  # it cannot be read or unpacked further
                    yield Skipped(self._input.offset(len(self._input.buffer)), 0, str(error), self.name)
                    break
                # Checked after the octets were read, so that none of another file are parsed.
                gone = self._input.gone
                if gone == "overwritten" or (gone and self.watched):
                    raise TraceError(f"{self.name} was {gone} while it was read: start again")
                if not more:
                    break
            yield from self._packets(final=True)
            self.cut = self._torn()
        finally:
            self._running = None

    def _packets(self, *, final: bool) -> Iterator[Packet | Skipped]:
        return self._recovering.packets(final=final) if self._recovering else iter(())

    @property
    def rest(self) -> tuple[int, int]:
        """Offset and number of the octets that have not been read: of a block that has not ended."""
        return self._input.offset(self._input.at), len(self._input.buffer) - self._input.at

    def _torn(self) -> str | None:
        if self._input.cut:
            return self._input.cut
        start, octets = self.rest
        if octets:
            return f"{self.name} ends cut: {count(octets, 'octet')} from offset {start} on, no whole record"
        return None if self._parser else f"{self.name} is empty"

    def close(self) -> None:
        """Closes the file if it was given as a path."""
        self._input.close()


def open_capture(source: Source) -> CaptureReader:
    """Opens a capture file of any format, with packets of any link type. Raises TraceError (NotATrace where
    it is none) and OSError."""
    return CaptureReader(source)


def create_capture(target: Source, *, linktype: int, application: str = "vtctap", force: bool = False) -> PacketWriter:
    """Creates a capture file in the format of the path's suffix.

    A file object gets pcapng, as does a fifo or device with an unknown suffix. ``application`` is the program's name
    and version. Raises TraceExists where the file exists and ``force`` is not set, TraceError for an unknown suffix,
    and OSError.
    """
    suffix = DEFAULT_SUFFIX
    if isinstance(target, (str, os.PathLike)):
        suffix = os.path.splitext(target)[1].lower()
        if suffix not in FORMATS:
            if not is_special(target):
                raise TraceError(f"{name_of(target, '')}: the name must end in {' or '.join(FORMATS)}")
            suffix = DEFAULT_SUFFIX
    output = Output(target, force=force)
    try:
        return FORMATS[suffix].writer(output, linktype, application)
    except BaseException:
        output.close()
        raise
