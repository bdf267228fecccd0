"""Questions about tokens: the register that takes them, their encoding, and the register that tells their result.

Nothing here depends on the numbers of a standard. A value with the form of a token is one if its own check proves it
(class 1), or if the client polls a register after it.
"""

from typing import Final

from vtctap.dissector.learning.evidence import Notes
from vtctap.dissector.learning.flows import Flow, TokenForm
from vtctap.dissector.learning.question import READING, SUBJECT, Question
from vtctap.dissector.learning.statuses import MAX_RIVALS
from vtctap.dissector.tokens.recognise import proven

TOKEN, OTHER = "tokens", "another value"


def _is_token(flow: Flow, form: TokenForm) -> bool:
    return bool(flow.polled) or (form.token is not None and proven(form.token))


def _register(flow: Flow, notes: Notes) -> None:
    form = flow.token
    if form:
        notes.feed(flow.place, (TOKEN,) if _is_token(flow, form) else (TOKEN, OTHER), flow.register)


def _encoding(flow: Flow, notes: Notes) -> None:
    form = flow.token
    if form and _is_token(flow, form):
        notes.feed(flow.place, (form.encoding,), flow.register)


def _status_register(flow: Flow, notes: Notes) -> None:
    if flow.token:
        subjects = flow.polled or tuple(dict.fromkeys(read.subject for read in flow.reads))
        if subjects:
            notes.feed(flow.place, subjects[:MAX_RIVALS])


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
)
