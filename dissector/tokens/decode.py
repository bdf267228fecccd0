"""Decodes a token: class, subclass, name, CRC and the fields of its kind.

Only what the CRC confirms is shown: a wrong key, or a token with a wrong digit, shows its class and "bad" but no
numbers.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from vtctap.dissector.catalogue import CATALOGUE, CONFIDENCES, POSITIONS
from vtctap.dissector.tokens import layouts
from vtctap.dissector.tokens.keys import Keys
from vtctap.dissector.tokens.number import crc, digits, parse, split

Value = str | int | float | bool | list[str]
"""The value of a field."""


@dataclass(frozen=True, slots=True)
class Token:
    """A decoded token.

    - ``crc_status`` is ``good``, ``bad`` or ``encrypted``, and None for class 3, whose layout is not public.
    - ``parts`` are the fields by their names without ``vtc.token.``.
    - ``key_sections`` are the parts that are sections of a new decoder key; they are separate so that no trace shows
      them by accident.
    - ``pans`` are the meters whose key fits; where several do, one fits by chance, so nothing is read.
    - ``confidence`` is that of the least certain source used.
    """

    number: int
    token_class: int
    name: str
    crc_status: str | None
    parts: Mapping[str, Value] = field(default_factory=dict)
    key_sections: Mapping[str, str] = field(default_factory=dict, repr=False)
    pans: tuple[str, ...] = ()
    confidence: str = CONFIDENCES[0]
    encoding: str | None = None

    def attributes(self, *, key_sections: bool = False) -> dict[str, Value]:
        """Returns the fields of the catalogue that apply, by their names in Python (``token_class``), in catalogue
        order."""
        values: dict[str, Value] = {
            "token": digits(self.number),
            "token_class": self.token_class,
            "token_name": self.name,
        }
        if self.encoding:
            values["token_encoding"] = self.encoding
        if self.crc_status:
            values["token_crc_status"] = self.crc_status
        if self.crc_status == "good" and self.pans:
            values["token_pan"] = self.pans[0]
        for parts in (self.parts, self.key_sections if key_sections else {}):
            values |= {"token_" + name.replace(".", "_"): value for name, value in parts.items()}
        return {attribute: values[attribute] for attribute in sorted(values, key=POSITIONS.__getitem__)}

    def fields(self, *, key_sections: bool = False) -> dict[str, Value]:
        """Returns the fields of the catalogue that apply, by name (``vtc.token.class``), in catalogue order. Sections
        of a new decoder key are included only on request."""
        values = self.attributes(key_sections=key_sections)
        return {_NAMES[attribute]: value for attribute, value in values.items()}


_NAMES: Final = {field.attribute: field.name for field in CATALOGUE}


def decode(token: str | int, keys: Keys | None = None, *, encoding: str | None = None) -> Token:
    """Decodes a token of 20 digits, or a number below 2^66.

    Raises TokenError for anything else, and MissingExtra where a key needs a library that is not installed. Exceptions
    of ``keys.decrypt`` pass through.
    """
    number = parse(token if isinstance(token, str) else digits(token))
    token_class, block = split(number)
    name = layouts.CLASSES[token_class]
    if token_class == 3:
        return Token(number, token_class, name, None, encoding=encoding)
    if token_class == 1:
        if not _good(token_class, block):
            return Token(number, token_class, name, "bad", encoding=encoding)
        return _clear(number, token_class, block, encoding=encoding)
    if keys is None or not (keys.meters or keys.decrypt):
        return Token(number, token_class, name, "encrypted", encoding=encoding)
    found = {
        clear: (pan, confidence) for clear, pan, confidence in _decrypted(block, keys) if _good(token_class, clear)
    }
    if len(found) == 1:
        [(clear, (pan, confidence))] = found.items()
        return _clear(number, token_class, clear, pans=(pan,) if pan else (), confidence=confidence, encoding=encoding)
    status = "encrypted" if found else "bad"
    return Token(number, token_class, name, status, pans=tuple(pan for pan, _ in found.values()), encoding=encoding)


def _good(token_class: int, block: int) -> bool:
    return crc(token_class, block) == block & 0xFFFF


def _decrypted(block: int, keys: Keys) -> Iterator[tuple[int, str, str]]:
    """Decrypts a block with each key; yields the result, the meter's number and the confidence of the cipher's use."""
    from vtctap.dissector.tokens.ciphers import CIPHERS

    octets = block.to_bytes(8)
    for meter in keys.meters:
        _, decrypt, confidence = CIPHERS[meter.ea]
        yield int.from_bytes(decrypt(meter.decoder_key, octets)), meter.pan, confidence
    if keys.decrypt:
        clear = keys.decrypt(octets)
        if len(clear) != 8:
            raise ValueError(f"the user's decrypt function gave {len(clear)} octets, not 8")
        yield int.from_bytes(clear), "", CONFIDENCES[0]


class _Part(NamedTuple):
    """A part of a clear block: its name, value, width in bits, and the layout that names its unit."""

    name: str
    value: int
    width: int
    layout: layouts.Layout


_FIELDS: Final[Mapping[str, Callable[[_Part], Mapping[str, Value]]]] = {
    "control": lambda part: {
        "control": part.value,
        **({"control.name": list(layouts.tests(part.value, part.width))} if part.value else {}),
    },
    "tid": lambda part: {"tid": part.value, "issued": list(layouts.issued(part.value))},
    "amount": lambda part: {
        "amount": layouts.quantity(part.value) / 10**part.layout.decimals,
        "unit": part.layout.unit,
    },
    "mpl": lambda part: {"mpl": layouts.quantity(part.value), "unit": part.layout.unit},
    "mppul": lambda part: {"mppul": layouts.quantity(part.value), "unit": part.layout.unit},
    "3kct": lambda part: {"3kct": True} if part.value else {},  # a boolean is present only where it is true
    "payload": lambda part: {"payload": f"{part.value:0{part.width // 4}X}"},
}
"""The fields of parts that are more than a number."""


def _parts(block: int, layout: layouts.Layout) -> Iterator[_Part]:
    """Yields the parts of a clear block between the subclass and the CRC."""
    at = 60
    for name, width in layout.parts:
        at -= width
        yield _Part(name, block >> at & (1 << width) - 1, width, layout)


def _clear(
    number: int,
    token_class: int,
    block: int,
    *,
    pans: tuple[str, ...] = (),
    confidence: str = CONFIDENCES[0],
    encoding: str | None,
) -> Token:
    """Decodes a clear block whose CRC is good."""
    subclass = block >> 60
    layout = layouts.layout(token_class, subclass)
    fields: dict[str, Value] = {"subclass": subclass, "crc": block & 0xFFFF}
    sections: dict[str, str] = {}
    confidences = [confidence, layout.confidence]
    for part in _parts(block, layout):
        if part.name in layouts.KEY_SECTIONS:
            sections[part.name] = f"{part.value:08x}"
        else:
            fields |= _FIELDS[part.name](part) if part.name in _FIELDS else {part.name: part.value}
        if part.name == "control":
            confidences += layouts.test_confidences(part.value, part.width)
    weakest = max(confidences, key=CONFIDENCES.index)
    return Token(number, token_class, layout.name, "good", fields, sections, pans, weakest, encoding)
