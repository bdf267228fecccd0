"""The judge of the fault campaign: compares a trace with the octets that were really written to the ports.

It asks no counter of vtctap. The pieces of a trace (octets, and losses that it states) are laid over what a port was
given, from the first octet on; what is left must be what was still waiting in the port. So an octet that is missing,
repeated, altered or out of order shows, and so does a loss that was not recorded.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import IO, Final, NamedTuple

from vtctap.pcap.record import Kind, Line, Record
from vtctap.pcap.skipped import Skipped
from vtctap.pcap.trace import TraceReader, open_trace
from vtctap.sniffer.simulated.wire import received

LINE: Final = Line(7, "E", 1)
_LOSS: Final = "overrun unread="
_BLOCK: Final = struct.Struct("<II")
_PACKET_BLOCK: Final = 6
"""The type of pcapng's Enhanced Packet Block."""


class Verdict(NamedTuple):
    """Numbers of octets: that must be in the trace, that are in it, and that it states as lost. ``wrong`` says what
    does not hold; empty where all holds."""

    expected: int = 0
    found: int = 0
    stated: int = 0
    wrong: str = ""

    def __add__(self, other: "Verdict") -> "Verdict":  # type: ignore[override]
        wrong = "; ".join(filter(None, (self.wrong, other.wrong)))
        return Verdict(self.expected + other.expected, self.found + other.found, self.stated + other.stated, wrong)


class Content(NamedTuple):
    """What a trace holds: for each tap, octets as they were on the wire and (as integers) losses that it states; the
    texts of all events; what could not be read; and the time of each record, ns."""

    taps: dict[int, list[bytes | int]]
    events: list[str]
    damage: list[str]
    times: list[int]

    def count(self, event: str) -> int:
        """Returns the number of events that begin like this."""
        return sum(text.startswith(event) for text in self.events)


def read(source: "str | os.PathLike[str] | IO[bytes]") -> Content:
    """Reads a trace to its end."""
    content = Content({}, [], [], [])
    with open_trace(source) as trace:
        for item in chain(trace.items(), _torn(trace)):
            if isinstance(item, Skipped):
                content.damage.append(str(item))
            else:
                content.times.append(item.time)
                content.taps.setdefault(item.tap, []).extend(_pieces(item))
                content.events.extend([item.event] * (item.kind is Kind.EVENT))
    return content


def _torn(trace: TraceReader) -> Iterator[Skipped]:
    yield from trace.torn()  # Known once all items are read.


def _pieces(record: Record) -> list[bytes | int]:
    if record.kind is not Kind.EVENT:
        return [on_the_wire(record)]
    return [int(record.event[len(_LOSS) :].split()[0])] if record.event.startswith(_LOSS) else []


def on_the_wire(record: Record) -> bytes:
    """Returns the octets of a record as a port set to eight bits delivers them, with their parity bits."""
    octets = bytearray(received(octet, LINE) for octet in record.octets)
    for at in record.parity_errors:
        octets[at] ^= 0x80
    return bytes(octets)


def whole(sent: bytes, pieces: Sequence[bytes | int], left: bytes) -> Verdict:
    """Judges a capture that ended in order: every octet is found, stated as lost, or ``left`` in the port."""
    verdict, at = _laid(sent, pieces)
    verdict = verdict._replace(expected=len(sent) - len(left))
    if not verdict.wrong and sent[at:] != left:
        verdict = verdict._replace(wrong=f"{len(sent) - at} octets follow the last record, {len(left)} of them unread")
    return verdict


def beginning(sent: bytes, pieces: Sequence[bytes | int], due: int) -> Verdict:
    """Judges a capture that was cut off: the trace is a beginning of what was sent, with at least ``due`` octets."""
    verdict, at = _laid(sent, pieces)
    verdict = verdict._replace(expected=due)
    if not verdict.wrong and at < due:
        verdict = verdict._replace(wrong=f"only {at} of {due} octets that had been complete")
    return verdict


def _laid(sent: bytes, pieces: Sequence[bytes | int]) -> tuple[Verdict, int]:
    """Lays pieces over what was sent, and says up to where they reach."""
    at = found = stated = 0
    for piece in pieces:
        if isinstance(piece, int):
            at, stated = at + piece, stated + piece
        elif sent[at : at + len(piece)] == piece:
            at, found = at + len(piece), found + len(piece)
        else:
            return Verdict(0, found, stated, f"octet {at} of the trace is not what was sent"), at
    return Verdict(0, found, stated, "more is stated as lost than was sent" if at > len(sent) else ""), at


def packets(octets: bytes) -> Iterator[int]:
    """Yields where each whole packet block of a little-endian pcapng file ends."""
    at = 0
    while at + _BLOCK.size <= len(octets):
        kind, length = _BLOCK.unpack_from(octets, at)
        at += length
        if length < 12 or at > len(octets):
            return
        if kind == _PACKET_BLOCK:
            yield at
