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
is known to be another protocol's, or an inverted line's (:mod:`~vtctap.dissector.framing.foreign`).

A grammar that looks back (:mod:`~vtctap.dissector.framing.grammar`). Some beginnings turn out not to be what they
looked like: a slash in the noise, an ACK with a digit behind it that is no OptionSelect. So the octets since a
beginning are kept, and where the grammar fails, what was already a message in itself (the ACK, the identification)
becomes a frame, or else the first octet becomes noise, and the rest is looked at again. Such candidates are short
(:data:`MAX_IDENTIFICATION`), so this stays linear.

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

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from vtctap.dissector.framing import foreign
from vtctap.dissector.framing.grammar import (
    BLOCKS,
    BOUNDED,
    CLASSES,
    OPEN,
    SETTLED,
    SOFT,
    STREAMS,
    TABLE,
    WHOLE,
    State,
    Step,
)
from vtctap.dissector.protocol import hdlc
from vtctap.dissector.protocol.characters import ACK, NAK, SOH, STX
from vtctap.pcap.record import MAX_OCTETS, Flag, Sender

MAX_IDENTIFICATION: Final = 96
"""A slash that is not followed by a line end within so many octets begins no identification, and empty lines that make
it longer begin no Telegram. The standard allows 22 octets and an IDRequest's 37; real meters send up to 40."""
MIN_WAKE_UP: Final = 8
"""Fewer NULs than this are noise. IEC 62056-21 clause 6.3.14 asks for 2.1 s of them, 63 at 300 bit/s."""
PATIENCE: Final = 2
"""After so many times the longest pause a frame is given up."""
STREAM_PAUSE: Final = 1000
"""Characters; a longer pause is long for the line's speed, if it is not for the protocol: 87 ms at 115 200 bit/s, where
adapters hand octets over every 16 ms."""
MIN_REACTION: Final = 15_000_000
"""ns; the shortest pause that can be a change of sides. IEC 62056-21 clause 6.5 allows 20 ms at the least; a tap sees
some of that pause blurred."""


class Octet(NamedTuple):
    """An octet as a tap received it: its eight bits (the parity bit in bit 7 on a line with seven data bits), the start
    of its start bit (ns since 1970 UTC), how far the truth may lie from that (ns, None = unknown), and
    :class:`~vtctap.pcap.record.Flag` bits of what the driver said of it."""

    value: int
    start: int
    uncertainty: int | None = None
    flags: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive octets of one wire: a frame, or noise. ``cut``: the frame did not reach its end, or is one of several
    pieces, of which all but the first are ``later`` ones. ``binary``: all eight bits are data (HDLC)."""

    octets: tuple[Octet, ...]
    is_frame: bool
    cut: bool = False
    binary: bool = False
    later: bool = False

    @property
    def values(self) -> bytes:
        """The octets as received."""
        return bytes([octet.value for octet in self.octets])


_HEAD: Final = re.compile(rb"/(?=\d{0,2}[A-Za-z])[A-Za-z\d]{3}(?![/!()])[ -~][^/!()\r\n]*\r?\n\r?\n\Z")
"""A Telegram's identification with the empty line behind it."""
_BEGINNINGS: Final = (SOH, STX, ACK, NAK)
"""What begins a message where a check character is due."""
_HDLC: Final = (State.HDLC, State.HDLC_END)


