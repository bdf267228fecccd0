"""The trace record: what vtctap stores in one packet of a capture file.

One packet is one record: a header of 32 octets, options, then the octets that crossed the line. docs/link-type.md
specifies the layout; this module and the Scapy layer implement it. The module converts between :class:`Record` and the
packet's data, and does no I/O. The file format stores the timestamp with the packet, outside its data.

Integers are big-endian. Times are ns; timestamps count from 1970-01-01 UTC.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from operator import attrgetter
from typing import Any, Final

from vtctap.errors import Error
from vtctap.pcap.construction import fast_init

MAGIC: Final = b"VT"
VERSION: Final = 1
LINKTYPE_USER0: Final = 147
"""The default link type. USER0 to USER15 (147 to 162) are reserved for private use."""
LINKTYPES: Final = range(147, 163)
MAX_OCTETS: Final = 65535
"""Most octets in one record; a longer frame continues in further records."""
MAX_TAPS: Final = 256
"""Most taps, and most links, that a record can number."""
MAX_UNCERTAINTY_NS: Final = 50_000_000
"""The largest uncertainty (ns) used to order two records; one that is larger, or unknown, counts as this. USB adapters
state up to 18 ms."""

SECOND_NS: Final = 1_000_000_000
"""One second, in the unit of all times here (ns)."""

HEADER: Final = struct.Struct(">2sBBIBBBBHHIIQ")
OPTION: Final = struct.Struct(">HH")
"""An option's type and the length of its value."""
_PAUSE = struct.Struct(">HHI")
UNKNOWN_UNCERTAINTY: Final = 0xFFFFFFFF
"""The header's word for an uncertainty of None."""
_INFERRED = 0x80

_OPTION_PARITY, _OPTION_FRAMING, _OPTION_PAUSES, _OPTION_EVENT = 1, 2, 3, 4
HASH_OPTION: Final = 5
"""The option with the record's place in a hash chain; always the last one."""
_Options = tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...], str, bytes]
"""Parity errors, framing errors, pauses (us), event and chain, as in :class:`Record`."""
_NO_OPTIONS: Final[_Options] = ((), (), (), "", b"")


class RecordError(Error, ValueError):
    """A packet's data is no trace record; the message says why."""


class ForeignRecord(RecordError):
    """The data does not begin with the magic ``VT``: another program uses the same link type."""


class Kind(IntEnum):
    """What a record holds."""

    FRAME = 0
    NOISE = 1
    EVENT = 2

    @property
    def word(self) -> str:
        """Its name in fields, events and messages."""
        return self.name.lower()


class Sender(IntEnum):
    """Who sent the octets."""

    UNKNOWN = 0
    CLIENT = 1
    SERVER = 2

    @property
    def other(self) -> "Sender":
        """The opposite side; unknown for an unknown sender."""
        return _OTHER[self]

    @property
    def word(self) -> str:
        """Its name in fields, events and messages."""
        return self.name.lower()


_OTHER = {Sender.UNKNOWN: Sender.UNKNOWN, Sender.CLIENT: Sender.SERVER, Sender.SERVER: Sender.CLIENT}


class Flag:
    """Bits of :attr:`Record.flags`. Plain integers, because an IntFlag would cost more time than decoding a record."""

    PARITY: Final = 1
    FRAMING: Final = 2
    BREAK: Final = 4
    OVERRUN: Final = 8
    CUT: Final = 16
    ORDER_UNCERTAIN: Final = 32
    SYNTHETIC: Final = 64
    ECHO: Final = 128


ERROR_FLAGS: Final = Flag.PARITY | Flag.FRAMING | Flag.BREAK | Flag.OVERRUN | Flag.CUT
"""The flags that say that octets are wrong or missing."""


