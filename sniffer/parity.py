"""Whether each side of a link sends the parity bit. Sans-IO.

A line of seven bits and parity is read as eight bits. Text from a sender that sends eight bits and no parity has bit 7
clear, always, and so looks wrong in half of its octets; a sender of parity sets bit 7 in half of them. That tells the
two apart, and both from a line at another speed, whose octets are wrong with bit 7 set as often as with it clear.

Limits: what is told apart is text. Where one tap hears both sides a sender is known by whole messages only.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from vtctap.dissector.protocol.characters import CR, LF, wrong_parity
from vtctap.pcap.record import Line, Sender

WINDOW: Final = 64
"""Octets of a sender that are remembered."""
WRONG: Final = 16
"""With so many wrong ones and none whose bit 7 is set a sender sends no parity; chance would have to set bit 7 wrongly
so many times."""
SUSPECT: Final = 8
"""With so many it may be so."""
RIGHT: Final = 4
"""With so many whose bit 7 is set, and ..."""
STRAY: Final = 8
"""... no more than one in so many wrong, a sender sends parity."""
_TEXT: Final = frozenset((*range(0x20, 0x7F), CR, LF))


class ParityWatch:
    """Listens to what each sender's octets, on a line of ``line``, carry in bit 7."""

    def __init__(self, line: Line) -> None:
        self._says = [_says(value, line) for value in range(256)]
        self._recent: dict[Sender, deque[tuple[bool, bool]]] = {}

    def feed(self, sender: Sender, octets: Iterable[tuple[int, int]]) -> None:
        """Octets of one sender with their flags; those that are no text, or were not received well, say nothing."""
        recent = self._recent.setdefault(sender, deque(maxlen=WINDOW))
        says = self._says
        recent.extend([said for value, flags in octets if not flags and (said := says[value])])

    def without(self, wrong: int = WRONG) -> Sequence[Sender]:
        """The senders that send no parity, by so many wrong ones."""
        return [
            sender
            for sender, recent in self._recent.items()
            if sum(bad for bad, _ in recent) >= wrong and not any(high for _, high in recent)
        ]

    def with_parity(self) -> Sequence[Sender]:
        """The senders that do."""
        return [
            sender
            for sender, recent in self._recent.items()
            if sum(high for _, high in recent) >= RIGHT and sum(wrong for wrong, _ in recent) * STRAY <= len(recent)
        ]


def _says(value: int, line: Line) -> tuple[bool, bool] | None:
    """Whether an octet of text is wrong on that line, and whether bit 7 is set; None for one that is no text."""
    return (bool(wrong_parity(bytes((value,)), line)), value >= 0x80) if value & 0x7F in _TEXT else None
