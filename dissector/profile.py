"""Profiles: what the messages of a link mean, as data.

Framing is code; meaning is data. A profile is a TOML file with the line's settings, timing limits, and names and
tables for registers and values. Every entry says where it comes from (``source``) and how sure it is
(``confidence``), by itself or from the table that it stands in. :func:`load` takes the name of a shipped profile or the
path of a file; docs/profiles.md describes the format.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from vtctap.dissector.catalogue import CONFIDENCES, MESSAGES
from vtctap.pcap.record import Line

DEFAULT: Final = "iec62055-52"
_ACCESS: Final = ("read", "write", "read and write")


class ProfileError(ValueError):
    """A profile cannot be used; the message names the file, the key and the reason."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an entry comes from and how sure it is: ``confirmed``, ``derived`` or ``assumed``."""

    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Timing:
    """Limits of the protocol, ns."""

    gap_limit: int
    reaction_min: int
    reaction_max: int


@dataclass(frozen=True, slots=True)
class Table:
    """Names of a register's values."""

    name: str
    values: Mapping[int, str]
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Register:
    """One register: its name, and the table that names its values (None: its values are shown as they are)."""

    id: str
    name: str
    access: str
    table: Table | None
    provenance: Provenance

    @property
    def token_encodings(self) -> tuple[str, ...]:
        """The encodings (:data:`vtctap.dissector.tokens.recognise.ENCODINGS`) in which the register holds a token;
        empty where it is no token register."""
        return ("decimal", "hexadecimal") if self.name == "TokenData" else ()


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile, whole and valid."""

    name: str
    title: str
    provenance: Provenance
    line: Line
    speed: int
    timing: Timing
    messages: Mapping[str, Provenance]
    registers: Mapping[str, Register]


def shipped() -> tuple[str, ...]:
    """The names of the profiles that come with vtctap, the default one first."""
    folder = resources.files("vtctap.dissector.profiles")
    names = {entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")}
    return (DEFAULT, *sorted(names - {DEFAULT}))


def load(name: str = DEFAULT) -> Profile:
    """The shipped profile of that name, or the profile in the file of that path. Raises ProfileError."""
    return parse(text(name), f"{name}.toml" if name in shipped() else name)


def text(name: str) -> str:
    """The TOML text of a shipped profile, or of the file of that path. Raises ProfileError."""
    if name in shipped():
        return (resources.files("vtctap.dissector.profiles") / f"{name}.toml").read_text("utf-8")
    path = Path(name)
    if path.suffix != ".toml":
        raise ProfileError(
            f"there is no profile {name!r}: name one of {', '.join(shipped())}, or the path of a .toml file"
        )
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise ProfileError(f"{name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ProfileError(f"{name}: not UTF-8 text") from None


def parse(text: str, file: str) -> Profile:
    """The profile of a TOML text; ``file`` names it in errors. Raises ProfileError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{file}: {error}") from None
    return _Reader(file).profile(document)


