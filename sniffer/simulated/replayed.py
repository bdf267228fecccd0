"""A device that sends what one side of a trace sent, to any partner. It has no I/O and no clock.

It takes turns with its partner. Its own turn begins after the partner's, with the pause of the trace. The partner's
turn ends after as many octets as in the trace. If the partner sends fewer, its turn ends after a silence of
:data:`QUIET_NS`; if it sends none, after the time that the trace gives it and :data:`PATIENCE_NS`. If the trace begins
with the partner, that time counts from the first call of :meth:`ReplayedMachine.timeout`. Only a client stops waiting:
a server waits for its client without a limit.

Limits: the partner's octets are compared with the trace and counted, but do not change what is sent next.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from vtctap.sniffer.simulated.machine import MS, Action, ChangeSpeed, Done, Send

QUIET_NS: Final = 300 * MS
"""Silence that ends a partner's unfinished turn."""
PATIENCE_NS: Final = 2_000 * MS
"""Longest delay of a partner's turn beyond that of the trace."""


@dataclass(frozen=True, slots=True)
class ReplayedTurn:
    """Octets that one side sent while the other was silent, with their start and end (ns).

    ``speed`` (bit/s, 0 = unknown) is that of the start.
    """

    own: bool
    octets: bytes
    start: int
    end: int
    speed: int


class ReplayedMachine:
    """Plays the turns of one side.

    ``waits``: it waits for its partner without a limit. ``mask`` selects the bits of an octet that are compared: 7Fh
    leaves out the parity bit.
    """

    def __init__(self, turns: Iterable[ReplayedTurn], *, waits: bool, mask: int = 0xFF) -> None:
        self._turns = list(turns)
        self._waits = waits
        self._mask = mask
        self._at = 0
        self._speed = next((turn.speed for turn in self._turns if turn.speed), 0)
        self._heard = bytearray()
        self._sending = False
        self._since: int | None = None
        """The end of the previous turn, or when the wait for the first one began; None before that."""
        self._latest: int | None = None
        """When the last octet of the partner's turn arrived."""
        self.heard = self.same = 0
        """Number of turns in which the partner sent anything, and of those that were as in the trace."""

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
            return self._latest + QUIET_NS
        if self._waits:
            return None
        if self._since is None:
            return 0  # The time is not known yet: timeout() tells when the wait begins.
        before = self._turns[self._at - 1].end if self._at else turn.start
        return self._since + turn.end - before + PATIENCE_NS

    def timeout(self, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        turn = self._turn
        if turn is None or self._sending:
            return []
        if turn.own:
            return self._say(turn, now if self._since is None else self._since, now)
        if self._since is None and self._latest is None:
            self._since = now
            return []
        return self._end_theirs(turn, now)

    @property
    def has_part(self) -> bool:
        """Whether the trace has any octets of this side."""
        return any(turn.own for turn in self._turns)

    @property
    def expected(self) -> int:
        """Number of the partner's turns in the trace."""
        return sum(not turn.own for turn in self._turns)

    @property
    def _turn(self) -> ReplayedTurn | None:
        return self._turns[self._at] if self._at < len(self._turns) else None

    def _end_theirs(self, turn: ReplayedTurn, now: int) -> list[Action]:
        heard = bytes(octet & self._mask for octet in self._heard)
        self.heard += bool(heard)
        self.same += heard == bytes(octet & self._mask for octet in turn.octets)
        ended = now if self._latest is None else self._latest
        self._heard.clear()
        self._latest = None
        actions = self._next(ended)
        following = self._turn
        return actions + (self._say(following, ended, now) if following and following.own else [])

    def _say(self, turn: ReplayedTurn, ended: int, now: int) -> list[Action]:
        """Sends a turn after the trace's pause since the previous turn, which ended at ``ended``."""
        self._sending = True
        pause = turn.start - self._turns[self._at - 1].end if self._at else 0
        return [Send(turn.octets, max(ended + pause - now, 0))]

    def _next(self, ended: int) -> list[Action]:
        """Goes on to the next turn; the last one ended at ``ended``."""
        self._at += 1
        self._since = ended
        turn = self._turn
        if turn is None:
            return [Done()]
        if not turn.speed or turn.speed == self._speed:
            return []
        self._speed = turn.speed
        return [ChangeSpeed(turn.speed)]
