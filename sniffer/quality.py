"""Quality: whether what is heard was received as it was sent, and what it says where it was not. Sans-IO.

An octet is bad where its framing or its parity is wrong or, from a port that marks no framing errors, on a line of
eight bits, where it is no text. At a wrong speed every other octet is bad, one in four at the least. So many, among the
last that were heard, are garbage (:data:`GARBAGE`), but for a line without parity at the right speed, whose text has no
octet that is *strange*: with bit 7 set, or wrong in its framing.

How few strange octets suffice depends on what is known (:class:`Patience`): a speed at which something good was heard
is given up after 64 octets; one that a message chose, and at which nothing good came yet, at the third; and one that
was merely stated after seconds, for a fast line's telegram is a few octets to a slow receiver.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from vtctap.dissector.protocol.characters import NUL, wrong_parity
from vtctap.pcap.record import Flag, Line, Sender
from vtctap.sniffer.detect import EIGHT_BITS
from vtctap.sniffer.parity import SUSPECT, ParityWatch

WINDOW: Final = 64
"""So many octets, the last, are looked at."""
GARBAGE: Final = 16
"""So many bad ones among them are garbage, ..."""
SHARE: Final = 4
"""... and one in so many where fewer were heard."""
STRANGE: Final = 4
"""So many of the bad ones are such as no text without parity is: bit 7 is set, or the framing wrong."""
ERRORS: Final = Flag.FRAMING | Flag.BREAK


@dataclass(frozen=True, slots=True)
class Patience:
    """So many strange octets are garbage, where a share of all are, once the first was ``after_ns`` ago."""

    strange: int
    after_ns: int = 0


CHOSEN: Final = Patience(3)
"""At a speed that a message has just chosen."""
STATED: Final = Patience(4, 2_000_000_000)
"""At a speed that was merely stated."""


class Verdict(Enum):
    """What is heard. NO_PARITY: text at the right speed, without the parity that the line is said to have."""

    GOOD = auto()
    NO_PARITY = auto()
    GARBAGE = auto()


class Quality:
    """Judges what the taps of one link hear. ``marks``: which are known to mark framing errors, and which not to."""

    def __init__(self, taps: Mapping[int, Sender], marks: Mapping[int, bool], line: Line) -> None:
        self._taps = taps
        self._marks = marks
        self._parity: ParityWatch | None = None
        self.without_parity: frozenset[Sender] = frozenset()
        """The senders whose octets carry no parity bit, though the line has parity."""
        self.use(line)

    def use(self, line: Line, *, binary: bool = False, chosen: bool = False) -> None:
        """The taps receive with this line from now on. ``binary``: octets of any value are to be expected. ``chosen``:
        in a session, where no NUL wakes anybody up: it is what a slower line's start bit looks like."""
        self._line = line
        self._binary = binary
        self._no_nul = chosen and not binary
        self._recent: deque[tuple[bool, bool]] = deque(maxlen=WINDOW)
        self._strange_since: int | None = None
        self._make_tables()

    def forget(self) -> None:
        """Nothing is known of anybody's parity any more."""
        self._parity, self.without_parity = None, frozenset()

    def _make_tables(self) -> None:
        """Makes the table of bad values of each tap."""
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
        """Whether an octet shows that it was not received as it was sent."""
        return bool(flags & ERRORS) or self._bad[tap][value]

    def said(self, sender: Sender, octets: Sequence[tuple[int, int]]) -> None:
        """Octets with their flags that are known to be of that sender."""
        if sender is Sender.UNKNOWN or not self._checks_parity:
            return
        if self._parity is None:
            self._parity = ParityWatch(self._line)
        self._parity.feed(sender, octets)

    def feed(self, tap: int, octets: Sequence[tuple[int, int]], arrival: int) -> None:
        """Octets of one tap with their flags, read at ``arrival`` (ns)."""
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
        """A message came that is none by chance: what was bad before it was not for the settings."""
        self._recent.clear()
        self._strange_since = None

    @property
    def _checks_parity(self) -> bool:
        """Whether parity is checked in bit 7."""
        return self._line.data_bits == 7 and self._line.has_parity

    def verdict(self, now: int, patience: Patience | None, *, between_messages: bool) -> Verdict:
        """What the last octets are. Where all that is wrong is parity, it waits for the end of a message, so that
        none is cut."""
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
        """One side sends parity and the other, by all that it says, does not: that one, once for each."""
        if self._parity is None or not self._checks_parity:
            return None
        for sender in self._parity.without():
            if sender not in self.without_parity and self._parity.with_parity():
                self.without_parity |= {sender}
                self._make_tables()
                self._recent.clear()
                return sender
        return None
