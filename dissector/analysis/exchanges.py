"""Exchanges and sessions: groups a trace's frames into requests with their answers.

An exchange is a request and everything that the server sent until the client's next frame; a session holds its
exchanges from sign-on to break or silence. Each frame's :class:`~vtctap.dissector.pairing.Place` says what it answers
or repeats; this module only gathers. Events, noise and echoes belong to no exchange. Memory holds one exchange per
link; :func:`sessions` holds one session per link.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from vtctap.dissector.dissect import Dissection, Frame, Item, dissections
from vtctap.dissector.outages import Outages
from vtctap.dissector.profiles.model import Profile
from vtctap.pcap.record import Flag, Sender

MAX_RESPONSES: Final = 1000
"""Most messages that answer one request; the server's further messages count as unasked."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answers.

    ``request`` is None where the server sent without one; each such message is an exchange of its own. ``responses`` is
    empty where nothing came, and holds several frames where the server continued (an identification and its readout, or
    a frame that did not fit into one record). The later records of a request are left out. ``session`` is
    ``vtc.session``, ``link`` is ``vtc.link``. ``blind`` says that a tap of the link had an outage before the client's
    next frame, so that more may have been sent than the trace shows.
    """

    session: int
    link: int
    request: Frame | None
    responses: tuple[Frame, ...]
    blind: bool = False

    @property
    def frames(self) -> tuple[Frame, ...]:
        """The request and its answers, in order."""
        return (self.request, *self.responses) if self.request else self.responses

    @property
    def response(self) -> Frame | None:
        """The frame that answers the request, None where there is none."""
        first = self.responses[0] if self.responses else None
        return first if first and first.place.request_in else None

    @property
    def response_time(self) -> float | None:
        """Seconds from the end of the request to the start of its answer, None where unknown."""
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
    """The current exchange of a link."""

    session: int
    request: Frame | None
    responses: list[Frame] = field(default_factory=list)
    blind: bool = False

    def done(self, link: int) -> Exchange:
        return Exchange(self.session, link, self.request, tuple(self.responses), self.blind)


class Gatherer:
    """Gathers exchanges from dissections that are fed in order."""

    def __init__(self) -> None:
        self._links: dict[int, _Open | None] = {}
        self._outages = Outages()

    def feed(self, dissection: Dissection) -> Exchange | None:
        """Takes the next dissection and returns the exchange that it completes, if any."""
        record = dissection.record
        before = self._links.get(record.link)
        if self._outages.feed(record) and before:
            before.blind = True
        if not isinstance(dissection, Frame) or record.flags & Flag.ECHO:
            return None
        session, from_client = dissection.place.session, record.sender is Sender.CLIENT
        asks = from_client and bool(dissection.name)
        if before and before.session == session and not asks:
            if from_client:
                return None
            if not dissection.name or (before.request and len(before.responses) < MAX_RESPONSES):
                before.responses.append(dissection)
                return None
        responses = [] if from_client else [dissection]
        self._links[record.link] = _Open(
            session, dissection if asks else None, responses, record.link in self._outages.away
        )
        return before.done(record.link) if before else None

    def asked(self, link: int) -> bool:
        """Whether the current exchange of a link has a request."""
        before = self._links.get(link)
        return bool(before and before.request)

    def complete(self, link: int) -> Exchange | None:
        """Ends the current exchange of a link, and returns it; None where there is none."""
        before = self._links.get(link)
        if before is None:
            return None
        self._links[link] = None
        return before.done(link)

    @property
    def oldest(self) -> int | None:
        """The number of the first record of the open exchanges."""
        firsts = (held.request or next(iter(held.responses), None) for held in self._links.values() if held)
        return min((first.number for first in firsts if first), default=None)

    def close(self) -> list[Exchange]:
        """Returns the exchanges still open at the end of the trace, one per link."""
        return [last.done(link) for link, last in self._links.items() if last]


def exchanges(records: Iterable[Item], profile: Profile | None = None) -> Iterator[Exchange]:
    """Returns the exchanges of a trace, each as soon as it is complete, in order on each link.

    ``records`` come from :func:`vtctap.open`, dissected with ``profile`` (default: the trace's own), or are
    dissections.
    """
    return (exchange for exchange in gathered(records, profile) if exchange.frames)


def gathered(records: Iterable[Item], profile: Profile | None = None) -> Iterator[Exchange]:
    """Returns what :func:`exchanges` returns, and exchanges without a frame. One begins where a trace begins with the
    later records of a request, and may be blind."""
    gatherer = Gatherer()
    for dissection in dissections(records, profile):
        exchange = gatherer.feed(dissection)
        if exchange:
            yield exchange
    yield from gatherer.close()


def sessions(records: Iterable[Item], profile: Profile | None = None) -> Iterator[Session]:
    """Returns the sessions of a trace, each as soon as it has ended; the arguments are those of :func:`exchanges`."""
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
