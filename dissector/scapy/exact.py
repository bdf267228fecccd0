# mypy: disallow-subclassing-any=False
"""The base class of all packets here: it dissects a packet as a whole, so that no octet is lost.

A subclass splits its octets in ``do_dissect`` and passes the fields to :meth:`Exact.keep`. The packet then builds the
same octets again until a field changes.

Scapy creates a packet from octets through keyword arguments and some twenty slots, most of which are equal in all
packets of a class. This class fills the slots directly, in a third of the time; other packets are created in Scapy's
own way.
"""

from collections.abc import Callable, Sequence
from functools import cache
from time import time
from typing import Any, Final

from scapy.packet import Packet

set_slot: Final = object.__setattr__
"""Sets a slot of a packet without the search through slots and fields in Scapy's ``__setattr__``."""

_OWN: Final = (
    *("time", "fields", "overload_fields", "overloaded_fields"),
    *("post_transforms", "original", "underlayer", "parent"),
)
"""The slots that differ between packets before dissection."""
_KEPT: Final = ("raw_packet_cache", "raw_packet_cache_fields", "explicit")
"""The slots that differ only after dissection."""
(
    _set_time,
    _set_fields,
    _set_overload,
    _set_overloaded,
    _set_transforms,
    _set_original,
    _set_underlayer,
    _set_parent,
    _set_cache,
    _set_cached_fields,
    _set_explicit,
) = (getattr(Packet, slot).__set__ for slot in _OWN + _KEPT)


@cache
def _shared(cls: type[Packet]) -> Sequence[tuple[Callable[[Any, Any], None], Any]]:
    """Returns the slots that are equal in all packets of a class before dissection: each one's setter and value."""
    packet = object.__new__(cls)
    Packet.__init__(packet, _internal=1)
    slots = sorted(slot for slot in cls.__all_slots__.difference(_OWN) if hasattr(packet, slot))
    return [(getattr(cls, slot).__set__, getattr(packet, slot)) for slot in slots]


class Exact(Packet):
    """A packet that is dissected as a whole."""

    def __init__(
        self,
        _pkt: bytes = b"",
        post_transform: Any = None,
        _internal: int = 0,
        _underlayer: Any = None,
        _parent: Any = None,
        stop_dissection_after: Any = None,
        **fields: Any,
    ) -> None:
        if fields or not _pkt or type(_pkt) is not bytes or post_transform or stop_dissection_after:
            fields = self.from_keywords(fields)
            super().__init__(_pkt, post_transform, _internal, _underlayer, _parent, stop_dissection_after, **fields)
            return
        self.fill_slots(_pkt, _underlayer, _parent, 0.0 if _internal else time())
        self.dissect(_pkt)
        if not _internal:
            self.dissection_done(self)

    def fill_slots(self, octets: bytes, underlayer: Any, parent: Any, now: float) -> None:
        """Sets all slots as Scapy does before it dissects a packet."""
        for set_to, value in _shared(type(self)):  # type: ignore[arg-type]  # A class can be hashed, its packets cannot.
            set_to(self, value)
        _set_time(self, now)
        _set_fields(self, {})
        _set_overload(self, self._overload_fields)
        _set_overloaded(self, {})
        _set_transforms(self, [])
        _set_original(self, octets)
        _set_underlayer(self, underlayer)
        _set_parent(self, parent)

    def keep(self, octets: bytes, fields: dict[str, Any]) -> None:
        """Sets the fields that were dissected from ``octets``."""
        _set_fields(self, fields)
        _set_cache(self, octets)
        _set_cached_fields(self, self.copies(fields))
        _set_explicit(self, 1)

    def copies(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Copies the fields that can change without being set; Scapy compares them before it returns the cached
        octets."""
        return {}

    def copies_of(self, name: str, packets: list[Any]) -> Any:
        """Copies a list of packets, for :meth:`copies`."""
        return self._raw_packet_cache_field_value(self.fieldtype[name], packets, copy=True) if packets else []

    def from_keywords(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Returns the fields of keyword arguments. Raises AttributeError, as Scapy does, but says why."""
        names = [field.name for field in self.fields_desc]
        for name in fields:
            if name not in names:
                raise AttributeError(f"{type(self).__name__} has no field {name!r}; its fields: {', '.join(names)}")
        return fields

    def __eq__(self, other: object) -> bool:
        """Whether class, fields and payload are equal; a field that is None counts as what building fills in."""
        if super().__eq__(other):
            return True
        if not isinstance(other, type(self)) or bytes(self) != bytes(other):
            return False
        pairs = ((self.getfieldval(field.name), other.getfieldval(field.name)) for field in self.fields_desc)
        same = all(mine is None or theirs is None or mine == theirs for mine, theirs in pairs)
        return same and bool(self.payload == other.payload)

    __hash__ = None  # type: ignore[assignment]
