"""Gathers a report's content in one pass: figures, ladders, response times, gaps, tokens and findings.

The content of long traces is bounded: only the first ladders, frames per ladder, points per plot and findings are kept.
:class:`Collected` counts the rest, and the page shows the counts.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from vtctap.dissector.analysis.check import check
from vtctap.dissector.analysis.exchanges import Exchange, Gatherer
from vtctap.dissector.analysis.findings import Finding
from vtctap.dissector.analysis.flows import Follower, TokenFlow
from vtctap.dissector.analysis.statistics import Statistics
from vtctap.dissector.dissect import Dissection, Frame, Item, with_skipped
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.text import summary
from vtctap.pcap.record import ERROR_FLAGS
from vtctap.pcap.skipped import Skipped

MAX_SESSIONS: Final = 40
MAX_FRAMES: Final = 400
"""Most frames kept per session ladder."""
MAX_POINTS: Final = 5_000
"""Most points kept per plot."""
MAX_FINDINGS: Final = 1_000
MAX_OCTETS: Final = 512
"""Most octets kept per frame."""


@dataclass(slots=True)
class Ladder:
    """One session: its number of messages, and one step for each of the first messages."""

    messages: int = 0
    steps: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Collected:
    """The content of a report. ``start_ns`` and ``end_ns`` (since 1970 UTC) are those of the trace; ``left_out`` counts
    what was not kept, by kind."""

    statistics: Statistics = field(default_factory=Statistics)
    ladders: dict[int, Ladder] = field(default_factory=dict)
    times: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[dict[str, Any]] = field(default_factory=list)
    tokens: list[TokenFlow] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    start_ns: int = 0
    end_ns: int = 0
    records: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def keep(self, kept: list[Any], thing: Any, most: int, what: str) -> None:
        """Keeps a thing, or counts it as left out."""
        if len(kept) < most:
            kept.append(thing)
        else:
            self.left_out[what] = self.left_out.get(what, 0) + 1


def collect(records: Iterable[Item], profile: Profile) -> Collected:
    """Collects the content of a report from records."""
    collected = Collected()
    gatherer, follower = Gatherer(), Follower()

    def watched() -> Iterator[Item]:
        for dissection in with_skipped(records, profile):
            if isinstance(dissection, Skipped):
                yield dissection
                continue
            _see(collected, dissection)
            exchange = gatherer.feed(dissection)
            if exchange:
                _answer(collected, follower, exchange)
            yield dissection

    for found in check(watched(), profile):
        collected.keep(collected.findings, found, MAX_FINDINGS, "findings")
    for exchange in gatherer.close():
        _answer(collected, follower, exchange)
    for flow in follower.close():
        collected.keep(collected.tokens, flow, MAX_POINTS, "tokens")
    collected.statistics.close()
    return collected


def _see(collected: Collected, dissection: Dissection) -> None:
    record = dissection.record
    if not collected.records:
        collected.start_ns = collected.end_ns = record.time
    collected.end_ns = max(collected.end_ns, record.end)
    collected.records += 1
    collected.statistics.feed(dissection)
    if isinstance(dissection, Frame):
        _show(collected, dissection)


def _show(collected: Collected, frame: Frame) -> None:
    """Collects a frame's gap and its step in the session's ladder."""
    record, session = frame.record, frame.place.session
    seconds = (record.time - collected.start_ns) / 1e9
    if frame.gap_ns is not None:
        point = {"x": seconds, "y": frame.gap_ns / 1e9, "frame": frame.number}
        collected.keep(collected.gaps, point, MAX_POINTS, "gaps")
    if session not in collected.ladders:
        if len(collected.ladders) >= MAX_SESSIONS:
            collected.left_out["sessions"] = max(0, session - MAX_SESSIONS)
            return
        collected.ladders[session] = Ladder()
    step = {
        "frame": frame.number,
        "t": seconds,
        "d": record.duration / 1e9,
        "side": record.sender.word,
        "text": summary(frame),
        "bad": bool(record.flags & ERROR_FLAGS) or frame.message.bad_check,
        "octets": record.octets[:MAX_OCTETS].hex(" "),
        "more": max(0, len(record.octets) - MAX_OCTETS),
        "uncertainty": None if record.uncertainty is None else record.uncertainty / 1e9,
    }
    ladder = collected.ladders[session]
    ladder.messages += 1
    collected.keep(ladder.steps, step, MAX_FRAMES, "frames of long sessions")


def _answer(collected: Collected, follower: Follower, exchange: Exchange) -> None:
    for flow in follower.feed(exchange):
        collected.keep(collected.tokens, flow, MAX_POINTS, "tokens")
    request, response = exchange.request, exchange.response
    if request is None or response is None or exchange.response_time is None:
        return
    register = request.message.register[0] if request.message.register else ""
    named = request.meaning.register_name[0] if request.meaning.register_name else ""
    point = {"what": " ".join(filter(None, (request.name, register, named))), "y": exchange.response_time}
    collected.keep(collected.times, point | {"frame": response.number}, MAX_POINTS, "response times")
