"""What a profile says, as plain data: :mod:`vtctap.dissector.profiles.files` loads it, the dissectors use it."""

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
    """Where an entry comes from and how sure it is: ``confirmed``, ``derived`` or ``assumed``."""

    source: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Timing:
    """Limits of the protocol, ns. After ``session_timeout_ns`` of silence a session has ended."""

    gap_limit_ns: int
    reaction_min_ns: int
    reaction_max_ns: int
    session_timeout_ns: int
    provenance: Provenance


TOKEN_STATUS: Final = "tokenStatus"
"""The table whose values are token statuses (IEC 62055-52 clause 7.8)."""


@dataclass(frozen=True, slots=True)
class Table:
    """Names of a register's values. ``outcomes`` holds what those that are token statuses say of the token, of
    :data:`~vtctap.dissector.catalogue.TOKEN_OUTCOMES`, as far as it is known, and ``meanings`` what that is in a
    sentence. ``added`` holds the provenance of the
    values that do not share the table's: those that a profile added to the table that it inherits, or that state their
    own."""

    name: str
    values: Mapping[int, str]
    provenance: Provenance
    added: Mapping[int, Provenance] = field(default_factory=dict)
    outcomes: Mapping[int, str] = field(default_factory=dict)
    meanings: Mapping[int, str] = field(default_factory=dict)

    def provenance_of(self, value: int) -> Provenance:
        """Where the name of a value comes from."""
        return self.added.get(value, self.provenance)


@dataclass(frozen=True, slots=True)
class Register:
    """One register: its name, the table that names its values (None: no table does), and how a value is written."""

    id: str
    name: str
    access: str
    table: Table | None
    provenance: Provenance
    encoding: Encoding = TEXT

    @property
    def token_encodings(self) -> tuple[str, ...]:
        """The encodings in which the register holds a token; empty where it is no token register."""
        return self.encoding.tokens


@dataclass(frozen=True, slots=True)
class Identification:
    """The layout of the IDResponse: whether its first three letters are a FLAG id, and the fields (name, octets) that
    its text begins with."""

    flag: bool
    fields: tuple[tuple[str, int], ...]
    provenance: Provenance


OBIS: Final = "obis"
"""The numbering of registers whose ids may be reduced or full OBIS codes (IEC 62056-61)."""

_OBIS = re.compile(r"(?:(?:[01]-0|1-1):)?([^:*&]+?)(?:([*&])([0-9]{1,3}))?\Z")
_CURRENT = 255


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile, whole and valid. ``numbering`` is :data:`OBIS`, or empty where an id stands for itself alone."""

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

    def register(self, id: str) -> Register | None:
        """The register of that id, None where the profile knows none.

        Where ids are OBIS codes and this one is not listed as it stands: ``1-0:`` (or 0-0: or 1-1:) in front says
        nothing new, nor does ``*255`` behind; ``*05`` or ``&05`` behind is a historic value, and
        the register's name says which (IEC 62056-61: value group F, stored by the clock or by hand).
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
