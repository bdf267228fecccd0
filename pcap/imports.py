"""The import formats: recordings that other tools made, as runs.

A new format is a function from a file's name to runs, and a line in :data:`IMPORTERS`. Most tools stamp a packet when
they have read it, so their times are those of a run's end rather than its start; they are taken as they are.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vtctap.pcap import exchange, rtac
from vtctap.pcap.capture_file import NotATrace
from vtctap.pcap.formats import open_capture
from vtctap.pcap.record import LINKTYPES, MAGIC, Sender
from vtctap.pcap.run import ImportFormatError, Run


@dataclass(frozen=True, slots=True)
class Importer:
    """An import format: how to read a file of it, and what it is."""

    read: Callable[[str], Iterator[Run]]
    description: str


def read_raw(name: str) -> Iterator[Run]:
    """A file's octets, without direction or times. Raises OSError."""
    with open(name, "rb") as file:
        yield Run(file.read())


_DIRECTIONS: Final = {1: Sender.CLIENT, 2: Sender.SERVER}
_OWN: Final = "{}: a trace of vtctap needs no import; 'vtctap reframe' frames its octets again"


def read_user0(name: str) -> Iterator[Run]:
    """Packets of a private link type that are nothing but octets, as simple serial loggers write them. The direction is
    that of pcapng's packet flags, if they have one: inbound is from the client. Raises ImportFormatError, OSError."""
    with open_capture(name) as reader:
        for number, packet in enumerate(reader, 1):
            if packet.linktype not in LINKTYPES:
                raise ImportFormatError(
                    f"{name}: packet {number} is of link type {packet.linktype}, not {LINKTYPES[0]} to {LINKTYPES[-1]}"
                )
            if packet.data[:2] == MAGIC and packet.data[2:3] == b"\x01":
                raise ImportFormatError(_OWN.format(name))
            yield Run(packet.data, _DIRECTIONS.get(packet.flags & 3, Sender.UNKNOWN), packet.time)


IMPORTERS: Final[Mapping[str, Importer]] = {
    "exchange": Importer(exchange.read, "text: lines of C> hex and M> hex"),
    "raw": Importer(read_raw, "a file of octets, without direction or times"),
    "rtac": Importer(rtac.read, "a capture of link type RTAC serial"),
    "user0": Importer(read_user0, "a capture of a private link type whose packets are plain octets"),
}

_SUFFIXES: Final = {".exchange": "exchange", ".bin": "raw", ".raw": "raw"}


def detect(name: str) -> str:
    """The import format of a file, by its contents or its name. Raises ImportFormatError where neither is certain, and
    OSError."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    try:
        with open_capture(name) as reader:
            first = next(iter(reader), None)
    except NotATrace:
        first = None
    if first is not None and first.linktype == rtac.LINKTYPE_RTAC_SERIAL:
        return "rtac"
    if first is not None and first.linktype in LINKTYPES:
        if first.data[:2] == MAGIC:
            raise ImportFormatError(_OWN.format(name))
        raise ImportFormatError(
            f"{name}: its packets are of a private link type, which may hold anything; "
            "if they are the octets of a serial line, say --from user0"
        )
    if first is not None:
        raise ImportFormatError(f"{name}: captures of link type {first.linktype} are not of a serial line")
    raise ImportFormatError(f"{name}: say --from with the format it is in: {', '.join(IMPORTERS)}")
