# mypy: disallow-subclassing-any=False
"""Data sets as Scapy packets, and where they are in a message's body."""

from typing import Any, Final

from scapy.fields import StrField

from vtctap.dissector.characters import SEVEN_BITS, carries_even_parity
from vtctap.dissector.messages import DATA_SET, closing_bracket
from vtctap.dissector.scapy.base import Exact, ImpliedField, set_slot


class DataSet(Exact):
    """A data set, ``register(value*unit)``, and before it what stands in no data set: line ends, ``!``, text."""

    name = "data set"
    fields_desc = (
        StrField("before", b""),
        StrField("register", b""),
        StrField("opening", b"("),
        StrField("value", b""),
        ImpliedField("separator", lambda data_set: b"*" if data_set.unit else b""),
        StrField("unit", b""),
        StrField("closing", b")"),
    )

    def do_dissect(self, s: bytes) -> bytes:
        """Takes the first data set; octets without one all stand in ``before``."""
        text = s.translate(SEVEN_BITS) if carries_even_parity(s) else s
        found, rest = cut(s, text, 1)
        if not found:
            found, rest = [{"before": s, "opening": b"", "closing": b""}], b""
        self.keep(s[: len(s) - len(rest)], found[0])
        return rest

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """What follows is the next data set's."""
        return b"", s


def cut(octets: bytes, text: bytes, most: int = -1) -> tuple[list[dict[str, Any]], bytes]:
    """The fields of the data sets of a body, and the octets behind the last; ``text`` is the octets as they are to be
    read. Finds what :func:`vtctap.dissector.messages.data_sets` finds, and where. Fields that are as always are left
    out."""
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
    """The data sets of a body as packets of ``parent``, and the octets behind the last."""
    found, rest = cut(octets, text)
    return [_packet(fields, parent) for fields in found], rest


def _packet(fields: dict[str, Any], parent: Any) -> DataSet:
    """A dissected data set. Copying an empty packet takes a quarter of the time of making one."""
    packet = object.__new__(DataSet)
    for slot, value in _EMPTY:
        set_slot(packet, slot, value)
    set_slot(packet, "fields", fields)
    set_slot(packet, "parent", parent)
    set_slot(packet, "post_transforms", [])
    set_slot(packet, "explicit", 1)
    return packet


_OWN: Final = ("fields", "parent", "post_transforms", "explicit")
_EMPTY: Final = [
    (slot, getattr(packet, slot))
    for packet in (DataSet(_internal=1),)
    for slot in sorted(packet.__all_slots__.difference(_OWN))
    if hasattr(packet, slot)
]
