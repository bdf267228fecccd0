"""A frame's record together with its decoded message.

The assembler decodes a frame to find its sender and the beginning of the next one. It passes the message on with the
record, so that live records are not decoded again for counting, merging or dissecting. Records read from a file have
none.
"""

from dataclasses import dataclass, field

from vtctap.dissector.protocol import common_frames, messages
from vtctap.dissector.protocol.messages import Message
from vtctap.pcap.construction import fast_init
from vtctap.pcap.record import Record


@fast_init
@dataclass(frozen=True, slots=True, eq=False)
class FramedRecord(Record):
    """A frame's record with the ``message`` of its octets; it equals the record without it."""

    message: Message = field(kw_only=True, repr=False)

    def __eq__(self, other: object) -> bool:
        """Whether both are the same record; the message follows from the octets."""
        if not isinstance(other, Record):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in Record.__slots__)

    __hash__ = Record.__hash__


def decode(octets: bytes) -> Message:
    """Decodes a frame's octets, the fast way where they have the common form."""
    return common_frames.decode(octets) or messages.decode(octets)


def message_of(record: Record) -> Message:
    """Returns the message of a frame's record, decoding it if needed."""
    if isinstance(record, FramedRecord):
        return record.message
    return decode(record.octets)
