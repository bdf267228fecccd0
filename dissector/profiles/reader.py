"""Reads and checks a profile's TOML text; errors say where the mistake is."""

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date
from typing import Any, Final

from vtctap.base.bounded_toml import TomlError, parse_toml
from vtctap.dissector.catalogue import CONFIDENCES, MESSAGES, TOKEN_OUTCOMES
from vtctap.dissector.profiles import encodings
from vtctap.dissector.profiles.encodings import Encoding
from vtctap.dissector.profiles.model import (
    OBIS,
    SYNTAX,
    TOKEN_STATUS,
    Identification,
    Profile,
    ProfileError,
    Provenance,
    Register,
    Stated,
    Table,
    Timing,
)
from vtctap.pcap.record import Line

SESSION_TIMEOUT: Final = 120.0
"""Default in seconds: IEC 62056-21 lets a meter give up after 60 to 120 s of silence."""

_ACCESS: Final = ("read", "write", "read and write")
_SECTIONS: Final = ("profile", "line", "timing", "identification", "syntax", "messages", "registers", "tables")
_PROVENANCE: Final = ("source", "confidence")
_OF_STATUSES: Final = ("outcome", "meaning")
"""The keys that only token statuses have."""
_KINDS: Final = {str: "text", int: "whole number", float: "number", list: "list", bool: "true or false"}
_LIMITS: Final = ("gap_limit", "reaction_min", "reaction_max", "session_timeout")
_ENCODING_KEYS: Final = tuple(dict.fromkeys(key for type in encodings.TYPES.values() for key in type.keys))
"""The keys of all types; required keys are checked where they are read."""
_STEPS: Final = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400}


def parse_document(text: str, file: str) -> dict[str, Any]:
    """Parses a TOML text. Raises ProfileError."""
    try:
        return parse_toml(text)
    except TomlError as error:
        raise ProfileError(f"{file}: {error}") from None


