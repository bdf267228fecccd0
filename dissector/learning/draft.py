"""The draft of a profile: what was learned, as a profile's TOML text for the user to complete.

Only what is shown becomes an entry; each entry has its evidence as its source. What is open stands in comments, with
what capture would decide it. Text of a device appears as ids of registers, units and statuses alone: a draft has no
value that was read or written, because it is made to be shared.

Two things of the inherited profile are not taken over: a table of token statuses for another register than the one that
was learned, because other meters number their results otherwise; and limits of times that the traces exceed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from vtctap.dissector.catalogue import CONFIDENCES
from vtctap.dissector.learning.evidence import NOT_SEEN, SHOWN, Answer, Tally
from vtctap.dissector.learning.learner import Learner
from vtctap.dissector.learning.question import ASSUMED
from vtctap.dissector.learning.registers import READABLE, WRITABLE
from vtctap.dissector.meaning import weakest
from vtctap.dissector.profiles.model import SYNTAX, TOKEN_STATUS, Profile, Register

MAX_ID: Final = 40
_SECRET: Final = re.compile(r"[0-9]{16,}|[0-9A-Fa-f]{16,}")
"""Matches what may be a token or a key: a number that is too long."""
_NONE: Final = Answer("", "", NOT_SEEN, ())
_LENGTH: Final = re.compile(r"([0-9]+) characters?")
_DIGITS: Final = re.compile(r"[0-9]{1,9}")
_HEXADECIMAL: Final = re.compile(r"[0-9A-Fa-f]{1,8}")
_FALLBACK: Final = "iec62056-21"


class Learned:
    """A learner's answers, by question and subject."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.answers = tuple(answers)
        self._by_name = {(answer.question, answer.subject): answer for answer in self.answers}

    def of(self, question: str, subject: str = "") -> Answer:
        """Returns an answer; if there is none, one with the verdict "not seen"."""
        return self._by_name.get((question, subject), _NONE)

    def subjects(self, *questions: str) -> list[str]:
        """Returns the subjects of questions, sorted."""
        return sorted({answer.subject for answer in self.answers if answer.question in questions and answer.subject})

    def of_value(self, question: str, register: str) -> Answer:
        """Returns the answer for a register's values. The answers for reads with a count serve only if there are no
        others."""
        whole = self.of(question, register)
        counted = [answer for answer in self.answers if answer.question == question and _is_counted(answer, register)]
        return counted[0] if whole.verdict == NOT_SEEN and len(counted) == 1 else whole


def _is_counted(answer: Answer, register: str) -> bool:
    return answer.subject.startswith(f"{register} count ")


def parent_of(learned: Learned, base: Profile) -> str:
    """Returns the name of the profile to inherit: the base, unless it names another token status register."""
    status = learned.of("status register").reading
    registers = [register.id for register in base.registers.values() if register.table]
    return _FALLBACK if status and TOKEN_STATUS in base.tables and _register(status) not in registers else base.name


def draft(learner: Learner, base: Profile, *, parent: str, name: str, traces: Iterable[str]) -> str:
    """Returns a profile's TOML text with what was learned. The profile inherits ``base``, loaded as ``parent``."""
    learned = Learned(learner.answers())
    lines = [
        f"# Learned from {learner.records} records. Name what you know, and say where from (source) and how sure",
        "# (confidence: confirmed, derived or assumed). Records of a second trace are numbered 2:1 and so on.",
        "",
        "[profile]",
        f"name = {quote(name)}",
        f"title = {quote(f'{name}: learned from traces')}",
        f"inherits = {quote(parent)}",
        f"source = {quote('learned from ' + ', '.join(traces))}",
        f"confidence = {quote(ASSUMED)}",
        *_line(learned),
        *_timing(learned, base),
        *_syntax(learned),
        *_registers(learned, base),
        *_statuses(learned, base),
        *_differences(learner),
        *_open(learned),
    ]
    return "\n".join(lines) + "\n"


