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
_ESCAPE: Final = re.compile(r"\\([0-9@](?![0-9]))?")
"""The optional sequence before an identification's text (IEC 62056-21 clause 6.3.2)."""
_DESIGNATION: Final = re.compile(r"[0-9A-Za-z ._-]*")
_VERSIONED: Final = re.compile(r"[A-Z]{1,2}[0-9]{3}[A-Z]?-[01]0[0-9]{2}")
"""A type with its version, such as MT174-0001: more digits than others may have."""
_MAX_PARTS: Final = 3
_MAX_LETTERS: Final = 3
_MAX_DIGITS: Final = 4
"""A type's designation has at most so many words and so many numbers, a word so many letters, all numbers so many
digits. Longer words may be names; more digits, or an alternation of both, may be a number of the meter."""
_TYPE_WORDS: Final = frozenset({"DSMR", "ESMR", "KAIFA", "METER", "NORAX", "ZIV"})
"""Longer words, and words without a number, that are known from types of meters."""

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
    """Whether the text of an identification, after the maker's letters and the digit of the speed, may stay: the
    designation of a type."""
    escape = _ESCAPE.match(text)
    designation = text[escape.end() :] if escape else text
    if _VERSIONED.fullmatch(designation):
        return True
    words, numbers = re.findall("[A-Za-z]+", designation), re.findall("[0-9]+", designation)
    unknown = [word for word in words if word not in _TYPE_WORDS]
    return (
        bool(_DESIGNATION.fullmatch(designation))
        and max(len(words), len(numbers)) <= _MAX_PARTS
        and sum(map(len, numbers)) <= _MAX_DIGITS
        and all(len(word) <= _MAX_LETTERS for word in unknown)
        and bool(numbers or not unknown)
    )


STATIONS: Final = range(0x10, 0x3FFE)
"""Lower HDLC addresses of two octets that devices have. The others are reserved (IEC 62056-46 clause 6.4.2), among them
no station, the calling device, and all stations."""


def hdlc_address_stays(octets: bytes) -> bool:
    """Whether the lower half of a long HDLC address may stay: every device has the reserved ones."""
    return octets[0] << 6 | octets[1] >> 1 not in STATIONS


_SIDES: Final = frozenset({"both directions", "the client's octets", "the server's octets"})


def tap_part_stays(part: str, profiles: tuple[str, ...]) -> bool:
    """Whether a part of a tap's description may stay: its side, its character format, or a profile of these names."""
    return part in _SIDES or bool(_LINE.fullmatch(part)) or part.removeprefix("profile=") in profiles
