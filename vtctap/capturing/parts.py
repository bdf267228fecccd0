"""The chain of parts that process the records of a running capture, each with one job and the same three methods.

    remainder -> counts -> outages, advice, status line -> trigger -> overflow -> hashing -> recording -> printing
    -> ending -> notifying

Each part returns the records for the next one. Most parts return what they got; the trigger holds records back, and the
remainder and the overflow leave some out. So a part can be left out of the chain, and can be tested alone.
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
        """Begins the capture with these taps. Raises an error if the part cannot do its job."""

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """Takes the next records, and returns the records for the next part: none, these, or held ones as well.

        A call without records tells the part that time has passed. ``now`` is in seconds, of a monotonic clock.
        """

    def close(self) -> None:
        """Ends the capture."""


class Passive:
    """A part that passes on every record: the base class of parts that do not need all three methods."""

    def open(self, taps: "Sequence[Interface]") -> None:
        """See :meth:`Part.open`."""

    def feed(self, records: "Sequence[Record]", now: float) -> "Sequence[Record]":
        """See :meth:`Part.feed`."""
        return records

    def close(self) -> None:
        """See :meth:`Part.close`."""


class Chain:
    """Parts, in order. A context manager, which closes the parts; call :meth:`open` before :meth:`feed`."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._opened: list[Part] = []

    def open(self, taps: "Sequence[Interface]") -> None:
        """Opens the parts in order, and stops at the first that cannot be opened."""
        for part in self._parts:
            part.open(taps)
            self._opened.append(part)

    def feed(self, records: "Sequence[Record]", now: float) -> None:
        """Feeds each part with the records that the previous one returns."""
        for part in self._opened:
            records = part.feed(records, now)

    def close(self) -> None:
        """Closes every part that was opened, and then raises the first error that occurred."""
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
        with suppress(Exception):  # The first error is the one to report.
            self.close()
