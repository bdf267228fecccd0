"""Reads on after damage: finds the next block of a capture file by its structure, and states what was skipped.

A damaged length leads anywhere, so the lengths of a damaged block are ignored. The search goes through the file octet
by octet, from behind the beginning of the damaged block, to the first place where everything that must agree in a block
agrees: its type, its length at both ends, and the numbers in it (:meth:`~vtctap.pcap.capture_file.Parser.fits`). So one
damaged block costs no other block, and a part that is overwritten, cut out or put in costs the blocks that it touches.

Limits. The octets of a damaged block may hold something with the structure of a block, which then counts as one. A
block longer than 1 MiB is not found again; no record is that long. The search holds no more of the file than that, and
takes time in proportion to the octets that it skips.
"""

from collections.abc import Iterator
from typing import Final

from vtctap.pcap.capture_file import Damage, Packet, Parser
from vtctap.pcap.skipped import Skipped
from vtctap.pcap.streams import Input

_MARGIN: Final = 64
"""Octets at the end of the buffer where :meth:`Parser.seek` cannot recognise a block yet, because its beginning is not
complete."""


class Recovering:
    """Reads all packets of an input, and the skipped parts between them."""

    def __init__(self, source: Input, parser: Parser) -> None:
        self._input = source
        self._parser = parser
        self._damage: tuple[int, str] | None = None

    def packets(self, *, final: bool) -> Iterator[Packet | Skipped]:
        """Yields the complete packets of the input's buffer, and the skipped parts. ``final``: the buffer ends with the
        file.

        A possible beginning of a block at the end of the file stays in the buffer, because the file may still grow.
        """
        while True:
            if self._damage is None:
                try:
                    yield from self._parser.packets()
                except Damage as damage:
                    self._lose(damage.at, damage.reason)
                else:
                    if not (final and self._leads_nowhere()):
                        return
            if not self._find(final=final):
                if not final:
                    return
                self._input.at = len(self._input.buffer)  # nothing follows
            yield self._skipped()

    def _lose(self, at: int, reason: str) -> None:
        self._damage = self._input.offset(at), reason
        self._input.at = at + 1

    def _leads_nowhere(self) -> bool:
        """Whether another block begins inside the block at the end of the file, which has then lost more than its
        end."""
        start, buffer = self._input.at, self._input.buffer
        at = self._next(start + 1, final=True)
        if at is None:
            return False
        self._damage = self._input.offset(start), f"its length leads beyond the file's {len(buffer) - start} octets"
        self._input.at = at
        return True

    def _find(self, *, final: bool) -> bool:
        """Moves on to the next block. Returns False if the buffer holds none; only the end of the buffer is needed
        then."""
        end = len(self._input.buffer)
        at = self._next(self._input.at, final=final)
        self._input.at = max(self._input.at, end - _MARGIN) if at is None else at
        return at is not None and self._parser.fits(at, end) is True

    def _next(self, at: int, *, final: bool) -> int | None:
        """Returns the next place where a block begins, or may begin if the file continues."""
        end, parser = len(self._input.buffer), self._parser
        while (at := parser.seek(at)) < end:
            whole = parser.fits(at, end)
            if whole or (whole is None and not final):
                return at
            at += 1
        return None

    def _skipped(self) -> Skipped:
        assert self._damage
        (offset, reason), self._damage = self._damage, None
        return Skipped(offset, self._input.offset(self._input.at) - offset, reason, self._input.name)
