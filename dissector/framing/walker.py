"""The walk through the grammar: turns octets of one wire into frames and noise, regardless of times.

:mod:`~vtctap.dissector.framing.framer` explains the theory. Methods decide what the grammar's table cannot: here the
look back from an empty line, in :mod:`~vtctap.dissector.framing.doubts` the rest.
"""

import re
from collections import deque
from collections.abc import Callable
from typing import Final

from vtctap.dissector.framing.grammar import (
    BLOCKS,
    BOUNDED,
    CLASSES,
    HDLC,
    OPEN,
    SETTLED,
    TABLE,
    WHOLE,
    FramingState,
    Step,
)
from vtctap.dissector.framing.pieces import Octet, Piece
from vtctap.pcap.record import MAX_OCTETS

MAX_IDENTIFICATION: Final = 96
"""Longest identification, in octets, that is searched for its line end; the same limit holds for empty lines before a
Telegram. The standard allows 22 octets, and 37 for an IDRequest; real meters send up to 40."""
MIN_WAKE_UP: Final = 8
"""Fewer NULs than this are noise. IEC 62056-21 clause 6.3.14 requires 2.1 s of them, 63 at 300 bit/s."""
_HEAD: Final = re.compile(rb"/(?=\d{0,2}[A-Za-z])[A-Za-z\d]{3}(?![/!()])[ -~][^/!()\r\n]*\r?\n\r?\n\Z")
"""Matches a Telegram's identification with the empty line after it."""


class Walker:
    """Walks through the grammar. ``garbage``: all octets are noise."""

    def __init__(self) -> None:
        self.garbage = False
        self._state = FramingState.IDLE
        self._noise: list[Octet] = []
        self._open: list[Octet] = []
        self._settled = 0
        """The number of open octets that are a message whatever follows."""
        self._continues = False
        """Whether what is open continues a piece that was full."""
        self._xor = 0
        self._sum = 0
        self._pieces: list[Piece] = []
        self._readers: dict[Step, Callable[[Octet, deque[Octet]], None]] = {Step.BLANK_LINE: self._look_back}

    # Decisions of subclasses.

    def _goes_on_as_noise(self, octet: Octet, step: Step) -> bool:
        """Whether an octet after noise continues it, or has been handled."""
        return False

    def _is_doubtful(self) -> bool:
        """Whether what is open has not yet shown what it is."""
        return False

    def _lacks_check(self, octet: Octet) -> bool:
        """Whether the octet after ETX is no check character but begins the next message."""
        return False

    def _take(self, octet: Octet) -> None:
        """Feeds one octet to the grammar, and again all octets that it gives back."""
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
            if self._state is FramingState.IDLE and self._noise and self._goes_on_as_noise(octet, step):
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
            elif step is Step.CHECK and not self._lacks_check(octet):
                self._keep(octet)
                self._emit(cut=False)
            elif step in self._readers:
                self._readers[step](octet, again)
            elif step is Step.FALL or self._too_few():
                again.appendleft(octet)
                self._fall(again)
            else:
                self._emit(cut=step is Step.CUT)
                again.appendleft(octet)

    def _add(self, octet: Octet, then: FramingState) -> None:
        self._keep(octet)
        if self._state in BLOCKS:
            self._xor ^= octet.value
            self._sum += octet.value & 0x7F
        self._state = then
        if then in SETTLED:
            self._settled = len(self._open)

    def _keep(self, octet: Octet) -> None:
        """Adds the octet to what is open; a frame that reaches the longest piece continues in another one."""
        if len(self._open) == MAX_OCTETS:
            self._put(tuple(self._open), cut=True)
            self._open.clear()
            self._continues = True
        self._open.append(octet)

    def _too_few(self) -> bool:
        """Whether the open octets are NULs, and too few for a WakeUp."""
        return self._state is FramingState.NULS and len(self._open) < MIN_WAKE_UP and not self._continues

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
        """Emits what is open, or its first ``length`` octets, as a frame."""
        self._put(tuple(self._open[:length]), cut=cut or self._continues)
        self._reset()

    def _put(self, octets: tuple[Octet, ...], *, cut: bool) -> None:
        self._pieces += self._take_noise()
        self._pieces.append(Piece(octets, True, cut, self._state in HDLC, self._continues))

    def _reset(self) -> None:
        self._open.clear()
        self._state = FramingState.IDLE
        self._settled = self._xor = self._sum = 0
        self._continues = False

    def _fall(self, again: deque[Octet]) -> None:
        """Corrects a wrong beginning: its settled part becomes a frame, or its first octet noise."""
        rest = self._open[self._settled or 1 :]
        if self._settled:
            self._emit(cut=False, length=self._settled)
        else:
            self._add_noise(self._open[0])
            self._reset()
        again.extendleft(reversed(rest))

    def _look_back(self, octet: Octet, again: deque[Octet]) -> None:
        """Looks for an identification before the empty line that ends here: it begins a Telegram, and what is open is
        cut before it."""
        _, then = TABLE[self._state][CLASSES[octet.value]]
        self._add(octet, then)
        tail = bytes([octet.value & 0x7F for octet in self._open[-MAX_IDENTIFICATION:]])
        begun = _HEAD.search(tail)
        at = len(self._open) - len(tail) + begun.start() if begun else 0
        if at:
            rest = self._open[at:]
            self._emit(cut=True, length=at)
            again.extendleft(reversed(rest))

    def _flush(self) -> None:
        """Ends everything that is open."""
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
        self._pieces += self._take_noise()
