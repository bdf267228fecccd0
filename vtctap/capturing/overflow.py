"""What a pipe that nobody reads has no room for: records are left out, and events say so.

A trace that goes to a pipe is held in memory while its reader stalls, up to a limit
(:data:`vtctap.capturing.recording.HELD`), for the ports have to be read on. What comes after that is lost, as it is
where a receiver overruns: once there is room again, an ``overrun`` event states how many octets of which tap were left
out, and the tap's next record has the flag.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from vtctap.capturing.parts import Passive
from vtctap.pcap.record import Flag, Kind, Record

if TYPE_CHECKING:
    from collections import Counter

_ROOM: Final = 512
"""Octets that a record may need in the trace beside those that it holds."""


class Roomy(Protocol):
    """What has room for so many octets, or not: :class:`~vtctap.capturing.recording.PipeRecording`."""

    drops: "Counter[int]"

    def has_room(self, octets: int) -> bool:
        """Whether so many octets can be held."""


class Overflow(Passive):
    """Leaves records out while ``recording`` has no room for them, and adds their octets to its ``drops``.

    ``say`` tells whoever looks on.
    """

    def __init__(self, recording: Roomy, say: Callable[[str], None]) -> None:
        self._recording = recording
        self._say = say
        self._lost: dict[int, tuple[Record, int]] = {}
        self._flag: set[int] = set()

    def feed(self, records: Sequence[Record], now: float) -> Sequence[Record]:
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        return [one for record in records for one in self._let_through(record)]

    def _let_through(self, record: Record) -> list[Record]:
        # Events are few and small, and the last of them close the account: they are held in any case.
        if record.kind is not Kind.EVENT and not self._recording.has_room(4 * len(record.octets) + _ROOM):
            self._leave_out(record)
            return []
        told = [_overrun(*lost) for lost in self._lost.values()]
        self._flag |= self._lost.keys()
        self._lost.clear()
        if told:
            self._say("the trace is read again")
        if record.kind is not Kind.EVENT and record.tap in self._flag:
            self._flag.remove(record.tap)
            record = replace(record, flags=record.flags | Flag.OVERRUN)
        return [*told, record]

    def _leave_out(self, record: Record) -> None:
        if not self._lost:
            self._say("the trace is not read: no more is held for its reader, and what comes now is lost")
        first, octets = self._lost.get(record.tap, (record, 0))
        self._lost[record.tap] = first, octets + len(record.octets)
        self._recording.drops[record.tap] += len(record.octets)


def _overrun(first: Record, octets: int) -> Record:
    """The event for octets of a tap that were left out; it stands where the first of them would."""
    return Record(
        first.time,
        kind=Kind.EVENT,
        sender=first.sender,
        link=first.link,
        tap=first.tap,
        line=first.line,
        speed=first.speed,
        event=f"overrun unread={octets}",
    )
