"""The account of an imported file: which lines were used, which were not, and why.

An importer guesses nothing silently: it notes each assumption, and everything that it could not use. Commands print
:meth:`Account.report`, and :attr:`Account.complete` decides their exit status.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from vtctap.base.nouns import count

MAX_FAULTS: Final = 20
"""Most faults that are kept one by one."""


@dataclass(slots=True)
class _Skipped:
    """Lines that were not used, or only in part, for one reason: the number of the first, and of octets known to be
    omitted."""

    lines: int
    first: int
    omitted: int = 0


@dataclass(slots=True)
class Account:
    """What an importer reports about a file.

    ``lines`` counts the lines read; ``used`` counts those that gave octets or are known to hold none. Binary formats
    have no lines. ``swapped`` is whether the user exchanges client and server, so that notes name them accordingly.
    """

    lines: int = 0
    used: int = 0
    notes: dict[str, None] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    more_faults: int = 0
    swapped: bool = False
    _skipped: dict[str, _Skipped] = field(default_factory=dict)
    _partial: dict[str, _Skipped] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Notes an assumption that the user can check. The same note is kept once."""
        self.notes[text] = None

    def fault(self, text: str) -> None:
        """Notes that a part of the file was not read: it is damaged, or its end is missing."""
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(text)
        else:
            self.more_faults += 1

    def skip(self, reason: str, line: int) -> None:
        """Counts a line that was not used, with the reason."""
        known = self._skipped.get(reason)
        if known:
            known.lines += 1
        else:
            self._skipped[reason] = _Skipped(1, line)

    def use_in_part(self, reason: str, line: int, omitted: int = 0) -> None:
        """Counts a line that shows only some of its octets, with the reason and the number of omitted octets (0 where
        the line does not state it)."""
        known = self._partial.setdefault(reason, _Skipped(0, line))
        known.lines += 1
        known.omitted += omitted

    @property
    def complete(self) -> bool:
        """Whether the whole file was used."""
        return not self._skipped and not self._partial and not self.faults

    @property
    def skipped(self) -> int:
        """Number of lines that were not used."""
        return sum(skipped.lines for skipped in self._skipped.values())

    @property
    def first_skipped(self) -> str:
        """The number of the first line that was not used, and the reason; empty if all were."""
        reason, skipped = next(iter(self._skipped.items()), ("", _Skipped(0, 0)))
        return f"line {skipped.first}: {reason}" if skipped.lines else ""

    def report(self) -> Iterator[str]:
        """Yields the report, line by line."""
        if self.lines:
            yield f"{self.used} of {count(self.lines, 'line')} used"
        for reason, skipped in self._skipped.items():
            yield f"{count(skipped.lines, 'line')} skipped, the first is line {skipped.first}: {reason}"
        for reason, part in self._partial.items():
            omitted = f" ({count(part.omitted, 'octet')} omitted)" if part.omitted else ""
            yield f"{count(part.lines, 'line')} used in part, the first is line {part.first}: {reason}{omitted}"
        yield from self.notes
        yield from self.faults
        if self.more_faults:
            yield f"{self.more_faults} more parts could not be used"
