"""The simulated client: a hand-held unit that plays a script of steps to a meter.

It takes what comes as a real one does: an answer with a wrong check character it refuses with NAK and takes the repeat,
a request that is refused or not answered it repeats, and where that does not help it breaks off. See
:mod:`vtctap.sniffer.simulated.machine` for how it is driven.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Final

from vtctap.sniffer.simulated.machine import MS, Action, Done, Send
from vtctap.sniffer.simulated.octets import ACK, EOT, ETX, LF, NAK, SLASH, STX, command, is_checked

SHORTEST_PAUSE: Final = 20 * MS
LONGEST_PAUSE: Final = 300 * MS
"""Between an answer and the next request; IEC 62056-21 clause 6.5 allows 20 ms (announced) or 200 ms to 1500 ms."""
SHORTEST_POLL_PAUSE: Final = 200 * MS
SESSION_PAUSE: Final = 1_000 * MS
"""Before a sign-on."""
RESPONSE_TIMEOUT: Final = 2_500 * MS
"""For an answer to begin or to go on. The meter's limit is 1500 ms; the client waits longer, so that an answer that is
late is not also repeated."""
MAX_REPEATS: Final = 3
MAX_POLLS: Final = 50


@dataclass(frozen=True, slots=True)
class SignOn:
    """IDRequest, with the number of the meter that is to answer, or without."""

    address: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """ReadCommand for one register."""

    register: str


@dataclass(frozen=True, slots=True)
class Write:
    """WriteCommand for one register."""

    register: str
    value: str


@dataclass(frozen=True, slots=True)
class Poll:
    """ReadCommands for one register for as long as it reads ``busy``."""

    register: str
    busy: str


@dataclass(frozen=True, slots=True)
class Break:
    """BreakCommand; the meter does not answer."""


Step = SignOn | Read | Write | Poll | Break

# What an answer to each step may begin with; NAK may always come.
_ANSWERS: Final[dict[type[Step], tuple[int, ...]]] = {
    SignOn: (SLASH, NAK),
    Read: (STX, NAK),
    Write: (ACK, STX, NAK),
    Poll: (STX, NAK),
    Break: (),
}


def request(step: Step) -> bytes:
    """The octets that a step begins with."""
    match step:
        case SignOn(address):
            return f"/?{address}!\r\n".encode("ascii")
        case Read(register) | Poll(register):
            return command("R1", f"{register}()")
        case Write(register, value):
            return command("W1", f"{register}({value})")
        case Break():
            return command("B0")


class ClientMachine:
    """A client that plays ``steps``, one session after the other, and is then done. ``random`` draws its pauses."""

    def __init__(self, steps: Iterable[Step], random: Random) -> None:
        self._steps = iter(steps)
        self._random = random
        self._step: Step = Break()
        self._frame = bytearray()
        self._repeats = 0
        self._polls = 0
        self._deadline: int | None = 0

    def receive(self, octet: int, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        if self._deadline is None:
            return []
        frame = self._frame
        if not frame and octet not in _ANSWERS[type(self._step)]:
            return []
        self._deadline = now + RESPONSE_TIMEOUT
        frame.append(octet)
        if (frame[0] == SLASH and octet != LF) or (frame[0] == STX and (len(frame) < 3 or frame[-2] not in (ETX, EOT))):
            return []
        answer = bytes(frame)
        frame.clear()
        self._deadline = None
        return self._take(answer)

    def sent(self, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        if isinstance(self._step, Break):
            return self._proceed()
        self._deadline = now + RESPONSE_TIMEOUT
        return []

    def wake_at(self) -> int | None:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        return self._deadline

    def timeout(self, now: int) -> list[Action]:
        """See :class:`~vtctap.sniffer.simulated.machine.Machine`."""
        self._deadline = None
        self._frame.clear()
        if isinstance(self._step, Break):
            return self._proceed()
        return self._repeat(request(self._step))

    def _take(self, answer: bytes) -> list[Action]:
        if answer[0] == NAK:
            return self._repeat(request(self._step))
        if answer[0] == STX and not is_checked(answer):
            return self._repeat(bytes([NAK]))
        if isinstance(self._step, Poll) and b"(" + self._step.busy.encode("ascii") + b")" in answer:
            self._polls += 1
            self._repeats = 0
            if self._polls < MAX_POLLS:
                return [Send(request(self._step), self._random.randint(SHORTEST_POLL_PAUSE, LONGEST_PAUSE))]
        return self._proceed()

    def _repeat(self, octets: bytes) -> list[Action]:
        self._repeats += 1
        if self._repeats <= MAX_REPEATS:
            return [Send(octets, self._pause())]
        for step in self._steps:
            if isinstance(step, Break):
                return self._begin(step)
        return [Done()]

    def _proceed(self) -> list[Action]:
        step = next(self._steps, None)
        return self._begin(step) if step else [Done()]

    def _begin(self, step: Step) -> list[Action]:
        self._step = step
        self._repeats = self._polls = 0
        return [Send(request(step), SESSION_PAUSE if isinstance(step, SignOn) else self._pause())]

    def _pause(self) -> int:
        return self._random.randint(SHORTEST_PAUSE, LONGEST_PAUSE)
