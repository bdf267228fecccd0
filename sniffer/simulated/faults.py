"""The faults of the simulated line, and a list of those that have happened.

In every session one answer arrives garbled, so that each session shows a NAK and a retransmission. Further faults can
be asked for by their codes, which are those of the findings that they must cause. Each of them happens once per
session; the seed decides order and place. Only reads of registers have faults, and each read at most one, so that every
fault can be recognised and the session still completes.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from random import Random
from typing import Final

from vtctap.sniffer.simulated.dialect import Dialect
from vtctap.sniffer.simulated.machine import MS
from vtctap.sniffer.simulated.named import KNOWN
from vtctap.sniffer.simulated.octets import SOH, STX, with_check
from vtctap.sniffer.simulated.wire import Character, Side

FAULTS: Final = frozenset(
    {"bcc-bad", "parity", "no-response", "cut", "noise", "response-late", "char-gap", "undefined-command", "break"}
)
"""The codes of all faults."""
PTY_FAULTS: Final = FAULTS - {"break"}
"""The faults that a pseudo-terminal can carry; on it a break would arrive as a plain NUL."""

GARBLED_READ: Final = 4
"""The number of the read, in each session, whose answer is garbled."""
LATE_NS: Final = 1_600 * MS
"""Added to a reaction time to make it too long (at most 1500 ms: IEC 62056-21 clause 6.5; derived)."""
CHARACTER_GAP_NS: Final = 1_600 * MS
"""A pause inside a message that is too long (at most 1500 ms: IEC 62056-21 clause 6.5; derived)."""
SETTLE_NS: Final = 50 * MS
"""The pause between a disturbance of the idle line and the next message."""
_NOISE: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The octets of noise: digits and capital letters begin no message, and their parity is right, so the only finding is
noise."""
_EVERY: Final = 3
"""The reads or answers of which one has a fault, where the partner is real."""
_HARMLESS: Final = {"response-late", "char-gap"}
"""Faults after which the answer is still valid; after all others it is repeated."""
_SWAP: Final = 0x03
"""Inverts two bits of a character, which keeps its parity right: 4 becomes 7."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that has happened: the start (ns) of the frame, noise or break that shows it, its code, and the sender.

    The request without an answer shows a missing answer.
    """

    time: int
    code: str
    side: Side


class Faults:
    """A :data:`~vtctap.sniffer.simulated.wire.Disturbance` with one fault of each of ``codes`` per session, and one
    garbled answer. A client without check characters has none that is bad. ``happened`` lists the faults in order of
    time."""

    def __init__(self, random: Random, codes: Collection[str] = (), dialect: Dialect = KNOWN) -> None:
        if unknown := set(codes) - FAULTS:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}; there are {', '.join(sorted(FAULTS))}")
        self._random = random
        self._dialect = dialect
        self._codes = sorted(set(codes) - (set() if dialect.syntax.client_check else {"bcc-bad"}))
        self._deck: list[str] = []
        self._reads = 0
        self._planned = ""
        self._settled = True
        self._asked = 0
        self.happened: list[Fault] = []

    def __call__(self, side: Side, octets: bytes, start: int) -> list[Character]:
        """See :data:`~vtctap.sniffer.simulated.wire.Disturbance`."""
        if side == "client":
            if octets[:2] == b"\x01R":
                self._asked = start
                if self._settled:
                    self._plan()
                    return self._strike(_TO_REQUESTS, side, octets, start)
        elif octets[0] == STX:
            self._settled = self._planned not in _TO_ANSWERS or self._planned in _HARMLESS
            return self._strike(_TO_ANSWERS, side, octets, start)
        return _plain(octets)

    def begin_session(self) -> None:
        """States that a session begins: all codes may happen again."""
        self._deck = list(self._codes)
        self._random.shuffle(self._deck)
        self._reads = 0
        self._settled = True
        self._planned = ""

    def _plan(self) -> None:
        """Chooses the fault of a read, when the client first requests it."""
        self._settled = False
        self._reads += 1
        if self._reads == GARBLED_READ:
            self._planned = "garbled"
        else:
            self._planned = self._deck.pop() if self._deck else ""

    def _strike(self, effects: dict[str, "_Effect"], side: Side, octets: bytes, start: int) -> list[Character]:
        effect = effects.get(self._planned)
        if effect is None:
            return _plain(octets)
        code, self._planned = self._planned, ""
        if code == "undefined-command":
            octets = self._undefined(octets)
        characters = effect(self._random, octets)
        if code == "no-response":
            self.happened.append(Fault(self._asked, code, "client"))
        else:
            time = start + characters[0].gap_ns
            self.happened.append(Fault(time, "bcc-bad" if code == "garbled" else code, side))
        return characters

    def _undefined(self, octets: bytes) -> bytes:
        """The same request with another command letter."""
        syntax = self._dialect.syntax
        changed = bytes([SOH, ord("X")]) + octets[2:]
        return with_check(changed[:-1], syntax.check) if syntax.client_check else changed