@dataclass(frozen=True, slots=True)
class Line:
    """The character format of a line, such as 7E1."""

    data_bits: int
    parity: str
    stop_bits: int

    PARITIES = "NEOMS"

    def __post_init__(self) -> None:
        if not 5 <= self.data_bits <= 8 or self.parity not in tuple(Line.PARITIES) or self.stop_bits not in (1, 2):
            raise ValueError(f"{self} is not a character format such as 7E1 or 8N1")

    @classmethod
    def parse(cls, text: str) -> "Line":
        """Parses a character format such as ``7E1``. Raises ValueError."""
        if len(text) == 3 and text[0].isdecimal() and text[2].isdecimal():
            return cls(int(text[0]), text[1].upper(), int(text[2]))
        raise ValueError(f"{text!r} is not a character format such as 7E1 or 8N1")

    @classmethod
    def from_octet(cls, octet: int) -> "Line | None":
        """Decodes the header's octet; None where it states no character format, or one that does not exist."""
        data_bits, parity, stop_bits = octet >> 4, octet >> 1 & 7, 1 + (octet & 1)
        if 5 <= data_bits <= 8 and parity < len(cls.PARITIES):
            return cls(data_bits, cls.PARITIES[parity], stop_bits)
        return None

    @property
    def octet(self) -> int:
        """The header's octet: data bits in bits 7-4, parity in bits 3-1, the second stop bit in bit 0."""
        return self.data_bits << 4 | Line.PARITIES.index(self.parity) << 1 | (self.stop_bits - 1)

    @property
    def has_parity(self) -> bool:
        """Whether bit 7 of a received octet is its parity bit: the line has seven data bits and parity."""
        return self.data_bits == 7 and self.parity != "N"

    @property
    def character_bits(self) -> int:
        """Bits of one character on the wire, including start and stop bits."""
        return 1 + self.data_bits + (self.parity != "N") + self.stop_bits

    def character_time_ns(self, speed: int) -> int:
        """Returns the length of one character at ``speed`` bit/s, ns; 0 where the speed is unknown (0)."""
        return self.character_bits * SECOND_NS // speed if speed else 0

    def __str__(self) -> str:
        return f"{self.data_bits}{self.parity}{self.stop_bits}"


EIGHT_BITS: Final = Line(8, "N", 1)
"""Octets as they are: the format of a line without parity, and of a receiver that leaves the parity to software."""
SEVEN_EVEN: Final = Line(7, "E", 1)
"""The character format of IEC 62056-21."""

_LINES = [Line.from_octet(octet) for octet in range(256)]


@fast_init
@dataclass(frozen=True, slots=True)
class Record:
    """One record of a trace: a frame, noise or an event, with all that the tap knows about it.

    ``time``, ``uncertainty``, ``duration`` and ``end`` are integer ns. ``time`` is the start of the first octet's start
    bit, since 1970 UTC. ``uncertainty`` is how far the true time may be from it, None where unknown. ``duration`` ends
    with the last stop bit. ``octets`` have no parity bit. ``parity_errors`` and ``framing_errors`` are positions in
    ``octets``. ``pauses_us`` are pairs of a position and the silence before that octet, us. ``event`` is an event's
    text: its name, then ``key=value`` words; octets that are no valid UTF-8 become surrogates (:pep:`383`).
    ``chain`` is the record's place in a hash chain (:mod:`vtctap.pcap.hash_chain`), which says nothing about the line:
    records that differ in it alone are equal.
    """

    time: int
    octets: bytes = b""
    kind: Kind = Kind.FRAME
    sender: Sender = Sender.UNKNOWN
    inferred: bool = False
    link: int = 0
    tap: int = 0
    line: Line | None = None
    flags: int = 0
    speed: int = 0
    uncertainty: int | None = None
    duration: int = 0
    parity_errors: tuple[int, ...] = ()
    framing_errors: tuple[int, ...] = ()
    pauses_us: tuple[tuple[int, int], ...] = ()
    event: str = ""
    chain: bytes = field(default=b"", compare=False)

    def chained(self, chain: bytes) -> "Record":
        """Returns the record with its place in a hash chain, in half the time of :func:`dataclasses.replace`."""
        return Record(*(*_UNCHAINED(self), chain))

    @property
    def end(self) -> int:
        """The end of the last octet's stop bit, ns since 1970 UTC."""
        return self.time + self.duration


_UNCHAINED: Final[Callable[[Record], tuple[Any, ...]]] = attrgetter(*Record.__slots__[:-1])


def _option(number: int, value: bytes) -> bytes:
    return OPTION.pack(number, len(value)) + value + bytes(-len(value) % 4)


def _positions(number: int, positions: tuple[int, ...]) -> bytes:
    """Encodes positions as one option, or as several where one option cannot hold them all."""
    room = 0x7FFE
    return b"".join(
        _option(number, struct.pack(f">{len(part)}H", *part))
        for part in (positions[at : at + room] for at in range(0, len(positions), room))
    )


def stated_profile(text: str) -> str | None:
    """Finds the NAME of ``profile=NAME`` in the text of an ``opened`` event or of a tap's description; None without
    one."""
    words = (word.partition("=") for word in text.replace(",", " ").split())
    return next((value for key, _, value in words if key == "profile"), None)


