"""Quality: judges whether octets are received as they were sent, or the settings are wrong. Sans-IO.

An octet is bad if it has a framing or parity error. On a line of eight bits, from a port that marks no framing errors,
it is bad if it is no text. At a wrong speed about half of all octets are bad, and at least a quarter. That many bad
octets among the last ones are garbage (:data:`GARBAGE`). The exception is a line without parity at the right speed: its
text has parity errors, but no *strange* octets, which have bit 7 set or a framing error.

How soon strange octets count as garbage depends on the evidence for the speed (:class:`Patience`). A speed at which
something good was heard is given up after 64 octets. A speed that a message chose, with nothing good heard yet, is
given up at the third strange octet. A speed that was merely stated is given up after seconds, because a slow receiver
hears only a few octets of a fast line's telegram.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from vtctap.dissector.protocol.characters import NUL, wrong_parity
from vtctap.pcap.record import EIGHT_BITS, Flag, Line, Sender
from vtctap.sniffer.parity import SUSPECT, ParityWatch

WINDOW: Final = 64
"""Recent octets that are judged."""
GARBAGE: Final = 16
"""Bad octets among :data:`WINDOW` that are garbage."""
SHARE: Final = 4
"""Where :class:`Patience` applies, one bad octet in this many is garbage."""
STRANGE: Final = 4
"""Strange octets that rule out text without parity."""
ERRORS: Final = Flag.FRAMING | Flag.BREAK


@dataclass(frozen=True, slots=True)
class Patience:
    """The limit for a speed with little evidence: ``strange`` strange octets are garbage once the first is ``after_ns``
    old, if the bad ones reach :data:`SHARE`."""

    strange: int
    after_ns: int = 0


CHOSEN: Final = Patience(3)
"""For a speed that a message has just chosen."""
STATED: Final = Patience(4, 2_000_000_000)
"""For a speed that was merely stated."""


class Verdict(Enum):
    """The judgement. NO_PARITY: text at the right speed, without the line's stated parity."""

    GOOD = auto()
    NO_PARITY = auto()
    GARBAGE = auto()


class Quality:
    """Judges what the taps of one link hear. ``marks`` states which taps are known to mark framing errors, and which
    not to."""

    def __init__(self, taps: Mapping[int, Sender], marks: Mapping[int, bool], line: Line) -> None:
        self._taps = taps
        self._marks = marks
        self._parity: ParityWatch | None = None
        self.without_parity: frozenset[Sender] = frozenset()
        """The senders whose octets carry no parity bit, though the line has parity."""
        self.use(line)

    def use(self, line: Line, *, binary: bool = False, chosen: bool = False) -> None:
        """Sets the character format with which the taps receive from now on.

        ``binary``: octets may have any value. ``chosen``: a message in the session chose the speed; no NUL is sent to
        wake a meter up then, so a NUL is the start bit of a slower line.
        """
        self._line = line
        self._binary = binary
        self._no_nul = chosen and not binary
        self._recent: deque[tuple[bool, bool]] = deque(maxlen=WINDOW)
        self._strange_since: int | None = None
        self._make_tables()

    def forget(self) -> None:
        """Forgets what is known of the senders' parity."""
        self._parity, self.without_parity = None, frozenset()

    def _make_tables(self) -> None:
        """Makes each tap's table of bad octets."""
        wrong = [bool(wrong_parity(bytes((value,)), self._line)) for value in range(256)]
        lenient = [bad and value >= 0x80 for value, bad in enumerate(wrong)]
        self._bad: dict[int, list[bool]] = {}
        for tap, sender in self._taps.items():
            maybe_without = self.without_parity and (sender is Sender.UNKNOWN or sender in self.without_parity)
            self._bad[tap] = list(lenient if maybe_without else wrong)
            if self._line == EIGHT_BITS and not self._binary and self._marks.get(tap) is False:
                self._bad[tap] = [value >= 0x80 for value in range(256)]
            self._bad[tap][NUL] |= self._no_nul

    def is_bad(self, tap: int, value: int, flags: int) -> bool:
        """Whether an octet is bad."""
        return bool(flags & ERRORS) or self._bad[tap][value]

    def said(self, sender: Sender, octets: Sequence[tuple[int, int]]) -> None:
        """Feeds octets with their flags whose sender is known, to learn about its parity."""
        if sender is Sender.UNKNOWN or not self._checks_parity:
            return
        if self._parity is None:
            self._parity = ParityWatch(self._line)
        self._parity.feed(sender, octets)

    def feed(self, tap: int, octets: Sequence[tuple[int, int]], arrival: int) -> None:
        """Feeds octets of one tap with their flags, read at ``arrival`` (ns)."""
        bad = self._bad[tap]
        no_text = NUL if self._no_nul else -1
        heard = [
            (bad[value] or flags & ERRORS != 0, value >= 0x80 or value == no_text or flags != 0)
            for value, flags in octets
        ]
        self._recent.extend(heard)
        if self._strange_since is None and (True, True) in heard:
            self._strange_since = arrival

    def heard_well(self) -> None:
        """Notes a good message, which proves the settings right; earlier bad octets no longer count."""
        self._recent.clear()
        self._strange_since = None

    @property
    def _checks_parity(self) -> bool:
        """Whether bit 7 is the parity bit."""
        return self._line.data_bits == 7 and self._line.has_parity

    def verdict(self, now: int, patience: Patience | None, *, between_messages: bool) -> Verdict:
        """Judges the last octets. A line without parity is reported only between messages, so that none is cut."""
        bad = sum(bad for bad, _ in self._recent)
        strange = sum(bad and odd for bad, odd in self._recent)
        if patience and bad * SHARE >= len(self._recent) and self._is_enough(patience, strange, now):
            return Verdict.GARBAGE
        if len(self._recent) < WINDOW or bad < GARBAGE:
            return Verdict.GOOD
        if strange >= STRANGE or not self._checks_parity:
            return Verdict.GARBAGE
        if not any(odd for _, odd in self._recent) and not (self._parity and self._parity.with_parity()):
            return Verdict.NO_PARITY if between_messages else Verdict.GOOD
        if self._parity and self._parity.without(SUSPECT):
            return Verdict.GOOD
        both_heard = any(sender is Sender.UNKNOWN for sender in self._taps.values())
        return Verdict.GOOD if both_heard and strange == 0 and not between_messages else Verdict.GARBAGE

    def _is_enough(self, patience: Patience, strange: int, now: int) -> bool:
        since = self._strange_since
        return strange >= patience.strange and since is not None and now - since >= patience.after_ns

    def one_without_parity(self) -> Sender | None:
        """Returns the sender without parity, if only the other side sends parity; each sender is returned once."""
        if self._parity is None or not self._checks_parity:
            return None
        for sender in self._parity.without():
            if sender not in self.without_parity and self._parity.with_parity():
                self.without_parity |= {sender}
                self._make_tables()
                self._recent.clear()
                return sender
        return None
