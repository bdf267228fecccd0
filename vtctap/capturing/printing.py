"""Records as lines on standard output, beside a trace or instead of one."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from vtctap.capturing.lines import link_names
from vtctap.capturing.parts import Passive
from vtctap.nouns import count
from vtctap.outputs import output_errors

if TYPE_CHECKING:
    from vtctap.capturing.outlet import Outlet
    from vtctap.capturing.screen import Screen
    from vtctap.dissector.dissect import Dissection, Dissector
    from vtctap.dissector.text import Printer
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record

HELD: Final = 1 << 20
"""Octets of lines that are held for a reader that stalls: about ten thousand lines."""
PATIENCE: Final = 1.0
"""Seconds, at the end, in which the reader must take something of what is held."""


class Printing(Passive):
    """Prints records, numbered as they stand in the trace. Lines that find no room are left out, and counted."""

    def __init__(
        self,
        outlet: "Outlet",
        screen: "Screen",
        dissector: "Dissector",
        printer: "Printer",
        show: "Callable[[Dissection], str]",
    ) -> None:
        """``show`` makes the text of a record; ``printer`` is what it makes lines with, and learns the links' names."""
        self._outlet = outlet
        self._screen = screen
        self._dissector = dissector
        self._printer = printer
        self._show = show
        self._gap = 0
        self.dropped = 0
        """How many records were not printed."""
        self.unread = False
        """Whether nobody reads standard output any more."""

    def open(self, taps: "Sequence[Interface]") -> None:
        """See :meth:`~vtctap.capturing.parts.Part.open`."""
        self._printer.links = link_names(taps)

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`. Raises OutputError. That nobody reads any more is no error,
        for what has come is still written to the trace."""
        self.unread = self.unread or self._outlet.unread
        try:
            for record in () if self.unread else records:
                self._print(self._show(self._dissector.dissect(record)))
        except BrokenPipeError:
            self.unread = True
        return records

    def _print(self, text: str) -> None:
        with self._screen.above(), output_errors("standard output"):
            printed = self._outlet.put(f"{text}\n")
        if not printed:
            if not self._gap:
                self._screen.say("standard output is not read: records are not printed until it is")
            self._gap += 1
            self.dropped += 1
        elif self._gap:
            self._screen.say(f"standard output is read again: {count(self._gap, 'record')} before the last not printed")
            self._gap = 0

    def close(self) -> None:
        """See :meth:`~vtctap.capturing.parts.Part.close`. Raises OutputError."""
        try:
            with output_errors("standard output"):
                self._outlet.finish(PATIENCE)
        except BrokenPipeError:
            self.unread = True
