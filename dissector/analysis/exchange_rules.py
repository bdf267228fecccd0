"""Findings in exchanges: what was not answered, or late, or out of place, and what became of tokens.

A :class:`Sequence` is told a trace's exchanges in order and keeps a few values a link. It follows the server from
outside: the state diagrams of IEC 62055-52 Annex A are not public, but there is one for each kind of request, so the
server speaks when it is asked; which answers a request may have is read from IEC 62056-21. What a capture that began
late, or that taps one wire alone, cannot show is not held against the devices.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from vtctap.dissector.analysis.exchanges import Exchange
from vtctap.dissector.analysis.findings import Finding, finding
from vtctap.dissector.analysis.meter_state import LOCKOUT, MeterState
from vtctap.dissector.dissect import Dissection
from vtctap.dissector.pairing import is_damaged
from vtctap.dissector.profiles.files import Timing
from vtctap.dissector.protocol.characters import LF, SEVEN_BITS
from vtctap.dissector.protocol.checksums import bcc_sum, bcc_xor
from vtctap.dissector.protocol.messages import block_end
from vtctap.dissector.protocol.rules import ENDING, MAY_ANSWER, NEEDS_NO_ANSWER, READOUT, UNASKED, MessageName
from vtctap.dissector.protocol.speeds import MODE_C
from vtctap.dissector.tokens.number import digits
from vtctap.pcap.record import Flag, Sender

REJECTED: Final = frozenset(range(4, 15))
"""The token statuses that reject a token (the same source)."""
LOOP: Final = 3
"""So many refusals in a row are a loop."""
MAX_SILENT: Final = 1000
"""So many unanswered requests are remembered of a link on which the server has not been heard yet."""


@dataclass(slots=True)
class _Link:
    """What is kept of a link: over all, and of its session. ``broken``: its last request was a break; ``opened``: the
    sign-on was seen; ``speed``: the speed character of its identification; ``written``: the record of a write whose
    token status has not been read."""

    heard: set[Sender] = field(default_factory=set)
    silent: list[int] = field(default_factory=list)
    meter: MeterState = field(default_factory=MeterState)
    rules: dict[Sender, str] = field(default_factory=dict)
    status: int | None = None
    broken: bool = False
    session: int = 0
    opened: bool = False
    speed: str | None = None
    refused: int = 0
    written: int | None = None
    token: str = ""

    def begin(self, session: int) -> None:
        self.session, self.opened, self.speed, self.refused, self.written = session, False, None, 0, None


class Sequence:
    """Finds what is wrong with a trace's exchanges, told in order. ``timing`` are the limits of the profile."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._links: dict[int, _Link] = {}
        self._last: dict[int, tuple[Exchange, bool]] = {}

    @property
    def oldest(self) -> int | None:
        """The number of the first record of which something may be left to say."""
        firsts = [frame for exchange, _ in self._last.values() for frame in (exchange.request, *exchange.responses)]
        return min((first.number for first in firsts if first), default=None)

    def feed(self, exchange: Exchange, *, blind: bool = False) -> Iterator[Finding]:
        """What this exchange lets be said: of the one before it on its link, whose outcome it shows. ``blind``: one of
        the link's taps was away during it, so that what is missing may have been said."""
        before = self._last.get(exchange.link)
        self._last[exchange.link] = exchange, blind
        if before:
            yield from self._judge(before[0], exchange, blind=before[1])

    def close(self, end: int) -> Iterator[Finding]:
        """What is left to be said; ``end`` (ns since 1970) is when the trace ends."""
        for exchange, blind in self._last.values():
            request = exchange.request
            given_time = request is None or end - request.record.end > self._timing.reaction_max
            yield from self._judge(exchange, None, blind=blind or (not exchange.responses and not given_time))
        for link in self._links.values():
            if link.silent:
                text = "nothing answers on this link, and the server was never heard: is its wire tapped?"
                yield finding("no-response", tuple(link.silent), text, severity="note")

    def _judge(self, exchange: Exchange, after: Exchange | None, *, blind: bool) -> Iterator[Finding]:
        link = self._links.setdefault(exchange.link, _Link())
        if exchange.session != link.session:
            link.begin(exchange.session)
        for frame in (exchange.request, *exchange.responses):
            if frame:
                yield from _rule(link, frame)
                yield from _repeat(frame)
        if exchange.request:
            yield from _request(link, exchange.request)
            if not blind or exchange.responses:
                yield from self._silence(link, exchange, exchange.request, after)
        yield from self._responses(link, exchange, after, blind=blind)
        if exchange.response:
            yield from _token(link, exchange.request, exchange.response)
        if blind:
            link.meter.forget()
        yield from link.meter.feed(exchange)
        link.heard |= {frame.record.sender for frame in (exchange.request, *exchange.responses) if frame}

    def _silence(
        self, link: _Link, exchange: Exchange, request: Dissection, after: Exchange | None
    ) -> Iterator[Finding]:
        if exchange.responses:
            for number in link.silent:
                yield finding("no-response", (number,), "nothing answered this request")
            link.silent.clear()
            return
        name = _name(request)
        # A call that does not end in a line end waits for no answer: the command follows at once.
        goes_on = name == MessageName.IDRequest and request.record.octets[-1] & 127 != LF
        if goes_on or name in NEEDS_NO_ANSWER or request.record.flags & Flag.CUT:
            return
        if Sender.SERVER in link.heard:
            yield finding("no-response", (request.number,), f"nothing answered {name}{_patience(request, after)}")
        elif len(link.silent) < MAX_SILENT:
            link.silent.append(request.number)

    def _responses(self, link: _Link, exchange: Exchange, after: Exchange | None, *, blind: bool) -> Iterator[Finding]:
        request, response = exchange.request, exchange.response
        asked = _name(request) if request else ""
        if request and response:
            yield from self._times(request, response)
            yield from _refusal(link, exchange, request, response, after)
            yield from _speed(request, response)
            name, expected = _name(response), MAY_ANSWER.get(asked)
            if expected and name not in expected | ENDING and not (_damaged(request, response)):
                yield finding("unexpected-answer", (request.number, response.number), f"{name} answers {asked}")
            if name == MessageName.IDResponse and response.message:
                link.speed = response.message.id_speed or ""
        if blind or (request is None and Sender.CLIENT not in link.heard):
            return
        for frame in exchange.responses[1 if response else 0 :]:
            name = _name(frame)
            if name not in UNASKED and name and not (asked == MessageName.IDRequest and name in READOUT):
                yield finding("unexpected-answer", (frame.number,), f"{name} that nothing asked for")

    def _times(self, request: Dissection, response: Dissection) -> Iterator[Finding]:
        """Answers that were surely too late or too early, whatever the true times within their uncertainty."""
        time = response.place.response_time if response.place else None
        unsure = [request.record.uncertainty, response.record.uncertainty]
        uncertain = (request.record.flags | response.record.flags) & Flag.ORDER_UNCERTAIN
        if time is None or unsure[0] is None or unsure[1] is None or uncertain or _name(request) == MessageName.HDLC:
            return
        doubt, frames = unsure[0] + unsure[1], (response.number,)
        least, most = self._timing.reaction_min, self._timing.reaction_max
        said = f"{_name(response)} came {time / 1e9:.3f} s after {_name(request)}, record {request.number};"
        if time - doubt > most:
            yield finding("response-late", frames, f"{said} {most / 1e9:g} s is allowed")
        elif time + doubt < least:
            yield finding("response-early", frames, f"{said} {least / 1e9:g} s is the least")


