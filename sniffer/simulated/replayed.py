"""A device that says again what one side of a trace said, to whoever answers. Sans-IO; no clock.

It takes turns with its partner. Its own turn begins when the partner's has ended, after the pause that the trace has
there. The partner's turn ends when it has said as many octets as in the trace; if it says fewer, when it has then been
silent for :data:`QUIET`; if it says nothing, after the time that the trace has and :data:`PATIENCE`. Only a client is
so impatient: a server waits for its client for ever.

Limits: what the partner says is compared with the trace and counted, but changes nothing of what is said next.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vtctap.sniffer.simulated.machine import MS, Action, ChangeSpeed, Done, Send

QUIET: Final = 300 * MS
"""ns; a partner that is silent for as long in the middle of its turn has ended it."""
PATIENCE: Final = 2_000 * MS
"""ns; so much longer than in the trace a partner may take to begin."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side said without a word of the other: its octets, when it began and ended (ns), and the speed (bit/s,
    0 = unknown) at its beginning."""

    own: bool
    octets: bytes
    start: int
    end: int
    speed: int


class ReplayedMachine:
    """Plays the turns of one side; ``waits`` says that it waits for its partner for ever. ``mask`` is what counts of an
    octet that is compared: 7Fh leaves the parity bit out."""

    def __init__(self, turns: Iterable[Turn], *, waits: bool, mask: int = 0xFF) -> None:
        self._turns = list(turns)
        self._waits = waits
        self._mask = mask
        self._at = 0
        self._speed = next((turn.speed for turn in self._turns if turn.speed), 0)
        self._heard = bytearray()
        self._sending = False
        self._since: int | None = None
        """When the turn before ended; None before the first."""
        self._latest: int | None = None
        """When the partner's last octet of its turn came."""
        self.heard = self.same = 0
        """Turns in which the partner said something, and those in which it said what it says in the trace."""

    def feed(self, octet: int, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        turn = self._turn
        if turn is None or turn.own:
            return []  # Out of turn: nothing in the trace answers it.
        self._heard.append(octet)
        self._latest = now
        return self._end_theirs(turn, now) if len(self._heard) >= len(turn.octets) else []

    def sent(self, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        self._sending = False
        return self._next(now)

    def wake_at(self) -> int | None:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        turn = self._turn
        if turn is None or self._sending:
            return None
        if turn.own:
            return self._since or 0
        if self._latest is not None:
            return self._latest + QUIET
        if self._waits or self._since is None:
            return None
        return self._since + turn.end - self._turns[self._at - 1].end + PATIENCE

    def timeout(self, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        turn = self._turn
        if turn is None or self._sending:
            return []
        if turn.own:
            return self._say(turn, now if self._since is None else self._since, now)
        return self._end_theirs(turn, now)

    @property
    def has_part(self) -> bool:
        """Whether the trace has anything to say for this side."""
        return any(turn.own for turn in self._turns)

    @property
    def expected(self) -> int:
        """The partner's turns in the trace."""
        return sum(not turn.own for turn in self._turns)

    @property
    def _turn(self) -> Turn | None:
        return self._turns[self._at] if self._at < len(self._turns) else None

    def _end_theirs(self, turn: Turn, now: int) -> list[Action]:
        heard = bytes(octet & self._mask for octet in self._heard)
        self.heard += bool(heard)
        self.same += heard == bytes(octet & self._mask for octet in turn.octets)
        ended = now if self._latest is None else self._latest
        self._heard.clear()
        self._latest = None
        actions = self._next(ended)
        following = self._turn
        return actions + (self._say(following, ended, now) if following and following.own else [])

    def _say(self, turn: Turn, ended: int, now: int) -> list[Action]:
        """An own turn, after the trace's pause since the turn before, which ended at ``ended``."""
        self._sending = True
        pause = turn.start - self._turns[self._at - 1].end if self._at else 0
        return [Send(turn.octets, max(ended + pause - now, 0))]

    def _next(self, ended: int) -> list[Action]:
        """What is to be done when a turn has ended at ``ended``."""
        self._at += 1
        self._since = ended
        turn = self._turn
        if turn is None:
            return [Done()]
        if not turn.speed or turn.speed == self._speed:
            return []
        self._speed = turn.speed
        return [ChangeSpeed(turn.speed)]