def _provenance(*answers: Answer) -> str:
    """Returns the source and the confidence of an entry that is based on these answers."""
    seen = max((answer.seen for answer in answers), key=lambda tally: tally.count)
    sure = weakest(*(answer.confidence or ASSUMED for answer in answers))
    return f"source = {quote(str(seen))}, confidence = {quote(sure)}"


def _line(learned: Learned) -> Iterator[str]:
    format, speed = learned.of("character format"), learned.of("speed", "messages")
    shown = [answer for answer in (format, speed) if answer.verdict == SHOWN]
    if shown:
        yield from ("", "[line]")
        yield from (f"format = {quote(format.reading)}",) if format in shown else ()
        yield from (f"speed = {speed.reading}",) if speed in shown else ()
        yield f"source = {quote(str(shown[0].seen))}"
        yield f"confidence = {quote(weakest(*(answer.confidence for answer in shown)))}"


def _timing(learned: Learned, base: Profile) -> Iterator[str]:
    """Writes the limits that the traces exceed, and the measured times as comments."""
    measured = [learned.of(name) for name in ("reaction", "processing", "response time-out", "session pause")]
    measured += [learned.of("pause", kind) for kind in ("next", "poll")]
    measured += [learned.of("gap", side) for side in ("client", "server")]
    shown = [answer for answer in measured if answer.verdict == SHOWN]
    if not shown:
        return
    yield from ("", "[timing]")
    for answer in shown:
        about = f" ({answer.subject})" if answer.subject else ""
        yield f"# {answer.question}{about}: {answer.reading}, {answer.seen}"
    seen = learned.of("reaction").seen
    if seen.low is not None and seen.low < base.timing.reaction_min_ns:
        yield f"reaction_min = {max(seen.low, 1) / 1e9:.9f}"
    if seen.high is not None and seen.high > base.timing.reaction_max_ns:
        yield f"reaction_max = {seen.high / 1e9:.9f}"


_OF_SYNTAX: Final[Mapping[str, tuple[str, str]]] = {
    "read": ("type digit", "ReadCommand"),
    "write": ("type digit", "WriteCommand"),
    "brackets": ("brackets", ""),
    "count": ("count", ""),
    "count_of": ("count of", ""),
    "ids": ("ids", ""),
    "client_check": ("check rule", "client"),
    "meter_check": ("check rule", "server"),
}
"""The keys of a profile's syntax, with the question and subject that answer each."""


def _syntax(learned: Learned) -> Iterator[str]:
    shown = {key: answer for key, about in _OF_SYNTAX.items() if (answer := learned.of(*about)).verdict == SHOWN}
    if shown:
        yield from ("", "[syntax]")
    for key, answer in shown.items():
        if SYNTAX[key].fullmatch(answer.reading):
            yield f"{key} = {{ is = {quote(answer.reading)}, {_provenance(answer)} }}"


def _registers(learned: Learned, base: Profile) -> Iterator[str]:
    yield from ("", "[registers.entries]")
    subjects = learned.subjects("read access", "write access", "value length")
    ids = dict.fromkeys(_register(subject) for subject in subjects)
    for id in ids:
        if len(id) > MAX_ID or _SECRET.search(id):
            continue
        reads, writes = learned.of("read access", id), learned.of("write access", id)
        readable, writable = _may(reads, READABLE) or _is_sent(learned, id), _may(writes, WRITABLE)
        yield from ("", f"# {quote(id)}: {_seen_text(learned, id)}")
        if not (readable or writable):
            yield "# It was refused."
            continue
        known = base.register(id)
        if known:
            yield f"# {base.name} calls it {_comment(known.name)} ({known.provenance.confidence})."
            if known.encoding.type not in _WRITTEN and _agrees(learned, known):
                continue
        access = "read and write" if readable and writable else "read" if readable else "write"
        entry, grounds = _entry(learned, id, known, access)
        yield f"{quote(id)} = {{ {entry}, {_provenance(*grounds)} }}"


def _register(subject: str) -> str:
    """Returns the register of a subject, without its count."""
    return subject.partition(" count ")[0]


