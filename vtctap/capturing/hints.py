"""Hints about wiring and port settings, given where the received octets allow one explanation only.

:class:`Hints` takes records and the time, and gives each hint once per tap. It prints nothing and reads no clock.

The evidence, and the hint that follows from it:

- No octet since the start (:data:`SILENCE`): the tap is not wired, or the link is silent. If the other tap of the link
  receives octets, the wiring is at fault.
- The first thing received is a break, and nothing follows (:data:`BREAK`): the receiver takes the idle level of the
  line for a start bit, so the line is inverted or has no level at all.
- Steady parity errors without framing errors: the speed is right and the parity setting is wrong. If the parity bit is
  always 0, the line has eight data bits; if nearly every octet has a parity error, the parity is the opposite one.
- Steady framing errors: the speed is wrong.
- Noise belongs to another protocol, or is text on an inverted line (:mod:`~vtctap.dissector.protocol.foreign`).
- Requests come from the server's tap alone and answers from the client's
  (:mod:`~vtctap.dissector.protocol.swapped`): the taps are swapped.
- The driver received octets that vtctap did not get (a ``missed`` event): another program reads the port.

Silence after traffic, single errors, and errors during a search for the speed are not evidence.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from vtctap.dissector.framing.framed import message_of
from vtctap.dissector.pairing import is_damaged
from vtctap.dissector.protocol.characters import received
from vtctap.dissector.protocol.foreign import HINTS, look
from vtctap.dissector.protocol.swapped import SWAPPED, Swapped
from vtctap.pcap.events import event_name
from vtctap.pcap.record import Flag, Kind, Record

SILENCE: Final = 10.0
"""Seconds without an octet after which a tap counts as silent."""
BREAK: Final = 2.0
"""Seconds without an octet after a break that make the break continuous."""
WINDOW: Final = 128
"""Octets over which error rates are computed: twice the number after which the search for the speed begins."""
STEADY: Final = 0.2
"""Share of octets with an error that counts as steady. Text without parity gives about one half, a wrong speed more."""
NEARLY_ALL: Final = 0.95
RARE: Final = 0.02

_NOTHING: Final = f"nothing heard for {SILENCE:.0f} s: is the tap wired, is it the right port, does the link talk?"


@dataclass(frozen=True, slots=True)
class _Part:
    """Numbers of octets in one record: all, with a parity error, with a framing error, and (``ones``) with bit 7 set
    as received."""

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
    """When a break came that no octet has followed; seconds."""
    lost: bool = False
    shared: bool = False
    """Whether another program reads the port, too."""
    parity: str = "E"
    seems: str | None = None
    """What the noise looks like."""
    given: set[str] = field(default_factory=set)


class Hints:
    """Collects evidence for each tap; ``names`` are the taps' names, by tap number."""

    def __init__(self, names: Sequence[str]) -> None:
        self._taps = [_Tap(name) for name in names]
        self._links: dict[int, Swapped] = {}

    def feed(self, record: Record, now: float) -> None:
        """Takes a record that was received at ``now`` (seconds since the start)."""
        if record.tap >= len(self._taps):
            return
        tap = self._taps[record.tap]
        if record.kind is Kind.EVENT:
            name = event_name(record.event)
            if name == "speed":  # One tap reports a change of speed for the whole link.
                for each in self._taps:
                    each.window.clear()
            tap.lost = name == "lost" or (tap.lost and name != "opened")
            tap.shared = tap.shared or name == "missed"
            return
        if not record.octets:
            return
        self._hear(record)
        if record.kind is Kind.NOISE and not tap.seems:
            tap.seems = look(received(record))
        is_break = bool(record.flags & Flag.BREAK) and not any(record.octets)
        if not is_break:
            tap.broken = None
        elif tap.broken is None and not tap.good:
            tap.broken = now
        tap.heard += len(record.octets)
        tap.good += 0 if is_break else len(record.octets) - len(record.framing_errors)
        self._add(tap, record)

    def _hear(self, record: Record) -> None:
        """Takes the message of a frame as evidence of whose wire the tap is on."""
        if record.kind is not Kind.FRAME or record.inferred or record.flags & Flag.ECHO:
            return
        message = message_of(record)
        if message.message and not is_damaged(record, message):
            self._links.setdefault(record.link, Swapped()).feed(record.sender, message.message)

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
        """Returns the hints that are due at ``now`` (seconds) and were not given before."""
        found = [self._once(tap, *hint) for tap in self._taps if not tap.lost for hint in _line_hints(tap, now)]
        found += [
            self._once(self._taps[0], f"swapped {link}", SWAPPED) for link, heard in self._links.items() if heard.holds
        ]
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
    """Returns cause and text of each hint that the tap's last octets give."""
    if tap.shared:
        return [("shared", f"octets are missing: another program reads this port; 'fuser -v {tap.name}' names it")]
    if tap.seems:
        return [(tap.seems, HINTS[tap.seems])]
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
