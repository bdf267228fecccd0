"""Questions about registers: their ids, which may be read and written, and the form and behaviour of their values.

A register that was read with different counts has values of different lengths, so its values are compared only where
the count is the same. A reading of a value's behaviour names the observation: a register that kept its value may be a
counter that stood still. Only several devices show which values belong to one device, and which to all.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from vtctap.base.nouns import count
from vtctap.dissector.learning.evidence import Answer, Explaining, Notes, Tally, WeighedReading, total, weigh
from vtctap.dissector.learning.question import OFTEN_REFUSED, READING, SUBJECT, Question, only, together
from vtctap.dissector.learning.turns import CLIMBS, DOWN, DROPS, FALLEN, OTHER, RISEN, UP, Fate, Turn
from vtctap.dissector.protocol.rules import MessageName
from vtctap.dissector.tokens.luhn import is_luhn

_HEX_ID: Final = re.compile(r"[0-9A-F]{1,8}")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]*\.[0-9]*|[+-][0-9]+")
_HEX: Final = re.compile(r"[0-9A-F]*[A-F][0-9A-F]*|[0-9a-f]*[a-f][0-9a-f]*")
_DIGITS: Final = re.compile(r"[0-9]+")


def _ids(turn: Turn) -> tuple[str, ...]:
    """Returns the ids of registers that the client named in a new, undamaged read or write."""
    known = turn.is_new and turn.asks and turn.asked in (MessageName.ReadCommand, MessageName.WriteCommand)
    return tuple(id for id in turn.asks.register if id) if known and turn.asks else ()


def _width(turn: Turn, notes: Notes) -> None:
    for id in _ids(turn):
        notes.feed(turn.place, (count(len(id), "character") if _HEX_ID.fullmatch(id) else "names",))


def _radix(turn: Turn, notes: Notes) -> None:
    for id in _ids(turn):
        if _HEX_ID.fullmatch(id):
            notes.feed(turn.place, ("decimal", "hexadecimal") if id.isdecimal() else ("hexadecimal",))


def _page(turn: Turn, notes: Notes) -> None:
    for id in _ids(turn):
        if _HEX_ID.fullmatch(id) and len(id) > 2:
            notes.feed(turn.place, ("in use",), id[:-2])


READABLE, WRITABLE, REFUSED = "readable", "writable", "refused"


_NAK: Final = "NAK"


def _access(turn: Turn, notes: Notes, message: MessageName, done: str) -> None:
    """Notes what the answer to a read or a write shows about access."""
    if turn.asked == message and turn.asks and len(turn.asks.register) == 1:
        said = {Fate.ANSWERED: done, Fate.ACKNOWLEDGED: done, Fate.ERROR: REFUSED, Fate.REFUSED: _NAK}.get(turn.fate)
        if said:
            notes.feed(turn.place, (said,), turn.asks.register[0])


def _by_access(question: Question[Turn], devices: Sequence[Notes]) -> Iterator[Answer]:
    """Judges access by register. A NAK may be about the transmission, unless it is repeated and nothing else
    answers."""
    subjects = together(devices).subjects()
    if not subjects:
        yield question.not_seen()
    done = READABLE if question.observe is _reads else WRITABLE
    for subject, tallies in subjects.items():
        worked, refused, nak = (only(tallies, name) for name in (done, REFUSED, _NAK))
        always = nak.count >= OFTEN_REFUSED and not worked.count
        either: Explaining = (REFUSED,) if always else (done, REFUSED)
        explained: dict[Explaining, Tally] = {(done,): worked, (REFUSED,): refused}
        explained[either] = explained.get(either, Tally()) + nak
        yield question.answer(subject, weigh(explained))


def _reads(turn: Turn, notes: Notes) -> None:
    _access(turn, notes, MessageName.ReadCommand, READABLE)


def _writes(turn: Turn, notes: Notes) -> None:
    _access(turn, notes, MessageName.WriteCommand, WRITABLE)


def _form(turn: Turn, notes: Notes) -> None:
    """Notes how a value is written."""
    for read in turn.data:
        notes.feed(turn.place, _codings(read.value), read.subject)


def _codings(value: str) -> Explaining:
    """Returns the codings that explain a value."""
    if _DECIMAL.fullmatch(value):
        return ("decimal",)
    if _HEX.fullmatch(value):
        return ("hexadecimal",)
    if _DIGITS.fullmatch(value):
        return ("decimal", "hexadecimal")
    return ("text",)


def _length(turn: Turn, notes: Notes) -> None:
    for read in turn.data:
        _, point, after = read.value.partition(".")
        places = f", {len(after)} after the point" if point and _DECIMAL.fullmatch(read.value) else ""
        notes.feed(turn.place, (f"{count(len(read.value), 'character')}{places}",), read.subject)


def _unit(turn: Turn, notes: Notes) -> None:
    for read in turn.data:
        notes.feed(turn.place, (read.unit or "none",), read.register)


_FIRST: Final = "="
"""Precedes a register's first value in its notes."""


def _behaviour(turn: Turn, notes: Notes) -> None:
    """Notes how a value changed since the previous read. The first value is noted itself."""
    for read in turn.data:
        notes.feed(turn.place, (read.change or f"{_FIRST}{read.value}",), read.subject)


