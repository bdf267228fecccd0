# mypy: disallow-subclassing-any=False
"""What the packets share: how they are made from octets, and the catalogue's fields that are read from a packet but
stand nowhere in it.
"""

from collections.abc import Callable, Sequence
from functools import cache
from time import time
from typing import Any, ClassVar, Final

from scapy.config import conf
from scapy.packet import Packet

from vtctap.dissector.catalogue import BOOLEAN, CATALOGUE
from vtctap.dissector.dissect import Dissection, Dissector, Value
from vtctap.dissector.profiles.files import DEFAULT, Profile, load
from vtctap.dissector.tokens import Keys, load_keys
from vtctap.pcap.record import Record

conf.contribs.setdefault("vtctap", {"profile": None, "keys": None, "stated": None})

BY_ATTRIBUTE: Final = {field.attribute: field for field in CATALOGUE}
CONTEXT: Final = frozenset(field.attribute for field in CATALOGUE if field.context)
"""What a packet knows only once :class:`~vtctap.dissector.scapy.sessions.VTCSession` has read those before it."""

_profile: Final = cache(load)
_keys: Final = cache(load_keys)


def dissector() -> Dissector:
    """A dissector by ``conf.contribs["vtctap"]``: its profile (name, path or Profile), and its key file (path or Keys)
    if there is one. Where it names no profile it is ``stated``, which the trace of the last session stated, or the
    default one. Raises ProfileError, KeyFileError and OSError."""
    settings = conf.contribs.get("vtctap", {})
    profile, keys = settings.get("profile") or settings.get("stated") or DEFAULT, settings.get("keys")
    return Dissector(
        profile if isinstance(profile, Profile) else _profile(str(profile)),
        keys if keys is None or isinstance(keys, Keys) else _keys(str(keys)),
    )


def dissect(record: Record) -> Dissection:
    """What the dissector says of one record by itself."""
    return dissector().dissect(record)


set_slot: Final = object.__setattr__
"""Sets a slot of a packet, without the search through slots and fields in Scapy's own ``__setattr__``."""

_OWN: Final = [
    "time",
    "fields",
    "overload_fields",
    "overloaded_fields",
    "post_transforms",
    "original",
    "underlayer",
    "parent",
]
"""The slots that are not the same in each packet of a class before it is dissected."""


def _setter(slot: str) -> Callable[[Any, Any], None]:
    setter: Callable[[Any, Any], None] = vars(Packet)[slot].__set__
    return setter


_set_cache: Final = _setter("raw_packet_cache")
_set_cache_fields: Final = _setter("raw_packet_cache_fields")
_set_explicit: Final = _setter("explicit")
_set_fields: Final = _setter("fields")
_set_original: Final = _setter("original")
_set_overload: Final = _setter("overload_fields")
_set_overloaded: Final = _setter("overloaded_fields")
_set_parent: Final = _setter("parent")
_set_time: Final = _setter("time")
_set_transforms: Final = _setter("post_transforms")
_set_underlayer: Final = _setter("underlayer")


class Exact(Packet):
    """A packet that is taken apart as a whole, so that no octet is lost.

    Octets make a packet by copying an empty one, which takes a third of the time that Scapy's own way does.
    """

    common: ClassVar[Sequence[tuple[Callable[[Any, Any], None], Any]]] = ()

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
            fields = self.named(fields)
            super().__init__(_pkt, post_transform, _internal, _underlayer, _parent, stop_dissection_after, **fields)
            return
        self.make_empty(_pkt, _underlayer, _parent, 0.0 if _internal else time())
        self.dissect(_pkt)
        if not _internal:
            self.dissection_done(self)

    def make_empty(self, octets: bytes, underlayer: Any, parent: Any, now: float) -> None:
        """Sets all slots, as in a packet that Scapy is about to dissect."""
        for set_to, value in vars(type(self)).get("common") or self._remember():
            set_to(self, value)
        _set_time(self, now)
        _set_fields(self, {})
        _set_overload(self, self._overload_fields)
        _set_overloaded(self, {})
        _set_transforms(self, [])
        _set_original(self, octets)
        _set_underlayer(self, underlayer)
        _set_parent(self, parent)

    @classmethod
    def _remember(cls) -> Sequence[tuple[Callable[[Any, Any], None], Any]]:
        packet = object.__new__(cls)
        Packet.__init__(packet, _internal=1)
        slots = [slot for slot in sorted(cls.__all_slots__.difference(_OWN)) if hasattr(packet, slot)]
        cls.common = [(getattr(cls, slot).__set__, getattr(packet, slot)) for slot in slots]
        return cls.common

    def __eq__(self, other: object) -> bool:
        """The same class, fields and payload. A field that is None is what building fills in."""
        if super().__eq__(other):
            return True
        if not isinstance(other, type(self)) or bytes(self) != bytes(other):
            return False
        pairs = ((self.getfieldval(field.name), other.getfieldval(field.name)) for field in self.fields_desc)
        same = all(mine is None or theirs is None or mine == theirs for mine, theirs in pairs)
        return same and bool(self.payload == other.payload)

    __hash__ = None  # type: ignore[assignment]

    def named(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of a packet's keyword arguments. Raises AttributeError, as Scapy does, but says why."""
        names = [field.name for field in self.fields_desc]
        for name in fields:
            if name not in names:
                raise AttributeError(f"{type(self).__name__} has no field {name!r}; its fields: {', '.join(names)}")
        return fields

    def keep(self, octets: bytes, fields: dict[str, Any]) -> None:
        """Sets the fields, as dissected from ``octets``. Changes inside what is not a plain value are noticed later."""
        _set_fields(self, fields)
        _set_cache(self, octets)
        _set_cache_fields(self, self.mutable(fields))
        _set_explicit(self, 1)

    def mutable(self, fields: dict[str, Any]) -> dict[str, Any]:
        """What to compare with before octets that were dissected are given out again as they were."""
        return {}

    def items(self, name: str, packets: list[Any]) -> Any:
        """A list of packets, as :meth:`mutable` has it."""
        return self._raw_packet_cache_field_value(self.fieldtype[name], packets, copy=True) if packets else []


def absent(attribute: str) -> Any:
    """What stands for a field of the catalogue that does not apply."""
    field = BY_ATTRIBUTE[attribute]
    return [] if field.repeats else False if field.type is BOOLEAN else None


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

    def named(self, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields of a packet's keyword arguments. Raises TypeError for derived ones, AttributeError for others."""
        for attr in fields:
            if attr in self.derived:
                raise TypeError(_READ.format(attr))
        return super().named(fields)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self.derived})


_READ: Final = "{} is read from the packet's octets and cannot be set"
