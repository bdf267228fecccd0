"""Questions about statuses: which value means accepted, refused, pending or locked out, and how tokens are locked out.

Nothing here depends on the numbers of a standard. A status is *pending* where the client always asks again, and
*accepted* or *refused* where a credit register always, or never, rises after it. Tokens of class 1 and 2 do not raise a
credit, so they say nothing of that.

A refused token may be wrong, or the meter may have locked its token entry. A status is the lockout if the same token is
accepted later, without a key change in between, and if the status never follows directly on an accepted token. A *row*
is the number of tokens that were refused directly before a token. A lockout at a row of ``n`` excludes that more than
``n`` refusals are needed; a token that is judged at a row of ``n`` excludes that ``n`` or fewer suffice. If an unknown
token may lie in between (a damaged write, another session, a key change), the row is a range. A lockout that ends
before the next token is not seen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vtctap.dissector.catalogue import TOKEN_OUTCOMES
from vtctap.dissector.learning.evidence import (
    ENOUGH,
    MAX_TEXT,
    SHOWN,
    Answer,
    Explaining,
    Notes,
    Tally,
    WeighedReading,
    total,
    weigh,
)
from vtctap.dissector.learning.flows import EnteredToken, Flow, Window
from vtctap.dissector.learning.question import SUBJECT, Question, interval, only, together

ACCEPTED, REJECTED, LOCKED_OUT, PENDING = TOKEN_OUTCOMES
MAX_RIVALS: Final = 8
"""Most registers noted of one flow that may hold the result."""
_FINAL, _RISES, _STAYS, _FALLS, _AFTER, _LATER = "final", "+", "-", "v", "<", ">"
_ROW, _SINCE = "row", "since"
"""The first words of what is noted of a row, before the statuses of the tokens, the latest last."""
_CLEAR, _KEY = "", "?"
"""Before a status: :data:`_OPENS` if unknown tokens may have been entered before. After it: the token changes a key."""
_OPENS: Final = "|"
_MANY: Final = 99
"""A row whose beginning is not known may be as long as this."""


def _evidence(flow: Flow, notes: Notes) -> None:
    """Notes, for each value that a register had after a token: whether the client asked again, which status came
    before, and which registers rose (or did not) with the tokens of that verdict."""
    for window in flow.windows:
        _note_window(window, notes)
    if not flow.token:
        return
    for subject in (flow.polled or tuple(dict.fromkeys(read.subject for read in flow.reads)))[:MAX_RIVALS]:
        waiting, verdict = flow.verdict(subject)
        for read in waiting:
            notes.feed(read.place, (PENDING,), _key(subject, read.value))
        if verdict is None:
            continue
        key = _key(subject, verdict.value)
        notes.feed(verdict.place, (_FINAL,), key)
        if flow.previous and flow.previous.subject == subject:
            notes.feed(verdict.place, (_AFTER + flow.previous.value,), key)
    if flow.entry:
        _note_entry(flow, flow.entry, notes)


def _note_window(window: Window, notes: Notes) -> None:
    """Notes what a register's change shows about the verdicts in between. If the register rose and there was one token,
    that token raised it. If it did not rise, no token of these verdicts was accepted."""
    if window.changed < 0:
        notes.feed(window.place, (_FALLS,), window.subject)
    elif window.changed > 0 and not window.verdicts:
        notes.feed(window.place, (_RISES,), window.subject)
    for subject, value in dict.fromkeys((verdict.subject, verdict.value) for verdict in window.verdicts):
        if window.changed <= 0:
            notes.feed(window.place, (_STAYS + window.subject,), _key(subject, value))
        elif len(window.verdicts) == 1:
            notes.feed(window.place, (_RISES + window.subject,), _key(subject, value))


def _note_entry(flow: Flow, entry: EnteredToken, notes: Notes) -> None:
    """Notes the previous verdict on the same token, and the verdicts on the tokens before it, with two times: since the
    previous token, and since the last token whose verdict differs from that on the previous one."""
    subject = entry.verdict.subject
    if flow.earlier and flow.earlier.subject == subject and flow.earlier.value != entry.verdict.value:
        notes.feed(flow.place, (_LATER + entry.verdict.value,), _key(subject, flow.earlier.value))
    before = [each for each in flow.before if each.verdict.subject == subject]
    if len(before) < len(flow.before):
        return
    row = tuple(_word(each) for each in (*before, entry))
    _note_time(flow, notes, _ROW, row, _time(before[-1].known_ns, entry.written_ns) if before else None)
    other = next((each for each in reversed(before) if each.verdict != before[-1].verdict), None)
    if other and before[-1].verdict != entry.verdict:
        _note_time(flow, notes, _SINCE, row, _time(other.written_ns, entry.known_ns))


def _note_time(flow: Flow, notes: Notes, word: str, row: Explaining, time_ns: int | None) -> None:
    assert flow.entry is not None
    doubt = 2 * flow.entry.uncertainty_ns
    notes.feed(flow.place, (word, *row), flow.entry.verdict.subject, measure=time_ns, doubt=doubt)


def _time(since_ns: int | None, until_ns: int | None) -> int | None:
    return None if since_ns is None or until_ns is None else max(until_ns - since_ns, 0)


def _word(entry: EnteredToken) -> str:
    return f"{_OPENS if entry.opens else _CLEAR}{entry.verdict.value}{_KEY if entry.changes_key else ''}"


def _key(subject: str, value: str) -> str:
    return f"{subject}={value}"[:MAX_TEXT]


Evidence = Mapping[Explaining, Tally]


@dataclass(frozen=True, slots=True)
class Statuses:
    """What was noted of a register that may tell the result: of each of its values, of its rows, and the credit
    register that tells whether a token was taken, if there is one."""

    register: str
    values: Mapping[str, Evidence]
    rows: Evidence
    credit: str

    def rose(self, value: str) -> Tally:
        """Returns how often the credit rose by a token with this status."""
        return only(self.values[value], _RISES + self.credit) if self.credit else Tally()

    def stayed(self, value: str) -> Tally:
        """Returns how often the credit did not rise."""
        return only(self.values[value], _STAYS + self.credit) if self.credit else Tally()

    @property
    def taken(self) -> list[str]:
        """The values after which the credit rises."""
        return [value for value in self.values if self.rose(value).count >= ENOUGH]

    @property
    def refused(self) -> list[str]:
        """The values after which it never does, and that are not pending."""
        return [
            value
            for value, own in self.values.items()
            if self.stayed(value).count >= ENOUGH and not self.rose(value).count and not only(own, PENDING).count
        ]


def _statuses(devices: Sequence[Notes]) -> Iterator[Statuses]:
    """Yields what was noted, by register."""
    values: dict[str, dict[str, Evidence]] = {}
    alone: dict[str, Evidence] = {}
    for key, tallies in together(devices).subjects().items():
        register, sign, value = key.rpartition("=")
        if sign:
            values.setdefault(register, {})[value] = tallies
        else:
            alone[value] = tallies
    for register, own in values.items():
        yield Statuses(register, own, alone.get(register, {}), _credit(register, own, alone))


def _credit(status: str, statuses: Mapping[str, Evidence], alone: Mapping[str, Evidence]) -> str:
    """Returns the register that rises only with tokens of certain verdicts, and falls otherwise; empty if there is
    none, or several. A counter rises by itself, and never falls."""
    found = []
    for register, tallies in alone.items():
        if register == status or not only(tallies, _FALLS).count or only(tallies, _RISES).count:
            continue
        counts = [(only(own, _RISES + register).count, only(own, _STAYS + register).count) for own in statuses.values()]
        if any(rises >= ENOUGH for rises, _ in counts) and not any(rises and stays for rises, stays in counts):
            found.append(register)
    return found[0] if len(found) == 1 else ""


def _by_what_happens(question: Question[Flow], devices: Sequence[Notes]) -> Iterator[Answer]:
    """Judges each status by what the client and the meter do after it."""
    found = False
    for statuses in _statuses(devices):
        found = True
        locks = _locks(statuses)
        for value, own in statuses.values.items():
            key = _key(statuses.register, value)
            if locks and value == locks.status and _after(LOCKOUT, locks).verdict == SHOWN:
                yield question.shown(key, LOCKED_OUT, statuses.stayed(value))
            else:
                yield _status(question, key, own, statuses, value)
    if not found:
        yield question.not_seen()


def _status(question: Question[Flow], key: str, own: Evidence, statuses: Statuses, value: str) -> Answer:
    waited, final = only(own, PENDING), only(own, _FINAL)
    rose, stayed = statuses.rose(value), statuses.stayed(value)
    if waited.count:
        return question.answer(key, weigh({(PENDING,): waited, (ACCEPTED, REJECTED, LOCKED_OUT): final}))
    if rose.count or stayed.count:
        # A status that follows directly on an accepted token is no lockout.
        rejected = (REJECTED,) if _follows_taken(own, statuses) >= ENOUGH else (REJECTED, LOCKED_OUT)
        return question.answer(key, weigh({(ACCEPTED,): rose, rejected: stayed}, (ACCEPTED, REJECTED)))
    return question.open(
        key, *(WeighedReading(name, final, Tally()) for name in (ACCEPTED, REJECTED, LOCKED_OUT, PENDING))
    )


def _follows_taken(own: Evidence, statuses: Statuses) -> int:
    """Returns how often a status followed directly on a token that was taken."""
    return total(only(own, _AFTER + value) for value in statuses.taken).count


@dataclass(frozen=True, slots=True)
class _Row:
    """What was noted of tokens after a row of at least ``least`` and at most ``most`` refused ones.

    ``met``: a lockout refused the token, otherwise the meter judged it. ``over``: the meter judged it after the lockout
    that followed the row. ``first``: the row is certain, and contains no lockout.
    """

    least: int
    most: int
    first: bool
    met: bool
    over: bool
    seen: Tally


@dataclass(frozen=True, slots=True)
class _Locks:
    """The lockout: its status, and the rows."""

    register: str
    status: str
    rows: tuple[_Row, ...]


def _locks(statuses: Statuses) -> _Locks | None:
    """Returns the lockout; None where no status is one, or several may be."""
    taken, refused = statuses.taken, statuses.refused
    found = []
    for value in refused:
        own = statuses.values[value]
        later = total(only(own, _LATER + other) for other in taken)
        if later.count >= ENOUGH and not _follows_taken(own, statuses):
            found.append(value)
    if len(found) != 1:
        return None
    rows = (
        _row(words, seen, found[0], taken, refused)
        for words, seen in statuses.rows.items()
        if words[0] in (_ROW, _SINCE)
    )
    return _Locks(statuses.register, found[0], tuple(filter(None, rows)))


def _row(words: Explaining, seen: Tally, status: str, taken: Sequence[str], refused: Sequence[str]) -> _Row | None:
    """Returns a row; None where it tells nothing, because it is not known whether its last token was judged."""
    before, last = list(words[1:-1]), words[-1]
    value, over = last.strip(_OPENS), words[0] == _SINCE
    if value not in taken and value not in refused:
        return None
    if over:
        if not before or before[-1].strip(_OPENS) != status:
            return None
        while before and before[-1].strip(_OPENS) == status:
            last = before.pop()
    return _Row(*_length([*before, last], status, taken, refused), value == status, over, seen)


def _length(words: Sequence[str], status: str, taken: Sequence[str], refused: Sequence[str]) -> tuple[int, int, bool]:
    """Returns how many tokens were refused directly before the last one, at least and at most, and whether that is
    certain. A status of unknown meaning may be a refusal or not; a lockout may begin a new row or not."""
    least = most = 0
    certain = True
    for word, after in zip(reversed(words[:-1]), reversed(words[1:]), strict=True):
        value = word.strip(_OPENS)
        if after.startswith(_OPENS):
            return least, _MANY, False
        if value in taken:
            return least, most, certain
        certain = certain and value in refused and value != status
        least, most = least + certain, most + 1
    return least, _MANY, False


def _after(question: Question[Flow], locks: _Locks) -> Answer:
    """Judges which row a lockout follows. A row that met the lockout excludes longer ones; a row that did not excludes
    itself and shorter ones."""
    rows = [row for row in locks.rows if not row.over]
    longest = max((row.least + 1 for row in rows), default=1)
    explained: dict[Explaining, Tally] = {}
    for row in rows:
        lengths = range(1, min(row.most, longest) + 1) if row.met else range(row.least + 1, longest + 1)
        if len(lengths) < longest:
            names = tuple(_in_a_row(length) for length in lengths)
            explained[names] = explained.get(names, Tally()) + row.seen
    return question.answer(_key(locks.register, locks.status), weigh(explained))


def _in_a_row(length: int) -> str:
    return f"{length} in a row"


def _by_rows(question: Question[Flow], devices: Sequence[Notes]) -> Iterator[Answer]:
    """Judges how many tokens are refused before the lockout."""
    found = [_after(question, locks) for locks in map(_locks, _statuses(devices)) if locks]
    yield from found or [question.not_seen()]


def _by_times(question: Question[Flow], devices: Sequence[Notes]) -> Iterator[Answer]:
    """Measures the first lockout after an accepted token. It lasts at least from the last refusal to the first token
    that meets the lockout, and at most to the next token that the meter judges."""
    found = False
    for locks in filter(None, map(_locks, _statuses(devices))):
        after = _after(LOCKOUT, locks).reading
        rows = [row for row in locks.rows if row.first and after == _in_a_row(row.least)]
        met = total(row.seen for row in rows if row.met)
        over = total(row.seen for row in rows if row.over)
        if met.low is None or over.high is None:
            continue
        found = True
        both = Tally(met.count + over.count, (met + over).places, met.low, over.high, (met + over).doubt)
        yield question.shown(_key(locks.register, locks.status), interval(both), both)
    if not found:
        yield question.not_seen()


LOCKOUT: Final[Question[Flow]] = Question(
    "lockout",
    "How many refused tokens in a row precede a lockout that the next token meets?",
    _evidence,
    "a good token that is refused after wrong ones, and entered again later; the wrong ones after one that is taken, "
    "and the credit read before and after",
    _by_rows,
    read=False,
    texts=(SUBJECT,),
)
QUESTIONS: Final[tuple[Question[Flow], ...]] = (
    Question(
        "status",
        "What does a value of the status register mean?",
        _evidence,
        "the credit, read before and after tokens that are taken and that are refused",
        _by_what_happens,
        read=False,
        texts=(SUBJECT,),
    ),
    LOCKOUT,
    Question(
        "lockout time",
        "How long does a lockout last?",
        _evidence,
        "a token that is refused by a lockout, and one after it, by a tap of one's own",
        _by_times,
        read=False,
        texts=(SUBJECT,),
    ),
)
