# mypy: disallow-subclassing-any=False
"""Packets with fields of the catalogue that are read from their octets but stand in no place of their own."""

from typing import Any, Final

from vtctap.dissector.catalogue import BOOLEAN, CATALOGUE
from vtctap.dissector.dissect import Value
from vtctap.dissector.scapy.exact import Exact

BY_ATTRIBUTE: Final = {field.attribute: field for field in CATALOGUE}

_READ: Final = "{} is read from the packet's octets and cannot be set"


def absent(attribute: str) -> Any:
    """What stands for a field of the catalogue that does not apply."""
    field = BY_ATTRIBUTE[attribute]
    if field.repeats:
        return []
    return False if field.type is BOOLEAN else None


class Derived(Exact):
    """A packet with fields of the catalogue that are read from it but stand in no place of their own."""

    derived: frozenset[str] = frozenset()

    def fields_vtc(self) -> dict[str, Value]:
        """The fields of the catalogue that apply, by name (``vtc.cmd``), as ``read --json`` has them."""
        raise NotImplementedError

    def derive(self, attribute: str) -> Any:
        """A field that is read from the packet; what is absent is None, of a list empty, of a boolean false."""
        return self.fields_vtc().get(BY_ATTRIBUTE[attribute].name, absent(attribute))

    def __getattr__(self, attr: str) -> Any:
        # Scapy takes a ValueError, such as a wrong profile's, for a field that is not there.
        return self.derive(attr) if attr in self.derived else super().__getattr__(attr)

    def getfieldval(self, attr: str) -> Any:
        """A field's value, derived or not."""
        return self.derive(attr) if attr in self.derived else super().getfieldval(attr)

    def setfieldval(self, attr: str, val: Any) -> None:
        """Sets a field. Raises TypeError for a derived one: Scapy would put up with an AttributeError in silence."""
        if attr in self.derived:
            raise TypeError(_READ.format(attr))
        super().setfieldval(attr, val)

    def from_keywords(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of a packet's keyword arguments. Raises TypeError for derived ones, AttributeError for others."""
        for attr in fields:
            if attr in self.derived:
                raise TypeError(_READ.format(attr))
        return super().from_keywords(fields)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.derived})