def _may(answer: Answer, reading: str) -> bool:
    """Whether an access was seen to succeed."""
    return any(each.name == reading and each.stands() and _alone(answer, reading) for each in answer.readings)


def _alone(answer: Answer, reading: str) -> bool:
    """Whether a reading explains something that none of its rivals explains."""
    return all(other.against.count for other in answer.readings if other.name != reading)


def _is_sent(learned: Learned, id: str) -> bool:
    """Whether the meter sent values of a register."""
    return learned.of_value("value length", id).verdict != NOT_SEEN


_WRITTEN: Final = frozenset(("text", "enumeration", "token"))
"""The types of inherited registers that are written as entries; registers of other types stay inherited."""


def _agrees(learned: Learned, known: Register) -> bool:
    """Whether the seen values may be of an inherited type."""
    coding = learned.of_value("value coding", known.id).reading
    return not (coding == "hexadecimal" and known.encoding.type in ("decimal", "digits", "bcd")) and coding != "text"


def _entry(learned: Learned, id: str, known: Register | None, access: str) -> tuple[str, list[Answer]]:
    """Returns the keys of a register's entry, and the answers that it is based on."""
    words = [f"name = {quote(known.name if known else f'register {id}')}", f"access = {quote(access)}"]
    grounds = [learned.of("write access" if access == "write" else "read access", id)]
    tokens, encoding = learned.of("token register", id), learned.of("token encoding", id)
    if tokens.verdict == SHOWN and encoding.verdict == SHOWN:
        return ", ".join([*words, f'type = "token", encodings = [{quote(encoding.reading)}]']), [tokens, encoding]
    status, coding = learned.of("status register"), learned.of_value("value coding", id)
    if status.verdict == SHOWN and _register(status.reading) == id:
        base = 16 if coding.reading == "hexadecimal" else 10
        return ", ".join([*words, f"table = {quote(TOKEN_STATUS)}, base = {base}"]), [status]
    if known and known.table:
        octets = f", octets = {known.encoding.octets}" if known.encoding.octets else ""
        table = f"table = {quote(known.table.name)}, base = {known.encoding.base}{octets}"
        return ", ".join([*words, table]), grounds
    if known and known.encoding.tokens:
        encodings = ", ".join(map(quote, known.encoding.tokens))
        return ", ".join([*words, f'type = "token", encodings = [{encodings}]']), grounds
    length, unit = learned.of_value("value length", id), learned.of("value unit", id)
    if length.verdict != NOT_SEEN and grounds[0].verdict == NOT_SEEN:
        grounds = [length]
    if coding.verdict != SHOWN:
        return ", ".join(words), grounds
    grounds.append(coding)
    if coding.reading == "decimal":
        words.append('type = "decimal"')
    elif coding.reading == "hexadecimal":
        digits = _LENGTH.fullmatch(length.reading)
        octets = f", octets = {int(digits[1]) // 2}" if digits and not int(digits[1]) % 2 else ""
        words.append(f'type = "hexadecimal"{octets}')
    if coding.reading != "text" and unit.verdict == SHOWN and unit.reading != "none":
        words.append(f"unit = {quote(unit.reading)}")
    return ", ".join(words), grounds


def _seen_text(learned: Learned, id: str) -> str:
    """Describes in a comment what was seen of a register."""
    words = []
    for question in ("read access", "write access"):
        answer = learned.of(question, id)
        words += [f"{each.name} {_times(each.seen)}" for each in answer.readings if each.seen.count]
    for question in ("value length", "value coding", "value behaviour"):
        answer = learned.of_value(question, id)
        if answer.readings:
            left = [each.name for each in answer.readings if each.seen.count and each.stands()]
            words.append(" or ".join(left or [each.name for each in answer.readings if each.seen.count]))
    return "; ".join(filter(None, words)) or "never answered"


def _times(seen: Tally) -> str:
    return "once" if seen.count == 1 else f"{seen.count} times"