CONSTANT, OF_DEVICE = "constant", "of the device"
RISES, CREDIT, VARIES = "rises", "rises only after a write", "rises and falls"
WRITTEN, STATUS = "changes only after a write", "changes after a write and while it is polled"


def _by_behaviour(question: Question[Turn], devices: Sequence[Notes]) -> Iterator[Answer]:
    """Judges how each register's values behave, over time and between devices."""
    kept = [notes.subjects() for notes in devices]
    for subject in together(devices).subjects():
        own = [tallies[subject] for tallies in kept if subject in tallies]
        changed = {change: total(only(tallies, change) for tallies in own) for change in _CHANGES}
        if any(tally.count for tally in changed.values()):
            yield question.answer(subject, weigh(_explained(changed)))
        else:
            yield _unchanged(question, subject, own)


_CHANGES: Final = (UP, RISEN, DOWN, FALLEN, CLIMBS, DROPS, OTHER)


def _explained(changed: Mapping[str, Tally]) -> dict[Explaining, Tally]:
    """Returns the changes of a value by the behaviours that explain them. A value that rises and falls explains
    everything, so it counts only if both often happened without a write; a few such changes may be damage."""
    share = sum(tally.count for tally in changed.values()) / _SELDOM
    varies = (VARIES,) if min(changed[UP].count, changed[DOWN].count) > share else ()
    return {
        (RISES, *varies): changed[UP],
        (RISES, CREDIT, WRITTEN, STATUS, *varies): changed[RISEN],
        (CREDIT, *varies): changed[DOWN],
        (CREDIT, WRITTEN, STATUS, *varies): changed[FALLEN],
        (RISES, STATUS, *varies): changed[CLIMBS],
        (CREDIT, STATUS, *varies): changed[DROPS],
        ("text that changes",): changed[OTHER],
    }


_SELDOM: Final = 20
"""A change that is one in this many, or fewer, does not show how a value behaves."""


def _unchanged(question: Question[Turn], subject: str, devices: Sequence[dict[Explaining, Tally]]) -> Answer:
    """Judges a register that kept its value on each device. A counter may have stood still, but not at the same value
    on several devices, and it has no check digit."""
    first = [{name: tally for (name,), tally in tallies.items() if name.startswith(_FIRST)} for tallies in devices]
    values = {name.removeprefix(_FIRST) for names in first for name in names}
    seen = total(tally for tallies in devices for tally in tallies.values())
    if len(devices) >= SEVERAL and len(values) == 1 and all(map(_is_distinct, values)):
        return question.shown(subject, CONSTANT, seen)
    if len(values) >= SEVERAL and all(map(_has_check_digit, values)):
        return question.shown(subject, OF_DEVICE, seen)
    rivals = (CONSTANT, OF_DEVICE, RISES) if len(values) == 1 else (OF_DEVICE, RISES)
    return question.open(subject, *(WeighedReading(name, seen, Tally()) for name in rivals))


SEVERAL: Final = 3
"""From this many devices on, common values are not accidental."""
_LONG: Final = 4
"""Values with fewer digits, such as key revisions, may be equal on several devices by accident."""


def _is_distinct(value: str) -> bool:
    """Whether a value is neither zero nor a small number."""
    return len(value) >= _LONG and bool(set(value) - set("0.+-"))


_SERIAL: Final = re.compile(r"[0-9]{8,20}")


def _has_check_digit(value: str) -> bool:
    """Whether a value is a long number that ends in its Luhn check digit (ISO/IEC 7812), as meter numbers of STS do."""
    return bool(_SERIAL.fullmatch(value)) and is_luhn(value)


QUESTIONS: Final = (
    Question("register width", "How long is a register's id?", _width, "a capture with reads"),
    Question(
        "register radix",
        "Are ids decimal or hexadecimal?",
        _radix,
        "a read of a register whose id has a letter",
        read=False,
    ),
    Question("register page", "Which pages of registers are in use?", _page, "a capture with reads", texts=(SUBJECT,)),
    Question(
        "read access",
        "Which registers can be read?",
        _reads,
        "an answered read of the register",
        _by_access,
        texts=(SUBJECT,),
    ),
    Question(
        "write access",
        "Which registers can be written?",
        _writes,
        "an acknowledged write",
        _by_access,
        texts=(SUBJECT,),
    ),
    Question(
        "value length", "How long is a register's value?", _length, "more reads of the register", texts=(SUBJECT,)
    ),
    Question(
        "value coding",
        "Is a register's value decimal, hexadecimal or text?",
        _form,
        "values with a letter or a point among them, or the value on the meter's display",
        read=False,
        texts=(SUBJECT,),
    ),
    Question(
        "value unit",
        "Has a register's value a unit?",
        _unit,
        "more reads of the register",
        texts=(SUBJECT, READING),
    ),
    Question(
        "value behaviour",
        "Is a register a constant, of the device, a counter, or a credit?",
        _behaviour,
        "reads of the same registers on several devices, and on one device hours apart",
        _by_behaviour,
        read=False,
        texts=(SUBJECT,),
        enough=3,
    ),
)
