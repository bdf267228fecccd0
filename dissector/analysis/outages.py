"""Outages: periods when a tap was disconnected, or another program read from its port. Devices are not blamed for
them."""

from collections.abc import Iterator

from vtctap.base.nouns import count
from vtctap.dissector.analysis.findings import Finding, finding
from vtctap.dissector.dissect import Dissection
from vtctap.pcap.record import Kind, Sender


class Outages:
    """Follows the ``lost``, ``opened`` and ``missed`` events of a trace's taps, fed in order."""

    def __init__(self) -> None:
        self._away: dict[tuple[int, int], Dissection] = {}
        self._blind: set[int] = set()

    def feed(self, dissection: Dissection) -> Iterator[Finding]:
        """Takes the next record and returns an outage when it is over."""
        record = dissection.record
        if record.kind is not Kind.EVENT:
            return
        name, _, words = record.event.partition(" ")
        tap = record.link, record.tap
        if name == "lost":
            self._away[tap] = dissection
            self._blind.add(record.link)
        elif name == "missed":
            self._blind.add(record.link)
            number = words.removeprefix("octets=")
            missed = count(int(number), "octet") if number.isdecimal() else "octets"
            text = f"{_tap(dissection)} missed {missed}, read by another program"
            yield finding("missed", (dissection.number,), text)
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

    def blind(self, link: int) -> bool:
        """Whether a tap of the link had an outage since the last call for that link."""
        was = link in self._blind
        if not any(of == link for of, _ in self._away):
            self._blind.discard(link)
        return was


def _tap(dissection: Dissection) -> str:
    side = dissection.record.sender
    return f"tap {dissection.record.tap}" + (f", the {side.word}'s," if side is not Sender.UNKNOWN else "")
