"""Flows: what a client reads between a write and the next write.

After a client has written a token, it reads the result. The register that holds the result, and its values, are learned
from polling: the client reads one register several times in a row. A :class:`Flow` holds one acknowledged write and the
reads after it. A refused write has no flow. A repeated write has none either, because it is unknown which of the writes
the meter accepted.

A token that was accepted raises a credit, perhaps visible only in the next session. A :class:`Window` lies between two
reads of one register, and holds the verdicts on the credit tokens that were written in between.

Memory holds one flow for each link, and the last read of each register.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final

from vtctap.dissector.dissect import Frame
from vtctap.dissector.learning.evidence import Place
from vtctap.dissector.learning.turns import DataSet, Fate, Turn
from vtctap.dissector.protocol.rules import MessageName
from vtctap.dissector.tokens.decode import Token
from vtctap.dissector.tokens.recognise import ENCODINGS, recognise

MAX_READS: Final = 200
"""Most reads kept of one flow."""
MAX_VERDICTS: Final = 64
"""Most verdicts kept for one link."""
MAX_REGISTERS: Final = 1000
"""Most registers of a link whose last value is kept."""


@dataclass(frozen=True, slots=True)
class Read:
    """A value that was read in a flow. The register had this value at some time between ``asked_ns``, the end of the
    request, and ``time_ns``, the start of its answer; None if the times are unknown."""

    place: Place
    subject: str
    value: str
    asked_ns: int | None
    time_ns: int | None
    uncertainty_ns: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a token: the last value in a row of reads of the register that was read first after the token."""

    subject: str
    value: str


@dataclass(frozen=True, slots=True)
class Window:
    """The time between two reads of the register ``subject``: how its value ``changed`` (-1, 0 or 1), and the verdicts
    on the credit tokens that were written in between."""

    place: Place
    subject: str
    changed: int
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """A write that the meter acknowledged, and what was read after it, up to the next write or the session's end.

    - ``previous`` is the verdict on the previous token (without test tokens), None if it is not known.
    - ``whole``: the end of the flow was seen, so no read is missing.
    - ``windows`` are those that have ended since the previous flow of the link.
    """

    link: int
    place: Place
    register: str
    value: str
    end_ns: int | None
    previous: Verdict | None
    reads: tuple[Read, ...]
    whole: bool
    windows: tuple[Window, ...]

    @property
    def polled(self) -> tuple[str, ...]:
        """The registers that were read several times in a row."""
        pairs = zip(self.reads, self.reads[1:], strict=False)
        return tuple(dict.fromkeys(one.subject for one, other in pairs if one.subject == other.subject))

    def verdict(self, subject: str) -> tuple[tuple[Read, ...], Read | None]:
        """Returns the reads of a status register that were directly followed by another read of it, and the first read
        that was not: the verdict. The verdict is None if it is missing."""
        waiting: list[Read] = []
        own = False
        for read, after in zip(self.reads, (*self.reads[1:], None), strict=True):
            if read.subject != subject:
                if own:
                    break
                continue
            own = True
            if after is None:
                return tuple(waiting), read if self.whole else None
            if after.subject != subject:
                return tuple(waiting), read
            waiting.append(read)
        return tuple(waiting), None


@dataclass(slots=True)
class _Open:
    """A flow that has not ended. ``judged``: its verdict is known."""

    turn: Turn
    register: str
    value: str
    previous: Verdict | None
    reads: list[Read] = field(default_factory=list)
    judged: bool = False

    def done(self, windows: list[Window], *, whole: bool) -> Flow:
        request = self.turn.request
        known = request is not None and self.turn.rest_ns is not None
        return Flow(
            self.turn.link,
            self.turn.place,
            self.register,
            self.value,
            request.record.end if request and known else None,
            self.previous,
            tuple(self.reads),
            whole,
            tuple(windows),
        )


