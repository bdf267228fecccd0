"""The rules for exchanges: missing, late, refused and unexpected answers.

The end of an exchange is known when the next one begins, so a rule judges a
:class:`~vtctap.dissector.analysis.cases.Case`: an exchange with the next one on its link. A rule without state is a
function (:data:`OF_CASE`); a rule with state is a small class, created for each session (:data:`OF_SESSION`) or once
per link (:data:`OF_LINK`). Memory is constant.

The rules judge the meter from outside. The state diagrams of IEC 62055-52 Annex A are not public, but there is one for
each kind of request, so the server sends only when asked; IEC 62056-21 gives the answers that a request allows. A
capture that began late, or that taps one wire only, cannot show everything; the rules blame no device for what it
cannot show.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from vtctap.dissector.analysis.cases import Case, CheckRule, comes_again, damaged, numbers, speaks, unordered
from vtctap.dissector.analysis.check_characters import CheckRules, MissingChecks
from vtctap.dissector.analysis.exchanges import Exchange
from vtctap.dissector.analysis.findings import Finding, finding
from vtctap.dissector.analysis.meter_state import MeterState
from vtctap.dissector.analysis.token_rules import TokenRules
from vtctap.dissector.dissect import Frame
from vtctap.dissector.profiles.model import Timing
from vtctap.dissector.protocol.characters import LF
from vtctap.dissector.protocol.rules import ENDING, MAY_ANSWER, NEEDS_NO_ANSWER, READOUT, UNASKED, MessageName
from vtctap.dissector.protocol.speeds import MODE_C
from vtctap.dissector.protocol.swapped import SWAPPED, Swapped
from vtctap.pcap.record import Flag, Sender

LOOP: Final = 3
"""Consecutive refusals that make a loop."""
MAX_SILENT: Final = 1000
"""Most unanswered requests kept per link before the server is first heard."""


class ExchangeRules:
    """Judges the exchanges of a trace, fed in order, by the profile's ``timing`` limits."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._links: dict[int, _Judge] = {}
        self._last: dict[int, Exchange] = {}
        self._before: dict[int, tuple[Frame, ...]] = {}

    @property
    def oldest(self) -> int | None:
        """The number of the first record that may still lead to a finding."""
        last = [frame.number for exchange in self._last.values() for frame in exchange.frames]
        waiting = [number for link in self._links.values() if (number := link.oldest) is not None]
        return min((*last, *waiting), default=None)

    def feed(self, exchange: Exchange) -> Iterator[Finding]:
        """Returns the findings of the previous exchange on this link."""
        before = self._last.get(exchange.link)
        self._last[exchange.link] = exchange
        if before:
            yield from self._judge(before, exchange, blind=before.blind)

    def close(self, end_ns: int) -> Iterator[Finding]:
        """Returns the remaining findings; ``end_ns`` (since 1970 UTC) is when the trace ends."""
        for exchange in self._last.values():
            request = exchange.request
            given_time = request is None or end_ns - request.record.end > self._timing.reaction_max_ns
            yield from self._judge(exchange, None, blind=exchange.blind or not (exchange.responses or given_time))
        for link in self._links.values():
            yield from link.close()

    def _judge(self, exchange: Exchange, after: Exchange | None, *, blind: bool) -> Iterator[Finding]:
        judge = self._links.setdefault(exchange.link, _Judge())
        before = self._before.get(exchange.link, ())
        self._before[exchange.link] = (*before, *exchange.frames[-2:])[-2:]
        yield from judge.feed(Case(exchange, after, blind, self._timing, before))


class _Judge:
    """Applies the rules to the cases of one link."""

    def __init__(self) -> None:
        self._session = 0
        self._of_session: list[CheckRule] = []
        self._swapped = _SwappedTaps()
        self._of_link = [self._swapped, *(rule() for rule in OF_LINK)]

    def feed(self, case: Case) -> Iterator[Finding]:
        if case.exchange.session != self._session:
            self._session = case.exchange.session
            yield from _close(self._of_session)
            self._of_session = [rule() for rule in OF_SESSION]
        self._swapped.see(case)
        withheld = case.unordered or self._swapped.holds
        for judge in () if withheld else OF_CASE:
            yield from judge(case)
        for rule in (*self._of_session, *self._of_link):
            found = list(rule.feed(case))
            if not (withheld and rule.by_order):
                yield from found

    @property
    def oldest(self) -> int | None:
        return min((number for rule in self._of_link if (number := rule.oldest) is not None), default=None)

    def close(self) -> Iterator[Finding]:
        rules = (*self._of_session, *self._of_link)
        yield from _close(rule for rule in rules if not (self._swapped.holds and rule.by_order))


def _close(rules: Iterable[CheckRule]) -> Iterator[Finding]:
    for rule in rules:
        yield from rule.close()


# Rules without state.


