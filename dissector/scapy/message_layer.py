# mypy: disallow-subclassing-any=False
"""The base classes of the messages as Scapy packets: :class:`MessageLayer`, and :class:`Block` with data sets.

A class of :mod:`vtctap.dissector.scapy.messages` splits its octets into fields. The base classes give it the
catalogue's other fields, its answers and its text; they know no message by name.
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, Final

from vtctap.dissector.dlms import Apdu
from vtctap.dissector.fields import Value
from vtctap.dissector.meaning import Meaning
from vtctap.dissector.pairing import Place
from vtctap.dissector.protocol.characters import SEVEN_BITS, carries_even_parity
from vtctap.dissector.protocol.checksums import bcc_xor
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import MAY_FOLLOW
from vtctap.dissector.scapy.data_sets import DataSet, data_sets
from vtctap.dissector.scapy.derived import BY_ATTRIBUTE, TOKEN_FIELDS, Derived, marked
from vtctap.dissector.scapy.fields import OctetsField
from vtctap.dissector.scapy.settings import dissect
from vtctap.dissector.text import summary
from vtctap.pcap.record import Kind, Record, RecordError

MESSAGE_FIELDS: Final = frozenset(BY_ATTRIBUTE).intersection(
    (*Message.__slots__, *Meaning.__slots__, *Apdu.__slots__, *TOKEN_FIELDS)
)
"""The fields that a message or its meaning has; the record has the others."""
_MESSAGE_NAMES: Final = frozenset(BY_ATTRIBUTE[attribute].name for attribute in MESSAGE_FIELDS)

Split = tuple[dict[str, Any], bytes]
"""The fields of a message, and the octets after it."""


def summary_of(packet: Any, kind: Kind) -> tuple[str, list[Any]]:
    """Returns one line as ``read`` prints it, and the lower layer that the line already includes."""
    below = packet.underlayer
    of_below = getattr(below, "record", None)
    try:
        record = of_below() if of_below else Record(0, bytes(packet), kind)
    except RecordError:
        return type(packet).__name__, [type(below)]
    return summary(dissect(record, place_of(packet))), [type(below)]


def place_of(message: Any) -> Place | None:
    """Returns the place of a message in its session; None before a session has read its packet."""
    return getattr(getattr(message.underlayer, "dissection", None), "place", None)


class MessageLayer(Derived):
    """A message. Its fields come from :meth:`split`, or else one field holds all of its octets."""

    fields_desc: Sequence[Any] = (OctetsField("octets", b""),)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.derived = MESSAGE_FIELDS.difference(field.name for field in cls.fields_desc)

    def split(self, octets: bytes, structure: bytes, text: bytes) -> Split:
        """Splits octets; ``structure`` is their lower seven bits, ``text`` the octets without parity bits, where they
        have any."""
        return {"octets": octets}, b""

    def do_dissect(self, s: bytes) -> bytes:
        """Splits the octets; the rest goes into a Raw."""
        structure = text = s
        if not s.isascii():
            structure = s.translate(SEVEN_BITS)
            text = structure if carries_even_parity(s) else s
        fields, rest = self.split(s, structure, text)
        self.keep(s[: len(s) - len(rest)], fields)
        return rest

    def fields_vtc(self) -> dict[str, Value]:
        """Returns the catalogue's fields of the message and of its meaning by the profile, by name."""
        fields = dissect(Record(0, bytes(self)), place_of(self)).fields()
        return {name: value for name, value in fields.items() if name in _MESSAGE_NAMES}

    def meaning_of(self, name: str) -> str:
        """Returns the manufacturer that an identification's letters stand for, with a question mark where it is
        assumed."""
        said = self.fields_vtc()
        field = BY_ATTRIBUTE[f"{name}_name"].name
        return marked(str(said.get(field, "")), field, said)

    def hashret(self) -> bytes:
        """Returns nothing, since a message does not identify its request."""
        return b""

    def answers(self, other: Any) -> int:
        """Whether this message may answer the other one."""
        return int(type(self).__name__ in MAY_FOLLOW.get(type(other).__name__, ()))

    def mysummary(self) -> tuple[str, list[Any]]:
        """Returns the line of ``vtctap read``, after the record's."""
        return summary_of(self, Kind.FRAME)


class Block(MessageLayer):
    """A message with data sets, which can be built from ``register``, ``value`` and ``unit``, each a text or a list."""

    def from_keywords(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Returns the fields of a packet's keyword arguments."""
        parts = [(name, fields.pop(name)) for name in ("register", "value", "unit") if name in fields]
        if parts:
            if "data_sets" in fields:
                raise TypeError(f"{type(self).__name__} takes data_sets or {parts[0][0]}, not both")
            rows = zip_longest(*(_texts(value) for _, value in parts))
            names = [name for name, _ in parts]
            sets = [{name: text for name, text in zip(names, row, strict=True) if text is not None} for row in rows]
            fields["data_sets"] = [DataSet(**each) for each in sets]
        return super().from_keywords(fields)

    def copies(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Copies the data sets, which can change in place."""
        return {"data_sets": self.copies_of("data_sets", fields["data_sets"])}

    def checked(self, octets: bytes, text: bytes, body: int, end: int) -> Split:
        """Splits a message with a check character, from its body on."""
        sets, rest = data_sets(octets[body:end], text[body:end], self)
        bcc = octets[end + 1 : end + 2]
        fields = {"data_sets": sets, "rest": rest, "end": octets[end : end + 1], "bcc": bcc[0] if bcc else b""}
        return fields, octets[end + 2 :]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Fills in the check character."""
        if self.getfieldval("bcc") is None and self.getfieldval("end"):
            pkt += bytes([bcc_xor(pkt[1:])])
        return bytes(pkt + pay)


def _texts(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else (value,)
