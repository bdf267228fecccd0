"""The findings about outages: a tap was disconnected, its octets were dropped, or another program read its port."""

from collections.abc import Iterator, Mapping

from vtctap.base.nouns import count
from vtctap.dissector.analysis.findings import Finding, finding
from vtctap.dissector.dissect import Dissection
from vtctap.pcap.events import event_number, event_words
from vtctap.pcap.record import Kind, Sender


class OutageFindings:
    """Finds outages in the ``lost``, ``opened``, ``missed`` and ``overrun`` events of a trace's taps, fed in order."""

    def __init__(self) -> None:
        self._away: dict[tuple[int, int], Dissection] = {}

    def feed(self, dissection: Dissection) -> Iterator[Finding]:
        """Takes the next record and returns an outage when it is over."""
        record = dissection.record
        if record.kind is not Kind.EVENT:
            return
        name, words = event_words(record.event)
        tap = record.link, record.tap
        if name == "lost":
            self._away[tap] = dissection
        elif name == "missed":
            missed = _octets(words, "octets") or "octets"
            text = f"{_tap(dissection)} missed {missed}, read by another program"
            yield finding("missed", (dissection.number,), text)
        elif name == "overrun":
            unread = _octets(words, "unread")
            if unread:  # After any other overrun, the tap's next octet has a flag.
                text = f"{_tap(dissection)} lacks {unread} that were dropped, since the reader of the trace stalled"
                yield finding("overrun", (dissection.number,), text)
        elif name == "opened" and tap in self._away:
            lost = self._away.pop(tap)
            seconds = (record.time - lost.record.time) / 1e9
            yield finding(
                "tap-lost", (lost.number, dissection.number), f"{_tap(lost)} was disconnected for {seconds:.3f} s"
            )

    @property
    def oldest(self) -> int | None:
        """The number of the first record of an outage that is not over."""
        return min((lost.number for lost in self._away.values()), default=None)

    def close(self) -> Iterator[Finding]:
        """Returns the outages still open at the end of the trace."""
        for lost in self._away.values():
            yield finding("tap-lost", (lost.number,), f"{_tap(lost)} was lost and did not come back")


def _octets(words: Mapping[str, str], key: str) -> str:
    """Returns the number of octets that an event states by this key, with its unit; empty where it states none."""
    number = event_number(words, key)
    return "" if number is None else count(number, "octet")


def _tap(dissection: Dissection) -> str:
    side = dissection.record.sender
    return f"tap {dissection.record.tap}" + (f", the {side.word}'s," if side is not Sender.UNKNOWN else "")