def _repeats(case: Case) -> Iterator[Finding]:
    """Finds a frame that repeats an earlier one."""
    for frame in () if unordered(case.before) else case.exchange.frames:
        if frame.place.repeat_of:
            yield finding("repeat", (frame.number,), f"{frame.name} repeats record {frame.place.repeat_of}")


def _response_times(case: Case) -> Iterator[Finding]:
    """Finds an answer that was too late or too early even if the timestamps are wrong by their full uncertainty."""
    if not case.pair:
        return
    request, response = case.pair
    records = [frame.record for frame in case.pair]
    time_ns = response.place.response_time_ns
    doubts = [record.uncertainty for record in records if record.uncertainty is not None]
    uncertain = any(record.flags & Flag.ORDER_UNCERTAIN for record in records)
    if time_ns is None or len(doubts) < len(records) or uncertain or case.asked == MessageName.HDLC:
        return
    least, most = case.timing.reaction_min_ns, case.timing.reaction_max_ns
    said = f"{case.answered} came {time_ns / 1e9:.3f} s after {case.asked}, record {request.number};"
    if time_ns - sum(doubts) > most:
        yield finding("response-late", (response.number,), f"{said} {most / 1e9:g} s is allowed")
    elif time_ns + sum(doubts) < least:
        yield finding("response-early", (response.number,), f"{said} {least / 1e9:g} s is the least")


def _wrong_answer(case: Case) -> Iterator[Finding]:
    """Finds an answer that does not fit the request."""
    expected = MAY_ANSWER.get(case.asked)
    if case.pair and expected and case.answered not in expected | ENDING and not damaged(*case.pair):
        text = f"{case.answered} answers {case.asked}"
        yield finding("unexpected-answer", numbers(*case.pair), text)


def _speed_used(case: Case) -> Iterator[Finding]:
    """Finds an option select that was answered, without damage, at another speed."""
    if not case.pair or damaged(*case.pair):
        return
    request, response = case.pair
    chosen = request.message.option_speed or ""
    record = response.record
    if chosen not in MODE_C or not record.speed or record.speed == MODE_C[chosen]:
        return
    if record.uncertainty is None:  # Imported, or behind a network: somebody stated the speed, nobody measured it.
        return
    text = f"{MODE_C[chosen]} bit/s were selected, and the answer came at {record.speed}"
    yield finding("speed-mismatch", numbers(request, response), text)


# Rules with state per session.


class _Negotiation(CheckRule):
    """Finds an option select out of sequence, or one that selects a speed that was not offered."""

    def __init__(self) -> None:
        self._called = False
        self._offered: str | None = None
        """The speed character of the identification."""

    def feed(self, case: Case) -> Iterator[Finding]:
        self._called = self._called or case.asked == MessageName.IDRequest
        if case.request and case.asked == MessageName.OptionSelect and not damaged(case.request):
            yield from self._selects(case.request)
        if case.pair and case.answered == MessageName.IDResponse:
            self._offered = case.pair[1].message.id_speed or ""
        if case.blind:  # There may have been another identification.
            self._called, self._offered = False, None

    def _selects(self, request: Frame) -> Iterator[Finding]:
        chosen = request.message.option_speed or ""
        if self._offered is None and self._called:
            text = "an option select, and no identification came before it"
            yield finding("out-of-sequence", (request.number,), text)
        elif self._offered in MODE_C and chosen in MODE_C and chosen not in ("0", self._offered):
            text = f"the client selects {MODE_C[chosen]} bit/s, where the server offers {MODE_C[self._offered]}"
            yield finding("speed-mismatch", (request.number,), text)


