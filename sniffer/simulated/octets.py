"""The characters and messages of the simulated devices, with their BCC (IEC 62056-21 clause 6.3).

The module shares no code with vtctap.dissector, so that the simulated devices can test the decoder independently.
"""

from functools import reduce
from operator import xor
from typing import Final

NUL: Final = 0x00
SOH: Final = 0x01
STX: Final = 0x02
ETX: Final = 0x03
EOT: Final = 0x04
ACK: Final = 0x06
LF: Final = 0x0A
NAK: Final = 0x15
SLASH: Final = 0x2F
FLAG: Final = 0x7E

MODE_B: Final = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
"""Speed characters of an identification that announces mode B (IEC 62056-21 clause 6.3.2), bit/s."""
MODE_C: Final = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
"""Speed characters of an option select (IEC 62056-21 clause 6.3.3), bit/s."""
SNRM: Final = 0x93
DISC: Final = 0x53
UA: Final = 0x73
"""Control octets of HDLC: the client opens (SNRM) or closes (DISC) a connection, and the server confirms (UA)."""


def check_character(octets: bytes, rule: str = "xor") -> int:
    """The BCC of ``octets``, those after the first SOH or STX, up to and including ETX or EOT: their exclusive or, or
    by the rule ``sum`` their sum modulo 128."""
    return sum(octets) & 0x7F if rule == "sum" else reduce(xor, octets, 0)


def with_check(octets: bytes, rule: str = "xor") -> bytes:
    """Appends the BCC to a message that ends with its ETX."""
    return octets + bytes([check_character(octets[1:], rule)])


def is_checked(message: bytes, rule: str = "xor") -> bool:
    """Whether a message ends with its correct BCC."""
    return with_check(message[:-1], rule) == message


def command(name: str, data_set: str = "") -> bytes:
    """Makes a command without its BCC: ``R1`` and ``0004()`` become SOH R1 STX 0004() ETX. ``B0`` has no data set."""
    body = b"\x02" + data_set.encode("ascii") if data_set else b""
    return b"\x01" + name.encode("ascii") + body + b"\x03"


def data(text: str) -> bytes:
    """Makes an answer with data, without its BCC: STX, the text and ETX."""
    return b"\x02" + text.encode("ascii") + b"\x03"


def hdlc(destination: int, source: int, control: int) -> bytes:
    """Makes an HDLC frame without information, with addresses of one octet (IEC 62056-46), for mode E."""
    body = bytes([0xA0, 7, destination << 1 | 1, source << 1 | 1, control])
    remainder = 0xFFFF
    for octet in body:
        remainder ^= octet
        for _ in range(8):
            remainder = remainder >> 1 ^ 0x8408 * (remainder & 1)
    return bytes([FLAG, *body, *(remainder ^ 0xFFFF).to_bytes(2, "little"), FLAG])
