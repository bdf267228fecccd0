"""The check: finds all findings of a trace in one pass with constant memory."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from heapq import heappop, heappush
from typing import Final

from vtctap.dissector.analysis.exchange_rules import ExchangeRules
from vtctap.dissector.analysis.exchanges import Gatherer
from vtctap.dissector.analysis.findings import Finding, finding
from vtctap.dissector.analysis.frame_rules import check_record
from vtctap.dissector.analysis.hindsight import Hindsight
from vtctap.dissector.analysis.outages import OutageFindings
from vtctap.dissector.dissect import Dissection, Item, with_skipped
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.profiles.stated import settled
from vtctap.pcap.skipped import Skipped

MAX_WAITING: Final = 10_000
"""Most findings held back for earlier ones, and most records whose times are kept."""
MAX_LATE_NS: Final = 60_000_000_000
"""Longest delay, in ns, by which another link's record may begin before the latest record and still follow it: a record
is written when it has ended."""


def check(records: Iterable[Item], profile: Profile | None = None) -> Iterator[Finding]:
    """Checks a trace and returns its findings in order of time. What a reader skipped is a finding, too.

    A finding is returned as soon as no earlier one can follow, since the end of an exchange is known only when the next
    one begins. ``records`` may already be dissected with the same ``profile``; without ``profile``, the trace's own
    applies.
    """
    records, profile = settled(records, profile)
    queue = _Queue()
    gatherer, hindsight, rules, outages = Gatherer(), Hindsight(), ExchangeRules(profile.timing), OutageFindings()
    end = 0
    for dissection in with_skipped(records, profile):
        if isinstance(dissection, Skipped):
            queue.feed([_damaged(dissection)])
            continue
        end = max(end, dissection.record.end)
        queue.see(dissection)
        queue.feed(outages.feed(dissection))
        queue.feed(check_record(dissection, profile))
        hindsight.see(dissection.record)
        exchange = gatherer.feed(dissection)
        if exchange:
            hindsight.feed(exchange)
        for each in hindsight.ready(end):
            queue.feed(rules.feed(each))
        yield from queue.leave(gatherer.oldest, hindsight.oldest, rules.oldest, outages.oldest)
    for each in gatherer.close():
        hindsight.feed(each)
    for each in hindsight.close():
        queue.feed(rules.feed(each))
    queue.feed(rules.close(end))
    queue.feed(outages.close())
    yield from queue.close()


def _damaged(skipped: Skipped) -> Finding:
    frames = () if skipped.number is None else (skipped.number,)
    return finding("trace-damaged", frames, str(skipped))


class _Queue:
    """Sorts findings by time, as far as :data:`MAX_WAITING` allows, and adds the time at which each began."""

    def __init__(self) -> None:
        self._times_ns: dict[int, int] = {}
        self._latest_ns = 0
        self._last = 0
        self._waiting: list[tuple[int, int, int, Finding]] = []
        self._count = 0

    def see(self, dissection: Dissection) -> None:
        """Notes the time of a record that findings may name."""
        self._last = dissection.number
        time = self._times_ns[self._last] = dissection.record.time
        self._latest_ns = max(self._latest_ns, time)
        if len(self._times_ns) > MAX_WAITING:
            del self._times_ns[next(iter(self._times_ns))]

    def feed(self, findings: Iterable[Finding]) -> None:
        """Queues findings of any records."""
        for found in findings:
            first = min(found.frames, default=self._last)
            time = self._times_ns.get(first) if found.frames else None
            order = self._latest_ns if time is None and first >= self._last else time or 0
            self._count += 1
            heappush(self._waiting, (order, first, self._count, replace(found, time_ns=time)))

    def leave(self, *oldest: int | None) -> Iterator[Finding]:
        """Returns the findings that began before any that may still come: before the ``oldest`` records still being
        judged, and before records not yet read."""
        began = [self._times_ns.get(number, 0) for number in oldest if number is not None]
        until = min(self._latest_ns - MAX_LATE_NS, *began) if began else self._latest_ns - MAX_LATE_NS
        while self._waiting and (self._waiting[0][0] < until or len(self._waiting) > MAX_WAITING):
            yield heappop(self._waiting)[-1]

    def close(self) -> Iterator[Finding]:
        """Returns the remaining findings."""
        while self._waiting:
            yield heappop(self._waiting)[-1]