class _Reader:
    """Checks a document while it takes it apart, and knows where it is, for the errors."""

    def __init__(self, file: str) -> None:
        self._file = file

    def _fail(self, key: str, reason: str) -> ProfileError:
        return ProfileError(f"{self._file}: {key}: {reason}")

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

    def _provenance(self, table: Mapping[str, Any], path: str, inherited: Provenance | None = None) -> Provenance:
        merged = {"source": inherited.source, "confidence": inherited.confidence} if inherited else {}
        merged |= {key: table[key] for key in ("source", "confidence") if key in table}
        source = self._get(merged, "source", str, path)
        confidence = self._get(merged, "confidence", str, path)
        if confidence not in CONFIDENCES:
            raise self._fail(f"{path}.confidence", f"{confidence!r} is none of {', '.join(CONFIDENCES)}")
        return Provenance(source, confidence)

    def profile(self, document: dict[str, Any]) -> Profile:
        self._table({"": document}, "", "", _SECTIONS)
        head = self._table(document, "profile", "profile", ("name", "title", *_PROVENANCE))
        whole = self._provenance(head, "profile")
        line, speed = self._line(document, whole)
        tables = self._tables(document, whole)
        return Profile(
            name=self._get(head, "name", str, "profile"),
            title=self._get(head, "title", str, "profile"),
            provenance=whole,
            line=line,
            speed=speed,
            timing=self._timing(document, whole),
            messages=self._messages(document, whole),
            registers=self._registers(document, whole, tables),
        )

    def _line(self, document: dict[str, Any], whole: Provenance) -> tuple[Line, int]:
        table = self._table(document, "line", "line", ("format", "speed", *_PROVENANCE))
        self._provenance(table, "line", whole)
        format = self._get(table, "format", str, "line")
        try:
            line = Line.parse(format)
        except ValueError as error:
            raise self._fail("line.format", str(error)) from None
        speed = self._get(table, "speed", int, "line")
        if speed <= 0:
            raise self._fail("line.speed", f"must be a number of bit/s, not {speed}")
        return line, speed

    def _timing(self, document: dict[str, Any], whole: Provenance) -> Timing:
        names = ("gap_limit", "reaction_min", "reaction_max")
        table = self._table(document, "timing", "timing", (*names, *_PROVENANCE))
        self._provenance(table, "timing", whole)
        seconds = [self._get(table, name, float, "timing") for name in names]
        for name, value in zip(names, seconds, strict=True):
            if not 0 < value < 3600:
                raise self._fail(f"timing.{name}", f"must be seconds, more than 0, not {value}")
        return Timing(*(round(value * 1e9) for value in seconds))

    def _messages(self, document: dict[str, Any], whole: Provenance) -> dict[str, Provenance]:
        messages = self._table(document, "messages", "messages", MESSAGES)
        stated = {
            name: self._provenance(
                self._table(messages, name, f"messages.{name}", _PROVENANCE), f"messages.{name}", whole
            )
            for name in messages
        }
        return {name: stated.get(name, whole) for name in MESSAGES}

    def _tables(self, document: dict[str, Any], whole: Provenance) -> dict[str, Table]:
        tables = {}
        for name in self._table(document, "tables", "tables"):
            path = f"tables.{name}"
            table = self._table(document["tables"], name, path, ("values", *_PROVENANCE))
            values = {}
            for key, word in self._table(table, "values", f"{path}.values").items():
                if not key.isdecimal() or not isinstance(word, str) or not word.isprintable():
                    raise self._fail(f"{path}.values.{key}", "must be a whole number with a text")
                values[int(key)] = word
            tables[name] = Table(name, values, self._provenance(table, path, whole))
        return tables

    def _registers(self, document: dict[str, Any], whole: Provenance, tables: dict[str, Table]) -> dict[str, Register]:
        section = self._table(document, "registers", "registers", ("entries", *_PROVENANCE))
        inherited = self._provenance(section, "registers", whole)
        registers = {}
        for number in self._table(section, "entries", "registers.entries"):
            path = f'registers.entries."{number}"'
            entry = self._table(section["entries"], number, path, ("name", "access", "table", *_PROVENANCE))
            access = self._get({"access": "read and write"} | entry, "access", str, path)
            if access not in _ACCESS:
                raise self._fail(f"{path}.access", f"{access!r} is none of {', '.join(_ACCESS)}")
            table = self._get(entry, "table", str, path) if "table" in entry else None
            if table is not None and table not in tables:
                raise self._fail(f"{path}.table", f"there is no [tables.{table}]")
            registers[number] = Register(
                number,
                self._get(entry, "name", str, path),
                access,
                tables[table] if table is not None else None,
                self._provenance(entry, path, inherited),
            )
        return registers


_SECTIONS: Final = ("profile", "line", "timing", "messages", "registers", "tables")
_PROVENANCE: Final = ("source", "confidence")
_KINDS: Final = {str: "text", int: "whole number", float: "number"}
