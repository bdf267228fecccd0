"""The framer finds where each message on one wire begins and ends.

It takes octets with their times and returns pieces; it has no I/O and no clock. The result depends only on the octets
and their times, not on how many are fed at once.

Theory
======

The messages of IEC 62056-21 (and, as far as is publicly known, of IEC 62055-52) have no length field and no common
delimiter. The first octet identifies a message, and each kind ends in its own way::

    /?...! CR LF              IDRequest         ends after LF, or after ! where no line end follows
    /m! CR LF                 IDRequest         (m: any other mark in the place of ?)
    /XXXZ... CR LF            IDResponse        ends after LF, unless an empty line follows:
    /XXXZ... CR LF CR LF      Telegram          ends after ! with up to four hexadecimal digits and LF
    SOH ... ETX BCC           commands          ends after the octet that follows ETX or EOT, whatever it is
    STX ... ETX BCC           Data and Error    (that octet, the check character, may be any code)
    ACK                       ACK               ends at once, unless V Z Y CR LF follows: OptionSelect
    NAK                       NAK               ends at once
    NUL NUL ...               WakeUp            ends before the first other octet; fewer than eight are noise
    7E ... 7E                 HDLC              ends by its length if a check sequence is right, or if mode E was
                                                selected (:attr:`Framer.binary`)

All other octets are noise. Noise ends where a frame, a long pause or a message of the other side follows. Octets that
belong to another protocol or to an inverted line are noise too (:mod:`~vtctap.dissector.protocol.foreign`).

Backtracking (:mod:`~vtctap.dissector.framing.grammar`). An octet can look like the beginning of a message and not be
one: a slash in noise, an ACK before a digit that begins no OptionSelect. The framer therefore keeps all octets since
the beginning. Where the grammar fails, a part that is a complete message (the ACK, the identification) becomes a frame;
otherwise the first octet becomes noise. The framer then reads the remaining octets again. Such candidates are short
(:data:`~vtctap.dissector.framing.walker.MAX_IDENTIFICATION`), so the total time stays linear.

Soft ends. After an ACK, an identification, the ``!`` of a request, or an ETX, the message may or may not be complete.
The same holds for a Telegram's line that ends in ``!``, which may be a damaged bracket, and for an HDLC frame, whose
closing flag may open the next frame. The next octet decides, or a pause (:meth:`Framer.silence`), or the beginning of
the other side's message (:meth:`Framer.turn`). The grammar uses no other timing, with one exception: some clients send
no check character. On a wire that carries both directions, the next octet is then the other side's SOH or STX, which
would be taken for a wrong check character. Such an octet begins a new message if it is not the right check character
and follows a pause as long as a reaction; where times are synthetic, no pause is needed.

HDLC (:mod:`~vtctap.dissector.protocol.hdlc`). A flag and a format field state a length. The framer keeps the octets
until that many have arrived or the header contradicts the length. They are a frame if a flag stands at the end and the
check sequence of the header or of the whole frame is right. If such a frame began inside a block, that was no block
but the rest of an earlier frame.

Cut frames. A pause longer than the protocol allows between two characters ends the open message, and a frame that was
not complete is marked as cut. But if the next octet begins no message, the sender only paused too long, and the frame
continues unless the pause is :data:`PATIENCE` times the limit. Data blocks may hold any octet before their ETX: damaged
frames on real lines contain STX and SOH. In requests and Telegram lines, SOH or STX begins a new message and cuts the
old one. An identification that an empty line follows does so everywhere, because only a Telegram begins that way. A
meter sends a Telegram without pauses, so there :data:`STREAM_PAUSE` characters are a long pause.
"""

from collections.abc import Iterable
from typing import Final

from vtctap.dissector.framing.doubts import Doubter
from vtctap.dissector.framing.grammar import BLOCKS, CLASSES, SOFT, STREAMS, TABLE, WHOLE, FramingState, Step
from vtctap.dissector.framing.pieces import Octet, Piece, Run
from vtctap.dissector.framing.strides import Stride, end_of_noise, stride
from vtctap.dissector.protocol.characters import ACK, NAK, SOH, STX
from vtctap.dissector.protocol.checksums import bcc_sum, bcc_xor
from vtctap.pcap.record import MAX_OCTETS, Flag, Sender

