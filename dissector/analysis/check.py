"""The check: all findings of a trace, in one pass and constant memory."""

from collections.abc import Iterable, Iterator

from vtctap.dissector.analysis.exchanges import Gatherer
from vtctap.dissector.analysis.findings import Finding
from vtctap.dissector.analysis.frames import check_record
from vtctap.dissector.analysis.sequence import Sequence
from vtctap.dissector.dissect import Dissection, dissections
from vtctap.dissector.profile import Profile
from vtctap.pcap.record import Record


def check(records: Iterable[Record | Dissection], profile: Profile) -> Iterator[Finding]:
    """The findings of a trace, each as soon as it can be told: those of one record with the record, those of an
    exchange when the next one shows how it ended. ``records`` may be dissected already, with the same ``profile``."""
    gatherer, sequence = Gatherer(), Sequence(profile.timing)
    end = 0
    for dissection in dissections(records, profile):
        end = max(end, dissection.record.end)
        yield from check_record(dissection, profile)
        exchange = gatherer.feed(dissection)
        if exchange:
            yield from sequence.take(exchange)
    for exchange in gatherer.close():
        yield from sequence.take(exchange)
    yield from sequence.close(end)
