"""The account of a file that was imported: what of it was used, what was not, and why.

Nothing is guessed silently: an importer notes what it had to assume, and what it could not use. A command prints
:meth:`Account.report`; :attr:`Account.complete` decides its exit status.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from vtctap.nouns import count


@dataclass(slots=True)
class _Skipped:
    """Lines that were skipped for one reason, and the number of the first."""

    lines: int
    first: int


@dataclass(slots=True)
class Account:
    """What an importer says of a file. ``lines`` counts those read and ``used`` those that gave octets, or are known
    to hold none; binary formats have no lines."""

    lines: int = 0
    used: int = 0
    notes: dict[str, None] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    _skipped: dict[str, _Skipped] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Something that was assumed, and that the user may know better. The same is said once."""
        self.notes[text] = None

    def fault(self, text: str) -> None:
        """Something of the file was not read, as its end is missing."""
        self.faults.append(text)

    def skip(self, reason: str, line: int) -> None:
        """A line was not used."""
        known = self._skipped.get(reason)
        if known:
            known.lines += 1
        else:
            self._skipped[reason] = _Skipped(1, line)

    @property
    def complete(self) -> bool:
        """Whether all of the file was used."""
        return not self._skipped and not self.faults

    @property
    def skipped(self) -> int:
        """How many lines were not used."""
        return sum(skipped.lines for skipped in self._skipped.values())

    def report(self) -> Iterator[str]:
        """What is to be told of the file, a line each."""
        if self.lines:
            yield f"{self.used} of {count(self.lines, 'line')} used"
        for reason, skipped in self._skipped.items():
            yield f"{count(skipped.lines, 'line')} skipped, the first is line {skipped.first}: {reason}"
        yield from self.notes
        yield from self.faults