def _name(frame: Dissection) -> str:
    """The message, empty for the later record of one that did not fit into one."""
    return (frame.message.message if frame.message else None) or ""


def _damaged(*frames: Dissection) -> bool:
    return any(frame.message is not None and is_damaged(frame.record, frame.message) for frame in frames)


def _repeats(after: Exchange | None, frame: Dissection) -> bool:
    """Whether the next exchange's request says again what ``frame`` said."""
    original = frame.place.repeat_of if frame.place and frame.place.repeat_of else frame.number
    return after is not None and after.repeat_of == original


def _repeat(frame: Dissection) -> Iterator[Finding]:
    original = frame.place.repeat_of if frame.place else None
    if original:
        yield finding("repeat", (frame.number,), f"{_name(frame)} repeats record {original}")


def _rule(link: _Link, frame: Dissection) -> Iterator[Finding]:
    """A side whose check characters were of the one rule and now are of the other."""
    message = frame.message
    if message is None or message.bcc_status != "good" or message.bcc is None:
        return
    structure = frame.record.octets.translate(SEVEN_BITS)
    region = structure[1 : block_end(structure) + 1]
    if bcc_xor(region) == bcc_sum(region) or message.bcc_rule is None:
        return
    before = link.rules.get(frame.record.sender)
    link.rules[frame.record.sender] = message.bcc_rule
    if before and before != message.bcc_rule:
        yield finding(
            "bcc-rule-changed", (frame.number,), f"the check character is by {message.bcc_rule}, not {before}"
        )


