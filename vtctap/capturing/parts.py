"""What takes the records of a running capture: a chain of parts, each with one job and the same three verbs.

    counts -> outages, advice, status line -> trigger -> overflow -> recording -> printing -> ending

Each part gives what goes on to the next one: most give what they were given; the trigger holds records back, the
overflow leaves some out. So a part can be left out, and can be tried alone.
"""

from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from vtctap.pcap.capture_file import Interface
    from vtctap.pcap.record import Record


class Part(Protocol):
    """One part of a chain."""

    def open(self, taps: "Sequence[Interface]") -> None:
        """The capture begins, with these taps. Raises where the part cannot do its job."""

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """Takes the next record; gives what goes on to the next part: none, one, or those that were held back, too.

        Without a record, time has passed. ``now`` is in seconds, of a clock that is never set.
        """

    def close(self) -> None:
        """The capture has ended."""


class Passive:
    """A part that lets everything pass; a base for parts that have no use for one of the verbs."""

    def open(self, taps: "Sequence[Interface]") -> None:
        """See :meth:`Part.open`."""

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`Part.feed`."""
        return records

    def close(self) -> None:
        """See :meth:`Part.close`."""


class Chain:
    """Parts, in order. A context manager: inside, and after :meth:`open`, records can be fed."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._opened: list[Part] = []

    def open(self, taps: "Sequence[Interface]") -> None:
        """Opens each part. Where one cannot be opened, those behind it are not."""
        for part in self._parts:
            part.open(taps)
            self._opened.append(part)

    def feed(self, records: "Sequence[Record]", now: float) -> None:
        """Feeds each part with what the one before it lets through."""
        for part in self._opened:
            records = part.feed(records, now)

    def close(self) -> None:
        """Closes each part that was opened. Raises what the first raises that cannot be closed properly, once all have
        been closed."""
        opened, self._opened = self._opened, []
        failed: Exception | None = None
        for part in opened:
            try:
                part.close()
            except Exception as error:
                failed = failed or error
        if failed:
            raise failed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        with suppress(Exception):  # What went wrong first is what there is to say.
            self.close()
