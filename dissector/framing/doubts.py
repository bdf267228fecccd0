"""Doubts: possible frames of HDLC and of other protocols, until their length decides.

:mod:`~vtctap.dissector.protocol.hdlc` and :mod:`~vtctap.dissector.protocol.foreign` describe such frames; this module
keeps their octets until enough have come, or gives them back to the grammar.
"""

from collections import deque

from vtctap.dissector.framing.grammar import FramingState, Step
from vtctap.dissector.framing.pieces import Octet
from vtctap.dissector.framing.walker import Walker
from vtctap.dissector.protocol import foreign, hdlc
from vtctap.pcap.record import MAX_OCTETS


class Doubter(Walker):
    """A walk that also finds HDLC frames and foreign octets. ``binary``: HDLC frames need no proof.
    ``character_time_ns`` is the duration of one character. ``synthetic``: times mean nothing."""

    def __init__(self, *, character_time_ns: int, synthetic: bool) -> None:
        super().__init__()
        self.binary = False
        self._character_time_ns = character_time_ns
        self._synthetic = synthetic
        self._begun = 0
        """The position in an open block at which an HDLC frame may have begun; 0: none."""
        self._closes = 0
        """The position of that frame's closing flag by its length."""
        self._proven = False
        """Whether the header of the open HDLC frame has proved it to be one."""
        self._form: foreign.Foreign | None = None
        """The foreign frame that may be open."""
        self._head = 0
        """The length of that frame's head, in octets."""
        self._looked_at: Octet | None = None
        """The octet that is known not to end a foreign frame's head."""
        self._inverted = False
        """Whether the noise comes from an inverted line."""
        self._readers |= {
            Step.HDLC: self._hdlc,
            Step.WITHIN: self._look_within,
            Step.SHARED: self._share,
            Step.FOREIGN: self._measure_foreign,
            Step.SML: self._sml,
            Step.SML_BEGINS: self._sml_begins,
        }

    # Doubts.

    def _is_doubtful(self) -> bool:
        sure = self._proven or (self.binary and not self._begun)
        return self._state is FramingState.FOREIGN or (self._state is FramingState.HDLC and not sure)

    def _give_up_doubts(self) -> None:
        """Drops a possible frame that its length has not proved, since nothing follows."""
        again: deque[Octet] = deque()
        while self._is_doubtful():
            self._fall(again)
            while again:
                self._take(again.popleft())

    def _fall(self, again: deque[Octet]) -> None:
        """Corrects a wrong beginning: what was open before continues, or its head becomes noise."""
        if self._begun:
            rest = self._open[self._begun + 1 :]
            del self._open[self._begun + 1 :]
            self._begun, self._state = 0, FramingState.BLOCK
        elif self._state is FramingState.FOREIGN:
            rest = self._open[self._head - 1 :]
            self._looked_at = rest[0]
            del self._open[self._head - 1 :]
            self._scrap(FramingState.IDLE)
        else:
            super()._fall(again)
            return
        again.extendleft(reversed(rest))

    def _reset(self) -> None:
        super()._reset()
        self._begun, self._proven = 0, False

    def _flush(self) -> None:
        super()._flush()
        self._state = FramingState.IDLE  # Silence ends SML, of which nothing is open.
        self._inverted = False

    def _take_at_once(self, again: deque[Octet], count: int) -> None:
        if count < len(again):
            self._open.extend([again.popleft() for _ in range(count)])
        else:
            self._open.extend(again)
            again.clear()

    # HDLC.

    def _look_within(self, octet: Octet, again: deque[Octet]) -> None:
        """Looks for an HDLC frame after a flag within a block, which may have been the rest of an earlier frame."""
        if hdlc.begins(octet.value) and len(self._open) + hdlc.MAX_OCTETS <= MAX_OCTETS and not self._continues:
            self._begun = len(self._open) - 1
            self._state = FramingState.HDLC
            self._hdlc(octet, again)
        else:
            self._state = FramingState.BLOCK
            again.appendleft(octet)

    def _hdlc(self, octet: Octet, again: deque[Octet]) -> None:
        """Adds an octet to a possible HDLC frame."""
        self._open.append(octet)
        length = len(self._open) - self._begun
        if length == 2 and octet.value == hdlc.FLAG:
            self._add_noise(self._open.pop(0))  # One flag may close a frame and another open the next.
        elif length == 2 and not hdlc.begins(octet.value):
            self._fall(again)
        elif length >= hdlc.ADDRESSES:
            self._measure(length, again)

    def _measure(self, length: int, again: deque[Octet]) -> None:
        """Compares the octets of a possible HDLC frame with its length field."""
        if length <= hdlc.MAX_HEADER:
            head = _values(self._open[self._begun :])
            self._closes = hdlc.end_of(head)
            if not self._proven and not self._is_header(head):
                self._fall(again)
                return
        if length > self._closes:
            self._close_hdlc(again)
        elif length >= hdlc.MAX_HEADER:  # What is there is taken at once: it may be looked at often.
            self._take_at_once(again, self._closes - length)

    def _is_header(self, head: bytes) -> bool:
        """Whether the first octets may be those of an HDLC frame; they are if the header's check sequence is right."""
        at, fcs_end = hdlc.places(head)
        if at is not None and at + 2 <= len(head):
            if hdlc.checks(head).hcs_status == "good":
                self._prove()
            return self._proven or self.binary
        known = hdlc.header_end(head) is not None
        return (
            self.binary
            or fcs_end is not None
            or not (known or len(head) == hdlc.MAX_HEADER or len(head) > self._closes)
        )

    def _prove(self) -> None:
        """Marks the open frame as HDLC. If it began in a block, that was no block."""
        self._proven = True
        if self._begun:
            block, self._open = self._open[: self._begun], self._open[self._begun :]
            for octet in block:
                self._add_noise(octet)
            self._begun = 0

    def _close_hdlc(self, again: deque[Octet]) -> None:
        """Handles the octet at the closing flag's position."""
        frame = _values(self._open[self._begun :])
        if frame[self._closes] == hdlc.FLAG and (
            self._proven or self.binary or hdlc.checks(frame).fcs_status == "good"
        ):
            self._prove()
            self._state = FramingState.HDLC_END
        elif self._proven:
            self._break_off(frame, again)
        else:
            self._fall(again)

    def _break_off(self, frame: bytes, again: deque[Octet]) -> None:
        """Cuts an HDLC frame that does not end where its length says, at the next flag if there is one."""
        at = frame.find(hdlc.FLAG, hdlc.header_end(frame) or 1, -1)
        if at < 0:
            at = len(frame) - 1
        elif not hdlc.begins(frame[at + 1]):
            at += 1
        rest = self._open[at:]
        self._emit(cut=True, length=at)
        again.extendleft(reversed(rest))

    def _share(self, octet: Octet, again: deque[Octet]) -> None:
        """Handles the octet after a whole HDLC frame: if it begins another, the two share a flag."""
        again.appendleft(octet)
        if hdlc.begins(octet.value):
            again.appendleft(self._open.pop())
        self._emit(cut=False)

    # Foreign octets.

    def _goes_on_as_noise(self, octet: Octet, step: Step) -> bool:
        """Whether an octet after noise continues it: on an inverted line, or where a foreign frame begins."""
        value = octet.value
        if step is not Step.NOISE and value and self._is_inverted(octet):
            self._add_noise(octet)
            return True
        if value not in foreign.LAST or octet is self._looked_at:
            return False
        before = _values(self._noise[-foreign.MAX_BEFORE :])
        found = foreign.begun(before, value)
        if found:
            self._form, self._head = found
            self._open = [*self._noise[1 - self._head :], octet]
            del self._noise[1 - self._head :]
            self._state = FramingState.FOREIGN
        return found is not None

    def _is_inverted(self, octet: Octet) -> bool:
        """Whether an octet directly follows inverted text."""
        at_once = self._synthetic or octet.start - self._noise[-1].start <= 2 * self._character_time_ns
        recent = self._noise[-foreign.LEAST :]
        self._inverted = at_once and (self._inverted or foreign.is_inverted(_values(recent)))
        return self._inverted

    def _measure_foreign(self, octet: Octet, again: deque[Octet]) -> None:
        """Adds an octet to a possible foreign frame, which is noise once it is complete."""
        assert self._form
        self._open.append(octet)
        length = self._form.length(_values(self._open[: foreign.MAX_BEGINNING]))
        if length is None:
            return
        if len(self._open) < length <= foreign.MAX_OCTETS:
            self._take_at_once(again, length - len(self._open) - 1)
        elif length == len(self._open) and self._form.holds(_values(self._open)):
            self._scrap(FramingState.SML if self._form.name == "SML" else FramingState.IDLE)
        else:
            self._fall(again)

    def _sml(self, octet: Octet, again: deque[Octet]) -> None:
        """Handles an octet of SML."""
        self._add_noise(octet)
        if _values(self._noise[-foreign.SML_END :]).startswith(foreign.SML_ENDS):
            self._state = FramingState.IDLE

    def _sml_begins(self, octet: Octet, again: deque[Octet]) -> None:
        """Handles an octet that may begin SML within a possible block."""
        self._add(octet, FramingState.BLOCK)
        if _values(self._open[-len(foreign.SML_BEGINS) :]) == foreign.SML_BEGINS and not self._continues:
            self._scrap(FramingState.SML)

    def _scrap(self, state: FramingState) -> None:
        """Makes everything open noise."""
        for octet in self._open:
            self._add_noise(octet)
        self._reset()
        self._state = state


def _values(octets: list[Octet]) -> bytes:
    return bytes([octet.value for octet in octets])
