"""What the capture file formats have in common: packets, interfaces, errors, and what a format must offer.

Nothing in here knows what is in a packet; that is :mod:`vtctap.pcap.record`'s job.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self

from vtctap.errors import Error

if TYPE_CHECKING:
    from vtctap.pcap.streams import Output

MAX_BLOCK: Final = 1 << 24
"""The most octets that a block or a packet can have; a length beyond it is damage."""

NANOSECONDS: Final = 9
"""The resolution that this package writes: units of 10**-9 s."""


class TraceError(Error, ValueError):
    """A capture file cannot be read, or not be written as asked; the message names the file and says why."""


class NotATrace(TraceError):
    """The file is in none of the capture file formats."""


class ForeignTrace(TraceError):
    """The file is a capture file, but its packets are not vtctap's."""


class TraceExists(TraceError):
    """The file to be written exists, and overwriting it was not asked for."""


@dataclass(frozen=True, slots=True)
class Interface:
    """Where packets were captured: one tap.

    ``speed`` is in bit/s, 0 = unknown; ``snaplen`` is the most octets kept of a packet, 0 = all. ``resolution`` is
    the unit of the file's time stamps as in pcapng's ``if_tsresol``: 10**-n s, or with bit 7 set 2**-n s; ``offset``
    is the seconds to be added to them. The last two say how the file was written; times in packets are always in
    nanoseconds.
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
        """The ns since 1970 UTC of a time stamp in the file's units; digits beyond the nanosecond are cut off."""
        exponent = self.resolution & 0x7F
        divisor = 1 << exponent if self.resolution & 0x80 else 10**exponent
        return ticks * 1_000_000_000 // divisor + self.offset * 1_000_000_000


class Packet(NamedTuple):
    """One packet of a capture file.

    A named tuple, since one is made for each record that is read and nothing else immutable is made as fast. ``time``
    is in ns since 1970 UTC (0 where the file states none); ``interface`` counts from 0 through the whole file;
    ``original_length`` is the octets on the line, where that is more than those kept; ``flags`` is the word of
    pcapng's ``epb_flags``, 0 where there is none.
    """

    time: int
    data: bytes
    linktype: int
    interface: int = 0
    original_length: int = 0
    comments: tuple[str, ...] = ()
    flags: int = 0


class Parser(Protocol):
    """The reading half of a format: takes packets out of an :class:`~vtctap.pcap.streams.Input`; never reads
    itself."""

    interfaces: list[Interface]
    """Those seen so far, in the file's order, of all its sections."""

    def packets(self) -> Iterator[Packet]:
        """The packets that the input's buffer holds whole; can be called again when the buffer holds more.

        Raises TraceError for damage, and again at the same place when called again.
        """


class PacketWriter(ABC):
    """The writing half of a format. Everything is written at once, block by block; OSError comes through
    untouched."""

    def __init__(self, output: "Output") -> None:
        self._output = output
        self._closed = False

    @property
    def size(self) -> int:
        """The octets written so far."""
        return self._output.size

    @property
    def gone(self) -> str:
        """What became of the file under its name; see :attr:`vtctap.pcap.streams.Output.gone`."""
        return self._output.gone

    @abstractmethod
    def add_interface(self, interface: Interface) -> int:
        """Adds an interface, at any time; gives its number. Raises TraceError if the format cannot."""

    @abstractmethod
    def write(self, packet: Packet) -> None:
        """Writes a packet. Raises TraceError, before anything is written, for a time that the format cannot state
        (such as one before 1970), for a packet that is too long and for an interface that was not added."""

    def _finish(self, drops: Mapping[int, int]) -> None:
        """Writes what the format has at a file's end."""
        return None

    def close(self, drops: Mapping[int, int] | None = None) -> None:
        """Ends the file. ``drops`` is what is known of losses: how many packets each interface dropped."""
        if self._closed:
            return
        self._closed = True
        try:
            if not self._output.torn:
                self._finish(drops or {})
        finally:
            self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
