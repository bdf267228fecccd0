"""Strides: steps of the grammar that its table decides alone, many octets at a time.

A walk (:mod:`~vtctap.dissector.framing.walker`) takes a step for each octet. Most octets are text, which leaves a state
as it is: a regular expression made from the grammar's table passes over them. Where more than the table decides, a
stride ends, and the walk goes on. The expression also passes over a line end in a block, which leaves its state for one
octet or two.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from vtctap.dissector.framing.grammar import BOUNDED, CLASSES, SETTLED, TABLE, FramingState, Step
from vtctap.dissector.framing.walker import MAX_IDENTIFICATION
from vtctap.dissector.protocol import foreign
from vtctap.pcap.record import MAX_OCTETS

_LONGEST: Final = [MAX_IDENTIFICATION if state in BOUNDED else MAX_OCTETS for state in FramingState]
"""Most octets that may be open in each state."""
_MAX_DETOUR: Final = 3
"""Most octets of a detour: of a Telegram, a line end and the octet after it."""


def _adding(state: FramingState, then: FramingState) -> bytes:
    """Returns a pattern of the octets that are added and lead from a state to another; empty where none does."""
    kinds = {kind for kind, step in enumerate(TABLE[state]) if step == (Step.ADD, then)}
    values = bytes(value for value in range(256) if CLASSES[value] in kinds)
    return b"[" + re.escape(values) + b"]" if values else b""


def _detours(state: FramingState, home: FramingState, most: int) -> Iterator[bytes]:
    """Returns patterns of the octets that lead from a state back to ``home``, over other states with the same limit in
    which no message is settled."""
    if (back := _adding(state, home)) and state is not home:
        yield back
    for then in {then for step, then in TABLE[state] if step is Step.ADD} if most > 1 else ():
        if then not in (state, home) and then not in SETTLED and _LONGEST[then] == _LONGEST[home]:
            yield from (_adding(state, then) + rest for rest in _detours(then, home, most - 1))


def _passed_over(state: FramingState) -> re.Pattern[bytes] | None:
    """Matches the octets that leave a state as it is, and those that leave it and return to it; None where no octet
    leaves it as it is."""
    stays = _adding(state, state)
    if not stays:
        return None
    return re.compile(b"(?:" + b"|".join((stays + b"++", *sorted(_detours(state, state, _MAX_DETOUR)))) + b")*+")


_PASSED_OVER: Final = [_passed_over(state) for state in FramingState]


_NOISE: Final = re.compile(
    b"["
    + re.escape(
        bytes(
            value
            for value in range(256)
            if TABLE[FramingState.IDLE][CLASSES[value]][0] is Step.NOISE and value not in foreign.LAST
        )
    )
    + b"]*"
)
"""Matches octets that continue noise, whatever they follow: they begin no message, and end no foreign frame's head."""


def end_of_noise(octets: bytes, at: int, most: int) -> int:
    """Returns the end of the octets from a position on, at most so many, that continue noise before it."""
    found = _NOISE.match(octets, at, at + most)
    return found.end() if found else at


class Stride(NamedTuple):
    """How far the octets are added to what is open: up to ``end``, with the ``state`` and the number of ``settled``
    octets there. ``step`` is the one of the octet at ``end``; None where the stride ends before it for its length, or
    no octet is left."""

    end: int
    state: FramingState
    settled: int
    step: Step | None


def stride(octets: bytes, at: int, state: FramingState, count: int, settled: int) -> Stride:
    """Returns the stride from a position on, with ``count`` octets open, of which ``settled`` are a message."""
    begun = at - count
    while at < len(octets):
        step, then = TABLE[state][CLASSES[octets[at]]]
        if step is not Step.ADD:
            return Stride(at, state, settled, step)
        longest = begun + _LONGEST[then]
        if at >= longest:
            break
        state, at = then, at + 1
        plain = _PASSED_OVER[then]
        if plain and (passed := plain.match(octets, at, longest)):
            at = passed.end()
        if then in SETTLED:
            settled = at - begun
    return Stride(at, state, settled, None)
