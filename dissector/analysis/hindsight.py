"""Hindsight: holds exchanges back until no event can come that says that octets were missing in them.

A tap's receiver counters are looked at once a second, so a ``missed`` or ``overrun`` event follows the loss by up to
three seconds (docs/link-type.md). The dropped octets of an ``overrun`` event that states them (``unread``) come after
it.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from vtctap.dissector.analysis.exchanges import Exchange
from vtctap.dissector.dissect import Frame
from vtctap.pcap.events import event_words
from vtctap.pcap.record import SECOND_NS, Record

LATENESS_NS: Final = 3 * SECOND_NS
"""How long after a loss its event may come, ns."""
MAX_HELD: Final = 10_000
"""Most exchanges held back, and most losses kept per link: the latest ones."""


class Hindsight:
    """Takes exchanges as they are complete, and returns them when they can be judged, in the same order."""

    def __init__(self) -> None:
        self._held: deque[Exchange] = deque()
        self._losses_ns: dict[int, deque[int]] = {}

    def see(self, record: Record) -> None:
        """Takes the next record: an event may say that what its link's exchanges show is not all that was sent."""
        name, words = event_words(record.event)
        if name == "missed" or (name == "overrun" and "unread" not in words):
            losses = self._losses_ns.setdefault(record.link, deque(maxlen=MAX_HELD))
            losses.append(record.time)
            self._held = deque(_judged(each, record.time) if each.link == record.link else each for each in self._held)

    def feed(self, exchange: Exchange) -> None:
        """Takes the next complete exchange."""
        losses = self._losses_ns.get(exchange.link)
        while losses and exchange.frames and losses[0] < exchange.frames[0].record.time:
            losses.popleft()  # It concerns no later exchange of the link either.
        self._held.append(_judged(exchange, losses[0]) if losses else exchange)

    def ready(self, now_ns: int) -> Iterator[Exchange]:
        """Returns the exchanges that no event can concern at this time of the trace (since 1970 UTC) or later."""
        while self._held and (_end_ns(self._held[0]) + LATENESS_NS < now_ns or len(self._held) > MAX_HELD):
            yield self._held.popleft()

    @property
    def oldest(self) -> int | None:
        """The number of the first record of the exchanges that are held back."""
        return next((exchange.frames[0].number for exchange in self._held if exchange.frames), None)

    def close(self) -> Iterator[Exchange]:
        """Returns the remaining exchanges."""
        yield from self._held


def _judged(exchange: Exchange, lost_ns: int) -> Exchange:
    """Returns the exchange; without its relations, if the loss whose event came then was just before or in it."""
    if not exchange.frames or not exchange.frames[0].record.time <= lost_ns <= _end_ns(exchange) + LATENESS_NS:
        return exchange
    frames = [_alone(frame) for frame in exchange.frames]
    request = frames.pop(0) if exchange.request else None
    return replace(exchange, request=request, responses=tuple(frames), blind=True)


def _end_ns(exchange: Exchange) -> int:
    return exchange.frames[-1].record.end if exchange.frames else 0


def _alone(frame: Frame) -> Frame:
    """Returns a frame without its relations to others."""
    place = frame.place._replace(request_in=None, response_time_ns=None, repeat_of=None, status_token_in=None)
    return replace(frame, place=place)
