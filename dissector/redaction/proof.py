"""Searches a redacted trace for the secrets of the original, in every form that they may have.

The search knows nothing of frames. It takes the octets of the file, and the octets of the records one after the other:
all, those of each link, and those of each side, so that a secret that is spread over records is found. Each of them is
searched a second time without bit 7, which is a parity bit where a line was recorded with eight data bits. Numbers of
at least :data:`LONG` digits are also sought among the digits alone, whatever stands between them.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from vtctap.dissector.protocol.characters import SEVEN_BITS
from vtctap.dissector.tokens.number import LIMIT
from vtctap.pcap.record import Record

LONG: Final = 12
"""Shorter numbers may stand among the digits of a trace by chance."""
_REVERSED: Final = 8
"""Shorter texts stand reversed anywhere by chance."""
_NOT_DIGITS: Final = re.compile(rb"[^0-9]+")


@dataclass(frozen=True, slots=True)
class Survivor:
    """A secret that is still there: its form, and what it was found in. The secret itself is not repeated."""

    form: str
    place: str
    length: int


def forms(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields the forms of a secret, with their names."""
    yield "as it was", secret
    yield "upper case", secret.upper()
    yield "lower case", secret.lower()
    if len(secret) >= _REVERSED:
        yield "reversed", secret[::-1]
    yield "hexadecimal", secret.hex().encode()
    yield "hexadecimal, upper case", secret.hex().upper().encode()
    if re.fullmatch(rb"([0-9A-Fa-f]{2}){6,}", secret):
        packed = bytes.fromhex(secret.decode())
        yield "packed", packed
        yield "packed, nibbles exchanged", bytes(octet >> 4 | (octet & 15) << 4 for octet in packed)
    plain = secret.replace(b" ", b"").replace(b"-", b"")
    if re.fullmatch(rb"[0-9]{20}", plain):
        groups = [plain[at : at + 4] for at in range(0, 20, 4)]
        yield "without separators", plain
        yield "spaced", b" ".join(groups)
        yield "with dashes", b"-".join(groups)
        if int(plain) < LIMIT:
            yield from _numbers(int(plain))
    elif re.fullmatch(rb"[0-3][0-9A-Fa-f]{16}", plain):
        yield "token, decimal", f"{int(plain, 16):020}".encode()


def _numbers(number: int) -> Iterator[tuple[str, bytes]]:
    yield "token, hexadecimal", f"{number:017X}".encode()
    yield "token, hexadecimal, lower case", f"{number:017x}".encode()
    yield "token, ten septets", bytes(number >> 7 * at & 0x7F for at in reversed(range(10)))
    yield "token, nine octets", number.to_bytes(9, "big")


def places_of(records: Iterable[Record]) -> dict[str, bytes]:
    """Returns the octets and events of records, one after the other: of all, of each link, of each side."""
    joined: defaultdict[str, bytearray] = defaultdict(bytearray)
    for record in records:
        octets = record.octets + record.event.encode(errors="replace")
        link = f"the records of link {record.link}"
        for name in ("the records", link, f"{link} from the {record.sender.word}"):
            joined[name] += octets
    return {name: bytes(octets) for name, octets in joined.items()}


def survivors(secrets: Iterable[bytes], places: Mapping[str, bytes]) -> Iterator[Survivor]:
    """Yields the secrets that the places (their names and octets) still hold, in any form, with bit 7 or without it."""
    eight = {name: octets for name, octets in places.items() if not octets.isascii()}
    places = {**places, **{f"{name}, without bit 7": octets.translate(SEVEN_BITS) for name, octets in eight.items()}}
    digits = {name: _NOT_DIGITS.sub(b"", octets) for name, octets in places.items()}
    for secret in secrets:
        for octets, form in {octets: form for form, octets in forms(secret)}.items():
            for name, place in places.items():
                if octets in place:
                    yield Survivor(form, name, len(secret))
        plain = _NOT_DIGITS.sub(b"", secret)
        if len(plain) >= LONG and len(set(plain)) > 1:
            for name, place in digits.items():
                if plain in place:
                    yield Survivor("digits alone", name, len(secret))