def encode(record: Record) -> bytes:
    """Encodes a record as a packet's data.

    Raises RecordError for more than :data:`MAX_OCTETS` octets and for a number that does not fit into its field. An
    uncertainty that does not fit becomes unknown; a pause that does not fit becomes the longest one (71 minutes).
    """
    if len(record.octets) > MAX_OCTETS:
        raise RecordError(f"a record holds at most {MAX_OCTETS} octets, not {len(record.octets)}")
    try:
        return _encode(record)
    except struct.error as error:
        raise RecordError(f"a number of the record has no room in its field: {error}") from None


def _encode(record: Record) -> bytes:
    options = b""
    if record.parity_errors:
        options += _positions(_OPTION_PARITY, record.parity_errors)
    if record.framing_errors:
        options += _positions(_OPTION_FRAMING, record.framing_errors)
    room = 0x1FFF
    for at in range(0, len(record.pauses_us), room):
        part = record.pauses_us[at : at + room]
        pauses = b"".join(_PAUSE.pack(position, 0, min(pause, 0xFFFFFFFF)) for position, pause in part)
        options += _option(_OPTION_PAUSES, pauses)
    if record.event:
        # Cut between characters. A surrogate (from an undecodable command line) becomes a question mark.
        event = record.event.encode(errors="replace")[:0xFFFF].decode(errors="ignore").encode()
        options += _option(_OPTION_EVENT, event)
    if record.chain:
        options += _option(HASH_OPTION, record.chain)
    uncertainty = record.uncertainty
    header = HEADER.pack(
        MAGIC,
        VERSION,
        record.kind,
        HEADER.size + len(options),
        record.sender | (_INFERRED if record.inferred else 0),
        record.link,
        record.tap,
        record.line.octet if record.line else 0,
        record.flags,
        0,
        record.speed,
        UNKNOWN_UNCERTAINTY if uncertainty is None else min(uncertainty, UNKNOWN_UNCERTAINTY),
        record.duration,
    )
    return header + options + record.octets


def decode(data: bytes, time: int) -> Record:
    """Decodes a packet's data and timestamp (ns since 1970 UTC).

    Raises ForeignRecord where the magic is missing and RecordError where the header is damaged. Later versions may
    define more options and flags, and use padding and the reserved field, so the decoder ignores all of these.
    """
    if data[:2] != MAGIC:
        raise ForeignRecord("the packet does not begin with the magic VT")
    if len(data) < HEADER.size:
        raise RecordError(f"the header is cut: {len(data)} of {HEADER.size} octets")
    _, version, kind, length, sender, link, tap, line, flags, _, speed, uncertainty, duration = HEADER.unpack_from(data)
    if version != VERSION:
        raise RecordError(f"version {version} of the record is not known to this release")
    if kind > 2:
        raise RecordError(f"kind {kind} of the record is not known to this release")
    if length % 4 or not HEADER.size <= length <= len(data):
        raise RecordError(f"a header length of {length} octets cannot be in a packet of {len(data)}")
    parity, framing, pauses_us, event, chain = _options(data, length) if length > HEADER.size else _NO_OPTIONS
    return Record(
        time,
        data[length:],
        _KINDS[kind],
        _SENDERS[sender & 3],
        sender >= _INFERRED,
        link,
        tap,
        _LINES[line],
        flags,
        speed,
        None if uncertainty == UNKNOWN_UNCERTAINTY else uncertainty,
        duration,
        parity,
        framing,
        pauses_us,
        event,
        chain,
    )


def _options(data: bytes, length: int) -> _Options:
    """Decodes the options of a header of ``length`` octets."""
    parity: tuple[int, ...] = ()
    framing: tuple[int, ...] = ()
    pauses_us: tuple[tuple[int, int], ...] = ()
    event = ""
    chain = b""
    at = HEADER.size
    while at + OPTION.size <= length:
        number, size = OPTION.unpack_from(data, at)
        at += OPTION.size
        if at + size > length:
            raise RecordError(f"option {number} of {size} octets runs over the header's end")
        value = data[at : at + size]
        at += size + -size % 4
        if number == _OPTION_PARITY:
            parity += struct.unpack_from(f">{size // 2}H", value)
        elif number == _OPTION_FRAMING:
            framing += struct.unpack_from(f">{size // 2}H", value)
        elif number == _OPTION_PAUSES:
            pauses_us += tuple(
                (position, pause) for position, _, pause in _PAUSE.iter_unpack(value[: size - size % _PAUSE.size])
            )
        elif number == _OPTION_EVENT:
            event = value.decode(errors="surrogateescape")
        elif number == HASH_OPTION:
            chain = value
    return parity, framing, pauses_us, event, chain


_KINDS = tuple(Kind)
_SENDERS = (Sender.UNKNOWN, Sender.CLIENT, Sender.SERVER, Sender.UNKNOWN)