_Effect = Callable[[Random, bytes], list[Character]]


def _plain(octets: bytes, gap_ns: int = 0) -> list[Character]:
    return [Character(octet, gap_ns=0 if at else gap_ns) for at, octet in enumerate(octets)]


def _inside(random: Random, octets: bytes) -> int:
    """Draws a position inside a message: neither its first octet nor ETX or BCC."""
    return random.randrange(1, len(octets) - 2)


def _garbled(random: Random, octets: bytes) -> list[Character]:
    digits = [at for at in range(octets.index(b"("), len(octets) - 1) if chr(octets[at]).isdigit()]
    at = random.choice(digits)
    return _plain(octets[:at] + bytes([octets[at] ^ _SWAP]) + octets[at + 1 :])


def _bad_check(random: Random, octets: bytes) -> list[Character]:
    return _plain(octets[:-1] + bytes([octets[-1] ^ _SWAP]))


def _bad_parity(random: Random, octets: bytes) -> list[Character]:
    struck = _inside(random, octets)
    return [Character(octet, bad_parity=at == struck) for at, octet in enumerate(octets)]


def _character_gap(random: Random, octets: bytes) -> list[Character]:
    late = _inside(random, octets) + 1
    return [Character(octet, gap_ns=CHARACTER_GAP_NS if at == late else 0) for at, octet in enumerate(octets)]


def _noise(random: Random, octets: bytes) -> list[Character]:
    burst = bytes(random.choice(_NOISE) for _ in range(random.randint(3, 9)))
    return _plain(burst) + _plain(octets, SETTLE_NS)


_TO_REQUESTS: Final[dict[str, _Effect]] = {
    "bcc-bad": _bad_check,
    "noise": _noise,
    "undefined-command": lambda random, octets: _plain(octets),
    "break": lambda random, octets: [Character(0, is_break=True), *_plain(octets, SETTLE_NS)],
}
_TO_ANSWERS: Final[dict[str, _Effect]] = {
    "garbled": _garbled,
    "parity": _bad_parity,
    "no-response": lambda random, octets: [],
    "cut": lambda random, octets: _plain(octets[: _inside(random, octets) + 1]),
    "response-late": lambda random, octets: _plain(octets, LATE_NS),
    "char-gap": _character_gap,
}


class OwnFaults:
    """A :data:`~vtctap.sniffer.simulated.wire.Disturbance` for a device whose partner is real: every third read, or
    answer with data, has a fault of ``codes``, in an order that is drawn. ``tell`` is called with the code of each."""

    def __init__(self, random: Random, codes: Collection[str], tell: Callable[[str], None]) -> None:
        self._random = random
        self._codes = sorted(codes)
        self._tell = tell
        self._count = 0

    def __call__(self, side: Side, octets: bytes, start: int) -> list[Character]:
        """See :data:`~vtctap.sniffer.simulated.wire.Disturbance`."""
        effects = _TO_REQUESTS if side == "client" else _TO_ANSWERS
        if octets[:2] != b"\x01R" and octets[0] != STX:
            return _plain(octets)
        self._count += 1
        possible = [code for code in self._codes if code in effects and code != "undefined-command"]
        if self._count % _EVERY or not possible:
            return _plain(octets)
        code = self._random.choice(possible)
        self._tell(code)
        return effects[code](self._random, octets)
