"""The meter's state, followed from outside.

Theory
======

IEC 62055-52 describes the server by its functions (clause 6.6: identification, read, write, break, undefined command,
token lock-out) and by state diagrams, one a kind of request (Annex A, figures A.1 to A.5). Only their names are public.
So the states below are ours, the coarsest that the names, the parent standard and the values of tokenStatus ask for:

- UNKNOWN: the capture began late, too much was not heard, or something was written that may have been a token. Nothing
  is held against the server.
- IDLE: no session: after a break, on a link where sessions begin with a sign-on (one that was never heard to answer one
  stays UNKNOWN). IEC 62056-21 lets a session begin with a request and an identification; whether
  IEC 62055-52 needs one is not public.
- OPEN: a session: the server identified itself, or answered a command.
- EXECUTING: it acknowledged a token and has not said what became of it (a token status that is pending).
- LOCKED: it takes no tokens for now (a token status that locks out). It stays so over sessions, until a status says
  otherwise.

:data:`TABLE` says which state follows which event; :data:`UNLAWFUL` says which events the server had no way to in a
state. As both rest on what is derived, what they find is a note, never an accusation.
"""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from vtctap.dissector.analysis.exchanges import Exchange
from vtctap.dissector.analysis.findings import Finding, finding
from vtctap.dissector.protocol.rules import ENDING, MessageName


class State(Enum):
    """What the server is doing."""

    UNKNOWN = auto()
    IDLE = auto()
    OPEN = auto()
    EXECUTING = auto()
    LOCKED = auto()


class Event(Enum):
    """What an exchange shows of the server. UNCLEAR: a token status of which the profile does not say what it means."""

    IDENTIFIED = auto()
    BROKEN = auto()
    ANSWERED = auto()
    TOKEN_TAKEN = auto()
    WRITTEN = auto()
    NOT_READY = auto()
    VERDICT = auto()
    LOCKED_OUT = auto()
    UNCLEAR = auto()


_S, _E = State, Event
TABLE: Final[dict[State, dict[Event, State]]] = {
    _S.UNKNOWN: {
        _E.IDENTIFIED: _S.OPEN, _E.BROKEN: _S.IDLE, _E.TOKEN_TAKEN: _S.EXECUTING, _E.NOT_READY: _S.EXECUTING,
        _E.VERDICT: _S.OPEN, _E.LOCKED_OUT: _S.LOCKED, _E.UNCLEAR: _S.UNKNOWN,
    },
    _S.IDLE: {
        _E.IDENTIFIED: _S.OPEN, _E.ANSWERED: _S.OPEN, _E.TOKEN_TAKEN: _S.EXECUTING, _E.NOT_READY: _S.EXECUTING,
        _E.VERDICT: _S.OPEN, _E.LOCKED_OUT: _S.LOCKED, _E.WRITTEN: _S.UNKNOWN, _E.UNCLEAR: _S.UNKNOWN,
    },
    _S.OPEN: {
        _E.BROKEN: _S.IDLE, _E.TOKEN_TAKEN: _S.EXECUTING, _E.NOT_READY: _S.EXECUTING, _E.LOCKED_OUT: _S.LOCKED,
        _E.WRITTEN: _S.UNKNOWN, _E.UNCLEAR: _S.UNKNOWN,
    },
    _S.EXECUTING: {_E.VERDICT: _S.OPEN, _E.LOCKED_OUT: _S.LOCKED, _E.UNCLEAR: _S.UNKNOWN},
    _S.LOCKED: {_E.VERDICT: _S.OPEN, _E.UNCLEAR: _S.UNKNOWN},
}  # fmt: skip
"""State and event to the next state; an event that is not there changes nothing. A break ends the session, but not what
the server does with a token."""

_STATUS_EVENTS: Final[dict[str | None, Event]] = {
    None: Event.UNCLEAR,
    "accepted": Event.VERDICT,
    "rejected": Event.VERDICT,
    "pending": Event.NOT_READY,
    "locked out": Event.LOCKED_OUT,
}
"""What a token status shows, by the outcome that the profile gives it."""

UNLAWFUL: Final[dict[tuple[State, Event], str]] = {
    (_S.IDLE, _E.ANSWERED): "the server answers a command after a break, without a sign-on",
    (_S.OPEN, _E.NOT_READY): "the status is not ready, though no token was written since the last verdict",
    (_S.LOCKED, _E.NOT_READY): "the status is not ready, though the meter takes no tokens",
    (_S.EXECUTING, _E.TOKEN_TAKEN): "the server takes a token before it has said what became of the one before",
}


class MeterState:
    """The state of one link's server, told its exchanges in order."""

    def __init__(self) -> None:
        self.state = State.UNKNOWN
        self._signs_on = False

    def forget(self) -> None:
        """Something was not heard."""
        self.state = State.UNKNOWN

    def feed(self, exchange: Exchange) -> Iterator[Finding]:
        """What an exchange shows that the server had no way to; the state is then the one after it."""
        event = _event(exchange)
        if event is None:
            return
        sentence = UNLAWFUL.get((self.state, event))
        if sentence and exchange.request and exchange.response:
            yield finding("server-state", (exchange.request.number, exchange.response.number), sentence)
        self._signs_on = self._signs_on or event is Event.IDENTIFIED
        self.state = TABLE[self.state].get(event, self.state)
        if self.state is State.IDLE and not self._signs_on:
            self.state = State.UNKNOWN


def _event(exchange: Exchange) -> Event | None:
    """What an exchange shows; None where it shows nothing, or is damaged."""
    request, response = exchange.request, exchange.response
    if request and request.name in ENDING:
        return Event.BROKEN
    if request is None or response is None or response.damaged:
        return None
    asked, answered, status = request.name, response.name, response.meaning.status_token
    if answered == MessageName.IDResponse:
        return Event.IDENTIFIED
    if asked == MessageName.WriteCommand and answered == MessageName.ACK:
        return Event.TOKEN_TAKEN if request.meaning.token else Event.WRITTEN
    if status is not None:
        return _STATUS_EVENTS[response.meaning.status_token_outcome]
    return Event.ANSWERED if answered in (MessageName.Data, MessageName.PartialData, MessageName.ACK) else None
