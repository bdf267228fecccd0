"""Whether the fast ways through a trace give what the exact ones do, over many random and damaged frames.

    python bench/decode_difference.py [--records N] [--seed N]

Dissects N (1 000 000) records twice, half of them with each profile: as the package does, and with the fast ways shut
(:mod:`~vtctap.pcap.common_blocks`, :mod:`~vtctap.dissector.protocol.common_frames`, what ``Meanings`` remembers). The
records are reads, writes and answers in all forms, with and without damage, among octets of no form; on some, the tap
saw errors. Compared are the ``repr`` of each dissection, which has all that its record, message, meaning and place
hold, and the text of its JSON: by :mod:`json`, and as the package writes it. Exit status 1 at the first difference,
which is printed.
"""

import io
import json
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from operator import methodcaller
from typing import Final
from unittest import mock

from measuring import compared

from vtctap.dissector import meaning
from vtctap.dissector.dissect import Dissection, dissections
from vtctap.dissector.dlms import Apdu
from vtctap.dissector.profiles.files import load
from vtctap.dissector.protocol import common_frames
from vtctap.dissector.protocol.checksums import bcc_sum, bcc_xor
from vtctap.dissector.protocol.messages import Message
from vtctap.pcap import CaptureReader, Flag, Kind, Line, Record, Sender, create_trace, open_trace

PROFILES: Final = ("iec62055-52", "iec62056-21")
PART: Final = 20_000
"""Records in a trace."""
START: Final = 1_767_225_600_000_000_000
_REGISTERS: Final = (
    "",
    "",
    "2006",
    "200C",
    "200D",
    "0030",
    "FFFE",
    "FFFF",
    "1.8.0",
    "1-0:1.8.0*255",
    "F.F",
    "0.9.1",
    "a)b",
)
_VALUES: Final = (
    "",
    "0",
    "00012.5",
    "-7",
    "ER01",
    "0A",
    "10",
    "12345678901234567890",
    "5F" * 8 + "0",
    "a b",
    "é",
    "<&>",
)
_UNITS: Final = ("", "", "*", "*kWh", "*kWh*2")
_JOINTS: Final = ("", "", "\r\n", "!\r\n", "\n", "x", "\r\n!")
_ALONE: Final = (
    b"\x06",
    b"\x15",
    b"\x06051\r\n",
    b"/?!\r\n",
    b"/ISK5\\2MT372\r\n",
    b"/?12!\r\n",
    b"\x00",
    b"\x01B0\x03q",
)


def octets(chance: random.Random) -> bytes:
    """Returns the octets of a frame: mostly of a command or an answer."""
    if chance.random() < 0.2:
        return chance.choice(_ALONE)
    command = chance.choice(("", "", "R1", "W1", "R", "P0", "E2", "X1", "R1x", "B0"))
    start = f"\x01{command}\x02" if command else "\x02"
    body = ""
    for _ in range(chance.choice((1, 1, 1, 1, 2, 3, 8, 0))):
        value = chance.choice(
            (chance.choice(_VALUES), f"{chance.randrange(10**8):08d}", f"{chance.randrange(256):02X}")
        )
        opened = "" if chance.random() < 0.02 else "("
        body += chance.choice(_REGISTERS) + opened + value + chance.choice(_UNITS) + ")" + chance.choice(_JOINTS)
    made = (start + body + chance.choice("\x03\x03\x03\x03\x04")).encode("latin-1")
    check = chance.choice((bcc_xor, bcc_xor, bcc_xor, bcc_sum))(made[1:])
    made += bytes([check ^ (chance.random() < 0.05)]) if chance.random() < 0.95 else b""
    return damaged(made, chance) if chance.random() < 0.2 else made


def damaged(made: bytes, chance: random.Random) -> bytes:
    """Returns octets with a bit flipped, an end cut off, some put in, or with parity bits."""
    at = chance.randrange(len(made))
    way = chance.randrange(4)
    if way == 0:
        return made[:at] + bytes([made[at] ^ 1 << chance.randrange(8)]) + made[at + 1 :]
    if way == 1:
        return made[:at] or made
    if way == 2:
        return made[:at] + chance.randbytes(chance.randrange(1, 4)) + made[at:]
    return bytes(octet | (octet.bit_count() & 1) << 7 for octet in made)


def records(chance: random.Random, count: int) -> Iterator[Record]:
    """Yields records of two links; some frames are repeated, some answer what was asked before."""
    time, made = START, b"\x06"
    for _ in range(count):
        time += chance.choice((0, 10**8, 10**8, 10**9, 130 * 10**9))
        made = made if chance.random() < 0.1 else octets(chance)
        yield Record(
            time,
            made,
            kind=chance.choices((Kind.FRAME, Kind.NOISE), (0.97, 0.03))[0],
            sender=chance.choice((Sender.CLIENT, Sender.SERVER, Sender.CLIENT, Sender.SERVER, Sender.UNKNOWN)),
            inferred=chance.random() < 0.1,
            link=chance.randrange(2),
            line=chance.choice((None, Line(7, "E", 1), Line(8, "N", 1))),
            flags=chance.choice((0,) * 20 + (Flag.PARITY, Flag.CUT, Flag.ECHO, Flag.SYNTHETIC, Flag.BREAK)),
            speed=chance.choice((0, 9600)),
            uncertainty=chance.choice((None, 50_000)),
            duration=len(made) * 1_041_666,
            parity_errors=(0,) if chance.random() < 0.02 else (),
            pauses_us=((1, 7),) if chance.random() < 0.02 else (),
        )


def trace(chance: random.Random, count: int) -> bytes:
    """Returns a trace of such records."""
    target = io.BytesIO()
    with create_trace(target) as writer:
        for record in records(chance, count):
            writer.write(record)
    return target.getvalue()


def _interpreted(
    self: meaning.Meanings, message: Message, asked: tuple[str, ...] = (), apdu: Apdu | None = None
) -> meaning.Meaning:
    return meaning.interpret(message, self._profile, self._keys, asked, apdu)


@contextmanager
def exactly() -> Iterator[None]:
    """Shuts the fast ways."""
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(CaptureReader, "common_blocks", return_value=None))
        stack.enter_context(mock.patch.object(common_frames, "decode", return_value=None))
        stack.enter_context(mock.patch.object(meaning.Meanings, "of", _interpreted))
        yield


def texts(octets: bytes, profile: str, write: Callable[[Dissection], str]) -> Iterator[tuple[str, str]]:
    """Yields the repr and the JSON of each dissection of a trace."""
    each: Iterator[Dissection] = dissections(open_trace(io.BytesIO(octets)), load(profile))
    for dissection in each:
        yield repr(dissection), write(dissection)


def difference(octets: bytes, profile: str) -> str:
    """Returns the first difference between the two ways, with what each gives; an empty text if there is none."""
    with exactly():
        exact = list(texts(octets, profile, lambda dissection: json.dumps(dissection.as_json())))
    fast = list(texts(octets, profile, methodcaller("json_text")))
    for number, (one, other) in enumerate(zip(fast, exact, strict=True), 1):
        if one != other:
            return f"record {number}, {profile}:\n" + "\n".join((*one, *other))
    return ""


def main() -> int:
    """Compares; prints what was compared, or the first difference."""
    return compared(
        __doc__, PART, lambda chance, part: difference(trace(chance, PART), PROFILES[part % 2]), "dissected"
    )


if __name__ == "__main__":
    sys.exit(main())
