"""What may stay in a redacted trace. All else is replaced.

The tables allow; none forbids. So a dialect that nobody has seen loses more than needed, and nothing leaks. Values that
stay are measurements: short numbers that a profile, an OBIS code or a unit identifies. Identities stay nowhere, also
where a profile would read them as numbers (:data:`SECRET_NAME`).
"""

import re
from collections.abc import Mapping
from typing import Final

from vtctap.dissector.profiles.model import Profile, Register
from vtctap.dissector.protocol.rules import MessageName
from vtctap.dissector.tokens.recognise import recognise

SECRET_NAME: Final = re.compile(
    r"number|serial|password|secret|group|account|customer|consumer|owner|address|identi|equipment|\bid\b|Id\b|text|pan\b",
    re.IGNORECASE,
)
"""Names of registers whose values identify somebody or something."""
MEASURING: Final = frozenset({"decimal", "hexadecimal", "bcd", "date", "bits", "enumeration", "fields"})
"""Encodings whose values may stay."""
UNITS: Final = frozenset(
    (
        "",
        *("%", "A", "Ah", "C", "GJ", "Hz", "MJ", "MW", "MWh", "Mvarh", "V", "VA"),
        *("VAh", "W", "Wh", "deg", "h", "kA", "kV", "kVA", "kVAh", "kVar", "kVarh", "kW"),
        *("kWh", "kvar", "kvarh", "l", "l/h", "m3", "m3/h", "min", "s", "var", "varh"),
    )
)
"""Units that may stay."""
_NUMBER: Final = re.compile(r"[+-]?(?=[0-9.]{1,10}\Z)[0-9]{1,8}(\.[0-9]{0,4})?")
_FRACTION: Final = re.compile(r"[+-]?[0-9]{1,5}\.[0-9]{1,3}")
"""A number that is a measurement, also without a unit: identities have no decimal point."""
_HEX_NUMBER: Final = re.compile(r"[0-9A-Fa-f]{1,8}")
_SHORTEST: Final = 3
"""Values with fewer characters stay in any register but those for secrets."""
_CLOCK: Final = re.compile(r"([0-9]+-[0-9]+:)?(0\.9\.[12]|1\.0\.0|24\.2\.1)(\*[0-9]+)?")
"""OBIS codes of time and date."""
_TIME: Final = re.compile(r"([0-9]{2}[-:./]?){2}[0-9]{2}|[0-9]{12}[SW]?|[0-9]{10}")
_REGISTER: Final = re.compile(
    r"([0-9]{1,3}-[0-9]{1,3}:)?[0-9A-Z]{1,3}\.[0-9A-Z]{1,3}(\.[0-9A-Z]{1,3})?([*&][0-9]{1,3})?"
    r"|[0-9A-F]{4}|[A-Z]{1,8}|[A-Z0-9]{1,4}|[A-Z]{2,5}[0-9]{1,2}[A-Z]{0,3}"
)
"""Ids of registers: OBIS codes, four hexadecimal digits, short names. Others look like secrets."""
COMMAND: Final = re.compile(rb"[A-Z][0-9]?")
_TYPE: Final = re.compile(r"[A-Za-z0-9]{1,4}|[A-Za-z]+|\W+|_")
_MAX_DIGITS: Final = 4
"""Most digits of an identification's text that may stay: those of a type or a version."""

_WORD, _COUNT = re.compile(r"[a-z][a-z-]{0,15}"), re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,9})?(ms|us|s|characters)?")
_LINE: Final = re.compile(r"[5-8][NEOMS][12]")
EVENTS: Final[Mapping[str, Mapping[str, re.Pattern[str]]]] = {
    "opened": {
        "speed": _COUNT,
        "line": _LINE,
        "octets": _COUNT,
        "latency": _COUNT,
        "latency_source": _WORD,
        "low_latency": _WORD,
    },
    "closed": dict.fromkeys(("octets", "frame", "overrun", "parity", "brk", "buf_overrun", "unwritten"), _COUNT),
    "lost": {"octets": _COUNT},
    "speed": {"from": _COUNT, "to": _COUNT, "line": _LINE, "why": _WORD, "sender": _WORD},
    "overrun": dict.fromkeys(("overrun", "buf_overrun", "unread"), _COUNT),
    "missed": {"octets": _COUNT},
    "clock": {"step": _COUNT, "ahead": _COUNT},
    "mark": {},
}
"""Events, their words that may stay, and the forms of these words' values."""


def register_stays(id: str, profile: Profile) -> bool:
    """Whether the id of a register may stay."""
    return bool(profile.register(id) or _REGISTER.fullmatch(id))


def value_stays(name: MessageName | None, register: str, value: str, unit: str, profile: Profile) -> bool:
    """Whether a value of a message may stay."""
    if name == MessageName.PasswordCommand:
        return False
    if name == MessageName.Error and re.fullmatch("ER[0-9]{0,2}", value):
        return True
    known = profile.register(register)
    if known and is_secret(known):
        return False
    if len(value) < _SHORTEST:
        return True
    if known and known.encoding.type in MEASURING and unit in UNITS:
        form = _NUMBER if known.encoding.type == "decimal" else _HEX_NUMBER
        return bool(form.fullmatch(value) or (known.encoding.type == "date" and _TIME.fullmatch(value)))
    if _CLOCK.fullmatch(register):
        return bool(_TIME.fullmatch(value))
    return bool(_FRACTION.fullmatch(value) or (unit and unit in UNITS and _NUMBER.fullmatch(value)))


def is_secret(register: Register) -> bool:
    """Whether a register's values are secrets: tokens, identities, passwords."""
    return bool(register.token_encodings or SECRET_NAME.search(register.name))


def is_test_token(value: str) -> bool:
    """Whether a value is a token of class 1 that proves itself: it is no secret, because it works in every meter."""
    return recognise(value) is not None


def identification_stays(text: str) -> bool:
    """Whether the text of an identification may stay: words, and few digits."""
    return sum(map(str.isdecimal, text)) <= _MAX_DIGITS and all(len(part) <= 6 for part in _TYPE.findall(text))


_SIDES: Final = frozenset({"both directions", "the client's octets", "the server's octets"})


def tap_part_stays(part: str, profiles: tuple[str, ...]) -> bool:
    """Whether a part of a tap's description may stay: its side, its character format, or a profile of these names."""
    return part in _SIDES or bool(_LINE.fullmatch(part)) or part.removeprefix("profile=") in profiles
