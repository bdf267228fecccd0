"""Numbers in octets of any values, also those that noise spreads over several records of one side."""

import re
from collections.abc import Iterator
from typing import Final

from vtctap.dissector.protocol.characters import SEVEN_BITS
from vtctap.pcap.record import Kind, Record, Sender

_NUMBERS: Final = re.compile(rb"[0-9]{6,}")
_LAST: Final = re.compile(rb"[0-9]*\Z")
_LONGEST: Final = 64
"""Most digits that are awaited; longer numbers end there."""


def texts(octets: bytes) -> Iterator[bytes]:
    """Yields octets of any values as they are and without their parity bits, and the numbers in them."""
    seven = octets.translate(SEVEN_BITS)
    yield octets
    yield seven
    yield from _NUMBERS.findall(seven)


class NumberRuns:
    """Finds numbers that noise spreads over records. Takes every record, in order."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, Sender], bytes] = {}

    def feed(self, record: Record) -> Iterator[bytes]:
        """Yields the numbers that have ended on the record's side."""
        if record.kind is Kind.EVENT:
            return
        side = record.link, record.sender
        text = self._open.pop(side, b"")
        if record.kind is Kind.NOISE:
            text += record.octets.translate(SEVEN_BITS)
            last = _LAST.search(text)
            assert last
            if 0 < len(last[0]) < _LONGEST:
                self._open[side] = last[0]
                text = text[: last.start()]
        yield from _NUMBERS.findall(text)

    def unended(self) -> Iterator[bytes]:
        """Yields the numbers that have not ended, as far as they have come."""
        for text in self._open.values():
            yield from _NUMBERS.findall(text)
