"""The hash chain of a trace, by which a later change of the trace is found.

A capture numbers its records and gives each a hash, in an option of the record's header:

    hash(n) = SHA-256(hash(n - 1), id, n, timestamp in ns, record)

The record is the packet's data without that option. hash(0) is the SHA-256 of the first record's timestamp, and ``id``
its first four octets. The option states the id, the number, the whole hash of the record before, and the first eight
octets of the record's own hash. So a record can be verified alone, and with the next one: a part of a chain verifies
like the whole. The ``opened`` events state the id; ``closed`` events state the number and the hash before them.

Interface numbers, comments and the blocks of a file are outside the hashes, because editcap, mergecap and tshark change
them. Options of pcapng packets are not used, because those programs drop them.

The chain tells who knows the last hash, or its signature, that the trace is what was captured. Without either, whoever
changes a trace can compute the hashes again.
"""

import hashlib
from dataclasses import dataclass, field, replace
from struct import Struct
from typing import Final, NamedTuple, Self

from vtctap.pcap.events import event_name
from vtctap.pcap.record import HASH_OPTION, HEADER, OPTION, Kind, Record, encode

_VALUE: Final = Struct(">4sI32s8s")
_AHEAD: Final = Struct(">4sI")
"""What is hashed between the previous hash and the timestamp: id and number."""
_LENGTH: Final = slice(4, 8)
"""The header length in a packet's data."""
_OPTION_SIZE: Final = OPTION.size + _VALUE.size


class HashLink(NamedTuple):
    """The value of the option. ``id`` names the chain; ``start`` is the first eight octets of the record's hash."""

    id: bytes
    number: int
    previous: bytes
    start: bytes

    @classmethod
    def decode(cls, value: bytes) -> Self | None:
        """Decodes an option's value; None where it has another size, as that of a record without the option."""
        return cls(*_VALUE.unpack(value)) if len(value) == _VALUE.size else None


def _hash(link: HashLink, time_ns: int, data: bytes) -> bytes:
    ahead = link.previous + _AHEAD.pack(link.id, link.number) + _timestamp(time_ns)
    return hashlib.sha256(ahead + data).digest()


def _beginning(time_ns: int) -> bytes:
    """Returns hash(0) of a chain whose first record has this timestamp."""
    return hashlib.sha256(_timestamp(time_ns)).digest()


def _timestamp(time_ns: int) -> bytes:
    """Returns a timestamp as it is hashed: in eight octets, or in sixteen where damage of a pcapng file (64 bits of any
    unit, and an offset) made it later than any that a capture states."""
    size = 8 if -(1 << 63) <= time_ns < 1 << 63 else 16
    return time_ns.to_bytes(size, "big", signed=True)


class HashChain:
    """Adds the hashes to the records of one capture."""

    def __init__(self) -> None:
        self._id = b""
        self._number = 0
        self._hash = b""

    def feed(self, record: Record) -> Record:
        """Returns the next record with its place in the chain. Raises RecordError where it cannot be encoded."""
        if not self._number:
            self._hash = _beginning(record.time)
            self._id = self._hash[:4]
        if record.kind is Kind.EVENT:
            record = replace(record, event=record.event + self._stated(record.event))
        self._number += 1
        link = HashLink(self._id, self._number, self._hash, b"")
        self._hash = _hash(link, record.time, encode(record))
        return record.chained(_VALUE.pack(link.id, link.number, link.previous, self._hash[:8]))

    def _stated(self, event: str) -> str:
        """Returns the words that are appended to the text of an event."""
        name = event_name(event)
        if name == "opened":
            return f" {_ID}={self._id.hex()}"
        return f" {_HASHED}={self._number} {_LAST}={self._hash.hex()}" if name == "closed" and self._number else ""


_ID, _HASHED, _LAST = "chain", "hashed", "hash"
_WORDS: Final = tuple(f"{word}=" for word in (_ID, _HASHED, _LAST))


def unchained(record: Record) -> Record:
    """Returns a record without its place in a chain, for a trace that is made from another one."""
    event = record.event
    if event_name(event) in ("opened", "closed"):
        event = " ".join(word for word in event.split(" ") if not word.startswith(_WORDS))
    return replace(record, event=event, chain=b"")


