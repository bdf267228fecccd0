"""Statistics of a trace: messages, errors, response times and line use.

:class:`Statistics` is fed a trace's dissections in order and keeps counts per link, session and register. Memory grows
with their number up to a limit, not with the number of frames; what is beyond the limit is counted as left out. Times
are kept as a :class:`Distribution`, whose quantiles are accurate to one per cent.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from vtctap.dissector.analysis.exchanges import Exchange, Gatherer
from vtctap.dissector.dissect import Dissection, Frame, Item, dissections
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.protocol.rules import NEEDS_NO_ANSWER, MessageName
from vtctap.pcap.record import Flag, Kind, Record, Sender

MAX_SESSIONS: Final = 10_000
"""Most sessions kept per link."""
MAX_REGISTERS: Final = 5_000
"""Most registers kept per link."""
MAX_VERDICTS: Final = 1_000
"""Most changes of the token verdict kept per session."""
_STEP: Final = math.log(1.02)
"""The logarithm of a class's width in a distribution; quantiles are off by at most half of it."""
_LEAST_NS: Final = 1_000
"""The upper limit of the first class, ns."""

_ERRORS: Final = {
    Flag.PARITY: "parity",
    Flag.FRAMING: "framing",
    Flag.BREAK: "break",
    Flag.OVERRUN: "overrun",
    Flag.CUT: "cut",
}
_BREAK: Final = (Flag.FRAMING, Flag.BREAK)
_USES: Final = (MessageName.ReadCommand, MessageName.WriteCommand, MessageName.ExecuteCommand)
"""The messages that use registers."""
_REFUSALS: Final = (MessageName.NAK, MessageName.Error)


@dataclass(slots=True)
class Distribution:
    """A distribution of times: count, minimum, maximum and sum, and a count for each class of two per cent."""

    count: int = 0
    least_ns: int = 0
    most_ns: int = 0
    total_ns: int = 0
    classes: Counter[int] = field(default_factory=Counter)

    def feed(self, time_ns: int) -> None:
        """Counts the next time."""
        self.least_ns = min(self.least_ns, time_ns) if self.count else time_ns
        self.most_ns = max(self.most_ns, time_ns)
        self.count += 1
        self.total_ns += time_ns
        self.classes[int(math.log(max(time_ns, _LEAST_NS)) / _STEP)] += 1

    def quantile(self, share: float) -> int:
        """Returns the time (ns) that ``share`` of all times do not exceed, to one per cent; 0 without any."""
        wanted = max(1, math.ceil(share * self.count))
        seen = 0
        for number in sorted(self.classes):
            seen += self.classes[number]
            if seen >= wanted:
                return min(max(round(math.exp((number + 0.5) * _STEP)), self.least_ns), self.most_ns)
        return 0

    def as_json(self) -> dict[str, float]:
        """Returns minimum, median, 95th percentile, maximum and mean in seconds, and the count."""
        mean = self.total_ns / self.count if self.count else 0
        figures = {"min": self.least_ns, "median": self.quantile(0.5), "p95": self.quantile(0.95), "max": self.most_ns}
        seconds = {name: round(value / 1e9, 9) for name, value in (figures | {"mean": mean}).items()}
        return {"count": self.count, **seconds}


@dataclass(slots=True)
class RegisterStatistics:
    """One register: how often it was read and written, and its response times."""

    name: str = ""
    reads: int = 0
    writes: int = 0
    refused: int = 0
    times: Distribution = field(default_factory=Distribution)

    def as_json(self) -> dict[str, Any]:
        """Returns the counts and times; without a name or times where there are none."""
        name = {"name": self.name} if self.name else {}
        times = {"response_time": self.times.as_json()} if self.times.count else {}
        return name | {"reads": self.reads, "writes": self.writes, "refused": self.refused} | times


