"""Prints records on standard output, in addition to a trace or instead of one."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from vtctap.base.nouns import count
from vtctap.capturing.lines import link_names
from vtctap.capturing.parts import Passive
from vtctap.command_line.arguments import STANDARD
from vtctap.command_line.outputs import output_errors

if TYPE_CHECKING:
    from vtctap.capturing.outlet import Outlet
    from vtctap.capturing.screen import Screen
    from vtctap.dissector.dissect import Dissection, Dissector
    from vtctap.dissector.text import Printer
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record

HELD: Final = 1 << 20
"""Most octets of lines buffered for a reader that stalls: about ten thousand lines."""
PATIENCE: Final = 1.0
"""Seconds that the reader may stall at the end before the rest is given up."""


class Printing(Passive):
    """Prints records with their numbers in the trace. Lines that do not fit into the buffer are dropped and counted."""

    def __init__(
        self,
        outlet: "Outlet",
        screen: "Screen",
        dissector: "Dissector",
        printer: "Printer",
        show: "Callable[[Dissection], str]",
    ) -> None:
        """``show`` makes the text of a record with ``printer``, which this class tells the names of the links."""
        self._outlet = outlet
        self._screen = screen
        self._dissector = dissector
        self._printer = printer
        self._show = show
        self._gap = 0
        self.dropped = 0
        """Number of records that were not printed."""
        self.unread = False
        """Whether the reader of standard output is gone."""

    def open(self, taps: "Sequence[Interface]") -> None:
        """See :meth:`~vtctap.capturing.parts.Part.open`."""
        self._printer.links = link_names(taps)

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`~vtctap.capturing.parts.Part.feed`. Raises OutputError. A reader that is gone is not an error,
        because the records received so far are still written to the trace."""
        self.unread = self.unread or self._outlet.unread
        try:
            for record in () if self.unread else records:
                self._print(self._show(self._dissector.dissect(record)))
        except BrokenPipeError:
            self.unread = True
        return records

    def _print(self, text: str) -> None:
        with self._screen.above(), output_errors(STANDARD):
            printed = self._outlet.put(f"{text}\n")
        if not printed:
            if not self._gap:
                self._screen.say("the reader of standard output stalls: records are not printed until it reads again")
            self._gap += 1
            self.dropped += 1
        elif self._gap:
            self._screen.say(f"standard output is read again: {count(self._gap, 'record')} before the last not printed")
            self._gap = 0

    def close(self) -> None:
        """See :meth:`~vtctap.capturing.parts.Part.close`. Raises OutputError."""
        try:
            with output_errors(STANDARD):
                self._outlet.finish(PATIENCE)
        except BrokenPipeError:
            self.unread = True
