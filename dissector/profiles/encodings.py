"""The encodings of a register's values: the ``type`` of a register in a profile.

A value is the text of a data set as the decoder shows it. An unprintable octet appears there by its name (``<NUL>``)
and counts as one character here. A value that does not have the form of its type gets no reading rather than a wrong
one. Nothing is computed in floating point: numbers are rewritten digit by digit or are whole and below 2**53, so that
the Lua dissector (``wireshark/encodings.lua``, with the same rules) produces the same text.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from vtctap.dissector.protocol.characters import LESS_THAN, show


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a value is encoded.

    - ``scale``: the value counts in 10**scale of its unit. ``unit`` applies where the data set states none.
    - ``base`` is the number base of an enumeration or of bits.
    - ``octets`` is the exact length of a value in hexadecimal, in pairs of digits; ``digits`` is the length of a number
      in decimal digits. 0: any length.
    - ``fields`` are the names and bits of a value's fields, the most significant first.
    - ``format`` is the format of a date; ``epoch`` (days since 1970-01-01) and ``step`` (seconds) describe a date that
      counts from a day.
    - ``tokens`` names the encodings that a token may have.
    """

    type: str
    scale: int = 0
    unit: str = ""
    base: int = 10
    format: str = ""
    epoch: int = 0
    step: int = 0
    bits: Mapping[int, str] = field(default_factory=dict)
    tokens: tuple[str, ...] = ()
    octets: int = 0
    digits: int = 0
    fields: tuple[tuple[str, int], ...] = ()


TEXT: Final = Encoding("text")
TOKEN_ENCODINGS: Final = ("decimal", "hexadecimal", "packed")
"""20 decimal digits, 17 hexadecimal digits, or ten characters of seven bits."""
MAX_SCALE: Final = 18
MAX_OCTETS: Final = 32
MAX_DIGITS: Final = 64
MAX_BIT: Final = 51
"""The highest bit that a double holds exactly together with all lower ones."""

_DECIMAL: Final = re.compile(r"([+-]?)([0-9]{1,64})(?:\.([0-9]{0,64}))?")
_HEXADECIMAL: Final = re.compile(r"[0-9A-Fa-f]{1,13}")
_BCD: Final = re.compile(r"(?:[0-9]{2}){1,32}")
_DIGITS: Final = re.compile(r"[0-9]{1,64}")
_PAIRS: Final = re.compile(r"(?:[0-9A-Fa-f]{2}){1,256}")
_COUNT: Final = re.compile(r"[0-9]{1,9}")
MAX_PACKED: Final = 256
"""Most characters of seven bits that are read."""
_CODES: Final = {
    LESS_THAN: ord("<"),
    **{name: octet for octet in reversed(range(256)) if len(name := show(bytes([octet]))) > 1},
}
"""Octets by their names; ``<FF>`` is the form feed, since lines of seven bits have no octet 255."""
_NAMED: Final = re.compile("|".join(map(re.escape, _CODES)))


def reading(encoding: Encoding, value: str, unit: str = "") -> str | None:
    """Reads a value by its encoding; None where it does not have the form of its type, and for types that change
    nothing."""
    read = TYPES[encoding.type].reads
    return read(encoding, value, unit) if read else None


def reads(encoding: Encoding) -> bool:
    """Whether values of this encoding have a reading: their type changes something."""
    return TYPES[encoding.type].reads is not None


def number(value: str, base: int, octets: int = 0) -> int | None:
    """Reads the whole number of an enumeration or of bits: up to 9 decimal or 13 hexadecimal digits; those
    of ``octets``, if that is not 0."""
    form = _COUNT if base == 10 else _HEXADECIMAL
    fits = not octets or len(value) == 2 * octets
    return int(value, base) if fits and form.fullmatch(value) else None


def _quantity(encoding: Encoding, sign: str, digits: str, places: int, unit: str) -> str:
    """Writes digits without leading zeros, with the point ``places`` from their end, which may lie outside of them."""
    if places < 0:
        digits, places = digits + "0" * -places, 0
    digits = digits.rjust(places + 1, "0")
    whole, rest = digits[: len(digits) - places].lstrip("0") or "0", digits[len(digits) - places :]
    text = ("-" if sign == "-" else "") + whole + ("." + rest if rest else "")
    unit = unit or encoding.unit
    return f"{text} {unit}" if unit else text


def _decimal(encoding: Encoding, value: str, unit: str) -> str | None:
    match = _DECIMAL.fullmatch(value)
    if not match:
        return None
    sign, whole, part = match[1], match[2], match[3] or ""
    return _quantity(encoding, sign, whole + part, len(part) - encoding.scale, unit)


def _hexadecimal(encoding: Encoding, value: str, unit: str) -> str | None:
    whole = number(value, 16, encoding.octets)
    return None if whole is None else _quantity(encoding, "", str(whole), -encoding.scale, unit)


def _bcd(encoding: Encoding, value: str, unit: str) -> str | None:
    """Reads octets of two decimal digits each as one number."""
    fits = not encoding.octets or len(value) == 2 * encoding.octets
    return _quantity(encoding, "", value, -encoding.scale, unit) if fits and _BCD.fullmatch(value) else None


def _digits(encoding: Encoding, value: str, unit: str) -> str | None:
    """Reads decimal digits that are an identity, not a quantity: zeros in front count, except those that only fill
    up."""
    filler = len(value) - encoding.digits if encoding.digits else 0
    if not _DIGITS.fullmatch(value) or filler < 0 or value[:filler].strip("0"):
        return None
    return value[filler:]


