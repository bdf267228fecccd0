"""Exchanges and sessions: a trace's frames, grouped by who answers whom.

An exchange is a request and what the server sent until the client spoke again; a session is its exchanges, from sign-on
to break or silence. Who answers and who repeats is said by each frame's :class:`~vtctap.dissector.pairing.Place`; here
it is only gathered. Events, noise and echoes are in none. What is held is one exchange a link, by :func:`sessions` one
session.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from vtctap.dissector.dissect import Dissection, Frame, dissections
from vtctap.dissector.profiles.files import Profile
from vtctap.pcap.record import Flag, Record, Sender

MAX_RESPONSES: Final = 1000
"""Most messages that answer one request; what the server sends beyond that counts as unasked."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what answers it.

    ``request`` is None where the server spoke unasked: each of its messages is an exchange then. ``responses`` is empty
    where nothing came, and holds more than one frame where the server went on (an identification and the readout that
    follows it, or a frame that did not fit into one record; the later records of a request are left out). ``session``
    is ``vtc.session``, ``link`` is ``vtc.link``.
    """

    session: int
    link: int
    request: Frame | None
    responses: tuple[Frame, ...]

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The request and what answers it, in order."""
        return (self.request, *self.responses) if self.request else self.responses

    @property
    def response(self) -> Frame | None:
        """The frame that answers the request, None where there is none."""
        first = self.responses[0] if self.responses else None
        return first if first and first.place.request_in else None

    @property
    def response_time(self) -> float | None:
        """From the end of the request to the start of its answer, seconds; None where it cannot be known."""
        time_ns = self.response.place.response_time_ns if self.response else None
        return None if time_ns is None else time_ns / 1e9

    @property
    def repeat_of(self) -> int | None:
        """The number of the record that the request repeats."""
        return self.request.place.repeat_of if self.request else None


@dataclass(frozen=True, slots=True)
class Session:
    """A session: ``vtc.session``, the link, and its exchanges in order."""

    number: int
    link: int
    exchanges: tuple[Exchange, ...]

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The frames of its exchanges, in order."""
        return tuple(frame for exchange in self.exchanges for frame in exchange.frames)


@dataclass(slots=True)
class _Open:
    """The exchange that a link is in."""

    session: int
    request: Frame | None
    responses: list[Frame] = field(default_factory=list)

    def done(self, link: int) -> Exchange:
        return Exchange(self.session, link, self.request, tuple(self.responses))


class Gatherer:
    """Gathers exchanges from dissections that are told in order."""

    def __init__(self) -> None:
        self._links: dict[int, _Open] = {}

    def feed(self, dissection: Dissection) -> Exchange | None:
        """The exchange that this record shows to be complete."""
        record = dissection.record
        if not isinstance(dissection, Frame) or record.flags & Flag.ECHO:
            return None
        session, from_client = dissection.place.session, record.sender is Sender.CLIENT
        before = self._links.get(record.link)
        asks = from_client and bool(dissection.name)
        if before and before.session == session and not asks:
            if from_client:
                return None
            if not dissection.name or (before.request and len(before.responses) < MAX_RESPONSES):
                before.responses.append(dissection)
                return None
        responses = [] if from_client else [dissection]
        self._links[record.link] = _Open(session, dissection if asks else None, responses)
        return before.done(record.link) if before else None

    @property
    def oldest(self) -> int | None:
        """The number of the first record of the exchanges that are open."""
        firsts = (held.request or held.responses[0] for held in self._links.values() if held.request or held.responses)
        return min((first.number for first in firsts), default=None)

    def close(self) -> list[Exchange]:
        """The exchanges that the end of the trace leaves open, one a link."""
        return [last.done(link) for link, last in self._links.items()]


def exchanges(records: Iterable[Record | Dissection], profile: Profile | None = None) -> Iterator[Exchange]:
    """The exchanges of a trace, each once it is complete: on each link in order.

    ``records`` are what :func:`vtctap.open` gives, dissected with ``profile`` (the trace's own), or their dissections.
    """
    gatherer = Gatherer()
    for dissection in dissections(records, profile):
        exchange = gatherer.feed(dissection)
        if exchange:
            yield exchange
    yield from gatherer.close()


def sessions(records: Iterable[Record | Dissection], profile: Profile | None = None) -> Iterator[Session]:
    """The sessions of a trace, each once it has ended; the arguments are those of :func:`exchanges`."""
    links: dict[int, list[Exchange]] = {}
    for exchange in exchanges(records, profile):
        held = links.setdefault(exchange.link, [])
        if held and held[0].session != exchange.session:
            yield _session(held)
            links[exchange.link] = held = []
        held.append(exchange)
    for held in links.values():
        yield _session(held)


def _session(held: list[Exchange]) -> Session:
    return Session(held[0].session, held[0].link, tuple(held))
