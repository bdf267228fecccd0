"""The parts that all capture file formats share: packets, interfaces, errors, and the classes that a format implements.

This module does not look into packets; :mod:`vtctap.pcap.record` does.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from vtctap.base.closing import Closing
from vtctap.errors import Error
from vtctap.pcap.record import SECOND_NS
from vtctap.pcap.skipped import Skipped

if TYPE_CHECKING:
    from vtctap.pcap.streams import Output

MAX_BLOCK: Final = 1 << 24
"""Most octets in a block or a packet; a larger length is damage."""

NANOSECONDS: Final = 9
"""The timestamp resolution that this package writes: 10**-9 s."""


class TraceError(Error, ValueError):
    """A capture file cannot be read, or cannot be written as asked; the message names the file and says why."""


class Damage(TraceError):
    """A block is broken at ``at``, an index of the input's buffer. :mod:`~vtctap.pcap.recovery` reads on after it."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(reason)
        self.at, self.reason = at, reason


class NotATrace(TraceError):
    """The file has none of the capture file formats."""


class ForeignTrace(TraceError):
    """The file is a capture file, but its packets are not vtctap's."""


class TraceExists(TraceError):
    """The file to be written exists, and the caller did not ask to overwrite it."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One tap: where packets were captured.

    ``speed`` is bit/s, 0 where unknown. ``snaplen`` is the most octets kept of a packet, 0 for all. ``resolution`` is
    the unit of the file's timestamps, coded as in pcapng's ``if_tsresol``: 10**-n s, or 2**-n s with bit 7 set.
    ``offset`` is the seconds to add to them. Resolution and offset describe the file; :attr:`Packet.time` is always ns.
    """

    linktype: int
    name: str = ""
    description: str = ""
    hardware: str = ""
    speed: int = 0
    snaplen: int = 0
    resolution: int = NANOSECONDS
    offset: int = 0

    def nanoseconds(self, ticks: int) -> int:
        """Converts a timestamp in the file's units to ns since 1970 UTC, rounded down."""
        exponent = self.resolution & 0x7F
        divisor = 1 << exponent if self.resolution & 0x80 else 10**exponent
        return ticks * SECOND_NS // divisor + self.offset * SECOND_NS


class Packet(NamedTuple):
    """One packet of a capture file.

    ``time`` is ns since 1970 UTC, 0 where the file states none. ``interface`` counts from 0 through the whole file.
    ``original_length`` is the number of octets on the line, where that is more than the number kept. ``flags`` is the
    word of pcapng's ``epb_flags``, 0 where there is none. The class is a named tuple because no other immutable class
    is created as fast, and reading creates one packet per record.
    """

    time: int
    data: bytes
    linktype: int
    interface: int = 0
    original_length: int = 0
    comments: tuple[str, ...] = ()
    flags: int = 0


class Parser(Protocol):
    """The reading half of a format: takes packets from the buffer of an :class:`~vtctap.pcap.streams.Input`, without
    reading the file itself."""

    interfaces: list[Interface]
    """The interfaces read so far, of all sections, in the file's order."""
    began: int
    """The index of the buffer where the last returned packet begins; the input stands behind it."""
    own: int | None
    """If this package wrote the section: the first interface of the first section that begins with an equal one.
    Otherwise None."""
    confirmed: set[int]
    """The interfaces of which the file's statistics state as many packets as were read."""

    def packets(self) -> Iterator[Packet | Skipped]:
        """Yields the packets that are complete in the input's buffer; call it again when the buffer holds more.

        Also yields what is missing according to the file's own statistics. Raises Damage where the structure is broken;
        the input then stands at the broken block. While a packet is returned, the input stands behind it.
        """

    def seek(self, at: int) -> int:
        """Returns the first index of the buffer, from ``at`` on, where the octets look like the beginning of a block;
        else the length of the buffer."""

    def fits(self, at: int, end: int) -> bool | None:
        """Whether a whole block begins at ``buffer[at]``, judged by its structure alone. None if the block would not
        end before ``end``, the end of the buffer.
        """


class PacketWriter(Closing):
    """The writing half of a format. Each block is written at once; OSError is passed on unchanged."""

    def __init__(self, output: "Output") -> None:
        self._output = output
        self._closed = False

    @property
    def size(self) -> int:
        """Octets written so far."""
        return self._output.size

    @property
    def gone(self) -> str:
        """What happened to the file; see :attr:`vtctap.pcap.streams.Output.gone`."""
        return self._output.gone

    @abstractmethod
    def add_interface(self, interface: Interface) -> int:
        """Adds an interface, at any time, and returns its number. Raises TraceError if the format cannot store it."""

    @abstractmethod
    def write(self, packet: Packet) -> None:
        """Writes a packet.

        Raises TraceError for a time that the format cannot state (such as one before 1970), for a packet that is too
        long and for an interface that was not added; nothing is written then.
        """

    def _finish(self, drops: Mapping[int, int]) -> None:
        """Writes whatever the format puts at the end of a file."""
        return None

    def close(self, drops: Mapping[int, int] | None = None) -> None:
        """Ends and closes the file. ``drops`` maps interfaces to the packets they are known to have dropped."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self._output.torn:
                self._finish(drops or {})
        finally:
            self._output.close()
