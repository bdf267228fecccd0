"""Contradictions: the records of a trace that contradict a profile.

Each rule is one row of :data:`RULES`: it looks at one turn, and names the frames that contradict a statement of the
profile, with what they show. Damaged frames contradict nothing, nor does anything that the profile leaves unsaid.
Memory is constant.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from vtctap.base.nouns import count
from vtctap.dissector.analysis.exchanges import Exchange, Gatherer
from vtctap.dissector.dissect import Dissection, Frame
from vtctap.dissector.learning.syntax import check_rules
from vtctap.dissector.learning.turns import Fate, Turn, Turns, count_of, sides
from vtctap.dissector.profiles.encodings import reading
from vtctap.dissector.profiles.model import Profile, Register
from vtctap.dissector.protocol.rules import READOUT, MessageName
from vtctap.dissector.tokens.recognise import recognise
from vtctap.pcap.record import Flag

Found = Iterator[tuple[Frame, str]]
"""The contradicting frames, each with what it shows."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A record that contradicts a profile: its number, the part of the profile, and the observation."""

    record: int
    about: str
    shows: str


def _line(turn: Turn, profile: Profile) -> Found:
    """Compares format and speed, in frames from taps that show them. HDLC has a format of its own."""
    for frame in turn.exchange.frames:
        record = frame.record
        if frame.name == MessageName.HDLC:
            continue
        if record.uncertainty is None or record.flags & Flag.SYNTHETIC or frame.damaged or record.line is None:
            continue
        if (record.line, record.speed) != (profile.line, profile.speed) and not turn.signed_on:
            yield frame, f"{record.speed} bit/s, {record.line}"


def _command(turn: Turn, profile: Profile) -> Found:
    """Compares the command and the form of a read or a write."""
    if turn.request is None or turn.asks is None or turn.request.message is not turn.asks:
        return
    keys = {MessageName.ReadCommand: "read", MessageName.WriteCommand: "write"}
    key = keys.get(turn.asked) if turn.asked else None
    if key is None or not turn.asks.register:
        return
    shown = {key: turn.asks.cmd or ""}
    if key == "read":
        shown["brackets"] = "no" if turn.asks.count is not None else "yes"
        shown["count"] = "no" if count_of(turn.asks) is None else "yes"
    for name, value in shown.items():
        stated = profile.syntax.get(name)
        if stated and stated.value != value:
            yield turn.request, f"{name}: {value}, not {stated.value}"


def _ids(turn: Turn, profile: Profile) -> Found:
    """Compares whether the answer to a read has ids."""
    stated, answer = profile.syntax.get("ids"), turn.answer
    if not stated or not answer or turn.asked != MessageName.ReadCommand or answer.message.message not in READOUT:
        return
    value = "yes" if any(answer.message.register) else "no"
    if answer.message.register and value != stated.value:
        yield answer, f"ids: {value}, not {stated.value}"


_CHECKS: Final = {"client": "client_check", "server": "meter_check"}


def _check(turn: Turn, profile: Profile) -> Found:
    """Compares the rule of check characters."""
    for side, frame in sides(turn.exchange):
        stated, explaining = profile.syntax.get(_CHECKS[side]), check_rules(frame)
        if stated and explaining and stated.value not in explaining:
            yield frame, f"{_CHECKS[side]}: {explaining[0]}, not {stated.value}"


def _access(turn: Turn, profile: Profile) -> Found:
    """Compares which registers can be read and written. A single NAK proves nothing, because it may be about the
    transmission."""
    if turn.asks is None or turn.answer is None or len(turn.asks.register) != 1:
        return
    register = profile.register(turn.asks.register[0])
    if register is None:
        return
    done = {MessageName.ReadCommand: "read", MessageName.WriteCommand: "write"}.get(turn.asked or MessageName.NAK)
    if done is None:
        return
    again = not turn.is_new and turn.before is not None and turn.before.fate is Fate.REFUSED
    if turn.fate in (Fate.ANSWERED, Fate.ACKNOWLEDGED) and done not in register.access:
        yield turn.answer, f"{register.name} can be {_DONE[done]}, not only {register.access}"
    elif done in register.access and (turn.fate is Fate.ERROR or (turn.fate is Fate.REFUSED and again)):
        yield turn.answer, f"{register.name} cannot be {_DONE[done]} here"


