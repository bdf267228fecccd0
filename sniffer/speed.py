"""Following the speed of a link: what all its taps are to be set to, from what they hear. Sans-IO.

A :class:`Follower` is told each chunk as it is read, before anything else is done with it: the other side answers 20 ms
after what it answers to, and by then the ports must be set. So it has framers of its own, and needs no exact times.

What changes the speed (IEC 62056-21 clause 6.3 and annex E): the client's OptionSelect in modes C and E, the meter's
identification in mode B. A session ends, and with it the speed, with a break, after a readout, or in silence. Where an
expected parity bit is never set, the line is one without parity; where only one side never sets it, that side sends
none (:mod:`~vtctap.sniffer.parity`). Where none of this explains what is heard, a
:class:`~vtctap.sniffer.detect.Detector` searches; what is heard meanwhile is noise.

The start speed, at which sessions begin, is what the follower was given. Whoever signs on elsewhere corrects it; so
does garbage, heard twice there where nothing good was heard before.

Limits: a damaged OptionSelect changes nothing, the garbage that follows does. A client that pauses for longer than
:data:`SILENCE` within a session is believed to have gone; what it says next is lost up to its first octet's end, for
that octet shows that the session goes on.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from vtctap.dissector.framing.framer import Framer, Octet, Piece
from vtctap.dissector.framing.senders import natural_sender
from vtctap.dissector.protocol.characters import LF, NUL, SEVEN_BITS, wrong_parity
from vtctap.dissector.protocol.messages import Message, decode
from vtctap.dissector.protocol.rules import SLASH, MessageName
from vtctap.dissector.protocol.speeds import MODE_B, MODE_C
from vtctap.pcap.record import Flag, Sender
from vtctap.sniffer.detect import EIGHT_BITS, Detector
from vtctap.sniffer.parity import SUSPECT, ParityWatch
from vtctap.sniffer.port import Settings

SILENCE: Final = 1_500_000_000
"""ns; the longest reaction time (IEC 62056-21 clause 6.5): who has not spoken by then does not in this session."""
READOUT_REST: Final = 500_000_000
"""ns; so long after a readout a NAK that asks for it again, or a break, may still come."""
GARBAGE_OCTETS: Final = 64
GARBAGE: Final = 16
"""So many bad ones among the last octets are garbage. At a wrong speed every other is bad, one in four at the least."""
STRANGE: Final = 4
"""So many of the bad ones are such as no text without parity is: bit 7 is set, or the framing wrong."""
DOUBTS: Final = 2
"""So often must the start speed prove wrong to be given up."""
_M = MessageName
_DECODED: Final = 64
"""Most messages that are kept for the assembler, which is a few behind."""
_UNCHECKED: Final = frozenset((_M.IDRequest, _M.IDResponse, _M.OptionSelect, _M.Telegram, _M.HDLC))
"""Messages without check character that are none by chance."""
_READOUT_END: Final = b"!"
_ERRORS: Final = Flag.FRAMING | Flag.BREAK


@dataclass(frozen=True, slots=True)
class Change:
    """All taps of the link are to be set to ``settings`` now. ``why`` is one word. With a ``sender`` nothing is to be
    set, but that sender's octets carry no parity bit."""

    settings: Settings
    why: str
    sender: Sender = Sender.UNKNOWN

    def event(self, before: Settings) -> str:
        """The text of the event that states the change."""
        line, of = (EIGHT_BITS, f" sender={self.sender.name.lower()}") if self.sender else (self.settings.line, "")
        return f"speed from={before.speed} to={self.settings.speed} line={line} why={self.why}{of}"