def _patience(request: Dissection, after: Exchange | None) -> str:
    """How long the client waited, where that can be told."""
    again = after.request.record if after and after.request else None
    if again is None or (again.flags | request.record.flags) & Flag.SYNTHETIC:
        return ""
    return f"; the client went on after {max(0, again.time - request.record.end) / 1e9:.3f} s"


def _request(link: _Link, request: Dissection) -> Iterator[Finding]:
    """A request that has no place there."""
    name, number = _name(request), (request.number,)
    link.opened = link.opened or name == MessageName.IDRequest
    if link.broken and name not in (*NEEDS_NO_ANSWER, MessageName.IDRequest) and not _damaged(request):
        yield finding("out-of-sequence", number, f"{name} after a break, without a sign-on")
    link.broken = name in ENDING
    if name == MessageName.OptionSelect and request.message and not _damaged(request):
        chosen = request.message.option_speed or ""
        if link.speed is None and link.opened:
            yield finding("out-of-sequence", number, "an option select, and no identification came before it")
        elif link.speed in MODE_C and chosen in MODE_C and chosen not in ("0", link.speed):
            text = f"the client selects {MODE_C[chosen]} bit/s, where the server offers {MODE_C[link.speed]}"
            yield finding("speed-mismatch", number, text)


def _speed(request: Dissection, response: Dissection) -> Iterator[Finding]:
    """An option select whose answer came whole at another speed."""
    chosen = (request.message.option_speed if request.message else None) or ""
    record = response.record
    if chosen not in MODE_C or not record.speed or record.flags & Flag.SYNTHETIC or _damaged(request, response):
        return
    if record.speed != MODE_C[chosen]:
        text = f"{MODE_C[chosen]} bit/s were selected, and the answer came at {record.speed}"
        yield finding("speed-mismatch", (request.number, response.number), text)


def _refusal(
    link: _Link, exchange: Exchange, request: Dissection, response: Dissection, after: Exchange | None
) -> Iterator[Finding]:
    """A NAK, by either side: a note where its reason is seen, or where what it refused came again."""
    asked, answered = _name(request), _name(response)
    if answered == MessageName.NAK:
        mild = _damaged(request) or asked == MessageName.UndefinedCommand or _repeats(after, request)
        text = f"the server refuses {asked}, record {request.number}"
        yield finding("nak", (response.number,), text, severity="note" if mild else "warning")
    if asked == MessageName.NAK:
        yield finding("nak", (request.number,), "the client refuses an answer, which comes again", severity="note")
    if MessageName.NAK not in (asked, answered):
        link.refused = 0
        return
    link.refused += 1
    if link.refused == LOOP:
        yield finding("nak-loop", (request.number, response.number), f"refused {LOOP} times in a row")


def _token(link: _Link, request: Dissection | None, response: Dissection) -> Iterator[Finding]:
    """The verdict on a token, once for each that was written, or when it changes."""
    if request and _name(request) == MessageName.WriteCommand and _name(response) == MessageName.ACK:
        link.written = request.number
        written = request.meaning.token if request.meaning else None
        link.token = f"token {digits(written.number)}: " if written else ""
    status = response.meaning.status_token if response.meaning else None
    if status is None or _damaged(response):
        return
    if link.written or status != link.status:
        frames = (link.written, response.number) if link.written else (response.number,)
        name = response.meaning.status_token_name if response.meaning else None
        token = link.token if link.written else ""
        if status in REJECTED:
            yield finding("token-rejected", frames, f"{token}the meter says {name} ({status})")
        elif status == LOCKOUT:
            yield finding("token-lockout", frames, f"{token}the meter says {name} ({status})")
        if status in REJECTED or status in (1, 2, 3, LOCKOUT):
            link.written = None
    link.status = status
