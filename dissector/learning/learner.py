"""The learner: puts every question to every turn of every trace, and collects the answers.

A :class:`Learner` is fed the dissections of traces in order. It keeps one set of notes per device (a link of a trace).
Learners that were fed apart, each with the numbers of its traces, merge by ``+``; any order and grouping gives the same
answers. Questions are independent of each other: each consumes the stream once and keeps only its notes. Questions that
observe the same share their notes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from vtctap.dissector.analysis.exchanges import Exchange, Gatherer
from vtctap.dissector.dissect import Dissection
from vtctap.dissector.learning import (
    characters,
    identification,
    refusals,
    registers,
    sign_on,
    statuses,
    syntax,
    timing,
    tokens,
)
from vtctap.dissector.learning.evidence import Answer, Notes
from vtctap.dissector.learning.flows import Flow, Flows
from vtctap.dissector.learning.question import Question
from vtctap.dissector.learning.turns import Turn, Turns
from vtctap.dissector.pairing import SESSION_TIMEOUT_NS

OF_TURNS: Final[tuple[Question[Turn], ...]] = (
    *characters.QUESTIONS,
    *sign_on.QUESTIONS,
    *identification.QUESTIONS,
    *syntax.QUESTIONS,
    *registers.QUESTIONS,
    *refusals.QUESTIONS,
    *timing.QUESTIONS,
)
OF_FLOWS: Final[tuple[Question[Flow], ...]] = (*tokens.QUESTIONS, *statuses.QUESTIONS, *timing.OF_FLOWS)
QUESTIONS: Final[tuple[Question[Any], ...]] = (*OF_TURNS, *OF_FLOWS)
"""All questions, in the order of their answers."""
_OBSERVE_TURNS: Final = tuple(dict.fromkeys(question.observe for question in OF_TURNS))
_OBSERVE_FLOWS: Final = tuple(dict.fromkeys(question.observe for question in OF_FLOWS))
_OBSERVERS: Final[tuple[Callable[[Any, Notes], None], ...]] = (*_OBSERVE_TURNS, *_OBSERVE_FLOWS)
_NOTES_OF: Final = {question.name: _OBSERVERS.index(question.observe) for question in QUESTIONS}
"""The place of each question's notes among those of a device."""
MAX_DEVICES: Final = 64
"""Most devices that are told apart: those of the first traces. Others count only where devices are not compared."""

Device = tuple[int, int]
"""A device: the number of its trace, from 1, and its link in that trace."""


@dataclass(frozen=True, slots=True)
class Difference:
    """An answer that differs between devices: the devices, by the reading that each shows."""

    question: str
    subject: str
    readings: dict[str, list[Device]]


class Learner:
    """Learns from the dissections of traces: :meth:`begin` starts each trace, :meth:`close` ends the last one."""

    def __init__(self) -> None:
        self.devices: dict[Device, list[Notes]] = {}
        self.records = 0
        self._others = [Notes() for _ in _OBSERVERS]
        self._trace = 0
        self._open: _Trace | None = None

    def begin(self, number: int | None = None, *, session_timeout_ns: int = SESSION_TIMEOUT_NS) -> None:
        """Begins a trace: the next one, or the one with this number."""
        self.close()
        self._trace = self._trace + 1 if number is None else number
        self._open = _Trace(self._trace, session_timeout_ns)

    def feed(self, dissection: Dissection) -> None:
        """Takes the next dissection of the trace."""
        if self._open is None:
            self.begin()
        assert self._open is not None
        self.records += 1
        exchange = self._open.gatherer.feed(dissection)
        if exchange and exchange.frames:
            self._learn(self._open, exchange)

    def close(self) -> None:
        """Ends the trace. Exchanges at its end may lack their answers."""
        trace, self._open = self._open, None
        if trace is None:
            return
        for exchange in trace.gatherer.close():
            if exchange.frames:
                self._learn(trace, exchange, ends=True)
        for flow in trace.flows.close():
            self._follow(trace, flow)

    def _learn(self, trace: "_Trace", exchange: Exchange, *, ends: bool = False) -> None:
        turn = trace.turns.feed(exchange, ends=ends)
        notes = self._notes(trace.number, exchange.link)
        for observe, own in zip(_OBSERVE_TURNS, notes, strict=False):
            observe(turn, own)
        for flow in trace.flows.feed(turn):
            self._follow(trace, flow)

    def _follow(self, trace: "_Trace", flow: Flow) -> None:
        notes = self._notes(trace.number, flow.link)
        for observe, own in zip(_OBSERVE_FLOWS, notes[len(_OBSERVE_TURNS) :], strict=True):
            observe(flow, own)

    def _notes(self, trace: int, link: int) -> list[Notes]:
        device = trace, link
        if device in self.devices:
            return self.devices[device]
        if len(self.devices) >= MAX_DEVICES:
            return self._others
        notes = self.devices[device] = [Notes() for _ in _OBSERVERS]
        return notes

    def __add__(self, other: "Learner") -> "Learner":
        """Returns a learner with the notes of both; notes on the same device are added."""
        both = Learner()
        both.records = self.records + other.records
        both._others = _sum(self._others, other._others)
        held = dict(self.devices)
        for device, notes in other.devices.items():
            held[device] = _sum(held[device], notes) if device in held else notes
        for at, device in enumerate(sorted(held)):
            if at < MAX_DEVICES:
                both.devices[device] = held[device]
            else:
                both._others = _sum(both._others, held[device])
        return both

    @property
    def registers(self) -> bool:
        """Whether any register was named in an undamaged frame."""
        at = [_NOTES_OF[name] for name in ("register width", "value length")]
        every = (*self.devices.values(), self._others)
        return any(notes[number].subjects() for notes in every for number in at)

    def answers(self) -> Iterator[Answer]:
        """Returns the answers for all devices together, in the order of the questions."""
        told_apart = [self.devices[device] for device in sorted(self.devices)]
        for question in QUESTIONS:
            at = _NOTES_OF[question.name]
            every = told_apart if question.by_device else [*told_apart, self._others]
            yield from question.answers([notes[at] for notes in every])

    def differences(self) -> Iterator[Difference]:
        """Returns the questions whose shown answers differ between devices."""
        for question in QUESTIONS:
            if question.compares:
                at = _NOTES_OF[question.name]
                yield from _differences(question, {device: self.devices[device][at] for device in sorted(self.devices)})


def _sum(some: list[Notes], more: list[Notes]) -> list[Notes]:
    return [one + other for one, other in zip(some, more, strict=True)]


class _Trace:
    """The state of one trace."""

    def __init__(self, number: int, session_timeout_ns: int) -> None:
        self.number = number
        self.gatherer = Gatherer()
        self.turns = Turns(number, session_timeout_ns)
        self.flows = Flows()


def _differences(question: Question[Any], devices: dict[Device, Notes]) -> Iterator[Difference]:
    shown: dict[str, dict[str, list[Device]]] = {}
    for device, notes in devices.items():
        for answer in question.answers([notes]):
            if answer.reading:
                shown.setdefault(answer.subject, {}).setdefault(answer.reading, []).append(device)
    for subject, readings in shown.items():
        if len(readings) > 1:
            yield Difference(question.name, subject, readings)