class _Refusals(CheckRule):
    """Finds a NAK from either side; it is a note where the reason is visible, or where the refused message was
    repeated."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def feed(self, case: Case) -> Iterator[Finding]:
        if case.pair:
            yield from self._judge(case, *case.pair)
        if case.blind:
            self._in_a_row = 0

    def _judge(self, case: Case, request: Frame, response: Frame) -> Iterator[Finding]:
        if case.answered == MessageName.NAK:
            mild = damaged(request) or case.asked == MessageName.UndefinedCommand or comes_again(request, case.after)
            text = f"the server refuses {case.asked}, record {request.number}"
            yield finding("nak", (response.number,), text, severity="note" if mild else "warning")
        if case.asked == MessageName.NAK:
            text = "the client refuses an answer, which comes again"
            yield finding("nak", (request.number,), text, severity="note")
        self._in_a_row = self._in_a_row + 1 if MessageName.NAK in (case.asked, case.answered) else 0
        if self._in_a_row == LOOP:
            yield finding("nak-loop", numbers(request, response), f"refused {LOOP} times in a row")


# Rules with state per link.


class _SwappedTaps(CheckRule):
    """Finds that each tap is on the other side's wire. While all is as if it were, the rules that depend on who asked
    say nothing: they would accuse the devices of it."""

    by_order = False

    def __init__(self) -> None:
        self._evidence = Swapped()
        self._first: dict[Sender, int] = {}

    def see(self, case: Case) -> None:
        """Takes the evidence of a case before any rule judges it."""
        for frame in case.exchange.frames:
            if frame.name and not frame.damaged and not frame.record.inferred:
                self._evidence.feed(frame.record.sender, frame.name)
                self._first.setdefault(frame.record.sender, frame.number)

    @property
    def holds(self) -> bool:
        return self._evidence.holds

    @property
    def oldest(self) -> int | None:
        return min(self._first.values()) if self.holds else None

    def feed(self, case: Case) -> Iterator[Finding]:
        yield from ()

    def close(self) -> Iterator[Finding]:
        if self.holds:
            yield finding("taps-swapped", tuple(sorted(self._first.values())), SWAPPED)


class _Silence(CheckRule):
    """Finds unanswered requests. They wait until the server is heard, since its wire may not be tapped."""

    def __init__(self) -> None:
        self._server_heard = False
        self._waiting: list[int] = []

    @property
    def oldest(self) -> int | None:
        return self._waiting[0] if self._waiting else None

    def feed(self, case: Case) -> Iterator[Finding]:
        request = case.request
        if request and case.exchange.responses:
            for number in self._waiting:
                yield finding("no-response", (number,), "nothing answered this request")
            self._waiting.clear()
        elif request and not case.blind and _wants_answer(request):
            if self._server_heard:
                text = f"nothing answered {case.asked}{_patience(request, case.after)}"
                yield finding("no-response", (request.number,), text)
            elif len(self._waiting) < MAX_SILENT and not case.unordered:
                self._waiting.append(request.number)
        self._server_heard = self._server_heard or speaks(Sender.SERVER, case)

    def close(self) -> Iterator[Finding]:
        if self._waiting:
            text = "nothing answers on this link, and the server was never heard: is its wire tapped?"
            yield finding("no-response", tuple(self._waiting), text, severity="note")


def _wants_answer(request: Frame) -> bool:
    """Whether a complete request requires an answer. A call without a line end does not: the command follows at
    once."""
    calls_on = request.name == MessageName.IDRequest and request.record.octets[-1] & 127 != LF
    return request.name not in NEEDS_NO_ANSWER and not calls_on and not request.record.flags & Flag.CUT


def _patience(request: Frame, after: Exchange | None) -> str:
    """Says how long the client waited for an answer; empty where that is unknown."""
    again = after.request.record if after and after.request else None
    if again is None or (again.flags | request.record.flags) & Flag.SYNTHETIC:
        return ""
    return f"; the client went on after {max(0, again.time - request.record.end) / 1e9:.3f} s"


class _Unasked(CheckRule):
    """Finds what the server sent without a request, once the client was heard."""

    def __init__(self) -> None:
        self._client_heard = False

    def feed(self, case: Case) -> Iterator[Finding]:
        if not case.blind and (case.request or self._client_heard):
            for frame in case.exchange.responses[1 if case.response else 0 :]:
                readout = case.asked == MessageName.IDRequest and frame.name in READOUT
                if frame.name and frame.name not in UNASKED and not readout:
                    yield finding("unexpected-answer", (frame.number,), f"{frame.name} that nothing asked for")
        self._client_heard = self._client_heard or speaks(Sender.CLIENT, case)


class _AfterBreak(CheckRule):
    """Finds a command after a break without a sign-on. Pairs that never sign on are exempt."""

    by_order = False  # One side sends all of it.

    def __init__(self) -> None:
        self._signs_on = self._broken = False

    def feed(self, case: Case) -> Iterator[Finding]:
        if not case.request:
            return
        self._signs_on = self._signs_on or case.asked == MessageName.IDRequest
        unsigned = self._broken and case.asked not in (*NEEDS_NO_ANSWER, MessageName.IDRequest)
        if self._signs_on and unsigned and not damaged(case.request):
            text = f"{case.asked} after a break, without a sign-on"
            yield finding("out-of-sequence", (case.request.number,), text)
        self._broken = case.asked in ENDING and not case.blind  # The sign-on may be missing.


class _Meter(CheckRule):
    """Finds what the meter's state does not allow it to do."""

    def __init__(self) -> None:
        self._state = MeterState()

    def feed(self, case: Case) -> Iterator[Finding]:
        if case.blind or case.unordered:
            self._state.forget()
        yield from self._state.feed(case.exchange)
        if case.blind:
            self._state.forget()


OF_CASE: Final[tuple[Callable[[Case], Iterator[Finding]], ...]] = (
    _repeats,
    _response_times,
    _wrong_answer,
    _speed_used,
)
OF_SESSION: Final[tuple[type[CheckRule], ...]] = (_Negotiation, _Refusals)
OF_LINK: Final[tuple[type[CheckRule], ...]] = (
    CheckRules,
    MissingChecks,
    _Silence,
    _Unasked,
    _AfterBreak,
    TokenRules,
    _Meter,
)
"""The rules, by how long they keep state."""
