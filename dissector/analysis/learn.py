"""Learns a profile from traces, and measures how much of a trace a profile explains.

A :class:`Learner` keeps, for each register, counts and the forms of its values. It never keeps written values,
passwords, or values that look like a token. It keeps the range of short numbers that were read, unless they look like a
meter's number. :func:`skeleton` turns the result into a profile for the user to complete. A :class:`Coverage` counts
what a profile names and decodes. Memory grows only with the number of registers.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from vtctap.dissector.dissect import Dissection, Frame
from vtctap.dissector.profiles.files import Profile, Register
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import READOUT, MessageName
from vtctap.pcap.record import Flag, Line, Sender

MAX_REGISTERS: Final = 10_000
"""Most registers kept; later ones are only counted."""
_MAX_LINES: Final = 100
_MAX_ID: Final = 40
_MAX_FORMS: Final = 5
_MAX_FORM: Final = 40
_TEACHING: Final = frozenset((MessageName.ReadCommand, MessageName.WriteCommand)) | READOUT
"""The messages that registers are learned from; password commands are excluded."""
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{0,12})?")
_SECRET: Final = re.compile(r"[0-9]{16,}|[0-9A-Fa-f]{16,}")
"""Matches what may be a token or a key: a number that is too long."""
_SERIAL: Final = re.compile(r"[0-9]{8,}")
"""Matches what may be a meter's number if it has no unit: FLAG and STS numbers have eight digits or more."""
_HABIT: Final = 2
"""From this many messages without a check character on, a side's habit is to send none, so none was lost."""
HIDDEN: Final = "(long number: not shown)"


@dataclass(slots=True)
class Seen:
    """What was seen of a register. ``forms`` counts the forms of its values, where 9 stands for any digit, A and a for
    any letter."""

    read: int = 0
    written: int = 0
    answered: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    lowest: Decimal | None = None
    highest: Decimal | None = None

    def value(self, value: str, unit: str, *, read: bool) -> None:
        """Counts a value; ``read`` says that the meter sent it."""
        self._count(self.forms, form(value))
        if unit:
            self._count(self.units, form(unit, digits_only=True))
        if read and _NUMBER.fullmatch(value) and (unit or not _SERIAL.fullmatch(value)):
            number = Decimal(value)
            self.lowest = number if self.lowest is None else min(self.lowest, number)
            self.highest = number if self.highest is None else max(self.highest, number)

    @staticmethod
    def _count(counter: Counter[str], key: str) -> None:
        counter[key if key in counter or len(counter) < _MAX_FORMS else "(other)"] += 1

    @property
    def access(self) -> str:
        """The profile's word for how the register was used."""
        if self.written:
            return "read and write" if self.read or self.answered else "write"
        return "read"


def form(value: str, *, digits_only: bool = False) -> str:
    """Returns the form of a value, with 9 for each digit and A or a for each letter; empty for what may be a token or a
    key."""
    if _SECRET.search(value):
        return HIDDEN
    text = re.sub(r"[0-9]", "9", value)
    if not digits_only:
        text = re.sub(r"[a-z]", "a", re.sub(r"[A-Z]", "A", text))
    return text if len(text) <= _MAX_FORM else f"{text[:_MAX_FORM]}... ({len(text)} characters)"


class Learner:
    """Learns registers from the dissections of traces, fed in order."""

    def __init__(self) -> None:
        self.registers: dict[str, Seen] = {}
        self.left_out = 0
        self.messages = 0
        self.lines: Counter[tuple[Line, int]] = Counter()
        self._unsound: set[int] = set()
        """The links whose last request does not show which registers it asks for."""
        self._checking: set[tuple[int, Sender]] = set()
        """The sides, by link, that have sent a check character."""
        self._unchecked: Counter[tuple[int, Sender]] = Counter()
        """The number of messages without a check character, by link and side."""

    def feed(self, dissection: Dissection) -> None:
        """Learns from the next record."""
        message = self._sound(dissection)
        record = dissection.record
        if record.sender is Sender.CLIENT and not record.flags & Flag.ECHO:
            (self._unsound.add if message is None else self._unsound.discard)(record.link)
        if message is None or message.message is None:
            return
        self.messages += 1
        if record.line and record.speed and ((record.line, record.speed) in self.lines or len(self.lines) < _MAX_LINES):
            self.lines[record.line, record.speed] += 1
        if message.message not in _TEACHING or not isinstance(dissection, Frame):
            return
        registers = message.register if record.link in self._unsound else dissection.registers
        for register, value, unit in zip(registers, message.value, message.unit, strict=True):
            seen = self._seen(register)
            if seen is None:
                continue
            if message.message == MessageName.ReadCommand:
                seen.read += 1
            elif message.message == MessageName.WriteCommand:
                seen.written += 1
                seen.value(value, unit, read=False)
            else:
                seen.answered += 1
                seen.value(value, unit, read=True)

    def _sound(self, dissection: Dissection) -> Message | None:
        """Returns the message of an undamaged frame, None for any other record."""
        record = dissection.record
        if not isinstance(dissection, Frame) or record.flags & Flag.ECHO or record.parity_errors or dissection.damaged:
            return None
        message, side = dissection.message, (record.link, record.sender)
        if message.bcc_status == "good":
            self._checking.add(side)
        if message.bcc_status != "missing":
            return message
        self._unchecked[side] += 1
        return message if side not in self._checking and self._unchecked[side] >= _HABIT else None

    def _seen(self, register: str) -> Seen | None:
        if not register or len(register) > _MAX_ID or _SECRET.search(register):
            return None
        if register not in self.registers and len(self.registers) >= MAX_REGISTERS:
            self.left_out += 1
            return None
        return self.registers.setdefault(register, Seen())