_DONE: Final = {"read": "read", "write": "written"}


def _values(turn: Turn, profile: Profile) -> Found:
    """Compares the values that were read with the encodings of their registers. A count may have cut a value."""
    if turn.answer:
        for read in turn.data:
            register = profile.register(read.register)
            if register and read.value and not read.limit and not _fits(register, read.value, read.unit):
                yield turn.answer, f"{register.name}: the value has not the form of {register.encoding.type}"


def _fits(register: Register, value: str, unit: str) -> bool:
    """Whether a value has the form of its register's encoding. If the profile states none, every text fits."""
    encoding = register.encoding
    if encoding.type in ("text", "token"):
        return True
    if register.table is None:
        return reading(encoding, value, unit) is not None
    try:
        return int(value, encoding.base) in register.table.values
    except ValueError:
        return False


def _tokens(turn: Turn, profile: Profile) -> Found:
    """Compares written tokens with the encodings of their register."""
    if turn.request is None or turn.asks is None or turn.asked != MessageName.WriteCommand:
        return
    for id, value in zip(turn.asks.register, turn.asks.value, strict=True):
        register = profile.register(id)
        if register and register.token_encodings and recognise(value, register.token_encodings) is None:
            yield turn.request, f"{register.name}: no token in {' or '.join(register.token_encodings)}"


def _identification(turn: Turn, profile: Profile) -> Found:
    """Compares the length of an identification with its fields."""
    fields = profile.identification.fields
    if turn.fate is Fate.IDENTIFIED and turn.answer and fields:
        text = turn.answer.message.id_text or ""
        if len(text) < sum(length for _, length in fields):
            yield turn.answer, f"{count(len(text), 'character')}, fewer than its fields"


def _reaction(turn: Turn, profile: Profile) -> Found:
    """Compares the reaction time with the limits, allowing for its uncertainty. HDLC has limits of its own."""
    response, request = turn.exchange.response, turn.request
    if response is None or request is None or response.place.response_time_ns is None or turn.fate is Fate.UNKNOWN:
        return
    if request.name == MessageName.HDLC:
        return
    if response.record.uncertainty is None or request.record.uncertainty is None:
        return
    doubt, time_ns = response.record.uncertainty + request.record.uncertainty, response.place.response_time_ns
    if time_ns + doubt < profile.timing.reaction_min_ns or time_ns - doubt > profile.timing.reaction_max_ns:
        yield response, f"the meter reacts after {time_ns / 1e9:.3f} s"


RULES: Final[tuple[tuple[str, Callable[[Turn, Profile], Found]], ...]] = (
    ("line", _line),
    ("syntax", _command),
    ("syntax", _ids),
    ("syntax", _check),
    ("identification", _identification),
    ("registers", _access),
    ("registers", _values),
    ("registers", _tokens),
    ("timing", _reaction),
)
"""The rules, with the part of the profile that each compares."""


class Contradictions:
    """Finds the contradictions of traces with a profile; the dissections of each trace are fed in order."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._gatherer = Gatherer()
        self._turns = Turns(1, profile.timing.session_timeout_ns)

    def all(self, dissections: Iterable[Dissection]) -> Iterator[Contradiction]:
        """Returns the contradictions of a whole trace."""
        for dissection in dissections:
            yield from self.feed(dissection)
        yield from self.close()

    def feed(self, dissection: Dissection) -> Iterator[Contradiction]:
        """Takes the next dissection. Returns the contradictions of the exchange that it completes."""
        exchange = self._gatherer.feed(dissection)
        if exchange and exchange.frames:
            yield from self._compare(exchange)

    def close(self) -> Iterator[Contradiction]:
        """Returns the contradictions of the exchanges at the end of the trace."""
        for exchange in self._gatherer.close():
            if exchange.frames:
                yield from self._compare(exchange, ends=True)

    def _compare(self, exchange: Exchange, *, ends: bool = False) -> Iterator[Contradiction]:
        turn = self._turns.feed(exchange, ends=ends)
        for about, rule in RULES:
            for frame, shows in rule(turn, self._profile):
                yield Contradiction(frame.number, about, shows)
