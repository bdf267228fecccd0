"""Follows the speed of a link: derives the settings of its taps from the octets that they receive. Sans-IO.

The other side may answer 20 ms after a message, and by then the ports must be set. So a :class:`SpeedFollower` gets
each chunk as soon as it is read. It has its own framers and needs no exact timestamps.

The messages of a session change the speed (:mod:`~vtctap.sniffer.negotiation`). A break, the end of a readout or a
silence ends the session and restores the start speed. If bit 7 is never set, the line has no parity; if only one side
never sets it, that side sends no parity (:mod:`~vtctap.sniffer.parity`). If the octets are still bad
(:mod:`~vtctap.sniffer.quality`), a :class:`~vtctap.sniffer.detect.Detector` searches for the settings; octets received
meanwhile are noise. After a message chose a speed, the detector first tries that speed, the one offered, and the start
speed.

Sessions begin at the start speed, which the caller states. A sign-on at another speed corrects it. So does garbage
heard twice at a start speed at which nothing good was heard before.

Limits: a damaged OptionSelect changes nothing, but the garbage that follows does. A client that pauses for longer than
:data:`SILENCE_NS` within a session counts as gone. The first octet of its next message shows that the session goes on,
and is lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from vtctap.dissector.framing.framed import decode
from vtctap.dissector.framing.framer import Framer
from vtctap.dissector.framing.pieces import Octet, Piece
from vtctap.dissector.framing.senders import natural_sender
from vtctap.dissector.protocol.characters import LF, NUL, SEVEN_BITS
from vtctap.dissector.protocol.messages import Message
from vtctap.dissector.protocol.rules import SLASH, MessageName
from vtctap.pcap.record import EIGHT_BITS, Sender
from vtctap.sniffer.detect import Detector
from vtctap.sniffer.negotiation import Negotiation
from vtctap.sniffer.port import Settings
from vtctap.sniffer.quality import CHOSEN, STATED, Patience, Quality, Verdict

SILENCE_NS: Final = 1_500_000_000
"""The silence that ends a session: the longest reaction time (IEC 62056-21 clause 6.5)."""
READOUT_REST_NS: Final = 500_000_000
"""How long after a readout a NAK that requests a retransmission, or a break, may still come."""
DOUBTS: Final = 2
"""How often the start speed must prove wrong before it is given up."""
_M = MessageName
_DECODED: Final = 64
"""Most decoded messages kept for the assembler, which frames the same octets later."""
_UNCHECKED: Final = frozenset((_M.IDRequest, _M.IDResponse, _M.OptionSelect, _M.Telegram, _M.HDLC))
"""Messages without BCC that noise does not form by chance."""


@dataclass(frozen=True, slots=True)
class Change:
    """New ``settings`` for all taps of the link, to be applied now. ``why`` is one word. With a ``sender``, the
    settings stay, but that sender's octets carry no parity bit."""

    settings: Settings
    why: str
    sender: Sender = Sender.UNKNOWN

    def event(self, before: Settings) -> str:
        """Returns the text of the event that states the change."""
        line, of = (EIGHT_BITS, f" sender={self.sender.word}") if self.sender else (self.settings.line, "")
        return f"speed from={before.speed} to={self.settings.speed} line={line} why={self.why}{of}"


@dataclass(slots=True)
class _Start:
    """The settings at which sessions begin, None while unknown. ``proved``: something good was heard there. ``doubts``
    counts how often other settings proved right before that."""

    settings: Settings | None
    proved: bool = False
    doubts: int = 0

    def prove(self, settings: Settings) -> None:
        """Notes that something good was heard with ``settings``."""
        if settings == self.settings:
            self.proved, self.doubts = True, 0

    def doubt(self, instead: Settings) -> None:
        """Notes that the settings ``instead`` proved right."""
        if self.settings is None:
            self.settings = instead
        elif not self.proved and instead != self.settings:
            self.doubts += 1
            if self.doubts >= DOUBTS:
                self.settings, self.doubts = instead, 0


@dataclass(slots=True)
class _Now:
    """The settings of the taps now. ``binary``: they are for HDLC. ``instead``: other speeds (bit/s) that the line may
    have, while nothing good was heard at a speed that a message chose."""

    settings: Settings
    binary: bool = False
    instead: tuple[int, ...] = ()


@dataclass(slots=True)
class _Pause:
    """The state of the silence that ends a session. ``heard`` (ns) is when octets came last. ``over_at`` (ns) is when a
    readout is over unless more comes. ``resumable`` holds the settings of a session that silence has ended, which the
    next octet may resume."""

    heard: int = 0
    over_at: int | None = None
    resumable: _Now | None = None


