"""The contents of a profile as plain data: :mod:`vtctap.dissector.profiles.files` loads it, the dissectors use it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from vtctap.dissector.profiles.encodings import TEXT, Encoding
from vtctap.errors import Error
from vtctap.pcap.record import Line


class ProfileError(Error, ValueError):
    """A profile cannot be used; the message names the file, the line where it is known, the key and the reason."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """The source of an entry and its confidence: ``confirmed``, ``derived`` or ``assumed``."""

    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Timing:
    """The protocol's time limits, ns. A session has ended after ``session_timeout_ns`` of silence."""

    gap_limit_ns: int
    reaction_min_ns: int
    reaction_max_ns: int
    session_timeout_ns: int
    provenance: Provenance


TOKEN_STATUS: Final = "tokenStatus"
"""The table whose values are token statuses (IEC 62055-52 clause 7.8)."""


@dataclass(frozen=True, slots=True)
class Table:
    """Names of a register's values.

    ``outcomes`` gives the known outcomes of token statuses, from :data:`~vtctap.dissector.catalogue.TOKEN_OUTCOMES`,
    and ``meanings`` explains them in a sentence. ``added`` holds the provenance of values that do not share the
    table's: those that a profile adds to an inherited table, or that state their own.
    """

    name: str
    values: Mapping[int, str]
    provenance: Provenance
    added: Mapping[int, Provenance] = field(default_factory=dict)
    outcomes: Mapping[int, str] = field(default_factory=dict)
    meanings: Mapping[int, str] = field(default_factory=dict)

    def provenance_of(self, value: int) -> Provenance:
        """Returns the provenance of a value's name."""
        return self.added.get(value, self.provenance)


@dataclass(frozen=True, slots=True)
class Register:
    """One register: its name, the table that names its values (None: no table), and the encoding of its values."""

    id: str
    name: str
    access: str
    table: Table | None
    provenance: Provenance
    encoding: Encoding = TEXT

    @property
    def token_encodings(self) -> tuple[str, ...]:
        """The encodings of the tokens in this register; empty unless it is a token register."""
        return self.encoding.tokens


@dataclass(frozen=True, slots=True)
class Identification:
    """The layout of the IDResponse: whether its first three letters are a FLAG id, and the fields (name, octets) at the
    beginning of its text."""

    flag: bool
    fields: tuple[tuple[str, int], ...]
    provenance: Provenance


SYNTAX: Final[Mapping[str, re.Pattern[str]]] = {
    "read": re.compile(r"[ -~]{1,3}"),
    "write": re.compile(r"[ -~]{1,3}"),
    "brackets": re.compile("yes|no"),
    "count": re.compile("yes|no"),
    "count_of": re.compile("octets|registers"),
    "ids": re.compile("yes|no"),
    "client_check": re.compile("xor|sum|none"),
    "meter_check": re.compile("xor|sum|none"),
}
"""What a profile may state of the form of messages: the commands of reads and writes (with their type digit), whether
reads have brackets and a count, what it counts, whether answers have ids, and the rules of the check characters."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What a profile states of one point of the syntax."""

    value: str
    provenance: Provenance


OBIS: Final = "obis"
"""The numbering in which register ids are reduced or full OBIS codes (IEC 62056-61)."""

_OBIS = re.compile(r"(?:(?:[01]-0|1-1):)?([^:*&]+?)(?:([*&])([0-9]{1,3}))?\Z")
_CURRENT = 255


@dataclass(frozen=True, slots=True)
class Profile:
    """A complete, valid profile. ``numbering`` is :data:`OBIS`, or empty where an id stands only for itself. ``syntax``
    has what is stated of :data:`SYNTAX`; it decides nothing in decoding, and is what ``profile check`` compares."""

    name: str
    title: str
    provenance: Provenance
    line: Line
    speed: int
    timing: Timing
    identification: Identification
    messages: Mapping[str, Provenance]
    registers: Mapping[str, Register]
    tables: Mapping[str, Table]
    numbering: str = ""
    inherits: str = ""
    syntax: Mapping[str, Stated] = field(default_factory=dict)

    def register(self, id: str) -> Register | None:
        """Returns the register of that id, None where the profile has none.

        An OBIS code that the profile does not list is looked up without ``1-0:`` (or 0-0: or 1-1:) in front and without
        ``*255`` at the end. A final ``*05`` or ``&05`` marks a historic value, which the register's name then states
        (IEC 62056-61: value group F, stored by the clock or by hand).
        """
        register = self.registers.get(id)
        if register or self.numbering != OBIS:
            return register
        match = _OBIS.match(id)
        if not match:
            return None
        code, _, history = match.groups()
        register = self.registers.get(code)
        if register is None or history is None or int(history) == _CURRENT:
            return register
        return replace(register, id=id, name=f"{register.name}, historic value {history}")
