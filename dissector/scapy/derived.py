# mypy: disallow-subclassing-any=False
"""Packets with derived fields: fields of the catalogue that are read from the octets but have no octets of their
own."""

from collections.abc import Mapping
from typing import Any, Final

from vtctap.dissector.catalogue import BOOLEAN, CATALOGUE
from vtctap.dissector.fields import Value
from vtctap.dissector.scapy.exact import Exact

BY_ATTRIBUTE: Final = {field.attribute: field for field in CATALOGUE}
TOKEN_FIELDS: Final = tuple(
    attribute for attribute, field in BY_ATTRIBUTE.items() if attribute.split("_")[0] == "token" and not field.context
)
"""The fields that a token has by itself, without the records before and after it."""

_READ: Final = "{} is read from the packet's octets and cannot be set"


def absent(attribute: str) -> Any:
    """Returns the value of a catalogue field that does not apply."""
    field = BY_ATTRIBUTE[attribute]
    if field.repeats:
        return []
    return False if field.type is BOOLEAN else None


def marked(text: str, field: str, said: Mapping[str, Any]) -> str:
    """Returns the text of a field with a question mark if the field, or the token that it is read from, is assumed."""
    source = "vtc.token" if field.startswith("vtc.token.") else field
    return f"{text}?" if text and source in said.get("vtc.assumed", ()) else text


class Derived(Exact):
    """A packet with derived fields, which are read from its octets but have no octets of their own."""

    derived: frozenset[str] = frozenset()

    def fields_vtc(self) -> dict[str, Value]:
        """Returns the catalogue's fields that apply, by name (``vtc.cmd``), as in ``read --json``."""
        raise NotImplementedError

    def derive(self, attribute: str) -> Any:
        """Returns a derived field. An absent field is None, an absent list empty, an absent boolean false."""
        return self.fields_vtc().get(BY_ATTRIBUTE[attribute].name, absent(attribute))

    def __getattr__(self, attr: str) -> Any:
        # Scapy would treat a ValueError, such as that of a wrong profile, as a missing field.
        return self.derive(attr) if attr in self.derived else super().__getattr__(attr)

    def getfieldval(self, attr: str) -> Any:
        """Returns a field's value, derived or not."""
        return self.derive(attr) if attr in self.derived else super().getfieldval(attr)

    def setfieldval(self, attr: str, val: Any) -> None:
        """Sets a field. Raises TypeError for a derived one, since Scapy would ignore an AttributeError."""
        if attr in self.derived:
            raise TypeError(_READ.format(attr))
        super().setfieldval(attr, val)

    def from_keywords(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Returns the fields of a packet's keyword arguments. Raises TypeError for derived ones, AttributeError for
        unknown ones."""
        for attr in fields:
            if attr in self.derived:
                raise TypeError(_READ.format(attr))
        return super().from_keywords(fields)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.derived})
