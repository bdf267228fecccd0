# mypy: disallow-subclassing-any=False
"""The record as a Scapy packet (docs/link-type.md): :class:`VTC`, and the options of its header."""

from struct import Struct
from typing import Any, Final

from scapy.config import conf
from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ByteField,
    FieldLenField,
    FlagsField,
    FlagValue,
    IntField,
    PacketListField,
    ShortEnumField,
    ShortField,
    StrField,
    StrFixedLenField,
)

from vtctap.dissector.catalogue import FIELDS
from vtctap.dissector.dissect import Value
from vtctap.dissector.messages import decode
from vtctap.dissector.scapy.base import Derived, Exact, ImpliedField, LineField, SecondsField, dissect
from vtctap.dissector.scapy.messages import LAYERS, MessageLayer, Noise
from vtctap.dissector.text import ARROWS
from vtctap.pcap.record import MAGIC, VERSION, Flag, Kind, Record, RecordError, Sender
from vtctap.pcap.record import decode as decode_record

_HEADER: Final = Struct(">2sBBIBBBBHHIIQ")
_OPTION: Final = Struct(">HH")
_FLAG_NAMES: Final = {value: name.lower() for name, value in vars(Flag).items() if name.isupper()}
_FLAGS: Final = [_FLAG_NAMES.get(1 << bit, f"bit_{bit}") for bit in range(16)]


class VTCOption(Exact):
    """An option of the record's header."""

    name = "VTC option"
    fields_desc = (
        ShortEnumField("number", 4, {1: "parity", 2: "framing", 3: "pauses", 4: "event"}),
        FieldLenField("length", None, length_of="value"),
        StrField("value", b""),
        ImpliedField("padding", lambda option: bytes(-len(option.value) % 4)),
    )

    @classmethod
    def dispatch_hook(cls, _pkt: bytes = b"", *args: Any, **kargs: Any) -> Any:
        """Declines octets that are too few for the length that they state."""
        fits = not _pkt or (len(_pkt) >= _OPTION.size and len(_pkt) - _OPTION.size >= _OPTION.unpack_from(_pkt)[1])
        return cls if fits else conf.raw_layer

    def do_dissect(self, s: bytes) -> bytes:
        """Takes one option with its padding."""
        number, length = _OPTION.unpack_from(s)
        end = _OPTION.size + length
        implied = bytes(-length % 4)
        padding = s[end : end + len(implied)]
        fields = {"number": number, "length": length, "value": s[_OPTION.size : end]}
        self.keep(s[: end + len(padding)], fields | {"padding": None if padding == implied else padding})
        return s[end + len(padding) :]

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """What follows is the next option's."""
        return b"", s


class VTC(Derived):
    """The record of one frame, of noise or of an event: what the tap says of the octets."""

    name = "VTC"
    derived = frozenset(
        {"pause", "event", "event_detail", "error_parity", "error_framing", "error_break", "error_overrun"}
        | {"cut", "echo", "order_uncertain", "time_synthetic"}
    )
    fields_desc = (
        StrFixedLenField("magic", MAGIC, 2),
        ByteField("version", VERSION),
        ByteEnumField("kind", 0, {kind.value: kind.name.lower() for kind in Kind}),
        IntField("length", None),
        BitField("sender_inferred", 0, 1),
        BitEnumField("sender", 0, 7, {sender.value: sender.name.lower() for sender in Sender}),
        ByteField("link", 0),
        ByteField("tap", 0),
        LineField("line", 0),
        FlagsField("flags", 0, 16, _FLAGS),
        ShortField("reserved", 0),
        IntField("speed", 0),
        SecondsField("uncertainty", "I", unknown=0xFFFFFFFF),
        SecondsField("duration", "Q"),
        PacketListField("options", [], VTCOption),
        StrField("remainder", b""),
    )

    @classmethod
    def dispatch_hook(cls, _pkt: bytes = b"", *args: Any, **kargs: Any) -> Any:
        """Declines octets that are no record: the link type USER0 is everybody's."""
        ours = not _pkt or (_pkt[:2] == MAGIC and len(_pkt) >= _HEADER.size and _pkt[2] == VERSION)
        return cls if ours else conf.raw_layer

    def do_dissect(self, s: bytes) -> bytes:
        """Takes the header. One whose length cannot be is taken without options, and what follows left alone."""
        magic, version, kind, length, sender, link, tap, line, flags, reserved, speed, uncertainty, duration = (
            _HEADER.unpack_from(s)
        )
        at = end = _HEADER.size
        if length % 4 == 0 and end < length <= len(s):
            end = length
        options = []
        while at < end:
            size = _OPTION.size + _OPTION.unpack_from(s, at)[1]
            if at + size > end:
                break
            size += -size % 4
            options.append(VTCOption(s[at : at + size], _internal=1, _parent=self))
            at += size
        self.keep(
            s[:end],
            {
                "magic": magic,
                "version": version,
                "kind": kind,
                "length": length,
                "sender_inferred": sender >> 7,
                "sender": sender & 0x7F,
                "link": link,
                "tap": tap,
                "line": line,
                "flags": FlagValue(flags, _FLAGS),
                "reserved": reserved,
                "speed": speed,
                "uncertainty": uncertainty,
                "duration": duration,
                "options": options,
                "remainder": s[at:end],
            },
        )
        return s[end:]

    def mutable(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Flags and options can be changed in place."""
        return {"flags": int(fields["flags"]), "options": self.items("options", fields["options"])}

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Fills in the length of the header."""
        if self.getfieldval("length") is None:
            pkt = pkt[:4] + len(pkt).to_bytes(4, "big") + pkt[8:]
        return bytes(pkt + pay)

    def guess_payload_class(self, payload: bytes) -> Any:
        """The class of the message; Noise for noise; Raw behind a header that is damaged."""
        kind = self.fields["kind"]
        if self.fields["length"] != len(self.raw_packet_cache) or kind > Kind.NOISE:
            return conf.raw_layer
        return Noise if kind else LAYERS[decode(payload).message]

    def record(self) -> Record:
        """The record of the packet's octets and time. Raises RecordError where the header is damaged."""
        return decode_record(bytes(self), int(self.time * 1_000_000_000))

    def fields_vtc(self) -> dict[str, Value]:
        """The fields of the catalogue that apply, by name, but for those that need the records before; none where the
        header is damaged."""
        try:
            fields = dissect(self.record()).fields()
        except RecordError:
            return {}
        return {name: value for name, value in fields.items() if not FIELDS[name].context}

    def hashret(self) -> bytes:
        """The link: nothing else is the same in a request and its answer."""
        return bytes([self.link]) + bytes(self.payload.hashret())

    def answers(self, other: Any) -> int:
        """Whether this may be the answer to the other: of the same link, not of the same sender, and by its message."""
        if not isinstance(other, VTC) or self.link != other.link or not isinstance(self.payload, MessageLayer):
            return 0
        if self.sender == other.sender != Sender.UNKNOWN:
            return 0
        return self.payload.answers(other.payload)

    def mysummary(self) -> str:
        """Link, sender, and what an event says."""
        sender = ARROWS.get(self.sender, ARROWS[Sender.UNKNOWN])
        return " ".join(word for word in (f"VTC {self.link} {sender}", self.event, self.event_detail) if word)
