"""The blocks of a pcapng file (draft-ietf-opsawg-pcapng): their numbers, those of their options, and their layouts.

The parser and the writer share them. Lengths are in octets.
"""

import re
import struct
from typing import Final

SECTION, INTERFACE, OBSOLETE_PACKET, SIMPLE_PACKET, STATISTICS, PACKET = 0x0A0D0D0A, 1, 2, 3, 5, 6
BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
END_OF_OPTIONS, COMMENT = 0, 1
SHB_HARDWARE, SHB_OS, SHB_USERAPPL = 2, 3, 4
IF_NAME, IF_DESCRIPTION, IF_SPEED, IF_TSRESOL, IF_TSOFFSET, IF_HARDWARE = 2, 3, 8, 9, 14, 15
EPB_FLAGS: Final = 2
ISB_STARTTIME, ISB_ENDTIME, ISB_IFRECV, ISB_IFDROP = 2, 3, 4, 5
LEAST_BLOCK, LEAST_PACKET = 12, 32
LEAST: Final = {
    SECTION: 28,
    INTERFACE: 20,
    SIMPLE_PACKET: 16,
    OBSOLETE_PACKET: LEAST_PACKET,
    STATISTICS: 24,
    PACKET: LEAST_PACKET,
}
"""The blocks that vtctap reads, and the least length of each."""


class ByteOrder:
    """The layouts of all structures, in one byte order."""

    def __init__(self, sign: str) -> None:
        self.block = struct.Struct(sign + "II")
        self.section = struct.Struct(sign + "IIIHHq")
        self.interface = struct.Struct(sign + "IIHHI")
        self.packet = struct.Struct(sign + "7I")
        self.obsolete_packet = struct.Struct(sign + "IIHHIIII")
        self.word = struct.Struct(sign + "I")
        self.numbered = struct.Struct(sign + "III")
        self.option = struct.Struct(sign + "HH")
        self.time = struct.Struct(sign + "II")
        self.unsigned = struct.Struct(sign + "Q")
        self.signed = struct.Struct(sign + "q")
        self.flags_and_end = struct.Struct(sign + "HHIII")
        self.kinds = re.compile(b"|".join(re.escape(self.word.pack(kind)) for kind in LEAST))
        """Finds the first word of a block."""


LITTLE, BIG = ByteOrder("<"), ByteOrder(">")


def stated_order(buffer: bytes, at: int) -> ByteOrder | None:
    """The byte order of the section that begins at ``at``; None without its magic."""
    for order in (LITTLE, BIG):
        if order.word.unpack_from(buffer, at + 8)[0] == BYTE_ORDER_MAGIC:
            return order
    return None