class _Framers:
    """A framer for each tap. The time of an octet is about that of its read."""

    def __init__(self, taps: Mapping[int, Sender], gap_limit_ns: int) -> None:
        self._taps = taps
        self._gap_limit_ns = gap_limit_ns
        self._framers: dict[int, Framer] = {}

    def use(self, character_time_ns: int, *, binary: bool) -> None:
        """Sets the character time from now on, and drops incomplete messages."""
        for tap, sender in self._taps.items():
            framer = Framer(sender=sender, character_time_ns=character_time_ns, gap_limit_ns=self._gap_limit_ns)
            framer.binary = binary
            self._framers[tap] = framer

    def feed(self, tap: int, octets: Sequence[tuple[int, int]], arrival: int) -> list[Piece]:
        """Feeds octets with their flags, read at ``arrival`` (ns); returns the pieces that they complete."""
        framer = self._framers[tap]
        step = framer.character_time_ns
        start = arrival - len(octets) * step
        pieces = framer.feed(Octet(value, start + at * step, None, flags) for at, (value, flags) in enumerate(octets))
        if octets and octets[-1][0] & 0x7F == LF:
            pieces += framer.turn()  # Ends an identification at once; one that goes on is not of mode B.
        return pieces

    @property
    def between_messages(self) -> bool:
        """Whether no tap is inside a message."""
        return all(framer.open_since_ns is None for framer in self._framers.values())


