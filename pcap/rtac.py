"""Captures of link type RTAC serial (250), as SEL's automation controllers and some serial loggers write them.

Each packet has a header of twelve octets, big-endian: seconds and microseconds since 1970, an event, the control lines,
and two octets of footer; then the data. Data that was transmitted is taken for the client's: a controller asks, a meter
answers. Events without data are passed over, but an error is marked on the data that follows it in the same direction.
"""

import struct
from collections.abc import Iterator
from typing import Final

from vtctap.pcap.formats import open_capture
from vtctap.pcap.record import Flag, Sender
from vtctap.pcap.run import ImportFormatError, Run

LINKTYPE_RTAC_SERIAL: Final = 250
_HEADER: Final = struct.Struct(">IIBBH")

TX_START, RX_START, TX_END, RX_END = 1, 2, 3, 4
_SENDERS: Final = {
    TX_START: Sender.CLIENT,
    RX_START: Sender.SERVER,
    TX_END: Sender.CLIENT,
    RX_END: Sender.SERVER,
}
_ERRORS: Final = {5: Flag.OVERRUN, 7: Flag.FRAMING, 8: Flag.PARITY, 9: Flag.BREAK | Flag.FRAMING, 10: Flag.OVERRUN}


def read(name: str) -> Iterator[Run]:
    """The runs of a capture. Raises ImportFormatError, TraceError and OSError."""
    with open_capture(name) as reader:
        flags = 0
        for number, packet in enumerate(reader, 1):
            if packet.linktype != LINKTYPE_RTAC_SERIAL:
                raise ImportFormatError(
                    f"{name}: packet {number} is of link type {packet.linktype}, not {LINKTYPE_RTAC_SERIAL} (RTAC)"
                )
            if len(packet.data) < _HEADER.size:
                raise ImportFormatError(f"{name}: packet {number} is shorter than its header of {_HEADER.size} octets")
            seconds, microseconds, event, _, _ = _HEADER.unpack_from(packet.data)
            flags |= _ERRORS.get(event, 0)
            octets = packet.data[_HEADER.size :]
            if octets:
                time = (seconds * 1_000_000 + microseconds) * 1000
                yield Run(octets, _SENDERS.get(event, Sender.UNKNOWN), time, flags)
                flags = 0
