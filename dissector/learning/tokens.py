"""Questions about tokens: the register that takes them, their encoding, and the statuses that tell their result.

Nothing here depends on the numbers of a standard. A value with the form of a token is one if its own check proves it
(class 1), or if the client polls a register after it. A status is *pending* where the client always asks again, and
*accepted* or *refused* where a credit register always, or never, rises after it. Tokens of class 1 and 2 do not raise a
credit, so they say nothing of that.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from vtctap.dissector.catalogue import TOKEN_OUTCOMES
from vtctap.dissector.learning.evidence import (
    ENOUGH,
    MAX_TEXT,
    Answer,
    Explaining,
    Notes,
    Reading,
    Tally,
    total,
    weigh,
)
from vtctap.dissector.learning.flows import Flow, Window, token_in
from vtctap.dissector.learning.question import READING, SUBJECT, Question, only, together
from vtctap.dissector.tokens.decode import Token
from vtctap.dissector.tokens.recognise import proven

TOKEN, OTHER = "tokens", "another value"


def _is_token(flow: Flow, token: Token | None) -> bool:
    return bool(flow.polled) or (token is not None and proven(token))


def _register(flow: Flow, notes: Notes) -> None:
    form = token_in(flow.value)
    if form:
        notes.feed(flow.place, (TOKEN,) if _is_token(flow, form[1]) else (TOKEN, OTHER), flow.register)


def _encoding(flow: Flow, notes: Notes) -> None:
    form = token_in(flow.value)
    if form and _is_token(flow, form[1]):
        notes.feed(flow.place, (form[0],), flow.register)


MAX_RIVALS: Final = 8
"""Most registers noted of one flow that may hold the result."""


def _status_register(flow: Flow, notes: Notes) -> None:
    if token_in(flow.value):
        subjects = flow.polled or tuple(dict.fromkeys(read.subject for read in flow.reads))
        if subjects:
            notes.feed(flow.place, subjects[:MAX_RIVALS])


ACCEPTED, REJECTED, LOCKED_OUT, PENDING = TOKEN_OUTCOMES
_FINAL, _RISES, _STAYS, _FALLS, _AFTER = "final", "+", "-", "v", "<"


def _statuses(flow: Flow, notes: Notes) -> None:
    """Notes, for each value that a register had after a token: whether the client asked again, which status came
    before, and which registers rose (or did not) with the tokens of that verdict."""
    for window in flow.windows:
        _note_window(window, notes)
    if not token_in(flow.value):
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


def _key(subject: str, value: str) -> str:
    return f"{subject}={value}"[:MAX_TEXT]


def _by_what_happens(question: Question[Flow], devices: Sequence[Notes]) -> Iterator[Answer]:
    """Judges each status by what the client and the meter do after it."""
    registers: dict[str, dict[str, Mapping[Explaining, Tally]]] = {}
    alone: dict[str, Mapping[Explaining, Tally]] = {}
    for key, tallies in together(devices).subjects().items():
        register, sign, value = key.rpartition("=")
        if sign:
            registers.setdefault(register, {})[value] = tallies
        else:
            alone[value] = tallies
    if not registers:
        yield question.not_seen()
    for register, statuses in registers.items():
        credit = _credit(register, statuses, alone)
        taken = [value for value, own in statuses.items() if credit and _taken(own, credit)]
        for value, own in statuses.items():
            yield _status(question, _key(register, value), own, credit, taken)


def _credit(
    status: str, statuses: Mapping[str, Mapping[Explaining, Tally]], alone: Mapping[str, Mapping[Explaining, Tally]]
) -> str:
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


def _taken(tallies: Mapping[Explaining, Tally], credit: str) -> bool:
    return only(tallies, _RISES + credit).count >= ENOUGH


def _status(
    question: Question[Flow], key: str, tallies: Mapping[Explaining, Tally], credit: str, taken: Sequence[str]
) -> Answer:
    waited, final = only(tallies, PENDING), only(tallies, _FINAL)
    rose, stayed = (only(tallies, sign + credit) if credit else Tally() for sign in (_RISES, _STAYS))
    first = total(only(tallies, _AFTER + value) for value in taken)
    if waited.count:
        return question.answer(key, weigh({(PENDING,): waited, (ACCEPTED, REJECTED, LOCKED_OUT): final}))
    if rose.count or stayed.count:
        # A status that follows directly on an accepted token is no lockout.
        rejected = (REJECTED,) if first.count >= ENOUGH else (REJECTED, LOCKED_OUT)
        return question.answer(key, weigh({(ACCEPTED,): rose, rejected: stayed}, (ACCEPTED, REJECTED)))
    return question.open(key, *(Reading(name, final, Tally()) for name in (ACCEPTED, REJECTED, LOCKED_OUT, PENDING)))


QUESTIONS: Final[tuple[Question[Flow], ...]] = (
    Question(
        "token register",
        "Which register takes tokens?",
        _register,
        "a test token (class 1), or a token after which the result is read",
        read=False,
        texts=(SUBJECT,),
    ),
    Question("token encoding", "How is a token written?", _encoding, "more tokens", read=False, texts=(SUBJECT,)),
    Question(
        "status register",
        "Which register tells what became of a token?",
        _status_register,
        "a token whose result is polled",
        read=False,
        texts=(READING,),
    ),
    Question(
        "status",
        "What does a value of the status register mean?",
        _statuses,
        "the credit, read before and after tokens that are taken and that are refused",
        _by_what_happens,
        read=False,
        texts=(SUBJECT,),
    ),
)
