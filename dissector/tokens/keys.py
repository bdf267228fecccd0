"""Reads key files, in which the user supplies the keys of meters.

A key file is TOML: ``[[meter]]`` tables with ``pan``, ``ea`` (9 or 11), and either ``decoder_key`` or ``dkga`` (2 or 4)
with ``vending_key``, ``sgc``, ``ti``, ``kt``, ``krn`` and, for DKGA04, ``base``; docs/tokens.md describes it. One error
refuses the whole file. Keys appear in no error, no repr and no output.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vtctap.base.bounded_toml import TomlError, parse_toml
from vtctap.dissector.tokens.layouts import BASE_DATES
from vtctap.dissector.tokens.luhn import is_luhn
from vtctap.errors import Error


class KeyFileError(Error, ValueError):
    """A key file cannot be used; the message names the file, the line, the key and the reason."""


@dataclass(frozen=True, slots=True)
class Meter:
    """One meter's decoder key. ``pan`` has 18 digits; ``ea`` is 9 or 11; ``base`` is the year from which its TIDs
    count, None where unknown."""

    pan: str
    ea: int
    decoder_key: bytes = field(repr=False)
    base: int | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys for encrypted tokens.

    ``decrypt`` is the user's own function for a cipher that is not included (EA07): it takes a token's encrypted block
    of 8 octets and returns the clear one.
    """

    meters: tuple[Meter, ...] = ()
    decrypt: Callable[[bytes], bytes] | None = field(default=None, repr=False)

    def of(self, pan: str) -> "Keys":
        """Returns the keys of one meter."""
        return Keys(tuple(meter for meter in self.meters if meter.pan == pan), self.decrypt)


def load_keys(path: str | Path) -> Keys:
    """Loads a key file. Raises KeyFileError, and MissingExtra where a key needs a library that is not installed."""
    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise KeyFileError(f"{path}: not UTF-8 text") from None
    return parse_keys(text, str(path))


def parse_keys(text: str, file: str) -> Keys:
    """Reads the keys of a key file's text; ``file`` names it in errors. Raises as :func:`load_keys`."""
    try:
        document = parse_toml(text)
    except TomlError as error:
        raise KeyFileError(f"{file}: {_without_values(str(error))}") from None
    unknown = sorted(set(document) - {"meter"})
    if unknown:
        raise KeyFileError(f"{file}: {_name(unknown[0])}: is not known here; a key file holds [[meter]] tables")
    entries = document.get("meter")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise KeyFileError(f"{file}: holds no [[meter]] table")
    lines = _Lines(text)
    return Keys(tuple(_Reader(file, number, entry, lines).meter() for number, entry in enumerate(entries)))


def _without_values(text: str) -> str:
    """Returns a TOML error without the text it quotes, which may be part of a key."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", "what stands there", text)


def _name(key: str) -> str:
    """Returns a key's name for an error if it looks like a name, since the value may stand in its place."""
    return key if re.fullmatch(r"[a-z_]{1,12}", key) else "an entry"


class _Lines:
    """Finds the lines of a key file's entries, as far as the file has one entry per line."""

    def __init__(self, text: str) -> None:
        self._tables: list[dict[str, int]] = []
        for number, line in enumerate(text.splitlines(), 1):
            if re.match(r"\s*\[\[\s*meter\s*\]\]", line):
                self._tables.append({"": number})
            elif self._tables and (found := re.match(r"\s*(\w+)\s*=", line)):
                self._tables[-1].setdefault(found[1], number)

    def find(self, table: int, key: str) -> int | None:
        """Returns the line of a key, or else of its table."""
        if table >= len(self._tables):
            return None
        return self._tables[table].get(key, self._tables[table][""])


_COMMON: Final = ("pan", "ea")
_DERIVED: Final = ("dkga", "vending_key", "sgc", "ti", "kt", "krn", "base")
_VENDING_KEY: Final = {2: 8, 4: 20}
"""Octets of a vending key, by key generator algorithm."""