def _fields(encoding: Encoding, value: str, unit: str) -> str | None:
    """Reads the fields of a value in hexadecimal, which has as many bits as they have together."""
    rest = sum(bits for _, bits in encoding.fields)
    if 4 * len(value) != rest or not _HEXADECIMAL.fullmatch(value):
        return None
    said = []
    for name, bits in encoding.fields:
        rest -= bits
        said.append(f"{name} {int(value, 16) >> rest & (1 << bits) - 1}")
    return ", ".join(said)


def _ascii(encoding: Encoding, value: str, unit: str) -> str | None:
    return show(bytes.fromhex(value)) if _PAIRS.fullmatch(value) else None


def _packed(encoding: Encoding, value: str, unit: str) -> str | None:
    """Writes the characters' bits, the first character's first, as hexadecimal digits, padded with zero bits in
    front."""
    codes = _NAMED.sub(lambda match: chr(_CODES[match[0]]), value).encode("latin-1", "replace")
    if not codes or len(codes) > MAX_PACKED or not codes.isascii():
        return None
    bits = "".join(f"{code:07b}" for code in codes)
    return f"{int(bits, 2):0{(len(bits) + 3) // 4}X}"


def _bits(encoding: Encoding, value: str, unit: str) -> str | None:
    whole = number(value, encoding.base, encoding.octets)
    if whole is None:
        return None
    names = [encoding.bits.get(bit, f"bit {bit}") for bit in range(whole.bit_length()) if whole >> bit & 1]
    return ", ".join(names) or "none"


DATE_FIELDS: Final = {"YYYY": 4, "YY": 2, "MM": 2, "DD": 2, "hh": 2, "mm": 2, "ss": 2, "?": 1}
"""The fields of a date's format and their digits; ``?`` skips one character."""
_DATE_FIELD: Final = re.compile("|".join(re.escape(name) for name in DATE_FIELDS))
_MONTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def date_parts(format: str) -> list[tuple[str, str]]:
    """Splits a date's format into ("", literal character) and (field, its text)."""
    parts: list[tuple[str, str]] = []
    at = 0
    while at < len(format):
        match = _DATE_FIELD.match(format, at)
        parts.append((match[0], match[0]) if match else ("", format[at]))
        at += len(parts[-1][1])
    return parts


def _date(encoding: Encoding, value: str, unit: str) -> str | None:
    if encoding.step:
        count = number(value, 10)
        return None if count is None else _since(encoding.epoch, count * encoding.step)
    found: dict[str, str] = {}
    at = 0
    for name, text in date_parts(encoding.format):
        piece = value[at : at + len(text)]
        at += len(text)
        if len(piece) < len(text) or (not name and piece != text):
            return None
        if name and name != "?":
            if not (piece.isascii() and piece.isdecimal()):
                return None
            found[name] = piece
    return _shown_date(found) if at == len(value) else None


def _shown_date(found: Mapping[str, str]) -> str | None:
    """Writes the parts of a date in the order of ISO 8601; None for an impossible date or time."""
    year = found.get("YYYY") or ("20" + found["YY"] if "YY" in found else None)
    month, day = found.get("MM"), found.get("DD")
    if month and not 1 <= int(month) <= 12:
        return None
    if day:
        leap = year is None or (int(year) % 4 == 0 and (int(year) % 100 != 0 or int(year) % 400 == 0))
        days = 29 if month == "02" and leap else _MONTHS[int(month) - 1] if month else 31
        if not 1 <= int(day) <= days:
            return None
    clock = [found[name] for name in ("hh", "mm", "ss") if name in found]
    if any(int(piece) > (23 if name == "hh" else 59) for name, piece in found.items() if name in ("hh", "mm", "ss")):
        return None
    return " ".join(part for part in ("-".join(filter(None, (year, month, day))), ":".join(clock)) if part)


def _since(epoch: int, seconds: int) -> str:
    """Writes the Gregorian date ``seconds`` after the start of the day ``epoch`` (days since 1970-01-01)."""
    days, clock = epoch + seconds // 86400, seconds % 86400
    # Years begin in March, in eras of 400 years (146 097 days) from 0000-03-01.
    era, day = divmod(days + 719468, 146097)
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day += 1 - (153 * month + 2) // 5
    month += 3 if month < 10 else -9
    year += era * 400 + (month <= 2)
    return f"{year:04}-{month:02}-{day:02} {clock // 3600:02}:{clock // 60 % 60:02}:{clock % 60:02}"


@dataclass(frozen=True, slots=True)
class Type:
    """A type of values. ``keys`` are the profile keys that its registers may have. ``reads`` reads a value; None where
    values are shown unchanged or by a table. The Lua dissector has a reader of the same name."""

    keys: tuple[str, ...] = ()
    reads: Callable[[Encoding, str, str], str | None] | None = None


TYPES: Final[Mapping[str, Type]] = {
    "text": Type(),
    "decimal": Type(("scale", "unit"), _decimal),
    "hexadecimal": Type(("scale", "unit", "octets"), _hexadecimal),
    "bcd": Type(("scale", "unit", "octets"), _bcd),
    "digits": Type(("digits",), _digits),
    "fields": Type(("fields",), _fields),
    "ascii": Type((), _ascii),
    "packed7": Type((), _packed),
    "date": Type(("format", "since", "step"), _date),
    "bits": Type(("base", "bits", "octets"), _bits),
    "enumeration": Type(("base", "table", "octets")),
    "token": Type(("encodings",)),
}
"""The types by name."""
