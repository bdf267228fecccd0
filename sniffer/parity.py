"""Detects whether each side of a link sends a parity bit. Sans-IO.

A line of seven bits and parity is read as eight bits. A sender without parity always leaves bit 7 of text clear, so
about half of its octets have parity errors. A sender with parity sets bit 7 in about half of its octets. At a wrong
speed, parity errors occur with bit 7 set as often as with it clear. This distinguishes the three cases.

Limits: only text is examined. Where one tap hears both sides, only complete messages reveal the sender.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from vtctap.dissector.protocol.characters import CR, LF, wrong_parity
from vtctap.pcap.record import Line, Sender

WINDOW: Final = 64
"""Recent octets that are examined per sender."""
WRONG: Final = 16
"""Parity errors, without any octet whose bit 7 is set, that prove a sender without parity."""
SUSPECT: Final = 8
"""Parity errors, without any octet whose bit 7 is set, that make such a sender possible."""
RIGHT: Final = 4
"""Octets with bit 7 set that prove a sender with parity, if parity errors are rarer than :data:`STRAY` allows."""
STRAY: Final = 8
"""A sender with parity has at most one parity error in this many octets."""
_TEXT: Final = frozenset((*range(0x20, 0x7F), CR, LF))


class ParityWatch:
    """Examines bit 7 of each sender's octets on a line with the format ``line``."""

    def __init__(self, line: Line) -> None:
        self._says = [_says(value, line) for value in range(256)]
        self._recent: dict[Sender, deque[tuple[bool, bool]]] = {}

    def feed(self, sender: Sender, octets: Iterable[tuple[int, int]]) -> None:
        """Feeds octets of one sender with their flags; octets that are no text or have errors are ignored."""
        recent = self._recent.setdefault(sender, deque(maxlen=WINDOW))
        says = self._says
        recent.extend([said for value, flags in octets if not flags and (said := says[value])])

    def without(self, wrong: int = WRONG) -> Sequence[Sender]:
        """Returns the senders that send no parity, judged by ``wrong`` parity errors."""
        return [
            sender
            for sender, recent in self._recent.items()
            if sum(bad for bad, _ in recent) >= wrong and not any(high for _, high in recent)
        ]

    def with_parity(self) -> Sequence[Sender]:
        """Returns the senders that send parity."""
        return [
            sender
            for sender, recent in self._recent.items()
            if sum(high for _, high in recent) >= RIGHT and sum(wrong for wrong, _ in recent) * STRAY <= len(recent)
        ]


def _says(value: int, line: Line) -> tuple[bool, bool] | None:
    """Whether an octet of text has a parity error on ``line``, and whether bit 7 is set; None for other octets."""
    return (bool(wrong_parity(bytes((value,)), line)), value >= 0x80) if value & 0x7F in _TEXT else None