class ProfileReader:
    """Reads one document. ``base`` is the inherited profile; ``text`` is the document's text, for errors."""

    def __init__(self, file: str, text: str = "", base: Profile | None = None) -> None:
        self._file = file
        self._text = text
        self._base = base

    def _fail(self, key: str, reason: str) -> ProfileError:
        line = line_of(self._text, key)
        return ProfileError(f"{self._file}{f':{line}' if line else ''}: {key}: {reason}")

    def _table(self, parent: Mapping[str, Any], key: str, path: str, known: tuple[str, ...] = ()) -> dict[str, Any]:
        value = parent.get(key, {})
        if not isinstance(value, dict):
            raise self._fail(path, "must be a table")
        unknown = sorted(set(value) - set(known)) if known else []
        if unknown:
            raise self._fail(f"{path}.{unknown[0]}".lstrip("."), f"is not known here; known are {', '.join(known)}")
        return value

    def _get(self, table: Mapping[str, Any], key: str, kind: type, path: str) -> Any:
        if key not in table:
            raise self._fail(f"{path}.{key}", "is missing")
        value = table[key]
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise self._fail(f"{path}.{key}", f"must be a {_KINDS[kind]}, not {value!r}")
        if isinstance(value, str) and not value.isprintable():
            raise self._fail(f"{path}.{key}", "must be one line of printable text")
        return value

    def _choice(self, table: Mapping[str, Any], key: str, words: tuple[str, ...], path: str) -> str:
        word: str = self._get(table, key, str, path)
        if word not in words:
            raise self._fail(f"{path}.{key}", f"{word!r} is none of {', '.join(words)}")
        return word

    def _provenance(self, table: Mapping[str, Any], path: str, inherited: Provenance | None = None) -> Provenance:
        merged = {"source": inherited.source, "confidence": inherited.confidence} if inherited else {}
        merged |= {key: table[key] for key in _PROVENANCE if key in table}
        source = self._get(merged, "source", str, path)
        return Provenance(source, self._choice(merged, "confidence", CONFIDENCES, path))

    def profile(self, document: dict[str, Any]) -> Profile:
        """Reads the profile of a document. Raises ProfileError."""
        self._table({"": document}, "", "", _SECTIONS)
        head = self._table(document, "profile", "profile", ("name", "title", "inherits", *_PROVENANCE))
        whole = self._provenance(head, "profile")
        line, speed = self._line(document, whole)
        tables = self._tables(document, whole)
        registers, numbering = self._registers(document, whole, tables)
        title = {"title": self._base.title} if self._base else {}
        return Profile(
            name=self._get(head, "name", str, "profile"),
            title=self._get(title | head, "title", str, "profile"),
            provenance=whole,
            line=line,
            speed=speed,
            timing=self._timing(document, whole),
            identification=self._identification(document, whole),
            messages=self._messages(document, whole),
            registers=registers,
            tables=tables,
            numbering=numbering,
            inherits=self._base.name if self._base else "",
            syntax=self._syntax(document, whole),
        )

    def _line(self, document: dict[str, Any], whole: Provenance) -> tuple[Line, int]:
        table = self._table(document, "line", "line", ("format", "speed", *_PROVENANCE))
        self._provenance(table, "line", whole)
        if self._base:
            table = {"format": str(self._base.line), "speed": self._base.speed} | table
        format = self._get(table, "format", str, "line")
        try:
            line = Line.parse(format)
        except ValueError as error:
            raise self._fail("line.format", str(error)) from None
        speed = self._get(table, "speed", int, "line")
        if not 0 < speed < 1 << 32:
            raise self._fail("line.speed", f"must be a number of bit/s, not {speed}")
        return line, speed

    def _timing(self, document: dict[str, Any], whole: Provenance) -> Timing:
        table = self._table(document, "timing", "timing", (*_LIMITS, *_PROVENANCE))
        provenance = self._provenance(table, "timing", whole)
        base = self._base.timing if self._base else None
        known = {"session_timeout": SESSION_TIMEOUT} | (
            {name: getattr(base, f"{name}_ns") / 1e9 for name in _LIMITS} if base else {}
        )
        seconds = [self._get(known | table, name, float, "timing") for name in _LIMITS]
        for name, value in zip(_LIMITS, seconds, strict=True):
            if not 1e-9 <= value < 3600:
                raise self._fail(f"timing.{name}", f"must be seconds, more than 0, not {value}")
        if seconds[1] > seconds[2]:
            raise self._fail("timing.reaction_min", f"must not be more than reaction_max, {seconds[2]}")
        if base and not set(table) & set(_LIMITS):
            provenance = base.provenance
        limits_ns = {f"{name}_ns": round(value * 1e9) for name, value in zip(_LIMITS, seconds, strict=True)}
        return Timing(**limits_ns, provenance=provenance)

    def _identification(self, document: dict[str, Any], whole: Provenance) -> Identification:
        known = ("manufacturer", "fields", *_PROVENANCE)
        table = self._table(document, "identification", "identification", known)
        if self._base and not table:
            return self._base.identification
        provenance = self._provenance(table, "identification", whole)
        manufacturer = self._choice(
            {"manufacturer": "none"} | table, "manufacturer", ("FLAG", "none"), "identification"
        )
        parts = []
        for number, part in enumerate(self._get({"fields": []} | table, "fields", list, "identification"), 1):
            path = f"identification.fields.{number}"
            self._table({"": part}, "", path, ("name", "length"))
            length = self._get(part, "length", int, path)
            if not 0 < length <= 64:
                raise self._fail(f"{path}.length", f"must be 1 to 64 characters, not {length}")
            parts.append((self._get(part, "name", str, path), length))
        return Identification(manufacturer == "FLAG", tuple(parts), provenance)

    def _syntax(self, document: dict[str, Any], whole: Provenance) -> dict[str, Stated]:
        """Reads the syntax: each key is a text, or a table with ``is`` and its provenance."""
        table = self._table(document, "syntax", "syntax", (*SYNTAX, *_PROVENANCE))
        common = self._provenance(table, "syntax", whole)
        stated = dict(self._base.syntax) if self._base else {}
        for key in (key for key in table if key in SYNTAX):
            path = f"syntax.{key}"
            own = table[key] if isinstance(table[key], dict) else {"is": table[key]}
            self._table({"": own}, "", path, ("is", *_PROVENANCE))
            value = self._get(own, "is", str, path)
            if not SYNTAX[key].fullmatch(value):
                raise self._fail(path, f"must match {SYNTAX[key].pattern}, not {value!r}")
            stated[key] = Stated(value, self._provenance(own, path, common))
        return stated

    def _messages(self, document: dict[str, Any], whole: Provenance) -> dict[str, Provenance]:
        messages = self._table(document, "messages", "messages", MESSAGES)
        stated = {
            name: self._provenance(
                self._table(messages, name, f"messages.{name}", _PROVENANCE), f"messages.{name}", whole
            )
            for name in messages
        }
        return {name: stated.get(name) or (self._base.messages[name] if self._base else whole) for name in MESSAGES}

    def _tables(self, document: dict[str, Any], whole: Provenance) -> dict[str, Table]:
        tables = dict(self._base.tables) if self._base else {}
        for name in self._table(document, "tables", "tables"):
            path = f"tables.{name}"
            table = self._table(document["tables"], name, path, ("values", *_PROVENANCE))
            provenance = self._provenance(table, path, whole)
            said = self._values(name, table, path, provenance)
            base = tables.get(name) or Table(name, {}, provenance)
            tables[name] = replace(
                base,
                values={**base.values, **said.values},
                added={
                    **base.added,
                    **(dict.fromkeys(said.values, provenance) if name in tables else {}),
                    **said.added,
                },
                outcomes=_replaced(base.outcomes, said.outcomes, said.values),
                meanings=_replaced(base.meanings, said.meanings, said.values),
            )
        return tables

    def _values(self, name: str, table: dict[str, Any], path: str, provenance: Provenance) -> Table:
        """Reads a document's values: each is a text, or a table with a name and further keys."""
        values: dict[int, str] = {}
        added: dict[int, Provenance] = {}
        outcomes: dict[int, str] = {}
        meanings: dict[int, str] = {}
        for key, word in self._table(table, "values", f"{path}.values").items():
            at, number = f"{path}.values.{key}", int(key) if _NUMBER.fullmatch(key) else None
            if number is None or not isinstance(word, str | dict) or (isinstance(word, str) and not word.isprintable()):
                raise self._fail(at, "must be a whole number with a text, or with { name, outcome, meaning }")
            if isinstance(word, str):
                values[number] = word
                continue
            self._table({"": word}, "", at, ("name", *_OF_STATUSES, *_PROVENANCE))
            values[number] = self._get(word, "name", str, at)
            if set(word) & set(_PROVENANCE):
                added[number] = self._provenance(word, at, provenance)
            for key in _OF_STATUSES:
                if key in word and name != TOKEN_STATUS:
                    raise self._fail(f"{at}.{key}", f"goes with the table {TOKEN_STATUS} alone")
            if "outcome" in word:
                outcomes[number] = self._choice(word, "outcome", TOKEN_OUTCOMES, at)
            if "meaning" in word:
                meanings[number] = self._get(word, "meaning", str, at)
        return Table(name, values, provenance, added, outcomes, meanings)

    def _registers(
        self, document: dict[str, Any], whole: Provenance, tables: dict[str, Table]
    ) -> tuple[dict[str, Register], str]:
        section = self._table(document, "registers", "registers", ("numbering", "entries", *_PROVENANCE))
        inherited = self._provenance(section, "registers", whole)
        numbering = self._base.numbering if self._base else ""
        if "numbering" in section:
            numbering = self._choice(section, "numbering", (OBIS,), "registers")
        registers = {
            register.id: replace(register, table=tables[register.table.name]) if register.table else register
            for register in (self._base.registers.values() if self._base else ())
        }
        for number in self._table(section, "entries", "registers.entries"):
            path = f'registers.entries."{number}"'
            entry = self._table(
                section["entries"], number, path, ("name", "access", "type", *_ENCODING_KEYS, *_PROVENANCE)
            )
            table = self._get(entry, "table", str, path) if "table" in entry else None
            if table is not None and table not in tables:
                raise self._fail(f"{path}.table", f"there is no [tables.{table}]")
            registers[number] = Register(
                number,
                self._get(entry, "name", str, path),
                self._choice({"access": "read and write"} | entry, "access", _ACCESS, path),
                tables[table] if table is not None else None,
                self._provenance(entry, path, inherited),
                self._encoding(entry, path),
            )
        return registers, numbering

    def _encoding(self, entry: dict[str, Any], path: str) -> Encoding:
        """Reads how a register's values are encoded: its type and that type's keys."""
        usual = "enumeration" if "table" in entry else "decimal" if "unit" in entry or "scale" in entry else "text"
        type = self._choice({"type": usual} | entry, "type", tuple(encodings.TYPES), path)
        for key in _ENCODING_KEYS:
            if key in entry and key not in encodings.TYPES[type].keys:
                raise self._fail(f"{path}.{key}", f"does not go with type {type!r}")
        found: dict[str, Any] = {"type": type}
        for key in ("unit", "format"):
            if key in entry:
                found[key] = self._get(entry, key, str, path)
        if "scale" in entry:
            found["scale"] = self._get(entry, "scale", int, path)
            if abs(found["scale"]) > encodings.MAX_SCALE:
                raise self._fail(f"{path}.scale", f"must be a power of ten, -{encodings.MAX_SCALE} to +18")
        for key, most in (("octets", encodings.MAX_OCTETS), ("digits", encodings.MAX_DIGITS)):
            if key in entry:
                found[key] = self._get(entry, key, int, path)
                if not 0 < found[key] <= most:
                    raise self._fail(f"{path}.{key}", f"must be 1 to {most}, not {found[key]}")
        if "base" in entry or type == "bits":
            found["base"] = self._get({"base": 16} | entry, "base", int, path)
            if found["base"] not in (10, 16):
                raise self._fail(f"{path}.base", f"must be 10 or 16, not {found['base']}")
        if type == "enumeration" and "table" not in entry:
            raise self._fail(f"{path}.table", "is missing")
        if type == "bits":
            found["bits"] = self._bits(entry, path)
        if "octets" in entry and found.get("base", 10) == 10 and type in ("bits", "enumeration"):
            raise self._fail(f"{path}.octets", "goes with base 16 alone")
        if type == "fields":
            found["fields"] = self._fields(entry, path)
        if type == "date":
            found |= self._date(entry, path)
        if type == "token":
            found["tokens"] = tuple(self._get(entry, "encodings", list, path))
            if not found["tokens"] or any(name not in encodings.TOKEN_ENCODINGS for name in found["tokens"]):
                raise self._fail(f"{path}.encodings", f"must be some of {', '.join(encodings.TOKEN_ENCODINGS)}")
        return Encoding(**found)

    def _bits(self, entry: dict[str, Any], path: str) -> dict[int, str]:
        if "bits" not in entry:
            raise self._fail(f"{path}.bits", "is missing")
        names = {}
        for key, word in self._table(entry, "bits", f"{path}.bits").items():
            if not _NUMBER.fullmatch(key) or int(key) > encodings.MAX_BIT:
                raise self._fail(f"{path}.bits.{key}", f"must be the number of a bit, 0 to {encodings.MAX_BIT}")
            if not isinstance(word, str) or not word.isprintable():
                raise self._fail(f"{path}.bits.{key}", "must be one line of printable text")
            names[int(key)] = word
        return names

    def _fields(self, entry: dict[str, Any], path: str) -> tuple[tuple[str, int], ...]:
        fields = []
        for number, field in enumerate(self._get(entry, "fields", list, path), 1):
            at = f"{path}.fields.{number}"
            self._table({"": field}, "", at, ("name", "bits"))
            bits = self._get(field, "bits", int, at)
            if bits < 1:
                raise self._fail(f"{at}.bits", f"must be 1 or more, not {bits}")
            fields.append((self._get(field, "name", str, at), bits))
        total = sum(bits for _, bits in fields)
        if not 0 < total <= encodings.MAX_BIT + 1 or total % 4:
            reason = f"must have 4 to {encodings.MAX_BIT + 1} bits together, in hexadecimal digits of 4, not {total}"
            raise self._fail(f"{path}.fields", reason)
        return tuple(fields)

    def _date(self, entry: dict[str, Any], path: str) -> dict[str, Any]:
        if "since" not in entry:
            format = self._get(entry, "format", str, path)
            named = [name for name, _ in encodings.date_parts(format) if name not in ("", "?")]
            if not named or not format.isascii() or len(named) != len({name[:2] for name in named}):
                reason = f"must have some of {', '.join(encodings.DATE_FIELDS)}, each once, not {format!r}"
                raise self._fail(f"{path}.format", reason)
            if "step" in entry:
                raise self._fail(f"{path}.step", "goes with 'since' alone")
            return {}
        if "format" in entry:
            raise self._fail(f"{path}.format", "is not for a date that counts 'since' a day")
        since = self._get(entry, "since", str, path)
        try:
            epoch = (date.fromisoformat(since) - date(1970, 1, 1)).days
        except ValueError:
            raise self._fail(f"{path}.since", f"must be a day such as '1993-01-01', not {since!r}") from None
        step = self._choice({"step": "seconds"} | entry, "step", tuple(_STEPS), path)
        return {"epoch": epoch, "step": _STEPS[step]}


_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_HEADER: Final = re.compile(r"\[\[?([^]]*)\]\]?")


def line_of(text: str, path: str) -> int | None:
    """Returns the line of a key in a TOML text, or of the nearest table or key above it that exists; None if none does.
    A key of an inline table is on the table's line."""
    keys = re.findall(r'"(?:[^"])*"|[^."]+', path)
    plain = [key.strip('"') for key in keys]
    section: list[str] = []
    best, found = 0, None
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line.lstrip())
        if header:
            section = [key.strip("\"' ") for key in re.findall(r'"[^"]*"|[^."]+', header[1].strip())]
            here = section
        else:
            here = [*section, line.partition("=")[0].strip().strip("\"'")] if "=" in line else []
        if here and here == plain[: len(here)] and len(here) > best:
            best, found = len(here), number
    return found


def _replaced(inherited: Mapping[int, str], said: Mapping[int, str], values: Collection[int]) -> dict[int, str]:
    """Merges what is said of values; a value that is redefined loses its inherited entry."""
    return {number: text for number, text in inherited.items() if number not in values} | dict(said)
