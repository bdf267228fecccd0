"""Questions about refusals: what each side does with messages that it cannot use.

The meter refuses undefined commands, requests with a wrong check character, reads of registers that it does not have,
and writes that it does not allow. The client refuses answers with a wrong check character, and does not wait for ever.

If a request is damaged only in the recording, the meter understood it, so an answer with data shows no refusal.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from vtctap.dissector.learning.evidence import Answer, Explaining, Notes, Tally, WeighedReading, weigh
from vtctap.dissector.learning.question import OFTEN_REFUSED, READING, Question, only, together
from vtctap.dissector.learning.turns import Fate, Turn
from vtctap.dissector.protocol.rules import MessageName
from vtctap.pcap.record import Flag

_REFUSING: Final = frozenset((Fate.REFUSED, Fate.ERROR, Fate.SILENT, Fate.BROKEN_OFF))

_COMMANDS: Final = frozenset((MessageName.ReadCommand, MessageName.WriteCommand))


def _undefined(turn: Turn, notes: Notes) -> None:
    if turn.asked == MessageName.UndefinedCommand and turn.fate in _REFUSING:
        notes.feed(turn.place, (turn.fate,))


def _bad_check(turn: Turn, notes: Notes) -> None:
    """Notes how a request with a wrong check character is refused, or that it was understood. Noise after the frame of
    a client without check characters is none; and some commands are refused even if the check character is good."""
    request = turn.request
    if request is None or request.message.bcc_status != "bad" or turn.omits_checks or request.name not in _COMMANDS:
        return
    if not request.record.parity_errors and not request.record.flags & (Flag.PARITY | Flag.FRAMING | Flag.CUT):
        if turn.fate in _REFUSING:
            notes.feed(turn.place, (turn.fate,))
        elif turn.fate in (Fate.ANSWERED, Fate.ACKNOWLEDGED):
            notes.feed(turn.place, (_DONE,))


_DONE: Final = "done"


def _by_check(question: Question[Turn], devices: Sequence[Notes]) -> Iterator[Answer]:
    """Judges how requests with a wrong check character are refused. If the meter understood some, the recording is
    damaged, and silence may be a fault of the line: it counts only if it is repeated, and more frequent."""
    tallies = together(devices).subjects().get("", {})
    understood, silent = only(tallies, _DONE).count, only(tallies, Fate.SILENT)
    found = {fates: tally for fates, tally in tallies.items() if fates not in ((_DONE,), (Fate.SILENT,))}
    if silent.count >= OFTEN_REFUSED and silent.count > understood:
        found[Fate.SILENT,] = silent
    elif silent.count and not found:
        yield question.open("", WeighedReading(Fate.SILENT, silent, Tally()))
        return
    yield question.answer("", weigh(found)) if found else question.not_seen()


def _refused(turn: Turn, notes: Notes, message: MessageName) -> None:
    """Notes, by register, how a read or a write was refused, and whether it ever succeeded."""
    if turn.asked == message and turn.asks and len(turn.asks.register) == 1:
        if turn.fate in (Fate.ANSWERED, Fate.ACKNOWLEDGED):
            notes.feed(turn.place, (_DONE,), turn.asks.register[0])
        elif turn.fate in _REFUSING:
            notes.feed(turn.place, (turn.fate,), turn.asks.register[0])


def _of_refused(question: Question[Turn], devices: Sequence[Notes]) -> Iterator[Answer]:
    """Judges how the meter refuses registers whose read (or write) never succeeded. A NAK may be about the
    transmission, and silence may be a fault of the line, so these count only if they are repeated."""
    found: dict[Explaining, Tally] = {}
    for tallies in together(devices).subjects().values():
        if not only(tallies, _DONE).count:
            for explaining, tally in tallies.items():
                if tally.count >= OFTEN_REFUSED or explaining == (Fate.ERROR,):
                    found[explaining] = found.get(explaining, Tally()) + tally
    yield question.answer("", weigh(found)) if found else question.not_seen()


def _read_refused(turn: Turn, notes: Notes) -> None:
    _refused(turn, notes, MessageName.ReadCommand)


def _write_refused(turn: Turn, notes: Notes) -> None:
    _refused(turn, notes, MessageName.WriteCommand)


def _error(turn: Turn, notes: Notes) -> None:
    if turn.fate is Fate.ERROR and turn.answer:
        notes.feed(turn.at(turn.answer), (turn.answer.message.value[0],), turn.asked or "")


REPEATS, NAKS = "repeats its request", "NAK"


def _bad_answer(turn: Turn, notes: Notes) -> None:
    """Notes what the client does after an answer with a wrong check character."""
    before, request = turn.before, turn.request
    if before is None or request is None or before.fate is not Fate.DAMAGED:
        return
    response = before.exchange.response
    if response is None or response.message.bcc_status != "bad":
        return
    if request.name == MessageName.NAK:
        notes.feed(turn.place, (NAKS,))
    elif not turn.is_new:
        notes.feed(turn.place, (REPEATS,))


ENDS, GOES_ON = "ends the session", "goes on"


def _no_answer(turn: Turn, notes: Notes) -> None:
    """Notes what the client does after a command that is not answered the first time."""
    before, request = turn.before, turn.request
    if before is None or request is None or before.asked not in _COMMANDS:
        return
    if before.fate is not Fate.SILENT or not before.is_new:
        return
    if turn.opening or turn.asked == MessageName.BreakCommand:
        notes.feed(turn.place, (ENDS,))
    elif request.name == MessageName.NAK:
        notes.feed(turn.place, (NAKS,))
    elif turn.asks is not None:
        notes.feed(turn.place, (GOES_ON,) if turn.is_new else (REPEATS,))


QUESTIONS: Final = (
    Question(
        "undefined command",
        "How does the meter answer an undefined command?",
        _undefined,
        "a command with a letter that the meter does not know",
    ),
    Question(
        "bad check",
        "How does the meter answer a request with a wrong check character?",
        _bad_check,
        "a request with a wrong check character",
        _by_check,
    ),
    Question(
        "read refused",
        "How does the meter refuse a read?",
        _read_refused,
        "a read of a register that the meter does not have, again and again",
        _of_refused,
    ),
    Question(
        "write refused",
        "How does the meter refuse a write?",
        _write_refused,
        "a write that the meter does not allow, again and again",
        _of_refused,
    ),
    Question(
        "error message", "What does the meter's error message say?", _error, "a refused request", texts=(READING,)
    ),
    Question(
        "bad answer",
        "What does the client do after an answer with a wrong check character?",
        _bad_answer,
        "an answer that is damaged on the line",
    ),
    Question(
        "no answer",
        "What does the client do after a command that is not answered?",
        _no_answer,
        "a read or a write that is not answered",
    ),
)