class Framer:
    """Finds the frames on one wire.

    ``sender`` is whose octets the wire carries, UNKNOWN where it carries both sides'. ``gap_limit_ns`` is the longest
    pause inside a message. ``synthetic``: the times are made up, so that pauses say nothing. ``character_time_ns``,
    ``binary`` (mode E was agreed on), ``garbage`` (the line's settings are unknown, so what comes is noise, whatever it
    looks like) and ``omits_checks`` (the client never sends check characters) may be set at any time.
    """

    def __init__(self, *, sender: Sender, character_time_ns: int, gap_limit_ns: int, synthetic: bool = False) -> None:
        self._gap_limit = gap_limit_ns
        self._patience = gap_limit_ns * PATIENCE
        self.character_time_ns = character_time_ns
        self.binary = False
        self.garbage = False
        self.omits_checks = False
        self._sender = sender
        self._synthetic = synthetic
        self._state = State.IDLE
        self._noise: list[Octet] = []
        self._open: list[Octet] = []
        self._settled = 0
        self._continues = False
        self._xor = 0
        self._sum = 0
        self._end = 0
        self._begun = 0
        """Where in a block that is open what looks like an HDLC frame has begun; 0: in none."""
        self._form: foreign.Foreign | None = None
        """The foreign frame that what is open looks like ..."""
        self._head = 0
        """... by so many octets."""
        self._looked_at: Octet | None = None
        """The octet with which no foreign frame's head ends, as was found out."""
        self._inverted = False
        self._closes = 0
        """Where in that frame its length puts the closing flag."""
        self._proven = False
        """Whether the header of the HDLC frame that is open has shown that it is one."""
        self._pieces: list[Piece] = []

    @property
    def character_time_ns(self) -> int:
        """How long a character lasts, ns."""
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
        """The end of the last octet that came in, ns."""
        return self._end

    def feed(self, octets: Iterable[Octet]) -> list[Piece]:
        """The pieces that these octets complete. Octets come in the order in which they were received."""
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
        """The pieces that are complete because no octet has begun before ``until`` (ns)."""
        if until - self._end > (self._stream_pause if self._state in SOFT else self._patience):
            self._flush()
        return self._collect()

    def turn(self, start: int | None = None) -> list[Piece]:
        """The pieces that are complete because the other side of a half-duplex link begins to speak, at ``start`` (ns;
        None where times say nothing)."""
        self._give_up_doubts()
        late = start is not None and start - self._end > self._gap_limit
        if self._synthetic or late or self._state in WHOLE or not self._open:
            self._flush()
        return self._collect()

    def close(self, *, torn: bool = False) -> list[Piece]:
        """The rest: no more octets will come. ``torn``: some may have come unheard, so that a message without its check
        character is cut."""
        self._give_up_doubts()
        if torn and self._state is State.CHECK and self._open:
            self._emit(cut=True)
        self._flush()
        return self._collect()

    def _ends(self, pause: int, octet: Octet) -> bool:
        """Whether what is open ends in a pause (ns) before an octet."""
        if pause <= self._gap_limit and self._state not in STREAMS:
            return False
        return pause > self._patience or self._state in SOFT or self._begins_message(octet)

    def _begins_message(self, octet: Octet) -> bool:
        step, _ = TABLE[State.IDLE][CLASSES[octet.value]]
        return not self._open or step is not Step.NOISE

    def _collect(self) -> list[Piece]:
        if not self._pieces:
            return []
        pieces, self._pieces = self._pieces, []
        return pieces

    def _take(self, octet: Octet) -> None:
        """One octet through the grammar, and again what falls back out of it."""
        if self.garbage:
            self._add_noise(octet)
            return
        step, then = TABLE[self._state][CLASSES[octet.value]]
        if step is Step.ADD and then not in BOUNDED and self._state:
            self._add(octet, then)  # As nearly all octets go.
            return
        again = deque((octet,))
        while again:
            octet = again.popleft()
            step, then = TABLE[self._state][CLASSES[octet.value]]
            if self._state is State.IDLE and self._noise and self._goes_on_as_noise(octet, step):
                continue
            if step is Step.ADD:
                self._add(octet, then)
                if self._state in BOUNDED and len(self._open) > MAX_IDENTIFICATION:
                    self._fall(again)
            elif step is Step.END:
                self._keep(octet)
                self._emit(cut=False)
            elif step is Step.NOISE:
                self._add_noise(octet)
            elif step is Step.BLANK_LINE:
                self._add(octet, then)
                self._look_back(again)
            elif step is Step.CHECK and not self._lacks_check(octet):
                self._keep(octet)
                self._emit(cut=False)
            elif step is Step.HDLC:
                self._hdlc(octet, again)
            elif step is Step.FOREIGN:
                self._measure_foreign(octet, again)
            elif step is Step.SML or step is Step.SML_BEGINS:
                self._sml(octet)
            elif step is Step.WITHIN:
                self._look_within(octet, again)
            elif step is Step.SHARED:
                self._share(octet, again)
            elif step is Step.FALL or self._too_few():
                again.appendleft(octet)
                self._fall(again)
            else:
                self._emit(cut=step is Step.CUT)
                again.appendleft(octet)

    def _add(self, octet: Octet, then: State) -> None:
        self._keep(octet)
        if self._state in BLOCKS:
            self._xor ^= octet.value
            self._sum += octet.value & 0x7F
        self._state = then
        if then in SETTLED:
            self._settled = len(self._open)

    def _keep(self, octet: Octet) -> None:
        """The octet joins what is open; a frame that is as long as a piece may be goes on in a further one."""
        if len(self._open) == MAX_OCTETS:
            self._put(tuple(self._open), cut=True)
            self._open.clear()
            self._continues = True
        self._open.append(octet)

    def _too_few(self) -> bool:
        """Whether what is open are NULs, and too few for a WakeUp."""
        return self._state is State.NULS and len(self._open) < MIN_WAKE_UP and not self._continues

    def _add_noise(self, octet: Octet) -> None:
        self._noise.append(octet)
        if len(self._noise) == MAX_OCTETS:
            self._pieces += self._take_noise()

    def _take_noise(self) -> list[Piece]:
        if not self._noise:
            return []
        noise = Piece(tuple(self._noise), is_frame=False)
        self._noise.clear()
        return [noise]

    def _emit(self, *, cut: bool, length: int | None = None) -> None:
        """What is open, or its first ``length`` octets, is a frame."""
        self._put(tuple(self._open[:length]), cut=cut or self._continues)
        self._reset()

    def _put(self, octets: tuple[Octet, ...], *, cut: bool) -> None:
        self._pieces += self._take_noise()
        self._pieces.append(Piece(octets, True, cut, self._state in _HDLC, self._continues))

    def _reset(self) -> None:
        self._open.clear()
        self._state = State.IDLE
        self._settled = self._xor = self._sum = self._begun = 0
        self._continues = self._proven = False

    def _fall(self, again: deque[Octet]) -> None:
        """What is open is not what it looked like: its settled part is a frame, or its first octet noise."""
        if self._state is State.FOREIGN:
            rest = self._open[self._head - 1 :]
            self._looked_at = rest[0]
            del self._open[self._head - 1 :]
            self._scrap(State.IDLE)
            again.extendleft(reversed(rest))
            return
        rest = self._open[self._begun + 1 if self._begun else self._settled or 1 :]
        if self._begun:
            del self._open[self._begun + 1 :]
            self._begun, self._state = 0, State.BLOCK
        elif self._settled:
            self._emit(cut=False, length=self._settled)
        else:
            self._add_noise(self._open[0])
            self._reset()
        again.extendleft(reversed(rest))

    def _look_back(self, again: deque[Octet]) -> None:
        """Where an identification stands before the empty line that ends here, it begins a Telegram, and what is open
        is cut before it."""
        tail = bytes([octet.value & 0x7F for octet in self._open[-MAX_IDENTIFICATION:]])
        begun = _HEAD.search(tail)
        at = len(self._open) - len(tail) + begun.start() if begun else 0
        if at:
            rest = self._open[at:]
            self._emit(cut=True, length=at)
            again.extendleft(reversed(rest))

    def _lacks_check(self, octet: Octet) -> bool:
        """Whether the octet after ETX is not the check character but begins the next message."""
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
        return pause >= MIN_REACTION and value in _BEGINNINGS and not octet.flags & Flag.PARITY

    def _is_command(self) -> bool:
        """Whether the block that is open is the client's. P0 alone is the server's."""
        first, *letters = (octet.value & 0x7F for octet in self._open[:3])
        return first == SOH and bytes(letters) != b"P0"

    # What is not ours.

    def _goes_on_as_noise(self, octet: Octet, step: Step) -> bool:
        """Whether an octet behind noise is more of it: on an inverted line, or where a foreign frame begins."""
        value = octet.value
        if step is not Step.NOISE and value and self._is_inverted(octet):
            self._add_noise(octet)
            return True
        if value not in foreign.LAST or octet is self._looked_at:
            return False
        before = bytes([octet.value for octet in self._noise[-foreign.MOST_BEFORE :]])
        found = foreign.begun(before, value)
        if found:
            self._form, self._head = found
            self._open = [*self._noise[1 - self._head :], octet]
            del self._noise[1 - self._head :]
            self._state = State.FOREIGN
        return found is not None

    def _is_inverted(self, octet: Octet) -> bool:
        """Whether an octet follows at once on what an inverted line makes of text."""
        at_once = self._synthetic or octet.start - self._noise[-1].start <= 2 * self._character_time
        recent = self._noise[-foreign.LEAST :]
        self._inverted = at_once and (self._inverted or foreign.is_inverted(bytes([octet.value for octet in recent])))
        return self._inverted

    def _measure_foreign(self, octet: Octet, again: deque[Octet]) -> None:
        """One more octet of what looks like a frame of another protocol: whole, it is noise."""
        assert self._form
        self._open.append(octet)
        length = self._form.length(bytes([octet.value for octet in self._open[: foreign.MOST_BEGINNING]]))
        if length is None:
            return
        if len(self._open) < length <= foreign.MOST_OCTETS:
            self._take_at_once(again, length - len(self._open) - 1)
        elif length == len(self._open) and self._form.holds(bytes([octet.value for octet in self._open])):
            self._scrap(State.SML if self._form.name == "SML" else State.IDLE)
        else:
            self._fall(again)

    def _sml(self, octet: Octet) -> None:
        """An octet of SML, or one with which SML may begin within what looked like a block."""
        if self._state is State.SML:
            self._add_noise(octet)
            if bytes([octet.value for octet in self._noise[-foreign.SML_END :]]).startswith(foreign.SML_ENDS):
                self._state = State.IDLE
            return
        self._add(octet, State.BLOCK)
        if self._open[-1].value == 1 and self._ends_with(foreign.SML_BEGINS) and not self._continues:
            self._scrap(State.SML)

    def _ends_with(self, octets: bytes) -> bool:
        return bytes([octet.value for octet in self._open[-len(octets) :]]) == octets

    def _scrap(self, state: State) -> None:
        """All that is open is noise."""
        for octet in self._open:
            self._add_noise(octet)
        self._reset()
        self._state = state

    # HDLC.

    def _look_within(self, octet: Octet, again: deque[Octet]) -> None:
        """An octet after a flag within a block: what was a block so far may have been the rest of an HDLC frame."""
        if hdlc.begins(octet.value) and len(self._open) + hdlc.MOST_OCTETS <= MAX_OCTETS and not self._continues:
            self._begun = len(self._open) - 1
            self._state = State.HDLC
            self._hdlc(octet, again)
        else:
            self._state = State.BLOCK
            again.appendleft(octet)

    def _hdlc(self, octet: Octet, again: deque[Octet]) -> None:
        """One more octet of what looks like an HDLC frame."""
        self._open.append(octet)
        length = len(self._open) - self._begun
        if length == 2 and octet.value == hdlc.FLAG:
            self._add_noise(self._open.pop(0))  # One flag may close a frame and another open the next.
        elif length == 2 and not hdlc.begins(octet.value):
            self._fall(again)
        elif length >= hdlc.ADDRESSES:
            self._measure(length, again)

    def _measure(self, length: int, again: deque[Octet]) -> None:
        """What looks like an HDLC frame has so many octets; its own length says how many there are to be."""
        if length <= hdlc.MOST_HEADER:
            head = bytes([octet.value for octet in self._open[self._begun :]])
            self._closes = hdlc.end_of(head)
            if not self._proven and not self._is_header(head):
                self._fall(again)
                return
        if length > self._closes:
            self._close_hdlc(again)
        elif length >= hdlc.MOST_HEADER:  # What is there is taken at once: it may be looked at often.
            self._take_at_once(again, self._closes - length)

    def _take_at_once(self, again: deque[Octet], count: int) -> None:
        if count < len(again):
            self._open.extend([again.popleft() for _ in range(count)])
        else:
            self._open.extend(again)
            again.clear()

    def _is_header(self, head: bytes) -> bool:
        """Whether the first octets may be an HDLC frame's. Where the header's check sequence is right, they are."""
        at, fcs_end = hdlc.places(head)
        if at is not None and at + 2 <= len(head):
            if hdlc.checks(head).hcs_status == "good":
                self._prove()
            return self._proven or self.binary
        known = hdlc.header_end(head) is not None
        return (
            self.binary
            or fcs_end is not None
            or not (known or len(head) == hdlc.MOST_HEADER or len(head) > self._closes)
        )

    def _prove(self) -> None:
        """It is an HDLC frame. Where it began in a block, that was none."""
        self._proven = True
        if self._begun:
            block, self._open = self._open[: self._begun], self._open[self._begun :]
            for octet in block:
                self._add_noise(octet)
            self._begun = 0

    def _close_hdlc(self, again: deque[Octet]) -> None:
        """The octet where the closing flag belongs has come."""
        frame = bytes([octet.value for octet in self._open[self._begun :]])
        if frame[self._closes] == hdlc.FLAG and (
            self._proven or self.binary or hdlc.checks(frame).fcs_status == "good"
        ):
            self._prove()
            self._state = State.HDLC_END
        elif self._proven:
            self._break_off(frame, again)
        else:
            self._fall(again)

    def _break_off(self, frame: bytes, again: deque[Octet]) -> None:
        """An HDLC frame does not end where its length says: it is cut, at the next flag if there is one."""
        at = frame.find(hdlc.FLAG, hdlc.header_end(frame) or 1, -1)
        if at < 0:
            at = len(frame) - 1
        elif not hdlc.begins(frame[at + 1]):
            at += 1
        rest = self._open[at:]
        self._emit(cut=True, length=at)
        again.extendleft(reversed(rest))

    def _share(self, octet: Octet, again: deque[Octet]) -> None:
        """The octet after a whole HDLC frame: where it begins another, both share the flag between them."""
        again.appendleft(octet)
        if hdlc.begins(octet.value):
            again.appendleft(self._open.pop())
        self._emit(cut=False)

    def _is_doubtful(self) -> bool:
        sure = self._proven or (self.binary and not self._begun)
        return self._state is State.FOREIGN or (self._state is State.HDLC and not sure)

    def _give_up_doubts(self) -> None:
        """What has not shown what it is by its length is not it, for nothing follows."""
        again: deque[Octet] = deque()
        while self._is_doubtful():
            self._fall(again)
            while again:
                self._take(again.popleft())

    def _flush(self) -> None:
        """Ends all that is open."""
        again: deque[Octet] = deque()
        while self._open:
            if self._state in WHOLE and not self._too_few():
                self._emit(cut=False)
            elif self._state in OPEN and not self._is_doubtful():
                self._emit(cut=True)
            else:
                self._fall(again)
                while again:
                    self._take(again.popleft())
        if self._state is State.SML:
            self._state = State.IDLE
        self._inverted = False
        self._pieces += self._take_noise()
