"""The check: all findings of a trace, in one pass and constant memory."""

from collections.abc import Iterable, Iterator

from vtctap.dissector.analysis.exchanges import Gatherer
from vtctap.dissector.analysis.findings import Finding
from vtctap.dissector.analysis.frames import check_record
from vtctap.dissector.analysis.sequence import Sequence
from vtctap.dissector.dissect import Dissection
from vtctap.dissector.profile import Profile


def check(dissections: Iterable[Dissection], profile: Profile) -> Iterator[Finding]:
    """The findings of a trace, each as soon as it can be told: those of one record with the record, those of an
    exchange when the next one shows how it ended. ``profile`` is the one that the trace was dissected with."""
    gatherer, sequence = Gatherer(), Sequence(profile.timing)
    end = 0
    for dissection in dissections:
        end = max(end, dissection.record.end)
        yield from check_record(dissection, profile)
        exchange = gatherer.feed(dissection)
        if exchange:
            yield from sequence.take(exchange)
    for exchange in gatherer.close():
        yield from sequence.take(exchange)
    yield from sequence.close(end)
