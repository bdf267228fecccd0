"""The meter's state, inferred from the traffic.

Theory
======

IEC 62055-52 describes the server by its functions (clause 6.6: identification, read, write, break, undefined command,
token lock-out) and by one state diagram for each kind of request (Annex A, figures A.1 to A.5). Only their names are
public. The states below are therefore vtctap's own, the coarsest that those names, the parent standard and the values
of tokenStatus require:

- UNKNOWN: the capture began late, too much is missing, or something was written that may have been a token. The rules
  blame the server for nothing.
- IDLE: there is no session, after a break on a link where sessions begin with a sign-on. (A server that was never heard
  to answer a sign-on stays UNKNOWN.) IEC 62056-21 begins a session with a request and an identification; whether IEC
  62055-52 requires them is not public.
- OPEN: there is a session: the server identified itself or answered a command.
- EXECUTING: the server acknowledged a token and has not reported its outcome (the token status is pending).
- LOCKED: the server accepts no tokens for now (the token status is a lock-out). This state lasts over sessions until a
  status says otherwise.

:data:`TABLE` gives the next state for each event; :data:`UNLAWFUL` names the events that a state does not allow. Both
rest on derived knowledge, so their findings are notes, never accusations.
"""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

from vtctap.dissector.analysis.exchanges import Exchange
from vtctap.dissector.analysis.findings import Finding, finding
from vtctap.dissector.protocol.rules import ENDING, MessageName


class State(Enum):
    """The state of the server."""

    UNKNOWN = auto()
    IDLE = auto()
    OPEN = auto()
    EXECUTING = auto()
    LOCKED = auto()


class Event(Enum):
    """An event of the server, as an exchange shows it. UNCLEAR is a token status that the profile does not explain."""

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
"""The next state by state and event; an event that is missing here changes nothing. A break ends the session, but not
the execution of a token."""

_STATUS_EVENTS: Final[dict[str | None, Event]] = {
    None: Event.UNCLEAR,
    "accepted": Event.VERDICT,
    "rejected": Event.VERDICT,
    "pending": Event.NOT_READY,
    "locked out": Event.LOCKED_OUT,
}
"""The event of a token status, by the outcome that the profile assigns."""

UNLAWFUL: Final[dict[tuple[State, Event], str]] = {
    (_S.IDLE, _E.ANSWERED): "the server answers a command after a break, without a sign-on",
    (_S.OPEN, _E.NOT_READY): "the status is not ready, though no token was written since the last verdict",
    (_S.LOCKED, _E.NOT_READY): "the status is not ready, though the meter takes no tokens",
    (_S.EXECUTING, _E.TOKEN_TAKEN): "the server takes a token before it has said what became of the one before",
}


class MeterState:
    """The state of one link's server, fed its exchanges in order."""

    def __init__(self) -> None:
        self.state = State.UNKNOWN
        self._signs_on = False

    def forget(self) -> None:
        """Resets the state to UNKNOWN, after traffic was missed."""
        self.state = State.UNKNOWN

    def feed(self, exchange: Exchange) -> Iterator[Finding]:
        """Returns what the current state does not allow in an exchange, and moves to the next state."""
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
    """Returns the event of an exchange; None where it shows none, is damaged, or is of mode E, which has no such
    states."""
    request, response = exchange.request, exchange.response
    if request and request.name in ENDING:
        return Event.BROKEN
    if request is None or response is None or response.damaged or response.name == MessageName.HDLC:
        return None
    asked, answered, status = request.name, response.name, response.meaning.status_token
    if answered == MessageName.IDResponse:
        return Event.IDENTIFIED
    if asked == MessageName.WriteCommand and answered == MessageName.ACK:
        return Event.TOKEN_TAKEN if request.meaning.token else Event.WRITTEN
    if status is not None:
        return _STATUS_EVENTS[response.meaning.status_token_outcome]
    return Event.ANSWERED if answered in (MessageName.Data, MessageName.PartialData, MessageName.ACK) else None
