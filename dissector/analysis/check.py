"""The check: all findings of a trace, in one pass and constant memory."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from heapq import heappop, heappush
from typing import Final

from vtctap.dissector.analysis.exchange_rules import ExchangeRules
from vtctap.dissector.analysis.exchanges import Gatherer
from vtctap.dissector.analysis.findings import Finding
from vtctap.dissector.analysis.frame_rules import check_record
from vtctap.dissector.analysis.outages import Outages
from vtctap.dissector.dissect import Dissection, dissections
from vtctap.dissector.profiles.files import Profile
from vtctap.pcap.record import Record

MOST_WAITING: Final = 10_000
"""So many findings wait for those of earlier records; so many records' times are remembered."""


def check(records: Iterable[Record | Dissection], profile: Profile) -> Iterator[Finding]:
    """The findings of a trace, in the order of the records that show them, each as soon as no earlier one can follow:
    how an exchange ended is known when the next one comes. ``records`` may be dissected already, with the same
    ``profile``."""
    row = _Row()
    gatherer, rules, outages = Gatherer(), ExchangeRules(profile.timing), Outages()
    end = 0
    for dissection in dissections(records, profile):
        record = dissection.record
        end = max(end, record.end)
        row.see(dissection)
        row.add(outages.feed(dissection))
        row.add(check_record(dissection, profile))
        exchange = gatherer.feed(dissection)
        if exchange:
            row.add(rules.feed(exchange, blind=outages.blind(exchange.link)))
        yield from row.leave(gatherer.oldest, rules.oldest)
    for exchange in gatherer.close():
        row.add(rules.feed(exchange, blind=outages.blind(exchange.link)))
    row.add(rules.close(end))
    row.add(outages.close())
    yield from row.leave()


class _Row:
    """Puts findings in the order of their first records, as far as :data:`MOST_WAITING` allows, and tells when they
    began."""

    def __init__(self) -> None:
        self._times: dict[int, int] = {}
        self._waiting: list[tuple[int, int, Finding]] = []
        self._count = 0

    def see(self, dissection: Dissection) -> None:
        """A record that findings may name."""
        self._times[dissection.number] = dissection.record.time
        if len(self._times) > MOST_WAITING:
            del self._times[next(iter(self._times))]

    def add(self, findings: Iterable[Finding]) -> None:
        """Findings of whatever records."""
        for finding in findings:
            first = min(finding.frames)
            self._count += 1
            heappush(self._waiting, (first, self._count, replace(finding, time=self._times.get(first))))

    def leave(self, *oldest: int | None) -> Iterator[Finding]:
        """The findings before the ``oldest`` records about which there may be more to say; without these, all."""
        until = min((number for number in oldest if number is not None), default=None)
        while self._waiting and (until is None or self._waiting[0][0] < until or len(self._waiting) > MOST_WAITING):
            yield heappop(self._waiting)[2]