def skeleton(learner: Learner, base: Profile, *, parent: str, name: str, traces: Iterable[str]) -> str:
    """Returns a profile's TOML text with what was learned.

    The profile inherits ``base``, which is loaded as ``parent``. Every register seen has an entry, named as in ``base``
    or with an invented name; all entries are assumed until the user confirms them.
    """
    source = quote(f"learned from {', '.join(traces)}")
    lines = [
        f"# Learned from {learner.messages} messages. Name what you know, and say where from (source) and how sure",
        "# (confidence: confirmed, derived or assumed). In the forms of values 9 is any digit, A and a any letter.",
        "",
        "[profile]",
        f"name = {quote(name)}",
        f"title = {quote(f'{name}: registers learned from traces')}",
        f"inherits = {quote(parent)}",
        f"source = {source}",
        'confidence = "assumed"',
        "",
    ]
    if learner.lines:
        (line, speed), _ = learner.lines.most_common(1)[0]
        lines += ["[line]", f'format = "{line}"', f"speed = {speed}", ""]
    lines += ["[registers.entries]"]
    for id, seen in sorted(learner.registers.items()):
        known = base.register(id)
        lines += ["", f"# {_seen_text(seen)}"]
        if known:
            lines.append(f"# {base.name} calls it so ({known.provenance.confidence}).")
        lines.append(f"{quote(id)} = {{ {_entry(id, seen, known)} }}")
    if learner.left_out:
        lines += ["", f"# {learner.left_out} data sets of further registers are left out."]
    return "\n".join(lines) + "\n"


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


def _entry(id: str, seen: Seen, known: Register | None) -> str:
    words = [f"name = {quote(known.name if known else f'register {id}')}", f"access = {quote(seen.access)}"]
    if known and known.table:
        words.append(f"table = {quote(known.table.name)}")
        words += ["base = 16"] if known.encoding.base == 16 else []
        words += [f"octets = {known.encoding.octets}"] if known.encoding.octets else []
    elif known and known.encoding.tokens:
        words.append(f'type = "token", encodings = [{", ".join(map(quote, known.encoding.tokens))}]')
    elif seen.units and seen.lowest is not None:
        words.append('type = "decimal"')
        if len(seen.units) == 1 and "9" not in (unit := next(iter(seen.units))):
            words.append(f"unit = {quote(unit)}")
    return ", ".join(words)


def _seen_text(seen: Seen) -> str:
    counts = ((seen.read, "asked for"), (seen.answered, "answered"), (seen.written, "written"))
    words = [", ".join(f"{word} {count} times" if count != 1 else f"{word} once" for count, word in counts if count)]
    if seen.forms:
        words.append("forms " + " ".join(f"{text or '(empty)'}" for text, _ in seen.forms.most_common()))
    if seen.lowest is not None and seen.highest is not None:
        low, high = f"{seen.lowest:f}", f"{seen.highest:f}"
        words.append(f"always {low}" if low == high else f"from {low} to {high}")
    if seen.units:
        words.append("in " + " ".join(unit for unit, _ in seen.units.most_common()))
    return "; ".join(words)


def quote(text: str) -> str:
    """Formats a TOML string on one line, with non-ASCII characters escaped and unprintable ones replaced by "?"."""
    signs = []
    for sign in text.encode("utf-8", "replace").decode():
        if sign in '"\\':
            signs.append(f"\\{sign}")
        else:
            signs.append(sign if " " <= sign <= "~" else f"\\U{ord(sign):08x}" if sign.isprintable() else "?")
    return f'"{"".join(signs)}"'


@dataclass(slots=True)
class Coverage:
    """How much of a trace a profile explains.

    ``unnamed`` counts the data sets of unnamed registers; ``undecoded`` counts the values of named registers that do
    not have the form in the profile.
    """

    records: int = 0
    frames: int = 0
    messages: int = 0
    data_sets: int = 0
    named: int = 0
    values: int = 0
    decoded: int = 0
    assumed: int = 0
    registers: set[str] = field(default_factory=set)
    unnamed: Counter[str] = field(default_factory=Counter)
    undecoded: Counter[str] = field(default_factory=Counter)

    def feed(self, dissection: Dissection, profile: Profile) -> None:
        """Counts the next record."""
        self.records += 1
        if not isinstance(dissection, Frame):
            return
        message, meaning = dissection.message, dissection.meaning
        self.frames += 1
        self.messages += message.message not in (None, MessageName.UndefinedCommand)
        self.assumed += bool(meaning.assumed)
        decoded = meaning.value_decoded or ("",) * len(message.register)
        for id, value, word in zip(dissection.registers, message.value, decoded, strict=True):
            if not id or len(id) > _MAX_ID:
                continue
            self.data_sets += 1
            register = profile.register(id)
            if register is None:
                if id in self.unnamed or len(self.unnamed) < MAX_REGISTERS:
                    self.unnamed[id] += 1
                continue
            self.named += 1
            if len(self.registers) < MAX_REGISTERS:
                self.registers.add(id)
            if value and register.encoding.type not in ("text", "token"):
                self.values += 1
                self.decoded += bool(word)
                if not word and (id in self.undecoded or len(self.undecoded) < MAX_REGISTERS):
                    self.undecoded[id] += 1

    def as_json(self) -> dict[str, object]:
        """Returns the counts by name, the registers as lists."""
        return {
            "records": self.records,
            "frames": self.frames,
            "messages": self.messages,
            "data_sets": self.data_sets,
            "named": self.named,
            "values": self.values,
            "decoded": self.decoded,
            "assumed": self.assumed,
            "registers": sorted(self.registers),
            "unnamed": dict(sorted(self.unnamed.items())),
            "undecoded": dict(sorted(self.undecoded.items())),
        }