def _statuses(learned: Learned, base: Profile) -> Iterator[str]:
    """Writes the numbers of the status register that were seen, each with its outcome if that is shown.

    An inherited number stays as it is while its outcome is open. The table is written without any number, too, unless
    it is inherited, because the register names it."""
    status = learned.of("status register")
    if status.verdict != SHOWN:
        return
    radix = 16 if learned.of_value("value coding", _register(status.reading)).reading == "hexadecimal" else 10
    inherited = base.tables.get(TOKEN_STATUS)
    seen = {}
    for answer in learned.answers:
        register, _, value = answer.subject.rpartition("=")
        fits = (_HEXADECIMAL if radix == 16 else _DIGITS).fullmatch(value)
        if answer.question == "status" and register == status.reading and fits:
            number = int(value, radix)
            if answer.verdict == SHOWN or inherited is None or number not in inherited.values:
                seen[number] = value, answer
    if not seen and inherited:
        return
    yield from ("", f"[tables.{TOKEN_STATUS}]", f"source = {quote(str(status.seen))}")
    yield from (f"confidence = {quote(CONFIDENCES[-1])}", "", f"[tables.{TOKEN_STATUS}.values]")
    for number, (value, answer) in sorted(seen.items()):
        yield f"{number} = {{ {_status(value, answer)}, {_provenance(answer)} }}"
    for answer in learned.answers:
        if answer.question in ("lockout", "lockout time") and answer.verdict == SHOWN:
            yield f"# {answer.question} ({_comment(answer.subject)}): {answer.reading}, {answer.seen}"


def _status(value: str, answer: Answer) -> str:
    """Returns the name of a status, and its outcome if that is shown."""
    if answer.verdict != SHOWN:
        return f"name = {quote(f'status {value}')}"
    return f"name = {quote(f'{answer.reading} ({value})')}, outcome = {quote(answer.reading)}"


def _differences(learner: Learner) -> Iterator[str]:
    for difference in learner.differences():
        subject = f" of {_comment(difference.subject)}" if difference.subject else ""
        devices = (
            f"{_comment(reading)} (trace {', '.join(str(trace) for trace, _ in devices)})"
            for reading, devices in difference.readings.items()
        )
        yield from ("", f"# The devices differ, {difference.question}{subject}: {'; '.join(devices)}")


def _open(learned: Learned) -> Iterator[str]:
    """Lists the questions that are open, and the capture that would decide each."""
    needs: dict[str, str] = {}
    for answer in learned.answers:
        if answer.verdict != SHOWN:
            needs.setdefault(answer.question, answer.needs)
    if needs:
        yield from ("", "# Open, at least in part, and what would decide it:")
    for question, need in needs.items():
        yield f"# - {question}: {need}"


def _comment(text: str) -> str:
    return "".join(sign if " " <= sign <= "~" else "?" for sign in text)


_TEMPLATE: Final = """\
# A profile to fill in: 'vtctap help profiles' describes the format. The rest comes from {parent}.

[profile]
name = {name}
title = {title}
inherits = {parent}
source = "where it comes from: a data sheet, a capture, a measurement"
confidence = "assumed"  # or confirmed, derived

[registers.entries]
# "7001" = {{ name = "totalUnits", access = "read", type = "decimal", scale = -1, unit = "kWh" }}
"""


def template(*, parent: str, name: str) -> str:
    """Returns the TOML text of an empty profile that inherits the profile loaded as ``parent``."""
    return _TEMPLATE.format(name=quote(name), title=quote(f"{name}, on {parent}"), parent=quote(parent))


def quote(text: str) -> str:
    """Formats a TOML string on one line, with non-ASCII characters escaped and unprintable ones replaced by "?"."""
    signs = []
    for sign in text.encode("utf-8", "replace").decode():
        if sign in '"\\':
            signs.append(f"\\{sign}")
        else:
            signs.append(sign if " " <= sign <= "~" else f"\\U{ord(sign):08x}" if sign.isprintable() else "?")
    return f'"{"".join(signs)}"'
