"""What a tap's evidence says of its wiring and settings, where it can mean one thing only.

:class:`Hints` is fed with records and the time, and gives each hint once a tap. It prints nothing and has no clock.

What it says, and of what evidence:

- Nothing was heard since the start (:data:`SILENCE`): the tap is not wired, or the link says nothing. Where the other
  tap of the link hears, it is the wiring.
- The first thing heard is a break, and nothing follows (:data:`BREAK`): the receiver sees the line's idle level as a
  start bit, so it is inverted, or has no level at all.
- Parity is steadily wrong, but stop bits are where they belong, so the speed is right and the parity is not. Where the
  bit is always 0, the line has eight bits; where nearly every octet is wrong, the parity is the other one.
- Stop bits are steadily missing: the speed is wrong.
- The driver received octets that never came (a ``missed`` event): another program reads the port.

Silence after traffic, single errors, and errors on a line whose speed is being looked for are no evidence.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from vtctap.pcap.record import Flag, Kind, Record

SILENCE: Final = 10.0
"""Seconds without an octet."""
BREAK: Final = 2.0
"""Seconds in which nothing follows a break."""
WINDOW: Final = 128
"""Octets of which a share is taken: twice as many as the search for the speed begins after."""
STEADY: Final = 0.2
"""Share of wrong octets; a line without parity, of text, has about a half, one at a wrong speed rather more."""
NEARLY_ALL: Final = 0.95
RARE: Final = 0.02

_NOTHING: Final = f"nothing heard for {SILENCE:.0f} s: is the tap wired, is it the right port, does the link talk?"


@dataclass(frozen=True, slots=True)
class _Part:
    """What one record adds: numbers of octets. ``ones``: those whose bit 7 was 1 as received."""

    octets: int
    parity: int
    framing: int
    ones: int


@dataclass(slots=True)
class _Tap:
    name: str
    window: deque[_Part] = field(default_factory=deque)
    heard: int = 0
    good: int = 0
    broken: float | None = None
    """When a break was heard that nothing followed."""
    lost: bool = False
    shared: bool = False
    """Whether another program reads the port."""
    parity: str = "E"
    given: set[str] = field(default_factory=set)


class Hints:
    """The hints for the taps of these names, in the order of their numbers."""

    def __init__(self, names: Sequence[str]) -> None:
        self._taps = [_Tap(name) for name in names]

    def feed(self, record: Record, now: float) -> None:
        """Takes a record that came at ``now`` (seconds since the start)."""
        if record.tap >= len(self._taps):
            return
        tap = self._taps[record.tap]
        if record.kind is Kind.EVENT:
            name = record.event.partition(" ")[0]
            if name == "speed":  # It holds for the link, and one tap reports it.
                for each in self._taps:
                    each.window.clear()
            tap.lost = name == "lost" or (tap.lost and name != "opened")
            tap.shared = tap.shared or name == "missed"
            return
        if not record.octets:
            return
        is_break = bool(record.flags & Flag.BREAK) and not any(record.octets)
        if not is_break:
            tap.broken = None
        elif tap.broken is None and not tap.good:
            tap.broken = now
        tap.heard += len(record.octets)
        tap.good += 0 if is_break else len(record.octets) - len(record.framing_errors)
        self._add(tap, record)

    def _add(self, tap: _Tap, record: Record) -> None:
        ones = 0
        if record.line and record.line.has_parity:
            wrong = set(record.parity_errors)
            odd = record.line.parity == "O"
            tap.parity = record.line.parity
            ones = sum((octet.bit_count() + odd + (at in wrong)) & 1 for at, octet in enumerate(record.octets))
        part = _Part(len(record.octets), len(record.parity_errors), len(record.framing_errors), ones)
        tap.window.append(part)
        while len(tap.window) > 1 and sum(part.octets for part in tap.window) - tap.window[0].octets >= WINDOW:
            tap.window.popleft()

    def advise(self, now: float) -> list[str]:
        """The hints that are due at ``now`` and were not given before."""
        found = [self._once(tap, *hint) for tap in self._taps if not tap.lost for hint in _line_hints(tap, now)]
        silent = [tap for tap in self._taps if not tap.heard and not tap.lost] if now >= SILENCE else []
        all_are = len(silent) == len(self._taps)
        for tap in silent:
            text = _NOTHING if all_are else "nothing heard on this tap, but on another: is this one wired?"
            found.append(self._once(tap, f"silence {all_are}", text))
        return [hint for hint in found if hint]

    def _once(self, tap: _Tap, cause: str, text: str) -> str | None:
        if cause in tap.given:
            return None
        tap.given.add(cause)
        return f"{tap.name}: {text}"


def _line_hints(tap: _Tap, now: float) -> list[tuple[str, str]]:
    """Cause and text of what the tap's last octets say."""
    if tap.shared:
        return [("shared", f"octets are missing: another program reads this port; 'fuser -v {tap.name}' names it")]
    if tap.broken is not None:
        if now - tap.broken < BREAK:
            return []
        return [("break", "the line is in a continuous break: inverted, or at the wrong level?")]
    octets = sum(part.octets for part in tap.window)
    if octets < WINDOW:
        return []
    framing = sum(part.framing for part in tap.window) / octets
    parity = sum(part.parity for part in tap.window) / octets
    if framing >= STEADY:
        return [("framing", "stop bits are missing all the time: another speed? '--speed auto' finds it")]
    if parity < STEADY or framing > RARE:
        return []
    if not any(part.ones for part in tap.window):
        return [("parity", "the parity bit is always 0: a line of eight bits? '--line 8N1' reads it")]
    if parity >= NEARLY_ALL:
        other = "even parity? '--line 7E1'" if tap.parity == "O" else "odd parity? '--line 7O1'"
        return [("parity", f"the parity of nearly all octets is wrong: {other} reads it")]
    return [("parity", "the parity is wrong all the time: another speed? '--speed auto' finds it")]