def _parted(data: bytes) -> tuple[HashLink | None, bytes]:
    """Returns the link of a packet's data, and the data as it was hashed. The option is the header's last one."""
    length = int.from_bytes(data[_LENGTH], "big")
    at = length - _OPTION_SIZE
    if at < HEADER.size or length > len(data) or OPTION.unpack_from(data, at) != (HASH_OPTION, _VALUE.size):
        return None, data
    link = HashLink.decode(data[at + OPTION.size : length])
    return link, data[:4] + at.to_bytes(4, "big") + data[8:at] + data[length:]


class ChainPlace(NamedTuple):
    """The place of a record: the name of its trace, and its number there, from 1."""

    trace: str
    number: int


@dataclass(slots=True)
class ChainVerdict:
    """What the hashes of one chain prove. Places are those of records in the traces; ranges are numbers in the chain.

    ``first`` and ``last`` are the least and the highest number found; ``hash`` is the hash of the record ``last``."""

    id: bytes
    records: int = 0
    first: int = 0
    last: int = 0
    hash: bytes = b""
    altered: list[ChainPlace] = field(default_factory=list)
    moved: list[ChainPlace] = field(default_factory=list)
    repeated: list[ChainPlace] = field(default_factory=list)
    missing: list[tuple[int, int]] = field(default_factory=list)
    open_taps: set[int] = field(default_factory=set)
    _latest: ChainPlace | None = None

    @property
    def intact(self) -> bool:
        """Whether no record is altered, moved, repeated or missing between the first and the last."""
        return not (self.altered or self.moved or self.repeated or self.missing)

    @property
    def complete(self) -> bool:
        """Whether it is intact, and has its first record and the ``closed`` event of each tap that the records name."""
        return self.intact and self.first == 1 and not self.open_taps

    def feed(self, place: ChainPlace, link: HashLink, hash: bytes, *, altered: bool) -> None:
        """Takes the next record of this chain, with its place, its link and its hash.

        ``altered`` says that the hash does not fit the link. The number of such a record proves nothing: it counts as
        the next one.
        """
        number = self.last + 1 if altered and self.records else link.number
        self.records += 1
        self.altered += [place] if altered else []
        self.first = self.first or number
        if number <= self.last:
            self._late(place, number)
            return
        if number > self.last + 1 and self._latest:
            self.missing.append((self.last + 1, number - 1))
        elif self._latest and link.previous != self.hash and self._latest not in self.altered[-1:] and not altered:
            self.altered.append(self._latest)  # It was replaced together with the start of its hash.
        self.last, self.hash, self._latest = number, hash, place

    def _late(self, place: ChainPlace, number: int) -> None:
        """Takes a record that comes after one with a higher number: moved if it was missing, else repeated."""
        if number < self.first:
            self.missing[:0] = [(number + 1, self.first - 1)] if number + 1 < self.first else []
            self.first = number
            self.moved.append(place)
            return
        for at, (first, last) in enumerate(self.missing):
            if first <= number <= last:
                rest = ((first, number - 1), (number + 1, last))
                self.missing[at : at + 1] = [part for part in rest if part[0] <= part[1]]
                self.moved.append(place)
                return
        self.repeated.append(place)


class Verifier:
    """Verifies the records of traces that are read one after the other, such as ring files."""

    MAX_BARE: Final = 8

    def __init__(self) -> None:
        self.verdicts: dict[bytes, ChainVerdict] = {}
        """What the records so far prove of each chain, by its id."""
        self.bare: list[ChainPlace] = []
        """The first :data:`MAX_BARE` records without a hash."""
        self.bares = 0
        """The number of records without a hash."""
        self._latest: ChainVerdict | None = None

    def feed(self, place: ChainPlace, time_ns: int, data: bytes, record: Record) -> None:
        """Takes the next record: its place, its packet's timestamp and data, and the record decoded from them."""
        link, hashed = _parted(data)
        if link is None:
            self.bares += 1
            self.bare += [place] if len(self.bare) < self.MAX_BARE else []
            return
        hash = _hash(link, time_ns, hashed)
        altered = hash[:8] != link.start or (link.number == 1 and link.previous != _beginning(time_ns))
        known = self.verdicts.get(link.id)
        verdict = known or (self._latest if altered and self._latest else ChainVerdict(link.id))
        self.verdicts[verdict.id] = self._latest = verdict
        verdict.feed(place, link, hash, altered=altered)
        if event_name(record.event) == "closed":
            verdict.open_taps.discard(record.tap)
        else:
            verdict.open_taps.add(record.tap)
