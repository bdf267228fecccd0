"""Outages: when octets of a link may be missing from the trace, as the events of its taps say.

A tap was disconnected (``lost`` until ``opened``), or opened while others were heard already; its receiver or the
reader of the trace was too slow (``overrun``), or another program read its port (``missed``). Whatever was sent
meanwhile is unknown, so no frame after an outage answers, repeats or is about one before it. The Lua dissector follows
the same rules.

An ``overrun`` or ``missed`` event may be written some seconds after the loss: frames before it may already be missed.
"""

from vtctap.pcap.events import event_words
from vtctap.pcap.record import Kind, Record


class Outages:
    """Follows the events of a trace's taps, fed in order with all other records."""

    def __init__(self) -> None:
        self._heard: set[int] = set()
        self.away: dict[int, set[int]] = {}
        """The taps that are disconnected, by their link."""

    def feed(self, record: Record) -> bool:
        """Takes the next record; returns whether octets of its link may be missing before the next one."""
        link = record.link
        if record.kind is Kind.FRAME:
            self._heard.add(link)
        if record.kind is not Kind.EVENT:
            return False
        name, _ = event_words(record.event)
        if name == "lost":
            self.away.setdefault(link, set()).add(record.tap)
        elif name == "opened":
            self._back(link, record.tap)
            return link in self._heard
        return name in _LOSSES

    def _back(self, link: int, tap: int) -> None:
        taps = self.away.get(link, set())
        taps.discard(tap)
        if not taps:
            self.away.pop(link, None)


_LOSSES = ("lost", "missed", "overrun")