class _Reader:
    """Reads and checks one ``[[meter]]`` table."""

    def __init__(self, file: str, number: int, entry: Mapping[str, Any], lines: _Lines) -> None:
        self._file, self._number, self._entry, self._lines = file, number, entry, lines

    def _fail(self, key: str, reason: str) -> KeyFileError:
        line = self._lines.find(self._number, key)
        where = f" line {line}:" if line else ""
        return KeyFileError(f"{self._file}:{where} meter {self._number + 1}: {_name(key)}: {reason}")

    def meter(self) -> Meter:
        """Returns the table's meter."""
        for key in sorted(set(self._entry) - {*_COMMON, *_DERIVED, "decoder_key"}):
            known = ", ".join((*_COMMON, "decoder_key", *_DERIVED))
            raise self._fail(key, f"is not known here; known are {known}")
        pan = self._digits("pan", 18)
        ea = self._number_of("ea")
        if ea == 7:
            raise self._fail("ea", "EA07 needs tables that are under licence; see 'decrypt' in 'vtctap help tokens'")
        from vtctap.dissector.tokens.ciphers import CIPHERS, require_des

        if ea not in CIPHERS:
            raise self._fail("ea", "must be 9 or 11")
        if ea == 9 or self._entry.get("dkga") in (2, "2"):
            require_des()
        base = self._number_of("base") if "base" in self._entry else None
        if base is not None and base not in BASE_DATES:
            raise self._fail("base", f"must be one of {', '.join(map(str, BASE_DATES))}")
        octets = CIPHERS[ea][0]
        if "decoder_key" not in self._entry:
            return Meter(pan, ea, self._derived(pan, ea, base, octets), base)
        for key in _DERIVED:
            if key in self._entry and key != "base":
                raise self._fail(key, "is for a key that is derived, but there is a decoder_key")
        return Meter(pan, ea, self._key("decoder_key", octets), base)

    def _derived(self, pan: str, ea: int, base: int | None, octets: int) -> bytes:
        from vtctap.dissector.tokens.ciphers import dkga02, dkga04

        if "dkga" not in self._entry:
            raise self._fail("decoder_key", "is missing, and so is dkga: one of them is needed")
        dkga = self._number_of("dkga")
        if dkga not in _VENDING_KEY:
            raise self._fail("dkga", "must be 2 or 4")
        vending_key = self._key("vending_key", _VENDING_KEY[dkga])
        if not is_luhn(pan):
            raise self._fail("pan", "its last digit is no good check digit of the others")
        sgc, ti = self._number_of("sgc", 999_999), self._number_of("ti", 99)
        kt, krn = self._number_of("kt", 3), self._number_of("krn", 9)
        if dkga == 2:
            if octets != 8:
                raise self._fail("dkga", "2 makes keys of 64 bits, which EA11 does not take")
            return dkga02(vending_key, pan=pan, sgc=sgc, ti=ti, kt=kt, krn=krn)
        if base is None:
            raise self._fail("base", "is missing")
        return dkga04(vending_key, pan=pan, sgc=sgc, ti=ti, kt=kt, krn=krn, base=base, ea=ea, octets=octets)

    def _digits(self, key: str, count: int) -> str:
        value = self._get(key)
        if not isinstance(value, str) or not re.fullmatch(f"[0-9]{{{count}}}", value):
            raise self._fail(key, f"must be {count} digits in quotes")
        return value

    def _number_of(self, key: str, most: int = 9999) -> int:
        """Reads a number, or its digits in quotes (``ti = "01"``)."""
        value = self._get(key)
        if isinstance(value, str) and re.fullmatch("[0-9]{1,6}", value):
            value = int(value)
        if type(value) is not int or not 0 <= value <= most:
            raise self._fail(key, "must be a whole number" if most == 9999 else f"must be a number from 0 to {most}")
        return value

    def _key(self, key: str, octets: int) -> bytes:
        value = self._get(key)
        digits = re.sub(r"[ :-]", "", value) if isinstance(value, str) else ""
        if not re.fullmatch(f"[0-9A-Fa-f]{{{2 * octets}}}", digits):
            raise self._fail(key, f"must be {2 * octets} hexadecimal digits in quotes")
        return bytes.fromhex(digits)

    def _get(self, key: str) -> Any:
        if key not in self._entry:
            raise self._fail(key, "is missing")
        return self._entry[key]
