"""What a dialect says of each question that is asked of its captures, for :mod:`learn_trial`.

:data:`TRUTHS` has a row for each question of the learner: the readings that are right, and whether the captures can
show one of them. The latter follows from the dialect, and from the undamaged frames by rules of this module's own
(:attr:`Case.spoken`), which know what the learner does not: syntax, registers and statuses.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import pairwise
from typing import Final

from vtctap.dissector.learning.evidence import SHOWN, Answer
from vtctap.pcap.record import Flag, Record, Sender
from vtctap.sniffer.simulated.dialect import BEHAVIOURS, Dialect, DialectRegister

LATE: Final = 1_600
"""What the faults of the line add to a reaction or a gap, ms."""


@dataclass
class Case:
    """A dialect with its captures, and what their frames say without the learner."""

    dialect: Dialect
    traces: list[list[Record]]
    faults: tuple[str, ...]

    @cached_property
    def pieces(self) -> frozenset[str]:
        """The pieces of the story."""
        return frozenset(self.dialect.story.pieces)

    def register(self, id_: str) -> DialectRegister | None:
        """The register with an id."""
        return next((register for register in self.dialect.registers.entries if register.id == id_), None)

    @cached_property
    def spoken(self) -> "dict[str, list[Spoken]]":
        """The values of each register, read with its whole length, over all traces in order."""
        found: dict[str, list[Spoken]] = {}
        for number, trace in enumerate(self.traces):
            for id_, spoken in _spoken(self.dialect, trace, number):
                found.setdefault(id_, []).append(spoken)
        return found

    def bad_checks(self, sender: Sender) -> int:
        """How many frames of a side have a wrong check character, and nothing else wrong."""
        return sum(
            _is_bad(self.dialect, record) for trace in self.traces for record in trace if record.sender is sender
        )


@dataclass
class Spoken:
    """A value that was read: the trace, how many writes were acknowledged before, and whether the read before was of
    the same register."""

    trace: int
    writes: int
    value: str
    again: bool = field(default=False)


def _is_bad(dialect: Dialect, record: Record) -> bool:
    octets = record.octets
    if octets[:1] not in (b"\x01", b"\x02") or b"\x03" not in octets or record.parity_errors or record.flags & Flag.CUT:
        return False
    end = octets.index(b"\x03") + 1
    value = 0
    for octet in octets[1:end]:
        value = (value + octet) & 0x7F if dialect.syntax.check == "sum" else value ^ octet
    return len(octets) == end + 1 and octets[end] != value


def _spoken(dialect: Dialect, trace: Sequence[Record], number: int) -> Iterator[tuple[str, Spoken]]:
    """Yields the values that were read, from plain requests and their good answers."""
    writes, asked, before = 0, "", ""
    for record in trace:
        octets = record.octets
        if record.sender is Sender.CLIENT:
            wrote = octets[:2] == b"\x01W"
            asked = octets[:-1].decode("latin-1") if octets[:2] == b"\x01R" else ""
        elif octets == b"\x06" and not asked and wrote:
            writes += 1
        elif (
            octets[:1] == b"\x02"
            and b")\x03" in octets
            and asked
            and not _is_bad(dialect, record)
            and octets.count(b"(") == 1
        ):
            text = octets.decode("latin-1")
            body = asked[asked.index("\x02") + 1 :].partition("\x03")[0]
            id_ = body.partition("(")[0] if dialect.syntax.brackets else body[:-1]
            value = text[text.index("(") + 1 : text.index(")")].partition("*")[0]
            register = next((each for each in dialect.registers.entries if each.id == id_), None)
            if register and len(value) == _length(register):
                yield id_, Spoken(number, writes, value, before == id_)
            before = id_
            asked = ""


def _length(register: DialectRegister) -> int:
    return register.octets * (2 if register.coding == "hexadecimal" else 1)


Truth = tuple[frozenset[str] | Callable[[str], bool], bool]
"""The readings that are right (or what tells), and whether the capture can show one of them."""


def right(*readings: str, shows: bool = True) -> Truth:
    """The right readings."""
    return frozenset(readings), shows


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _register_of(subject: str) -> tuple[str, int]:
    id_, _, count = subject.partition(" count ")
    return id_, int(count or 0)


def _fresh(case: Case) -> bool:
    """Whether sessions certainly begin anew."""
    return case.dialect.session.ends_with_break or case.dialect.timing.session_pause > 120_000


def _required(case: Case, subject: str) -> Truth:
    session = case.dialect.session
    seen = not session.sign_on or "early read" in case.pieces
    return right(_yes(session.required), shows=_fresh(case) and seen)


def _parts(case: Case, subject: str) -> Truth:
    return partial(_fits, case), True


def _fits(case: Case, reading: str) -> bool:
    """Whether the claimed parts are those of the layout."""
    kinds: list[str] = []
    for part in case.dialect.session.identification:
        kind = {"serial": "of the device", "luhn": "of the device", "counter": "counting"}.get(part.kind, "constant")
        kinds += [kind] * (part.width or len(part.text))
    claimed = [kind for run in reading.split(", ") for kind in [run.partition(" ")[2]] * int(run.partition(" ")[0])]
    return len(claimed) == len(kinds) and all(
        said in (kind, "either") for said, kind in zip(claimed, kinds, strict=True)
    )


def _check(case: Case, subject: str) -> Truth:
    syntax = case.dialect.syntax
    return right("none" if subject == "client" and not syntax.client_check else syntax.check)


def _count_of(case: Case, subject: str) -> Truth:
    counts = case.dialect.syntax.count
    return right(counts) if counts in ("octets", "registers") else right(shows=False)


def _radix(case: Case, subject: str) -> Truth:
    letters = any(not register.id.isdecimal() for register in case.dialect.registers.entries)
    return right({10: "decimal", 16: "hexadecimal"}[case.dialect.registers.radix], shows=letters)


def _page(case: Case, subject: str) -> Truth:
    return right("in use") if subject in case.dialect.registers.pages else right(shows=False)


def _reads(case: Case, subject: str) -> Truth:
    register = case.register(subject)
    known = register is not None and register.role != "tokenData"
    doubtful = not known and case.dialect.refusals.unknown_register == "error" and case.dialect.refusals.error == "E11"
    return right("readable" if known else "refused", shows=not doubtful)


def _writes(case: Case, subject: str) -> Truth:
    register = case.register(subject)
    return right("writable" if register and register.role == "tokenData" else "refused")


def _value_length(case: Case, subject: str) -> Truth:
    id_, count = _register_of(subject)
    register = case.register(id_)
    if register is None:
        return right(shows=False)
    length = _length(register)
    if count and case.dialect.syntax.count == "octets" and register.coding == "hexadecimal":
        length = min(length, 2 * count)
    places = f", {register.places} after the point" if register.places else ""
    return right(f"{length} characters{places}", f"{length} character{places}")


def _coding(case: Case, subject: str) -> Truth:
    register = case.register(_register_of(subject)[0])
    if register is None:
        return right(shows=False)
    values = [spoken.value for spoken in case.spoken.get(register.id, ())]
    telling = sum(not value.isdecimal() for value in values)
    whole = _register_of(subject)[1] in (0, register.octets) or case.dialect.syntax.count == "registers"
    return right(register.coding if register.coding == "hexadecimal" else "decimal", shows=telling > 2 and whole)


def _unit(case: Case, subject: str) -> Truth:
    register = case.register(subject)
    return right(register.unit or "none") if register else right(shows=False)


_BEHAVIOURS: Final = {
    "constant": "constant",
    "identity": "of the device",
    "counter": "rises",
    "credit": "rises only after a write",
    "key": "changes only after a write",
    "status": "changes after a write and while it is polled",
}


def _behaviour(case: Case, subject: str) -> Truth:
    id_, count = _register_of(subject)
    register = case.register(id_)
    if register is None:
        return right(shows=False)
    how = BEHAVIOURS[register.role]
    pairs = [(one, two) for one, two in pairwise(case.spoken.get(id_, ())) if one.trace == two.trace]
    alone = [(one, two) for one, two in pairs if one.writes == two.writes and not two.again]
    rises = sum(one.value < two.value for one, two in alone)
    falls = sum(one.value > two.value for one, two in alone)
    written = sum(one.value < two.value for one, two in pairs if one.writes < two.writes)
    cut = case.dialect.syntax.count == "octets" and count and 2 * count < _length(register)
    shows = {
        "constant": not cut and _length(register) > 3,
        "identity": register.role == "meterNumber",
        "counter": rises > 3,
        "credit": falls > 3 and written > 3,
    }.get(how, False)
    return right(
        _BEHAVIOURS[how], shows=shows and not (count and case.dialect.syntax.count == "registers" and count > 1)
    )


_ANSWERS: Final = {"nak": "NAK", "error": "error message", "silence": "silence"}


def _undefined(case: Case, subject: str) -> Truth:
    seen = "undefined command" in case.pieces
    return right(_ANSWERS[case.dialect.refusals.undefined_command], shows=seen)


def _bad_check(case: Case, subject: str) -> Truth:
    return right(_ANSWERS[case.dialect.refusals.bad_check], shows=case.bad_checks(Sender.CLIENT) > 1)


def _read_refused(case: Case, subject: str) -> Truth:
    refusals = case.dialect.refusals
    doubtful = refusals.unknown_register == "error" and refusals.error == "E11"
    return right(_ANSWERS[refusals.unknown_register], shows="unknown register" in case.pieces and not doubtful)


def _write_refused(case: Case, subject: str) -> Truth:
    return right(_ANSWERS[case.dialect.refusals.write_refused], shows="write refused" in case.pieces)


def _bad_answer(case: Case, subject: str) -> Truth:
    reading = {"nak": "NAK", "repeat": "repeats its request"}[case.dialect.refusals.bad_answer]
    return right(reading, shows=case.bad_checks(Sender.SERVER) > 1)


def _no_answer(case: Case, subject: str) -> Truth:
    silent = "no-response" in case.dialect.story.faults and "bcc-bad" not in case.dialect.story.faults
    return right("repeats its request", shows=silent and not case.faults)


def _check_digit(case: Case, subject: str) -> Truth:
    luhn = any(part.kind == "luhn" for part in case.dialect.session.identification)
    return right(*(("Luhn",) if luhn else ()), shows=False)


def _between(low: float, high: float) -> Truth:
    """A range of ms that holds what was measured, but for a microsecond."""
    return partial(_within, low - 0.001, high + 0.2), True


def _within(low: float, high: float, reading: str) -> bool:
    words = reading.split()
    return low <= float(words[0]) * 1000 + 0.05 and float(words[2]) * 1000 - 0.05 <= high


def _reaction(case: Case, subject: str) -> Truth:
    low, high = case.dialect.timing.reaction
    return _between(low, high + (LATE if "response-late" in case.faults else 0))


def _pause(case: Case, subject: str) -> Truth:
    timing = case.dialect.timing
    if "noise" in case.faults or "break" in case.faults:
        return partial(_within, 0, 1e9), subject == "next"
    if subject == "poll":
        low, high = min(timing.poll[0], timing.pause[0]), max(timing.poll[1], timing.pause[1])
        return partial(_within, low - 0.001, high + 0.2), _polled(case)
    return _between(*timing.pause)


def _gap(case: Case, subject: str) -> Truth:
    timing = case.dialect.timing
    gap = timing.client_gap if subject == "client" else timing.meter_gap
    high = gap + 0.2 + (LATE if "char-gap" in case.faults else 0)
    return partial(_within, gap - 0.001, high), subject == "server" or case.dialect.syntax.client_check


def _time_out(case: Case, subject: str) -> Truth:
    timing = case.dialect.timing
    faults = (*case.faults, *case.dialect.story.faults)
    silent = "no-response" in faults
    low, high = timing.response_timeout + timing.pause[0], timing.response_timeout + timing.pause[1]
    return partial(_within, low - 0.001, high + LATE), silent and not case.faults


def _processing(case: Case, subject: str) -> Truth:
    return partial(_overlaps, *case.dialect.timing.processing), False


def _overlaps(low: int, high: int, reading: str) -> bool:
    words = reading.split()
    return float(words[0]) * 1000 <= high + 0.1 and float(words[2]) * 1000 >= low - 0.1


def _session_pause(case: Case, subject: str) -> Truth:
    return partial(_within, 0, 1e9), False


def _tokens(case: Case, subject: str) -> Truth:
    register = case.register(subject)
    encoding = case.dialect.tokens.encoding
    seen = _polled(case) or "test" in case.pieces
    return right("tokens" if register and register.role == "tokenData" else "-", shows=seen and encoding != "packed")


def _encoding(case: Case, subject: str) -> Truth:
    encoding = case.dialect.tokens.encoding
    return right(encoding, shows=encoding != "packed" and (_polled(case) or "test" in case.pieces))


def _status_register(case: Case, subject: str) -> Truth:
    return partial(_is_status, case), case.dialect.tokens.encoding != "packed" and _polled(case)


def _is_status(case: Case, reading: str) -> bool:
    return _register_of(reading)[0] == case.dialect.registers.id("tokenStatus")


def _polled(case: Case) -> bool:
    """Whether the status is read while it is pending."""
    pending = case.dialect.tokens.statuses["pending"]
    spoken = case.spoken.get(case.dialect.registers.id("tokenStatus"), ())
    return sum(each.value == pending for each in spoken) > 2


_OUTCOMES: Final = {
    "accepted": "accepted",
    "first key change": "accepted",
    "second key change": "accepted",
    "format error": "rejected",
    "used": "rejected",
    "CRC error": "rejected",
    "locked out": "locked out",
    "pending": "pending",
}


def _status(case: Case, subject: str) -> Truth:
    register, _, value = subject.rpartition("=")
    tokens = case.dialect.tokens
    if _register_of(register)[0] != case.dialect.registers.id("tokenStatus"):
        return right(shows=False)
    outcome = next((outcome for outcome, status in tokens.statuses.items() if status == value), "none")
    if outcome == "pending":
        return right("pending", shows=_polled(case) and tokens.encoding != "packed")
    return right(_OUTCOMES.get(outcome, "-"), shows=_tells(case, outcome) and tokens.encoding != "packed")


def _tells(case: Case, outcome: str) -> bool:
    """Whether the credit tells an outcome: it rises by a token, falls by itself, and does neither after a refusal."""
    pairs = [
        each
        for each in pairwise(case.spoken.get(case.dialect.registers.id("credit"), ()))
        if each[0].trace == each[1].trace
    ]
    rises = sum(one.value < two.value and two.writes - one.writes == 1 for one, two in pairs)
    falls = sum(one.value > two.value for one, two in pairs)
    if outcome == "accepted":
        return rises > 2 and falls > 0
    if outcome == "locked out":
        return _locks(case)
    if outcome == "used":
        taken = "lockout" in case.pieces and not case.dialect.tokens.lockout_after
        return "used" in case.pieces and "key change" not in case.pieces and not taken and rises > 2 and falls > 0
    return False


def _lockout(case: Case, subject: str) -> Truth:
    tokens = case.dialect.tokens
    if not tokens.lockout_after or (subject and subject.rpartition("=")[2] != tokens.statuses["locked out"]):
        return right(shows=False)
    return right(f"{tokens.lockout_after} in a row", shows=_locks(case))


def _lockout_time(case: Case, subject: str) -> Truth:
    """The first lockout after an accepted token, which has its plain length."""
    tokens = case.dialect.tokens
    return partial(_holds, tokens.lockout_ms if tokens.lockout_after else -1), _locks(case)


def _holds(time: int, reading: str) -> bool:
    """Whether a range of s holds a time in ms."""
    words = reading.split()
    return float(words[0]) * 1000 <= time <= float(words[2]) * 1000


def _locks(case: Case) -> bool:
    """Whether the captures show a lockout: tokens are refused in a row after one that is taken, a good one meets the
    lockout, and is taken in the next session."""
    dialect = case.dialect
    certain = "once more" in case.pieces and "key change" not in case.pieces and dialect.tokens.encoding != "packed"
    over = dialect.timing.session_pause > 8 * dialect.tokens.lockout_ms
    return (
        certain
        and over
        and not dialect.story.faults
        and bool(dialect.tokens.lockout_after)
        and _tells(case, "accepted")
    )


TRUTHS: Final[dict[str, Callable[[Case, str], Truth]]] = {
    "character format": lambda case, _: right(case.dialect.wiring.format),
    "speed": lambda case, _: right(str(case.dialect.wiring.speed)),
    "sign-on": lambda case, _: right(_yes(case.dialect.session.sign_on), shows=_fresh(case)),
    "sign-on required": _required,
    "addressed": lambda case, _: right(_yes(case.dialect.session.addressed)),
    "option": lambda case, _: right(case.dialect.session.option or "none"),
    "password": lambda case, _: right(_yes(bool(case.dialect.session.password))),
    "break": lambda case, _: right(_yes(case.dialect.session.ends_with_break), shows=_fresh(case)),
    "identification": lambda case, _: right(
        f"{sum(part.width or len(part.text) for part in case.dialect.session.identification)} characters"
    ),
    "maker": lambda case, _: right(case.dialect.session.identification[0].text[:3]),
    "identification parts": _parts,
    "identification check digit": _check_digit,
    "type digit": lambda case, of: right(
        case.dialect.syntax.read if of == "ReadCommand" else case.dialect.syntax.write
    ),
    "brackets": lambda case, _: right(_yes(case.dialect.syntax.brackets)),
    "count": lambda case, _: right(_yes(case.dialect.syntax.count != "none")),
    "count of": _count_of,
    "ids": lambda case, _: right(_yes(case.dialect.syntax.ids)),
    "check rule": _check,
    "register width": lambda case, _: right(f"{case.dialect.registers.width} characters"),
    "register radix": _radix,
    "register page": _page,
    "read access": _reads,
    "write access": _writes,
    "value length": _value_length,
    "value coding": _coding,
    "value unit": _unit,
    "value behaviour": _behaviour,
    "undefined command": _undefined,
    "bad check": _bad_check,
    "read refused": _read_refused,
    "write refused": _write_refused,
    "error message": lambda case, _: right(case.dialect.refusals.error),
    "bad answer": _bad_answer,
    "no answer": _no_answer,
    "reaction": _reaction,
    "pause": _pause,
    "gap": _gap,
    "response time-out": _time_out,
    "session pause": _session_pause,
    "processing": _processing,
    "token register": _tokens,
    "token encoding": _encoding,
    "status register": _status_register,
    "status": _status,
    "lockout": _lockout,
    "lockout time": _lockout_time,
}
"""For each question, the truth about a subject."""
OF_SIGN_ON: Final = frozenset(
    ("addressed", "option", "identification", "maker", "identification parts", "identification check digit")
)
"""The questions that only dialects with a sign-on answer."""


_STATED: Final = ("accepted", "used", "pending", "locked out")
"""The outcomes that captures can show."""


def expected(case: Case) -> Iterator[tuple[str, str]]:
    """The choices that a dialect states, each as question and subject, whatever was learned."""
    registers = case.dialect.registers
    readable = [register.id for register in registers.entries if register.role != "tokenData"]
    token, status, statuses = registers.id("tokenData"), registers.id("tokenStatus"), case.dialect.tokens.statuses
    for question in TRUTHS:
        if question in OF_SIGN_ON and not case.dialect.session.sign_on:
            continue
        match question:
            case "type digit":
                yield from ((question, command) for command in ("ReadCommand", "WriteCommand"))
            case "check rule" | "gap":
                yield from ((question, side) for side in ("client", "server"))
            case "register page":
                yield from ((question, page) for page in registers.pages)
            case "read access" | "value unit" | "value behaviour" | "value length" | "value coding":
                yield from ((question, register) for register in readable)
            case "write access" | "token register" | "token encoding":
                yield question, token
            case "pause":
                yield from ((question, kind) for kind in ("next", "poll"))
            case "speed":
                yield question, "messages"
            case "error message":
                continue
            case "status":
                yield from ((question, f"{status}={statuses[outcome]}") for outcome in _STATED)
            case "lockout" | "lockout time":
                yield question, f"{status}={statuses['locked out']}"
            case _:
                yield question, ""


def score(case: Case, answers: Sequence[Answer]) -> Iterator[tuple[str, str, str]]:
    """Yields, for each choice and each further claim: the question, the subject, and what became of it."""
    shown = {(answer.question, answer.subject): answer for answer in answers}
    stated = dict.fromkeys(expected(case))
    claimed = (about for about, answer in shown.items() if answer.verdict == SHOWN)
    for question, subject in dict.fromkeys((*stated, *claimed)):
        readings, can = TRUTHS[question](case, subject)
        answer = _answer(shown, case, question, subject)
        if answer is not None and answer.verdict == SHOWN:
            fits = readings(answer.reading) if callable(readings) else answer.reading in readings
            yield question, subject, "recovered" if fits else "false"
        else:
            yield question, subject, "missed" if can else "open"


def _answer(shown: dict[tuple[str, str], Answer], case: Case, question: str, subject: str) -> Answer | None:
    """Returns the answer about a subject; of a register that is always read with a count, that for the whole value."""
    if (question, subject) in shown:
        return shown[question, subject]
    id_, sign, value = subject.partition("=")
    register = case.register(id_)
    counts = (register.octets, 1) if register else ()
    for count in counts:
        about = question, f"{id_} count {count}{sign}{value}"
        if about in shown:
            return shown[about]
    return None
