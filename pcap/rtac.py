"""Captures of link type RTAC serial (250), as SEL's automation controllers and some serial loggers write them.

Each packet has a header of twelve octets, big-endian: seconds and microseconds since 1970, an event, the control lines,
and two octets of footer; the data follow (https://www.tcpdump.org/linktypes/LINKTYPE_RTAC_SERIAL.html). A controller
asks and a meter answers, so transmitted data count as the client's and received data as the server's. The sender of any
other event's data is unknown. The time is the packet's; the header repeats it in microseconds.

Reading skips events without data, except errors. Only a receiver sees errors, so an error flags the next data that were
not transmitted, or the last data where none follow. The control lines are not kept.

Writing states the errors of a burst as events before it. The format cannot state errors of the client's octets.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from vtctap.pcap.burst import Burst, ImportFormatError, foreign_packet
from vtctap.pcap.capture_file import Packet, TraceError
from vtctap.pcap.formats import open_capture
from vtctap.pcap.importers.account import Account
from vtctap.pcap.record import SECOND_NS, Flag, Sender
from vtctap.pcap.streams import Source

LINKTYPE_RTAC_SERIAL: Final = 250
_HEADER: Final = struct.Struct(">IIBBH")

STATUS_CHANGE, TX_START, RX_START, TX_END, RX_END = 0, 1, 2, 3, 4
DATA_LOST, FRAMING_ERROR, PARITY_ERROR, BREAK, OVERFLOW = 5, 7, 8, 9, 10
_SENDERS: Final = {
    TX_START: Sender.CLIENT,
    RX_START: Sender.SERVER,
    TX_END: Sender.CLIENT,
    RX_END: Sender.SERVER,
}
_ERRORS: Final = {
    DATA_LOST: Flag.OVERRUN,
    FRAMING_ERROR: Flag.FRAMING,
    PARITY_ERROR: Flag.PARITY,
    BREAK: Flag.BREAK,
    OVERFLOW: Flag.OVERRUN,
}
_EVENTS: Final = {Sender.CLIENT: TX_START, Sender.SERVER: RX_START, Sender.UNKNOWN: STATUS_CHANGE}
_ERROR_EVENTS: Final = {
    Flag.OVERRUN: DATA_LOST,
    Flag.FRAMING: FRAMING_ERROR,
    Flag.PARITY: PARITY_ERROR,
    Flag.BREAK: BREAK,
}
STATED: Final = sum(_ERROR_EVENTS)
"""The flags that this format can state, for received octets."""


def written(burst: Burst) -> Iterator[Packet]:
    """Writes a burst as packets: its errors, then its octets. A burst without a time begins in 1970. Raises TraceError
    for a time that the header cannot hold."""
    time = burst.time or 0
    seconds, nanoseconds = divmod(time, SECOND_NS)
    if not 0 <= seconds < 1 << 32:
        raise TraceError(f"RTAC serial cannot state a time of {time} ns since 1970")
    errors = [event for flag, event in _ERROR_EVENTS.items() if burst.flags & flag and burst.sender != Sender.CLIENT]
    for event in errors:
        yield Packet(time, _HEADER.pack(seconds, nanoseconds // 1000, event, 0, 0), LINKTYPE_RTAC_SERIAL)
    head = _HEADER.pack(seconds, nanoseconds // 1000, _EVENTS[burst.sender], 0, 0)
    yield Packet(time, head + burst.octets, LINKTYPE_RTAC_SERIAL)


def read(source: Source, account: Account) -> Iterator[Burst]:
    """Reads the bursts of a capture. Raises ImportFormatError, TraceError and OSError."""
    with open_capture(source) as reader:
        flags = 0
        last: Burst | None = None
        for number, packet in enumerate(reader.packets(account.fault), 1):
            if packet.linktype != LINKTYPE_RTAC_SERIAL:
                wanted = f"RTAC serial ({LINKTYPE_RTAC_SERIAL})"
                _unusable(foreign_packet(reader.name, number, packet.linktype, wanted), number, account)
                continue
            if len(packet.data) < _HEADER.size:
                text = f"{reader.name}: packet {number} is shorter than its header of {_HEADER.size} octets"
                _unusable(ImportFormatError(text), number, account)
                continue
            seconds, microseconds, event, _, _ = _HEADER.unpack_from(packet.data)
            flags |= _ERRORS.get(event, 0)
            octets = packet.data[_HEADER.size :]
            if not octets:
                continue
            if last:
                yield last
            sender = _SENDERS.get(event, Sender.UNKNOWN)
            own, flags = (0, flags) if sender is Sender.CLIENT else (flags, 0)
            cut = Flag.OVERRUN if packet.original_length > len(packet.data) else 0
            time = packet.time or (seconds * 1_000_000 + microseconds) * 1000
            last = Burst(octets, sender, time or None, own | cut)
        if last:
            yield replace(last, flags=last.flags | flags)
        if reader.cut:
            account.fault(reader.cut)


def _unusable(error: ImportFormatError, number: int, account: Account) -> None:
    """Notes a packet that cannot be used. Raises ImportFormatError for the first one: the file has another format."""
    if number == 1:
        raise error
    account.fault(str(error))