class SpeedFollower:
    """Follows the speed of one link. ``taps`` maps tap numbers to the senders whose octets they carry.

    ``settings`` are those at which sessions begin; with None, the search begins at once. ``gap_limit_ns`` is the
    longest pause inside a message. ``latency_ns`` is that of the slowest port. ``marks`` states that ports may mark
    framing errors; the :class:`~vtctap.sniffer.detect.Detector` learns which do. The caller sets the ports to
    :attr:`settings` at the beginning, and to those of each :class:`Change`. Octets received while :attr:`searching` are
    noise.
    """

    def __init__(
        self,
        settings: Settings | None,
        *,
        gap_limit_ns: int,
        taps: Mapping[int, Sender],
        latency_ns: int = 0,
        marks: bool = True,
    ) -> None:
        self.decode = lru_cache(_DECODED)(decode)
        """Decodes a message, from a cache that the link's assembler shares."""
        self._taps = taps
        self._latency_ns = latency_ns
        self._marks: dict[int, bool] = {} if marks else dict.fromkeys(taps, False)
        self._start = _Start(settings)
        self._detector = None if settings else self._new_detector()
        self._now = _Now(settings or Detector().settings)
        self._pause = _Pause()
        self._negotiation = Negotiation(one_sided=set(taps.values()) == {Sender.SERVER})
        self._quality = Quality(taps, self._marks, self._now.settings.line)
        self._framers = _Framers(taps, gap_limit_ns)
        self._set(self._now)

    @property
    def settings(self) -> Settings:
        """The settings that the taps must have now."""
        return self._now.settings

    @property
    def searching(self) -> bool:
        """Whether speed and character format are unknown at present."""
        return self._detector is not None

    @property
    def without_parity(self) -> frozenset[Sender]:
        """The senders whose octets carry no parity bit, though the line has parity."""
        return self._quality.without_parity

    def feed(self, tap: int, octets: Sequence[tuple[int, int]], arrival: int) -> Change | None:
        """Feeds octets of one tap with their flags, received with :attr:`settings` and read at ``arrival`` (ns)."""
        self._pause.heard, self._pause.over_at = arrival, None
        if self._detector:
            return self._search(self._detector, tap, octets, arrival)
        return (octets and self._go_on(tap, *octets[0])) or self._listen(tap, octets, arrival)

    def changed(self, now: int) -> None:
        """States that the ports were set to the last :class:`Change` at ``now`` (ns)."""
        if self._detector:
            self._detector.changed(now)

    def use(self, settings: Settings) -> Change:
        """Sets the start settings, for the operator; the speed is followed from there."""
        self._detector = None
        self._start = _Start(settings)
        self._quality.forget()
        self._negotiation.forget()
        self._pause.over_at = None
        self._set(_Now(settings))
        return Change(settings, "operator")

    def silence(self, now: int) -> Change | None:
        """States that no octets have come up to ``now`` (ns). Call it about every 100 ms."""
        if self._detector or self.settings == self._start.settings:
            return None
        if self._pause.over_at is not None and now >= self._pause.over_at:
            return self._end("end-of-readout")
        if now - self._pause.heard > SILENCE_NS + 2 * self.settings.line.character_time_ns(self.settings.speed):
            before = self._now
            change = self._end("silence")
            self._pause.resumable = before
            return change
        return None

    def _new_detector(self, expected: Sequence[int] = ()) -> Detector:
        return Detector(latency_ns=self._latency_ns, marks=self._marks, expected=expected)

    def _set(self, now: _Now) -> None:
        self._now = now
        self._pause.resumable = None
        self._quality.use(now.settings.line, binary=now.binary, chosen=bool(now.instead))
        self._framers.use(now.settings.line.character_time_ns(now.settings.speed), binary=now.binary)

    def _change(self, now: _Now, why: str) -> Change | None:
        """Applies settings; returns the change, or None where they are set already."""
        if now.settings == self.settings:
            return None
        self._set(now)
        return Change(now.settings, why)

    def _go_on(self, tap: int, value: int, flags: int) -> Change | None:
        """Restores the settings from before a silence, if the first octet after it begins no sign-on."""
        before, self._pause.resumable = self._pause.resumable, None
        if before is None or not (self._quality.is_bad(tap, value, flags) or value & 0x7F not in (SLASH, NUL)):
            return None
        self._start.doubt(before.settings)
        return self._change(before, "session-goes-on")

    def _listen(self, tap: int, octets: Sequence[tuple[int, int]], arrival: int) -> Change | None:
        sender = self._taps[tap]
        self._quality.said(sender, octets)
        for piece in self._framers.feed(tap, octets, arrival):
            if not piece.is_frame or piece.cut:
                continue
            message, values = self._decoded(piece)
            raw = [(octet.value, octet.flags) for octet in piece.octets]
            if sender is Sender.UNKNOWN and not piece.later:
                self._quality.said(natural_sender(message), raw)
            if not any(self._quality.is_bad(tap, *octet) for octet in raw):
                change = self._follow(message, values, arrival)
                if change:
                    return change
        self._quality.feed(tap, octets, arrival)
        return self._judge(arrival) or self._one_without_parity()

    def _decoded(self, piece: Piece) -> tuple[Message, bytes]:
        values = piece.values.translate(SEVEN_BITS) if self.settings.line.data_bits == 7 else piece.values
        return self.decode(values), values

    def _follow(self, message: Message, octets: bytes, arrival: int) -> Change | None:
        """Applies the effect of a good frame."""
        if message.bcc_status == "good" or message.message in _UNCHECKED:
            self._quality.heard_well()
            self._now.instead = ()
            self._start.prove(self.settings)
        if self._negotiation.ends_readout(message, octets):
            self._pause.over_at = arrival + READOUT_REST_NS
        offered = self._negotiation.offered
        step = self._negotiation.feed(message)
        if step is None:
            return None
        if step.begins:
            self._start.settings = self.settings
            self._start.prove(self.settings)
        if step.ends:
            return self._end(step.why)
        if step.speed is None:
            return None
        line = EIGHT_BITS if step.binary else self.settings.line
        begun = self._start.settings or self.settings
        instead = (step.speed, offered or step.speed, begun.speed)
        return self._change(_Now(Settings(step.speed, line), step.binary, instead), step.why)

    def _end(self, why: str) -> Change | None:
        """Ends a session; the next one begins with the start settings."""
        self._negotiation.forget()
        self._pause.over_at = None
        return self._change(_Now(self._start.settings or self.settings), why)

    def _judge(self, now: int) -> Change | None:
        """Reacts to bad octets."""
        verdict = self._quality.verdict(now, self._patience, between_messages=self._framers.between_messages)
        if verdict is Verdict.NO_PARITY:
            settings = Settings(self.settings.speed, EIGHT_BITS)
            if self.settings == self._start.settings:
                self._start.settings = settings
            return self._change(_Now(settings), "no-parity")
        return self._give_up() if verdict is Verdict.GARBAGE else None

    @property
    def _patience(self) -> Patience | None:
        if self._now.instead:
            return CHOSEN
        return STATED if self.settings == self._start.settings and not self._start.proved else None

    def _one_without_parity(self) -> Change | None:
        """Reports a side without parity; only between messages, so that none is cut."""
        sender = self._quality.one_without_parity() if self._framers.between_messages else None
        return Change(self.settings, "no-parity", sender) if sender else None

    def _give_up(self) -> Change:
        if self.settings == self._start.settings:
            self._start.proved = False
        self._quality.forget()
        self._detector = self._new_detector(self._now.instead)
        self._negotiation.forget()
        self._set(_Now(self._detector.settings))
        return Change(self.settings, "garbage")

    def _search(self, detector: Detector, tap: int, octets: Sequence[tuple[int, int]], arrival: int) -> Change | None:
        finding = detector.feed(octets, arrival, tap)
        if finding is None:
            return None
        self._set(_Now(finding.settings))
        if not finding.settled:
            return Change(finding.settings, "searching")
        self._detector = None
        self._start.doubt(finding.settings)
        return Change(finding.settings, "found")
