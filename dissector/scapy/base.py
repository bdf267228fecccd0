# mypy: disallow-subclassing-any=False
"""What the layers share: fields that are filled in or shown in their own way, and the catalogue's fields that are read
from a packet but stand nowhere in it.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from scapy.config import conf
from scapy.fields import ByteField, Field, StrField
from scapy.packet import Packet

from vtctap.dissector.catalogue import CATALOGUE
from vtctap.dissector.dissect import Dissection, Dissector, Value
from vtctap.dissector.profile import DEFAULT, Profile, load
from vtctap.pcap.record import Line, Record

conf.contribs.setdefault("vtctap", {"profile": DEFAULT})

BY_ATTRIBUTE: Final = {field.attribute: field for field in CATALOGUE}


@cache
def _profile(name: str) -> Profile:
    return load(name)


def dissect(record: Record) -> Dissection:
    """What the dissector says of one record by itself."""
    return Dissector(_profile(conf.contribs["vtctap"]["profile"])).dissect(record)


class LineField(ByteField):
    """The line's octet, shown as its text (``7E1``); 0, and an octet that is no line, as the number."""

    def h2i(self, pkt: Any, x: Any) -> Any:
        """``7E1`` or the octet, as the octet."""
        return Line.parse(x).octet if isinstance(x, str) else x

    def i2h(self, pkt: Any, x: Any) -> Any:
        """The octet as ``7E1``."""
        line = Line.from_octet(x) if isinstance(x, int) else None
        return str(line) if line else x


class SecondsField(Field):
    """Nanoseconds, shown as seconds; the value ``unknown`` is shown as None."""

    __slots__ = ("unknown",)

    def __init__(self, name: str, fmt: str, unknown: int | None = None) -> None:
        self.unknown = unknown
        super().__init__(name, 0 if unknown is None else None, fmt)

    def h2i(self, pkt: Any, x: Any) -> Any:
        """Seconds as nanoseconds."""
        if x is None:
            return self.unknown
        return round(x * 1e9) if isinstance(x, int | float) else x

    def i2h(self, pkt: Any, x: Any) -> Any:
        """Nanoseconds as seconds."""
        return None if x == self.unknown else x / 1e9


class ImpliedField(StrField):
    """Octets that follow from the other fields while they are None."""

    __slots__ = ("implied",)

    def __init__(self, name: str, implied: Callable[[Any], bytes]) -> None:
        super().__init__(name, None)
        self.implied = implied

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        """``s`` and the field behind it."""
        return s + (self.implied(pkt) if val is None else bytes(self.i2m(pkt, val)))


class CheckField(Field):
    """A check, a number written by ``form``; nothing while it is None, for post_build to fill in."""

    __slots__ = ("form",)

    def __init__(self, name: str, form: bytes) -> None:
        self.form = form
        super().__init__(name, None)

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        """``s`` and the field behind it."""
        if val is None:
            return s
        return s + (val if isinstance(val, bytes) else self.form % val)

    def i2repr(self, pkt: Any, x: Any) -> str:
        """A number in hexadecimal."""
        return f"{x:#04x}" if isinstance(x, int) else repr(x)


set_slot: Final = object.__setattr__
"""Sets a slot of a packet, without the search through slots and fields in Scapy's own ``__setattr__``."""


class Exact(Packet):
    """A packet that is taken apart as a whole, so that no octet is lost."""

    def keep(self, octets: bytes, fields: dict[str, Any]) -> None:
        """Sets the fields, as dissected from ``octets``. Changes inside what is not a plain value are noticed later."""
        set_slot(self, "fields", fields)
        set_slot(self, "raw_packet_cache", octets)
        set_slot(self, "raw_packet_cache_fields", self.mutable(fields))
        set_slot(self, "explicit", 1)

    def mutable(self, fields: dict[str, Any]) -> dict[str, Any]:
        """What to compare with before octets that were dissected are given out again as they were."""
        return {}

    def items(self, name: str, packets: list[Any]) -> Any:
        """A list of packets, as :meth:`mutable` has it."""
        return self._raw_packet_cache_field_value(self.fieldtype[name], packets, copy=True) if packets else []


class Derived(Exact):
    """A packet with fields of the catalogue that are read from it but stand in no place of their own."""

    derived: frozenset[str] = frozenset()

    def fields_vtc(self) -> dict[str, Value]:
        """The fields of the catalogue that apply, by name (``vtc.cmd``), as ``read --json`` has them but for gap."""
        raise NotImplementedError

    def _derive(self, attribute: str) -> Any:
        field = BY_ATTRIBUTE[attribute]
        absent: object = [] if field.repeats else False if field.type == "b" else None
        return self.fields_vtc().get(field.name, absent)

    def getfieldval(self, attr: str) -> Any:
        """A field's value, derived or not."""
        return self._derive(attr) if attr in self.derived else super().getfieldval(attr)

    def getfield_and_val(self, attr: str) -> Any:
        """A field and its value; a derived one has no field."""
        return (None, self._derive(attr)) if attr in self.derived else super().getfield_and_val(attr)

    def setfieldval(self, attr: str, val: Any) -> None:
        """Sets a field. Raises TypeError for a derived one: Scapy would put up with an AttributeError in silence."""
        if attr in self.derived:
            raise TypeError(f"{attr} is read from the packet's octets and cannot be set")
        super().setfieldval(attr, val)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.derived})
