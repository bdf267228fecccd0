# mypy: disallow-subclassing-any=False
"""The record as a Scapy packet (docs/link-type.md): :class:`VTC`, and the options of its header."""

from typing import Any, Final, Self

from scapy.config import conf
from scapy.fields import (
    BitField,
    ByteField,
    FieldLenField,
    FlagValue,
    IntField,
    ShortEnumField,
    ShortField,
)

from vtctap.dissector.catalogue import CATALOGUE, FIELDS
from vtctap.dissector.fields import Value
from vtctap.dissector.protocol.messages import name_of
from vtctap.dissector.scapy.derived import BY_ATTRIBUTE, Derived, absent
from vtctap.dissector.scapy.exact import Exact, set_slot
from vtctap.dissector.scapy.fields import (
    BitWordField,
    ByteWordField,
    FlagWordsField,
    ImpliedField,
    LineField,
    MagicField,
    MarkField,
    OctetsField,
    PacketsField,
    SecondsField,
    VersionField,
)
from vtctap.dissector.scapy.message_layer import MESSAGE_FIELDS, MessageLayer
from vtctap.dissector.scapy.messages import LAYERS, Noise
from vtctap.dissector.scapy.settings import dissect
from vtctap.dissector.text import ARROWS
from vtctap.pcap.record import HEADER, MAGIC, OPTION, SECOND_NS, VERSION, Flag, Kind, Record, RecordError, Sender
from vtctap.pcap.record import decode as decode_record

CONTEXT: Final = frozenset(field.attribute for field in CATALOGUE if field.context)
"""The fields that exist once :class:`~vtctap.dissector.scapy.sessions.VTCSession` has read the earlier packets."""
_UNKNOWN: Final = 0xFFFFFFFF
_LINK_AT: Final = 9
"""Position of the link in the header."""
_FLAG_NAMES: Final = {value: name.lower() for name, value in vars(Flag).items() if name.isupper()}
_FLAGS: Final = [_FLAG_NAMES.get(1 << bit, f"bit_{bit}") for bit in range(16)]


class VTCOption(Exact):
    """An option of the record's header."""

    name = "VTC option"
    fields_desc = (
        ShortEnumField("number", 4, {1: "parity", 2: "framing", 3: "pauses", 4: "event", 5: "hash"}),
        FieldLenField("length", None, length_of="value"),
        OctetsField("value", b""),
        ImpliedField("padding", lambda option: bytes(-len(option.value) % 4)),
    )

    @classmethod
    def dispatch_hook(cls, _pkt: bytes = b"", *args: Any, **kargs: Any) -> Any:
        """Declines octets that are shorter than their stated length."""
        fits = not _pkt or (len(_pkt) >= OPTION.size and len(_pkt) - OPTION.size >= OPTION.unpack_from(_pkt)[1])
        return cls if fits else conf.raw_layer

    def do_dissect(self, s: bytes) -> bytes:
        """Dissects one option with its padding."""
        number, length = OPTION.unpack_from(s)
        end = OPTION.size + length
        implied = bytes(-length % 4)
        padding = s[end : end + len(implied)]
        fields = {"number": number, "length": length, "value": s[OPTION.size : end]}
        self.keep(s[: end + len(padding)], fields | {"padding": None if padding == implied else padding})
        return s[end + len(padding) :]

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """Leaves the rest to the next option."""
        return b"", s


def _flag_value(flags: int) -> FlagValue:
    """Returns flags that can be changed one by one; copying takes a third of the time of creating them."""
    copy = object.__new__(FlagValue)
    for slot, value in (("names", _FLAGS), ("multi", True), ("value", flags)):
        set_slot(copy, slot, value)
    return copy


