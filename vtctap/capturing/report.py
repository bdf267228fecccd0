"""The result of a capture: a summary line, and the file of ``--stats-json``."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vtctap.base.nouns import count
from vtctap.command_line.arguments import STANDARD
from vtctap.command_line.outputs import write_text

if TYPE_CHECKING:
    from vtctap.capturing.counts import Counts
    from vtctap.capturing.ending import Ending
    from vtctap.capturing.marks import Marks
    from vtctap.capturing.printing import Printing
    from vtctap.capturing.recording import Recording
    from vtctap.capturing.screen import Screen
    from vtctap.capturing.trigger import Trigger


@dataclass(frozen=True, slots=True)
class Report:
    """Reports what the parts of a chain have done.

    ``recording`` is None without a trace, ``printing`` None without printed lines. ``stats`` is the name of the file
    for ``--stats-json``, if any; with ``force`` it may exist.
    """

    stats: str | None
    force: bool
    screen: "Screen"
    counts: "Counts"
    trigger: "Trigger"
    marks: "Marks"
    recording: "Recording | None"
    printing: "Printing | None"
    ending: "Ending"

    @property
    def may_stall(self) -> bool:
        """Whether the file may be a pipe that nobody reads."""
        from vtctap.pcap.streams import is_stream

        return self.stats is not None and (self.stats == STANDARD or is_stream(self.stats))

    def write(self) -> None:
        """Writes the file, if any. Raises OutputError."""
        if self.stats:
            write_text(self.stats, json.dumps(self._json()) + "\n", force=self.force)

    def say(self) -> None:
        """Shows the summary line."""
        self.screen.say(self.counts.summary() + "".join(self._more()))

    def _json(self) -> dict[str, Any]:
        stats = self.counts.as_json() | {"written": self.ending.written, "marks": self.marks.number}
        if self.recording:
            stats |= {"files": self.recording.files, "size": self.recording.size}
        if self.printing:
            stats["not_printed"] = self.printing.dropped
        return stats | {"lost": list(self.counts.lost.values())}

    def _more(self) -> Iterator[str]:
        if self.recording:
            yield self.recording.where
        if self.printing and self.printing.dropped:
            yield f"; {count(self.printing.dropped, 'record')} not printed, because standard output was not read"
        if self.trigger.waiting:
            yield "; no record matched --trigger"
