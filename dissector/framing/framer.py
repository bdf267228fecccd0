"""The framer: where each message on one wire begins and ends.

Octets with their times go in, pieces come out; there is no I/O and no clock. Fed one octet at a time or a megabyte, the
result is the same, for it depends on nothing but the octets and their times.

Theory
======

The messages of IEC 62056-21 (and, as far as is publicly known, of IEC 62055-52) have no length field and no common
delimiter. A message is known by its first octet, and each kind ends in its own way::

    /?...! CR LF              IDRequest         ends after LF, or after ! where no line end follows
    /m! CR LF                 IDRequest         (m: any other mark in the place of ?)
    /XXXZ... CR LF            IDResponse        ends after LF, unless an empty line follows:
    /XXXZ... CR LF CR LF      Telegram          ends after ! with up to four hexadecimal digits and LF
    SOH ... ETX BCC           commands          ends after the octet that follows ETX or EOT, whatever it is
    STX ... ETX BCC           Data and Error    (that octet, the check character, may be any code)
    ACK                       ACK               ends at once, unless V Z Y CR LF follows: OptionSelect
    NAK                       NAK               ends at once
    NUL NUL ...               WakeUp            ends before the first other octet; fewer than eight are noise
    7E ... 7E                 HDLC              ends by its length, with a right check sequence, or where mode E was
                                                agreed on (:attr:`Framer.binary`)

All else is noise. Noise is collected until a frame, a long pause or the other side's message follows it. So is what
is known to be another protocol's, or an inverted line's (:mod:`~vtctap.dissector.protocol.foreign`).

A grammar that looks back (:mod:`~vtctap.dissector.framing.grammar`). Some beginnings turn out not to be what they
looked like: a slash in the noise, an ACK with a digit behind it that is no OptionSelect. So the octets since a
beginning are kept, and where the grammar fails, what was already a message in itself (the ACK, the identification)
becomes a frame, or else the first octet becomes noise, and the rest is looked at again. Such candidates are short
(:data:`~vtctap.dissector.framing.walker.MAX_IDENTIFICATION`), so this stays linear.

Soft ends. After an ACK, an identification, a request's ``!`` or an ETX, a message may be whole, and only what comes
next tells; so it is after a Telegram's line that ends in ``!``, which may be a damaged bracket, and after an HDLC
frame, whose closing flag may open the next one. What tells is the next octet, a pause (:meth:`Framer.silence`) or the
other side's beginning to speak (:meth:`Framer.turn`). No other timing enters the grammar, but for one case: some
clients send no check character. On a wire that carries both directions the next octet is then the other side's SOH or
STX, and would be taken for a wrong check character. It is the beginning of a new message if it is no right check
character and it came after a reaction's pause - or, where the times are synthetic and pauses unknown, in any case.

HDLC (:mod:`~vtctap.dissector.protocol.hdlc`). What begins with a flag and a format field has a length, and is kept
until so many octets have come or its header contradicts it. It is a frame if a flag stands where it is to end and a
check sequence is right, of the header or of all. What looked like a block before it may have been the rest of such a
frame.

Cut frames. A pause longer than the protocol allows between two characters ends whatever is open; a frame that was open
in its middle is marked as cut. If what follows begins no message, though, the sender has but paused for too long, and
the frame goes on, unless the pause is :data:`PATIENCE` times as long as allowed. Data blocks may hold any octet before
their ETX: real damaged frames hold STX and SOH. Requests and Telegram lines do not: there SOH or STX begins a new
message, and the old one is cut. So does an identification with an empty line behind it, anywhere: nothing but a
Telegram begins so. In a Telegram, which is sent in one go, a pause of :data:`STREAM_PAUSE` characters is long.
"""

from collections.abc import Iterable
from typing import Final

from vtctap.dissector.framing.doubts import Doubter
from vtctap.dissector.framing.grammar import CLASSES, SOFT, STREAMS, TABLE, WHOLE, State, Step
from vtctap.dissector.framing.pieces import Octet, Piece
from vtctap.dissector.protocol.characters import ACK, NAK, SOH, STX
from vtctap.pcap.record import Flag, Sender

PATIENCE: Final = 2
"""A frame ends after this many times the longest pause."""
STREAM_PAUSE: Final = 1000
"""Characters; a longer pause is long for the line's speed even if the protocol allows it: 87 ms at 115 200 bit/s, where
adapters deliver octets every 16 ms."""
MIN_REACTION_NS: Final = 15_000_000
"""Shortest pause, in ns, that can be a change of sides. IEC 62056-21 clause 6.5 requires at least 20 ms, of which a tap
sees some blurred."""