class VTC(Derived):
    """The record of a frame, of noise or of an event: what the tap reports about the octets."""

    name = "VTC"
    __slots__ = ("dissection",)
    fields_desc = (
        MagicField("magic", MAGIC, 2),
        VersionField("version", VERSION),
        ByteWordField("kind", 0, {kind.value: kind.word for kind in Kind}),
        IntField("length", None),
        BitField("sender_inferred", 0, 1),
        BitWordField("sender", 0, 7, {sender.value: sender.word for sender in Sender}),
        ByteField("link", 0),
        ByteField("tap", 0),
        LineField("line", 0),
        FlagWordsField("flags", 0, 16, _FLAGS),
        ShortField("reserved", 0),
        IntField("speed", 0),
        SecondsField("uncertainty", "I", unknown=True),
        SecondsField("duration", "Q"),
        PacketsField("options", [], VTCOption),
        MarkField("remainder", b""),
    )
    derived = CONTEXT | (BY_ATTRIBUTE.keys() - MESSAGE_FIELDS).difference(field.name for field in fields_desc)

    @classmethod
    def dispatch_hook(cls, _pkt: bytes = b"", *args: Any, **kargs: Any) -> Any:
        """Declines octets that are no record, since anyone may use the link type USER0."""
        ours = not _pkt or (_pkt[:2] == MAGIC and len(_pkt) >= HEADER.size and _pkt[2] == VERSION)
        return cls if ours else conf.raw_layer

    def do_dissect(self, s: bytes) -> bytes:
        """Dissects the header. A header of impossible length gets no options, and the rest stays untouched."""
        magic, version, kind, length, sender, link, tap, line, flags, reserved, speed, uncertainty, duration = (
            HEADER.unpack_from(s)
        )
        at = end = HEADER.size
        if length % 4 == 0 and end < length <= len(s):
            end = length
        options = []
        while at < end:
            size = OPTION.size + OPTION.unpack_from(s, at)[1]
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
                "flags": _flag_value(flags),
                "reserved": reserved,
                "speed": speed,
                "uncertainty": None if uncertainty == _UNKNOWN else uncertainty,
                "duration": duration,
                "options": options,
                "remainder": s[at:end],
            },
        )
        return s[end:]

    def copies(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Copies flags and options, which can change in place."""
        return {"flags": int(fields["flags"]), "options": self.copies_of("options", fields["options"])}

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Fills in the header length."""
        if self.getfieldval("length") is None:
            pkt = pkt[:4] + len(pkt).to_bytes(4, "big") + pkt[8:]
        return bytes(pkt + pay)

    def guess_payload_class(self, payload: bytes) -> Any:
        """Returns the message's class, Noise for noise, or Raw after a damaged header."""
        kind = self.fields["kind"]
        if self.fields["length"] != len(self.raw_packet_cache) or kind > Kind.NOISE:
            return conf.raw_layer
        return Noise if kind else LAYERS[name_of(payload)]

    def record(self) -> Record:
        """Returns the record of the packet's octets and time. Raises RecordError where the header is damaged."""
        return decode_record(bytes(self), int(self.time * SECOND_NS))

    def fields_vtc(self) -> dict[str, Value]:
        """Returns the catalogue's fields that apply, by name, as in ``read --json``; none where the header is damaged.
        Fields that depend on earlier records exist once a session has read the packet."""
        try:
            record = self.record()
            fields = dissect(record, getattr(self.dissection, "place", None)).fields()
        except RecordError:
            return {}
        context = self.dissection.fields() if self.dissection else {}
        if context and self.original[_LINK_AT : _LINK_AT + 1] == bytes([record.link]):  # The link is as it was read.
            fields["vtc.link"] = context["vtc.link"]
        names = [field.name for field in CATALOGUE if field.name in (context if field.context else fields)]
        return {name: context[name] if FIELDS[name].context else fields[name] for name in names}

    def derive(self, attribute: str) -> Any:
        """Returns a derived field. Raises AttributeError for one that depends on earlier records."""
        if attribute in CONTEXT and not self.dissection:
            raise AttributeError(f"{attribute} needs the records before: read with session=VTCSession")
        return super().derive(attribute)

    def __getattr__(self, attr: str) -> Any:
        if attr == "dissection":  # A slot gets here only while it is not set.
            return None
        try:
            return super().__getattr__(attr)
        except AttributeError:
            if attr in CONTEXT or attr not in BY_ATTRIBUTE:
                raise
        return absent(attr)  # A message's field, and this record holds no message.

    def __dir__(self) -> list[str]:
        names = super().__dir__()
        return names if self.dissection else [name for name in names if name not in CONTEXT]

    def __reduce__(self) -> tuple[Any, ...]:
        # Scapy 2.7 omits the slots of subclasses.
        rebuild, octets, state = super().__reduce__()
        return rebuild, octets, (state, self.dissection)

    def __setstate__(self, state: tuple[Any, Any]) -> Self:
        super().__setstate__(state[0])
        set_slot(self, "dissection", state[1])
        return self

    def copy(self) -> Self:
        """Returns a deep copy."""
        copy: Self = super().copy()
        set_slot(copy, "dissection", self.dissection)
        return copy

    def hashret(self) -> bytes:
        """Returns the link, the only thing that a request and its answer share."""
        return bytes([self.link]) + bytes(self.payload.hashret())

    def answers(self, other: Any) -> int:
        """Whether this may answer the other: same link, other sender, and a message that fits."""
        if not isinstance(other, VTC) or self.link != other.link or not isinstance(self.payload, MessageLayer):
            return 0
        if self.sender == other.sender != Sender.UNKNOWN:
            return 0
        return self.payload.answers(other.payload)

    def mysummary(self) -> str:
        """Returns link and sender, and the text of an event."""
        sender = ARROWS.get(self.sender, ARROWS[Sender.UNKNOWN])
        return " ".join(word for word in (f"VTC {self.link} {sender}", self.event, self.event_detail) if word)
