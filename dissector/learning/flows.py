"""Flows: what a client reads between a write and the next write.

After a client has written a token, it reads the result. The register that holds the result, and its values, are learned
from polling: the client reads one register several times in a row. A :class:`Flow` holds one acknowledged write and the
reads after it. A refused write has no flow. A repeated write has none either, because it is unknown which of the writes
the meter accepted.

A token that was accepted raises a credit, perhaps visible only in the next session. A :class:`Window` lies between two
reads of one register, and holds the verdicts on the credit tokens that were written in between.

Whether the meter locked its token entry shows in the verdicts on the tokens before, and in a later verdict on the same
token. An :class:`EnteredToken` is a token with its verdict. A flow holds the entries before it. Test tokens (class 1)
are no entries.

Memory holds one flow for each link, the last read of each register, and the last entries and tokens.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Final, NamedTuple

from vtctap.dissector.dissect import Frame
from vtctap.dissector.learning.evidence import RecordPlace
from vtctap.dissector.learning.turns import Fate, SentValue, Turn, may_write
from vtctap.dissector.protocol.rules import MessageName
from vtctap.dissector.tokens.decode import Token
from vtctap.dissector.tokens.recognise import ENCODINGS, recognise
from vtctap.pcap.record import Record

MAX_READS: Final = 200
"""Most reads kept of one flow."""
MAX_VERDICTS: Final = 64
"""Most verdicts kept for one link."""
MAX_ENTRIES: Final = 10
"""Most entries kept before a flow."""
MAX_TOKENS: Final = 100
"""Most tokens of a link whose last verdict is kept."""
MAX_REGISTERS: Final = 1000
"""Most registers of a link whose last value is kept."""


@dataclass(frozen=True, slots=True)
class ValueRead:
    """A value that was read in a flow. The register had this value at some time between ``asked_ns``, the end of the
    request, and ``time_ns``, the start of its answer; None if the times are unknown."""

    place: RecordPlace
    subject: str
    value: str
    asked_ns: int | None
    time_ns: int | None
    uncertainty_ns: int


@dataclass(frozen=True, slots=True)
class TokenVerdict:
    """The verdict on a token: the last value in a row of reads of the register that was read first after the token."""

    subject: str
    value: str


@dataclass(frozen=True, slots=True)
class EnteredToken:
    """A token that was entered, with the verdict on it. The meter judged it between ``written_ns``, the start of the
    write, and ``known_ns``, the start of the answer with the verdict; None if the times are unknown. ``changes_key``:
    it is of class 2. ``opens``: unknown tokens may have been entered before it, as between two sessions."""

    verdict: TokenVerdict
    changes_key: bool
    written_ns: int | None
    known_ns: int | None
    uncertainty_ns: int
    opens: bool


@dataclass(frozen=True, slots=True)
class Window:
    """The time between two reads of the register ``subject``: how its value ``changed`` (-1, 0 or 1), and the verdicts
    on the credit tokens that were written in between."""

    place: RecordPlace
    subject: str
    changed: int
    verdicts: tuple[TokenVerdict, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """A write that the meter acknowledged, and what was read after it, up to the next write, the session's end, or a
    damaged request that may be a write.

    - ``token`` is what was written, as a token; see :func:`token_in`.
    - ``opens``: unknown tokens may have been entered before it, as between two sessions.
    - ``entry`` is the token with its verdict; ``before`` holds the entries before it, the latest last; ``earlier`` is
      the previous verdict on the same token, unless a key was changed since. None if they are not known.
    - ``whole``: the end of the flow was seen, so no read is missing.
    - ``windows`` are those that have ended since the previous flow of the link.
    """

    link: int
    place: RecordPlace
    register: str
    token: "TokenForm | None"
    end_ns: int | None
    opens: bool
    entry: EnteredToken | None
    before: tuple[EnteredToken, ...]
    earlier: TokenVerdict | None
    reads: tuple[ValueRead, ...]
    whole: bool
    windows: tuple[Window, ...]

    @property
    def previous(self) -> TokenVerdict | None:
        """The verdict on the token directly before this one; None if that is not certain."""
        return self.before[-1].verdict if self.before and not self.opens else None

    @property
    def polled(self) -> tuple[str, ...]:
        """The registers that were read several times in a row."""
        pairs = zip(self.reads, self.reads[1:], strict=False)
        return tuple(dict.fromkeys(one.subject for one, other in pairs if one.subject == other.subject))

    def verdict(self, subject: str) -> tuple[tuple[ValueRead, ...], ValueRead | None]:
        """Returns the reads of a status register that were directly followed by another read of it, and the first read
        that was not: the verdict. The verdict is None if it is missing."""
        waiting: list[ValueRead] = []
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
    """A flow that has not ended. ``judged``: its verdict is known, and is ``entry`` unless it is of a test token."""

    turn: Turn
    register: str
    value: str
    token: "TokenForm | None"
    before: tuple[EnteredToken, ...]
    earlier: TokenVerdict | None
    opens: bool
    entry: EnteredToken | None = None
    reads: list[ValueRead] = field(default_factory=list)
    judged: bool = False

    @property
    def _written(self) -> Record | None:
        """The record of the write; None where its time is unknown."""
        request = self.turn.request
        return request.record if request and self.turn.rest_ns is not None else None

    def enter(self, verdict: TokenVerdict, read: ValueRead, *, changes_key: bool) -> EnteredToken:
        """Makes the entry, of which ``read`` has the verdict."""
        written = self._written
        self.entry = EnteredToken(
            verdict,
            changes_key,
            written.time if written else None,
            read.time_ns,
            max(written.uncertainty or 0 if written else 0, read.uncertainty_ns),
            self.opens,
        )
        return self.entry

    def done(self, windows: list[Window], *, whole: bool) -> Flow:
        written = self._written
        return Flow(
            self.turn.link,
            self.turn.place,
            self.register,
            self.token,
            written.end if written else None,
            self.opens,
            self.entry,
            self.before,
            self.earlier,
            tuple(self.reads),
            whole,
            tuple(windows),
        )


@dataclass(slots=True)
class _Link:
    """The state of a link. ``last`` holds the last value of each register, and the number of verdicts at that time.
    ``unclear``: tokens may have been entered since the last entry. ``tokens`` holds the last verdict on each token."""

    open: _Open | None = None
    last: dict[str, tuple[str, int]] = field(default_factory=dict)
    verdicts: deque[TokenVerdict] = field(default_factory=lambda: deque(maxlen=MAX_VERDICTS))
    judged: int = 0
    entries: deque[EnteredToken] = field(default_factory=lambda: deque(maxlen=MAX_ENTRIES))
    unclear: bool = True
    tokens: dict[str, TokenVerdict] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)

    def keep(self, entry: EnteredToken, token: str) -> None:
        """Keeps an entry. A token that was refused may be good after a change of keys, so verdicts are forgotten."""
        self.entries.append(entry)
        self.tokens.pop(token, None)
        if entry.changes_key:
            self.tokens.clear()
        elif len(self.tokens) >= MAX_TOKENS:
            del self.tokens[next(iter(self.tokens))]
        self.tokens[token] = entry.verdict


class Flows:
    """Finds the flows in the turns of one trace, which are fed in order."""

    def __init__(self) -> None:
        self._links: dict[int, _Link] = {}

    def feed(self, turn: Turn) -> Iterator[Flow]:
        """Takes the next turn. Returns the flow that it ends, if any."""
        link = self._links.setdefault(turn.link, _Link())
        if link.open and (turn.opening or turn.asked in (MessageName.WriteCommand, MessageName.BreakCommand)):
            yield self._end(link, whole=True)
        elif link.open and may_write(turn):
            yield self._end(link, whole=False)
        link.unclear |= turn.opening or turn.asks is None
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
        link.unclear |= not link.open.judged
        flow, link.open = link.open.done(link.windows, whole=whole), None
        link.windows = []
        return flow

    def _write(self, link: _Link, turn: Turn) -> None:
        asks = turn.asks
        if turn.fate is Fate.ACKNOWLEDGED and asks and turn.is_new and len(asks.register) == 1 and asks.register[0]:
            value = asks.value[0]
            before, earlier = tuple(link.entries), link.tokens.get(value)
            link.open = _Open(turn, asks.register[0], value, token_in(value), before, earlier, link.unclear)
            link.unclear = False
        else:
            link.unclear = True

    def _read(self, link: _Link, turn: Turn, answer: Frame, read: SentValue) -> None:
        opened, record, subject = link.open, answer.record, read.subject
        if opened and len(opened.reads) < MAX_READS:
            if opened.reads and opened.reads[0].subject != subject:
                _judge(link, opened)
            known = turn.rest_ns is not None and turn.request is not None
            asked_ns = turn.request.record.end if known and turn.request else None
            time_ns = record.time if known else None
            opened.reads.append(
                ValueRead(turn.at(answer), subject, read.value, asked_ns, time_ns, record.uncertainty or 0)
            )
        before = link.last.get(subject)
        if before:
            self._close_window(link, turn.at(answer), read, *before)
        if before or len(link.last) < MAX_REGISTERS:
            link.last[subject] = read.value, link.judged

    def _close_window(self, link: _Link, place: RecordPlace, read: SentValue, value: str, judged: int) -> None:
        """Ends the window of a register. Its verdicts cover all tokens since the previous read, unless there are too
        many."""
        since = link.judged - judged
        if len(value) == len(read.value) and since <= len(link.verdicts) and len(link.windows) < MAX_READS:
            changed = (read.value > value) - (read.value < value)
            if since or changed:
                verdicts = tuple(link.verdicts)[len(link.verdicts) - since :]
                link.windows.append(Window(place, read.subject, changed, verdicts))


def _judge(link: _Link, flow: _Open) -> None:
    """Keeps the verdict on a token once it is known. Test tokens (class 1) raise no credit; whether they end a lockout
    is not known."""
    if flow.judged or not flow.reads:
        return
    flow.judged = True
    form = flow.token
    if form is None or form.token_class == 1:
        link.unclear |= flow.opens or form is not None
        return
    row = takewhile(lambda read: read.subject == flow.reads[0].subject, flow.reads)
    read = list(row)[-1]
    verdict = TokenVerdict(read.subject, read.value)
    link.keep(flow.enter(verdict, read, changes_key=form.token_class == 2), flow.value)
    if form.token_class in (None, 0):
        link.verdicts.append(verdict)
        link.judged += 1


class TokenForm(NamedTuple):
    """A token's form: its encoding, and the token, None where the number is too large for one."""

    encoding: str
    token: Token | None

    @property
    def token_class(self) -> int | None:
        """The class of the token, None where there is none."""
        return self.token.token_class if self.token else None


def token_in(value: str) -> TokenForm | None:
    """Returns the form of a token that a value has; None where it has none."""
    for encoding, read in ENCODINGS.items():
        if read(value) is not None:
            return TokenForm(encoding, recognise(value, (encoding,)))
    return None