PATIENCE: Final = 2
"""A frame ends after this many times the longest pause."""
STREAM_PAUSE: Final = 1000
"""Characters; a longer pause is long for the line's speed even if the protocol allows it: 87 ms at 115 200 bit/s, where
adapters deliver octets every 16 ms."""
MIN_REACTION_NS: Final = 15_000_000
"""Shortest pause that can be a change of sides. IEC 62056-21 clause 6.5 requires at least 20 ms; a tap may measure
less."""

_CHECKED: Final = BLOCKS | {FramingState.CHECK}
"""The states in which a check character is due, sooner or later."""
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
        self._gap_limit_ns = gap_limit_ns
        self._patience_ns = gap_limit_ns * PATIENCE
        self.character_time_ns = character_time_ns
        super().__init__(character_time_ns=character_time_ns, synthetic=synthetic)
        self.omits_checks = False
        self._sender = sender
        self._end_ns = 0

    @property
    def character_time_ns(self) -> int:
        """The duration of one character, ns."""
        return self._character_time_ns

    @character_time_ns.setter
    def character_time_ns(self, character_time_ns: int) -> None:
        self._character_time_ns = character_time_ns
        self._stream_pause_ns = min(character_time_ns * STREAM_PAUSE or self._gap_limit_ns, self._gap_limit_ns)

    @property
    def earliest(self) -> Octet | None:
        """The earliest octet that is in no piece yet; None where there is none."""
        first = self._noise or self._open
        return first[0] if first else None

    @property
    def open_since_ns(self) -> int | None:
        """The start of that octet; None where there is none."""
        return self.earliest.start if self.earliest else None

    @property
    def end_ns(self) -> int:
        """The end of the last octet."""
        return self._end_ns

    def feed(self, octets: Iterable[Octet]) -> list[Piece]:
        """Takes octets, in the order in which they were received, and returns the pieces that they complete."""
        if type(octets) is Run:  # isinstance takes long to say that a tuple is no Sequence of this kind.
            return self._feed_all(octets)
        for octet in octets:
            if self.garbage and self._open:
                self._flush()
            pause_ns = octet.start - self._end_ns
            if pause_ns > self._stream_pause_ns and self._ends(pause_ns, octet):
                self._flush()
            self._take(octet)
            self._end_ns = octet.start + self._character_time_ns
        return self._collect()

    def _feed_all(self, run: Run) -> list[Piece]:
        pieces, at = [], 0
        while at < len(run):
            at, more = self.feed_run(run, at)
            pieces += more
        return pieces

    def feed_run(self, run: Run, at: int) -> tuple[int, list[Piece]]:
        """Takes octets of a run from a position on, but none after those that complete a piece; returns the position
        after them, and the pieces. They are the same as of single octets."""
        made = self._stride(run, at)
        whole = self._end_of_whole(run.values, at, made) if made else None
        if made is None or (whole is None and made.end == at):
            return self._feed_noise(run, at)
        if whole is None:
            self._open_more(run, at, made)
            return made.end, []
        octets = run[at:whole]
        if octets:
            self._end_ns = octets[-1].start + self._character_time_ns
        if not self._open:
            return whole, [Piece(octets, is_frame=True)]
        self._open.extend(octets)
        self._emit(cut=False)
        return whole, self._collect()

    def _feed_noise(self, run: Run, at: int) -> tuple[int, list[Piece]]:
        """Takes octets that go on as noise, or else the next octet."""
        noisy = self._state is FramingState.IDLE and self._noise and not self.garbage and self._keeps_pace(run, at)
        end = end_of_noise(run.values, at, MAX_OCTETS - len(self._noise)) if noisy else at
        if end == at:
            return at + 1, self.feed((run[at],))
        self._noise.extend(run[at:end])
        self._end_ns = self._noise[-1].start + self._character_time_ns
        if len(self._noise) == MAX_OCTETS:
            self._pieces += self._take_noise()
        return end, self._collect()

    def _keeps_pace(self, run: Run, at: int) -> bool:
        """Whether no pause ends what is open before an octet of a run, or any that follow."""
        before_ns = run.start + at * run.step_ns - self._end_ns
        return max(before_ns, run.step_ns - self._character_time_ns) <= self._stream_pause_ns

    def _stride(self, run: Run, at: int) -> Stride | None:
        """Returns the stride from a position of a run on; None where the octet there needs a look of its own."""
        pause_ns = run.start + at * run.step_ns - self._end_ns
        if (
            self.garbage
            or (self._noise and not self._open)
            or run.step_ns - self._character_time_ns > self._stream_pause_ns
        ):
            return None
        if pause_ns > self._stream_pause_ns and self._open:
            return None
        if pause_ns > self._gap_limit_ns:
            self._flush()
        return stride(run.values, at, self._state, len(self._open), self._settled)

    def _end_of_whole(self, values: bytes, at: int, made: Stride) -> int | None:
        """Returns the position after the message that ends with a stride; None where that is not certain."""
        end = made.end
        if made.step is Step.CHECK:
            xor, total = self._checks(values, at, made)
            end += values[end] & 0x7F in (xor & 0x7F, total & 0x7F)
        elif made.step is Step.END:
            end += 1
        certain = end > made.end or (made.step is Step.BEFORE and made.state is not FramingState.NULS)
        return end if certain and len(self._open) + end - at <= MAX_OCTETS else None

    def _open_more(self, run: Run, at: int, made: Stride) -> None:
        """Adds the octets of a stride to what is open."""
        self._xor, self._sum = self._checks(run.values, at, made)
        self._open.extend(run[at : made.end])
        self._state, self._settled = made.state, made.settled
        self._end_ns = self._open[-1].start + self._character_time_ns

    def _checks(self, values: bytes, at: int, made: Stride) -> tuple[int, int]:
        """Returns the block's exclusive or and sum, after the octets of a stride."""
        if made.state not in _CHECKED:
            return self._xor, self._sum
        counted = values[at if self._open else at + 1 : made.end]
        return self._xor ^ bcc_xor(counted), self._sum + bcc_sum(counted)

    def silence(self, until_ns: int) -> list[Piece]:
        """Returns the pieces that are complete because no octet has begun before ``until_ns``."""
        if until_ns - self._end_ns > (self._stream_pause_ns if self._state in SOFT else self._patience_ns):
            self._flush()
        return self._collect()

    def turn(self, start_ns: int | None = None) -> list[Piece]:
        """Returns the pieces that are complete because the other side of a half-duplex link begins to send.

        ``start_ns`` is when it begins, None where times mean nothing.
        """
        self._give_up_doubts()
        late = start_ns is not None and start_ns - self._end_ns > self._gap_limit_ns
        if self._synthetic or late or self._state in WHOLE or not self._open:
            self._flush()
        return self._collect()

    def close(self, *, torn: bool = False) -> list[Piece]:
        """Returns the remaining pieces; no more octets will come. ``torn``: octets may be missing, so a message without
        its check character is cut."""
        self._give_up_doubts()
        if torn and self._state is FramingState.CHECK and self._open:
            self._emit(cut=True)
        self._flush()
        return self._collect()

    def _collect(self) -> list[Piece]:
        if not self._pieces:
            return []
        pieces, self._pieces = self._pieces, []
        return pieces

    def _ends(self, pause_ns: int, octet: Octet) -> bool:
        """Whether a pause before an octet ends what is open."""
        if pause_ns <= self._gap_limit_ns and self._state not in STREAMS:
            return False
        return pause_ns > self._patience_ns or self._state in SOFT or self._begins_message(octet)

    def _begins_message(self, octet: Octet) -> bool:
        step, _ = TABLE[FramingState.IDLE][CLASSES[octet.value]]
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
        pause_ns = octet.start - self._open[-1].start - self._character_time_ns
        return pause_ns >= MIN_REACTION_NS and value in _BEGINNINGS and not octet.flags & Flag.PARITY

    def _is_command(self) -> bool:
        """Whether the open block is a client's command. Only P0 is the server's."""
        first, *letters = (octet.value & 0x7F for octet in self._open[:3])
        return first == SOH and bytes(letters) != b"P0"
