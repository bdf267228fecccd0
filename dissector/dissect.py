"""The dissector: decodes each record of a trace into the fields of the catalogue.

A :class:`Dissector` reads a trace's records in order, since some fields depend on earlier records of the same link. It
decodes the message (:mod:`vtctap.dissector.protocol.messages`), looks up its meaning in a profile
(:mod:`vtctap.dissector.meaning`) and pairs it with earlier frames (:mod:`vtctap.dissector.pairing`). Memory is
constant: a few values per link.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from json import dumps
from typing import Any, Final, TypeAlias

from vtctap.dissector import fields
from vtctap.dissector.dlms import Apdu, Requests
from vtctap.dissector.dlms import decode as decode_apdu
from vtctap.dissector.fields import Fields
from vtctap.dissector.framing.framed import message_of
from vtctap.dissector.meaning import Meaning, Meanings, answered, registers_of
from vtctap.dissector.pairing import Pairing, Place, is_damaged
from vtctap.dissector.profiles.model import Profile
from vtctap.dissector.profiles.stated import settled
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.tokens import Keys
from vtctap.dissector.verdicts import Verdicts
from vtctap.pcap.construction import fast_init, maker
from vtctap.pcap.record import Flag, Kind, Record
from vtctap.pcap.skipped import Skipped


@fast_init
@dataclass(frozen=True, slots=True)
class Dissection:
    """A dissected record: a :class:`Frame`, or noise or an event, which have no content beyond the record.

    ``number`` counts the trace's records from 1; ``since_first_ns`` is the time since the start of the first record.
    """

    number: int
    record: Record
    since_first_ns: int

    def fields(self) -> Fields:
        """Returns the fields of the catalogue that apply, by name, in catalogue order."""
        return fields.record_fields(self)

    def as_json(self) -> Fields:
        """Returns the fields, those of the frame and ``vtc.octets``, as ``read --json`` prints them."""
        return fields.record_json(self)

    def json_text(self, trace: str = "") -> str:
        """Returns the text that :func:`json.dumps` makes of :meth:`as_json`; the ``trace`` comes first, if it is
        given."""
        return fields.record_text(self, _beginning(trace))


@fast_init
@dataclass(frozen=True, slots=True)
class Frame(Dissection):
    """A frame: its message, its meaning by the profile, and its place among the other frames.

    ``gap_ns`` is the time since the end of the link's previous frame, None where there is none or it is unknown.
    """

    message: Message
    meaning: Meaning
    place: Place
    gap_ns: int | None = None

    @property
    def name(self) -> str:
        """The message's name, empty for a later record of a message that did not fit into one."""
        return self.message.message or ""

    @property
    def registers(self) -> tuple[str, ...]:
        """The register of each data set: its own, or the one that the request named."""
        return registers_of(self.message, self.place.register_asked)

    @property
    def damaged(self) -> bool:
        """Whether octets are known to be wrong or missing."""
        return is_damaged(self.record, self.message)

    def fields(self) -> Fields:
        """Returns the fields of the catalogue that apply, by name, in catalogue order."""
        return fields.frame_fields(self)

    def as_json(self) -> Fields:
        """Returns the fields, those of the frame and ``vtc.octets``, as ``read --json`` prints them."""
        return fields.frame_json(self)

    def json_text(self, trace: str = "") -> str:
        """Returns the text that :func:`json.dumps` makes of :meth:`as_json`; the ``trace`` comes first, if it is
        given."""
        return fields.frame_text(self, _beginning(trace))


def _beginning(trace: str) -> str:
    return f'{{"trace": {dumps(trace)}, ' if trace else "{"


_frame: Final = maker(Frame)
_FRAME: Final = Kind.FRAME
_ECHO: Final = Flag.ECHO
_SHORT: Final = 128
_MANY: Final = 512
_LONG: Final = 16 * _MANY
"""Most messages kept decoded, the most octets of each, and the records for which they are kept at least. What recurs on
a link does so soon. To keep more, or each message for a while, would cost more than it saves where no message recurs:
they do not fit into the processor's cache, and what is kept makes work for the garbage collector."""


