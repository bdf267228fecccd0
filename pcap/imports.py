"""The import formats: recordings that other tools made, as bursts.

A new format is a function from a file to bursts, and a line in :data:`IMPORTERS`. Most tools stamp a packet when
they have read it, so their times are those of a run's end rather than its start; they are taken as they are.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Final

from vtctap.pcap import exchange, rtac
from vtctap.pcap.burst import Burst, ImportFormatError, Warn, foreign_packet
from vtctap.pcap.capture_file import NotATrace
from vtctap.pcap.formats import open_capture
from vtctap.pcap.record import LINKTYPES, MAGIC, VERSION, Flag, Sender
from vtctap.pcap.streams import Source, is_special


@dataclass(frozen=True, slots=True)
class Importer:
    """An import format: how to read a file of it (its name, or a binary file object; what is to be told if it ends
    cut), and what it is."""

    read: Callable[[Source, Warn], Iterator[Burst]]
    description: str


def read_raw(source: Source, warn: Warn) -> Iterator[Burst]:
    """A file's octets, without direction or times. Raises OSError."""
    with open(source, "rb") if isinstance(source, (str, os.PathLike)) else nullcontext(source) as file:
        yield Burst(file.read())


_DIRECTIONS: Final = {1: Sender.CLIENT, 2: Sender.SERVER}
_OWN_PACKET: Final = MAGIC + bytes([VERSION])
_OWN: Final = "{}: a trace of vtctap needs no import; 'vtctap reframe' frames its octets again"


def read_user0(source: Source, warn: Warn) -> Iterator[Burst]:
    """Packets of a private link type that are nothing but octets, as simple serial loggers write them. The direction is
    that of pcapng's packet flags, if they have one: inbound is from the client. What a packet was cut by counts as lost
    octets. Raises ImportFormatError, TraceError and OSError."""
    with open_capture(source) as reader:
        for number, packet in enumerate(reader, 1):
            if packet.linktype not in LINKTYPES:
                raise foreign_packet(reader.name, number, packet.linktype, f"{LINKTYPES[0]} to {LINKTYPES[-1]}")
            if packet.data.startswith(_OWN_PACKET):
                raise ImportFormatError(_OWN.format(reader.name))
            flags = Flag.OVERRUN if packet.original_length > len(packet.data) else 0
            yield Burst(packet.data, _DIRECTIONS.get(packet.flags & 3, Sender.UNKNOWN), packet.time or None, flags)
        if reader.cut:
            warn(reader.cut)


IMPORTERS: Final[Mapping[str, Importer]] = {
    "exchange": Importer(exchange.read, "text: lines of C> hex and M> hex"),
    "raw": Importer(read_raw, "a file of octets, without direction or times"),
    "rtac": Importer(rtac.read, "a capture of link type RTAC serial"),
    "user0": Importer(read_user0, "a capture of a private link type whose packets are plain octets"),
}

_SUFFIXES: Final = {".exchange": "exchange", ".bin": "raw", ".raw": "raw", ".dat": "raw"}


def detect(name: str | os.PathLike[str]) -> str:
    """The import format of a file, by its name or its contents. Raises ImportFormatError where neither is certain, and
    TraceError and OSError."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    unknown = ImportFormatError(
        f"{os.fspath(name)}: say with --from which format it is in: "
        + ", ".join(f"{format} ({importer.description})" for format, importer in IMPORTERS.items())
    )
    if is_special(name) and not os.path.isdir(name):
        raise unknown  # What is read of a pipe to look at it is gone.
    try:
        with open_capture(name) as reader:
            first = next(iter(reader), None)
            if first is None:
                raise (
                    ImportFormatError(reader.cut or f"{reader.name} holds no packets") if reader.interfaces else unknown
                )
    except NotATrace:
        raise unknown from None
    if first.linktype == rtac.LINKTYPE_RTAC_SERIAL:
        return "rtac"
    if first.linktype not in LINKTYPES:
        raise foreign_packet(reader.name, 1, first.linktype, "that of a serial line")
    if first.data.startswith(_OWN_PACKET):
        raise ImportFormatError(_OWN.format(reader.name))
    raise ImportFormatError(
        f"{reader.name}: its packets are of a private link type, which may hold anything; "
        "if they are the octets of a serial line, say --from user0"
    )
