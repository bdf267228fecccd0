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
    """Lines that were skipped for one reason, and the number of the first."""

    lines: int
    first: int


@dataclass(slots=True)
class Account:
    """What an importer reports about a file.

    ``lines`` counts the lines read; ``used`` counts those that gave octets or are known to hold none. Binary formats
    have no lines.
    """

    lines: int = 0
    used: int = 0
    notes: dict[str, None] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    more_faults: int = 0
    _skipped: dict[str, _Skipped] = field(default_factory=dict)

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

    @property
    def complete(self) -> bool:
        """Whether the whole file was used."""
        return not self._skipped and not self.faults

    @property
    def skipped(self) -> int:
        """Number of lines that were not used."""
        return sum(skipped.lines for skipped in self._skipped.values())

    def report(self) -> Iterator[str]:
        """Yields the report, line by line."""
        if self.lines:
            yield f"{self.used} of {count(self.lines, 'line')} used"
        for reason, skipped in self._skipped.items():
            yield f"{count(skipped.lines, 'line')} skipped, the first is line {skipped.first}: {reason}"
        yield from self.notes
        yield from self.faults
        if self.more_faults:
            yield f"{self.more_faults} more parts could not be used"