class Dissector:
    """Dissects the records of one trace, in order; ``keys`` decrypt its encrypted tokens.

    Frames that change nothing but the number of the next record and the end of their link's last frame may be left out
    (:meth:`settled`, :meth:`leave_out`): :mod:`vtctap.dissector.columns` dissects these by arrays.
    """

    def __init__(self, profile: Profile, keys: Keys | None = None) -> None:
        self.meanings = Meanings(profile, keys)
        self.session_timeout_ns = profile.timing.session_timeout_ns
        self.number = 0
        """The number of the record dissected last."""
        self.first_ns: int | None = None
        """The time of the first record; None before it."""
        self._pairing = Pairing(self.session_timeout_ns)
        self._verdicts = Verdicts()
        self._requests = Requests()
        self._known: dict[bytes | tuple[bytes, tuple[str, ...]], tuple[Message, Meaning]] = {}
        self._renewal = 0
        """The number of the record from which on what is kept may be forgotten, and others kept."""

    def dissect(self, record: Record) -> Dissection:
        """Dissects the next record; a frame gives a :class:`Frame`."""
        self.number = number = self.number + 1
        if self.first_ns is None:
            self.first_ns = record.time
        since_first_ns = record.time - self.first_ns
        if record.kind is not _FRAME:
            if record.event and self._pairing.interrupted(record):
                self._verdicts.interrupt(record.link)
            return Dissection(number, record, since_first_ns)
        message, meaning = self._known.get(record.octets) or self._decode(record)
        place, gap_ns = self._pairing.feed(number, record, message)
        if place.register_asked:
            key = record.octets, place.register_asked
            _, meaning = self._known.get(key) or self._decode(record, place.register_asked)
        if meaning.apdu and not record.flags & _ECHO:
            asked = self._requests.feed(number, record.link, meaning.apdu, place.request_in)
            if asked:
                place, meaning = place._replace(object_asked=asked), answered(meaning, asked)
        if meaning.token or record.link in self._verdicts.links:
            about = self._verdicts.feed(number, record, message, meaning, place)
            if about is not None:
                place = place._replace(status_token_in=about)
        return _frame(number, record, since_first_ns, message, meaning, place, gap_ns)

    def each(self, items: Iterable[Record | Skipped]) -> Iterator[Dissection]:
        """Dissects records in order. What was skipped between them only counts, so that numbers stay Wireshark's."""
        for item in items:
            if isinstance(item, Skipped):
                self.skip(item)
            else:
                yield self.dissect(item)

    def skip(self, skipped: Skipped) -> Skipped:
        """Passes over what was skipped; returns it with its number in all that was dissected."""
        if skipped.number is None:
            return skipped
        self.number += 1
        return replace(skipped, number=self.number)

    def meaning(self, message: Message, asked: tuple[str, ...] = (), apdu: Apdu | None = None) -> Meaning:
        """Returns the meaning of a message by the profile; ``asked`` are the registers of data sets that name none,
        ``apdu`` is the APDU of an HDLC frame."""
        return self.meanings.of(message, asked, apdu)

    def ended(self, link: int) -> int | None:
        """Returns when the last frame of a link ended, ns; None where there was none."""
        return self._pairing.ended(link)

    def settled(self, link: int) -> int | None:
        """See :meth:`~vtctap.dissector.pairing.Pairing.settled`."""
        return self._pairing.settled(link)

    def leave_out(self, link: int, end_ns: int) -> None:
        """Passes over frames of a settled link; the last one ended at ``end_ns``."""
        self._pairing.leave_out(link, end_ns)

    def _decode(self, record: Record, asked: tuple[str, ...] = ()) -> tuple[Message, Meaning]:
        """Decodes a frame's message and its meaning. Most messages of a link recur, so short ones are kept."""
        message, octets = message_of(record), record.octets
        apdu = decode_apdu(octets) if message.fcs_status == "good" and not message.bad_check else None
        decoded = message, self.meanings.of(message, asked, apdu)
        known = self._known
        if len(octets) <= _SHORT:
            if len(known) < _MANY:
                known[(octets, asked) if asked else octets] = decoded
            elif self.number >= self._renewal:
                known.clear()
                self._renewal = self.number + _LONG
        return decoded


Item: TypeAlias = Record | Skipped | Dissection
"""What a trace is read as: its records, dissected or not, and what was skipped between them."""


def dissections(items: Iterable[Item], profile: Profile | None = None) -> Iterator[Dissection]:
    """Dissects a trace's records in order; records that are already dissected stay as they are.

    Without ``profile``, the trace's own applies (:func:`~vtctap.dissector.profiles.stated.settled`).
    """
    return _dissected(items, profile)


def with_skipped(items: Iterable[Item], profile: Profile | None = None) -> Iterator[Dissection | Skipped]:
    """Dissects as :func:`dissections`, and also yields what was skipped."""
    return _dissected(items, profile, skipped=True)


def _dissected(items: Iterable[Item], profile: Profile | None, *, skipped: bool = False) -> Iterator[Any]:
    each, profile = settled(items, profile)
    dissector = Dissector(profile)
    dissect, begun = dissector.dissect, False
    for item in each:
        if isinstance(item, Record):
            begun = True
            yield dissect(item)
        elif isinstance(item, Dissection):
            yield item
        else:
            numbered = dissector.skip(item)
            if skipped:
                yield numbered if begun else item
