"""The characters that the simulated devices speak in, and their check character.

Written apart from vtctap.dissector on purpose: what the simulated devices send is a second opinion on what the decoder
makes of it. IEC 62056-21 clause 6.3.
"""

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
"""Control octets of HDLC: the client's opening and closing of a connection, and the server's consent."""


def check_character(octets: bytes) -> int:
    """The exclusive or of ``octets``: those after the first SOH or STX, up to and with ETX or EOT."""
    value = 0
    for octet in octets:
        value ^= octet
    return value


def with_check(octets: bytes) -> bytes:
    """A message from its SOH or STX to its ETX, with the check character behind it."""
    return octets + bytes([check_character(octets[1:])])


def is_checked(message: bytes) -> bool:
    """Whether the last octet of a message is the check character of those before it."""
    return with_check(message[:-1]) == message


def command(name: str, data_set: str = "") -> bytes:
    """A command: ``R1`` and ``0004()`` make SOH R1 STX 0004() ETX and the check character; ``B0`` has no data set."""
    body = b"\x02" + data_set.encode("ascii") if data_set else b""
    return with_check(b"\x01" + name.encode("ascii") + body + b"\x03")


def data(text: str) -> bytes:
    """An answer that carries data: STX, the text, ETX and the check character."""
    return with_check(b"\x02" + text.encode("ascii") + b"\x03")


def hdlc(destination: int, source: int, control: int) -> bytes:
    """An HDLC frame without information, addresses of one octet (IEC 62056-46): what mode E goes on with."""
    body = bytes([0xA0, 7, destination << 1 | 1, source << 1 | 1, control])
    remainder = 0xFFFF
    for octet in body:
        remainder ^= octet
        for _ in range(8):
            remainder = remainder >> 1 ^ 0x8408 * (remainder & 1)
    return bytes([FLAG, *body, *(remainder ^ 0xFFFF).to_bytes(2, "little"), FLAG])