@dataclass(slots=True)
class SessionStatistics:
    """One session: ``vtc.session``, link, start and end since 1970 UTC, frames, requests, unanswered and repeated
    requests, errors, and the token verdicts in order."""

    number: int
    link: int
    start_ns: int
    end_ns: int
    frames: int = 0
    requests: int = 0
    unanswered: int = 0
    repeats: int = 0
    errors: int = 0
    verdicts: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Returns the figures, with times in seconds."""
        return {
            "session": self.number,
            "start": self.start_ns / 1e9,
            "seconds": (self.end_ns - self.start_ns) / 1e9,
            "frames": self.frames,
            "requests": self.requests,
            "unanswered": self.unanswered,
            "repeats": self.repeats,
            "errors": self.errors,
            "token_verdicts": self.verdicts,
        }


@dataclass(slots=True)
class LinkStatistics:
    """One link: records by kind; messages, errors, octets and busy time by side; the start of the first record and the
    end of the last; registers by id; response times by message."""

    kinds: Counter[str] = field(default_factory=Counter)
    messages: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    octets: Counter[str] = field(default_factory=Counter)
    busy_ns: Counter[str] = field(default_factory=Counter)
    start_ns: int = 0
    end_ns: int = 0
    times: dict[str, Distribution] = field(default_factory=dict)
    registers: dict[str, RegisterStatistics] = field(default_factory=dict)
    sessions: dict[int, SessionStatistics] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)
    """What is counted in no row of its own: sessions, and uses of registers, beyond the most that are kept."""
    _last_left_out: int = 0

    def session(self, number: int, record: Record) -> SessionStatistics | None:
        """Returns the figures of a session, which may begin with this record; None beyond the most that are kept."""
        session = self.sessions.get(number)
        if session is None and len(self.sessions) < MAX_SESSIONS:
            session = self.sessions[number] = SessionStatistics(number, record.link, record.time, record.end)
        elif session is None and number != self._last_left_out:
            self._last_left_out = number
            self.left_out["sessions"] += 1
        return session

    def register(self, id: str) -> RegisterStatistics | None:
        """Returns the figures of a register; None beyond the most that are kept."""
        if id not in self.registers and len(self.registers) >= MAX_REGISTERS:
            self.left_out["uses of registers"] += 1
            return None
        return self.registers.setdefault(id, RegisterStatistics())

    def as_json(self) -> dict[str, Any]:
        """Returns the figures, with times in seconds."""
        elapsed_ns = self.end_ns - self.start_ns
        busy = sorted(self.busy_ns.items())
        left_out = {"left_out": dict(self.left_out)} if self.left_out else {}
        return {
            "seconds": elapsed_ns / 1e9,
            "records": dict(sorted(self.kinds.items())),
            "messages": _by_side(self.messages),
            "errors": _by_side(self.errors),
            "octets": dict(sorted(self.octets.items())),
            "line_use": {side: round(busy_ns / elapsed_ns, 6) if elapsed_ns else 0 for side, busy_ns in busy},
            "response_times": {name: times.as_json() for name, times in sorted(self.times.items())},
            "registers": {id: register.as_json() for id, register in sorted(self.registers.items())},
            "sessions": [session.as_json() for session in self.sessions.values()],
        } | left_out


class Statistics:
    """Counts the records of a trace. ``links`` holds the statistics of each link, by its number."""

    def __init__(self) -> None:
        self.links: dict[int, LinkStatistics] = {}
        self._gatherer = Gatherer()

    def feed(self, dissection: Dissection) -> None:
        """Counts the next record."""
        record = dissection.record
        link = self.links.get(record.link)
        if link is None:
            link = self.links[record.link] = LinkStatistics(start_ns=record.time)
        link.end_ns = max(link.end_ns, record.end)
        link.kinds[record.kind.word] += 1
        side = record.sender.word
        if record.kind is not Kind.EVENT:
            link.octets[side] += len(record.octets)
            link.busy_ns[side] += record.duration - sum(pause for _, pause in record.pauses_us) * 1000
        errors = list(_errors(dissection))
        link.errors.update((side, error) for error in errors)
        if isinstance(dissection, Frame):
            _count_frame(link, dissection, len(errors))
        exchange = self._gatherer.feed(dissection)
        if exchange:
            self._count(exchange)

    def close(self) -> None:
        """Counts the exchanges still open at the end of the trace."""
        for exchange in self._gatherer.close():
            self._count(exchange)

    def _count(self, exchange: Exchange) -> None:
        if exchange.request:
            link = self.links[exchange.link]
            session = link.sessions.get(exchange.session)
            if session:
                _count_exchange(session, exchange, exchange.request)
            _count_times(link, exchange.request, exchange.response)

    def as_json(self) -> dict[str, Any]:
        """Returns all figures as ``stats --json`` prints them, with times in seconds."""
        return {"links": [{"link": number} | link.as_json() for number, link in sorted(self.links.items())]}


def _errors(dissection: Dissection) -> Iterator[str]:
    """Names the errors of a record."""
    flags = dissection.record.flags
    # A break has no stop bit either.
    yield from (error for flag, error in _ERRORS.items() if flags & flag and (flag, flags & Flag.BREAK) != _BREAK)
    if isinstance(dissection, Frame) and dissection.message.bad_check:
        yield "check character"
    if dissection.record.kind is Kind.NOISE:
        yield "noise"


def _count_frame(link: LinkStatistics, frame: Frame, errors: int) -> None:
    record, number = frame.record, frame.place.session
    if frame.name:
        link.messages[record.sender.word, frame.name] += 1
    session = link.session(number, record)
    if session:
        session.end_ns = max(session.end_ns, record.end)
        session.frames += 1
        session.errors += errors


def _count_exchange(session: SessionStatistics, exchange: Exchange, request: Frame) -> None:
    response = exchange.response
    session.requests += 1
    session.repeats += exchange.repeat_of is not None
    session.unanswered += response is None and not exchange.blind and request.name not in NEEDS_NO_ANSWER
    verdict = response.meaning.status_token_name if response else None
    if verdict and session.verdicts[-1:] != [verdict] and len(session.verdicts) < MAX_VERDICTS:
        session.verdicts.append(verdict)


def _count_times(link: LinkStatistics, request: Frame, response: Frame | None) -> None:
    """Counts a request's registers and its response time."""
    time_ns = response.place.response_time_ns if response else None
    if time_ns is not None:
        link.times.setdefault(request.name, Distribution()).feed(time_ns)
    if request.name not in _USES:
        return
    names = request.meaning.register_name or ("",) * len(request.message.register)
    for id, name in zip(request.message.register, names, strict=True):
        register = link.register(id)
        if register is None:
            continue
        register.name = name
        register.reads += request.name == MessageName.ReadCommand
        register.writes += request.name == MessageName.WriteCommand
        register.refused += response is not None and response.name in _REFUSALS
        if time_ns is not None:
            register.times.feed(time_ns)


def statistics(records: Iterable[Item], profile: Profile | None = None) -> Statistics:
    """Returns the statistics of a trace; ``records`` may be dissected already, else ``profile`` (default: the trace's
    own) applies."""
    counted = Statistics()
    for dissection in dissections(records, profile):
        counted.feed(dissection)
    counted.close()
    return counted


def _by_side(counts: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    sides = sorted({side for side, _ in counts}, key=[sender.word for sender in Sender].index)
    return {
        side: {word: count for (of, word), count in sorted(counts.items(), key=_most) if of == side} for side in sides
    }


def _most(item: tuple[tuple[str, str], int]) -> tuple[int, tuple[str, str]]:
    return -item[1], item[0]