@dataclass(slots=True)
class _Link:
    """The state of a link. ``last`` holds the last value of each register, and the number of verdicts at that time."""

    open: _Open | None = None
    last: dict[str, tuple[str, int]] = field(default_factory=dict)
    verdicts: deque[Verdict] = field(default_factory=lambda: deque(maxlen=MAX_VERDICTS))
    judged: int = 0
    previous: Verdict | None = None
    windows: list[Window] = field(default_factory=list)


class Flows:
    """Finds the flows in the turns of one trace, which are fed in order."""

    def __init__(self) -> None:
        self._links: dict[int, _Link] = {}

    def feed(self, turn: Turn) -> Iterator[Flow]:
        """Takes the next turn. Returns the flow that it ends, if any."""
        link = self._links.setdefault(turn.link, _Link())
        if link.open and (turn.opening or turn.asked in (MessageName.WriteCommand, MessageName.BreakCommand)):
            yield self._end(link, whole=True)
        if turn.asked == MessageName.WriteCommand:
            self._write(link, turn)
            return
        for read in turn.data:
            if turn.answer:
                self._read(link, turn, turn.answer, read)

    def close(self) -> Iterator[Flow]:
        """Returns the flows that are open at the end of the trace."""
        for link in self._links.values():
            if link.open:
                yield self._end(link, whole=False)

    def _end(self, link: _Link, *, whole: bool) -> Flow:
        assert link.open is not None
        if whole:
            _judge(link, link.open)
        flow, link.open = link.open.done(link.windows, whole=whole), None
        link.windows = []
        return flow

    def _write(self, link: _Link, turn: Turn) -> None:
        asks = turn.asks
        if turn.fate is Fate.ACKNOWLEDGED and asks and turn.is_new and len(asks.register) == 1 and asks.register[0]:
            link.open = _Open(turn, asks.register[0], asks.value[0], link.previous)

    def _read(self, link: _Link, turn: Turn, answer: Frame, read: DataSet) -> None:
        opened, record, subject = link.open, answer.record, read.subject
        if opened and len(opened.reads) < MAX_READS:
            if opened.reads and opened.reads[0].subject != subject:
                _judge(link, opened)
            known = turn.rest_ns is not None and turn.request is not None
            asked_ns = turn.request.record.end if known and turn.request else None
            time_ns = record.time if known else None
            opened.reads.append(Read(turn.at(answer), subject, read.value, asked_ns, time_ns, record.uncertainty or 0))
        before = link.last.get(subject)
        if before:
            self._close_window(link, turn.at(answer), read, *before)
        if before or len(link.last) < MAX_REGISTERS:
            link.last[subject] = read.value, link.judged

    def _close_window(self, link: _Link, place: Place, read: DataSet, value: str, judged: int) -> None:
        """Ends the window of a register. Its verdicts cover all tokens since the previous read, unless there are too
        many."""
        since = link.judged - judged
        if len(value) == len(read.value) and since <= len(link.verdicts) and len(link.windows) < MAX_READS:
            changed = (read.value > value) - (read.value < value)
            if since or changed:
                verdicts = tuple(link.verdicts)[len(link.verdicts) - since :]
                link.windows.append(Window(place, read.subject, changed, verdicts))


def _judge(link: _Link, flow: _Open) -> None:
    """Keeps the verdict on a token once it is known. Test tokens (class 1) change nothing, and do not count towards a
    lockout."""
    if flow.judged or not flow.reads:
        return
    flow.judged = True
    form = token_in(flow.value)
    if form is None or (form[1] is not None and form[1].token_class == 1):
        return
    row = takewhile(lambda read: read.subject == flow.reads[0].subject, flow.reads)
    link.previous = Verdict(flow.reads[0].subject, list(row)[-1].value)
    if form[1] is None or form[1].token_class == 0:
        link.verdicts.append(link.previous)
        link.judged += 1


def token_in(value: str) -> tuple[str, Token | None] | None:
    """Returns the encoding whose form a value has, and the token, None where the number is too large for one; or None
    where the value has no token's form."""
    for encoding, read in ENCODINGS.items():
        if read(value) is not None:
            return encoding, recognise(value, (encoding,))
    return None
