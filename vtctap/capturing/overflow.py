"""Drops records while the reader of a piped trace stalls, and writes events that say so.

The ports must be read without a pause, so a trace that goes to a pipe is buffered in memory while its reader stalls, up
to a limit (:data:`vtctap.capturing.recording.HELD`). Records beyond the limit are dropped. As after a receiver overrun,
an ``overrun`` event then states the number of dropped octets of each tap, and the tap's next record has the flag.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Protocol

from vtctap.capturing.parts import Passive
from vtctap.pcap.record import Flag, Kind, Record

if TYPE_CHECKING:
    from collections import Counter

_ROOM: Final = 512
"""Most octets that a record needs in the trace in addition to its own octets."""


class Roomy(Protocol):
    """A recording with a limited buffer: :class:`~vtctap.capturing.recording.PipeRecording`."""

    drops: "Counter[int]"

    def has_room(self, octets: int) -> bool:
        """Returns whether this number of octets fits into the buffer."""


class Overflow(Passive):
    """Drops records while ``recording`` has no room for them, and adds their octets to its ``drops``.

    ``say`` shows a message to the user.
    """

    def __init__(self, recording: Roomy, say: Callable[[str], None]) -> None:
        self._recording = recording
        self._say = say
        self._stalls = False
        self._lost: dict[int, tuple[Record, int]] = {}
        self._flag: set[int] = set()

    def feed(self, records: Sequence[Record], now: float) -> Sequence[Record]:
        """See :meth:`~vtctap.capturing.parts.Part.feed`."""
        return [one for record in records for one in self._let_through(record)]

    def _let_through(self, record: Record) -> list[Record]:
        # Events are always kept: they are few and small, and the last of them state what was dropped.
        if record.kind is not Kind.EVENT and not self._has_room(record):
            self._leave_out(record)
            return []
        told = [_overrun(*lost) for lost in self._lost.values()]
        self._flag |= self._lost.keys()
        self._lost.clear()
        if self._stalls and self._has_room(record):
            self._stalls = False
            self._say("the trace is read again")
        if record.kind is not Kind.EVENT and record.tap in self._flag:
            self._flag.remove(record.tap)
            record = replace(record, flags=record.flags | Flag.OVERRUN)
        return [*told, record]

    def _has_room(self, record: Record) -> bool:
        return self._recording.has_room(4 * len(record.octets) + _ROOM)

    def _leave_out(self, record: Record) -> None:
        if not self._stalls:
            self._stalls = True
            self._say("the reader of the trace stalls and the buffer is full: records are lost until it reads again")
        first, octets = self._lost.get(record.tap, (record, 0))
        self._lost[record.tap] = first, octets + len(record.octets)
        self._recording.drops[record.tap] += len(record.octets)


def _overrun(first: Record, octets: int) -> Record:
    """Returns the event for the dropped octets of a tap, at the time of the first of them."""
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