class Follower:
    """Follows the speed of one link, whose taps (by number) carry the octets of the senders named.

    ``settings`` are those at which sessions begin; None: unknown, so the search begins at once. ``gap_limit_ns`` is
    the longest pause in a message. ``latency`` (ns) is that of the worst port. ``marks``: the ports may mark framing
    errors; which do is learnt (:class:`~vtctap.sniffer.detect.Detector`). The caller sets the ports to :attr:`settings`
    at the beginning and to what each :class:`Change` says; :attr:`searching` says whether what was heard before that is
    noise.
    """

    def __init__(
        self,
        settings: Settings | None,
        *,
        gap_limit_ns: int,
        taps: Mapping[int, Sender],
        latency: int = 0,
        marks: bool = True,
    ) -> None:
        self.decode = lru_cache(_DECODED)(decode)
        """Decodes a message, once: the link's assembler frames the same octets once their times are known."""
        self._gap_limit = gap_limit_ns
        self._taps = taps
        self._one_sided = set(taps.values()) == {Sender.SERVER}
        """Whether no tap hears the client, so that the meter's identification must do."""
        self._latency = latency
        self._marks = {} if marks else dict.fromkeys(taps, False)
        self._start = settings
        self._proved = False
        self._doubts = 0
        self._detector = None if settings else self._new_detector()
        self.settings = settings or Detector().settings
        self._heard = 0
        self._recent: deque[tuple[bool, bool]] = deque(maxlen=GARBAGE_OCTETS)
        """Whether each was bad, and whether it had what no text without parity has: bit 7, or an error."""
        self._parity: ParityWatch | None = None
        self.without_parity: frozenset[Sender] = frozenset()
        """The senders whose octets carry no parity bit, though the line has parity."""
        self._framers: dict[int, Framer] = {}
        self._asked = self._readout = False
        self._over_at: int | None = None
        self._resumable: tuple[Settings, bool] | None = None
        self._bad_values: dict[int, list[bool]] = {}
        self._set(self.settings)

    @property
    def searching(self) -> bool:
        """Whether speed and line are unknown at present."""
        return self._detector is not None

    def hear(self, tap: int, octets: Sequence[tuple[int, int]], arrival: int) -> Change | None:
        """Octets of one tap with their flags, read at ``arrival`` (ns), received with :attr:`settings`."""
        self._heard = arrival
        self._over_at = None
        if self._detector:
            return self._search(self._detector, tap, octets, arrival)
        if self._resumable and octets:
            resumable, self._resumable = self._resumable, None
            if self._is_bad(tap, *octets[0]) or octets[0][0] & 0x7F not in (SLASH, NUL):
                return self._resume(*resumable)
        sender = self._taps[tap]
        if sender is not Sender.UNKNOWN:
            self._hear_parity(sender, octets)
        for piece in self._pieces(tap, octets, arrival):
            if not piece.is_frame or piece.cut:
                continue
            message, values = self._decoded(piece)
            raw = _raw(piece)
            if sender is Sender.UNKNOWN and not piece.later:
                self._hear_parity(natural_sender(message), raw)
            if not any(self._is_bad(tap, *octet) for octet in raw):
                change = self._follow(message, values, arrival)
                if change:
                    return change
        bad = self._bad_values[tap]
        self._recent.extend(
            [(bad[value] or flags & _ERRORS != 0, value >= 0x80 or flags != 0) for value, flags in octets]
        )
        return self._garbage() or self._drop_one_sides_parity()

    def changed(self, now: int) -> None:
        """The ports were set as the last :class:`Change` said at ``now`` (ns)."""
        if self._detector:
            self._detector.changed(now)

    def use(self, settings: Settings) -> Change:
        """The operator says what the settings are: sessions begin there, and it is followed from there on."""
        self._detector = None
        self._start, self._proved, self._doubts = settings, False, 0
        self._parity, self.without_parity = None, frozenset()
        self._asked = self._readout = False
        self._over_at = None
        self._set(settings)
        return Change(settings, "operator")

    def silence(self, now: int) -> Change | None:
        """Nothing has been heard up to ``now`` (ns); to be called every 100 ms or so."""
        if self._detector or self.settings == self._start:
            return None
        if self._over_at is not None and now >= self._over_at:
            return self._end("end-of-readout")
        if now - self._heard > SILENCE + 2 * self.settings.line.character_time(self.settings.speed):
            resumable = self.settings, self._binary
            change = self._end("silence")
            self._resumable = resumable
            return change
        return None

    def _new_detector(self) -> Detector:
        return Detector(latency=self._latency, marks=self._marks)

    def _set(self, settings: Settings, *, binary: bool = False) -> None:
        self.settings = settings
        self._binary = binary
        self._recent.clear()
        self._resumable = None
        self._judge()
        step = settings.line.character_time(settings.speed)
        for tap, sender in self._taps.items():
            self._framers[tap] = Framer(sender=sender, character_time=step, gap_limit_ns=self._gap_limit)
            self._framers[tap].binary = binary

    def _change(self, settings: Settings, why: str, *, binary: bool = False) -> Change | None:
        """A change where there is one: what a session asks for may be what is set already."""
        if settings == self.settings:
            return None
        self._set(settings, binary=binary)
        return Change(settings, why)

    def _pieces(self, tap: int, octets: Sequence[tuple[int, int]], arrival: int) -> list[Piece]:
        framer = self._framers[tap]
        step = framer.character_time
        start = arrival - len(octets) * step
        pieces = framer.feed(Octet(value, start + at * step, None, flags) for at, (value, flags) in enumerate(octets))
        if octets and octets[-1][0] & 0x7F == LF:
            pieces += framer.turn()  # An identification; if there is more to it, it is no mode B's.
        return pieces

    def _decoded(self, piece: Piece) -> tuple[Message, bytes]:
        values = piece.values.translate(SEVEN_BITS) if self.settings.line.data_bits == 7 else piece.values
        return self.decode(values), values

    def _is_bad(self, tap: int, value: int, flags: int) -> bool:
        """Whether an octet shows that it was not received as it was sent."""
        return bool(flags & _ERRORS) or self._bad_values[tap][value]

    def _judge(self) -> None:
        """Makes the table of bad values of each tap."""
        line = self.settings.line
        wrong = [bool(wrong_parity(bytes((value,)), line)) for value in range(256)]
        lenient = [bad and value >= 0x80 for value, bad in enumerate(wrong)]
        for tap, sender in self._taps.items():
            if self._marks.get(tap) is False and not self._binary and line == EIGHT_BITS:
                self._bad_values[tap] = [value >= 0x80 for value in range(256)]
                continue
            maybe_without = self.without_parity and (sender is Sender.UNKNOWN or sender in self.without_parity)
            self._bad_values[tap] = lenient if maybe_without else wrong

    def _follow(self, message: Message, octets: bytes, arrival: int) -> Change | None:
        """What a good frame changes."""
        name, good = message.message, message.bcc_status == "good"
        if good or name in _UNCHECKED:
            self._recent.clear()
            self._prove()
        if name == MessageName.IDRequest:
            self._begin_here()
            self._asked = True
        elif name == MessageName.IDResponse:
            asked = self._asked or self._one_sided
            self._begin_here()
            if asked and (speed := MODE_B.get(message.id_speed or "")):
                self._readout = True
                return self._change(Settings(speed, self.settings.line), MessageName.IDResponse)
        elif name == MessageName.OptionSelect:
            self._readout = message.option_mode == "0"
            binary = message.option_protocol == "2" and message.option_mode == "2"
            line = EIGHT_BITS if binary else self.settings.line
            if speed := MODE_C.get(message.option_speed or ""):
                return self._change(Settings(speed, line), MessageName.OptionSelect, binary=binary)
        elif name == MessageName.BreakCommand and good:
            return self._end(MessageName.BreakCommand)
        elif message.cmd:
            self._readout = False
        elif name == MessageName.Data and good and self._readout and _READOUT_END in octets:
            self._over_at = arrival + READOUT_REST
        return None

    def _begin_here(self) -> None:
        """A session begins at these settings."""
        self._start = self.settings
        self._readout = self._asked = False
        self._prove()

    def _prove(self) -> None:
        if self.settings == self._start:
            self._proved, self._doubts = True, 0

    def _end(self, why: str) -> Change | None:
        """A session has ended; the next begins at the start speed."""
        self._readout = self._asked = False
        self._over_at = None
        return self._change(self._start or self.settings, why)

    def _resume(self, settings: Settings, binary: bool) -> Change | None:
        """What comes after a silence is no sign-on: the session goes on, or never began at the start speed."""
        self._doubt(settings)
        return self._change(settings, "session-goes-on", binary=binary)

    def _doubt(self, instead: Settings) -> None:
        if not self._proved:
            self._doubts += 1
            if self._doubts >= DOUBTS:
                self._start, self._doubts = instead, 0

    def _hear_parity(self, sender: Sender, octets: Sequence[tuple[int, int]]) -> None:
        if sender is Sender.UNKNOWN or not self._checks_parity:
            return
        if self._parity is None:
            self._parity = ParityWatch(self.settings.line)
        self._parity.hear(sender, octets)

    @property
    def _checks_parity(self) -> bool:
        """Whether parity is checked in bit 7."""
        return self.settings.line.data_bits == 7 and self.settings.line.has_parity

    @property
    def _between_messages(self) -> bool:
        return all(framer.open_since is None for framer in self._framers.values())

    def _garbage(self) -> Change | None:
        """What to do about so many bad octets, if there are so many."""
        if len(self._recent) < GARBAGE_OCTETS or sum(bad for bad, _ in self._recent) < GARBAGE:
            return None
        strange = sum(bad and odd for bad, odd in self._recent)
        if strange >= STRANGE or not self._checks_parity:
            return self._give_up()
        senders = self._parity.with_parity() if self._parity else ()
        if not any(odd for _, odd in self._recent) and not senders:
            return self._drop_parity() if self._between_messages else None  # So that no message is cut.
        if self._parity and self._parity.without(SUSPECT):
            return None
        both_heard = any(sender is Sender.UNKNOWN for sender in self._taps.values())
        return None if both_heard and strange == 0 and not self._between_messages else self._give_up()

    def _drop_one_sides_parity(self) -> Change | None:
        """One side sends parity and the other, by all that it says, does not. Between messages, so that none is cut."""
        if self._parity is None or not self._checks_parity or not self._between_messages:
            return None
        for sender in self._parity.without():
            if sender not in self.without_parity and self._parity.with_parity():
                self.without_parity |= {sender}
                self._judge()
                self._recent.clear()
                return Change(self.settings, "no-parity", sender)
        return None

    def _drop_parity(self) -> Change | None:
        """Wrong in parity, yet without a single bit 7: text from a line without parity, at the right speed."""
        settings = Settings(self.settings.speed, EIGHT_BITS)
        if self.settings == self._start:
            self._start = settings
        return self._change(settings, "no-parity")

    def _give_up(self) -> Change:
        if self.settings == self._start:
            self._proved = False
        self._parity, self.without_parity = None, frozenset()
        self._detector = self._new_detector()
        self._set(self._detector.settings)
        self._asked = self._readout = False
        return Change(self.settings, "garbage")

    def _search(self, detector: Detector, tap: int, octets: Sequence[tuple[int, int]], arrival: int) -> Change | None:
        finding = detector.hear(octets, arrival, tap)
        if finding is None:
            return None
        self._set(finding.settings)
        if not finding.settled:
            return Change(finding.settings, "searching")
        self._detector = None
        if self._start is None:
            self._start = finding.settings
        elif self._start != finding.settings:
            self._doubt(finding.settings)
        return Change(finding.settings, "found")


def _raw(piece: Piece) -> list[tuple[int, int]]:
    return [(octet.value, octet.flags) for octet in piece.octets]
