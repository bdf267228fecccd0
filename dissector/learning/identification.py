"""Questions about the identification: its length, and which of its parts are constant, of the device, or counting.

Parts are told apart by what varies, so they show only where something does: between devices, or on one device from one
sign-on to the next. A digit that never varied, beside digits that did, may belong to either part. A number may end in a
check digit; that the digits of a few devices fit may be an accident.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from vtctap.dissector.learning.evidence import ENOUGH, Answer, Explaining, Notes, Tally, WeighedReading, total
from vtctap.dissector.learning.question import READING, Question, together
from vtctap.dissector.learning.turns import Fate, Turn
from vtctap.dissector.tokens.luhn import is_luhn

CONSTANT, DEVICE, COUNTING, EITHER = "constant", "of the device", "counting", "either"
"""The kinds of parts; ``EITHER``: a character that varied once, or a digit that never varied, in a run of digits of
which others did."""
PROVEN: Final = 6
"""Fewest different numbers whose fitting check digits are no accident."""
_SHORTEST: Final = 4
"""Fewest digits of a number that may have a check digit."""


def _text(turn: Turn) -> str:
    """Returns the identification after its slash; empty where this turn has none."""
    if turn.fate is not Fate.IDENTIFIED or turn.answer is None:
        return ""
    message = turn.answer.message
    return f"{message.id_manufacturer or ''}{message.id_speed or ''}{message.id_text or ''}"


def _length(turn: Turn, notes: Notes) -> None:
    text = _text(turn)
    if text:
        notes.feed(turn.place, (f"{len(text)} characters",))


def _maker(turn: Turn, notes: Notes) -> None:
    if _text(turn) and turn.answer:
        notes.feed(turn.place, (turn.answer.message.id_manufacturer or "",))


def _whole(turn: Turn, notes: Notes) -> None:
    text = _text(turn)
    if text:
        notes.feed(turn.place, (text,))


def _own_text(turn: Turn, notes: Notes) -> None:
    """Notes the text after the maker's letters and the digit for the speed, which is no part of a number."""
    if _text(turn) and turn.answer and turn.answer.message.id_text:
        notes.feed(turn.place, (turn.answer.message.id_text,))


def kinds(devices: Sequence[Mapping[str, int]]) -> list[str]:
    """Returns the kind of each position in identifications of one length, which are given by device, with how often
    each was sent."""
    length = len(next(iter(devices[0])))
    usual, found = [], []
    for at in range(length):
        own = [_characters(texts, at) for texts in devices]
        usual += [max(own[0], key=lambda character: own[0][character])]
        found.append(_kind(own))
    return _beside(found, "".join(usual))


def _characters(texts: Mapping[str, int], at: int) -> Counter[str]:
    """Counts a device's characters at a position."""
    found: Counter[str] = Counter()
    for text, count in texts.items():
        found[text[at]] += count
    return found


def _kind(devices: Sequence[Counter[str]]) -> str:
    """Returns the kind of a position. An identification has no check character, so a character that differs from a
    device's others once may be damage."""
    differing = sum(own.total() - max(own.values()) for own in devices)
    if differing:
        return COUNTING if differing >= ENOUGH else EITHER
    return DEVICE if len({character for own in devices for character in own}) > 1 else CONSTANT


def _beside(found: list[str], text: str) -> list[str]:
    """Marks the digits that may belong to a varying part beside them."""
    marked = list(found)
    at = 0
    for digits, group in groupby(text, key=lambda character: character.isascii() and character.isdigit()):
        end = at + len(list(group))
        if digits and set(found[at:end]) != {CONSTANT}:
            marked[at:end] = [EITHER if kind == CONSTANT else kind for kind in found[at:end]]
        at = end
    return marked


def _parts(question: Question[Turn], devices: Sequence[Notes]) -> Iterator[Answer]:
    """Judges the parts of the identifications that have the usual length."""
    seen = together(devices).subjects().get("", {})
    if not seen:
        yield question.not_seen()
        return
    length = _usual(seen)
    own = [{text: tally.count for _, (text,), tally in notes if len(text) == length} for notes in devices]
    own = [texts for texts in own if texts]
    evidence = total(tally for (text,), tally in seen.items() if len(text) == length)
    found = kinds(own) if own else []
    if len(own) < question.enough and COUNTING not in found:
        yield question.open("", *(WeighedReading(f"{length} {kind}", evidence, Tally()) for kind in (CONSTANT, DEVICE)))
        return
    runs = ", ".join(f"{len(list(group))} {kind}" for kind, group in groupby(found))
    yield question.shown("", runs, evidence)


def _usual(seen: dict[Explaining, Tally]) -> int:
    """Returns the length of most identifications."""
    lengths: dict[int, int] = {}
    for (text,), tally in seen.items():
        lengths[len(text)] = lengths.get(len(text), 0) + tally.count
    return max(lengths, key=lambda length: lengths[length])


def _check_digit(question: Question[Turn], devices: Sequence[Notes]) -> Iterator[Answer]:
    """Judges whether the digits of the identification end in a check digit."""
    numbers: dict[str, Tally] = {}
    for (text,), tally in together(devices).subjects().get("", {}).items():
        number = _number(text)
        if number:
            numbers[number] = numbers.get(number, Tally()) + tally
    if not numbers:
        yield question.not_seen()
        return
    fitting, failing = (_different(numbers, luhn=luhn) for luhn in (True, False))
    if fitting.count >= PROVEN and not failing.count:
        yield question.shown("", "Luhn", fitting)
    else:
        yield question.open(
            "", WeighedReading("none", fitting + failing, Tally()), WeighedReading("Luhn", fitting, failing)
        )


def _different(numbers: dict[str, Tally], *, luhn: bool) -> Tally:
    """Counts the different numbers whose last digit is, or is not, their Luhn check digit."""
    places = [tally.places for number, tally in numbers.items() if is_luhn(number) is luhn]
    return Tally(len(places), total(Tally(1, each) for each in places).places)


def _number(text: str) -> str:
    """Returns the longest run of digits in a text, empty where none is long enough."""
    runs = ("".join(group) for digits, group in groupby(text, key=str.isdecimal) if digits)
    longest = max(runs, key=len, default="")
    return longest if len(longest) >= _SHORTEST else ""


QUESTIONS: Final = (
    Question("identification", "How long is the identification?", _length, "a capture with sign-ons"),
    Question(
        "maker",
        "Which letters does the identification begin with?",
        _maker,
        "a capture with sign-ons",
        texts=(READING,),
    ),
    Question(
        "identification parts",
        "Which parts of the identification are constant, of the device, or counting?",
        _whole,
        "sign-ons of several devices of the kind",
        _parts,
        read=False,
    ),
    Question(
        "identification check digit",
        "Does the number in the identification end in a check digit?",
        _own_text,
        f"sign-ons of {PROVEN} devices",
        _check_digit,
        read=False,
    ),
)
