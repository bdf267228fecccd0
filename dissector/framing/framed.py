"""A frame's record with the message that was decoded to make it.

To find out who sent a frame and where the next begins, the assembler decodes it. Its message is handed on beside the
record, so that whoever counts, merges or dissects live records does not decode them again. Records that are read from a
file come without.
"""

from dataclasses import dataclass, field

from vtctap.dissector.protocol.messages import Message, decode
from vtctap.pcap.record import Record


@dataclass(frozen=True, slots=True, eq=False)
class FramedRecord(Record):
    """A frame's record, with the ``message`` of its octets. It is equal to the record without."""

    message: Message = field(kw_only=True, repr=False)

    def __eq__(self, other: object) -> bool:
        """Whether both are the same record: the message follows from the octets."""
        if not isinstance(other, Record):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in Record.__slots__)

    __hash__ = Record.__hash__


def message_of(record: Record) -> Message:
    """The message of a frame's record: handed on, or decoded now."""
    return record.message if isinstance(record, FramedRecord) else decode(record.octets)
