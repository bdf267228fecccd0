# mypy: disallow-subclassing-any=False
"""Data sets as Scapy packets, and how to find them in a message's body."""

from typing import Any, Final

from vtctap.dissector.catalogue import FIELDS
from vtctap.dissector.fields import Value, content
from vtctap.dissector.meaning import Meaning
from vtctap.dissector.protocol.characters import SEVEN_BITS, carries_even_parity, show
from vtctap.dissector.protocol.messages import DATA_SET, Message, closing_bracket
from vtctap.dissector.protocol.rules import MessageName
from vtctap.dissector.scapy.derived import TOKEN_FIELDS, Derived, marked
from vtctap.dissector.scapy.exact import set_slot
from vtctap.dissector.scapy.fields import ImpliedField, MarkField, MeantField, OctetsField
from vtctap.dissector.scapy.settings import dissector

_MESSAGES_OWN: Final = ("id_manufacturer_name", "id_field", "token", "confidence")
"""The attributes of a meaning that concern the whole message; the token's fields are listed one by one below."""
_MEANING: Final = tuple(name for name in Meaning.__slots__ if name not in _MESSAGES_OWN)

_SHOWN: Final = {
    "register": ("vtc.register.name",),
    "value": ("vtc.value.decoded", "vtc.token.name", "vtc.token.crc.status"),
}
"""The meanings shown after a field."""


class DataSet(Derived):
    """A data set, ``register(value*unit)``, and the octets before it that belong to no data set: line ends, ``!``,
    text.

    It has the catalogue's fields for its meaning by the profile and for its token, for this data set only:
    ``register_name`` and ``value_decoded`` are one text each.
    """

    name = "data set"
    derived = frozenset((*_MEANING, *TOKEN_FIELDS))
    fields_desc = (
        OctetsField("before", b""),
        MeantField("register", b""),
        MarkField("opening", b"("),
        MeantField("value", b""),
        ImpliedField("separator", lambda data_set: b"*" if data_set.unit else b""),
        OctetsField("unit", b""),
        MarkField("closing", b")"),
    )

    def do_dissect(self, s: bytes) -> bytes:
        """Dissects the first data set; octets without a data set all go into ``before``."""
        text = s.translate(SEVEN_BITS) if carries_even_parity(s) else s
        found, rest = cut(s, text, 1)
        if not found:
            found, rest = [{"before": s, "opening": b"", "closing": b""}], b""
        self.keep(s[: len(s) - len(rest)], found[0])
        return rest

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """Leaves the rest to the next data set."""
        return b"", s

    def fields_vtc(self) -> dict[str, Value]:
        """Returns the catalogue's fields for the data set's meaning, by name."""
        packet = self if self.explicit else next(iter(self))  # The first of a set of packets, as in building.
        parity = carries_even_parity(bytes(self if self.parent is None else self.parent))
        texts = (bytes(packet.getfieldval(name)) for name in ("register", "value", "unit"))
        register, value, unit = (show(text.translate(SEVEN_BITS) if parity else text) for text in texts)
        message = Message(MessageName.Data, register=(register,), value=(value,), unit=(unit,))
        fields = content(message, dissector().meaning(message, self._asked()))
        return {name: value for name, value in fields.items() if FIELDS[name].attribute in self.derived}

    def _asked(self) -> tuple[str, ...]:
        """Returns the register that the request named, if the data set names none."""
        below = getattr(self.parent, "underlayer", None)
        asked = getattr(getattr(getattr(below, "dissection", None), "place", None), "register_asked", ())
        if not asked or len(asked) != len(self.parent.data_sets):
            return ()
        named = (name for each, name in zip(self.parent.data_sets, asked, strict=True) if each is self)
        return tuple(filter(None, named))

    def derive(self, attribute: str) -> Any:
        """Returns a field that is read from the data set."""
        value = super().derive(attribute)
        return ("".join(value) or None) if attribute in ("register_name", "value_decoded") else value

    def meaning_of(self, name: str) -> str:
        """Returns the register's name or the value's meaning, with a question mark where it is assumed."""
        said: dict[str, Any] = self.fields_vtc()
        words = []
        for field in _SHOWN[name]:
            value = said.get(field, "")
            text = value[0] if isinstance(value, list) else value
            if text:
                words.append(marked(text, field, said))
        return ", ".join(words)


def cut(octets: bytes, text: bytes, most: int = -1) -> tuple[list[dict[str, Any]], bytes]:
    """Splits a body into the fields of its data sets and the octets after the last one.

    ``text`` is the octets without parity bits, where they have any. The result agrees with
    :func:`~vtctap.dissector.protocol.messages.data_sets`. Fields with their default value are omitted.
    """
    found: list[dict[str, Any]] = []
    at = begin = 0
    end = len(text)
    while at < end and len(found) != most and (match := DATA_SET.match(text, at)):
        at = match.end()
        register, start = match.start(1), match.start(2)
        if start < 0:
            continue
        stop = star = match.end(2)
        if not match[3] and text[at : at + 1] == b"(":
            stop = star = closing_bracket(text, at)
            at = stop + (text[stop : stop + 1] == b")")
        elif (first := text.find(b"*", start, stop)) >= 0:
            star = first
        fields = {"register": octets[register : start - 1], "value": octets[start:star]}
        unit = octets[star + 1 : stop]
        if unit:
            fields["unit"] = unit
        for name, default, found_octets in (
            ("before", b"", octets[begin:register]),
            ("opening", b"(", octets[start - 1 : start]),
            ("separator", b"*" if unit else b"", octets[star : min(star + 1, stop)]),
            ("closing", b")", octets[stop:at]),
        ):
            if found_octets != default:
                fields[name] = found_octets
        found.append(fields)
        begin = at
    return found, octets[begin:]


def data_sets(octets: bytes, text: bytes, parent: Any) -> tuple[list[DataSet], bytes]:
    """Returns the data sets of a body as packets of ``parent``, and the octets after the last one."""
    if not text:  # As in a BreakCommand.
        return [], b""
    found, rest = cut(octets, text)
    return [data_set(fields, parent) for fields in found], rest


def data_set(fields: dict[str, Any], parent: Any) -> DataSet:
    """Creates a dissected data set of ``parent``."""
    packet = object.__new__(DataSet)
    packet.fill_slots(b"", None, parent, 0.0)
    set_slot(packet, "fields", fields)
    set_slot(packet, "explicit", 1)
    return packet