_BEGINNINGS: Final = (SOH, STX, ACK, NAK)
"""The octets that begin a message where a check character is due."""


class Framer(Doubter):
    """Finds the frames on one wire.

    ``sender`` is the side whose octets the wire carries, UNKNOWN for both. ``gap_limit_ns`` is the longest pause inside
    a message. ``synthetic``: the times are invented, so pauses mean nothing. These may be set at any time:
    ``character_time_ns``, ``binary`` (mode E was agreed on), ``garbage`` (the line's settings are unknown, so
    everything is noise) and ``omits_checks`` (the client never sends check characters).
    """

    def __init__(self, *, sender: Sender, character_time_ns: int, gap_limit_ns: int, synthetic: bool = False) -> None:
        self._gap_limit = gap_limit_ns
        self._patience = gap_limit_ns * PATIENCE
        self.character_time_ns = character_time_ns
        super().__init__(character_time_ns=character_time_ns, synthetic=synthetic)
        self.omits_checks = False
        self._sender = sender
        self._end = 0

    @property
    def character_time_ns(self) -> int:
        """The duration of one character, ns."""
        return self._character_time_ns

    @character_time_ns.setter
    def character_time_ns(self, character_time_ns: int) -> None:
        self._character_time_ns = character_time_ns
        self._stream_pause = min(character_time_ns * STREAM_PAUSE or self._gap_limit, self._gap_limit)

    @property
    def earliest(self) -> Octet | None:
        """The earliest octet that is in no piece yet; None where there is none."""
        first = self._noise or self._open
        return first[0] if first else None

    @property
    def open_since(self) -> int | None:
        """The start of that octet, ns; None where there is none."""
        return self.earliest.start if self.earliest else None

    @property
    def end(self) -> int:
        """The end of the last octet, ns."""
        return self._end

    def feed(self, octets: Iterable[Octet]) -> list[Piece]:
        """Takes octets, in the order in which they were received, and returns the pieces that they complete."""
        for octet in octets:
            if self.garbage and self._open:
                self._flush()
            pause = octet.start - self._end
            if pause > self._stream_pause and self._ends(pause, octet):
                self._flush()
            self._take(octet)
            self._end = octet.start + self._character_time_ns
        return self._collect()

    def silence(self, until: int) -> list[Piece]:
        """Returns the pieces that are complete because no octet has begun before ``until`` (ns)."""
        if until - self._end > (self._stream_pause if self._state in SOFT else self._patience):
            self._flush()
        return self._collect()

    def turn(self, start: int | None = None) -> list[Piece]:
        """Returns the pieces that are complete because the other side of a half-duplex link begins to send at ``start``
        (ns; None where times mean nothing)."""
        self._give_up_doubts()
        late = start is not None and start - self._end > self._gap_limit
        if self._synthetic or late or self._state in WHOLE or not self._open:
            self._flush()
        return self._collect()

    def close(self, *, torn: bool = False) -> list[Piece]:
        """Returns the remaining pieces; no more octets will come. ``torn``: octets may be missing, so a message without
        its check character is cut."""
        self._give_up_doubts()
        if torn and self._state is State.CHECK and self._open:
            self._emit(cut=True)
        self._flush()
        return self._collect()

    def _collect(self) -> list[Piece]:
        if not self._pieces:
            return []
        pieces, self._pieces = self._pieces, []
        return pieces

    def _ends(self, pause: int, octet: Octet) -> bool:
        """Whether a pause (ns) before an octet ends what is open."""
        if pause <= self._gap_limit and self._state not in STREAMS:
            return False
        return pause > self._patience or self._state in SOFT or self._begins_message(octet)

    def _begins_message(self, octet: Octet) -> bool:
        step, _ = TABLE[State.IDLE][CLASSES[octet.value]]
        return not self._open or step is not Step.NOISE

    def _lacks_check(self, octet: Octet) -> bool:
        """Whether the octet after ETX is no check character but begins the next message."""
        value = octet.value & 0x7F
        if value in (self._xor & 0x7F, self._sum & 0x7F):
            return False
        if self.omits_checks and self._is_command():
            return value in _BEGINNINGS and not octet.flags & Flag.PARITY
        if self._sender is not Sender.UNKNOWN:
            return False
        if self._synthetic:
            return value in (SOH, STX)
        pause = octet.start - self._open[-1].start - self._character_time_ns
        return pause >= MIN_REACTION_NS and value in _BEGINNINGS and not octet.flags & Flag.PARITY

    def _is_command(self) -> bool:
        """Whether the open block is a client's command. Only P0 is the server's."""
        first, *letters = (octet.value & 0x7F for octet in self._open[:3])
        return first == SOH and bytes(letters) != b"P0"
