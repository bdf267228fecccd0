"""The page of evidence: what was learned, on a page that can be given to others.

The page has shapes, counts, record numbers and times, and nothing that belongs to a customer: no token, number, name or
value. Readings and subjects are words of the questions. Where an answer holds text of a device (an id, a unit, a
status), that text is shown only if it has a form that no private text has; otherwise as a shape, in which 9 stands
for any digit, and A or a for any letter.
"""

import re
from collections.abc import Iterator
from html import escape
from typing import Final

from vtctap.dissector.learning.evidence import NOT_SEEN, Answer, WeighedReading
from vtctap.dissector.learning.learner import QUESTIONS, Difference, Learner
from vtctap.dissector.learning.question import READING, SUBJECT

_ID: Final = r"(?:[0-9A-F]{1,6}|[0-9CFLP]{1,3}(?:[-:.*&][0-9CFLP]{1,3}){1,5})"
_NUMBER: Final = r"[0-9A-F]{1,3}"
_OPEN_TEXT: Final = re.compile(rf"{_ID}(?: count {_NUMBER})?(?:={_NUMBER})?|ER[0-9A-Z]{{1,2}}|none|in use")
"""Ids of registers, status numbers, error codes and the questions' own words."""
_UNITS: Final = frozenset(("kWh", "Wh", "kW", "W", "V", "A", "Hz", "kvarh", "kvar", "kVA", "kVAh", "m3", "MWh", "MW"))
_LONGEST: Final = 40


def shape(text: str) -> str:
    """Returns the shape of a text: 9 for each digit, A or a for each letter, and ? for what is not printable."""
    shown = re.sub(r"[0-9]", "9", text)
    shown = re.sub(r"[^\W\d_]", lambda letter: "A" if letter[0].isupper() else "a", shown)
    shown = "".join(sign if " " <= sign <= "~" else "?" for sign in shown)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}... ({len(shown)} characters)"


def public(text: str) -> str:
    """Returns the form of a device's text that can be given to others: the text itself, or its shape."""
    return text if text in _UNITS or _OPEN_TEXT.fullmatch(text) else shape(text)


Row = tuple[str, str, str, str, str]
"""A row of the page: about, verdict, reading or readings, evidence, and what would decide it."""


def _rows(learner: Learner) -> Iterator[tuple[str, list[Row]]]:
    """Yields each question with the rows of its answers."""
    answers: dict[str, list[Answer]] = {}
    for answer in learner.answers():
        answers.setdefault(answer.question, []).append(answer)
    for question in QUESTIONS:
        rows = [_row(answer, question.texts) for answer in answers.get(question.name, ())]
        yield question.title, rows


def _row(answer: Answer, texts: tuple[str, ...]) -> Row:
    subject = public(answer.subject) if SUBJECT in texts else answer.subject
    if answer.verdict == NOT_SEEN:
        return subject, answer.verdict, "", "", answer.needs
    readings = [(_name(reading, texts), reading) for reading in answer.readings if reading.seen.count]
    words = "; ".join(
        f"{name}: {reading.seen.count} for, {reading.against.count} against" for name, reading in readings
    )
    shown = public(answer.reading) if READING in texts else answer.reading
    verdict = f"{answer.verdict}: {shown} ({answer.confidence})" if shown else answer.verdict
    return subject, verdict, words, str(answer.seen), answer.needs


def _name(reading: WeighedReading, texts: tuple[str, ...]) -> str:
    return public(reading.name) if READING in texts else reading.name


def _differences(learner: Learner) -> Iterator[str]:
    texts = {question.name: question.texts for question in QUESTIONS}
    for difference in learner.differences():
        yield _difference(difference, texts[difference.question])


def _difference(difference: Difference, texts: tuple[str, ...]) -> str:
    subject = public(difference.subject) if SUBJECT in texts else difference.subject
    ways = (
        f"{public(reading) if READING in texts else reading} (trace {', '.join(str(trace) for trace, _ in devices)})"
        for reading, devices in difference.readings.items()
    )
    return f"{difference.question}{f' of {subject}' if subject else ''}: {'; '.join(ways)}"


_TITLE: Final = "What a capture shows of a protocol"
_HEAD: Final = ("about", "verdict", "readings", "evidence", "what would decide it")
_INTRODUCTION: Final = (
    "This page has shapes, counts, record numbers and times. It has no token, number, name or value of a customer. "
    "A verdict is: shown, open (several readings explain what was seen), mixed (no reading explains everything) or not "
    "seen. In shapes 9 is any digit, A and a any letter."
)


def markdown(learner: Learner) -> str:
    """Returns the page as Markdown."""
    lines = [f"# {_TITLE}", "", _INTRODUCTION, "", _summary(learner), ""]
    for title, rows in _rows(learner):
        lines += [f"## {title}", "", f"| {' | '.join(_HEAD)} |", f"|{'---|' * len(_HEAD)}"]
        lines += [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
        lines.append("")
    differing = list(_differences(learner))
    if differing:
        lines += ["## Where the devices differ", "", *(f"- {_cell(line)}" for line in differing), ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text)


def html(learner: Learner) -> str:
    """Returns the page as HTML, without scripts and without links."""
    parts = [
        "<!DOCTYPE html>",
        f'<html lang="en"><meta charset="utf-8"><title>{_TITLE}</title>',
        "<style>body{font-family:sans-serif;max-width:80em;margin:auto}td,th{text-align:left;padding:.2em .6em;"
        "vertical-align:top}table{border-collapse:collapse}tr{border-bottom:1px solid #ccc}</style>",
        f"<h1>{_TITLE}</h1><p>{escape(_INTRODUCTION)}</p><p>{escape(_summary(learner))}</p>",
    ]
    for title, rows in _rows(learner):
        head = "".join(f"<th>{escape(word)}</th>" for word in _HEAD)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        parts.append(f"<h2>{escape(title)}</h2><table><tr>{head}</tr>{body}</table>")
    differing = list(_differences(learner))
    if differing:
        items = "".join(f"<li>{escape(line)}</li>" for line in differing)
        parts.append(f"<h2>Where the devices differ</h2><ul>{items}</ul>")
    return "\n".join((*parts, "</html>\n"))


def _summary(learner: Learner) -> str:
    devices = len(learner.devices)
    return f"Learned from {learner.records} records of {devices} {'device' if devices == 1 else 'devices'}."
