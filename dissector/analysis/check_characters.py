"""The rules for check characters of a link: which rule a side follows, and whether it sends any.

Two rules (exclusive or, sum) are in use, and some devices send no check characters. Neither is an error while a meter
or a side keeps to its habit, so a finding is a change of habit.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from vtctap.dissector.analysis.cases import Case, CheckRule, damaged
from vtctap.dissector.analysis.findings import Finding, finding
from vtctap.dissector.dissect import Frame
from vtctap.dissector.protocol.messages import only_rule
from vtctap.dissector.protocol.rules import MessageName
from vtctap.pcap.record import Flag, Sender

MAX_METERS: Final = 1000
"""Most meters per link whose rule is kept."""
HABIT: Final = 20
"""From this many messages without a check character on, with no good one before, a side has the habit of sending
none."""

_Meter = tuple[str, str]
"""Identifies one meter of a link by the best evidence in a session: its address, its identification, or just the
session."""


class CheckRules(CheckRule):
    """Finds a side that changes the rule of its check characters to or from the same meter."""

    by_order = False

    def __init__(self) -> None:
        self._session = 0
        self._meter: _Meter = "session", "0"
        self._rules: dict[tuple[_Meter, Sender], str] = {}

    def feed(self, case: Case) -> Iterator[Finding]:
        """Judges the next case and returns its findings."""
        if case.exchange.session != self._session:
            self._session = case.exchange.session
            self._meter = "session", str(self._session)
        self._allow_another(case)
        for frame in case.exchange.frames:
            self._meter = _meter(frame, self._meter, self._session)
            rule = only_rule(frame.message, frame.record.octets)
            if rule is None:
                continue
            before = self._replace(frame.record.sender, rule)
            if before != rule:
                yield finding("bcc-rule-changed", (frame.number,), f"the check character is by {rule}, not {before}")
        self._allow_another(case)

    def _allow_another(self, case: Case) -> None:
        """Allows for a meter that began to answer during an outage."""
        if case.blind and case.exchange.frames:
            self._meter = "outage", str(case.exchange.frames[-1].number)

    def _replace(self, sender: Sender, rule: str) -> str:
        """Stores a side's rule and returns its previous rule, or the same one where there was none."""
        key = self._meter, sender
        before = self._rules.pop(key, rule)
        self._rules[key] = rule
        if len(self._rules) > 2 * MAX_METERS:
            del self._rules[next(iter(self._rules))]
        return before


def _meter(frame: Frame, before: _Meter, session: int) -> _Meter:
    """Returns the meter that a frame names, or else the meter named ``before``."""
    if frame.name == MessageName.IDRequest:
        address = "" if damaged(frame) else frame.message.address
        return ("address", address) if address else ("session", str(session))
    if frame.name == MessageName.IDResponse and before[0] != "address" and not damaged(frame):
        return "identification", f"{frame.message.id_manufacturer}{frame.message.id_text}"
    return before


@dataclass(slots=True)
class _Side:
    """One side's unreported messages without a check character.

    ``sends``: the side has sent a good check character. ``told``: a finding has said that it sends none.
    """

    sends: bool = False
    told: bool = False
    waiting: list[tuple[int, str]] = field(default_factory=list)
    """The messages' record numbers and names."""


class MissingChecks(CheckRule):
    """Finds a message without a check character from a side that sends them, and, once, a side that sends none."""

    by_order = False

    def __init__(self) -> None:
        self._sides: dict[Sender, _Side] = {}

    @property
    def oldest(self) -> int | None:
        """The number of the first unreported message."""
        return min((side.waiting[0][0] for side in self._sides.values() if side.waiting), default=None)

    def feed(self, case: Case) -> Iterator[Finding]:
        """Judges the next case and returns its findings."""
        for frame in case.exchange.frames:
            status = frame.message.bcc_status
            if status not in ("good", "missing") or not frame.name or frame.record.flags & Flag.CUT:
                continue
            side = self._sides.setdefault(frame.record.sender, _Side())
            if status == "good":
                side.sends = True
            elif not side.told or side.sends:
                side.waiting.append((frame.number, frame.name))
            if side.sends or len(side.waiting) == HABIT:
                yield from _tell(side)

    def close(self) -> Iterator[Finding]:
        """Returns the findings for the remaining messages."""
        for side in self._sides.values():
            yield from _tell(side)


def _tell(side: _Side) -> Iterator[Finding]:
    """Returns the findings for the waiting messages. A single message is no habit."""
    if side.sends or len(side.waiting) < 2:
        for number, name in side.waiting:
            yield finding("bcc-missing", (number,), f"{name} ends without a check character")
    else:
        text = "this side sends no check characters"
        yield finding("bcc-missing", tuple(number for number, _ in side.waiting), text, severity="note")
        side.told = True
    side.waiting.clear()
